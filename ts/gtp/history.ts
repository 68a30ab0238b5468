import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeFailure, type NativeHistory, type NativeKept } from '../native.js'
import { toMessage, toNativeMessage, type TextMessage, type TextMessageInit } from './message.js'
import { Watermark } from './watermark.js'

/** Entries that cross the boundary at a time. */
const PAGE = 256

const DEFAULT_MESSAGES = 10_000
const DEFAULT_BYTES = 64 * 1024 * 1024

/** How much a history keeps. What is above gives way, oldest first. */
export interface HistoryLimits {
  /** Messages, up to a million; 10,000 where nothing is said. */
  readonly messages?: number
  /** Bytes of all messages, up to 128 MiB; 64 MiB where nothing is said. One message stays whatever its length. */
  readonly bytes?: number
}

/** One message of a history. */
export interface Kept {
  /** Its place, and the cursor to read on from. It is never used again. */
  readonly position: bigint
  /** Who sent it. */
  readonly sender: number
  /** Its number among the sender's messages. */
  readonly id: bigint
  /** Whether another member passed it on, so that it is that member's word only. */
  readonly relayed: boolean
  /** The message, where contents stay in memory. */
  readonly message: TextMessage | undefined
}

/** What came of a message that was pushed. */
export interface Pushed {
  /** Its place. */
  readonly position: bigint
  /** Places of those that gave way, oldest first. */
  readonly dropped: readonly bigint[]
}

/** Messages that are kept, in the order in which they came. */
export interface ReadonlyHistory {
  /** How many messages are there. */
  readonly length: number
  /** What they take, as far as the limits count it. */
  readonly bytes: number
  /** Whether a sender's message is there. */
  contains(sender: number, id: bigint): boolean
  /** A sender's message, if it is there. */
  find(sender: number, id: bigint): Kept | undefined
  /** Everything behind a position, oldest first; everything, where none is given. */
  after(position?: bigint): IterableIterator<Kept>
  /** Everything that a watermark does not reach, oldest first. */
  since(seen: Watermark): IterableIterator<Kept>
  /** Messages of one sender above a number, oldest first. */
  sinceForSender(sender: number, id: bigint): IterableIterator<Kept>
}

/** @internal What reads a history, wherever it stands. */
export interface HistorySource {
  size(): number[] | NativeFailure
  find(sender: number, id: bigint): NativeKept | null | NativeFailure
  after(position: bigint | undefined, limit: number): NativeKept[] | NativeFailure
  since(seen: Watermark, position: bigint | undefined, limit: number): NativeKept[] | NativeFailure
  sinceForSender(
    sender: number,
    id: bigint,
    position: bigint | undefined,
    limit: number,
  ): NativeKept[] | NativeFailure
}

/** @internal */
export class HistoryReader implements ReadonlyHistory {
  readonly #source: HistorySource

  constructor(source: HistorySource) {
    this.#source = source
  }

  get length(): number {
    return unwrap(this.#source.size())[0] ?? 0
  }

  get bytes(): number {
    return unwrap(this.#source.size())[1] ?? 0
  }

  contains(sender: number, id: bigint): boolean {
    return this.find(sender, id) !== undefined
  }

  find(sender: number, id: bigint): Kept | undefined {
    const kept = unwrap(this.#source.find(check.u32(sender, 'sender'), check.u64(id, 'id')))
    return kept === null ? undefined : toKept(kept)
  }

  after(position?: bigint): IterableIterator<Kept> {
    const start = position === undefined ? undefined : check.u64(position, 'position')
    return pages((from) => this.#source.after(from, PAGE), start)
  }

  since(seen: Watermark): IterableIterator<Kept> {
    return pages((from) => this.#source.since(seen, from, PAGE))
  }

  sinceForSender(sender: number, id: bigint): IterableIterator<Kept> {
    const [whose, above] = [check.u32(sender, 'sender'), check.u64(id, 'id')]
    return pages((from) => this.#source.sinceForSender(whose, above, from, PAGE))
  }
}

/** The first page is read at the call, so that arguments are refused there; the others as they are asked for. */
function pages(
  read: (from: bigint | undefined) => NativeKept[] | NativeFailure,
  start?: bigint,
): IterableIterator<Kept> {
  const first = unwrap(read(start))
  return (function* () {
    for (let page = first; page.length > 0; page = unwrap(read(page.at(-1)?.position))) {
      for (const kept of page) yield toKept(kept)
      if (page.length < PAGE) return
    }
  })()
}

/** @internal */
export function toKept(kept: NativeKept): Kept {
  const { position, sender, id, relayed, message } = kept
  return { position, sender, id, relayed, message: message ? toMessage(message) : undefined }
}

/** @internal */
export function toNativeLimits(value: unknown, name: string) {
  const { messages = DEFAULT_MESSAGES, bytes = DEFAULT_BYTES } = check.record(value, name)
  return {
    messages: check.u32(messages, `${name}.messages`),
    bytes: check.u32(bytes, `${name}.bytes`),
    inMemory: true,
  }
}

/**
 * A bounded log of messages by itself. {@link TextClient.history} is a client's own.
 *
 * @example
 * ```ts
 * using log = History.create({ messages: 100 })
 * log.push({ id: 1n, sender: 7, text: 'hello' })
 * for (const { message } of log.sinceForSender(7, 0n)) console.log(message?.text)
 * ```
 */
export class History implements ReadonlyHistory, Disposable {
  readonly #native: NativeHistory
  readonly #reader: ReadonlyHistory

  private constructor(made: NativeHistory) {
    this.#native = made
    this.#reader = new HistoryReader({
      size: () => made.size(),
      find: (sender, id) => made.find(sender, id),
      after: (position, limit) => made.after(position, limit),
      since: (seen, position, limit) => made.since(Watermark.nativeOf(seen, 'seen'), position, limit),
      sinceForSender: (sender, id, position, limit) => made.sinceForSender(sender, id, position, limit),
    })
  }

  /**
   * An empty history.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT` where it could keep nothing, or more than its bounds.
   */
  static create(limits: HistoryLimits = {}): History {
    return new History(unwrap(native.NativeHistory.create(toNativeLimits(limits, 'limits'))))
  }

  /**
   * Appends a message; nothing happens where its sender's number is there already.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  push(message: TextMessageInit): Pushed | undefined {
    return unwrap(this.#native.push(toNativeMessage(message, 'message'))) ?? undefined
  }

  /**
   * Takes out the message at a position; false where there is none.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  remove(position: bigint): boolean {
    return unwrap(this.#native.remove(check.u64(position, 'position')))
  }

  /**
   * Forgets everything. Positions go on.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  clear(): void {
    unwrap(this.#native.clear())
  }

  /** How many messages are there. */
  get length(): number {
    return this.#reader.length
  }

  /** What they take, as far as the limits count it. */
  get bytes(): number {
    return this.#reader.bytes
  }

  /**
   * Whether a sender's message is there.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  contains(sender: number, id: bigint): boolean {
    return this.#reader.contains(sender, id)
  }

  /**
   * A sender's message, if it is there.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  find(sender: number, id: bigint): Kept | undefined {
    return this.#reader.find(sender, id)
  }

  /**
   * Everything behind a position, oldest first; everything, where none is given.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  after(position?: bigint): IterableIterator<Kept> {
    return this.#reader.after(position)
  }

  /**
   * Everything that a watermark does not reach, oldest first.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  since(seen: Watermark): IterableIterator<Kept> {
    return this.#reader.since(seen)
  }

  /**
   * Messages of one sender above a number, oldest first.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  sinceForSender(sender: number, id: bigint): IterableIterator<Kept> {
    return this.#reader.sinceForSender(sender, id)
  }

  /** Lets go of it. Closing twice is fine. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
