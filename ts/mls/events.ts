/** What happens in a group, and to whom. */
import type {
  NativeBatch,
  NativeCertificateInfo,
  NativeDescent,
  NativeGroupEvent,
  NativeProposal,
  NativeSuccession,
} from '../native.js'
import { nameOf, readCommitSummary, readMember, readSender } from './roster.js'
import type { CipherSuite } from './suites.js'

/** What a member's certificates say beside its name. */
export interface CertificateInfo {
  /** From when all of its certificates are valid. */
  readonly validFrom: Date
  /** Until when. A member whose certificate has expired stays until it is removed or renews it. */
  readonly expires: Date
  /** SHA-256 of its own certificate in DER. */
  readonly fingerprint: Uint8Array
}

/** One member of a group. */
export interface Member {
  /** Its place in the group's tree: its own while it stays, perhaps another's afterwards. */
  readonly leaf: number
  /** Whom its credential names. Several devices of one user share it. */
  readonly identity: Uint8Array
  /** The identity as text, where it is text. */
  readonly name: string | undefined
  /** The key that its messages are verified with: what an application pins. */
  readonly signatureKey: Uint8Array
  /** Until when its leaf is valid; undefined once it has updated its leaf. */
  readonly expires: Date | undefined
  /** What its certificates say: then an authority vouches for the identity. Undefined for a Basic credential. */
  readonly certificate: CertificateInfo | undefined
}

/** Who sent a proposal or commit. */
export type Sender = { readonly type: 'member'; readonly member: Member } | { readonly type: 'outsider' }

/** One proposal, in words. */
export type Proposal =
  | {
      readonly type: 'add'
      readonly identity: Uint8Array
      readonly name: string | undefined
      readonly signatureKey: Uint8Array
    }
  | { readonly type: 'update' }
  | { readonly type: 'remove'; readonly member: Member }
  | { readonly type: 'pre-shared-key' }
  | { readonly type: 'group-context-extensions' }
  | { readonly type: 'other'; readonly number: number }

/** What a commit does, and to whom. */
export interface CommitSummary {
  /** The epoch that it begins. */
  readonly epoch: bigint
  /** Who committed. */
  readonly committer: Sender
  /** Whether that was this device. */
  readonly own: boolean
  /** Members it adds. */
  readonly added: readonly Member[]
  /** Members it removes. */
  readonly removed: readonly Member[]
  /** Members whose leaf keys it replaces, the committer's among them. */
  readonly updated: readonly Member[]
  /** Whether this device is among the removed. */
  readonly removesSelf: boolean
  /** The group that takes this one's place from here on; undefined where this one goes on. */
  readonly succession: Succession | undefined
}

/** Which group succeeds another. */
export interface Succession {
  /** The successor's id. */
  readonly groupId: Uint8Array
  /** Its suite. */
  readonly suite: CipherSuite
}

/** Which group another one succeeds. */
export interface Descent {
  /** The id of the old group. */
  readonly groupId: Uint8Array
  /** Its last epoch. */
  readonly epoch: bigint
}

/** A member said something. */
export interface MessageEvent {
  readonly type: 'message'
  readonly sender: Member
  /** The epoch it was said in. */
  readonly epoch: bigint
  readonly plaintext: Uint8Array
  /** What travelled beside it: readable by everybody on the way, authentic to members. */
  readonly associatedData: Uint8Array
}

/** A proposal waits for a commit. */
export interface ProposalEvent {
  readonly type: 'proposal'
  readonly sender: Sender
  readonly proposal: Proposal
}

/** A commit waits to be merged or discarded. */
export interface CommitStagedEvent {
  readonly type: 'commit-staged'
  readonly commit: CommitSummary
}

/** A commit was merged: a new epoch has begun or, where it removes this device, membership has ended. */
export interface EpochChangedEvent {
  readonly type: 'epoch-changed'
  readonly commit: CommitSummary
  /** Whether this member's own pending commit was dropped, because this one came first. */
  readonly supersededOwn: boolean
}

/** The group has ended: another one takes its place. Only what was sent before can still be read. */
export interface SucceededEvent {
  readonly type: 'succeeded'
  /** Which one. */
  readonly succession: Succession
  /** The last epoch here. */
  readonly epoch: bigint
}

/** Something that happened in a group. */
export type GroupEvent = MessageEvent | ProposalEvent | CommitStagedEvent | EpochChangedEvent | SucceededEvent

/** What a message turned out to be. */
export type Received =
  | MessageEvent
  | ProposalEvent
  | { readonly type: 'commit'; readonly commit: CommitSummary; readonly supersededOwn: boolean }
  | { readonly type: 'staged'; readonly commit: CommitSummary }
  | { readonly type: 'own-echo' }

/** @internal */
export function toCertificateInfo(info: NativeCertificateInfo | undefined): CertificateInfo | undefined {
  if (info === undefined) return undefined
  return {
    validFrom: new Date(info.validFrom),
    expires: new Date(info.expires),
    fingerprint: info.fingerprint,
  }
}

/** @internal */
export function toProposal(proposal: NativeProposal): Proposal {
  switch (proposal.type) {
    case 'add':
      return { ...proposal, name: nameOf(proposal.identity) }
    case 'remove':
      return { type: 'remove', member: readMember(proposal.member) }
    default:
      return proposal
  }
}

/** @internal */
export function toSuccession({ groupId, suite }: NativeSuccession): Succession {
  return { groupId, suite: suite as CipherSuite }
}

/** @internal */
export function toDescent({ groupId, epoch }: NativeDescent): Descent {
  return { groupId, epoch }
}

type NativeMessage = Extract<NativeGroupEvent, { type: 'message' }>
type NativeProposed = Extract<NativeGroupEvent, { type: 'proposal' }>

function toMessage({ type, sender, epoch, plaintext, associatedData }: NativeMessage): MessageEvent {
  return { type, sender: readMember(sender), epoch, plaintext, associatedData }
}

function toProposed({ sender, proposal }: NativeProposed): ProposalEvent {
  return { type: 'proposal', sender: readSender(sender), proposal: toProposal(proposal) }
}

/** @internal */
export function toReceived(received: Exclude<NativeGroupEvent, { type: 'succeeded' }>): Received {
  switch (received.type) {
    case 'message':
      return toMessage(received)
    case 'proposal':
      return toProposed(received)
    case 'epoch-changed': {
      const { commit, supersededOwn } = received
      return { type: 'commit', commit: readCommitSummary(commit), supersededOwn }
    }
    case 'commit-staged':
      return { type: 'staged', commit: readCommitSummary(received.commit) }
    case 'own-echo':
      return received
  }
}

/** @internal */
export function toGroupEvent(event: NativeBatch['events'][number]): GroupEvent {
  switch (event.type) {
    case 'message':
      return toMessage(event)
    case 'proposal':
      return toProposed(event)
    case 'commit-staged':
    case 'epoch-changed':
      return { ...event, commit: readCommitSummary(event.commit) }
    case 'succeeded':
      return { ...event, succession: toSuccession(event.succession) }
  }
}
