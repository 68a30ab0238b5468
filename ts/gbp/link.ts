import { isFailure, unwrap } from '../errors.js'
import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { Outlet, type OutletReader, type Taken } from '../internal/outlet.js'
import {
  native,
  type NativeFailure,
  type NativeLink,
  type NativeLinkOptions,
  type NativeListener,
  type NativeReceivedFrame,
} from '../native.js'
import { streamClass, type StreamClass } from './codec.js'

/** Every kind of links: the published stack's over TCP and QUIC, and our own QUIC. */
export const LINK_KINDS = ['tcp', 'published', 'quic'] as const

/**
 * What carries a link. `quic` is ours: classes do not wait for each other, and audio is dropped rather than queued.
 * `published` is the published stack's QUIC, whose classes wait for each other, and `tcp` its TCP, which neither hides nor
 * proves anything.
 */
export type LinkKind = (typeof LINK_KINDS)[number]

/** Who one side of a link is: a certificate, and the private key that only its owner has. */
export interface LinkIdentity {
  /** The certificate, in DER: what the other side is to trust. */
  readonly certificate: Uint8Array
  /** The private key, in PKCS#8. */
  readonly privateKey: Uint8Array
}

/** Trusted certificates, in DER: a peer shows one of them, or one that they have signed. */
export type LinkTrust = Uint8Array | readonly Uint8Array[]

/** How a peer is reached, and whom it must be. */
export type ConnectOptions = AbortOptions & {
  /** A host's name or address, and a port: `friends.example:4433`, `127.0.0.1:4433`, `[::1]:4433`. */
  readonly address: string
} & (
    | { readonly kind: 'tcp' }
    | { readonly kind: 'published'; readonly trust: LinkTrust; readonly name?: string }
    | {
        readonly kind: 'quic'
        /** The certificates of which the peer shows one. No certificate of the system's counts. */
        readonly trust: LinkTrust
        /** The name that the peer is certified as; `localhost` where nothing is said. */
        readonly name?: string
        /** Who this side is, where the peer asks. */
        readonly identity?: LinkIdentity
      }
  )

/** Where peers come in, and who they find. */
export type ListenOptions = AbortOptions & {
  /** A host's name or address of this machine, and a port: 0 for any that is free. */
  readonly address: string
} & (
    | { readonly kind: 'tcp' }
    | { readonly kind: 'published'; readonly identity: LinkIdentity }
    | {
        readonly kind: 'quic'
        /** Who this side is. */
        readonly identity: LinkIdentity
        /** The certificates of which a peer must show one; whoever has the address comes in where nothing is said. */
        readonly trust?: LinkTrust
      }
  )

/** A frame that came over a link. */
export interface ReceivedFrame {
  /** By which stream it came; undefined where a link has but one. A hint: what counts is the frame's own header. */
  readonly streamClass: StreamClass | undefined
  /** The frame. */
  readonly bytes: Uint8Array
}

/** How a link is closed. */
export interface CloseLinkOptions {
  /** How long the peer has to take what was sent, in milliseconds; a second where nothing is said, 0 for not at all. */
  readonly grace?: number
}

const GRACE = 1_000
const MAX_GRACE = 600_000
const NAME = 'localhost'

/**
 * A new identity, whose certificate vouches for itself and never expires. It proves to whoever was given its certificate
 * that the other end is its owner.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`.
 */
export function generateLinkIdentity(options?: { readonly name?: string }): LinkIdentity {
  const { name = NAME } = check.options(options)
  const { certificate, privateKey } = unwrap(native.nativeGenerateLinkIdentity(check.text(name, 'name')))
  return { certificate, privateKey }
}

/** @internal Whether `value` is a link, and not only looks like one. */
export let isLink: (value: object) => value is Link

/** @internal One who reads the frames of a link. */
export type LinkReader = OutletReader<NativeReceivedFrame, ReceivedFrame>

/** @internal As {@link Link.frames}. */
export let framesOf: (link: Link, signal: AbortSignal) => LinkReader

/**
 * A connection to one peer that carries frames in both directions, each whole and in the order of its class. What a frame is
 * it neither knows nor cares: bytes of up to 1,048,576.
 *
 * Close it, or hold it with `await using`. An open link on which somebody waits keeps the process alive.
 *
 * @example
 * ```ts
 * const identity = generateLinkIdentity()
 * await using listener = await Link.listen({ kind: 'quic', address: '127.0.0.1:0', identity })
 * const coming = listener.links().next()
 * await using link = await Link.connect({ kind: 'quic', address: listener.address, trust: identity.certificate })
 * await link.send(data, 'text')
 * const { value: peer } = await coming
 * const { value } = await peer.frames().next()
 * console.log(value.streamClass, value.bytes.length)
 * ```
 */
export class Link implements AsyncDisposable {
  readonly #native: NativeLink
  readonly #frames: Outlet<NativeReceivedFrame, ReceivedFrame>
  /** What carries it. */
  readonly kind: LinkKind

  static {
    isLink = (value): value is Link => #native in value
    framesOf = (link, signal) => link.#frames.read(signal)
  }

  /** @internal */
  constructor(made: NativeLink, kind: LinkKind) {
    this.#native = made
    this.kind = kind
    this.#frames = new Outlet(
      () => taken(made.receive(), (frames) => frames),
      toReceived,
      () => undefined,
    )
  }

  /**
   * Connects to a peer.
   *
   * @throws {@link CoterieError} `LINK_UNREACHABLE` where nobody answers within ten seconds, `LINK_REFUSED` for a peer of
   * another certificate, name or protocol, or who wants another certificate of this side; `LINK_MALFORMED`, `LINK_LOST`,
   * `INVALID_ARGUMENT`. Aborted, with the signal's reason.
   */
  static async connect(options: ConnectOptions): Promise<Link> {
    const wanted = toNativeOptions(options, 'connect')
    const made = await abortable(check.signal(options), (cancellation) =>
      native.NativeLink.connect(wanted, cancellation),
    )
    return new Link(made, wanted.kind)
  }

  /**
   * Listens for peers.
   *
   * @throws {@link CoterieError} `LINK_UNREACHABLE` where the address cannot be listened at, `INVALID_ARGUMENT`.
   */
  static async listen(options: ListenOptions): Promise<LinkListener> {
    const wanted = toNativeOptions(options, 'listen')
    const made = await abortable(check.signal(options), (cancellation) =>
      native.NativeListener.listen(wanted, cancellation),
    )
    return new LinkListener(made, wanted.kind)
  }

  /**
   * Sends a frame behind those of its class, and resolves when the link has taken it: later, where the peer does not keep
   * up. Audio waits behind nothing: where there is no room, it is dropped and counted. That a frame arrives nothing says.
   *
   * Aborted, the call rejects with the signal's reason, and whether the frame is sent is unknown.
   *
   * @throws {@link CoterieError} `LINK_TOO_LONG`; `BUSY` when 256 frames wait; both harm nothing. `LINK_LOST`,
   * `LINK_STALLED`, `LINK_CLOSED`, `INVALID_ARGUMENT`.
   */
  async send(frame: Uint8Array, className: StreamClass, options?: AbortOptions): Promise<void> {
    const [bytes, name] = [check.bytes(frame, 'frame'), streamClass(className, 'streamClass')]
    await abortable(check.signal(options), (cancellation) => this.#native.send(bytes, name, cancellation))
  }

  /**
   * What the peer sends, as it comes: control before signals and text, where a link has streams for them. Nothing is read
   * ahead but what came together, so whoever does not ask slows the peer down. Ends when the peer has ended, or the link
   * was closed here. One reads at a time; a later reader goes on where the earlier one stopped.
   *
   * @throws {@link CoterieError} `LINK_LOST`, `LINK_STALLED`, `LINK_MALFORMED`, `INVALID_ARGUMENT`.
   */
  frames(options?: AbortOptions): AsyncIterableIterator<ReceivedFrame, undefined> {
    return this.#frames.read(check.signal(options))
  }

  /** How many audio frames of this side were dropped because there was no room for them. */
  get audioDropped(): number {
    return this.#native.audioDropped
  }

  /** How many audio frames of the peer's were lost, or came faster than they were taken, as far as later ones show. */
  get audioLost(): number {
    return this.#native.audioLost
  }

  /** The longest audio frame that goes over the link at present. */
  get longestAudio(): number {
    return this.#native.longestAudio
  }

  /** The certificate that the peer has shown, in DER, where it had to show one. */
  get peer(): Uint8Array | undefined {
    return this.#native.peer ?? undefined
  }

  /**
   * Closes the link: what was sent goes out, and the peer has a moment to take it and to close its side. Closing twice is
   * fine.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  async close(options?: CloseLinkOptions): Promise<void> {
    const { grace = GRACE } = check.options(options)
    const wait = check.upTo(MAX_GRACE, grace, 'grace')
    this.#frames.end()
    await abortable(undefined, () => this.#native.close(wait))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Where peers come in. Close it, or hold it with `await using`. */
export class LinkListener implements AsyncDisposable {
  readonly #native: NativeListener
  readonly #links: Outlet<NativeLink, Link>
  /** What carries its links. */
  readonly kind: LinkKind
  /** Where it listens: the host's address, and the port. */
  readonly address: string

  /** @internal */
  constructor(made: NativeListener, kind: LinkKind) {
    this.#native = made
    this.kind = kind
    this.address = made.address
    const toLink = (link: NativeLink) => new Link(link, kind)
    this.#links = new Outlet(
      () => taken(made.accept(), (link) => [link]),
      toLink,
      () => undefined,
    )
  }

  /**
   * The link of each peer that comes in. Whoever fails to is passed over: the peer is told why. Ends when the listener is
   * closed. One reads at a time.
   *
   * @throws {@link CoterieError} `LINK_UNREACHABLE`, `INVALID_ARGUMENT`.
   */
  links(options?: AbortOptions): AsyncIterableIterator<Link, undefined> {
    return this.#links.read(check.signal(options))
  }

  /** Refuses whoever comes from now on. Links that came in go on. Closing twice is fine. */
  async close(): Promise<void> {
    this.#links.end()
    await abortable(undefined, () => this.#native.close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

type Answered<Value> = Value | NativeFailure | Promise<Value | NativeFailure>

/** What came, and whether it is the end: that this side has closed is one, and no failure. */
function taken<Value, Raw>(
  answer: Answered<Value>,
  toItems: (value: Value) => Raw[],
): Taken<Raw> | NativeFailure | Promise<Taken<Raw> | NativeFailure> {
  if (answer instanceof Promise) return answer.then((value) => takenNow(value, toItems))
  return takenNow(answer, toItems)
}

function takenNow<Value, Raw>(
  answer: Value | NativeFailure,
  toItems: (value: Value) => Raw[],
): Taken<Raw> | NativeFailure {
  if (isFailure(answer)) return answer.code === 'LINK_CLOSED' ? { items: [], isOut: true } : answer
  const items = toItems(answer)
  return { items, isOut: items.length === 0 }
}

function toReceived({ streamClass: name, bytes }: NativeReceivedFrame): ReceivedFrame {
  return { streamClass: name, bytes }
}

/** Who connects needs to know whom it trusts, and who listens who it is: but over TCP, where nobody can. */
function toNativeOptions(value: ConnectOptions | ListenOptions, by: 'connect' | 'listen'): NativeLinkOptions {
  const given = check.record(value, 'options')
  const kind = check.oneOf(given['kind'], LINK_KINDS, 'kind')
  const { name = NAME, trust, identity } = given
  const options = { kind, address: check.text(given['address'], 'address'), name: check.text(name, 'name') }
  if (kind === 'tcp') return options
  return {
    ...options,
    ...(trust !== undefined || by === 'connect' ? { trust: toTrust(trust) } : {}),
    ...(identity !== undefined || by === 'listen' ? { identity: toIdentity(identity) } : {}),
  }
}

function toTrust(value: unknown): Uint8Array[] {
  return Array.isArray(value) ? check.bytesList(value, 'trust') : [check.bytes(value, 'trust')]
}

function toIdentity(value: unknown): LinkIdentity {
  const given = check.record(value, 'identity')
  const certificate = check.bytes(given['certificate'], 'identity.certificate')
  return { certificate, privateKey: check.bytes(given['privateKey'], 'identity.privateKey') }
}
