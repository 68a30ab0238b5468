/**
 * Media frames, encrypted end to end: SFrame of RFC 9605, and its dialect in the Group Protocol Stack.
 *
 * A {@link SFrameSession} follows a group of `coterie/mls`. Transport, numbering and playing in time are yours.
 *
 * @packageDocumentation
 */
export type { AbortOptions } from '../internal/abort.js'
export { CoterieError } from '../errors.js'
export type { ErrorCode } from '../error-codes.js'
export { SFrameEncryptor } from './encryptor.js'
export type { EncryptBatch } from './encryptor.js'
export type { MetadataOptions, SFrameDialect, SFrameOptions } from './options.js'
export { refusalOf, SFrameSession } from './session.js'
export type {
  BaseKey,
  DecryptBatch,
  DecryptResult,
  EncryptorOptions,
  OpenedFrame,
  OpenedInto,
} from './session.js'
export { SFRAME_SUITES } from './suites.js'
export type { SFrameSuite } from './suites.js'
