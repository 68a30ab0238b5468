/**
 * The only import of the native addon.
 *
 * A failure to load it becomes an error that says what was tried and what to do.
 */
import type * as Addon from '../index.js'
import { explainLoadFailure } from './internal/load-failure.js'
import { CoterieError } from './errors.js'

export type {
  NativeBatch,
  NativeCandidate,
  NativeCancellation,
  NativeCertificateInfo,
  NativeCertified,
  NativeChanges,
  NativeCommitSummary,
  NativeCommitted,
  NativeCompatAudio,
  NativeCompatEvent,
  NativeCompatFrame,
  NativeCompatMediaEncryptor,
  NativeCompatMediaSession,
  NativeCompatMls,
  NativeCompatNode,
  NativeCompatSignal,
  NativeCompatText,
  NativeDescent,
  NativeDevice,
  NativeExtension,
  NativeExternalSender,
  NativeExternalSigner,
  NativeFailure,
  NativeFeed,
  NativeGroup,
  NativeGroupEvent,
  NativeIdentity,
  NativeKeyPackageInfo,
  NativeMember,
  NativeProposal,
  NativePskId,
  NativeSender,
  NativeSframeEncryptor,
  NativeSframeOptions,
  NativeSframeSession,
  NativeSuccession,
} from '../index.js'

function load(): typeof Addon {
  try {
    // oxlint-disable-next-line typescript/no-require-imports -- an import could not be caught
    return require('../index.js') as typeof Addon
  } catch (cause) {
    throw new CoterieError('NATIVE_LOAD_FAILED', explainLoadFailure(cause).message, { cause })
  }
}

/** @internal */
export const native = load()
