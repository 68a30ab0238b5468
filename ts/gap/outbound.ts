import { codec, type PayloadCodec } from '../gbp/codec.js'
import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeOutbound } from '../native.js'
import { encodeAudio, sequenceOf, type AudioPacket } from './packet.js'

/** Audio that is to be sent. */
export interface OutgoingAudio {
  /** Whose it is; {@link ownSource} gives numbers that no other member takes. */
  readonly source: number
  /** When it was recorded, in samples at 48 kHz. It goes on during silence. */
  readonly timestamp: bigint
  /** An Opus frame, or an SFrame payload around one; up to 8192 bytes. */
  readonly frame: Uint8Array
  /** How the payload is encoded; in CBOR where nothing is said. */
  readonly codec?: PayloadCodec
}

/** A packet that is ready to be sealed. */
export interface OutgoingPacket {
  /** The packet, with its number. */
  readonly packet: AudioPacket
  /** Its payload, for a frame of the audio stream. */
  readonly payload: Uint8Array
  /** The payload's codec, for the frame. */
  readonly codec: PayloadCodec
}

/** The number that a source used last in the present epoch. */
export interface AudioCount {
  readonly source: number
  readonly last: number
}

/**
 * The sending side of one member: it numbers packets, from 1 in every epoch, one count for each source.
 *
 * @example
 * ```ts
 * using outbound = Outbound.create({ epoch: 1n })
 * const sent = outbound.packet({ source: 700, timestamp: 960n, frame: opus })
 * if (sent !== undefined) sendToAll(sent.payload)
 * ```
 */
export class Outbound implements Disposable {
  readonly #native: NativeOutbound

  private constructor(made: NativeOutbound) {
    this.#native = made
  }

  /**
   * A member that sends in `epoch`.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  static create(options: { readonly epoch: bigint }): Outbound {
    const epoch = check.u64(check.options(options).epoch, 'epoch')
    return new Outbound(unwrap(native.NativeOutbound.create(epoch)))
  }

  /**
   * Goes on to `epoch`, where all counts begin anew. Nothing happens when it is the present one.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  advance(epoch: bigint): void {
    unwrap(this.#native.advance(check.u64(epoch, 'epoch')))
  }

  /**
   * The next packet of a source; undefined while the member is muted.
   *
   * @throws {@link CoterieError} `WIRE_TOO_LARGE`, `GAP_TOO_MANY_SOURCES` beyond 16, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  packet(outgoing: OutgoingAudio): OutgoingPacket | undefined {
    const { source, timestamp, frame, codec: name } = check.record(outgoing, 'outgoing')
    const [whose, when] = [check.u32(source, 'source'), check.u64(timestamp, 'timestamp')]
    const encoding = codec(name)
    const packet = unwrap(this.#native.packet(whose, when, check.bytes(frame, 'frame')))
    return packet === null ? undefined : { packet, payload: encodeAudio(packet, encoding), codec: encoding }
  }

  /** Whether the member has muted itself. A muted one makes no packets and uses no numbers. */
  get muted(): boolean {
    return unwrap(this.#native.isMuted())
  }

  /**
   * Begins or ends the member's own muting.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  setMuted(muted: boolean): void {
    unwrap(this.#native.setMuted(check.flag(muted, 'muted')))
  }

  /** The epoch that packets are made in. */
  get epoch(): bigint {
    return unwrap(this.#native.epoch())
  }

  /**
   * The number that each source used last in this epoch: what {@link Outbound.resume} takes after a restart.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  counts(): AudioCount[] {
    return unwrap(this.#native.counts())
  }

  /**
   * Goes on behind a number of a source, so that a restart in the middle of an epoch is not heard.
   *
   * @throws {@link CoterieError} `GAP_TOO_MANY_SOURCES`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  resume(count: AudioCount): void {
    const { source, last } = check.record(count, 'count')
    unwrap(this.#native.resume(check.u32(source, 'count.source'), sequenceOf(last, 'count.last')))
  }

  /** Lets go of everything. Closing twice is fine. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
