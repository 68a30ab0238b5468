/**
 * The Group Protocol Stack: {@link GroupNode}, one object that owns a group, with text, audio and signals; the
 * {@link Link | links} that carry its frames; and its base by itself: frames, the words that all its layers share, and the registry of errors.
 *
 * @packageDocumentation
 */
export type { ErrorCode } from '../error-codes.js'
export { CoterieError } from '../errors.js'
export { makeAdmission, readAdmission } from './admission.js'
export type { Admission, AdmissionInit, Seat } from './admission.js'
export { PAYLOAD_CODECS, STREAM_CLASSES } from './codec.js'
export type { PayloadCodec, PayloadFormat, StreamClass } from './codec.js'
export { authenticatedData, decodeFrame, encodeFrame, FrameFlags, PROFILES, standardStream } from './frame.js'
export type { Frame, FrameHeader, FrameInit, Profile } from './frame.js'
export type { IncomingPayload } from './incoming.js'
export { bareKeyPackage } from './key-package.js'
export { generateLinkIdentity, Link, LINK_KINDS, LinkListener } from './link.js'
export type {
  CloseLinkOptions,
  ConnectOptions,
  LinkIdentity,
  LinkKind,
  LinkTrust,
  ListenOptions,
  ReceivedFrame,
} from './link.js'
export { LinkNetwork } from './link-network.js'
export type { AttachedLink, AttachOptions, LinkNetworkOptions } from './link-network.js'
export { MemoryNetwork } from './network.js'
export { GroupNode } from './node.js'
export type { GroupMember, InviteOptions } from './node.js'
export { GroupAudio } from './node-audio.js'
export type { AudioInit } from './node-audio.js'
export type {
  AbortedEvent,
  AttachmentEvent,
  AttachmentExpiredEvent,
  AttachmentProgressEvent,
  AudioEvent,
  AudioFailedEvent,
  CaughtUpEvent,
  ControlEvent,
  CoordinatorEvent,
  DuplicateEvent,
  DurableEvent,
  EpochEvent,
  GroupNodeEvent,
  JoinedEvent,
  LeftEvent,
  MemberEvent,
  MissedEvent,
  NodeState,
  NotAdmittedEvent,
  Numbered,
  Opcode,
  OutEvent,
  RefusedFrameEvent,
  SignalEndedEvent,
  SignalEvent,
  StateEvent,
  TextEvent,
  TroubleEvent,
} from './node-events.js'
export type { CreateNodeOptions, JoinNodeOptions, NodeSettings } from './node-options.js'
export { GroupRoles, GroupSignals } from './node-signals.js'
export type { NodeGroupView, SendSignalOptions } from './node-signals.js'
export { GroupText } from './node-text.js'
export type { AttachmentInit, HistoryOptions, SendAttachmentOptions, SendOptions } from './node-text.js'
export type { AdmissionParcel, FrameParcel, Parcel, Target } from './parcel.js'
export { decodeError, encodeError, ERROR_CLASSES, lookupError, registeredErrors } from './registry.js'
export type { ErrorClass, ErrorObject, ErrorObjectInit, RegisteredError } from './registry.js'
