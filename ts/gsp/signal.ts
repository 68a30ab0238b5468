import {
  codec,
  format,
  streamClass,
  type PayloadCodec,
  type PayloadFormat,
  type StreamClass,
} from '../gbp/codec.js'
import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeSignal, type NativeSignalMessage } from '../native.js'

/** The number of each signal on the wire. */
export const SIGNAL_NUMBERS = {
  join: 100,
  leave: 101,
  'role-change': 102,
  mute: 200,
  unmute: 201,
  'stream-start': 300,
  'stream-stop': 301,
  'codec-update': 400,
} as const

const TYPES = Object.keys(SIGNAL_NUMBERS) as (keyof typeof SIGNAL_NUMBERS)[]

/** What a signal says, and about what. Muting is about the `target`, whoever says it. */
export type Signal =
  | { readonly type: 'join' }
  | { readonly type: 'leave' }
  | { readonly type: 'role-change'; readonly target: number; readonly role: number }
  | { readonly type: 'mute'; readonly target: number }
  | { readonly type: 'unmute'; readonly target: number }
  | { readonly type: 'stream-start'; readonly streamClass: StreamClass }
  | { readonly type: 'stream-stop'; readonly streamClass: StreamClass }
  | { readonly type: 'codec-update'; readonly codec: number }

/** A signal and who gives it. */
export interface SignalMessage {
  /** What it says. */
  readonly signal: Signal
  /** Names it among those of its sender. */
  readonly requestId: number
  /** Who gave it: a claim, until {@link SignalClient.receive} has compared it with who really did. */
  readonly sender: number
  /** The role that the sender says to act in. Nobody relies on it. */
  readonly roleClaim: number
  /** The arguments as they stand in the payload, in CBOR, with whatever they hold beside those of the signal. */
  readonly arguments: Uint8Array
}

/** A signal that is to be encoded as it stands. */
export type SignalMessageInit = Pick<SignalMessage, 'signal' | 'requestId' | 'sender'> &
  Partial<Pick<SignalMessage, 'roleClaim' | 'arguments'>>

/**
 * The payload of a signal, for those who keep track of requests themselves. {@link SignalClient.give} does that.
 *
 * @example
 * ```ts
 * const payload = encodeSignal({ signal: { type: 'mute', target: 8 }, requestId: 5, sender: 7 }, 'protobuf')
 * const { signal } = decodeSignal(payload, 'protobuf')
 * if (signal.type === 'mute') console.log(signal.target)
 * ```
 *
 * @throws {@link CoterieError} `GSP_BAD_SCHEMA` for arguments that are not of the signal, `WIRE_TOO_LARGE`,
 * `INVALID_ARGUMENT`.
 */
export function encodeSignal(message: SignalMessageInit, name?: PayloadCodec): Uint8Array {
  const { signal, requestId, sender, roleClaim = 0, arguments: raw } = check.record(message, 'message')
  const given = {
    signal: toNativeSignal(signal, 'message.signal'),
    requestId: check.u32(requestId, 'message.requestId'),
    sender: check.u32(sender, 'message.sender'),
    roleClaim: check.u32(roleClaim, 'message.roleClaim'),
    ...rawArguments(raw, 'message.arguments'),
  }
  return unwrap(native.nativeEncodeSignal(given, codec(name)))
}

/**
 * The signal in a payload. Whether its sender may give it, and whether it is new, is not known.
 *
 * @throws {@link CoterieError} `GSP_BAD_SCHEMA`, `GSP_UNKNOWN_SIGNAL`, `WIRE_MALFORMED`, `WIRE_TOO_LARGE`,
 * `WIRE_UNSUPPORTED_CODEC`, `INVALID_ARGUMENT`.
 */
export function decodeSignal(payload: Uint8Array, name?: PayloadFormat): SignalMessage {
  return toSignalMessage(unwrap(native.nativeDecodeSignal(check.bytes(payload, 'payload'), format(name))))
}

/** @internal */
export function rawArguments(value: unknown, name: string): { arguments?: Uint8Array } {
  return value === undefined ? {} : { arguments: check.bytes(value, name) }
}

/** @internal */
export function toSignalMessage(message: NativeSignalMessage): SignalMessage {
  return { ...message, arguments: message.arguments ?? new Uint8Array() }
}

/** @internal */
export function toNativeSignal(value: unknown, name: string): NativeSignal {
  const given = check.record(value, name)
  const type = check.oneOf(given['type'], TYPES, `${name}.type`)
  const number = (field: string) => check.u32(given[field], `${name}.${field}`)
  switch (type) {
    case 'join':
    case 'leave':
      return { type }
    case 'mute':
    case 'unmute':
      return { type, target: number('target') }
    case 'role-change':
      return { type, target: number('target'), role: number('role') }
    case 'stream-start':
    case 'stream-stop':
      return { type, streamClass: streamClass(given['streamClass'], `${name}.streamClass`) }
    case 'codec-update':
      return { type, codec: number('codec') }
  }
}
