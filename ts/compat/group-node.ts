import { unwrap } from '../errors.js'
import { bytes, instance, lengthOf, u32 } from '../internal/arguments.js'
import {
  native,
  type NativeCompatEvent,
  type NativeCompatFrame,
  type NativeCompatMls,
  type NativeCompatNode,
} from '../native.js'
import { type ControlOpcode, type NodeState, type PayloadCodec, type StreamType } from './enums.js'
import { buffer, Closable, Handle, wide } from './handle.js'
import { MlsContext } from './mls-context.js'
import { numbers, report, roomFor, taken } from './room.js'

/** A frame and whom it is for; target 0 is everybody. */
export interface OutboundFrame {
  /** Whom it is for. Not in the frame. */
  target: number
  /** The frame. */
  wire: Buffer
}

/** Something that happened at a node. Which fields are there depends on `kind`. */
export interface NodeEvent {
  /** `state_changed`, `payload_received`, `control`, `error`, `epoch_advanced` or `coordinator_claim`. */
  kind: string
  /** The state before, in upper case. */
  fromState?: string
  /** The state now, in upper case. */
  toState?: string
  /** `audio`, `text` or `signal`. */
  streamTypeName?: string
  /** The stream's class. */
  streamType?: StreamType
  /** The stream. */
  streamId?: number
  /** The place in the stream. */
  sequenceNo?: number
  /** Hints. */
  flags?: number
  /** The payload's codec, for the client's `accept`. */
  codec?: PayloadCodec
  /** The payload; empty where it is empty. */
  plaintext?: Buffer
  /** Who says to have sent a control message. */
  sender?: number
  /** Its opcode by name. */
  opcode?: string
  /** Its opcode by number. */
  opcodeCode?: ControlOpcode
  /** The transition. */
  transitionId?: number
  /** Connects a request with its answer. */
  requestId?: number
  /** The arguments; empty where there are none. */
  args?: Buffer
  /** A registered error. */
  code?: number
  /** The same as text, like `0x0005`. */
  codeHex?: string
  /** Its class. */
  classCode?: number
  /** Whether the registry calls it retryable. */
  retryable?: boolean
  /** Whether the registry calls it fatal. The node stays active all the same. */
  fatal?: boolean
  /** What happened, for people. */
  reason?: string
  /** The epoch. */
  epoch?: bigint
  /** Who says to coordinate. */
  claimant?: number
}

const CODE_DIGITS = 4

/** By class. */
const CLASSES = ['control', 'audio', 'text', 'signal'] as const

/** What crosses for every frame of a node and one context. */
interface Line {
  readonly seal: ReturnType<NativeCompatNode['textSealer']>
  readonly open: ReturnType<NativeCompatNode['opener']>
}

/** @internal A native frame as callers get it. */
export function toFrame({ target, wire }: NativeCompatFrame): OutboundFrame {
  return { target, wire: buffer(wire) }
}

function toEvent(event: NativeCompatEvent): NodeEvent {
  const { plaintext, args, ...rest } = event
  const told: NodeEvent = rest
  if (plaintext !== undefined) told.plaintext = buffer(plaintext)
  if (args !== undefined) told.args = buffer(args)
  if (event.code !== undefined) {
    told.codeHex = `0x${event.code.toString(16).toUpperCase().padStart(CODE_DIGITS, '0')}`
  }
  if (event.streamType !== undefined) {
    const name = CLASSES[event.streamType]
    if (name !== undefined) told.streamTypeName = name
  }
  return told
}

/** The payload that the opener has reported. */
function toPayload(plaintext: Buffer): NodeEvent {
  const streamType = numbers[0] ?? 0
  return {
    kind: 'payload_received',
    streamTypeName: CLASSES[streamType],
    streamType,
    streamId: numbers[1],
    sequenceNo: numbers[2],
    flags: numbers[3],
    codec: numbers[4],
    plaintext,
  }
}

/** One member of a group, above its keys: it seals, opens and reports, and decides nothing. */
export class GroupNode extends Closable {
  /** The member's number. */
  readonly memberId: number
  readonly #groupId: Uint8Array
  readonly #handle: Handle<NativeCompatNode>
  readonly #lines = new WeakMap<NativeCompatMls, Line>()

  private constructor(node: NativeCompatNode, memberId: number, groupId: Uint8Array) {
    const handle = new Handle(node, 'group node')
    super(handle)
    this.#handle = handle
    this.memberId = memberId
    this.#groupId = groupId
  }

  /** @internal Whether `value` is one, and not only looks like one. */
  static is(value: object): value is GroupNode {
    return #handle in value
  }

  /** A node that is not started. The group id has 16 bytes. */
  static create(memberId: number, groupId: Buffer): GroupNode {
    const id = new Uint8Array(bytes(groupId, 'groupId'))
    const node = unwrap(native.NativeCompatNode.create(u32(memberId, 'memberId'), id))
    return new GroupNode(node, memberId, id)
  }

  /** @internal */
  get native(): NativeCompatNode {
    return this.#handle.get()
  }

  /** The group's id. */
  get groupId(): Buffer {
    return Buffer.from(this.#groupId)
  }

  /** Whether it was started. */
  get state(): NodeState {
    return unwrap(this.native.state())
  }

  /** The node's epoch. */
  get epoch(): bigint {
    return unwrap(this.native.epoch())
  }

  /** The last transition that was applied; 0 before the first. */
  get lastTransitionId(): number {
    return unwrap(this.native.lastTransition())
  }

  /** Starts in `epoch`. */
  bootstrapAsCreator(epoch: bigint | number): void {
    this.#start(epoch, 0)
  }

  /** Starts in `epoch`, waiting for a transition where one is given. */
  bootstrapAsJoiner(epoch: bigint | number, expectedFirstTid = 0): void {
    this.#start(epoch, u32(expectedFirstTid, 'expectedFirstTid'))
  }

  #start(epoch: bigint | number, expected: number): void {
    unwrap(this.native.start(wide(epoch, 'epoch'), expected, Date.now()))
  }

  /** Puts the node into an epoch, whatever it was in. */
  setEpochForTesting(epoch: bigint | number): void {
    unwrap(this.native.setEpoch(wide(epoch, 'epoch'), Date.now()))
  }

  /** Goes on to the next epoch by a transition. */
  applyTransition(transitionId: number): void {
    unwrap(this.native.apply(u32(transitionId, 'transitionId'), Date.now()))
  }

  /** Seals a control message. Its arguments are passed on unread. */
  sendControl(
    mls: MlsContext,
    target: number,
    opcode: ControlOpcode,
    transitionId: number,
    requestId: number,
    args: Buffer = Buffer.alloc(0),
  ): OutboundFrame {
    const order = {
      target: u32(target, 'target'),
      opcode: u32(opcode, 'opcode'),
      transition: u32(transitionId, 'transitionId'),
      request: u32(requestId, 'requestId'),
      args: bytes(args, 'args'),
    }
    return toFrame(unwrap(this.native.sendControl(contextOf(mls), order)))
  }

  /** Takes a frame in and answers what has happened. A frame that is refused is one `error` event. */
  onWire(mls: MlsContext, wire: Buffer): NodeEvent[] {
    const { open } = this.line(mls)
    const frame = bytes(wire, 'wire')
    const room = roomFor(lengthOf(frame))
    const length = unwrap(open(frame, Date.now(), room, report))
    return length < 0 ? this.drainEvents() : [toPayload(taken(room, length))]
  }

  /** @internal */
  line(mls: MlsContext): Line {
    const node = this.native
    const context = contextOf(mls)
    const known = this.#lines.get(context)
    if (known !== undefined) return known
    const line = { seal: node.textSealer(context), open: node.opener(context) }
    this.#lines.set(context, line)
    return line
  }

  /** What has happened and was not told yet. */
  drainEvents(): NodeEvent[] {
    return unwrap(this.native.drain()).map(toEvent)
  }
}

/** @internal The native side of a context that a caller handed in. */
export function contextOf(mls: MlsContext): NativeCompatMls {
  return instance(mls, MlsContext.is, 'MlsContext').native
}

/** @internal What seals and opens frames of a node and a context that a caller handed in. */
export function lineOf(node: GroupNode, mls: MlsContext): Line {
  return instance(node, GroupNode.is, 'GroupNode').line(mls)
}

/** @internal The native side of a node that a caller handed in. */
export function nodeOf(node: GroupNode): NativeCompatNode {
  return instance(node, GroupNode.is, 'GroupNode').native
}
