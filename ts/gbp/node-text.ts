import { randomInt } from 'node:crypto'

import { Cut, type AttachmentKey, type CutOptions, type Manifest } from '../gtp/attachment.js'
import { keyOf, toNativeDraft, type Draft } from '../gtp/client.js'
import { toKept, type Kept } from '../gtp/history.js'
import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import type { NodeCore } from './node-core.js'
import { memberNumber, toNativeTarget, type Target } from './parcel.js'

/** Whom something is sent to. */
export interface SendOptions extends AbortOptions {
  /** Everybody, where nobody is named. A frame for one member can be read by all who get hold of it. */
  readonly to?: Target
}

/** An attachment that is to be sent. */
export type AttachmentInit = Partial<Pick<CutOptions, 'id'>> &
  Omit<CutOptions, 'id'> & {
    /** Its data. */
    readonly data: Uint8Array
  }

/** How an attachment is sent. */
export interface SendAttachmentOptions extends SendOptions {
  /** Told after each piece how many of how many are on their way. */
  readonly onProgress?: (progress: { readonly sent: number; readonly total: number }) => void
}

/** What of the messages that are kept. */
export interface HistoryOptions extends AbortOptions {
  /** Those behind this position; all, where none is given. */
  readonly after?: bigint
  /** How many at the most; 256 where nothing is said. */
  readonly limit?: number
}

const PAGE = 256
const MAX_U32 = 0xffff_ffff
/** Small enough for peers that keep ids in floating-point numbers. */
const MAX_ATTACHMENT = 2 ** 48 - 1

/** Text and attachments of a {@link GroupNode}, which has one as `node.text`. */
export class GroupText {
  readonly #core: NodeCore

  /** @internal */
  constructor(core: NodeCore) {
    this.#core = core
  }

  /**
   * Says something, and resolves with its number when it is stored and will leave.
   *
   * @throws {@link CoterieError} `GBP_NOT_ACTIVE`, `GSP_UNAUTHORIZED`, `WIRE_TOO_LARGE`, `BUSY`, `INVALID_ARGUMENT`,
   * `STORE_FULL`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async send(message: string | Draft, options?: SendOptions): Promise<bigint> {
    const { to } = check.options(options)
    const target = toNativeTarget(to)
    const now = this.#core.now()
    const said = toNativeSaid(message, now)
    const { native } = this.#core
    return this.#core.call(options, (cancellation) => native.sendText(target, said, now, cancellation))
  }

  /**
   * Says several things in one step: all of them or, where one is refused, none. Resolves with their numbers.
   *
   * @throws {@link CoterieError} As {@link GroupText.send}; `INVALID_ARGUMENT` also for more than 1,024, or 64 MiB.
   */
  async sendAll(messages: readonly (string | Draft)[], options?: SendOptions): Promise<bigint[]> {
    const { to } = check.options(options)
    const target = toNativeTarget(to)
    const now = this.#core.now()
    const said = check.list(messages, 'messages', (message) => toNativeSaid(message, now))
    const { native } = this.#core
    return this.#core.call(options, (cancellation) => native.sendTexts(target, said, now, cancellation))
  }

  /**
   * Sends an attachment piece by piece, no faster than parcels are carried away, and resolves with its number when the last
   * piece is stored and will leave. When `signal` aborts, the others give up what they have after a while.
   *
   * @throws {@link CoterieError} As {@link GroupText.send}; `GTP_POLICY_REJECTED` for more than 65,536 pieces.
   */
  async sendAttachment(attachment: AttachmentInit, options?: SendAttachmentOptions): Promise<bigint> {
    const given = check.options(attachment, 'attachment')
    const { filename, mimeType, chunkLength, id = BigInt(randomInt(1, MAX_ATTACHMENT)) } = given
    const { to, onProgress } = check.options(options)
    const [target, signal] = [toNativeTarget(to), check.signal(options)]
    const tell = onProgress === undefined ? undefined : check.callable(onProgress, 'onProgress')
    const data = check.copyOf(given.data, 'attachment.data')
    const cut = await Cut.of({ id, filename, mimeType, chunkLength, signal }, data)
    const [core, pieces] = [this.#core, Cut.nativeOf(cut)]
    await core.call({ signal }, (cancel) => core.native.sendManifest(target, pieces, core.now(), cancel))
    for (let index = 0; index < cut.manifest.chunks; index += 1) {
      await room(core, { signal })
      const piece = cut.slice(index, data)
      await core.call({ signal }, (cancel) =>
        core.native.sendPiece(target, pieces, index, piece, core.now(), cancel),
      )
      tell?.({ sent: index + 1, total: cut.manifest.chunks })
    }
    return cut.manifest.id
  }

  /**
   * The data of an attachment that an event of type `attachment` told of, compared with their digest. They are kept until
   * {@link GroupText.forgetAttachment}.
   *
   * @throws {@link CoterieError} `GTP_ATTACHMENT_UNKNOWN`, `GTP_ATTACHMENT_INCOMPLETE`, `GTP_ATTACHMENT_INTEGRITY`,
   * `INVALID_ARGUMENT`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async attachment(key: AttachmentKey, options?: AbortOptions): Promise<Uint8Array> {
    const [sender, attachment] = keyOf(key)
    const { native } = this.#core
    const now = this.#core.now()
    return this.#core.call(options, (cancel) => native.attachment(sender, attachment, now, cancel))
  }

  /**
   * What an attachment is that is here or on its way: its name, type and size.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  async manifest(key: AttachmentKey, options?: AbortOptions): Promise<Manifest | undefined> {
    const [sender, attachment] = keyOf(key)
    const { native } = this.#core
    const manifest = await this.#core.call(options, (cancel) => native.manifest(sender, attachment, cancel))
    return manifest ?? undefined
  }

  /**
   * Forgets an attachment, complete or not.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async forgetAttachment(key: AttachmentKey, options?: AbortOptions): Promise<void> {
    const [sender, attachment] = keyOf(key)
    const { native } = this.#core
    const now = this.#core.now()
    await this.#core.call(options, (cancel) => native.forgetAttachment(sender, attachment, now, cancel))
  }

  /**
   * Asks a member for messages that are missing here. They come as events, and one of type `caught-up` or `not-caught-up`
   * says how it ended.
   *
   * @throws {@link CoterieError} `BUSY` where somebody is being asked already, `GBP_NOT_ACTIVE`, `INVALID_ARGUMENT` also
   * where members do not all know how (`interop`), `HANDLE_CLOSED`.
   */
  async catchUp(member: number, options?: AbortOptions): Promise<void> {
    const whom = memberNumber(member, 'member')
    const { native } = this.#core
    const [now, request] = [this.#core.now(), randomInt(1, MAX_U32)]
    await this.#core.call(options, (cancel) => native.catchUp(whom, request, now, cancel))
  }

  /**
   * Messages that are kept, oldest first.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  async history(options?: HistoryOptions): Promise<Kept[]> {
    const { after, limit = PAGE } = check.options(options)
    const position = after === undefined ? undefined : check.u64(after, 'after')
    const most = check.u32(limit, 'limit')
    const { native } = this.#core
    const kept = await this.#core.call(options, (cancel) => native.history(position, most, cancel))
    return kept.map(toKept)
  }

  /**
   * The highest message that was seen of each sender.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  async watermark(options?: AbortOptions): Promise<Map<number, bigint>> {
    const { native } = this.#core
    const marks = await this.#core.call(options, (cancel) => native.watermark(cancel))
    return new Map(marks.map(({ sender, id }) => [sender, id]))
  }
}

/** A text is written now, and is plain. */
function toNativeSaid(message: unknown, now: number) {
  return typeof message === 'string' ? message : toNativeDraft(message, () => now)
}

/** @internal Resolves when a call would not be refused because too much waits, or the node is closed. */
export async function room(core: NodeCore, options: AbortOptions | undefined): Promise<void> {
  while (!core.isClosed && core.isFull) await core.changed(options)
}
