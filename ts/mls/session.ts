import { CoterieError } from '../errors.js'
import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { Queue, Reader } from '../internal/queue.js'
import type { Delivery, GroupChannel } from './channel.js'
import { Device, type JoinOptions } from './device.js'
import type {
  CommitSummary,
  EpochChangedEvent,
  Member,
  MessageEvent,
  ProposalEvent,
  SucceededEvent,
} from './events.js'
import type { GroupExtension } from './extensions.js'
import { readGroupInfo, readMessageHead, type JoinExternalOptions } from './external.js'
import {
  Group,
  type Changes,
  type Committed,
  type EncryptOptions,
  type GroupInfoOptions,
  type NameSuccessorOptions,
} from './group.js'
import type { PskId } from './psks.js'

/** A message of the channel was refused and changed nothing. */
export interface RefusedEvent {
  readonly type: 'refused'
  /** Where it stands in the channel. */
  readonly position: bigint
  /** Why. */
  readonly error: CoterieError
}

/** Something that happened in a group that is connected to a channel. */
export type SessionEvent = MessageEvent | ProposalEvent | EpochChangedEvent | SucceededEvent | RefusedEvent

/** What somebody who was added needs to join. */
export interface Invitation {
  /** Opens the group for the holders of the key packages that were used. */
  readonly welcome: Uint8Array
  /** The group's tree, where it does not travel inside the Welcome. */
  readonly ratchetTree?: Uint8Array | undefined
  /** Where in the channel their reading begins. */
  readonly position: bigint
}

/** When a session replaces its member's own keys, which it does after joining and before they expire. */
export interface UpkeepOptions {
  /**
   * The longest wait in milliseconds, 5 minutes where nothing is said. The members of a group that was just made would
   * otherwise all commit at once.
   */
  readonly jitter?: number
  /** Gives a number from 0 up to 1, which share of that wait it is. */
  readonly random?: () => number
}

/** A commit that was accepted. */
export interface Accepted {
  /** What it did. */
  readonly summary: CommitSummary
  /** For those it added, if it added any. */
  readonly invitation: Invitation | undefined
}

/** What somebody outside needs to come in by a commit of its own. It is of no use after the next commit. */
export interface Entrance {
  /** What the group is, signed by a member. */
  readonly groupInfo: Uint8Array
  /** The group's tree, where it does not travel inside the GroupInfo. */
  readonly ratchetTree?: Uint8Array | undefined
  /** Where in the channel a commit would stand that comes first. */
  readonly position: bigint
}

/** How a group is connected. */
export interface ConnectOptions extends AbortOptions {
  /** Where in the channel reading begins; its end where nothing is said. */
  readonly position?: bigint
  /** When this member's own keys are replaced by the session itself; false leaves that to the application. */
  readonly upkeep?: UpkeepOptions | false
}

/** How a group is joined and connected. */
export type JoinSessionOptions = JoinOptions & Pick<ConnectOptions, 'upkeep'>

/** How often a session looks after its keys: an hour is short beside the day and the weeks that they last. */
const UPKEEP_INTERVAL = 3_600_000

/** However small the jitter, a session that fails does not try all the time. */
const UPKEEP_RETRY = 1_000

/** A group of hundreds, all added at once, commits for minutes; each commit that comes first makes others wait anew. */
const UPKEEP_JITTER = 300_000

interface Waiting {
  resolve(accepted: { summary: CommitSummary; position: bigint }): void
  reject(reason: unknown): void
}

/** A subscriber that is this far behind makes the session read the channel more slowly. */
const MAX_WAITING_EVENTS = 1_024

/** Refusals that are part of everyday life: duplicates, and commits that came second. */
const HARMLESS = new Set(['MLS_ALREADY_PROCESSED', 'MLS_WRONG_EPOCH'])

function superseded(): CoterieError {
  return new CoterieError('COMMIT_SUPERSEDED', 'another commit came first')
}

/** Whether the channel delivers a commit for `epoch` of `group` between two places. */
async function hasCommit(
  channel: GroupChannel,
  { group, epoch, from, to }: { group: Group; epoch: bigint; from: bigint; to: bigint },
): Promise<boolean> {
  if (from >= to) return false
  for await (const { position, message } of channel.read(from)) {
    if (position >= to) return false
    const head = await readMessageHead(message).catch(() => undefined)
    const same = head?.content === 'commit' && head.epoch === epoch
    if (same && Buffer.compare(head.groupId, group.id) === 0) return true
  }
  throw new CoterieError('CHANNEL_CLOSED', 'the channel ended before the commit came back')
}

/**
 * A group connected to the channel that delivers its messages.
 *
 * What this member does goes to the channel and counts when it comes back: a commit is merged then, and the call that
 * made it resolves, or rejects with `COMMIT_SUPERSEDED` if another commit came first.
 *
 * A session owns its group: closing it closes the group.
 *
 * @example
 * ```ts
 * await using team = await GroupSession.connect(await alice.createGroup(), channel)
 * const invitation = await team.add([await directory.take('bob')])
 * await using bobs = await GroupSession.join(bob, invitation, channel)
 * await team.send('hello')
 * ```
 */
export class GroupSession implements AsyncDisposable {
  /** The group underneath: for its roster, epoch and secrets. Do not commit or receive on it directly. */
  readonly group: Group
  readonly #channel: GroupChannel
  readonly #deliveries: AsyncIterableIterator<Delivery, undefined>
  readonly #subscribers = new Set<Queue<SessionEvent>>()
  /** Where in the channel the next message stands that this member takes in. */
  #position: bigint
  #waiting: Waiting | undefined
  #changes: Promise<unknown> = Promise.resolve()
  #closed = false
  readonly #pumping: Promise<void>
  readonly #upkeep: Required<UpkeepOptions> | undefined
  #timer: NodeJS.Timeout | undefined

  private constructor(
    group: Group,
    channel: GroupChannel,
    position: bigint,
    upkeep: Required<UpkeepOptions> | undefined,
  ) {
    this.group = group
    this.#channel = channel
    this.#position = position
    this.#deliveries = channel.read(position)
    this.#pumping = this.#pump()
    this.#upkeep = upkeep
    if (upkeep !== undefined) this.#lookAfterKeysIn(upkeep.random() * upkeep.jitter)
  }

  /**
   * Connects a group to its channel. The session owns the group from now on.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `CHANNEL_BEHIND`, `CHANNEL_CLOSED`.
   */
  static async connect(group: Group, channel: GroupChannel, options?: ConnectOptions): Promise<GroupSession> {
    check.instance(group, Group.is, 'Group')
    check.having(channel, ['append', 'end', 'read'], 'channel')
    const { position, upkeep } = check.options(options)
    const signal = check.signal(options)
    const care = upkeepOf(upkeep)
    signal?.throwIfAborted()
    return new GroupSession(group, channel, position ?? (await channel.end({ signal })), care)
  }

  /**
   * Joins the group that `invitation` is for and connects it.
   *
   * @throws {@link CoterieError} As {@link Device.join} and {@link GroupSession.connect}.
   */
  static async join(
    device: Device,
    invitation: Invitation,
    channel: GroupChannel,
    options?: JoinSessionOptions,
  ): Promise<GroupSession> {
    check.instance(device, Device.is, 'Device')
    check.having(channel, ['append', 'end', 'read'], 'channel')
    const { welcome, ratchetTree, position } = check.options(invitation, 'invitation')
    const signal = check.signal(options)
    const tree = check.options(options).ratchetTree ?? ratchetTree
    const group = await device.join(welcome, { signal, ratchetTree: tree })
    try {
      const { upkeep } = check.options(options)
      return await GroupSession.connect(group, channel, { position, signal, upkeep })
    } catch (error) {
      group.close()
      throw error
    }
  }

  /**
   * Joins a group by a commit of this device's own and connects it: without an invitation, or again with `resync` where
   * the device has lost track of the group.
   *
   * Rejects with `COMMIT_SUPERSEDED` if another commit came first: nothing of the group is here then, so ask a member for
   * another entrance.
   *
   * @throws {@link CoterieError} `COMMIT_SUPERSEDED`, and as {@link Device.joinExternal} and {@link GroupSession.connect}.
   */
  static async joinExternal(
    device: Device,
    entrance: Entrance,
    channel: GroupChannel,
    options?: JoinExternalOptions & Pick<ConnectOptions, 'upkeep'>,
  ): Promise<GroupSession> {
    check.instance(device, Device.is, 'Device')
    check.having(channel, ['append', 'end', 'read'], 'channel')
    const { groupInfo, ratchetTree: besides, position } = check.options(entrance, 'entrance')
    const from = check.u64(position, 'position')
    const { ratchetTree = besides, resync, psks, upkeep } = check.options(options)
    const signal = check.signal(options)
    const { epoch } = await readGroupInfo(groupInfo, { signal })
    const { group, commit } = await device.joinExternal(groupInfo, {
      signal,
      ratchetTree,
      resync: resync === true,
      psks: psks ?? [],
    })
    try {
      const place = await channel.append(commit, { signal })
      // From here on the others may take this device for a member: nothing is given up for a signal any more.
      if (await hasCommit(channel, { group, epoch, from, to: place })) throw superseded()
      return await GroupSession.connect(group, channel, { position: place + 1n, upkeep })
    } catch (error) {
      group.close()
      await device.forgetGroup(group.id)
      throw error
    }
  }

  /**
   * Commits `changes` and the proposals that wait; once the commit has come back, the returned invitation is for those
   * it added.
   *
   * @throws {@link CoterieError} `COMMIT_SUPERSEDED`, and as {@link Group.commit}.
   */
  async commit(changes: Changes = {}, options?: AbortOptions): Promise<Accepted> {
    const { summary, welcome, ratchetTree, position } = await this.#commit(
      () => this.group.commit(changes, options),
      options,
    )
    if (welcome === undefined) return { summary, invitation: undefined }
    return { summary, invitation: { welcome, ratchetTree, position: position + 1n } }
  }

  /**
   * Adds the holders of `keyPackages`: Add and Commit go to the channel; once the commit has come back, the returned
   * invitation is for them.
   *
   * @throws {@link CoterieError} `COMMIT_SUPERSEDED`, and as {@link Group.commit}.
   */
  async add(keyPackages: readonly Uint8Array[], options?: AbortOptions): Promise<Invitation> {
    const { invitation } = await this.commit({ add: keyPackages }, options)
    if (invitation === undefined) throw new CoterieError('INVALID_ARGUMENT', 'keyPackages must not be empty')
    return invitation
  }

  /**
   * Removes the members at `leaves`.
   *
   * @throws {@link CoterieError} `COMMIT_SUPERSEDED`, and as {@link Group.commit}.
   */
  async remove(leaves: readonly number[], options?: AbortOptions): Promise<CommitSummary> {
    return (await this.#commit(() => this.group.commit({ remove: leaves }, options), options)).summary
  }

  /**
   * Replaces this member's own keys by a commit of its own.
   *
   * @throws {@link CoterieError} `COMMIT_SUPERSEDED`, and as {@link Group.commit}.
   */
  async update(options?: AbortOptions): Promise<CommitSummary> {
    return (await this.#commit(() => this.group.commit({ update: true }, options), options)).summary
  }

  /**
   * Ends the group in favour of another one, which {@link Group.createSuccessor} of {@link GroupSession.group} begins.
   * All members hear of it by an event of type `succeeded`.
   *
   * @throws {@link CoterieError} `COMMIT_SUPERSEDED`, and as {@link Group.nameSuccessor}.
   */
  async nameSuccessor(options?: NameSuccessorOptions): Promise<CommitSummary> {
    return (await this.#commit(() => this.group.nameSuccessor(options), options)).summary
  }

  /** Proposes new keys for this member's own leaf; another member's commit makes it happen. */
  async proposeUpdate(options?: AbortOptions): Promise<void> {
    await this.#propose(() => this.group.proposeUpdate(options), options)
  }

  /** Proposes to add the holder of a key package. */
  async proposeAdd(keyPackage: Uint8Array, options?: AbortOptions): Promise<void> {
    await this.#propose(() => this.group.proposeAdd(keyPackage, options), options)
  }

  /** Proposes to remove a member. */
  async proposeRemove(leaf: number, options?: AbortOptions): Promise<void> {
    await this.#propose(() => this.group.proposeRemove(leaf, options), options)
  }

  /** Proposes to mix a pre-shared key into the next epoch. Whoever commits it must hold the key too. */
  async proposePsk(id: PskId, options?: AbortOptions): Promise<void> {
    await this.#propose(() => this.group.proposePsk(id, options), options)
  }

  /** Proposes what the group's extensions shall be, all of them. */
  async proposeExtensions(extensions: readonly GroupExtension[], options?: AbortOptions): Promise<void> {
    await this.#propose(() => this.group.proposeExtensions(extensions, options), options)
  }

  /**
   * Proposes that this member leaves; another member's commit makes it happen, and the events end with it.
   *
   * @throws {@link CoterieError} As {@link Group.proposeLeave}; `CHANNEL_CLOSED`.
   */
  async leave(options?: AbortOptions): Promise<void> {
    await this.#propose(() => this.group.proposeLeave(options), options)
  }

  /**
   * What somebody outside needs to come in by a commit of its own with {@link GroupSession.joinExternal}.
   *
   * @throws {@link CoterieError} As {@link Group.groupInfo}.
   */
  async entrance(options?: GroupInfoOptions): Promise<Entrance> {
    this.#checkOpen()
    const { tree = 'inside' } = check.options(options)
    const signal = check.signal(options)
    const position = this.#position
    // Both are asked for at once, so that no commit comes between them.
    const [groupInfo, ratchetTree] = await Promise.all([
      this.group.groupInfo({ tree, signal }),
      tree === 'beside' ? this.group.ratchetTree({ signal }) : undefined,
    ])
    return { groupInfo, ratchetTree, position }
  }

  /**
   * Says something to everybody in the group, and resolves when it is in the channel.
   *
   * @throws {@link CoterieError} As {@link Group.encrypt}; `CHANNEL_CLOSED`.
   */
  async send(plaintext: string | Uint8Array, options?: EncryptOptions): Promise<void> {
    await this.#channel.append(await this.group.encrypt(plaintext, options), {
      signal: check.signal(options),
    })
  }

  /** Everybody in the group. */
  async members(options?: AbortOptions): Promise<Member[]> {
    return this.group.members(options)
  }

  /**
   * Everything that happens in the group from this call on, in order. A subscriber that lags behind makes the session
   * read the channel more slowly; nothing is dropped.
   */
  events(options?: AbortOptions): AsyncIterableIterator<SessionEvent, undefined> {
    const signal = check.signal(options)
    signal?.throwIfAborted()
    const subscriber: Queue<SessionEvent> = new Queue(MAX_WAITING_EVENTS, signal, () =>
      this.#subscribers.delete(subscriber),
    )
    if (this.#closed) subscriber.end()
    else this.#subscribers.add(subscriber)
    return new Reader(subscriber)
  }

  /** Stops reading the channel and closes the group. */
  async close(): Promise<void> {
    this.#end()
    await this.#deliveries.return?.()
    // First, or a policy that does not answer would keep the reading from its end.
    this.group.close()
    await this.#pumping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** One change at a time: a second one begins when the first has come back. */
  #commit(make: () => Promise<Committed>, options: AbortOptions | undefined) {
    const signal = check.signal(options)
    const committed = this.#changes.then(async () => {
      signal?.throwIfAborted()
      this.#checkOpen()
      const { commit, welcome, ratchetTree } = await make()
      // Whoever closed meanwhile found nobody waiting to be told.
      this.#checkOpen()
      const accepted = new Promise<{ summary: CommitSummary; position: bigint }>((resolve, reject) => {
        this.#waiting = { resolve, reject }
      })
      // If the channel fails, nobody will await the acceptance.
      accepted.catch(() => undefined)
      try {
        await this.#channel.append(commit, { signal })
      } catch (error) {
        this.#waiting = undefined
        await this.group.discardPending()
        throw error
      }
      return { welcome, ratchetTree, ...(await accepted) }
    })
    this.#changes = committed.catch(() => undefined)
    return committed
  }

  async #propose(make: () => Promise<Uint8Array>, options: AbortOptions | undefined): Promise<void> {
    this.#checkOpen()
    await this.#channel.append(await make(), { signal: check.signal(options) })
  }

  async #pump(): Promise<void> {
    try {
      for await (const delivery of this.#deliveries) {
        for (const subscriber of this.#subscribers) await subscriber.room()
        if (this.#closed) return
        const event = await this.#takeIn(delivery)
        this.#position = delivery.position + 1n
        if (event === undefined) continue
        for (const subscriber of this.#subscribers) subscriber.put(event)
        const ended = successionOf(event)
        if (ended !== undefined) for (const subscriber of this.#subscribers) subscriber.put(ended)
        if (!this.group.isMember) return
      }
    } catch (error) {
      for (const subscriber of this.#subscribers) subscriber.fail(error)
    } finally {
      this.#end()
    }
  }

  async #takeIn({ position, message }: Delivery): Promise<SessionEvent | undefined> {
    try {
      const received = await this.group.receive(message)
      switch (received.type) {
        case 'message':
        case 'proposal':
          return received
        case 'commit': {
          const { commit, supersededOwn } = received
          this.#settle(commit, supersededOwn, position)
          return { type: 'epoch-changed', commit, supersededOwn }
        }
        case 'staged':
        case 'own-echo':
          return undefined
      }
    } catch (error) {
      if (!CoterieError.is(error)) throw error
      if (HARMLESS.has(error.code)) return undefined
      if (error.code === 'HANDLE_CLOSED' || error.code === 'MLS_REMOVED') throw error
      return { type: 'refused', position, error }
    }
  }

  #lookAfterKeysIn(milliseconds: number): void {
    this.#timer = setTimeout(() => void this.#lookAfterKeys(), milliseconds)
    // A timer alone keeps no process alive.
    this.#timer.unref()
  }

  async #lookAfterKeys(): Promise<void> {
    const { random, jitter } = this.#upkeep ?? { random: () => 0, jitter: 0 }
    let next = UPKEEP_INTERVAL
    try {
      await this.group.forgetPastEpochs()
      const ended = (await this.group.successor()) !== undefined
      if (!ended && (await this.group.wantsUpdate()) !== undefined) await this.update()
    } catch (error) {
      // Somebody else's commit came first, or the channel is away: another time, but for what no trying mends.
      const isFinal = CoterieError.is(error) && !error.retryable
      if (!isFinal) next = UPKEEP_RETRY + random() * jitter
    }
    if (!this.#closed) this.#lookAfterKeysIn(next)
  }

  #settle(summary: CommitSummary, supersededOwn: boolean, position: bigint): void {
    const waiting = this.#waiting
    if (waiting === undefined || !(summary.own || supersededOwn)) return
    this.#waiting = undefined
    if (summary.own) waiting.resolve({ summary, position })
    else waiting.reject(superseded())
  }

  #end(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#waiting?.reject(
      new CoterieError('HANDLE_CLOSED', 'the session was closed before the commit came back'),
    )
    this.#waiting = undefined
    for (const subscriber of this.#subscribers) subscriber.end()
    this.#subscribers.clear()
  }

  #checkOpen(): void {
    if (this.#closed) throw new CoterieError('HANDLE_CLOSED', 'the session was closed')
  }
}

function upkeepOf(value: UpkeepOptions | false | undefined): Required<UpkeepOptions> | undefined {
  if (value === false) return undefined
  const { jitter = UPKEEP_JITTER, random = Math.random } = check.options(value, 'upkeep')
  if (typeof random !== 'function') throw new CoterieError('INVALID_ARGUMENT', 'random must be a function')
  return { jitter: check.milliseconds(jitter, 'jitter'), random }
}

function successionOf(event: SessionEvent): SucceededEvent | undefined {
  if (event.type !== 'epoch-changed' || event.commit.removesSelf) return undefined
  const { succession, epoch } = event.commit
  return succession === undefined ? undefined : { type: 'succeeded', succession, epoch }
}
