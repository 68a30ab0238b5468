import { format, type PayloadFormat } from '../gbp/codec.js'
import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeInbound, type NativePlayout } from '../native.js'
import { toNativePacket, type AudioPacket, type Track } from './packet.js'
import { Playout, type ClockOptions } from './playout.js'

/** Where a member listens from. */
export interface InboundOptions extends ClockOptions {
  /** The group's epoch. */
  readonly epoch: bigint
  /** Where what is taken waits for its time. It must tell the same time. */
  readonly playout?: Playout
  /** For how long packets of an ended epoch are taken, in milliseconds up to 30,000; ten seconds where nothing is said. */
  readonly overlap?: number
}

/** A payload from the audio stream, with what the frame layer knows of it. */
export interface IncomingAudio {
  /** The opened payload. */
  readonly payload: Uint8Array
  /** Its codec, as the frame says; CBOR where nothing is said. */
  readonly codec?: PayloadFormat
  /** The member who sent it, as the frame layer knows. */
  readonly member: number
}

/**
 * What a packet is among those that came before it. `new`: ahead of all others of its source. `reordered`: overtaken on the
 * way, and seen for the first time. `duplicate`: its number was seen before. `stray`: of a count that has ended, or of one
 * that the next packet confirms; it is not played. Deployed peers call the first new and the others late.
 */
export type Arrival = 'new' | 'reordered' | 'duplicate' | 'stray'

/** A packet that was taken. */
export interface Accepted {
  /** Whose it is. */
  readonly track: Track
  /** The epoch it was sent in. */
  readonly epoch: bigint
  /** What it is among the others. */
  readonly arrival: Arrival
  /** The packet. */
  readonly packet: AudioPacket
  /** Whether there was no room for it among those that wait to be played. */
  readonly dropped: boolean
}

/** How many packets came, and what they were. */
export interface InboundStatistics {
  readonly new: bigint
  readonly reordered: bigint
  readonly duplicate: bigint
  readonly stray: bigint
  /** Counts that began in the middle of an epoch: senders that began anew, or of whom nothing was heard for long. */
  readonly restarts: bigint
  /** Of all these, packets of an epoch that had ended. */
  readonly ofEndedEpochs: bigint
}

/**
 * The receiving side of one member: it judges packets by number and epoch, over wraps, restarts and changes of the epoch.
 *
 * @example
 * ```ts
 * using inbound = Inbound.create({ epoch: 1n })
 * const { arrival, packet } = inbound.receive({ payload, member: 7 })
 * ```
 */
export class Inbound implements Disposable {
  readonly #native: NativeInbound
  readonly #playout: NativePlayout | undefined
  readonly #clock: () => number

  private constructor(made: NativeInbound, playout: NativePlayout | undefined, clock: () => number) {
    this.#native = made
    this.#playout = playout
    this.#clock = clock
  }

  /**
   * A member that is in `epoch`.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  static create(options: InboundOptions): Inbound {
    const { epoch, playout, overlap, clock } = check.options(options)
    const span = overlap === undefined ? undefined : check.milliseconds(overlap, 'overlap')
    const made = unwrap(native.NativeInbound.create(check.u64(epoch, 'epoch'), span))
    return new Inbound(
      made,
      playout === undefined ? undefined : Playout.nativeOf(playout),
      check.clock(clock),
    )
  }

  /**
   * Takes a payload in.
   *
   * @throws {@link CoterieError} `GAP_EPOCH_STALE`, `GAP_KEY_PHASE_UNKNOWN`, `GAP_TOO_MANY_SOURCES`, `WIRE_MALFORMED`,
   * `WIRE_TOO_LARGE`, `WIRE_UNSUPPORTED_CODEC`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  receive(incoming: IncomingAudio): Accepted {
    const { payload, codec, member } = check.record(incoming, 'incoming')
    const [whose, bytes] = [check.u32(member, 'incoming.member'), check.bytes(payload, 'incoming.payload')]
    return unwrap(this.#native.receive(whose, bytes, format(codec), this.#now(), this.#playout))
  }

  /**
   * Takes a packet in that was decoded already, and whose audio was opened where it was an SFrame payload.
   *
   * @throws {@link CoterieError} As {@link Inbound.receive}.
   */
  accept(member: number, packet: AudioPacket): Accepted {
    const [whose, what] = [check.u32(member, 'member'), toNativePacket(packet)]
    return unwrap(this.#native.accept(whose, what, this.#now(), this.#playout))
  }

  /**
   * Goes on to `epoch`. Packets of the one that ends are taken for the overlap; nothing that is heard is interrupted.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  advance(epoch: bigint): void {
    unwrap(this.#native.advance(check.u64(epoch, 'epoch'), this.#now()))
  }

  /** The present epoch. */
  get epoch(): bigint {
    return unwrap(this.#native.epoch())
  }

  /** How many sources are remembered: at most 256, and 16 of one member. */
  get sources(): number {
    return unwrap(this.#native.sources())
  }

  /**
   * What has come so far.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  statistics(): InboundStatistics {
    return unwrap(this.#native.statistics())
  }

  /**
   * Forgets a member who has left.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  forget(member: number): void {
    unwrap(this.#native.forget(check.u32(member, 'member')))
  }

  /**
   * Forgets every source's numbers, as `reset` of the published clients does. Ended epochs stay taken.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  reset(): void {
    unwrap(this.#native.reset())
  }

  /**
   * When {@link Inbound.handleTimeout} wants to be called, in milliseconds since 1970.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  pollTimeout(): number | undefined {
    return unwrap(this.#native.pollTimeout()) ?? undefined
  }

  /**
   * Forgets ended epochs whose time is over.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  handleTimeout(): void {
    unwrap(this.#native.handleTimeout(this.#now()))
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
