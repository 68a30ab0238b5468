import { randomInt } from 'node:crypto'

import { codec, type PayloadCodec } from '../gbp/codec.js'
import { toNativeIncoming, type IncomingPayload } from '../gbp/incoming.js'
import { unwrap } from '../errors.js'
import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import {
  native,
  type NativeAsked,
  type NativeContent,
  type NativeReceivedText,
  type NativeTextClient,
} from '../native.js'
import {
  Cut,
  toNativeManifest,
  type AttachmentKey,
  type Manifest,
  type Progress,
  type TakenOut,
} from './attachment.js'
import { HistoryReader, toNativeLimits, type HistoryLimits, type ReadonlyHistory } from './history.js'
import {
  contentOf,
  contentTypeNumber,
  toMessage,
  toNativeMessage,
  type ContentType,
  type TextMessage,
  type TextOrContent,
} from './message.js'
import { toNativeRow, type Row, type RowChange } from './rows.js'
import { Watermark, type ReadonlyWatermark } from './watermark.js'

const SCOPES = ['group', 'epoch'] as const
const MAX_U8 = 0xff
const MAX_U32 = 0xffff_ffff
const DEFAULT_ATTACHMENT = 1n << 30n

/** What is kept of messages, and where their contents stand. */
export interface ClientHistoryLimits extends HistoryLimits {
  /** Whether contents stay in memory; true where nothing is said. Without, only the rows have them. */
  readonly inMemory?: boolean
}

/** What a group agreed on, and what this member keeps. */
export interface TextClientOptions {
  /** The number by which the group knows this member. */
  readonly member: number
  /**
   * How long a message's number stays what it is: for good in the `group`, or for an `epoch` as in the published stack, in
   * which every message is new again after a change. `group` where nothing is said.
   */
  readonly scope?: 'group' | 'epoch'
  /** What is kept of messages; nothing for `false`. */
  readonly history?: ClientHistoryLimits | false
  /** The largest attachment that is taken in, in bytes, or none; a GiB where nothing is said. */
  readonly attachments?: bigint | false
  /** Whether every member advertised {@link RESYNC_CAPABILITY}; false where nothing is said. */
  readonly resync?: boolean
  /** Types of content that the group takes; all where nothing is said. */
  readonly contentTypes?: readonly ContentType[]
  /** The time in milliseconds since 1970; the system's where none is given. */
  readonly clock?: () => number
}

/** The token by which a member says that it answers {@link TextClient.ask}. */
export const RESYNC_CAPABILITY: string = native.nativeTokens().resync

/** What is said. */
export type Draft = TextOrContent & {
  /** Its number; the next one where none is given. A number of one's own must be new, and later ones follow it. */
  readonly id?: bigint
  /** When it was written, in milliseconds since 1970; now where nothing is said. */
  readonly sentAt?: bigint
  /** The request that it answers, or begins. */
  readonly requestId?: number
  /** Bits of {@link MessageFlags}. */
  readonly flags?: number
  /** How it is encoded; in CBOR where nothing is said. */
  readonly codec?: PayloadCodec
}

/** A message that is ready to be sealed. */
export interface OutgoingText {
  /** The message, with its number. */
  readonly message: TextMessage
  /** Its payload, for a frame of the text stream. */
  readonly payload: Uint8Array
  /** The payload's codec, for the frame. */
  readonly codec: PayloadCodec
  /** Rows to be written in the step that seals it, before the payload leaves. */
  readonly changes: readonly RowChange[]
}

/**
 * How a message relates to what was received before. `new`: it was never seen. `duplicate`: it was, the same in all its
 * fields. `conflicting`: its sender used the number for another message, and that one stays. `corrected`: another member
 * had passed on something under the number, and this is the sender's own word, which takes its place.
 */
export type TextVerdict = 'new' | 'duplicate' | 'conflicting' | 'corrected'

/** A member's request for what it is missing. */
export interface Asked {
  /** Who asks. */
  readonly from: number
  /** What connects the answer with it. */
  readonly requestId: number
  /** How far the member is. */
  readonly seen: ReadonlyMap<number, bigint>
}

/** A message that another member passed on. */
export interface Replayed {
  readonly message: TextMessage
  readonly verdict: TextVerdict
}

interface Received {
  /** The message, with all its fields. */
  readonly message: TextMessage
  /** Whether it is new. Only a new one or a corrected one is anything else than a `message`. */
  readonly verdict: TextVerdict
  /** Rows to be written in the step that received it. */
  readonly changes: readonly RowChange[]
}

/** Something for the application. */
export interface ReceivedMessage extends Received {
  readonly type: 'message'
}

/** A manifest or a piece of an attachment, which was taken in. */
export interface ReceivedAttachment extends Received {
  readonly type: 'attachment'
  /** How far it is. */
  readonly progress: Progress
}

/** A member asks for what it is missing. Answering costs up to a frame: the caller says when. */
export interface ReceivedRequest extends Received {
  readonly type: 'asked'
  /** What {@link TextClient.answer} takes. */
  readonly asked: Asked
}

/** A page of what was missing here. */
export interface ReceivedPage extends Received {
  readonly type: 'caught-up'
  /** The messages. Where one contradicts what was seen, that stays. */
  readonly messages: readonly Replayed[]
  /** Whether to ask for the next page, by {@link TextClient.askOn}. */
  readonly more: boolean
}

/** A payload that was taken in. */
export type ReceivedText = ReceivedMessage | ReceivedAttachment | ReceivedRequest | ReceivedPage

/** What ended because nothing came in time. */
export type ExpiredText =
  { readonly type: 'asking'; readonly member: number } | ({ readonly type: 'attachment' } & AttachmentKey)

/**
 * The text of one group, as one member knows it: what it numbers, has received, keeps, asks for and collects.
 *
 * It knows neither keys nor frames: payloads come in opened, with who sent them, and go out to be sealed. What is refused
 * changes nothing. Every call is quick and answers at once; only {@link TextClient.assemble} takes another thread.
 *
 * @example
 * ```ts
 * using client = TextClient.create({ member: 7 })
 * const { payload, codec } = client.send({ text: 'hello' })
 * using other = TextClient.create({ member: 8 })
 * const received = other.receive({ payload, codec, sender: 7, epoch: 1n })
 * if (received.type === 'message' && received.verdict === 'new') console.log(received.message.text)
 * ```
 */
export class TextClient implements Disposable {
  readonly #native: NativeTextClient
  readonly #clock: () => number
  /** The number by which the group knows this member. */
  readonly member: number
  /** Messages that are kept. */
  readonly history: ReadonlyHistory
  /** How far each sender's messages have been seen. */
  readonly watermark: ReadonlyWatermark

  private constructor(made: NativeTextClient, member: number, clock: () => number) {
    this.#native = made
    this.#clock = clock
    this.member = member
    this.history = historyOf(made)
    this.watermark = watermarkOf(made)
  }

  /**
   * A client that knows nothing yet.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  static create(options: TextClientOptions): TextClient {
    const given = toNativeOptions(options)
    return new TextClient(unwrap(native.NativeTextClient.create(given)), given.member, clockOf(options))
  }

  /**
   * The client that {@link TextClient.exportState} wrote, which says what to do where that may not be the last one.
   *
   * @throws {@link CoterieError} `STATE_INVALID`, `INVALID_ARGUMENT`.
   */
  static fromState(state: Uint8Array, options: TextClientOptions): TextClient {
    const given = toNativeOptions(options)
    const made = unwrap(native.NativeTextClient.import(given, check.bytes(state, 'state')))
    return new TextClient(made, given.member, clockOf(options))
  }

  /**
   * The client that rows hold, in any order; and changes that smaller limits than before ask for. All pieces of attachments
   * count as taken out.
   *
   * @throws {@link CoterieError} `STATE_INVALID`, `INVALID_ARGUMENT`.
   */
  static fromRows(
    rows: readonly Row[],
    options: TextClientOptions,
  ): { readonly client: TextClient; readonly changes: readonly RowChange[] } {
    const given = toNativeOptions(options)
    const { client, changes } = unwrap(
      native.NativeTextClient.restore(given, check.list(rows, 'rows', toNativeRow)),
    )
    return { client: new TextClient(client, given.member, clockOf(options)), changes }
  }

  /**
   * Makes a message of what is said, and takes note of it.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, also once every number is used; `WIRE_TOO_LARGE`, `HANDLE_CLOSED`.
   */
  send(draft: Draft): OutgoingText {
    return toOutgoing(this.#native.send(toNativeDraft(draft, () => this.#now())))
  }

  /**
   * The message that announces an attachment.
   *
   * @throws {@link CoterieError} As {@link TextClient.send}.
   */
  sendManifest(cut: Cut): OutgoingText {
    return toOutgoing(this.#native.sendManifest(Cut.nativeOf(cut), this.#now()))
  }

  /**
   * The message that carries a piece of an attachment. Histories do not keep it.
   *
   * @throws {@link CoterieError} As {@link TextClient.send}; `INVALID_ARGUMENT` where the data are not of the piece's length.
   */
  sendPiece(cut: Cut, index: number, data: Uint8Array): OutgoingText {
    const [place, bytes] = [check.u32(index, 'index'), check.bytes(data, 'data')]
    return toOutgoing(this.#native.sendPiece(Cut.nativeOf(cut), place, bytes, this.#now()))
  }

  /**
   * Takes a payload in. Whatever is refused changes nothing.
   *
   * @throws {@link CoterieError} `GTP_WRONG_SENDER`, `GTP_BAD_LENGTH`, `GTP_UNSUPPORTED_CONTENT_TYPE`, `GTP_POLICY_REJECTED`
   * for an answer that was not asked for or an attachment that is too large, `GTP_ATTACHMENT_FULL` where pieces must be
   * taken out first, `GTP_ATTACHMENT_UNKNOWN`, `GTP_ATTACHMENT_INTEGRITY`, `WIRE_MALFORMED`, `WIRE_TOO_LARGE`,
   * `WIRE_UNSUPPORTED_CODEC`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  receive(incoming: IncomingPayload): ReceivedText {
    return toReceived(unwrap(this.#native.receive(toNativeIncoming(incoming), this.#now())))
  }

  /**
   * Asks a member for what is missing here. One member is asked at a time, and has ten seconds for each page.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT` where the group has not agreed on it (`resync`), `BUSY` where somebody is
   * being asked already, `HANDLE_CLOSED`.
   */
  ask(member: number, options?: { readonly requestId?: number }): OutgoingText {
    const { requestId = randomInt(1, MAX_U32) } = check.options(options)
    const [whom, request] = [check.u32(member, 'member'), check.u32(requestId, 'requestId')]
    return toOutgoing(this.#native.ask(whom, request, this.#now()))
  }

  /**
   * Asks for the next page, after one that said that there are `more`; undefined where nobody is being asked.
   *
   * @throws {@link CoterieError} As {@link TextClient.send}.
   */
  askOn(): OutgoingText | undefined {
    const outgoing = unwrap(this.#native.askOn(this.#now()))
    return outgoing === null ? undefined : toOutgoing(outgoing)
  }

  /**
   * One page of what a member is missing. `fetch` gives the messages at positions whose contents are not in memory
   * ({@link keptMessage} reads them from their rows); what it does not have is left out.
   *
   * @throws {@link CoterieError} As {@link TextClient.send}.
   */
  answer(
    asked: Asked,
    options?: { readonly fetch?: (position: bigint) => TextMessage | undefined },
  ): OutgoingText {
    const { fetch } = check.options(options)
    const request = toNativeAsked(asked)
    const wanted = fetch === undefined ? [] : unwrap(this.#native.wantedFor(request))
    const fetched = wanted.flatMap((position) => {
      const message = fetch?.(position)
      return message === undefined ? [] : [{ position, message: toNativeMessage(message, 'message') }]
    })
    return toOutgoing(this.#native.answer(request, fetched, this.#now()))
  }

  /**
   * Forgets what was received and in which epoch, as `reset` of the published clients does.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  reset(): readonly RowChange[] {
    return unwrap(this.#native.reset())
  }

  /**
   * Empties the history.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  clearHistory(): readonly RowChange[] {
    return unwrap(this.#native.clearHistory())
  }

  /**
   * Expects an attachment whose manifest did not come from its sender here: one that was replayed, or that ended and is
   * wanted again.
   *
   * @throws {@link CoterieError} `GTP_POLICY_REJECTED`, `GTP_ATTACHMENT_FULL`, `GTP_ATTACHMENT_INTEGRITY`,
   * `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  expectAttachment(
    sender: number,
    manifest: Manifest,
  ): { readonly progress: Progress; readonly changes: readonly RowChange[] } {
    const [whose, what] = [check.u32(sender, 'sender'), toNativeManifest(manifest)]
    const { progress, changes } = unwrap(this.#native.expectAttachment(whose, what, this.#now()))
    return { progress: toProgress(progress), changes }
  }

  /**
   * How far each attachment under way is.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  attachments(): Progress[] {
    return unwrap(this.#native.attachments()).map(toProgress)
  }

  /**
   * How far an attachment is, if it is under way.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  progress(key: AttachmentKey): Progress | undefined {
    const progress = unwrap(this.#native.progress(...keyOf(key)))
    return progress === null ? undefined : toProgress(progress)
  }

  /**
   * The manifest of an attachment under way.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  manifest(key: AttachmentKey): Manifest | undefined {
    return unwrap(this.#native.manifest(...keyOf(key))) ?? undefined
  }

  /**
   * The whole of an attachment, once it has the announced size and digest, which are computed on another thread. Pieces that
   * were taken out come from `takenOut`.
   *
   * @throws {@link CoterieError} `GTP_ATTACHMENT_UNKNOWN`, `GTP_ATTACHMENT_INCOMPLETE` where pieces are missing,
   * `GTP_ATTACHMENT_INTEGRITY` where the whole is not what was announced, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  async assemble(
    key: AttachmentKey,
    options?: AbortOptions & { readonly takenOut?: readonly TakenOut[] },
  ): Promise<Uint8Array> {
    const [sender, attachment] = keyOf(key)
    const { takenOut = [] } = check.options(options)
    const pieces = check.list(takenOut, 'takenOut', (value, name) => {
      const { index, data } = check.record(value, name)
      const place = check.u32(index, `${name}.index`)
      return { id: attachment, index: place, chunks: 0, data: check.bytes(data, `${name}.data`) }
    })
    return abortable(check.signal(options), (cancellation) =>
      this.#native.assemble(sender, attachment, pieces, cancellation),
    )
  }

  /**
   * Hands out a piece that is held, to be kept by the caller in the same step as the changes. That makes room for others.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  takeOut(key: AttachmentKey, index: number): TakenOut | undefined {
    return unwrap(this.#native.takeOut(...keyOf(key), check.u32(index, 'index'))) ?? undefined
  }

  /**
   * Hands out any piece that is held, of one sender or of anybody.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  takeAnyOut(sender?: number): TakenOut | undefined {
    const whose = sender === undefined ? undefined : check.u32(sender, 'sender')
    return unwrap(this.#native.takeAnyOut(whose)) ?? undefined
  }

  /** Bytes of all pieces that are held, and what holding them takes beside: at most 64 MiB, and 16 MiB of one sender. */
  get heldBytes(): number {
    return unwrap(this.#native.heldBytes())
  }

  /**
   * Ends an attachment, complete or not.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  forgetAttachment(key: AttachmentKey): readonly RowChange[] {
    return unwrap(this.#native.forgetAttachment(...keyOf(key)))
  }

  /**
   * When to call {@link TextClient.handleTimeout}, in milliseconds since 1970.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  pollTimeout(): number | undefined {
    return unwrap(this.#native.pollTimeout()) ?? undefined
  }

  /**
   * Ends what has waited too long: a member who does not answer, an attachment whose pieces stay away.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  handleTimeout(): { readonly expired: readonly ExpiredText[]; readonly changes: readonly RowChange[] } {
    return unwrap(this.#native.handleTimeout(this.#now()))
  }

  /** Who is being asked for what is missing. */
  get asking(): number | undefined {
    return unwrap(this.#native.asking()) ?? undefined
  }

  /**
   * Whether members catch up. It changes with the capabilities of the group's members.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  setResync(agreed: boolean): void {
    unwrap(this.#native.setResync(check.flag(agreed, 'agreed')))
  }

  /**
   * What this member says from now on is said in this epoch. Who answers members that catch up says it whenever the epoch
   * changes, and when it begins.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  setEpoch(epoch: bigint): void {
    unwrap(this.#native.setEpoch(check.u64(epoch, 'epoch')))
  }

  /**
   * Takes note that a member came in with an epoch: {@link TextClient.answer} gives it nothing that was said before. Begins this
   * member's own part in that epoch, too, where it was not told of a later one.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, also for more than 10,000 members; `HANDLE_CLOSED`.
   */
  joined(member: number, epoch: bigint): readonly RowChange[] {
    return unwrap(this.#native.joined(check.u32(member, 'member'), check.u64(epoch, 'epoch')))
  }

  /**
   * Takes note that a member is out.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  left(member: number): readonly RowChange[] {
    return unwrap(this.#native.left(check.u32(member, 'member')))
  }

  /**
   * Everything that is known, without pieces that were taken out: all that was said, to be kept like the messages
   * themselves. It takes as long as the history is large; rows are written step by step.
   *
   * A state is for going on, not for going back. A client made from one that is older than its last message numbers the next
   * ones like those that it sent since, and the others take them for `conflicting`. So keep the state, or the rows of each
   * step, before a payload leaves; and after an older state, from a backup for example, give the first message an `id` of
   * your own above all that may have been used. Later ones follow it.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  exportState(): Uint8Array {
    return unwrap(this.#native.export())
  }

  /**
   * The same as rows, in the order of their keys. What is said of {@link TextClient.exportState} holds for them.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  rows(): Row[] {
    return unwrap(this.#native.rows())
  }

  /** Lets go of everything. Closing twice is fine. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #now(): number {
    return check.time(this.#clock)
  }
}

/** @internal */
export function toNativeDraft(draft: unknown, now: () => number) {
  const given = check.record(draft, 'draft')
  return {
    ...(given['id'] === undefined ? {} : { id: check.u64(given['id'], 'draft.id') }),
    sentAt: check.u64(given['sentAt'] ?? BigInt(now()), 'draft.sentAt'),
    requestId: check.u32(given['requestId'] ?? 0, 'draft.requestId'),
    flags: check.upTo(MAX_U8, given['flags'] ?? 0, 'draft.flags'),
    ...contentOf(given, 'draft'),
    codec: codec(given['codec']),
  }
}

function clockOf(options: TextClientOptions): () => number {
  return check.clock(check.options(options).clock)
}

function toNativeOptions(options: TextClientOptions) {
  const {
    member,
    scope = 'group',
    history = {},
    attachments = DEFAULT_ATTACHMENT,
    resync = false,
    contentTypes,
  } = check.record(options, 'options')
  return {
    member: check.u32(member, 'member'),
    byEpoch: check.oneOf(scope, SCOPES, 'scope') === 'epoch',
    ...(history === false ? {} : { history: toNativeClientLimits(history) }),
    ...(attachments === false ? {} : { attachments: check.u64(attachments, 'attachments') }),
    resync: check.flag(resync, 'resync'),
    ...(contentTypes === undefined
      ? {}
      : { contentTypes: check.list(contentTypes, 'contentTypes', contentTypeNumber) }),
  }
}

/** @internal */
export function toNativeClientLimits(value: unknown) {
  const { inMemory = true } = check.record(value, 'history')
  return { ...toNativeLimits(value, 'history'), inMemory: check.flag(inMemory, 'history.inMemory') }
}

function toNativeAsked(value: unknown): NativeAsked {
  const { from, requestId, seen } = check.record(value, 'asked')
  const marks = seen instanceof Map ? [...(seen as ReadonlyMap<unknown, unknown>)] : []
  return {
    from: check.u32(from, 'asked.from'),
    requestId: check.u32(requestId, 'asked.requestId'),
    seen: marks.map(([sender, id]) => ({
      sender: check.u32(sender, 'asked.seen'),
      id: check.u64(id, 'asked.seen'),
    })),
  }
}

/** @internal */
export function keyOf(value: AttachmentKey): [sender: number, attachment: bigint] {
  const { sender, attachment } = check.record(value, 'key')
  return [check.u32(sender, 'key.sender'), check.u64(attachment, 'key.attachment')]
}

function toOutgoing(answer: ReturnType<NativeTextClient['send']>): OutgoingText {
  const { message, payload, codec: name, changes } = unwrap(answer)
  return { message: toMessage(message), payload, codec: name as PayloadCodec, changes }
}

function toReceived(received: NativeReceivedText): ReceivedText {
  const { message, verdict, content, changes } = received
  return { ...toContent(content), message: toMessage(message), verdict, changes }
}

function toContent(content: NativeContent) {
  switch (content.type) {
    case 'message':
      return { type: content.type }
    case 'attachment':
      return { type: content.type, progress: toProgress(content.progress) }
    case 'asked': {
      const { from, requestId, seen } = content.asked
      const marks = new Map(seen.map(({ sender, id }) => [sender, id]))
      return { type: content.type, asked: { from, requestId, seen: marks } }
    }
    case 'caught-up': {
      const messages = content.messages.map(({ message, verdict }) => ({
        message: toMessage(message),
        verdict,
      }))
      return { type: content.type, messages, more: content.more }
    }
  }
}

function toProgress({ piece, ...progress }: Omit<Progress, 'piece'> & { piece?: number }): Progress {
  return { ...progress, piece }
}

function historyOf(made: NativeTextClient): ReadonlyHistory {
  return new HistoryReader({
    size: () => made.historySize(),
    find: (sender, id) => made.historyFind(sender, id),
    after: (position, limit) => made.historyAfter(position, limit),
    since: (seen, position, limit) => made.historySince(Watermark.nativeOf(seen, 'seen'), position, limit),
    sinceForSender: (sender, id, position, limit) => made.historySinceForSender(sender, id, position, limit),
  })
}

function watermarkOf(made: NativeTextClient): ReadonlyWatermark {
  const snapshot = () => new Map(unwrap(made.watermark()).map(({ sender, id }) => [sender, id]))
  return {
    get size() {
      return snapshot().size
    },
    lastSeen: (sender) => snapshot().get(check.u32(sender, 'sender')),
    snapshot,
  }
}
