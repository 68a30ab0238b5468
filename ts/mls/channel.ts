import { CoterieError } from '../errors.js'
import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { Queue, Reader } from '../internal/queue.js'

/** A message with its place in the channel's order. */
export interface Delivery {
  /** Counted from 0, without gaps. */
  readonly position: bigint
  readonly message: Uint8Array
}

/**
 * What delivers every message of one group to everybody in it, the sender included, in one order
 * (RFC 9420, section 3.2).
 *
 * The order decides between commits: of two for one epoch, the first counts. A channel reads nothing of what it
 * delivers and is trusted with nothing but to deliver.
 */
export interface GroupChannel {
  /**
   * Appends `message` and resolves with its place.
   *
   * Rejects only if the message was not appended and never will be: a session then drops the commit it carried. A channel
   * over a network finds out before it answers, for instance by sending again under an id of its own.
   */
  append(message: Uint8Array, options?: AbortOptions): Promise<bigint>

  /** Where the next message will stand. */
  end(options?: AbortOptions): Promise<bigint>

  /**
   * Everything from `position` on, in order, as it comes. Ends when the channel is closed.
   *
   * @throws {@link CoterieError} `CHANNEL_BEHIND` where messages from there on are gone, `CHANNEL_CLOSED`.
   */
  read(position: bigint, options?: AbortOptions): AsyncIterableIterator<Delivery, undefined>
}

/** How a channel in memory is bounded. */
export interface MemoryChannelOptions {
  /** How many messages are kept for those who read from the past; 65,536 where nothing is said. */
  readonly keep?: number
}

/** A reader that is this far behind makes senders wait. */
const MAX_UNREAD = 1_024
const KEEP = 65_536

/**
 * A group channel in memory, for tests and for programs whose members live in one process.
 *
 * It is bounded: it keeps the newest messages for those who read from the past, and whoever appends waits for readers
 * that lag behind.
 */
export class MemoryChannel implements GroupChannel, Disposable, AsyncDisposable {
  readonly #keep: number
  readonly #readers = new Set<Queue<Delivery>>()
  #log: Delivery[] = []
  #next = 0n
  #closed = false
  #tail: Promise<unknown> = Promise.resolve()

  constructor(options?: MemoryChannelOptions) {
    const { keep = KEEP } = check.options(options)
    this.#keep = check.u32(keep, 'keep')
  }

  async append(message: Uint8Array, options?: AbortOptions): Promise<bigint> {
    const copy = check.copyOf(message, 'message')
    const signal = check.signal(options)
    const appended = this.#tail.then(() => this.#append(copy, signal))
    this.#tail = appended.catch(() => undefined)
    return appended
  }

  async end(): Promise<bigint> {
    return this.#next
  }

  read(position: bigint, options?: AbortOptions): AsyncIterableIterator<Delivery, undefined> {
    const signal = check.signal(options)
    signal?.throwIfAborted()
    this.#checkOpen()
    if (typeof position !== 'bigint' || position < 0n || position > this.#next) {
      throw new CoterieError('INVALID_ARGUMENT', `position must be a bigint from 0 to ${this.#next}`)
    }
    const oldest = this.#next - BigInt(this.#log.length)
    if (position < oldest) throw new CoterieError('CHANNEL_BEHIND', `the channel begins at ${oldest}`)
    const reader: Queue<Delivery> = new Queue(MAX_UNREAD, signal, () => this.#readers.delete(reader))
    for (const delivery of this.#log.slice(Number(position - oldest))) reader.put(delivery)
    this.#readers.add(reader)
    return new Reader(reader)
  }

  /** Ends the channel: readers take what they have not read yet, and then hear that there is no more. */
  close(): void {
    this.#closed = true
    for (const reader of this.#readers) reader.end()
    this.#readers.clear()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #append(message: Uint8Array, signal: AbortSignal | undefined): Promise<bigint> {
    this.#checkOpen()
    for (const reader of this.#readers) await reader.room()
    signal?.throwIfAborted()
    this.#checkOpen()
    const delivery = { position: this.#next, message }
    this.#next += 1n
    this.#log.push(delivery)
    if (this.#log.length > this.#keep) this.#log = this.#log.slice(-this.#keep || this.#log.length)
    for (const reader of this.#readers) reader.put(delivery)
    return delivery.position
  }

  #checkOpen(): void {
    if (this.#closed) throw new CoterieError('CHANNEL_CLOSED', 'the channel was closed')
  }
}
