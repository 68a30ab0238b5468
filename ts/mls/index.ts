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
export { MemoryChannel } from './channel.js'
export type { Delivery, GroupChannel, MemoryChannelOptions } from './channel.js'
export { Device } from './device.js'
export type {
  Authentication,
  Certified,
  CreateGroupOptions,
  DeviceOptions,
  JoinOptions,
  KeyPackageInfo,
  KeyPackageOptions,
  OpenDeviceOptions,
  RekeyOptions,
  StoreKey,
} from './device.js'
export { MemoryDirectory } from './directory.js'
export type { Directory } from './directory.js'
export type {
  CertificateInfo,
  CommitStagedEvent,
  CommitSummary,
  EpochChangedEvent,
  GroupEvent,
  Member,
  MessageEvent,
  Proposal,
  ProposalEvent,
  Received,
  Sender,
} from './events.js'
export { Group } from './group.js'
export type { Changes, Committed, EncryptOptions } from './group.js'
export { GroupSession } from './session.js'
export type { ConnectOptions, Invitation, RefusedEvent, SessionEvent } from './session.js'
export { CIPHER_SUITES } from './suites.js'
export type { CipherSuite } from './suites.js'
export type { Candidate, Policy, Verdict } from './policy.js'
