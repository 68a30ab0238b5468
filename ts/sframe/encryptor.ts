import { toError, unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import type { NativeFailure, NativeSframeEncryptor } from '../native.js'
import { metadataOf, type MetadataOptions } from './options.js'
import { pack, read, unpack } from './packing.js'

/** Many frames to seal in one call, without an allocation. Arrays may be used again for the next call. */
export interface EncryptBatch {
  /** The plaintexts, one behind the other. */
  readonly plaintexts: Uint8Array
  /** The length of each; together they are all of `plaintexts`. */
  readonly lengths: Uint32Array
  /** Takes the frames, one behind the other: `plaintexts` and {@link SFrameEncryptor.overhead} for each. */
  readonly out: Uint8Array
  /** Takes the length of each frame. */
  readonly outLengths: Uint32Array
  /** What is authenticated with every frame; or with each, one behind the other, where `metadataLengths` is given. */
  readonly metadata?: Uint8Array
  /** The length of each frame's own metadata. */
  readonly metadataLengths?: Uint32Array
}

type Seal = ReturnType<NativeSframeEncryptor['sealer']>
type SealAll = ReturnType<NativeSframeEncryptor['batchSealer']>

/**
 * Seals the frames of one leaf.
 *
 * No counter comes up twice, however often encryptors are made, whether the device is closed and opened, or the process
 * dies: counters are reserved in the device's store before they are used. All encryptors of one key count together.
 *
 * It goes on with its session into every epoch. Close it, or hold it with `using`.
 *
 * @example
 * ```ts
 * const out = new Uint8Array(1_500)
 * const length = encryptor.encryptInto(frame, out)
 * sendToAll(out.subarray(0, length))
 * ```
 */
export class SFrameEncryptor implements Disposable {
  readonly #native: NativeSframeEncryptor
  readonly #seal: Seal
  readonly #sealAll: SealAll

  /** @internal */
  constructor(encryptor: NativeSframeEncryptor) {
    this.#native = encryptor
    this.#seal = encryptor.sealer()
    this.#sealAll = encryptor.batchSealer()
  }

  /** The leaf whose frames these are. */
  get leaf(): number {
    return this.#native.leaf
  }

  /**
   * The key id in the header of every frame: 16 bits of the epoch, 16 of the leaf and 32 of the context, from the low end.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`, `MLS_REMOVED`.
   */
  get keyId(): bigint {
    return unwrap(this.#native.keyId())
  }

  /**
   * The counter of the next frame; undefined where one must be reserved first, which the next frame does.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`, `MLS_REMOVED`.
   */
  get counter(): bigint | undefined {
    return unwrap(this.#native.counter()) ?? undefined
  }

  /**
   * How many frames can be sealed before the store is asked. Where few are left it is asked on another thread, so that
   * nothing waits for it.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`, `MLS_REMOVED`.
   */
  get remaining(): bigint {
    return unwrap(this.#native.remaining())
  }

  /**
   * How many bytes a frame has more than its plaintext, at the most.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`, `MLS_REMOVED`.
   */
  get overhead(): number {
    return unwrap(this.#native.overhead())
  }

  /**
   * Seals one frame.
   *
   * @throws {@link CoterieError} As {@link SFrameEncryptor.encryptInto}.
   */
  encrypt(plaintext: Uint8Array, options?: MetadataOptions): Uint8Array {
    const metadata = metadataOf(options)
    const bytes = check.bytes(plaintext, 'plaintext')
    const out = new Uint8Array(check.lengthOf(bytes) + this.overhead)
    return out.slice(0, this.encryptInto(bytes, out, metadata))
  }

  /**
   * Seals one frame into the front of `out` and answers its length: the way for every frame of a stream. `out` has
   * {@link SFrameEncryptor.overhead} bytes more than the plaintext, which may lie in the same memory.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `SFRAME_COUNTER_EXHAUSTED`, `MLS_REMOVED`, `HANDLE_CLOSED`, and where
   * counters had to be reserved `STORE_FULL`, `STORE_IO`.
   */
  encryptInto(plaintext: Uint8Array, out: Uint8Array, metadata?: Uint8Array): number {
    // An argument that is left out costs nothing.
    return lengthOf(
      metadata === undefined ? this.#seal(plaintext, out) : this.#seal(plaintext, out, metadata),
    )
  }

  /**
   * Seals several frames: all, or none.
   *
   * @throws {@link CoterieError} As {@link SFrameEncryptor.encryptInto}.
   */
  encryptAll(plaintexts: readonly Uint8Array[], options?: MetadataOptions): Uint8Array[] {
    const { bytes, lengths } = pack(check.bytesList(plaintexts, 'plaintexts'))
    const metadata = metadataOf(options)
    const out = new Uint8Array(bytes.length + lengths.length * this.overhead)
    const outLengths = new Uint32Array(lengths.length)
    lengthOf(this.#sealAll(bytes, lengths, out, outLengths, metadata))
    return unpack(out, outLengths)
  }

  /**
   * Seals several frames, all or none, from and into the caller's memory; answers how many bytes that took.
   *
   * @throws {@link CoterieError} As {@link SFrameEncryptor.encryptInto}.
   */
  encryptBatch(batch: EncryptBatch): number {
    const { plaintexts, lengths, out, outLengths, metadata, metadataLengths } = read(batch, fieldsOf)
    return lengthOf(
      metadata === undefined && metadataLengths === undefined
        ? this.#sealAll(plaintexts, lengths, out, outLengths)
        : this.#sealAll(plaintexts, lengths, out, outLengths, metadata, metadataLengths),
    )
  }

  /** Wipes the key. Closing twice is fine. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function fieldsOf({ plaintexts, lengths, out, outLengths, metadata, metadataLengths }: EncryptBatch) {
  return { plaintexts, lengths, out, outLengths, metadata, metadataLengths }
}

function lengthOf(answer: number | NativeFailure): number {
  if (typeof answer === 'number') return answer
  throw toError(answer)
}
