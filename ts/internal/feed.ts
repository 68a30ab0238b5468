/**
 * From a native queue to an async iterator.
 *
 * The native side holds what waits, bounded; this side takes it in batches and hands it out one by one. Leaving the
 * loop, aborting, closing the group or losing the iterator releases the native side. While somebody awaits the next
 * event the iterator cannot be collected; otherwise it can, and its feed with it.
 */
import { toInternal } from '../errors.js'
import type { NativeBatch } from '../native.js'

/** What a feed of any kind of event offers. */
interface Source<Raw> {
  take(max: number): { events: Raw[]; ended: boolean }
  close(): void
}

/** Large enough that a busy group costs one crossing for many events, small enough to convert without a hitch. */
const BATCH = 64

/** Whoever is awaited must not be collected: nothing else may hold on to it. */
const awaited = new Set<object>()

interface Waiting<Event> {
  resolve(result: IteratorResult<Event, undefined>): void
  reject(reason: unknown): void
}

class Drain<Raw, Event> implements AsyncIterableIterator<Event, undefined> {
  readonly #convert: (raw: Raw) => Event
  #source: Source<Raw> | undefined
  #batch: Raw[] = []
  #waiting: Waiting<Event>[] = []
  #failure: { reason: unknown } | undefined
  #forgetSignal: () => void = () => undefined

  constructor(convert: (raw: Raw) => Event) {
    this.#convert = convert
  }

  attach(source: Source<Raw>, forgetSignal: () => void): void {
    this.#source = source
    this.#forgetSignal = forgetSignal
  }

  fail(reason: unknown): void {
    if (this.#source === undefined) return
    this.#failure = { reason }
    this.#end()
  }

  /** Something waits in the native queue, or it has ended. */
  wake(): void {
    while (this.#waiting.length > 0) {
      const result = this.#take()
      if (result === undefined) return
      const waiting = this.#waiting.shift()
      waiting?.resolve(result)
    }
    awaited.delete(this)
  }

  next(): Promise<IteratorResult<Event, undefined>> {
    return new Promise((resolve, reject) => {
      const result = this.#waiting.length === 0 ? this.#take() : undefined
      if (result === undefined) {
        this.#waiting.push({ resolve, reject })
        awaited.add(this)
      } else if (result.done === true && this.#failure !== undefined) {
        const { reason } = this.#failure
        this.#failure = undefined
        reject(reason as Error)
      } else {
        resolve(result)
      }
    })
  }

  return(): Promise<IteratorResult<Event, undefined>> {
    this.#failure = undefined
    this.#end()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** The next event if one is there, the end if it has come, undefined if one must wait. */
  #take(): IteratorResult<Event, undefined> | undefined {
    const buffered = this.#batch.shift()
    if (buffered !== undefined) return { done: false, value: this.#convert(buffered) }
    if (this.#source === undefined) return { done: true, value: undefined }
    const { events, ended } = this.#takeBatch(this.#source)
    if (ended) {
      this.#end()
      return { done: true, value: undefined }
    }
    const [first, ...rest] = events
    this.#batch = rest
    return first === undefined ? undefined : { done: false, value: this.#convert(first) }
  }

  #takeBatch(source: Source<Raw>): { events: Raw[]; ended: boolean } {
    try {
      return source.take(BATCH)
    } catch (cause) {
      this.fail(toInternal(cause))
      return { events: [], ended: true }
    }
  }

  #end(): void {
    this.#forgetSignal()
    this.#source?.close()
    this.#source = undefined
    this.#batch = []
    awaited.delete(this)
    const [first, ...others] = this.#waiting.splice(0)
    if (first === undefined) return
    if (this.#failure === undefined) first.resolve({ done: true, value: undefined })
    else first.reject(this.#failure.reason)
    // Like a generator: the first that waits is told why, and after that it is over.
    this.#failure = undefined
    for (const waiting of others) waiting.resolve({ done: true, value: undefined })
  }
}

/**
 * @internal The events of a native feed, from this call on.
 *
 * `subscribe` is given the function that the native side calls when something waits; it must not keep the iterator
 * alive, or nothing would ever release it.
 */
export function drain<Raw extends NativeBatch['events'][number], Event>(
  subscribe: (wake: () => void) => Source<Raw>,
  convert: (raw: Raw) => Event,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<Event, undefined> {
  signal?.throwIfAborted()
  const iterator = new Drain(convert)
  const reference = new WeakRef(iterator)
  const source = subscribe(() => {
    reference.deref()?.wake()
  })
  iterator.attach(source, listen(reference, signal))
  return iterator
}

/** Signals outlive iterators: they must not hold on to one, and one that is collected leaves nothing behind. */
const collected = new FinalizationRegistry<() => void>((forget) => {
  forget()
})

function listen(
  iterator: WeakRef<{ fail(reason: unknown): void }>,
  signal: AbortSignal | undefined,
): () => void {
  if (signal === undefined) return () => undefined
  const abort = () => {
    iterator.deref()?.fail(signal.reason)
  }
  const forget = () => {
    signal.removeEventListener('abort', abort)
  }
  signal.addEventListener('abort', abort, { once: true })
  const target = iterator.deref()
  if (target !== undefined) collected.register(target, forget)
  return forget
}
