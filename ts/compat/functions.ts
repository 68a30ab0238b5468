import { CoterieError, unwrap } from '../errors.js'
import { bytes, u32, upTo } from '../internal/arguments.js'
import { native } from '../native.js'
import { buffer, wide } from './handle.js'

const MAX_U8 = 0xff
const MAX_U16 = 0xffff

/** The version of this package, in the published form. */
export function version(): string {
  return `coterie ${native.version()} (gbp + gtp + gap + gsp)`
}

/**
 * The text of the last native error.
 *
 * @deprecated Always empty: every error is thrown, or is an event of the node.
 */
export function lastError(): string {
  return ''
}

/** A frame with a payload that is put in as it is, sealed or not. */
export function encodeGbpFrame(
  frameVersion: number,
  groupId: Buffer,
  epoch: bigint | number,
  transitionId: number,
  streamType: number,
  streamId: number,
  flags: number,
  sequenceNo: number,
  payload: Buffer,
): Buffer {
  const frame = {
    version: upTo(MAX_U8, frameVersion, 'version'),
    group: bytes(groupId, 'groupId'),
    epoch: wide(epoch, 'epoch'),
    transition: u32(transitionId, 'transitionId'),
    streamType: upTo(MAX_U8, streamType, 'streamType'),
    stream: u32(streamId, 'streamId'),
    flags: upTo(MAX_U16, flags, 'flags'),
    sequence: u32(sequenceNo, 'sequenceNo'),
    payload: bytes(payload, 'payload'),
  }
  return buffer(unwrap(native.compatEncodeFrame(frame)))
}

/** The error object of a registered number in CBOR; null for any other. */
export function lookupError(code: number): Buffer | null {
  if (typeof code !== 'number') throw new CoterieError('INVALID_ARGUMENT', 'code must be a number')
  const object =
    Number.isInteger(code) && code >= 0 && code <= MAX_U16 ? native.compatLookupError(code) : null
  return object === null ? null : buffer(object)
}
