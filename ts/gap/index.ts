/**
 * Group audio: numbering, judging and playing packets, without a codec, a key or a socket.
 *
 * What is inside a packet is Opus, in an SFrame payload where the group agreed on that.
 *
 * @packageDocumentation
 */
export type { ErrorCode } from '../error-codes.js'
export { CoterieError } from '../errors.js'
export { PAYLOAD_CODECS } from '../gbp/codec.js'
export type { PayloadCodec, PayloadFormat } from '../gbp/codec.js'
export { Inbound } from './inbound.js'
export type { Accepted, Arrival, InboundOptions, InboundStatistics, IncomingAudio } from './inbound.js'
export { JitterBuffer } from './jitter.js'
export type { Buffered, JitterPushed } from './jitter.js'
export { Outbound } from './outbound.js'
export type { AudioCount, OutgoingAudio, OutgoingPacket } from './outbound.js'
export { decodeAudio, encodeAudio, ownSource } from './packet.js'
export type { AudioPacket, Track } from './packet.js'
export { Playout } from './playout.js'
export type {
  ClockOptions,
  Played,
  PlayMissing,
  PlayoutStatistics,
  PlayPacket,
  PlaySilent,
} from './playout.js'
