/**
 * The only import of the native addon.
 *
 * A failure to load it becomes an error that says what was tried and what to do.
 */
import type * as Addon from '../index.js'
import { explainLoadFailure } from './internal/load-failure.js'
import { CoterieError } from './errors.js'

export type {
  NativeAnswer,
  NativeAsked,
  NativeAudioPayload,
  NativeBatch,
  NativeCancellation,
  NativeCandidate,
  NativeCertificateInfo,
  NativeCertified,
  NativeChanges,
  NativeChunk,
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
  NativeContent,
  NativeCut,
  NativeDescent,
  NativeDevice,
  NativeErrorObject,
  NativeExtension,
  NativeExternalSender,
  NativeExternalSigner,
  NativeFailure,
  NativeFeed,
  NativeFinished,
  NativeFrameHeader,
  NativeGroup,
  NativeGroupEvent,
  NativeGroupNode,
  NativeHistory,
  NativeIdentity,
  NativeInbound,
  NativeJitterBuffer,
  NativeKept,
  NativeKeyPackageInfo,
  NativeLink,
  NativeLinkOptions,
  NativeListener,
  NativeManifest,
  NativeNegotiator,
  NativeNodeEvent,
  NativeNodeView,
  NativeOutbound,
  NativeTakenEvents,
  NativeTakenParcels,
  NativeTold,
  NativePlayout,
  NativeProposal,
  NativePskId,
  NativeReceivedFrame,
  NativeReceivedText,
  NativeRoles,
  NativeSframeEncryptor,
  NativeSframeOptions,
  NativeSframeSession,
  NativeSignal,
  NativeSignalClient,
  NativeSignalMessage,
  NativeSuccession,
  NativeTextClient,
  NativeTextMessage,
  NativeWatermark,
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
