/**
 * Group signals: typed signals and their answers, roles and permissions, capabilities, and who is muted.
 *
 * Keys and frames are the caller's business: `coterie/mls` has the first, `coterie/gbp` the second.
 *
 * @packageDocumentation
 */
export type { ErrorCode } from '../error-codes.js'
export { CoterieError } from '../errors.js'
export { PAYLOAD_CODECS, STREAM_CLASSES } from '../gbp/codec.js'
export type { PayloadCodec, PayloadFormat, StreamClass } from '../gbp/codec.js'
export type { IncomingPayload } from '../gbp/incoming.js'
export type { ErrorClass, ErrorObject, ErrorObjectInit } from '../gbp/registry.js'
export { classTokens, CONFORMANCE_CLASSES, Negotiator } from './capabilities.js'
export type { ConformanceClass } from './capabilities.js'
export { ANSWERS_CAPABILITY, SignalClient } from './client.js'
export type {
  Answer,
  Authority,
  ConflictingSignal,
  Finished,
  GroupView,
  Order,
  OutgoingSignal,
  ReceivedSignal,
  RefusedSignal,
  SignalClientOptions,
  TakenSignal,
} from './client.js'
export { Permissions, Roles } from './roles.js'
export type { Role } from './roles.js'
export { decodeSignal, encodeSignal, SIGNAL_NUMBERS } from './signal.js'
export type { Signal, SignalMessage, SignalMessageInit } from './signal.js'
