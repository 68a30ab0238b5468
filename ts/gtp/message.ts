import { codec, format, type PayloadCodec, type PayloadFormat } from '../gbp/codec.js'
import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeTextMessage } from '../native.js'

const UTF8 = new TextEncoder()
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const MAX_U8 = 0xff

/** The types of content that have a name, in the order of their numbers. */
export const CONTENT_TYPES = ['plain', 'markdown', 'binary', 'attachment'] as const

/** What a text message's content is: a type with a name, or the number of another. */
export type ContentType = (typeof CONTENT_TYPES)[number] | number

/** The bits of {@link TextMessage.flags}. Others are kept, and mean nothing. */
export const MessageFlags = {
  NONE: 0,
  /** Urgent. Deployed senders set it on every message, so it says nothing. */
  URGENT: 0x01,
  /** Not to be kept. */
  EPHEMERAL: 0x02,
  /** To be kept. */
  PERSISTENT: 0x04,
} as const

/** A text message. */
export interface TextMessage {
  /** Its number among all that its sender has sent. */
  readonly id: bigint
  /** Who sent it: a claim, until {@link TextClient.receive} has compared it with who really did. */
  readonly sender: number
  /** When, by the sender's clock, in milliseconds since 1970. Deployed senders always write zero. */
  readonly sentAt: bigint
  /** The request that it answers, or zero. */
  readonly requestId: number
  /** Bits of {@link MessageFlags}. */
  readonly flags: number
  /** What the content is. */
  readonly contentType: ContentType
  /** The content, whatever it is. */
  readonly content: Uint8Array
  /** The same as text, where it is plain or Markdown and well-formed UTF-8. */
  readonly text: string | undefined
}

/** What a message may be made of: text, or content of any type. */
export type TextOrContent =
  | { readonly text: string; readonly content?: undefined; readonly contentType?: 'plain' | 'markdown' }
  | { readonly content: Uint8Array; readonly text?: undefined; readonly contentType: ContentType }

/** A message that is to be encoded as it stands. */
export type TextMessageInit = TextOrContent &
  Pick<TextMessage, 'id' | 'sender'> &
  Partial<Pick<TextMessage, 'sentAt' | 'requestId' | 'flags'>>

/**
 * The payload of a message, for those who number and remember messages themselves. {@link TextClient.send} does that.
 *
 * @example
 * ```ts
 * const payload = encodeText({ id: 1n, sender: 7, text: 'hello' }, 'protobuf')
 * const { text } = decodeText(payload, 'protobuf')
 * ```
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`, `WIRE_TOO_LARGE`.
 */
export function encodeText(message: TextMessageInit, name?: PayloadCodec): Uint8Array {
  return unwrap(native.nativeEncodeText(toNativeMessage(message, 'message'), codec(name)))
}

/**
 * The message in a payload. Who sent it is a claim, and whether it is new is not known.
 *
 * @throws {@link CoterieError} `WIRE_MALFORMED`, `WIRE_TOO_LARGE`, `WIRE_UNSUPPORTED_CODEC`, `GTP_BAD_LENGTH`.
 */
export function decodeText(payload: Uint8Array, name?: PayloadFormat): TextMessage {
  return toMessage(unwrap(native.nativeDecodeText(check.bytes(payload, 'payload'), format(name))))
}

/** @internal */
export function toMessage(message: NativeTextMessage): TextMessage {
  const contentType = CONTENT_TYPES[message.contentType] ?? message.contentType
  return { ...message, contentType, text: textOf(contentType, message.content) }
}

function textOf(contentType: ContentType, content: Uint8Array): string | undefined {
  if (contentType !== 'plain' && contentType !== 'markdown') return undefined
  try {
    return STRICT_UTF8.decode(content)
  } catch {
    return undefined
  }
}

/** @internal The number of a type of content. */
export function contentTypeNumber(value: unknown, name: string): number {
  if (typeof value === 'number') return check.upTo(MAX_U8, value, name)
  return CONTENT_TYPES.indexOf(check.oneOf(value, CONTENT_TYPES, name))
}

/** @internal What is said, and what it is. */
export function contentOf(given: Readonly<Record<string, unknown>>, name: string) {
  const { text, content, contentType = 'plain' } = given
  return {
    contentType: contentTypeNumber(contentType, `${name}.contentType`),
    content:
      text === undefined
        ? check.bytes(content, `${name}.content`)
        : UTF8.encode(check.text(text, `${name}.text`)),
  }
}

/** @internal */
export function toNativeMessage(value: unknown, name: string): NativeTextMessage {
  const given = check.record(value, name)
  return {
    id: check.u64(given['id'], `${name}.id`),
    sender: check.u32(given['sender'], `${name}.sender`),
    sentAt: check.u64(given['sentAt'] ?? 0n, `${name}.sentAt`),
    requestId: check.u32(given['requestId'] ?? 0, `${name}.requestId`),
    flags: check.upTo(MAX_U8, given['flags'] ?? 0, `${name}.flags`),
    ...contentOf(given, name),
  }
}
