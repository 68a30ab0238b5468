import { toError, type CoterieError } from '../errors.js'
import { toFinished, type Finished } from '../gsp/client.js'
import { toSignalMessage, type SignalMessage } from '../gsp/signal.js'
import type { Arrival } from '../gap/inbound.js'
import type { AttachmentKey } from '../gtp/attachment.js'
import { toMessage, type TextMessage } from '../gtp/message.js'
import { nameOf } from '../mls/roster.js'
import type { NativeNodeEvent, NativeTold } from '../native.js'
import type { PayloadCodec, StreamClass } from './codec.js'

/** Where a node is in its life. */
export type NodeState =
  'idle' | 'connecting' | 'establishing-group' | 'active' | 'resyncing' | 'failed' | 'closed'

/** What a control message asks for. */
export type Opcode =
  | 'prepare'
  | 'ready'
  | 'execute'
  | 'abort'
  | 'digest-request'
  | 'digest-response'
  | 'report-invalid-commit'
  | 'capabilities'
  | 'ack'
  | 'nack'

/** What tells an event from all others of the node. */
export interface Numbered {
  /**
   * Its number among the node's durable events. Numbers rise, and an event that comes again has the same one: whoever keeps the
   * last one beside what it did about it, in one transaction of its own, does nothing twice.
   */
  readonly id: bigint
}

/** A member said something that is new here. */
export interface TextEvent extends Numbered {
  readonly type: 'text'
  /** The message. Its sender is who sent the frame, unless it was passed on. */
  readonly message: TextMessage
  /** The epoch it came in. */
  readonly epoch: bigint
  /** How it was encoded. */
  readonly codec: PayloadCodec
  /** Who passed it on, where that is not its sender: then it is that member's word. */
  readonly relayedBy: number | undefined
}

/** A member gave a signal that is new here, and allowed to it. */
export interface SignalEvent extends Numbered {
  readonly type: 'signal'
  /** The signal. Its sender is who sent the frame. */
  readonly message: SignalMessage
  /** Whether it changed who is in, muted, publishing or in which role. */
  readonly changed: boolean
  /** How it was encoded. */
  readonly codec: PayloadCodec
}

/** All pieces of an attachment are here: {@link GroupText.attachment} reads it. */
export interface AttachmentEvent extends AttachmentKey, Numbered {
  readonly type: 'attachment'
}

/** Somebody is a member from now on. */
export interface JoinedEvent extends Numbered {
  readonly type: 'joined'
  readonly member: number
  /** Whom its credential names. */
  readonly identity: Uint8Array
  /** The identity as text, where it is text. */
  readonly name: string | undefined
}

/** Somebody is no member any more. */
export interface LeftEvent extends Numbered {
  readonly type: 'left'
  readonly member: number
}

/** A new epoch began. */
export interface EpochEvent extends Numbered {
  readonly type: 'epoch'
  readonly epoch: bigint
  /** By which transition. */
  readonly transitionId: number
}

/** Nothing follows: this member was removed, or the group went where it cannot follow and has to invite it again. */
export interface OutEvent extends Numbered {
  readonly type: 'removed' | 'lost'
}

/** What must not be lost: stored with what it tells of, and told again after a restart until it was dealt with. */
export type DurableEvent =
  TextEvent | SignalEvent | AttachmentEvent | JoinedEvent | LeftEvent | EpochEvent | OutEvent

/** A signal of this member ended: everybody who was awaited answered, or their time was over. */
export interface SignalEndedEvent extends Finished {
  readonly type: 'signal-ended'
}

/** A piece of an attachment came. */
export interface AttachmentProgressEvent extends AttachmentKey {
  readonly type: 'attachment-progress'
  /** Pieces that are here. */
  readonly received: number
  /** Pieces of the whole. */
  readonly total: number
}

/** An attachment's pieces stayed away, and it was given up. */
export interface AttachmentExpiredEvent extends AttachmentKey {
  readonly type: 'attachment-expired'
}

/** A packet of audio was taken; it waits for its time in {@link GroupNode.audio} too. */
export interface AudioEvent {
  readonly type: 'audio'
  readonly member: number
  readonly source: number
  /** What it is among the others. */
  readonly arrival: Arrival
  readonly sequence: number
  /** When it was recorded, in samples. */
  readonly timestamp: bigint
  /** The audio. */
  readonly frame: Uint8Array
  readonly codec: PayloadCodec
}

/** A packet of this member's audio could not be sent after {@link GroupAudio.send} had taken it. */
export interface AudioFailedEvent {
  readonly type: 'audio-failed'
  readonly error: CoterieError
}

/** A message or signal came that was seen before; or, where it is `conflicting`, another one under its number. */
export interface DuplicateEvent {
  readonly type: 'duplicate'
  readonly streamClass: StreamClass
  readonly member: number
  readonly number: bigint
  readonly conflicting: boolean
}

/** The node moved on. */
export interface StateEvent {
  readonly type: 'state'
  readonly from: NodeState
  readonly to: NodeState
}

/** A control message was accepted. */
export interface ControlEvent {
  readonly type: 'control'
  readonly member: number
  readonly opcode: Opcode
  readonly transitionId: number
  readonly requestId: number
  /** Its arguments, in CBOR. */
  readonly arguments: Uint8Array
}

/** Nothing was heard of the coordinator for too long; this member became it; or a member claimed to be it. */
export type CoordinatorEvent =
  | { readonly type: 'coordinator'; readonly change: 'silent' | 'became' }
  | {
      readonly type: 'coordinator'
      readonly change: 'claimed'
      readonly member: number
      /** Whether it is the coordinator now, as seen from here. */
      readonly accepted: boolean
    }

/** A transition ended without effect. */
export interface AbortedEvent {
  readonly type: 'aborted'
  readonly transitionId: number
  /** Why, where its coordinator says. */
  readonly reason: bigint | undefined
}

/** Those that this member invited are not in, because another commit came first. Their key packages are still good. */
export interface NotAdmittedEvent {
  readonly type: 'not-admitted'
  readonly members: readonly number[]
}

/** A member wants to leave; said what it can do, which {@link GroupSignals.capabilities} has; did not answer {@link GroupText.catchUp}. */
export interface MemberEvent {
  readonly type: 'leaving' | 'capabilities' | 'not-caught-up'
  readonly member: number
}

/** A page of what was missing came; its messages are events of their own. */
export interface CaughtUpEvent {
  readonly type: 'caught-up'
  readonly member: number
  /** Whether more follows. */
  readonly more: boolean
}

/** Something of the registry went wrong, by nobody's certain fault: {@link lookupError} knows the number. */
export interface TroubleEvent {
  readonly type: 'trouble'
  readonly number: number
  readonly transitionId: number
  /** Whom it is about, if anybody. */
  readonly member: number | undefined
}

/** What came in was refused, and changed nothing but that it will not be taken again. */
export interface RefusedFrameEvent {
  readonly type: 'refused'
  readonly error: CoterieError
  /** Under which number the protocol knows it. */
  readonly number: number | undefined
  /** On whose stream it came. Nobody has proved that it was that member. */
  readonly claimed: number | undefined
  /**
   * Who signed it, where that signature was verified. That is no proof of a lie: what is refused by the policy, or for what was
   * not received here, has an author, too.
   */
  readonly offender: number | undefined
}

/** So many events that are not durable were dropped, because nobody took them. */
export interface MissedEvent {
  readonly type: 'missed'
  readonly count: bigint
}

/** Something that happened in the group, as a node tells it. */
export type GroupNodeEvent =
  | DurableEvent
  | SignalEndedEvent
  | AttachmentProgressEvent
  | AttachmentExpiredEvent
  | AudioEvent
  | AudioFailedEvent
  | DuplicateEvent
  | StateEvent
  | ControlEvent
  | CoordinatorEvent
  | AbortedEvent
  | NotAdmittedEvent
  | MemberEvent
  | CaughtUpEvent
  | TroubleEvent
  | RefusedFrameEvent
  | MissedEvent

/** An event but for its id. */
type Unnumbered<Event> = Event extends Numbered ? Omit<Event, 'id'> : Event

/** @internal */
export function toNodeEvent({ id, event }: NativeTold): GroupNodeEvent {
  const told = toEvent(event)
  return (id === undefined ? told : { ...told, id }) as GroupNodeEvent
}

function toEvent(event: NativeNodeEvent): Unnumbered<GroupNodeEvent> {
  switch (event.type) {
    case 'text':
      return {
        ...event,
        message: toMessage(event.message),
        codec: codecOf(event),
        relayedBy: event.relayedBy,
      }
    case 'signal':
      return { ...event, message: toSignalMessage(event.message), codec: codecOf(event) }
    case 'joined':
      return { ...event, name: nameOf(event.identity) }
    case 'signal-ended':
      return { type: event.type, ...toFinished(event.finished) }
    case 'audio':
      return { ...event, codec: codecOf(event) }
    case 'state':
      return { type: event.type, from: event.from as NodeState, to: event.to as NodeState }
    case 'control':
      return { ...event, opcode: event.opcode as Opcode }
    case 'coordinator':
      return event as CoordinatorEvent
    case 'aborted':
      return { ...event, reason: event.reason }
    case 'trouble':
      return { ...event, member: event.member }
    case 'refused': {
      const { type, failure, number, claimed, offender } = event
      return { type, error: toError(failure), number, claimed, offender }
    }
    default:
      return event
  }
}

function codecOf({ codec }: { codec: string }): PayloadCodec {
  return codec as PayloadCodec
}
