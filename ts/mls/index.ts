/**
 * Groups without a network: members, their keys, and what they say to each other, as bytes in and bytes out.
 *
 * Implements Messaging Layer Security (RFC 9420). Delivery is yours: hand bytes to a {@link GroupChannel} of your own,
 * or use {@link MemoryChannel} where all members live in one process.
 *
 * @packageDocumentation
 */
export type { AbortOptions } from '../internal/abort.js'
export { CoterieError } from '../errors.js'
export type { ErrorCode } from '../error-codes.js'
export type { Certified } from './certified.js'
export { MemoryChannel } from './channel.js'
export type { Delivery, GroupChannel, MemoryChannelOptions } from './channel.js'
export { Device } from './device.js'
export type {
  Authentication,
  CreateGroupOptions,
  DeviceIdentity,
  DeviceOptions,
  DeviceSettings,
  JoinOptions,
  KeyPackageInfo,
  KeyPackageOptions,
  KeyPackageStock,
  KeyPackageStockOptions,
  OpenDeviceOptions,
  RekeyOptions,
  StoreKey,
  SuiteChoice,
} from './device.js'
export { MemoryDirectory } from './directory.js'
export type { Directory } from './directory.js'
export type {
  CertificateInfo,
  CommitStagedEvent,
  CommitSummary,
  Descent,
  EpochChangedEvent,
  GroupEvent,
  Member,
  MessageEvent,
  Proposal,
  ProposalEvent,
  Received,
  Sender,
  SucceededEvent,
  Succession,
} from './events.js'
export type {
  ExternalSender,
  ExternalSenders,
  GroupExtension,
  OtherExtension,
  RequiredCapabilities,
} from './extensions.js'
export { ExternalSigner, readGroupInfo, readMessageHead } from './external.js'
export type {
  ExternalSignerOptions,
  GroupInfoSummary,
  JoinedExternally,
  JoinExternalOptions,
  MessageHead,
  ProposeSelfOptions,
} from './external.js'
export { Group } from './group.js'
export type {
  Changes,
  Committed,
  EncryptOptions,
  Framing,
  GroupInfoOptions,
  NameSuccessorOptions,
  TreePlacement,
  UpdateReason,
} from './group.js'
export type { PskId } from './psks.js'
export { GroupSession } from './session.js'
export type {
  Accepted,
  ConnectOptions,
  Entrance,
  Invitation,
  JoinSessionOptions,
  RefusedEvent,
  SessionEvent,
  UpkeepOptions,
} from './session.js'
export { CIPHER_SUITES } from './suites.js'
export type { CipherSuite } from './suites.js'
export type { Candidate, Policy, Verdict } from './policy.js'
