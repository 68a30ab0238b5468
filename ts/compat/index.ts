/**
 * The names and signatures of the published Group Protocol Stack package, over this engine.
 *
 * For those who come from there: change the import, and everything else stays. All calls are synchronous and groups are of the
 * `interop` profile, so that members of both packages understand each other. New programs are better served by the package's
 * own modules; `docs/compat.md` maps every call to them.
 *
 * @packageDocumentation
 */
export { CapabilitiesNegotiator } from './capabilities.js'
export { GapClient, GspClient, GtpClient } from './clients.js'
export type { GapAcceptResult, GspAcceptResult, GtpAcceptResult } from './clients.js'
export {
  AES_128_GCM,
  AES_256_GCM,
  ControlOpcode,
  NodeState,
  PayloadCodec,
  Permissions,
  SignalType,
  StreamType,
} from './enums.js'
export type { SFrameCipherSuite } from './enums.js'
export { encodeGbpFrame, lastError, lookupError, version } from './functions.js'
export { GroupNode } from './group-node.js'
export type { NodeEvent, OutboundFrame } from './group-node.js'
export { MessageHistory, Watermark } from './history.js'
export type { MessageEntry } from './history.js'
export { JitterBuffer } from './jitter.js'
export type { AudioFrame, JitterPushOutcome, JitterPushResult } from './jitter.js'
export { MlsContext } from './mls-context.js'
export { RoleError, RoleRegistry } from './roles.js'
export type { RoleSpec } from './roles.js'
export { SFrameEncryptor, SFrameSession } from './sframe.js'
export type { SFrameDecryptResult } from './sframe.js'
