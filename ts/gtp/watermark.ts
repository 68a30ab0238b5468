import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeWatermark } from '../native.js'

/** How far each sender's messages have been seen. */
export interface ReadonlyWatermark {
  /** How many senders are known. */
  readonly size: number
  /** The highest message of a sender, if one was seen. */
  lastSeen(sender: number): bigint | undefined
  /** The highest message of each sender. */
  snapshot(): Map<number, bigint>
}

/**
 * How far each sender's messages have been seen, by itself. {@link TextClient.watermark} is a client's own.
 *
 * @example
 * ```ts
 * using seen = new Watermark()
 * seen.observe(7, 3n)
 * for (const { message } of client.history.since(seen)) console.log(message?.text)
 * ```
 */
export class Watermark implements ReadonlyWatermark, Disposable {
  readonly #native: NativeWatermark = new native.NativeWatermark()

  /**
   * Takes note of a message; false where it is not the highest of its sender, or there are too many senders.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  observe(sender: number, id: bigint): boolean {
    return unwrap(this.#native.observe(check.u32(sender, 'sender'), check.u64(id, 'id')))
  }

  /**
   * The highest message of a sender, if one was seen.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  lastSeen(sender: number): bigint | undefined {
    return unwrap(this.#native.lastSeen(check.u32(sender, 'sender'))) ?? undefined
  }

  /**
   * The highest message of each sender.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  snapshot(): Map<number, bigint> {
    return new Map(unwrap(this.#native.entries()).map(({ sender, id }) => [sender, id]))
  }

  /** How many senders are known. */
  get size(): number {
    return unwrap(this.#native.size())
  }

  /**
   * Forgets everything.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  clear(): void {
    unwrap(this.#native.clear())
  }

  /** Lets go of it. Closing twice is fine. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  static is(value: object): value is Watermark {
    return #native in value
  }

  /** @internal */
  static nativeOf(value: unknown, name: string): NativeWatermark {
    return check.instance<Watermark>(value, Watermark.is, name).#native
  }
}
