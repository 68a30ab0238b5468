import { u32 } from '../internal/arguments.js'
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
    const name = nameOf(u32(entry.senderId, 'senderId'), wide(entry.messageId, 'messageId'))
    if (this.#entries.has(name)) return false
    if (this.#entries.size >= this.#capacity) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
    this.#entries.set(name, entry)
    return true
  }

  /** Whether a message is kept. */
  contains(senderId: number, messageId: bigint): boolean {
    return this.#entries.has(nameOf(senderId, messageId))
  }

  /** What a member with this watermark has not seen, in the order of arrival. */
  *since(watermark: Watermark): IterableIterator<MessageEntry> {
    for (const entry of Array.from(this.#entries.values())) {
      const seen = watermark.lastSeen(entry.senderId)
      if (seen === null || entry.messageId > seen) yield entry
    }
  }

  /** One sender's messages above a number, in the order of arrival. */
  *sinceForSender(senderId: number, sinceMessageId: bigint): IterableIterator<MessageEntry> {
    for (const entry of Array.from(this.#entries.values())) {
      if (entry.senderId === senderId && entry.messageId > sinceMessageId) yield entry
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
