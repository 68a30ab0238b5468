/**
 * What waits in native code, handed out one by one, and consumed only when what comes after it is asked for.
 *
 * It is taken in batches, and taking a batch says that the one before is dealt with. So whoever crashes between two items
 * gets those of its batch again, and nothing is lost. One reads at a time; a later reader goes on where the earlier stopped.
 */
import { toError, toInternal } from '../errors.js'
import type { NativeFailure } from '../native.js'

/** A crossing is worth many items; more would be much to do again after a crash. */
const BATCH = 64

/** A batch. */
export interface Taken<Raw> {
  readonly items: Raw[]
  /** Whether nothing follows but what waits. */
  readonly isOut: boolean
}

type Take<Raw> = (max: number) => Taken<Raw> | NativeFailure | Promise<Taken<Raw> | NativeFailure>

interface Waiter<Item> {
  resolve(result: IteratorResult<Item, undefined>): void
  reject(reason: unknown): void
}

/** Whoever is awaited must not be collected: nothing else may hold on to it. */
const awaited = new Set<object>()

const DONE = { done: true, value: undefined } as const

/** @internal */
export class Outlet<Raw, Item> {
  readonly #take: Take<Raw>
  readonly #convert: (raw: Raw) => Item
  readonly #onTaken: () => void
  #items: Item[] = []
  #reader: OutletReader<Raw, Item> | undefined
  #state: 'idle' | 'taking' | 'taking-again' | 'ended' = 'idle'

  constructor(take: Take<Raw>, convert: (raw: Raw) => Item, onTaken: () => void) {
    this.#take = take
    this.#convert = convert
    this.#onTaken = onTaken
  }

  /** Whoever read before has read its last. */
  read(signal: AbortSignal | undefined): OutletReader<Raw, Item> {
    signal?.throwIfAborted()
    this.#reader?.end()
    const reader = new OutletReader(this, signal)
    this.#reader = reader
    if (this.#state === 'ended') reader.end()
    return reader
  }

  /** Something may wait. */
  wake(): void {
    if (this.#state === 'taking') this.#state = 'taking-again'
    else if (this.#state === 'idle') this.#pump()
  }

  /** @internal Of readers only: the first of what waits here already. */
  first(reader: OutletReader<Raw, Item>): Item | undefined {
    return this.#reader === reader ? this.#items.shift() : undefined
  }

  /** @internal Of readers only: all of it. */
  rest(reader: OutletReader<Raw, Item>): Item[] {
    return this.#reader === reader ? this.#items.splice(0) : []
  }

  /** Something that native code does not know of. */
  put(item: Item): void {
    if (this.#state === 'ended') return
    this.#items.push(item)
    this.#serve()
  }

  /** Nothing more is handed out. */
  end(): void {
    this.#state = 'ended'
    this.#items = []
    this.#reader?.end()
  }

  /** @internal Of readers only: whoever reads no more. */
  left(reader: OutletReader<Raw, Item>): void {
    if (this.#reader === reader) this.#reader = undefined
  }

  /** What waits here already goes first. */
  #serve(): void {
    while (this.#reader?.isWaiting === true) {
      const item = this.#items.shift()
      if (item === undefined) return
      this.#reader.give(item)
    }
  }

  #pump(): void {
    this.#serve()
    if (this.#reader?.isWaiting !== true || this.#state !== 'idle') return
    this.#state = 'taking'
    const taken = this.#tried()
    if (taken instanceof Promise) void taken.then((answer) => this.#took(answer))
    else this.#took(taken)
  }

  #tried(): ReturnType<Take<Raw>> {
    try {
      return this.#take(BATCH)
    } catch (cause) {
      const { code, message, retryable } = toInternal(cause)
      return { failed: true, code, message, retryable }
    }
  }

  #took(answer: Taken<Raw> | NativeFailure): void {
    if (this.#state === 'ended') return
    const again = this.#state === 'taking-again'
    this.#state = 'idle'
    if ('failed' in answer) return this.#fail(answer)
    this.#items.push(...answer.items.map(this.#convert))
    if (answer.items.length === 0 && answer.isOut) return this.end()
    if (answer.items.length > 0) this.#onTaken()
    if (answer.items.length > 0 || again) this.#pump()
  }

  #fail(failure: NativeFailure): void {
    if (failure.code !== 'HANDLE_CLOSED') this.#reader?.fail(toError(failure))
    this.end()
  }
}

/** @internal One who reads. */
export class OutletReader<Raw, Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #outlet: Outlet<Raw, Item>
  readonly #signal: AbortSignal | undefined
  #waiters: Waiter<Item>[] = []
  #ended = false
  #failure: { reason: unknown } | undefined

  constructor(outlet: Outlet<Raw, Item>, signal: AbortSignal | undefined) {
    this.#outlet = outlet
    this.#signal = signal
    signal?.addEventListener('abort', this.#abort, { once: true })
  }

  readonly #abort = () => {
    this.fail(this.#signal?.reason)
  }

  get isWaiting(): boolean {
    return this.#waiters.length > 0
  }

  give(value: Item): void {
    this.#waiters.shift()?.resolve({ done: false, value })
    if (!this.isWaiting) awaited.delete(this)
  }

  /** The first that waits is told why, or the next that asks. */
  fail(reason: unknown): void {
    if (this.#ended) return
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#failure = { reason }
    else waiter.reject(reason)
    this.end()
  }

  end(): void {
    this.#ended = true
    awaited.delete(this)
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#outlet.left(this)
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(DONE)
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    if (this.#failure !== undefined) {
      const { reason } = this.#failure
      this.#failure = undefined
      return Promise.reject(reason as Error)
    }
    if (this.#ended) return Promise.resolve(DONE)
    if (!this.isWaiting) {
      const value = this.#outlet.first(this)
      if (value !== undefined) return Promise.resolve({ done: false, value })
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      awaited.add(this)
      this.#outlet.wake()
    })
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.#failure = undefined
    this.end()
    return Promise.resolve(DONE)
  }

  /** The same, but all at a time that waits here: of a batch what nobody has read yet. */
  async *together(): AsyncGenerator<Item[], undefined> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is what the order means
      const { done, value } = await this.next()
      if (done === true) return
      yield [value, ...this.#outlet.rest(this)]
    }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
