import { CoterieError } from '../errors.js'
import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { Outlet } from '../internal/outlet.js'
import { consult, type Policy } from '../mls/policy.js'
import type { NativeCandidate, NativeGroupNode, NativeNodeView, NativeParcel, NativeTold } from '../native.js'
import { toNodeEvent, type GroupNodeEvent } from './node-events.js'
import { toParcel, type Parcel } from './parcel.js'

/** Timers cannot wait for longer. */
const MAX_DELAY = 2 ** 31 - 1
/** What is due at once does not keep the event loop from everything else. */
const MIN_DELAY = 10
/** What failed may succeed a little later. */
const RETRY_DELAY = 1_000

/** Whoever is awaited must not be collected: nothing else may hold on to it. */
const awaited = new Set<object>()

type NativeCall<Value> = Parameters<typeof abortable<Value>>[1]

/** @internal What all parts of one node share: its native half, its time, and what happens after each call. */
export class NodeCore {
  readonly native: NativeGroupNode
  readonly events: Outlet<NativeTold, GroupNodeEvent>
  readonly frames: Outlet<NativeParcel, Parcel>
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
    this.events = new Outlet((max) => this.#counted(native.takeEvents(max)), toNodeEvent, taken)
    this.frames = new Outlet((max) => this.#counted(native.takeParcels(max)), toParcel, taken)
    this.settle()
  }

  get view(): NativeNodeView {
    return this.native.view
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
      return await abortable(signal, call)
    } finally {
      this.#underWay -= 1
      this.settle()
    }
  }

  /** The native half may have something to tell or to send, and may want to be woken at another time. */
  settle(failed = false): void {
    if (this.#closed) return
    this.#schedule(failed ? RETRY_DELAY : MIN_DELAY)
    this.events.wake()
    this.frames.wake()
    this.#tellWatchers()
    this.#ask()
  }

  /** Has the policy's word, if there is one, about those whom a call would bring in. */
  async judge(options: AbortOptions | undefined, call: NativeCall<NativeCandidate[]>): Promise<void> {
    if (this.#policy === undefined) return
    const candidates = await this.call(options, call)
    await consult(this.#policy, candidates, [check.signal(options), this.#closing.signal])
  }

  async wake(): Promise<void> {
    const now = this.now()
    await this.call(undefined, () => this.native.wake(now))
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

  #counted<Value>(answer: Value | Promise<Value>): Value | Promise<Value> {
    if (!(answer instanceof Promise)) return answer
    this.#underWay += 1
    return answer.finally(() => {
      this.#underWay -= 1
    })
  }

  /** A commit may wait for the policy's word: everything else goes on meanwhile. */
  #ask(): void {
    if (this.#policy === undefined || this.#isAsking || !this.view.asks) return
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
    while (this.view.isFull) {
      // oxlint-disable-next-line no-await-in-loop -- until there is room
      await this.changed({ signal: this.#closing.signal })
    }
    await abortable(undefined, () => this.native.answer(commit, admitted, this.now()))
  }

  #tellWatchers(): void {
    for (const tell of this.#watchers) tell()
  }

  #schedule(least: number): void {
    clearTimeout(this.#timer)
    const { nextWake } = this.view
    if (nextWake === undefined) return
    const delay = Math.min(Math.max(nextWake - this.#guessNow(nextWake), least), MAX_DELAY)
    // A node that was forgotten is not held by its own timer.
    const reference = new WeakRef(this)
    this.#timer = setTimeout(() => {
      const core = reference.deref()
      core?.wake().catch(() => core.settle(true))
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
