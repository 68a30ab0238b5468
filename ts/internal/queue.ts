/** A bounded queue between one who puts and one who takes, for what never crosses the native boundary. */

interface Taker<Item> {
  resolve(result: IteratorResult<Item, undefined>): void
  reject(reason: unknown): void
  readonly reader: object
}

/** @internal */
export class Queue<Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #capacity: number
  readonly #onReturn: () => void
  readonly #signal: AbortSignal | undefined
  readonly #items: Item[] = []
  readonly #takers: Taker<Item>[] = []
  #putters: (() => void)[] = []
  #ended = false
  #failure: { reason: unknown } | undefined

  constructor(capacity: number, signal: AbortSignal | undefined, onReturn: () => void) {
    this.#capacity = capacity
    this.#signal = signal
    this.#onReturn = onReturn
    signal?.addEventListener('abort', this.#abort, { once: true })
  }

  readonly #abort = () => {
    this.fail(this.#signal?.reason)
  }

  /** Whether anything put now would be taken some day. */
  get isOpen(): boolean {
    return !this.#ended
  }

  /** Resolves when there is room for another item, or when nobody will take any more. */
  async room(): Promise<void> {
    while (!this.#ended && this.#items.length >= this.#capacity) {
      await new Promise<void>((resolve) => this.#putters.push(resolve))
    }
  }

  /** Adds an item; the caller has waited for {@link Queue.room}. */
  put(item: Item): void {
    if (this.#ended) return
    const taker = this.#takers.shift()
    if (taker === undefined) this.#items.push(item)
    else taker.resolve({ done: false, value: item })
  }

  /** No more will come; what waits can still be taken. */
  end(): void {
    this.#ended = true
    this.#signal?.removeEventListener('abort', this.#abort)
    for (const taker of this.#takers.splice(0)) taker.resolve({ done: true, value: undefined })
    for (const putter of this.#putters.splice(0)) putter()
  }

  /** What waits is dropped, and whoever takes next is told why. */
  fail(reason: unknown): void {
    if (this.#ended) return
    this.#items.length = 0
    const taker = this.#takers.shift()
    if (taker === undefined) this.#failure = { reason }
    else taker.reject(reason)
    this.end()
    this.#onReturn()
  }

  /** `reader` is whoever asks: it is not collected while it waits. */
  next(reader: object = this): Promise<IteratorResult<Item, undefined>> {
    const [first] = this.#items
    if (first !== undefined) {
      this.#items.shift()
      this.#putters.shift()?.()
      return Promise.resolve({ done: false, value: first })
    }
    if (this.#failure !== undefined) {
      const { reason } = this.#failure
      this.#failure = undefined
      return Promise.reject(reason as Error)
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject, reader })
    })
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.#items.length = 0
    this.#failure = undefined
    this.end()
    this.#onReturn()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}

/** A queue whose reader was lost without a word would fill up, and hold up whoever puts. */
const lost = new FinalizationRegistry<{ return(): unknown }>((queue) => {
  queue.return()
})

/** @internal What a consumer holds of a queue. When it is collected, the queue is left as by `return`. */
export class Reader<Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #queue: Queue<Item>

  constructor(queue: Queue<Item>) {
    this.#queue = queue
    lost.register(this, queue)
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    return this.#queue.next(this)
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    return this.#queue.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
