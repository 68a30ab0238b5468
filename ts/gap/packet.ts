import { codec, format, type PayloadCodec, type PayloadFormat } from '../gbp/codec.js'
import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeAudioPayload } from '../native.js'

const MAX_U16 = 0xffff

/** A packet of audio. */
export interface AudioPacket {
  /** Its source; {@link ownSource} gives numbers that no other member takes. */
  readonly source: number
  /** Its number among the source's, modulo 2^16. */
  readonly sequence: number
  /** When it was recorded, in samples at 48 kHz. Deployed senders write a constant. */
  readonly timestamp: bigint
  /** The low 32 bits of the epoch it was sent in. */
  readonly keyPhase: number
  /** An Opus frame, or an SFrame payload around one; up to 8192 bytes. */
  readonly frame: Uint8Array
}

/** One member's source of audio: two members who chose the same number do not disturb each other. */
export interface Track {
  /** Who sends it, as the frame layer says. */
  readonly member: number
  /** Its source. */
  readonly source: number
}

/**
 * The payload of a packet, for those who number packets themselves. {@link Outbound.packet} does that.
 *
 * @example
 * ```ts
 * const packet = { source: 700, sequence: 1, timestamp: 960n, keyPhase: 1, frame: opus }
 * const { frame } = decodeAudio(encodeAudio(packet, 'flatbuffers'), 'flatbuffers')
 * ```
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`, `WIRE_TOO_LARGE`.
 */
export function encodeAudio(packet: AudioPacket, name?: PayloadCodec): Uint8Array {
  return unwrap(native.nativeEncodeAudio(toNativePacket(packet), codec(name)))
}

/**
 * The packet in a payload. What it is among the others is not known.
 *
 * @throws {@link CoterieError} `WIRE_MALFORMED`, `WIRE_TOO_LARGE`, `WIRE_UNSUPPORTED_CODEC`, `INVALID_ARGUMENT`.
 */
export function decodeAudio(payload: Uint8Array, name?: PayloadFormat): AudioPacket {
  return unwrap(native.nativeDecodeAudio(check.bytes(payload, 'payload'), format(name)))
}

/**
 * The number of the `index`th source that a member sends, which no other member takes; none from the hundredth on, and for
 * members from number 1,000,000 on.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`.
 */
export function ownSource(member: number, index = 0): number | undefined {
  return native.nativeOwnSource(check.u32(member, 'member'), check.u32(index, 'index')) ?? undefined
}

/** @internal */
export function toNativePacket(value: unknown): NativeAudioPayload {
  const { source, sequence, timestamp, keyPhase, frame } = check.record(value, 'packet')
  return {
    source: check.u32(source, 'packet.source'),
    sequence: sequenceOf(sequence, 'packet.sequence'),
    timestamp: check.u64(timestamp, 'packet.timestamp'),
    keyPhase: check.u32(keyPhase, 'packet.keyPhase'),
    frame: check.bytes(frame, 'packet.frame'),
  }
}

/** @internal */
export function sequenceOf(value: unknown, name: string): number {
  return check.upTo(MAX_U16, value, name)
}

/** @internal */
export function toNativeTrack(value: unknown): Track {
  const { member, source } = check.record(value, 'track')
  return { member: check.u32(member, 'track.member'), source: check.u32(source, 'track.source') }
}
