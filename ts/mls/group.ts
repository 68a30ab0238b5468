import { CoterieError, toError } from '../errors.js'
import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { drain } from '../internal/feed.js'
import type {
  NativeCandidate,
  NativeChanges,
  NativeCommitted,
  NativeFailure,
  NativeGroup,
  NativeGroupEvent,
} from '../native.js'
import {
  toDescent,
  toGroupEvent,
  toProposal,
  toReceived,
  toSuccession,
  type CommitSummary,
  type Descent,
  type GroupEvent,
  type Member,
  type Proposal,
  type Received,
  type Succession,
} from './events.js'
import { toNativeExtensions, type GroupExtension } from './extensions.js'
import { readMessageHead } from './external.js'
import { toNativeCertified, type Certified } from './certified.js'
import { consult, Turns, type Policy } from './policy.js'
import { toNativePskId, toNativePskIds, type PskId } from './psks.js'
import { readCommitSummary, readMembers } from './roster.js'
import { CIPHER_SUITES, type CipherSuite } from './suites.js'

type NativeReceived = Exclude<NativeGroupEvent, { type: 'succeeded' }>

type NativeCall<Value> = Parameters<typeof abortable<Value>>[1]

/** What a commit shall change, beside the proposals that wait for one. */
export interface Changes {
  /** Key packages of those to be added. */
  readonly add?: readonly Uint8Array[]
  /** Leaves of those to be removed. */
  readonly remove?: readonly number[]
  /** Whether to replace this member's own keys even where nothing else demands it. */
  readonly update?: boolean
  /** Pre-shared keys to mix into the next epoch: whoever does not hold them cannot follow. */
  readonly psks?: readonly PskId[]
  /** What the group's extensions shall be from now on, all of them. Where nothing is said they stay as they are. */
  readonly extensions?: readonly GroupExtension[]
  /**
   * A new identity for this member in this group, with a new signature key. The commit itself is still signed with the
   * old one. Text is taken as UTF-8.
   */
  readonly identity?: string | Uint8Array
  /**
   * A new certificate for this member in this group, with its key. A certified member keeps its name. Instead of
   * `identity`.
   */
  readonly certificate?: Certified
  /** Where the tree travels that joiners need; inside the Welcome where nothing is said. */
  readonly tree?: TreePlacement
}

/** Where a group's tree travels. Inside, what is sent grows with the group; beside, joiners fetch it elsewhere. */
export type TreePlacement = 'inside' | 'beside'

/** How a member frames what it sends. Others' choices are always accepted. */
export interface Framing {
  /**
   * Whether proposals and commits are `encrypted`, so that only members read them, or `public`: signed but readable, so
   * that a server can follow who is in the group.
   */
  readonly handshake: 'encrypted' | 'public'
  /**
   * Encrypted messages are padded to a multiple of this many bytes, up to 4,096, which hides their exact lengths; 0
   * leaves them as they are.
   */
  readonly padding: number
}

/** How a GroupInfo is made. */
export interface GroupInfoOptions extends AbortOptions {
  /** Where the tree travels; inside the GroupInfo where nothing is said, else it is {@link Group.ratchetTree}. */
  readonly tree?: TreePlacement
}

/** A commit that waits for its acceptance. */
export interface Committed {
  /** For everybody in the group. */
  readonly commit: Uint8Array
  /** For those it adds, once the commit was accepted. */
  readonly welcome: Uint8Array | undefined
  /** The tree that the Welcome's readers need, where it does not travel inside. */
  readonly ratchetTree: Uint8Array | undefined
  /** What it does. */
  readonly summary: CommitSummary
  /**
   * Those it adds whose key packages are valid for less than 14 days more. Where newer ones can be had, it is better to
   * discard the commit and use those.
   */
  readonly expiring: readonly Member[]
}

/** Which group shall succeed one. */
export interface NameSuccessorOptions extends AbortOptions {
  /** The successor's id, of 1 to 255 bytes; 32 random ones where none is given. */
  readonly id?: Uint8Array
  /** Its suite; that of this group where none is named. */
  readonly suite?: CipherSuite
}

/**
 * Why a member should replace its own keys by {@link Group.commit} with `update`: it was added and has not committed
 * since, or half of its leaf's lifetime is over.
 */
export type UpdateReason = 'joined' | 'ageing'

/** How a message is sealed. */
export interface EncryptOptions extends AbortOptions {
  /** Travels beside the message: readable by everybody on the way, authentic to members. */
  readonly associatedData?: Uint8Array
}

/** @internal What other parts of the package need of a group. */
export interface GroupInside {
  readonly native: NativeGroup
  readonly clock: () => number
}

/** @internal */
export let insideOfGroup: (group: Group) => GroupInside

const NOTHING = new Uint8Array()
const TREE_PLACEMENTS: readonly TreePlacement[] = ['inside', 'beside']
const HANDSHAKES = ['encrypted', 'public'] as const

/**
 * One member's view of one group, without any network: bytes in, bytes out.
 *
 * Whoever delivers messages decides in which order commits count. A commit of this member is only pending until
 * {@link Group.mergePending} is called or the commit's own bytes are received back.
 *
 * Calls on one group are done in the order in which they are made. Close the group, or hold it with `using`.
 *
 * @example
 * ```ts
 * const { commit, welcome } = await group.commit({ add: [keyPackage] })
 * await sendToAll(commit)
 * await group.mergePending()
 * await sendToJoiner(welcome)
 * ```
 */
export class Group implements Disposable, AsyncDisposable {
  readonly #native: NativeGroup
  readonly #clock: () => number
  #id: Uint8Array | undefined
  readonly #policy: Policy | undefined
  readonly #turns = new Turns()
  /** Ends the wait for a policy. */
  readonly #closing = new AbortController()

  static {
    insideOfGroup = (group) => ({ native: group.#native, clock: group.#clock })
  }

  /** @internal */
  constructor(group: NativeGroup, clock: () => number, policy?: Policy) {
    this.#native = group
    this.#clock = clock
    this.#policy = policy
  }

  /** @internal Whether `value` is one, and not only looks like one. */
  static is(value: object): value is Group {
    return #native in value
  }

  /** The group's name: equal at every member. */
  get id(): Uint8Array {
    this.#id ??= this.#native.id
    return this.#id.slice()
  }

  /** The group's cipher suite. */
  get suite(): CipherSuite {
    return this.#native.suite as CipherSuite
  }

  /** How many commits the group has seen, as of the last call that is done. */
  get epoch(): bigint {
    return this.#native.epoch
  }

  /** This device's place in the tree. */
  get ownLeaf(): number {
    return this.#native.ownLeaf
  }

  /** Whether this device is still in the group. */
  get isMember(): boolean {
    return this.#native.isMember
  }

  /**
   * Everybody in the group, from left to right.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async members(options?: AbortOptions): Promise<Member[]> {
    const members = await this.#call(options, (cancellation) => this.#native.members(cancellation))
    return readMembers(members)
  }

  /**
   * The proposals that wait for a commit, oldest first.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async pendingProposals(options?: AbortOptions): Promise<Proposal[]> {
    const proposals = await this.#call(options, (cancellation) => this.#native.pendingProposals(cancellation))
    return proposals.map(toProposal)
  }

  /**
   * What this member's own pending commit would do; undefined where none is pending.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async pendingCommit(options?: AbortOptions): Promise<CommitSummary | undefined> {
    const summary = await this.#call(options, (cancellation) => this.#native.pendingCommit(cancellation))
    return summary === null ? undefined : readCommitSummary(summary)
  }

  /**
   * What the staged commit would do; undefined where none is staged.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async stagedCommit(options?: AbortOptions): Promise<CommitSummary | undefined> {
    const summary = await this.#call(options, (cancellation) => this.#native.stagedCommit(cancellation))
    return summary === null ? undefined : readCommitSummary(summary)
  }

  /**
   * The group's extensions.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async extensions(options?: AbortOptions): Promise<GroupExtension[]> {
    return this.#call(options, (cancellation) => this.#native.extensions(cancellation))
  }

  /**
   * How this member frames what it sends.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async framing(options?: AbortOptions): Promise<Framing> {
    const { publicHandshake, padding } = await this.#call(options, (cancellation) =>
      this.#native.framing(cancellation),
    )
    return { handshake: publicHandshake ? 'public' : 'encrypted', padding }
  }

  /**
   * Says how this member frames what it sends from now on. It is remembered with the group.
   *
   * @example
   * ```ts
   * await group.setFraming({ ...(await group.framing()), padding: 256 })
   * ```
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_TOO_LARGE`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async setFraming(framing: Framing, options?: AbortOptions): Promise<void> {
    const { handshake, padding } = check.options(framing, 'framing')
    const wanted = {
      publicHandshake: check.oneOf(handshake, HANDSHAKES, 'handshake') === 'public',
      padding: check.u32(padding, 'padding'),
    }
    await this.#call(options, (cancellation) => this.#native.setFraming(wanted, cancellation))
  }

  /**
   * What somebody outside needs to join by a commit of its own, or to ask to be added; signed by this member. It is of
   * this epoch and of no use after the next commit.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async groupInfo(options?: GroupInfoOptions): Promise<Uint8Array> {
    const beside = treeIsBeside(check.options(options).tree)
    return this.#call(options, (cancellation) => this.#native.groupInfo(beside, cancellation))
  }

  /**
   * The public keys of everybody in the group, as joiners need them.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async ratchetTree(options?: AbortOptions): Promise<Uint8Array> {
    return this.#call(options, (cancellation) => this.#native.ratchetTree(cancellation))
  }

  /**
   * A value that all members of this epoch share and nobody else can know: equal values prove equal views.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async epochAuthenticator(): Promise<Uint8Array> {
    return this.#call(undefined, () => this.#native.epochAuthenticator())
  }

  /**
   * A key of this epoch for another protocol, bound to `label` and `context`.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_TOO_LARGE`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async exportSecret(label: string, context: Uint8Array, length: number): Promise<Uint8Array> {
    const name = check.text(label, 'label')
    const bytes = check.bytes(context, 'context')
    const count = check.u32(length, 'length')
    return this.#call(undefined, () => this.#native.exportSecret(name, bytes, count))
  }

  /**
   * Commits `changes` and every proposal that waits. The group moves on when the commit is merged, not before.
   *
   * @throws {@link CoterieError} `MLS_COMMIT_PENDING`, `MLS_NOTHING_TO_COMMIT`, `MLS_INVALID_KEY_PACKAGE`, `MLS_MALFORMED`,
   * `MLS_INVALID_CREDENTIAL`, `MLS_CERTIFICATE_EXPIRED`, `MLS_REFUSED_BY_POLICY`, `MLS_ALREADY_MEMBER`, `MLS_MEMBER_NOT_FOUND`, `MLS_CANNOT_REMOVE_SELF`, `MLS_PSK_NOT_FOUND`, `MLS_INVALID_PROPOSAL`,
   * `MLS_TOO_LARGE`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async commit(changes: Changes = {}, options?: AbortOptions): Promise<Committed> {
    const { add, update, others } = toWantedChanges(changes)
    return toCommitted(
      await this.#judged(
        options,
        (now) => this.#invited(add, now),
        (now, cancellation) => this.#native.commit(add, update, others, now, cancellation),
      ),
    )
  }

  /**
   * Commits the name of the group that takes this one's place. Once the commit is merged this group is over: what was
   * sent before can still be read, and calls that would go on in it are refused with `MLS_SUCCEEDED`.
   *
   * @throws {@link CoterieError} As {@link Group.commit}; `MLS_SUCCEEDED`.
   */
  async nameSuccessor(options?: NameSuccessorOptions): Promise<Committed> {
    const { id, suite } = check.options(options)
    const bytes = id === undefined ? crypto.getRandomValues(new Uint8Array(32)) : check.bytes(id, 'id')
    const name = suite === undefined ? this.suite : check.oneOf(suite, CIPHER_SUITES, 'suite')
    return toCommitted(
      await this.#judged(
        options,
        (now) => this.#invited([], now),
        (now, cancellation) => this.#native.nameSuccessor(bytes, name, now, cancellation),
      ),
    )
  }

  /**
   * The group that succeeds this one; undefined while this one goes on.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async successor(options?: AbortOptions): Promise<Succession | undefined> {
    const successor = await this.#call(options, (cancellation) => this.#native.successor(cancellation))
    return successor === null ? undefined : toSuccession(successor)
  }

  /**
   * Begins the group that this one has named as its successor. Its first commit proves where it comes from, and only
   * members of this group's last epoch can join by it: add everybody who shall follow in that one.
   *
   * @throws {@link CoterieError} `MLS_NOT_SUCCEEDED`, `MLS_GROUP_EXISTS`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async createSuccessor(options?: AbortOptions): Promise<Group> {
    const group = await this.#call(options, (cancellation) =>
      this.#native.createSuccessor(this.#now(), cancellation),
    )
    return new Group(group, this.#clock, this.#policy)
  }

  /**
   * Which group this one provably descends from; undefined where it succeeds none, or where this member was added by a
   * later commit.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async descent(options?: AbortOptions): Promise<Descent | undefined> {
    const descent = await this.#call(options, (cancellation) => this.#native.descent(cancellation))
    return descent === null ? undefined : toDescent(descent)
  }

  /**
   * Whether this member should replace its own keys, and why.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async wantsUpdate(options?: AbortOptions): Promise<UpdateReason | undefined> {
    const reason = await this.#call(options, (cancellation) =>
      this.#native.wantsUpdate(this.#now(), cancellation),
    )
    return reason ?? undefined
  }

  /**
   * Forgets the keys of epochs that have been over for a day, so that what was sent in them can no longer be read. To be
   * called now and then: an epoch's age counts from the first call that finds it over.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async forgetPastEpochs(options?: AbortOptions): Promise<void> {
    await this.#call(options, (cancellation) => this.#native.forgetPastEpochs(this.#now(), cancellation))
  }

  /**
   * Proposes to add the holder of a key package; some member's commit makes it happen.
   *
   * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_INVALID_KEY_PACKAGE`, `MLS_INVALID_CREDENTIAL`,
   * `MLS_CERTIFICATE_EXPIRED`, `MLS_REFUSED_BY_POLICY`, `MLS_COMMIT_PENDING`, `MLS_TOO_LARGE`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async proposeAdd(keyPackage: Uint8Array, options?: AbortOptions): Promise<Uint8Array> {
    const bytes = check.bytes(keyPackage, 'keyPackage')
    return this.#judged(
      options,
      // The first is the one proposed here; the others wait already.
      async (now) => (await this.#invited([bytes], now)).slice(0, 1),
      (now, cancellation) => this.#native.proposeAdd(bytes, now, cancellation),
    )
  }

  /**
   * Proposes to remove a member. To leave oneself, {@link Group.proposeLeave} is better.
   *
   * @throws {@link CoterieError} `MLS_MEMBER_NOT_FOUND`, `MLS_COMMIT_PENDING`, `MLS_TOO_LARGE`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async proposeRemove(leaf: number, options?: AbortOptions): Promise<Uint8Array> {
    const index = check.u32(leaf, 'leaf')
    return this.#call(options, (cancellation) => this.#native.proposeRemove(index, cancellation))
  }

  /**
   * Proposes new keys for this member's own leaf; another member's commit makes it happen.
   *
   * @throws {@link CoterieError} `MLS_COMMIT_PENDING`, `MLS_TOO_LARGE`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async proposeUpdate(options?: AbortOptions): Promise<Uint8Array> {
    return this.#call(options, (cancellation) => this.#native.proposeUpdate(cancellation))
  }

  /**
   * Proposes to leave; another member's commit makes it happen.
   *
   * Where handshakes are public and all members know SelfRemove it is one of those, which even somebody who joins from
   * outside may commit; elsewhere it is a proposal to remove oneself.
   *
   * @throws {@link CoterieError} `MLS_COMMIT_PENDING`, `MLS_TOO_LARGE`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async proposeLeave(options?: AbortOptions): Promise<Uint8Array> {
    return this.#call(options, (cancellation) => this.#native.proposeLeave(cancellation))
  }

  /**
   * Proposes to mix a pre-shared key into the next epoch. Whoever commits it must hold the key too.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_COMMIT_PENDING`, `MLS_TOO_LARGE`, `MLS_REMOVED`,
   * `HANDLE_CLOSED`.
   */
  async proposePsk(id: PskId, options?: AbortOptions): Promise<Uint8Array> {
    const name = toNativePskId(id, 'id')
    return this.#call(options, (cancellation) => this.#native.proposePsk(name, cancellation))
  }

  /**
   * Proposes what the group's extensions shall be, all of them.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_MALFORMED`, `MLS_INVALID_PROPOSAL`, `MLS_COMMIT_PENDING`,
   * `MLS_TOO_LARGE`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async proposeExtensions(
    extensions: readonly GroupExtension[],
    options?: AbortOptions,
  ): Promise<Uint8Array> {
    const list = toNativeExtensions(extensions)
    return this.#call(options, (cancellation) => this.#native.proposeExtensions(list, cancellation))
  }

  /**
   * Forgets the proposals that wait, at this member only.
   *
   * @throws {@link CoterieError} `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async clearProposals(options?: AbortOptions): Promise<void> {
    await this.#call(options, (cancellation) => this.#native.clearProposals(cancellation))
  }

  /**
   * Moves on to the epoch that this member's own commit begins: whoever orders commits has accepted it.
   *
   * @throws {@link CoterieError} `MLS_NO_PENDING_COMMIT`, `FEED_FULL`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async mergePending(options?: AbortOptions): Promise<CommitSummary> {
    return readCommitSummary(
      await this.#call(options, (cancellation) => this.#native.mergePending(cancellation)),
    )
  }

  /**
   * Drops this member's own commit: it was not accepted. The proposals it covered go on waiting.
   *
   * @throws {@link CoterieError} `MLS_NO_PENDING_COMMIT`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async discardPending(options?: AbortOptions): Promise<void> {
    await this.#call(options, (cancellation) => this.#native.discardPending(cancellation))
  }

  /**
   * Takes in one message of the group. A commit is merged at once.
   *
   * A refused message changes nothing. `MLS_ALREADY_PROCESSED` is harmless; so is `MLS_WRONG_EPOCH` for a commit that
   * came second.
   *
   * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_NOT_AUTHENTIC`, `MLS_WRONG_GROUP`, `MLS_WRONG_EPOCH`,
   * `MLS_ALREADY_PROCESSED`, `MLS_INVALID_COMMIT`, `MLS_INVALID_PROPOSAL`, `MLS_INVALID_KEY_PACKAGE`, `MLS_PSK_NOT_FOUND`,
   * `MLS_INVALID_CREDENTIAL`, `MLS_CERTIFICATE_EXPIRED`, `MLS_REFUSED_BY_POLICY`,
   * `MLS_TOO_LARGE`, `MLS_COMMIT_PENDING`, `FEED_FULL`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async receive(message: Uint8Array, options?: AbortOptions): Promise<Received> {
    const bytes = check.bytes(message, 'message')
    return toReceived(
      await this.#judged(
        options,
        (now) => this.#step(undefined, () => this.#native.receivedCandidates(bytes, now)),
        (now, cancellation) => this.#native.receive(bytes, now, cancellation),
      ),
    )
  }

  /**
   * Takes in one message of the group, but lets a commit wait, so that it can be looked at before
   * {@link Group.mergeStaged} or {@link Group.discardStaged}.
   *
   * @throws {@link CoterieError} As {@link Group.receive}.
   */
  async stage(message: Uint8Array, options?: AbortOptions): Promise<Received> {
    const bytes = check.bytes(message, 'message')
    return toReceived(
      await this.#call(options, (cancellation) => this.#native.stage(bytes, this.#now(), cancellation)),
    )
  }

  /**
   * Takes in several messages in one step, off the JavaScript thread. Each is accepted or refused by itself. Where the
   * store fails on the way, that message and those behind it are answered with its error and were not taken in: receive
   * them again.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, and `STORE_…`, `FEED_FULL`, `MLS_REMOVED` or `HANDLE_CLOSED` where
   * nothing was taken in.
   */
  async receiveAll(
    messages: readonly Uint8Array[],
    options?: AbortOptions,
  ): Promise<(Received | CoterieError)[]> {
    const list = check.bytesList(messages, 'messages')
    if (this.#policy !== undefined) {
      return this.#turns.take(() => this.#receiveRuns(list), check.signal(options))
    }
    const all = await this.#call(options, (cancellation) =>
      this.#native.receiveAll(list, this.#now(), cancellation),
    )
    return all.map(toReceivedOrError)
  }

  /**
   * Moves on to the epoch that the staged commit begins.
   *
   * @throws {@link CoterieError} `MLS_NO_PENDING_COMMIT`, `MLS_REFUSED_BY_POLICY`, `FEED_FULL`, `MLS_REMOVED`,
   * `HANDLE_CLOSED`.
   */
  async mergeStaged(options?: AbortOptions): Promise<CommitSummary> {
    return readCommitSummary(
      await this.#judged(
        options,
        () => this.#step(undefined, () => this.#native.stagedCandidates()),
        (_now, cancellation) => this.#native.mergeStaged(cancellation),
      ),
    )
  }

  /**
   * Drops the staged commit. This member stays behind in the old epoch, apart from those who merged it.
   *
   * @throws {@link CoterieError} `MLS_NO_PENDING_COMMIT`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async discardStaged(options?: AbortOptions): Promise<void> {
    await this.#call(options, (cancellation) => this.#native.discardStaged(cancellation))
  }

  /**
   * Seals a message for the members of this epoch. Text is taken as UTF-8.
   *
   * @throws {@link CoterieError} `MLS_PROPOSALS_PENDING`, `MLS_TOO_LARGE`, `MLS_SUCCEEDED`, `MLS_RESTORED`,
   * `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  async encrypt(plaintext: string | Uint8Array, options?: EncryptOptions): Promise<Uint8Array> {
    const bytes = check.bytesOrText(plaintext, 'plaintext')
    const associatedData = associatedDataOf(options)
    return this.#call(options, (cancellation) => this.#native.encrypt(bytes, associatedData, cancellation))
  }

  /**
   * Seals several messages in one step, off the JavaScript thread: all of them or, where one is refused, none.
   *
   * @throws {@link CoterieError} As {@link Group.encrypt}.
   */
  async encryptAll(
    plaintexts: readonly (string | Uint8Array)[],
    options?: EncryptOptions,
  ): Promise<Uint8Array[]> {
    const list = check.bytesOrTextList(plaintexts, 'plaintexts')
    const associatedData = associatedDataOf(options)
    return this.#call(options, (cancellation) => this.#native.encryptAll(list, associatedData, cancellation))
  }

  /**
   * Everything that happens in the group from this call on, in order.
   *
   * Nothing is dropped: while a subscriber has too much waiting, calls that would add to it are refused with
   * `FEED_FULL` before they change anything. Ends when the group is closed; rejects with the signal's reason when
   * aborted.
   *
   * Waiting for events does not keep the process alive: where nothing else does, such as a socket or a timer, Node ends
   * a process whose main module still awaits the next event, with exit code 13.
   *
   * @example
   * ```ts
   * for await (const event of group.events()) {
   *   if (event.type === 'message') console.log(event.sender.name, event.plaintext)
   * }
   * ```
   */
  events(options?: AbortOptions): AsyncIterableIterator<GroupEvent, undefined> {
    const signal = check.signal(options)
    return drain((wake) => this.#native.subscribe(wake), toGroupEvent, signal)
  }

  /** Lets go of the group once the calls under way are done. Closing twice is fine. */
  close(): void {
    if (this.#policy !== undefined)
      this.#closing.abort(new CoterieError('HANDLE_CLOSED', 'the group was closed'))
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** In its turn: the binding keeps the order, but knows nothing of a policy that is being asked. */
  #call<Value>(options: AbortOptions | undefined, call: NativeCall<Value>): Value | Promise<Value> {
    const signal = check.signal(options)
    if (this.#policy === undefined) return abortable(signal, call)
    return this.#turns.take(() => abortable(signal, call), signal)
  }

  /** Within a turn. */
  #step<Value>(options: AbortOptions | undefined, call: NativeCall<Value>): Value | Promise<Value> {
    return abortable(check.signal(options), call)
  }

  /** Asks the policy, if there is one, and then does the work, both in one turn and at one time. */
  #judged<Value>(
    options: AbortOptions | undefined,
    candidates: (now: number) => NativeCandidate[] | Promise<NativeCandidate[]>,
    call: (now: number, ...rest: Parameters<NativeCall<Value>>) => ReturnType<NativeCall<Value>>,
  ): Value | Promise<Value> {
    const policy = this.#policy
    if (policy === undefined) return this.#step(options, (cancellation) => call(this.#now(), cancellation))
    const signal = check.signal(options)
    return this.#turns.take(async () => {
      const now = this.#now()
      await consult(policy, await candidates(now), [signal, this.#closing.signal])
      return this.#step(options, (cancellation) => call(now, cancellation))
    }, signal)
  }

  #invited(keyPackages: Uint8Array[], now: number): NativeCandidate[] | Promise<NativeCandidate[]> {
    return this.#step(undefined, () => this.#native.candidates(keyPackages, now))
  }

  /** Within a turn. What lies between two changes is taken in by one step, as it is where there is no policy. */
  async #receiveRuns(messages: readonly Uint8Array[]): Promise<(Received | CoterieError)[]> {
    const all: (Received | CoterieError)[] = []
    for (const run of await runsOf(messages)) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is what the order means
      all.push(...(run.change ? [await this.#receiveOne(run.change)] : await this.#receiveRun(run.messages)))
      const last = all.at(-1)
      if (CoterieError.is(last) && isAboutTheGroup(last)) return halted(all, last, messages.length)
    }
    return all
  }

  /** Within a turn. */
  async #receiveRun(messages: Uint8Array[]): Promise<(Received | CoterieError)[]> {
    try {
      const received = await this.#step(undefined, () => this.#native.receiveAll(messages, this.#now()))
      return received.map(toReceivedOrError)
    } catch (error) {
      if (!CoterieError.is(error)) throw error
      return messages.map(() => error)
    }
  }

  /** Within a turn. */
  async #receiveOne(message: Uint8Array): Promise<Received | CoterieError> {
    const now = this.#now()
    try {
      const candidates = await this.#step(undefined, () => this.#native.receivedCandidates(message, now))
      if (this.#policy !== undefined) await consult(this.#policy, candidates, [this.#closing.signal])
      return toReceived(await this.#step(undefined, () => this.#native.receive(message, now)))
    } catch (error) {
      if (!CoterieError.is(error)) throw error
      return error
    }
  }

  #now(): number {
    return check.time(this.#clock)
  }
}

function treeIsBeside(tree: unknown): boolean {
  return check.oneOf(tree ?? 'inside', TREE_PLACEMENTS, 'tree') === 'beside'
}

/** A commit as native code takes it: most only add or update, and an object is read field by field. */
interface WantedChanges {
  readonly add: Uint8Array[]
  readonly update: boolean
  readonly others: NativeChanges | undefined
}

/** All is read before anything is checked: what a getter does then is seen. */
function toWantedChanges(changes: Changes): WantedChanges {
  const given = check.object(changes, 'changes')
  const add = check.field(given, 'add')
  const remove = check.field(given, 'remove')
  const update = check.field(given, 'update')
  const psks = check.field(given, 'psks')
  const extensions = check.field(given, 'extensions')
  const identity = check.field(given, 'identity')
  const certificate = check.field(given, 'certificate')
  const tree = check.field(given, 'tree')
  // Field by field: most commits have none of them, and an object of them would be made and looked through for each.
  const hasOthers =
    remove !== undefined ||
    psks !== undefined ||
    extensions !== undefined ||
    identity !== undefined ||
    certificate !== undefined ||
    tree !== undefined
  const others = hasOthers
    ? toNativeChanges({ remove, psks, extensions, identity, certificate, tree })
    : undefined
  return { add: check.bytesList(add ?? [], 'add'), update: update === true, others }
}

type Others = { [Field in Exclude<keyof Changes, 'add' | 'update'>]: Changes[Field] | undefined }

function toNativeChanges(others: Others): NativeChanges {
  const { remove, psks, extensions, identity, certificate, tree } = others
  return {
    remove: check.list(remove ?? [], 'remove', check.u32),
    psks: toNativePskIds(psks),
    treeBeside: treeIsBeside(tree),
    ...(extensions === undefined ? {} : { extensions: toNativeExtensions(extensions) }),
    ...(certificate === undefined ? {} : { certificate: toNativeCertified(certificate) }),
    ...(identity === undefined ? {} : { identity: check.bytesOrText(identity, 'identity') }),
  }
}

function associatedDataOf(options: EncryptOptions | undefined): Uint8Array {
  const { associatedData } = check.options(options)
  return associatedData === undefined ? NOTHING : check.bytes(associatedData, 'associatedData')
}

/** Whether a message may bring somebody in. What cannot be read is for the engine to refuse. */
async function isChange(message: Uint8Array): Promise<boolean> {
  const head = await readMessageHead(message).catch(() => undefined)
  return head !== undefined && head.content !== 'application'
}

/** A proposal or a commit, or the messages up to the next one. */
type Run =
  | { readonly change: Uint8Array; readonly messages?: never }
  | { readonly change?: never; readonly messages: Uint8Array[] }

async function runsOf(messages: readonly Uint8Array[]): Promise<Run[]> {
  const changes = await Promise.all(messages.map(isChange))
  const runs: Run[] = []
  for (const [index, message] of messages.entries()) {
    const last = runs.at(-1)
    if (changes[index] === true) runs.push({ change: message })
    else if (last?.messages !== undefined) last.messages.push(message)
    else runs.push({ messages: [message] })
  }
  return runs
}

/** Whether an error says nothing about the message it came for: just now the group takes in none. */
function isAboutTheGroup({ code }: CoterieError): boolean {
  return (
    code.startsWith('STORE_') || code === 'FEED_FULL' || code === 'HANDLE_CLOSED' || code === 'MLS_REMOVED'
  )
}

/** What was taken in before `halt` is the caller's; the rest is answered with it, untried and in its order. */
function halted(
  all: (Received | CoterieError)[],
  halt: CoterieError,
  count: number,
): (Received | CoterieError)[] {
  const taken = all.findIndex((one) => CoterieError.is(one) && isAboutTheGroup(one))
  if (taken === 0) throw halt
  return [...all, ...Array.from({ length: count - all.length }, () => halt)]
}

function toReceivedOrError(received: NativeReceived | NativeFailure): Received | CoterieError {
  return 'failed' in received ? toError(received) : toReceived(received)
}

function toCommitted({ commit, welcome, ratchetTree, summary, expiring }: NativeCommitted): Committed {
  return {
    commit,
    welcome,
    ratchetTree,
    summary: readCommitSummary(summary),
    expiring: expiring === undefined ? [] : readMembers(expiring),
  }
}
