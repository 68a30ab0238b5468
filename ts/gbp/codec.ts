import * as check from '../internal/arguments.js'

/** Every codec of text, audio and signals, in the order of their numbers. Frames and control messages are always CBOR. */
export const PAYLOAD_CODECS = ['cbor', 'protobuf', 'flatbuffers'] as const

/** How the payload inside a frame is encoded. */
export type PayloadCodec = (typeof PAYLOAD_CODECS)[number]

/**
 * What a frame says of its payload's codec: one that is known, or the number of another, under which every payload is
 * refused. In the `interop` profile nothing authenticates it.
 */
export type PayloadFormat = PayloadCodec | number

/** Every class of streams, in the order of their numbers. */
export const STREAM_CLASSES = ['control', 'audio', 'text', 'signal'] as const

/** What a stream carries. */
export type StreamClass = (typeof STREAM_CLASSES)[number]

/** @internal The codec that is sent in, CBOR where none is named. */
export function codec(value: unknown): PayloadCodec {
  return value === undefined ? 'cbor' : check.oneOf(value, PAYLOAD_CODECS, 'codec')
}

/** @internal */
export function format(value: unknown): PayloadFormat {
  return typeof value === 'number' ? check.upTo(0xff, value, 'codec') : codec(value)
}

/** @internal */
export function streamClass(value: unknown, name: string): StreamClass {
  return check.oneOf(value, STREAM_CLASSES, name)
}
