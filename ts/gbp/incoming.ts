import * as check from '../internal/arguments.js'
import { format, type PayloadFormat } from './codec.js'

/** A payload that the frame layer opened, with what it knows of it. */
export interface IncomingPayload {
  /** The opened payload. */
  readonly payload: Uint8Array
  /** Its codec, as the frame says; CBOR where nothing is said. */
  readonly codec?: PayloadFormat
  /** The member who sent it, as the frame layer knows; `unknown` takes what the payload claims. */
  readonly sender: number | 'unknown'
  /** The group's epoch. */
  readonly epoch: bigint
}

/** @internal */
export function toNativeIncoming(value: unknown) {
  const { payload, codec, sender, epoch } = check.record(value, 'incoming')
  return {
    payload: check.bytes(payload, 'incoming.payload'),
    codec: format(codec),
    ...(sender === 'unknown' ? {} : { sender: check.u32(sender, 'incoming.sender') }),
    epoch: check.u64(epoch, 'incoming.epoch'),
  }
}
