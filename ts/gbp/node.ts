import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import type { Device, DeviceInside } from '../mls/device.js'
import { nameOf } from '../mls/roster.js'
import { consult } from '../mls/policy.js'
import { native, type NativeGroupNode } from '../native.js'
import { checked, type SFrameOptions } from '../sframe/options.js'
import { sessionOf, type SFrameSession } from '../sframe/session.js'
import type { Profile } from './frame.js'
import { GroupAudio } from './node-audio.js'
import { NodeCore } from './node-core.js'
import type { GroupNodeEvent, NodeState } from './node-events.js'
import {
  insideOfNodeDevice,
  toNativeNodeOptions,
  toNativeSettings,
  toProfile,
  type CreateNodeOptions,
  type JoinNodeOptions,
  type NodeSettings,
} from './node-options.js'
import { GroupRoles, GroupSignals } from './node-signals.js'
import { GroupText, room } from './node-text.js'
import { memberNumber, type Parcel } from './parcel.js'

/** Somebody in the group. */
export interface GroupMember {
  /** Its number, which its streams carry. */
  readonly member: number
  /** Its place in the tree. */
  readonly leaf: number
  /** Whom its credential names. */
  readonly identity: Uint8Array
  /** The identity as text, where it is text. */
  readonly name: string | undefined
  /** The key that its messages are verified with. */
  readonly signatureKey: Uint8Array
}

/** When those who are invited come in. */
export interface InviteOptions extends AbortOptions {
  /**
   * `direct`: once the commit that adds them is in effect. `armed`: at once, to wait for it; in `interop` only. `direct`
   * where nothing is said.
   */
  readonly pattern?: 'direct' | 'armed'
}

const PATTERNS = ['direct', 'armed'] as const

/** @internal Whether everything that a node was asked for is done. */
export let isIdle: (node: GroupNode) => boolean

/** @internal As {@link GroupNode.frames}, but all at a time that were taken together. */
export let framesTogether: (node: GroupNode, signal: AbortSignal) => AsyncIterable<Parcel[]>

/**
 * One object that owns a group of the protocol stack: its keys, its coordinator, its frames, and text, audio and signals in
 * them. Frames and wishes come in; parcels to carry away and events come out. It keeps its own time; nothing else moves it.
 *
 * A call is one transaction of the device's store, and nothing leaves before that. Calls are done in the order in which they
 * are made. Once 4,096 events or parcels wait to be taken, calls are refused with `BUSY` and have changed nothing:
 * {@link GroupNode.room} waits for better times.
 *
 * Close it, or hold it with `await using`.
 *
 * @example
 * ```ts
 * await using node = await GroupNode.create(alice, { member: 1 })
 * const [number] = await node.invite([await bob.keyPackage()])
 * for await (const parcel of node.frames()) {
 *   if (parcel.type === 'admission' && parcel.to === number) {
 *     await using other = await GroupNode.join(bob, parcel.bytes)
 *     await other.text.send('hello')
 *     break
 *   }
 * }
 * ```
 */
export class GroupNode implements AsyncDisposable {
  readonly #core: NodeCore
  readonly #id: Uint8Array
  /** This member's number. */
  readonly member: number
  /** How frames are protected. */
  readonly profile: Profile
  /** Text and attachments. */
  readonly text: GroupText
  /** Audio. */
  readonly audio: GroupAudio
  /** Signals. */
  readonly signals: GroupSignals
  /** Who may do what. */
  readonly roles: GroupRoles

  static {
    isIdle = (node) => node.#core.isIdle
    framesTogether = (node, signal) => {
      node.#core.checkOpen()
      return node.#core.frames.read(signal).together()
    }
  }

  private constructor(made: NativeGroupNode, { clock, policy }: DeviceInside) {
    const core = new NodeCore(made, clock, policy)
    this.#core = core
    this.#id = made.id
    this.member = made.member
    this.profile = made.profile
    this.text = new GroupText(core)
    this.audio = new GroupAudio(core, this.member)
    this.signals = new GroupSignals(core)
    this.roles = new GroupRoles(core)
  }

  /**
   * Begins a group, whose coordinator this member is.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_GROUP_EXISTS`, `MLS_UNSUPPORTED`, `STORE_FULL`, `STORE_IO`,
   * `HANDLE_CLOSED`.
   */
  static async create(device: Device, options: CreateNodeOptions): Promise<GroupNode> {
    const inside = insideOfNodeDevice(device)
    const [given, settings] = [toNativeNodeOptions(options), toNativeSettings(options, inside)]
    const now = check.time(inside.clock)
    const made = await abortable(check.signal(options), (cancellation) =>
      native.NativeGroupNode.create(inside.native, given, settings, now, cancellation),
    )
    return new GroupNode(made, inside)
  }

  /**
   * Comes into a group by the admission that a member's {@link GroupNode.frames} gave out. Nothing changes where it is
   * refused, and the key package is still good. A device's policy is asked about everybody in the group first.
   *
   * @throws {@link CoterieError} `GBP_PROFILE_MISMATCH` where the group protects its frames otherwise, `GBP_ADMISSION_INVALID`,
   * `WIRE_MALFORMED`, `WIRE_TOO_LARGE`, `INVALID_ARGUMENT`, and as {@link Device.join}.
   */
  static async join(device: Device, admission: Uint8Array, options?: JoinNodeOptions): Promise<GroupNode> {
    const inside = insideOfNodeDevice(device)
    const [bytes, settings] = [check.bytes(admission, 'admission'), toNativeSettings(options, inside)]
    const profile = toProfile(check.options(options).profile)
    const [now, signal] = [check.time(inside.clock), check.signal(options)]
    if (inside.policy !== undefined) {
      const present = await abortable(signal, (cancellation) =>
        native.NativeGroupNode.presentIn(inside.native, bytes, now, cancellation),
      )
      await consult(inside.policy, present, [signal])
    }
    const made = await abortable(signal, (cancellation) =>
      native.NativeGroupNode.join(inside.native, bytes, profile, settings, now, cancellation),
    )
    return new GroupNode(made, inside)
  }

  /**
   * Takes a group up again that a stored device is in, or was in until it was removed: with all events that were not dealt
   * with and all parcels that were not carried away. Undefined where it never was in one of that id.
   *
   * @throws {@link CoterieError} `GBP_STATE_INVALID`, `STORE_DAMAGED`, `STORE_IO`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  static async open(
    device: Device,
    groupId: Uint8Array,
    options?: NodeSettings,
  ): Promise<GroupNode | undefined> {
    const inside = insideOfNodeDevice(device)
    const [id, settings] = [check.bytes(groupId, 'groupId'), toNativeSettings(options, inside)]
    const now = check.time(inside.clock)
    const made = await abortable(check.signal(options), (cancellation) =>
      native.NativeGroupNode.open(inside.native, id, settings, now, cancellation),
    )
    return made === null ? undefined : new GroupNode(made, inside)
  }

  /** @internal Whether `value` is one, and not only looks like one. */
  static is(value: object): value is GroupNode {
    return #core in value
  }

  /** The group's name: equal at every member. */
  get groupId(): Uint8Array {
    return this.#id.slice()
  }

  /** The epoch that this member is in, as of the last call that is done; as all that follows. */
  get epoch(): bigint {
    return this.#core.view.epoch
  }

  /** Where this member is in its life. */
  get state(): NodeState {
    return this.#core.view.state
  }

  /** Who coordinates, as far as this member knows. */
  get coordinator(): number | undefined {
    return this.#core.view.coordinator
  }

  /** The last transition that this member has applied. */
  get transitionId(): number {
    return this.#core.view.transitionId
  }

  /** The transition under way. */
  get pendingTransitionId(): number | undefined {
    return this.#core.view.pendingTransitionId
  }

  /** Whether this member is in the group. */
  get isMember(): boolean {
    return this.#core.view.isMember
  }

  /**
   * The commit of the transition under way. PREPARE carries it, but packages of deployed peers hide it from their
   * applications, which have to be given it by another way.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  async pendingCommit(options?: AbortOptions): Promise<Uint8Array | undefined> {
    return (await this.#call(options, (node) => node.pendingCommit())) ?? undefined
  }

  /**
   * Everybody in the group; nobody once this member is out.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  async members(options?: AbortOptions): Promise<GroupMember[]> {
    const members = await this.#call(options, (node, _now, cancellation) => node.members(cancellation))
    return members.map(({ member, leaf, identity, signatureKey }) => {
      const name = nameOf(identity)
      return { member, leaf, identity, name, signatureKey }
    })
  }

  /**
   * A value that all members of this epoch share and nobody else can know: equal values prove equal views.
   *
   * @throws {@link CoterieError} `GBP_NOT_ACTIVE`, `HANDLE_CLOSED`.
   */
  async epochAuthenticator(options?: AbortOptions): Promise<Uint8Array> {
    return this.#call(options, (node, _now, cancellation) => node.epochAuthenticator(cancellation))
  }

  /**
   * A key of this epoch for another protocol, bound to `label` and `context`.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, also for a label that frames are protected under; `GBP_NOT_ACTIVE`,
   * `HANDLE_CLOSED`.
   */
  async exportSecret(
    label: string,
    context: Uint8Array,
    length: number,
    options?: AbortOptions,
  ): Promise<Uint8Array> {
    const [name, bytes] = [check.text(label, 'label'), check.bytes(context, 'context')]
    const count = check.u32(length, 'length')
    return this.#call(options, (node, _now, cancellation) =>
      node.exportSecret(name, bytes, count, cancellation),
    )
  }

  /**
   * A session of the group's media, for frames that go another way than {@link GroupNode.audio}: video, say. It goes on with
   * this node from epoch to epoch, and no counter comes up twice, whatever happens to node, session or process.
   *
   * @example
   * ```ts
   * using session = await node.media({ label: 'video' })
   * using encryptor = await session.encryptor()
   * sendToAll(encryptor.encrypt(data))
   * ```
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, also for a label that frames are protected under; `GBP_NOT_ACTIVE`,
   * `HANDLE_CLOSED`.
   */
  async media(options?: SFrameOptions): Promise<SFrameSession> {
    const core = this.#core
    const wanted = checked(options)
    const session = await this.#call(options, (node, _now, cancellation) =>
      node.sframeSession(wanted.options, cancellation),
    )
    return sessionOf(session, wanted.suite, wanted.clock ?? core.clock, () => core.view.ownLeaf)
  }

  /**
   * Takes in a frame from a transport, whoever it may be from. What others sent wrongly is no error, but an event of type
   * `refused`.
   *
   * @throws {@link CoterieError} `BUSY`, `GBP_NOT_ACTIVE`, `STORE_FULL`, `STORE_IO`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`. Then
   * nothing was taken in, and the frame can be given again.
   */
  async receive(frame: Uint8Array, options?: AbortOptions): Promise<void> {
    const bytes = check.bytes(frame, 'frame')
    await this.#call(options, (node, now, cancellation) => node.receive(bytes, now, cancellation))
  }

  /**
   * Takes in several frames in their order, many in one step, as {@link GroupNode.receive} would one after the other: each is
   * taken in or refused by itself. Resolves with how many were taken in. Those behind were not, where these are fewer: give
   * them again, and that call says why not.
   *
   * @throws {@link CoterieError} As {@link GroupNode.receive}, where nothing was taken in.
   */
  async receiveAll(frames: readonly Uint8Array[], options?: AbortOptions): Promise<number> {
    const list = check.bytesList(frames, 'frames')
    return this.#call(options, (node, now, cancellation) => node.receiveAll(list, now, cancellation))
  }

  /**
   * Adds the owners of key packages, and resolves with their numbers. The coordinator alone can. Their admissions are among
   * the {@link GroupNode.frames}: once the others have followed, or at once in pattern `armed`. Events of type `joined` tell
   * that they are in; `not-admitted` that another commit came first, and that they can be invited again. A device's policy is
   * asked first, and other calls do not wait for it.
   *
   * @throws {@link CoterieError} `GBP_NOT_COORDINATOR`, `GBP_TRANSITION_IN_PROGRESS`, `GBP_NOT_ACTIVE`, `BUSY`,
   * `MLS_INVALID_KEY_PACKAGE`, `MLS_INVALID_CREDENTIAL`, `MLS_REFUSED_BY_POLICY`, `INVALID_ARGUMENT` also for more than 256;
   * `STORE_FULL`, `STORE_IO`, `HANDLE_CLOSED`. The same for all other changes.
   */
  async invite(keyPackages: readonly Uint8Array[], options?: InviteOptions): Promise<number[]> {
    const packages = check.bytesList(keyPackages, 'keyPackages')
    const { pattern = 'direct' } = check.options(options)
    const armed = check.oneOf(pattern, PATTERNS, 'pattern') === 'armed'
    const { native: node } = this.#core
    const now = this.#core.now()
    await this.#core.judge(options, (cancellation) => node.candidates(packages, now, cancellation))
    return this.#call(options, (_node, later, cancellation) =>
      node.invite(packages, armed, later, cancellation),
    )
  }

  /**
   * Removes members. The coordinator alone can; events of type `left` tell that they are out.
   *
   * @throws {@link CoterieError} As {@link GroupNode.invite}; `GBP_NOT_A_MEMBER`.
   */
  async remove(members: readonly number[], options?: AbortOptions): Promise<void> {
    const numbers = check.list(members, 'members', memberNumber)
    await this.#call(options, (node, now, cancellation) => node.remove(numbers, now, cancellation))
  }

  /**
   * Renews this member's keys, and with them the group's. The coordinator alone can; an event of type `epoch` tells.
   *
   * @throws {@link CoterieError} As {@link GroupNode.invite}.
   */
  async update(options?: AbortOptions): Promise<void> {
    await this.#call(options, (node, now, cancellation) => node.update(now, cancellation))
  }

  /**
   * Asks to be removed. Whoever coordinates does it; a coordinator hands its role over first. An event of type `removed`
   * tells.
   *
   * @throws {@link CoterieError} As {@link GroupNode.invite}.
   */
  async leave(options?: AbortOptions): Promise<void> {
    await this.#call(options, (node, now, cancellation) => node.leave(now, cancellation))
  }

  /**
   * Gives the coordinator's role to another member.
   *
   * @throws {@link CoterieError} As {@link GroupNode.remove}.
   */
  async handOver(heir: number, options?: AbortOptions): Promise<void> {
    const whom = memberNumber(heir, 'heir')
    await this.#call(options, (node, now, cancellation) => node.handOver(whom, now, cancellation))
  }

  /**
   * Claims the coordinator's role. Members do so by themselves when nothing is heard of it for ten seconds.
   *
   * @throws {@link CoterieError} As {@link GroupNode.invite}, where a coordinator with a lower number is heard.
   */
  async claim(options?: AbortOptions): Promise<void> {
    await this.#call(options, (node, now, cancellation) => node.claim(now, cancellation))
  }

  /**
   * Asks the others how they stand, and follows where they are ahead.
   *
   * @throws {@link CoterieError} `GBP_NOT_ACTIVE`, `BUSY`, `HANDLE_CLOSED`.
   */
  async resync(options?: AbortOptions): Promise<void> {
    await this.#call(options, (node, now, cancellation) => node.resync(now, cancellation))
  }

  /**
   * Takes back what this member prepares.
   *
   * @throws {@link CoterieError} `GBP_TRANSITION_MISMATCH` where it prepares nothing, `GBP_NOT_ACTIVE`, `BUSY`,
   * `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  async abort(options?: AbortOptions & { readonly reason?: bigint }): Promise<void> {
    const { reason } = check.options(options)
    const why = reason === undefined ? undefined : check.u64(reason, 'reason')
    await this.#call(options, (node, now, cancellation) => node.abort(why, now, cancellation))
  }

  /**
   * Tells the others what this member can do, by tokens of up to 64 bytes.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `WIRE_TOO_LARGE`, `GBP_NOT_ACTIVE`, `BUSY`, `HANDLE_CLOSED`.
   */
  async advertise(tokens: Iterable<string>, options?: AbortOptions): Promise<void> {
    const list = check.list(check.iterable(tokens, 'tokens'), 'tokens', check.text)
    await this.#call(options, (node, now, cancellation) => node.advertise(list, now, cancellation))
  }

  /**
   * What is to be carried to others, in its order, as it comes. It counts as carried away when the next batch is asked for,
   * so a crash may send the last ones again, which harms nobody, and loses none. One reads at a time: a later reader goes on
   * where the earlier one stopped, which ends. Ends once this member is out and nothing waits, or when the node is closed.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`, `INVALID_ARGUMENT`.
   */
  frames(options?: AbortOptions): AsyncIterableIterator<Parcel, undefined> {
    this.#core.checkOpen()
    return this.#core.frames.read(check.signal(options))
  }

  /**
   * What happens in the group, in its order, as it comes. A {@link DurableEvent} counts as dealt with when the next batch is
   * asked for, or when {@link GroupNode.acknowledge} says so, so after a crash the last ones may come again, with the ids that they
   * had, and none is lost; of others 1,024 wait at the most, and an event of type `missed` says how many were dropped. One reads at a time, as with {@link GroupNode.frames}.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`, `INVALID_ARGUMENT`.
   */
  events(options?: AbortOptions): AsyncIterableIterator<GroupNodeEvent, undefined> {
    this.#core.checkOpen()
    return this.#core.events.read(check.signal(options))
  }

  /**
   * Says that the event of this id is dealt with, and all that came before it: when this resolves they do not come again,
   * whatever happens.
   *
   * @throws {@link CoterieError} `STORE_FULL`, `STORE_IO`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  async acknowledge(id: bigint, options?: AbortOptions): Promise<void> {
    const which = check.u64(id, 'id')
    await this.#call(options, (node, _now, cancellation) => node.acknowledge(which, cancellation))
  }

  /**
   * Resolves when calls are not refused with `BUSY`, or the node is closed: whoever reads from a transport waits for it.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  async room(options?: AbortOptions): Promise<void> {
    check.signal(options)?.throwIfAborted()
    await room(this.#core, options)
  }

  /** When {@link GroupNode.wake} is due, in milliseconds since 1970. */
  get nextWake(): number | undefined {
    return this.#core.view.nextWake
  }

  /**
   * Does what is due. The node calls this by itself; whoever winds the device's clock by hand calls it after that.
   *
   * @throws {@link CoterieError} `BUSY`, `STORE_FULL`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async wake(): Promise<void> {
    this.#core.checkOpen()
    await this.#core.wake()
  }

  /**
   * Lets go of the group once what is under way is done. Of a stored device it can be opened again. Closing twice is fine.
   *
   * @throws {@link CoterieError} `STORE_FULL`, `STORE_IO`: then events that were dealt with may come again.
   */
  async close(): Promise<void> {
    await this.#core.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #call<Value>(
    options: AbortOptions | undefined,
    work: (
      node: NativeGroupNode,
      now: number,
      ...cancellation: Parameters<Parameters<typeof abortable<Value>>[1]>
    ) => ReturnType<Parameters<typeof abortable<Value>>[1]>,
  ): Promise<Value> {
    const { native: node } = this.#core
    const now = this.#core.now()
    return this.#core.call(options, (cancellation) => work(node, now, cancellation))
  }
}
