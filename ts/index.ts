/**
 * End-to-end encrypted groups for Node.js.
 *
 * Groups without a network are in `coterie/mls`.
 *
 * @packageDocumentation
 */
import { native } from './native.js'

export { ERROR_CODES } from './error-codes.js'
export type { ErrorCode } from './error-codes.js'
export { CoterieError } from './errors.js'

/** The version of the package and of its native addon. */
export const version: string = native.version()
