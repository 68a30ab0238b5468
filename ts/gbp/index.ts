/**
 * The base of the Group Protocol Stack: frames, the words that all its layers share, and the registry of errors.
 *
 * @packageDocumentation
 */
export type { ErrorCode } from '../error-codes.js'
export { CoterieError } from '../errors.js'
export { PAYLOAD_CODECS, STREAM_CLASSES } from './codec.js'
export type { PayloadCodec, PayloadFormat, StreamClass } from './codec.js'
export { authenticatedData, decodeFrame, encodeFrame, FrameFlags, PROFILES, standardStream } from './frame.js'
export type { Frame, FrameHeader, FrameInit, Profile } from './frame.js'
export type { IncomingPayload } from './incoming.js'
export { decodeError, encodeError, ERROR_CLASSES, lookupError, registeredErrors } from './registry.js'
export type { ErrorClass, ErrorObject, ErrorObjectInit, RegisteredError } from './registry.js'
