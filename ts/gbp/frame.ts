import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeFrameHeader } from '../native.js'
import { format, streamClass, type PayloadFormat, type StreamClass } from './codec.js'

const MAX_U16 = 0xffff
/** How payloads can be protected. */
export const PROFILES = ['interop', 'sealed'] as const

/**
 * How a frame's payload is protected: `interop` as the published stack does it, where nothing vouches for the header;
 * `sealed` with the sender authenticated and the header bound to the payload.
 */
export type Profile = (typeof PROFILES)[number]

/** The bits of a frame's {@link FrameHeader.flags}. Reserved ones are kept, and mean nothing. */
export const FrameFlags = {
  NONE: 0,
  /** Keep the order inside the stream. */
  ORDERED: 0x0001,
  /** Repeat until it arrives. */
  RELIABLE: 0x0002,
  /** An acknowledgement is wanted. */
  ACK_REQUESTED: 0x0004,
  /** Control plane: to be handled before application data. */
  SYSTEM: 0x0008,
  /** The frame's transition must be the receiver's last one. */
  CRITICAL: 0x0010,
} as const

/** Everything of a frame but its payload. Nothing of it is authenticated by reading it. */
export interface FrameHeader {
  /** How the payload is protected. */
  readonly profile: Profile
  /** Whose frame it is: exactly 16 bytes in the `interop` profile. */
  readonly groupId: Uint8Array
  /** The sender's epoch. */
  readonly epoch: bigint
  /** The last transition that the sender has applied. */
  readonly transitionId: number
  /** What the stream carries. */
  readonly streamClass: StreamClass
  /** The stream; {@link standardStream} says which a member sends on. */
  readonly streamId: number
  /** Bits of {@link FrameFlags}. */
  readonly flags: number
  /** The place in the stream, from 1. */
  readonly sequence: number
  /** The payload's codec. */
  readonly codec: PayloadFormat
}

/** A frame: its header, and a payload that is protected or not. */
export interface Frame extends FrameHeader {
  /** The payload. */
  readonly payload: Uint8Array
}

/** A frame that is to be written; what is left out is `interop`, zero, the member's first and CBOR. */
export type FrameInit = Pick<Frame, 'groupId' | 'epoch' | 'streamClass' | 'streamId' | 'payload'> &
  Partial<FrameHeader>

/**
 * The bytes of a frame. The payload is put in as it is: nothing is sealed here.
 *
 * @example
 * ```ts
 * const frame = { groupId: new Uint8Array(16), epoch: 1n, streamClass: 'text', streamId: 701, payload } as const
 * const { sequence, codec } = decodeFrame(encodeFrame(frame))
 * ```
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`, `GBP_UNKNOWN_GROUP` for a group id that the profile cannot have,
 * `WIRE_TOO_LARGE` above a MiB.
 */
export function encodeFrame(frame: FrameInit): Uint8Array {
  const payload = check.bytes(check.record(frame, 'frame')['payload'], 'frame.payload')
  return unwrap(native.nativeEncodeFrame(toNativeHeader(frame, 'frame'), payload))
}

/**
 * The frame in bytes, if they are one in the one form that is allowed.
 *
 * @throws {@link CoterieError} `WIRE_MALFORMED`, `WIRE_TOO_LARGE`, `GBP_UNSUPPORTED_VERSION`, `GBP_UNKNOWN_GROUP`,
 * `GBP_REPLAY_DETECTED` for number zero, `GBP_STREAM_POLICY_VIOLATION` for an unknown class.
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const { header, payload } = unwrap(native.nativeDecodeFrame(check.bytes(bytes, 'bytes')))
  return { ...header, codec: header.codec as PayloadFormat, payload }
}

/**
 * What a payload of the `sealed` profile is bound to: the header in its one form, without size and payload.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`.
 */
export function authenticatedData(header: Omit<FrameInit, 'payload'>): Uint8Array {
  return unwrap(native.nativeFrameAuthenticatedData(toNativeHeader(header, 'header')))
}

/**
 * The stream on which a member sends a class; none for members from number 1,000,000 on.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`.
 */
export function standardStream(member: number, name: StreamClass): number | undefined {
  const stream = native.nativeStandardStream(streamClass(name, 'streamClass'), check.u32(member, 'member'))
  return unwrap(stream) ?? undefined
}

function toNativeHeader(value: unknown, name: string): NativeFrameHeader {
  const given = check.record(value, name)
  const { profile = 'interop', transitionId = 0, flags = 0, sequence = 1 } = given
  return {
    profile: check.oneOf(profile, PROFILES, `${name}.profile`),
    groupId: check.bytes(given['groupId'], `${name}.groupId`),
    epoch: check.u64(given['epoch'], `${name}.epoch`),
    transitionId: check.u32(transitionId, `${name}.transitionId`),
    streamClass: streamClass(given['streamClass'], `${name}.streamClass`),
    streamId: check.u32(given['streamId'], `${name}.streamId`),
    flags: check.upTo(MAX_U16, flags, `${name}.flags`),
    sequence: check.u32(sequence, `${name}.sequence`),
    codec: format(given['codec']),
  }
}
