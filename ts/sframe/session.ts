import { CoterieError, toError, unwrap } from '../errors.js'
import type { ErrorCode } from '../error-codes.js'
import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { Device, insideOfDevice } from '../mls/device.js'
import { Group, insideOfGroup } from '../mls/group.js'
import { native, type NativeFailure, type NativeSframeSession } from '../native.js'
import { SFrameEncryptor } from './encryptor.js'
import { checked, metadataOf, type MetadataOptions, type SFrameOptions } from './options.js'
import { pack, read, unpack } from './packing.js'
import type { SFrameSuite } from './suites.js'

/** A key from elsewhere, for one epoch. */
export interface BaseKey {
  /** 16 bytes at least. It must be used for nothing else. */
  readonly baseKey: Uint8Array
  /** The epoch it is of. Key ids hold its low 16 bits. */
  readonly epoch: bigint
}

/** Whose frames an encryptor seals. */
export interface EncryptorOptions extends AbortOptions {
  /** The sender's leaf, up to 65,535. In a group's session it is this device's own and need not be given. */
  readonly leaf?: number
  /**
   * 32 bits that make another key: for keys of the caller's that were used where this device's store does not know of it.
   */
  readonly context?: number
  /**
   * Gives up every counter before this one. It must be given under a key of the caller's where the device is in memory,
   * or was restored: such a device cannot know what the key has sealed.
   */
  readonly firstCounter?: bigint
}

/** A frame that was opened. */
export interface OpenedFrame {
  /** What was sealed. It may be empty. */
  readonly plaintext: Uint8Array
  /** The sender's leaf. Every member could have derived the key: who must know better signs above this layer. */
  readonly leaf: number
  /** The epoch whose key opened it. */
  readonly epoch: bigint
  /** Which key that was. */
  readonly keyId: bigint
  /** The frame's number under its key. */
  readonly counter: bigint
}

/** What {@link SFrameSession.decryptInto} has opened. */
export interface OpenedInto {
  /** How many bytes it wrote. */
  readonly length: number
  /** The sender's leaf. */
  readonly leaf: number
}

/** What became of one of several frames. */
export type DecryptResult =
  ({ readonly type: 'opened' } & OpenedFrame) | { readonly type: 'refused'; readonly error: CoterieError }

/** Many frames to open in one call, without an allocation. Arrays may be used again for the next call. */
export interface DecryptBatch {
  /** The frames, one behind the other. */
  readonly payloads: Uint8Array
  /** The length of each; together they are all of `payloads`. */
  readonly lengths: Uint32Array
  /** Takes the plaintexts, one behind the other: as long as `payloads`. A frame that is refused takes no room. */
  readonly out: Uint8Array
  /** Takes the length of each plaintext. */
  readonly outLengths: Uint32Array
  /** Takes the sender's leaf of each, or a number below zero for one that is refused: see {@link refusalOf}. */
  readonly leaves: Int32Array
  /** What is authenticated with every frame; or with each, one behind the other, where `metadataLengths` is given. */
  readonly metadata?: Uint8Array
  /** The length of each frame's own metadata. */
  readonly metadataLengths?: Uint32Array
}

type Open = ReturnType<NativeSframeSession['opener']>
type OpenAll = ReturnType<NativeSframeSession['batchOpener']>

const LEAF = 2 ** 32
const MAX_LEAF = 65_535
const MAX_CONTEXT = 2 ** 32 - 1
/** Key id, counter and epoch of each frame. */
const REPORTED = 3
const MIN_BASE_KEY = 16
let refusals: readonly NativeFailure[] | undefined

/** @internal A session of whoever has made its native half, who says which leaf is its own. */
export let sessionOf: (
  session: NativeSframeSession,
  suite: SFrameSuite,
  clock: () => number,
  ownLeaf: () => number | undefined,
) => SFrameSession

/**
 * Media frames of one group: opens what all members send, and gives out what seals what this one sends.
 *
 * It goes on with its group: whichever call on the group brings another epoch, the session is there when that call is
 * done. Each frame is opened once, and only if it is authentic; a frame that is refused changes nothing. Close the
 * session, or hold it with `using`: that closes its encryptors too.
 *
 * @example
 * ```ts
 * using session = await SFrameSession.open(group)
 * using encryptor = await session.encryptor()
 * sendToAll(encryptor.encrypt(frame))
 * ```
 */
export class SFrameSession implements Disposable {
  readonly #native: NativeSframeSession
  readonly #suite: SFrameSuite
  readonly #clock: () => number
  readonly #ownLeaf: (() => number | undefined) | undefined
  readonly #open: Open
  readonly #openAll: OpenAll
  readonly #report = new BigUint64Array(REPORTED)

  static {
    sessionOf = (...given) => new SFrameSession(...given)
  }

  private constructor(
    session: NativeSframeSession,
    suite: SFrameSuite,
    clock: () => number,
    ownLeaf: (() => number | undefined) | undefined,
  ) {
    this.#native = session
    this.#suite = suite
    this.#clock = clock
    this.#ownLeaf = ownLeaf
    this.#open = session.opener()
    this.#openAll = session.batchOpener()
  }

  /**
   * A session of `group`, from the epoch on that it is in. `GroupNode.media` is the same for a node.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_REMOVED`, `HANDLE_CLOSED`.
   */
  static async open(group: Group, options?: SFrameOptions): Promise<SFrameSession> {
    const { native: inside, clock } = insideOfGroup(check.instance(group, Group.is, 'Group'))
    const wanted = checked(options)
    const session = await abortable(check.signal(options), (cancellation) =>
      inside.sframeSession(wanted.options, cancellation),
    )
    return new SFrameSession(session, wanted.suite, wanted.clock ?? clock, () => group.ownLeaf)
  }

  /**
   * A session under a key from elsewhere. Its counters are kept in the store of `device`.
   *
   * @example
   * ```ts
   * using session = await SFrameSession.fromKey(device, { baseKey, epoch: 7n }, { dialect: 'rfc9605' })
   * console.log(session.decrypt(payload).keyId)
   * ```
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  static async fromKey(
    device: Device,
    key: BaseKey,
    options?: Omit<SFrameOptions, 'label' | 'follow'>,
  ): Promise<SFrameSession> {
    const { native: inside, clock } = insideOfDevice(check.instance(device, Device.is, 'Device'))
    const { baseKey, epoch } = check.options(key, 'key')
    const bytes = check.bytes(baseKey, 'baseKey')
    if (bytes.length < MIN_BASE_KEY) {
      throw new CoterieError('INVALID_ARGUMENT', `baseKey must have ${MIN_BASE_KEY} bytes or more`)
    }
    const wanted = checked(options)
    check.signal(options)?.throwIfAborted()
    const session = unwrap(inside.sframeSession(bytes, check.u64(epoch, 'epoch'), wanted.options))
    return new SFrameSession(session, wanted.suite, wanted.clock ?? clock, undefined)
  }

  /** The suite of its frames. */
  get suite(): SFrameSuite {
    return this.#suite
  }

  /**
   * The newest epoch whose keys it has.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  get epoch(): bigint {
    return unwrap(this.#native.epoch())
  }

  /**
   * What seals this member's frames. Its first counters are reserved, and stored, before it is there.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `SFRAME_COUNTER_EXHAUSTED`, `MLS_RESTORED`, `MLS_REMOVED`, `STORE_FULL`,
   * `STORE_IO`, `HANDLE_CLOSED`.
   */
  async encryptor(options?: EncryptorOptions): Promise<SFrameEncryptor> {
    const { leaf, context, firstCounter } = check.options(options)
    const place = this.#leafOf(leaf)
    const other = check.upTo(MAX_CONTEXT, context ?? 0, 'context')
    const first = firstCounter === undefined ? undefined : check.u64(firstCounter, 'firstCounter')
    const encryptor = await abortable(check.signal(options), (cancellation) =>
      this.#native.encryptor(place, other, first, cancellation),
    )
    return new SFrameEncryptor(encryptor)
  }

  /**
   * Opens one frame.
   *
   * @throws {@link CoterieError} As {@link SFrameSession.decryptInto}.
   */
  decrypt(payload: Uint8Array, options?: MetadataOptions): OpenedFrame {
    const now = this.#now()
    const metadata = metadataOf(options)
    const bytes = check.bytes(payload, 'payload')
    const out = new Uint8Array(check.lengthOf(bytes))
    const answer = this.#open(bytes, out, now, this.#report, metadata)
    if (typeof answer !== 'number') throw toError(answer)
    const { length, leaf } = split(answer)
    return { plaintext: out.slice(0, length), leaf, ...reported(this.#report, 0) }
  }

  /**
   * Opens one frame into the front of `out`, where the frame itself may lie: the way for every frame of a stream. `out` as
   * long as `payload` is always enough.
   *
   * @throws {@link CoterieError} `SFRAME_MALFORMED`, `SFRAME_UNKNOWN_KEY_ID`, `SFRAME_REPLAY`, `SFRAME_NOT_AUTHENTIC`,
   * `SFRAME_TOO_MANY_SENDERS`, `SFRAME_TOO_MANY_FORGERIES`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  decryptInto(payload: Uint8Array, out: Uint8Array, metadata?: Uint8Array): OpenedInto {
    const now = this.#now()
    const answer =
      metadata === undefined
        ? this.#open(payload, out, now)
        : this.#open(payload, out, now, undefined, metadata)
    if (typeof answer !== 'number') throw toError(answer)
    return split(answer)
  }

  /**
   * Opens several frames. One that is refused does not stop the others.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  decryptAll(payloads: readonly Uint8Array[], options?: MetadataOptions): DecryptResult[] {
    const now = this.#now()
    const metadata = metadataOf(options)
    const { bytes, lengths } = pack(check.bytesList(payloads, 'payloads'))
    const out = new Uint8Array(bytes.length)
    const outLengths = new Uint32Array(lengths.length)
    const leaves = new Int32Array(lengths.length)
    const report = new BigUint64Array(lengths.length * REPORTED)
    const answer = this.#openAll(bytes, lengths, out, outLengths, leaves, now, report, metadata)
    if (typeof answer !== 'number') throw toError(answer)
    return unpack(out, outLengths).map((plaintext, index) =>
      resultOf(leaves[index] ?? -1, plaintext, report, index),
    )
  }

  /**
   * Opens several frames from and into the caller's memory and answers how many were opened. One that is refused does not
   * stop the others.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  decryptBatch(batch: DecryptBatch): number {
    const now = this.#now()
    const { payloads, lengths, out, outLengths, leaves, metadata, metadataLengths } = read(batch, fieldsOf)
    const answer =
      metadata === undefined && metadataLengths === undefined
        ? this.#openAll(payloads, lengths, out, outLengths, leaves, now)
        : this.#openAll(payloads, lengths, out, outLengths, leaves, now, undefined, metadata, metadataLengths)
    if (typeof answer !== 'number') throw toError(answer)
    return answer
  }

  /**
   * Wipes the keys of the epoch before if their time is over. Opening frames does that too.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  forgetPast(): void {
    unwrap(this.#native.forgetPast(this.#now()))
  }

  /** Wipes every key, also those of its encryptors. Closing twice is fine. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Nobody seals as another member of a group: both would use the same counters. */
  #leafOf(leaf: unknown): number {
    const own = this.#ownLeaf?.()
    const wanted = check.upTo(MAX_LEAF, leaf ?? own, 'leaf')
    if (this.#ownLeaf !== undefined && wanted !== own) {
      throw new CoterieError('INVALID_ARGUMENT', "leaf must be this device's own in a session of a group")
    }
    return wanted
  }

  #now(): number {
    // Asked for every frame: the system's own clock needs no checking.
    return this.#clock === Date.now ? Date.now() : check.time(this.#clock)
  }
}

/** Why a frame of a batch was refused, by what stands among its `leaves`; undefined where it was opened. */
export function refusalOf(leaf: number): ErrorCode | undefined {
  if (!Number.isInteger(leaf)) throw new CoterieError('INVALID_ARGUMENT', 'leaf must be a whole number')
  return errorOf(leaf)?.code
}

function fieldsOf(batch: DecryptBatch) {
  const { payloads, lengths, out, outLengths, leaves, metadata, metadataLengths } = batch
  return { payloads, lengths, out, outLengths, leaves, metadata, metadataLengths }
}

function errorOf(leaf: number): CoterieError | undefined {
  if (leaf >= 0) return undefined
  refusals ??= native.sframeRefusals()
  const failure = refusals[-1 - leaf]
  return failure === undefined ? new CoterieError('INTERNAL', 'a refusal without a name') : toError(failure)
}

function resultOf(leaf: number, plaintext: Uint8Array, report: BigUint64Array, index: number): DecryptResult {
  const error = errorOf(leaf)
  if (error !== undefined) return { type: 'refused', error }
  return { type: 'opened', plaintext, leaf, ...reported(report, index) }
}

function split(answer: number): OpenedInto {
  const leaf = Math.floor(answer / LEAF)
  return { length: answer - leaf * LEAF, leaf }
}

function reported(report: BigUint64Array, index: number): Pick<OpenedFrame, 'keyId' | 'counter' | 'epoch'> {
  const [keyId = 0n, counter = 0n, epoch = 0n] = report.subarray(index * REPORTED)
  return { keyId, counter, epoch }
}
