import { codec, format, type PayloadCodec, type PayloadFormat } from '../gbp/codec.js'
import { unwrap } from '../errors.js'
import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { native, type NativeChunk, type NativeCut, type NativeManifest } from '../native.js'

/** What deployed peers cut. */
const DEFAULT_CHUNK = 65_536

/** What an attachment is, sent before its pieces. The name is the sender's: it is never a path to write to. */
export interface Manifest {
  /** Its number among the attachments of its sender. */
  readonly id: bigint
  /** The sender's name for it. */
  readonly filename: string
  /** The sender's word for its type. */
  readonly mimeType: string
  /** Bytes of the whole. */
  readonly size: bigint
  /** Pieces of the whole. */
  readonly chunks: number
  /** SHA-256 of the whole. */
  readonly digest: Uint8Array
}

/** A piece of an attachment. */
export interface Chunk {
  /** The attachment's number among those of its sender. */
  readonly id: bigint
  /** Its place, from zero. */
  readonly index: number
  /** Pieces of the whole. */
  readonly chunks: number
  /** The piece itself. */
  readonly data: Uint8Array
}

/** What an attachment is called, and into what it is cut. */
export interface CutOptions {
  /** Its number among the attachments of its sender: one that was not used before. */
  readonly id: bigint
  /** Its name, without folders. */
  readonly filename: string
  /** Its MIME type. */
  readonly mimeType?: string
  /** Bytes in a piece, up to 1,040,000; 65,536 where nothing is said. */
  readonly chunkLength?: number
}

/** How far an attachment is. */
export interface Progress {
  /** Whose it is. */
  readonly sender: number
  /** Its number among the attachments of its sender. */
  readonly attachment: bigint
  /** The piece that came last, if one came. */
  readonly piece: number | undefined
  /** Whether it is the first time that this manifest or piece came. */
  readonly fresh: boolean
  /** Pieces that are there. */
  readonly received: number
  /** Pieces of the whole. */
  readonly total: number
  /** Bytes that are there. */
  readonly bytes: bigint
  /** Whether every piece is there. */
  readonly complete: boolean
}

/** Whose attachment, and which. */
export type AttachmentKey = Pick<Progress, 'sender' | 'attachment'>

/** A piece that was taken out, to be kept by the caller. */
export interface TakenOut extends AttachmentKey {
  /** Its place. */
  readonly index: number
  /** The piece. */
  readonly data: Uint8Array
}

/**
 * An attachment that is sent, cut into pieces. It holds none of the data: whoever sends asks for a {@link Cut.range},
 * reads it, and gives it to {@link TextClient.sendPiece} when the link takes one more.
 *
 * @example
 * ```ts
 * const cut = await Cut.of({ id: 1n, filename: 'plan.txt', mimeType: 'text/plain' }, data)
 * sendToAll(client.sendManifest(cut).payload)
 * for (let index = 0; index < cut.manifest.chunks; index += 1) {
 *   sendToAll(client.sendPiece(cut, index, cut.slice(index, data)).payload)
 * }
 * ```
 */
export class Cut {
  readonly #native: NativeCut
  /** What is sent first. */
  readonly manifest: Manifest

  private constructor(made: NativeCut) {
    this.#native = made
    this.manifest = Object.freeze(made.manifest())
  }

  /**
   * An attachment whose data are at hand; their digest is made on another thread.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `WIRE_TOO_LARGE`, `GTP_POLICY_REJECTED` for more than 65,536 pieces.
   */
  static async of(options: CutOptions & AbortOptions, data: Uint8Array): Promise<Cut> {
    const [given, bytes] = [toNativeCut(options), check.copyOf(data, 'data')]
    const signal = check.signal(options)
    return new Cut(await abortable(signal, (cancellation) => native.NativeCut.of(given, bytes, cancellation)))
  }

  /**
   * An attachment of which only size and SHA-256 are known: of a file that is read in pieces, say.
   *
   * @throws {@link CoterieError} As {@link Cut.of}.
   */
  static create(options: CutOptions & Pick<Manifest, 'size' | 'digest'>): Cut {
    const { size, digest } = check.options(options)
    const sum = check.bytes(digest, 'digest')
    return new Cut(unwrap(native.NativeCut.create(toNativeCut(options), check.u64(size, 'size'), sum)))
  }

  /**
   * Where the piece at `index` lies in the data: from `start` up to `end`. None, where there is no such piece.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  range(index: number): { readonly start: bigint; readonly end: bigint } | undefined {
    return this.#native.range(check.u32(index, 'index')) ?? undefined
  }

  /**
   * The piece at `index` of data that are at hand; empty where there is none.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  slice(index: number, data: Uint8Array): Uint8Array {
    const { start, end } = this.range(index) ?? { start: 0n, end: 0n }
    return check.bytes(data, 'data').subarray(Number(start), Number(end))
  }

  /** @internal */
  static is(value: object): value is Cut {
    return #native in value
  }

  /** @internal */
  static nativeOf(value: unknown): NativeCut {
    return check.instance<Cut>(value, Cut.is, 'Cut').#native
  }
}

/**
 * The bytes of a manifest, for those who do without {@link TextClient}. Deployed peers know it in CBOR only.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`, `WIRE_TOO_LARGE`, `GTP_ATTACHMENT_INTEGRITY` where it contradicts itself.
 */
export function encodeManifest(manifest: Manifest, name?: PayloadCodec): Uint8Array {
  return unwrap(native.nativeEncodeManifest(toNativeManifest(manifest), codec(name)))
}

/**
 * The manifest in bytes.
 *
 * @throws {@link CoterieError} `WIRE_MALFORMED`, `WIRE_TOO_LARGE`, `WIRE_UNSUPPORTED_CODEC`, `GTP_ATTACHMENT_INTEGRITY`.
 */
export function decodeManifest(bytes: Uint8Array, name?: PayloadFormat): Manifest {
  return unwrap(native.nativeDecodeManifest(check.bytes(bytes, 'bytes'), format(name)))
}

/**
 * The bytes of a piece, for those who do without {@link TextClient}. Deployed peers know it in CBOR only.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`, `WIRE_TOO_LARGE`, `GTP_ATTACHMENT_INTEGRITY` where it cannot be one.
 */
export function encodeChunk(chunk: Chunk, name?: PayloadCodec): Uint8Array {
  return unwrap(native.nativeEncodeChunk(toNativeChunk(chunk, 'chunk'), codec(name)))
}

/**
 * The piece in bytes.
 *
 * @throws {@link CoterieError} `WIRE_MALFORMED`, `WIRE_TOO_LARGE`, `WIRE_UNSUPPORTED_CODEC`, `GTP_ATTACHMENT_INTEGRITY`.
 */
export function decodeChunk(bytes: Uint8Array, name?: PayloadFormat): Chunk {
  return unwrap(native.nativeDecodeChunk(check.bytes(bytes, 'bytes'), format(name)))
}

function toNativeCut(value: unknown) {
  const { id, filename, mimeType = '', chunkLength = DEFAULT_CHUNK } = check.record(value, 'options')
  return {
    id: check.u64(id, 'id'),
    filename: check.text(filename, 'filename'),
    mimeType: check.text(mimeType, 'mimeType'),
    length: check.u32(chunkLength, 'chunkLength'),
  }
}

/** @internal */
export function toNativeManifest(value: unknown): NativeManifest {
  const { id, filename, mimeType, size, chunks, digest } = check.record(value, 'manifest')
  return {
    id: check.u64(id, 'manifest.id'),
    filename: check.text(filename, 'manifest.filename'),
    mimeType: check.text(mimeType, 'manifest.mimeType'),
    size: check.u64(size, 'manifest.size'),
    chunks: check.u32(chunks, 'manifest.chunks'),
    digest: check.bytes(digest, 'manifest.digest'),
  }
}

/** @internal */
export function toNativeChunk(value: unknown, name: string): NativeChunk {
  const { id, index, chunks, data } = check.record(value, name)
  return {
    id: check.u64(id, `${name}.id`),
    index: check.u32(index, `${name}.index`),
    chunks: check.u32(chunks, `${name}.chunks`),
    data: check.bytes(data, `${name}.data`),
  }
}
