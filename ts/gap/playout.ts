import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativePlayout } from '../native.js'
import { toNativeTrack, type Track } from './packet.js'

interface Step {
  /** Whose turn it is. */
  readonly track: Track
}

/** Decode this. */
export interface PlayPacket extends Step {
  readonly type: 'packet'
  /** The epoch it was sent in. */
  readonly epoch: bigint
  /** Its number. */
  readonly sequence: number
  /** Its timestamp, as it came. */
  readonly timestamp: bigint
  /** The audio. */
  readonly frame: Uint8Array
  /** For how long it has waited here, in milliseconds. */
  readonly waited: number
}

/**
 * Conceal this many samples: a packet did not come in time (`lost`), or the delay grows and nothing is missing (`delay`).
 * Where {@link Playout.nextPacket} has the packet behind the gap, its forward error correction may hold what is missing.
 */
export interface PlayMissing extends Step {
  readonly type: 'missing'
  /** How many samples to make up. */
  readonly samples: number
  /** Why there is nothing. */
  readonly why: 'lost' | 'delay'
}

/** The source is silent until its next packet. Nothing more is to be concealed. */
export interface PlaySilent extends Step {
  readonly type: 'silent'
}

/** What is to be played now: one step of one source. */
export type Played = PlayPacket | PlayMissing | PlaySilent

/** What was played of a source, and how. */
export interface PlayoutStatistics {
  /** Which. */
  readonly track: Track
  /** Packets that were played. */
  readonly played: bigint
  /** Steps that were concealed because nothing was there. */
  readonly lost: bigint
  /** Packets that came after their time. */
  readonly late: bigint
  /** Steps that were stretched to make the delay longer. */
  readonly stretched: bigint
  /** Packets that were left out to make the delay shorter. */
  readonly leftOut: bigint
  /** Packets that gave way because too many waited, or two claimed one place. */
  readonly displaced: bigint
  /** Times that the source's place in time was found anew. */
  readonly realigned: bigint
  /** Packets that wait. */
  readonly waiting: number
  /** The delay above the network's least that is aimed at, in milliseconds. */
  readonly target: number
  /** The delay above the network's least that there is, in milliseconds. */
  readonly delay: number
}

/** How time is told. */
export interface ClockOptions {
  /** The time in milliseconds since 1970; the system's where none is given. */
  readonly clock?: () => number
}

/**
 * Plays every source that is heard: packets wait until their time, with a delay that follows the network. An
 * {@link Inbound} that was made with it puts in what it takes.
 *
 * @example
 * ```ts
 * using playout = new Playout()
 * using inbound = Inbound.create({ epoch: 1n, playout })
 * inbound.receive({ payload, member: 7 })
 * // Whenever playout.pollTimeout() has come:
 * for (const step of playout.play()) if (step.type === 'packet') console.log(step.track, step.frame)
 * ```
 */
export class Playout implements Disposable {
  readonly #native: NativePlayout = new native.NativePlayout()
  readonly #clock: () => number

  /**
   * Nobody speaks yet.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  constructor(options?: ClockOptions) {
    this.#clock = check.clock(check.options(options).clock)
  }

  /**
   * What is due, for each source in its order: at most the last 200 milliseconds of it.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  play(): Played[] {
    return unwrap(this.#native.play(this.#now()))
  }

  /**
   * When {@link Playout.play} wants to be called, in milliseconds since 1970; undefined while everybody is silent.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  pollTimeout(): number | undefined {
    return unwrap(this.#native.pollTimeout()) ?? undefined
  }

  /**
   * The audio that a source plays next, if it has come.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  nextPacket(track: Track): Uint8Array | undefined {
    return unwrap(this.#native.nextPacket(toNativeTrack(track))) ?? undefined
  }

  /**
   * Mutes a member here, from this moment on: what waits is dropped, and what comes is not played. Or ends that.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, also when 10,000 are muted; `HANDLE_CLOSED`.
   */
  setMuted(member: number, muted: boolean): void {
    unwrap(this.#native.setMuted(check.u32(member, 'member'), check.flag(muted, 'muted')))
  }

  /**
   * Whether a member is muted here.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  isMuted(member: number): boolean {
    return unwrap(this.#native.isMuted(check.u32(member, 'member')))
  }

  /**
   * Forgets a member who has left, with what waits.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  forget(member: number): void {
    unwrap(this.#native.forget(check.u32(member, 'member')))
  }

  /**
   * Forgets sources that were silent for long, and what was learned of their ways through the network.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  forgetIdle(): void {
    unwrap(this.#native.forgetIdle(this.#now()))
  }

  /**
   * What was played of each source that is remembered.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  statistics(): PlayoutStatistics[] {
    return unwrap(this.#native.statistics())
  }

  /** How many bytes of audio wait: at most 4 MiB. */
  get waitingBytes(): number {
    return unwrap(this.#native.waitingBytes())
  }

  /** Lets go of everything. Closing twice is fine. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  static is(value: object): value is Playout {
    return #native in value
  }

  /** @internal */
  static nativeOf(value: unknown): NativePlayout {
    return check.instance<Playout>(value, Playout.is, 'Playout').#native
  }

  #now(): number {
    return check.time(this.#clock)
  }
}
