import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeJitterBuffer } from '../native.js'
import { sequenceOf } from './packet.js'
import type { ClockOptions } from './playout.js'

/** A packet in a jitter buffer. */
export interface Buffered {
  /** Its number. */
  readonly sequence: number
  /** Its audio. */
  readonly frame: Uint8Array
}

/**
 * What became of a packet that was pushed. `accepted`: it waits, or a packet with its number does already. `late`: its turn is
 * over. `evicted`: it waits, and the packet that is first in order no longer does; that may be the same one.
 */
export type JitterPushed =
  { readonly type: 'accepted' } | { readonly type: 'late' } | ({ readonly type: 'evicted' } & Buffered)

/**
 * The jitter buffer of the published bindings: packets of each source in order, without a clock. {@link Playout} plays them
 * in time.
 *
 * @example
 * ```ts
 * using buffer = JitterBuffer.create({ capacity: 16 })
 * buffer.push(700, { sequence: 1, frame: opus })
 * const next = buffer.popInOrder(700) ?? buffer.popForce(700)
 * ```
 */
export class JitterBuffer implements Disposable {
  readonly #native: NativeJitterBuffer
  readonly #clock: () => number

  private constructor(made: NativeJitterBuffer, clock: () => number) {
    this.#native = made
    this.#clock = clock
  }

  /**
   * A buffer for up to `capacity` packets of each source, 4096 at the most.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  static create(options: ClockOptions & { readonly capacity: number }): JitterBuffer {
    const { capacity, clock } = check.options(options)
    const made = unwrap(native.NativeJitterBuffer.create(check.u32(capacity, 'capacity')))
    return new JitterBuffer(made, check.clock(clock))
  }

  /**
   * Takes a packet of a source. The time serves only to find sources that were silent for long.
   *
   * @throws {@link CoterieError} `WIRE_TOO_LARGE`, `GAP_TOO_MANY_SOURCES`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  push(source: number, packet: Buffered): JitterPushed {
    const { sequence, frame } = check.record(packet, 'packet')
    const number = sequenceOf(sequence, 'packet.sequence')
    const audio = check.bytes(frame, 'packet.frame')
    return unwrap(this.#native.push(check.u32(source, 'source'), number, audio, check.time(this.#clock)))
  }

  /**
   * The next packet of a source, if it is the one whose turn it is. The first is whatever comes first.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  popInOrder(source: number): Buffered | undefined {
    return unwrap(this.#native.popInOrder(check.u32(source, 'source'))) ?? undefined
  }

  /**
   * The next packet of a source, whatever is missing before it.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  popForce(source: number): Buffered | undefined {
    return unwrap(this.#native.popForce(check.u32(source, 'source'))) ?? undefined
  }

  /**
   * How many packets of a source wait.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  lengthFor(source: number): number {
    return unwrap(this.#native.lengthFor(check.u32(source, 'source')))
  }

  /**
   * Forgets every source.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  clear(): void {
    unwrap(this.#native.clear())
  }

  /** Lets go of everything. Closing twice is fine. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
