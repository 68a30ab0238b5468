import { CoterieError, toInternal, unwrap } from '../errors.js'
import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { Outlet, type Taken } from '../internal/outlet.js'
import { consult, type Policy } from '../mls/policy.js'
import type {
  NativeCandidate,
  NativeFailure,
  NativeGroupNode,
  NativeNodeView,
  NativeTakenEvents,
  NativeTakenParcels,
} from '../native.js'
import type { GroupNodeEvent } from './node-events.js'
import { unpackEvents, unpackParcels } from './packed.js'
import type { Parcel } from './parcel.js'

/** Timers cannot wait for longer. */
const MAX_DELAY = 2 ** 31 - 1
/** What is due at once does not keep the event loop from everything else. */
const MIN_DELAY = 10
/** What failed may succeed a little later. */
const RETRY_DELAY = 1_000

/** The bits of a node's pulse: `crates/node/src/stack/pulse.rs`. */
const PULSE = { events: 1, parcels: 2, asks: 4, full: 8, out: 16, sooner: 32 } as const

/** Whoever is awaited must not be collected: nothing else may hold on to it. */
const awaited = new Set<object>()

type NativeCall<Value> = Parameters<typeof abortable<Value>>[1]

/** @internal What all parts of one node share: its native half, its time, and what happens after each call. */
export class NodeCore {
  readonly native: NativeGroupNode
  readonly events: Outlet<GroupNodeEvent, GroupNodeEvent>
  readonly frames: Outlet<Parcel, Parcel>
  readonly clock: () => number
  readonly #policy: Policy | undefined
  /** Ends the wait for a policy. */
  readonly #closing = new AbortController()
  #isAsking = false
  #timer: NodeJS.Timeout | undefined
  #closed = false
  #underWay = 0
  /** Whoever waits for something to change. */
  readonly #watchers = new Set<() => void>()

  constructor(native: NativeGroupNode, clock: () => number, policy: Policy | undefined) {
    this.native = native
    this.clock = clock
    this.#policy = policy
    const taken = () => this.#tellWatchers()
    const events = (max: number) =>
      this.#taken<NativeTakenEvents, GroupNodeEvent>(native.takeEvents(max), unpackEvents)
    const parcels = (max: number) =>
      this.#taken<NativeTakenParcels, Parcel>(native.takeParcels(max), unpackParcels)
    this.events = new Outlet(events, (event) => event, taken)
    this.frames = new Outlet(parcels, (parcel) => parcel, taken)
    this.settle()
  }

  get view(): NativeNodeView {
    return this.native.view
  }

  /** Whether calls are refused because too much waits to be taken. */
  get isFull(): boolean {
    return (this.native.pulse & PULSE.full) !== 0
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Whether every call that was made is answered, and nothing more comes of it. */
  get isIdle(): boolean {
    return this.#underWay === 0
  }

  now(): number {
    return check.time(this.clock)
  }

  /** Makes a call, and hands out what came of it. */
  async call<Value>(options: AbortOptions | undefined, call: NativeCall<Value>): Promise<Value> {
    const signal = check.signal(options)
    this.#underWay += 1
    try {
      return signal === undefined ? await unstoppable(call) : await abortable(signal, call)
    } finally {
      this.#underWay -= 1
      this.settle()
    }
  }

  /** The native half may have something to tell or to send, and may want to be woken at another time. */
  settle(): void {
    if (this.#closed) return
    const { pulse } = this.native
    if ((pulse & PULSE.sooner) !== 0) this.#schedule(MIN_DELAY)
    if ((pulse & (PULSE.events | PULSE.out)) !== 0) this.events.wake()
    if ((pulse & (PULSE.parcels | PULSE.out)) !== 0) this.frames.wake()
    this.#tellWatchers()
    if ((pulse & PULSE.asks) !== 0) this.#ask()
  }

  /** Has the policy's word, if there is one, about those whom a call would bring in. */
  async judge(options: AbortOptions | undefined, call: NativeCall<NativeCandidate[]>): Promise<void> {
    if (this.#policy === undefined) return
    const candidates = await this.call(options, call)
    await consult(this.#policy, candidates, [check.signal(options), this.#closing.signal])
  }

  /** Does what is due. The clock may have been wound since the timer was set. */
  async wake(): Promise<void> {
    const now = this.now()
    try {
      await this.call(undefined, () => this.native.wake(now))
    } finally {
      this.#schedule(MIN_DELAY)
    }
  }

  /** Resolves when something has changed, or the node was closed, or `due` has come. */
  async changed(options: AbortOptions | undefined, due?: number): Promise<void> {
    const signal = check.signal(options)
    signal?.throwIfAborted()
    if (this.#closed) return
    const delay = due === undefined ? undefined : Math.min(Math.max(due - this.now(), 0), MAX_DELAY)
    awaited.add(this.#watchers)
    try {
      await told(this.#watchers, delay, signal)
    } finally {
      if (this.#watchers.size === 0) awaited.delete(this.#watchers)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    this.#closing.abort(new CoterieError('HANDLE_CLOSED', 'the node was closed'))
    this.events.end()
    this.frames.end()
    this.#tellWatchers()
    await this.#forgetDealtWith()
  }

  /** Where the store was closed before, what was dealt with comes again. */
  async #forgetDealtWith(): Promise<void> {
    try {
      await abortable(undefined, () => this.native.close())
    } catch (error) {
      if (!(CoterieError.is(error) && error.code === 'HANDLE_CLOSED')) throw error
    }
  }

  checkOpen(): void {
    if (this.#closed) throw new CoterieError('HANDLE_CLOSED', 'the node was closed')
  }

  /** What the native half gave, unpacked. */
  #taken<Packed extends { readonly isOut: boolean }, Item>(
    answer: Packed | NativeFailure | Promise<Packed | NativeFailure>,
    unpack: (packed: Packed) => Item[],
  ): Taken<Item> | NativeFailure | Promise<Taken<Item> | NativeFailure> {
    const open = (given: Packed | NativeFailure) =>
      'failed' in given ? given : { items: unpack(given), isOut: given.isOut }
    if (!(answer instanceof Promise)) return open(answer)
    this.#underWay += 1
    return answer.then(open).finally(() => {
      this.#underWay -= 1
    })
  }

  /** A commit may wait for the policy's word: everything else goes on meanwhile. */
  #ask(): void {
    if (this.#policy === undefined || this.#isAsking) return
    this.#isAsking = true
    this.#underWay += 1
    void this.#asked(this.#policy)
  }

  /** What failed is asked again by whatever is done next. */
  async #asked(policy: Policy): Promise<void> {
    const answered = await this.#consult(policy).then(
      () => true,
      () => false,
    )
    this.#isAsking = false
    this.#underWay -= 1
    if (answered) this.settle()
  }

  async #consult(policy: Policy): Promise<void> {
    const question = await abortable(undefined, () => this.native.question())
    if (question === null) return
    const { commit, candidates } = question
    const admitted = await admits(policy, candidates, this.#closing.signal)
    while (this.isFull) {
      // oxlint-disable-next-line no-await-in-loop -- until there is room
      await this.changed({ signal: this.#closing.signal })
    }
    await abortable(undefined, () => this.native.answer(commit, admitted, this.now()))
  }

  #tellWatchers(): void {
    for (const tell of this.#watchers) tell()
  }

  /** Sets the timer, which nothing but a time before its own sets again: one that comes too early finds nothing to do. */
  #schedule(least: number): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    const next = this.native.announceWake()
    if (next === null) return
    const delay = Math.min(Math.max(next - this.#guessNow(next), least), MAX_DELAY)
    // A node that was forgotten is not held by its own timer.
    const reference = new WeakRef(this)
    this.#timer = setTimeout(() => {
      const core = reference.deref()
      core?.wake().catch(() => core.#schedule(RETRY_DELAY))
    }, delay)
    // A timer alone keeps no process alive.
    this.#timer.unref()
  }

  /** A clock that fails has made the call fail that asked it. */
  #guessNow(otherwise: number): number {
    try {
      return this.now()
    } catch {
      return otherwise - RETRY_DELAY
    }
  }
}

/** A call that nothing can stop. */
async function unstoppable<Value>(call: NativeCall<Value>): Promise<Value> {
  let answer: ReturnType<NativeCall<Value>>
  try {
    answer = call(undefined)
  } catch (cause) {
    throw toInternal(cause)
  }
  return unwrap(answer instanceof Promise ? await answer : answer)
}

/** Whether the policy wants them all. One that does not is no failure here. */
async function admits(
  policy: Policy,
  candidates: readonly NativeCandidate[],
  closing: AbortSignal,
): Promise<boolean> {
  try {
    await consult(policy, candidates, [closing])
    return true
  } catch (error) {
    if (CoterieError.is(error) && error.code === 'MLS_REFUSED_BY_POLICY') return false
    throw error
  }
}

/** Resolves when a watcher is told, or after `delay`; rejects when `signal` aborts. */
function told(
  watchers: Set<() => void>,
  delay: number | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      watchers.delete(end)
      if (signal?.aborted === true) reject(signal.reason as Error)
      else resolve()
    }
    const timer = delay === undefined ? undefined : setTimeout(end, delay)
    signal?.addEventListener('abort', end, { once: true })
    watchers.add(end)
  })
}
