import { instance, record, text, u32 } from '../internal/arguments.js'
import { refuse, wide } from './handle.js'

/** A text message as a history keeps it. */
export interface MessageEntry {
  /** Who sent it. */
  senderId: number
  /** Its number among its sender's. */
  messageId: bigint
  /** What it says. */
  text: string
}

const nameOf = (senderId: number, messageId: bigint): string => `${senderId}/${messageId}`

/** The last messages, each once, for members who ask for what they missed. */
export class MessageHistory {
  readonly #capacity: number
  /** In the order of their arrival. */
  readonly #entries = new Map<string, MessageEntry>()

  constructor(capacity: number) {
    this.#capacity = u32(capacity, 'capacity')
    if (capacity === 0) refuse('capacity must be above 0')
  }

  /** How many messages there are. */
  get length(): number {
    return this.#entries.size
  }

  /** Keeps a message and drops the oldest where there is no room; false where it is kept already. */
  push(entry: MessageEntry): boolean {
    const given = record(entry, 'entry')
    const [senderId, messageId] = [u32(given['senderId'], 'senderId'), wide(given['messageId'], 'messageId')]
    const kept = { senderId, messageId, text: text(given['text'], 'text') }
    const name = nameOf(senderId, messageId)
    if (this.#entries.has(name)) return false
    if (this.#entries.size >= this.#capacity) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
    this.#entries.set(name, kept)
    return true
  }

  /** Whether a message is kept. */
  contains(senderId: number, messageId: bigint): boolean {
    return this.#entries.has(nameOf(u32(senderId, 'senderId'), wide(messageId, 'messageId')))
  }

  /** What a member with this watermark has not seen, in the order of arrival. */
  *since(watermark: Watermark): IterableIterator<MessageEntry> {
    const known = instance(watermark, Watermark.is, 'Watermark')
    for (const entry of Array.from(this.#entries.values())) {
      const seen = known.lastSeen(entry.senderId)
      if (seen === null || entry.messageId > seen) yield entry
    }
  }

  /** One sender's messages above a number, in the order of arrival. */
  *sinceForSender(senderId: number, sinceMessageId: bigint): IterableIterator<MessageEntry> {
    const above = wide(sinceMessageId, 'sinceMessageId')
    for (const entry of Array.from(this.#entries.values())) {
      if (entry.senderId === senderId && entry.messageId > above) yield entry
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#entries.clear()
  }
}

/** The highest number seen of each sender. */
export class Watermark {
  readonly #seen = new Map<number, bigint>()

  /** @internal Whether `value` is one, and not only looks like one. */
  static is(value: object): value is Watermark {
    return #seen in value
  }

  /** Notes a number. */
  observe(senderId: number, messageId: bigint): void {
    const number = wide(messageId, 'messageId')
    const known = this.#seen.get(u32(senderId, 'senderId'))
    if (known === undefined || number > known) this.#seen.set(senderId, number)
  }

  /** The highest number of a sender; null where none was seen. */
  lastSeen(senderId: number): bigint | null {
    return this.#seen.get(senderId) ?? null
  }

  /** A copy of all of them. */
  snapshot(): Map<number, bigint> {
    return new Map(this.#seen)
  }

  /** How many senders there are. */
  get size(): number {
    return this.#seen.size
  }

  /** Forgets all. */
  clear(): void {
    this.#seen.clear()
  }
}
