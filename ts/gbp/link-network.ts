import type { CoterieError } from '../errors.js'
import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { Admissions, isGone, networkClosed } from './admissions.js'
import { Attachment, malformed, toReason } from './attachment.js'
import { receiveWhole } from './delivery.js'
import { isLink, type Link } from './link.js'
import { encodeFrameMessage, encodeHello, type FrameMessage, type Hello } from './link-messages.js'
import { GroupNode } from './node.js'
import { memberNumber, type Parcel } from './parcel.js'

/** How a network carries. */
export interface LinkNetworkOptions {
  /**
   * Whether what comes over one link is carried on over the others, so that those at their ends need no link to each other.
   * One member of a group does that, or several that are linked with each other, each with members of its own.
   */
  readonly forward?: boolean
  /** How long a peer may take nothing, in milliseconds, before its link is given up; 30,000 where nothing is said. */
  readonly patience?: number
}

/** What is known of the other end. */
export interface AttachOptions extends AbortOptions {
  /** Whose link it must be; whoever it says it is where nothing is said. */
  readonly member?: number
}

/** A link that belongs to a network. */
export interface AttachedLink {
  readonly link: Link
  /** Who the other end says that it is. It decides which way frames go, and nothing else. */
  readonly member: number
  /** Whether the other end carries frames on. */
  readonly forwards: boolean
  /** Resolves when the link carries nothing more: with why, or with nothing where one side has closed it. */
  readonly ended: Promise<CoterieError | undefined>
}

interface Peer extends Hello {
  readonly attachment: Attachment
}

const PATIENCE = 30_000
const EVERYBODY = 0

/**
 * Joins a node with the others of its group over links, in other processes or on other machines. Either every two members
 * have a link, or one member forwards for all.
 *
 * Who is at the other end of a link is what that end says, and decides only which way frames go: they are protected by
 * themselves. Whoever takes nothing for long holds up what follows for others, and is then given up. A frame for somebody
 * to whom no link leads is lost: `text.catchUp` and `resync` of the node bring what counts.
 */
export class LinkNetwork implements AsyncDisposable {
  readonly #node: GroupNode
  readonly #forwards: boolean
  readonly #patience: number
  readonly #admissions = new Admissions()
  readonly #peers = new Map<number, Peer>()
  readonly #greeting = new Set<Attachment>()
  readonly #stop = new AbortController()
  readonly #pumping: Promise<void>
  #lost = 0

  private constructor(node: GroupNode, { forward, patience }: Required<LinkNetworkOptions>) {
    this.#node = node
    this.#forwards = forward
    this.#patience = patience
    this.#pumping = this.#pump(node.frames({ signal: this.#stop.signal }))
  }

  /**
   * A network that carries what a node sends from now on. It reads the node's {@link GroupNode.frames}, so a node has one.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  static of(value: GroupNode, options?: LinkNetworkOptions): LinkNetwork {
    const node = check.instance(value, GroupNode.is, 'GroupNode')
    const { forward = false, patience = PATIENCE } = check.options(options)
    return new LinkNetwork(node, {
      forward: check.flag(forward, 'forward'),
      patience: check.milliseconds(patience, 'patience'),
    })
  }

  /**
   * Takes a link over, and tells the other end who this one is: it attaches its end, too. What is sent over a link before
   * that is read by {@link Link.frames}, a key package or an admission for instance. A link of the same member gives way.
   *
   * The network closes the link when it ends, also where it is refused.
   *
   * @throws {@link CoterieError} `LINK_MALFORMED` where the other end is no network, says that it is this node, or another
   * member than it must be; `LINK_STALLED` where it says nothing; as {@link Link.frames}; `INVALID_ARGUMENT`,
   * `HANDLE_CLOSED`. Aborted, with the signal's reason.
   */
  async attach(value: Link, options?: AttachOptions): Promise<AttachedLink> {
    const link = check.instance(value, isLink, 'Link')
    const signal = check.signal(options)
    const { member } = check.options(options)
    const wanted = member === undefined ? undefined : memberNumber(member, 'member')
    signal?.throwIfAborted()
    this.#checkOpen()
    const attachment = new Attachment(link, this.#patience)
    this.#greeting.add(attachment)
    try {
      const hello = await attachment.within(signal, () => this.#introduce(attachment, wanted))
      return { link, member: hello.member, forwards: hello.forwards, ended: attachment.ended }
    } catch (error) {
      attachment.end()
      await link.close({ grace: 0 })
      this.#checkOpen()
      throw error
    } finally {
      this.#greeting.delete(attachment)
    }
  }

  /**
   * The admission of whoever was invited as this number, once it has come: for {@link GroupNode.join} at its device.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  async admission(member: number | undefined, options?: AbortOptions): Promise<Uint8Array> {
    return this.#admissions.of(memberNumber(member, 'member'), options)
  }

  /** The members to whom links lead from here. */
  get members(): number[] {
    return [...this.#peers.keys()]
  }

  /** How many frames other than audio were lost because no link led to their members, or theirs ended or was too narrow. */
  get lost(): number {
    return this.#lost
  }

  /** Carries nothing more, and closes all links. The node stays open. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#admissions.end(networkClosed())
    const attachments = [...this.#greeting, ...[...this.#peers.values()].map(({ attachment }) => attachment)]
    this.#peers.clear()
    for (const attachment of attachments) attachment.end()
    await Promise.all([this.#pumping, ...attachments.map(({ link }) => link.close())])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Frames of this node wait for the other end from where it is known: what it hears first is told after that. */
  async #introduce(attachment: Attachment, wanted: number | undefined): Promise<Hello> {
    const hello = await attachment.greet(encodeHello(this.#node.member, this.#forwards))
    this.#checkOpen()
    this.#checkHello(hello, wanted)
    this.#admit({ ...hello, attachment })
    await attachment.open()
    return hello
  }

  #checkHello(hello: Hello, wanted: number | undefined): void {
    if (hello.member === this.#node.member) throw malformed('the number of this member')
    if (wanted !== undefined && hello.member !== wanted) throw malformed('the number of another member')
  }

  #admit(peer: Peer): void {
    this.#peers.get(peer.member)?.attachment.end()
    this.#peers.set(peer.member, peer)
    void this.#listen(peer)
  }

  async #pump(parcels: AsyncIterable<Parcel>): Promise<void> {
    try {
      for await (const parcel of parcels) {
        if (parcel.type === 'admission') this.#admissions.put(parcel.to, parcel.bytes)
        else await this.#send(undefined, { ...parcel, to: parcel.to === 'all' ? EVERYBODY : parcel.to })
      }
    } catch (error) {
      // The node has failed, as its other calls say, too.
      if (!this.#stop.signal.aborted) this.#admissions.end(toReason(error) ?? networkClosed())
    }
  }

  /** What comes over one link, in its order. */
  async #listen(peer: Peer): Promise<void> {
    const { attachment, member } = peer
    try {
      for await (const messages of attachment.frames()) await this.#take(peer, messages)
      attachment.end()
    } catch (error) {
      if (!attachment.signal.aborted) attachment.end(toReason(error))
    }
    if (this.#peers.get(member) === peer) this.#peers.delete(member)
    await attachment.link.close()
  }

  async #take(peer: Peer, messages: readonly FrameMessage[]): Promise<void> {
    const own = this.#node.member
    for (const message of messages) {
      // oxlint-disable-next-line no-await-in-loop -- in their order
      if (message.to !== own && this.#forwards) await this.#send(peer, message)
    }
    const ours = messages.filter(({ to }) => to === own || to === EVERYBODY)
    const { signal } = peer.attachment
    try {
      const frames = ours.map(({ bytes }) => bytes)
      await receiveWhole(this.#node, frames, signal)
    } catch (error) {
      if (!signal.aborted && !isGone(error)) throw error
    }
  }

  /** Sends a frame of this node, or one that came from a peer, on its way. */
  async #send(from: Peer | undefined, { streamClass, to, bytes }: Omit<FrameMessage, 'type'>): Promise<void> {
    const message = encodeFrameMessage(streamClass, to, bytes)
    const peers = this.#waysTo(from, to)
    if (peers.length === 0 && to !== EVERYBODY) this.#count(streamClass)
    for (const { attachment } of peers) {
      await attachment.room(streamClass)
      void attachment.put(message, streamClass).then((isTaken) => {
        if (!isTaken) this.#count(streamClass)
      })
    }
  }

  /**
   * Where it goes from here. What another member forwards is not forwarded to a third that does, so nothing goes in a
   * circle.
   */
  #waysTo(from: Peer | undefined, to: number): Peer[] {
    const direct = this.#peers.get(to)
    const others = [...this.#peers.values()].filter((peer) => peer !== from)
    const open = from?.forwards === true ? others.filter(({ forwards }) => !forwards) : others
    if (to === EVERYBODY) return open
    if (direct !== undefined) return open.filter((peer) => peer === direct)
    return open.filter(({ forwards }) => forwards)
  }

  #count(streamClass: string): void {
    if (streamClass !== 'audio') this.#lost += 1
  }

  #checkOpen(): void {
    if (this.#stop.signal.aborted) throw networkClosed()
  }
}
