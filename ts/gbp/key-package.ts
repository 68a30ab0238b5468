import { CoterieError } from '../errors.js'
import * as check from '../internal/arguments.js'

/** What a key package begins with as a message of MLS: its version, and what it is. */
const HEAD = Uint8Array.of(0, 1, 0, 5)

/**
 * A key package as deployed packages of the Group Protocol Stack take and give it: without what makes it a message of MLS.
 * {@link GroupNode.invite} takes both in `interop`.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`.
 */
export function bareKeyPackage(keyPackage: Uint8Array): Uint8Array {
  const bytes = check.bytes(keyPackage, 'keyPackage')
  if (HEAD.every((byte, index) => bytes[index] === byte)) return bytes.slice(HEAD.length)
  throw new CoterieError('INVALID_ARGUMENT', 'keyPackage must be a message of MLS')
}
