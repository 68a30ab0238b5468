import { toError, unwrap } from '../errors.js'
import { ownSource } from '../gap/packet.js'
import type { Played } from '../gap/playout.js'
import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import type { NativeFailure } from '../native.js'
import { codec, type PayloadCodec } from './codec.js'
import type { NodeCore } from './node-core.js'
import { toNativeTarget, type Target } from './parcel.js'

/** Audio that is to be sent. */
export interface AudioInit {
  /** When it was recorded, in samples at 48 kHz. It goes on during silence. */
  readonly timestamp: bigint
  /** An Opus frame of up to 8192 bytes. */
  readonly frame: Uint8Array
  /** Which of this member's sources; {@link ownSource} gives numbers that no other member takes, and the first is meant where nothing is said. */
  readonly source?: number
  /** How the packet is encoded; in CBOR where nothing is said. */
  readonly codec?: PayloadCodec
}

/** Audio of a {@link GroupNode}, which has one as `node.audio`. Nothing of it is stored, and nothing of it waits. */
export class GroupAudio {
  readonly #core: NodeCore
  readonly #member: number

  /** @internal */
  constructor(core: NodeCore, member: number) {
    this.#core = core
    this.#member = member
  }

  /**
   * Sends a packet; false while this member is muted. While the node works at something else, which takes some milliseconds,
   * the packet takes its turn behind that; should it fail then, an event of type `audio-failed` tells.
   *
   * @throws {@link CoterieError} `GBP_NOT_ACTIVE`, `GSP_UNAUTHORIZED`, `GAP_TOO_MANY_SOURCES`, `WIRE_TOO_LARGE`, `BUSY`,
   * `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  send(audio: AudioInit, options?: { readonly to?: Target }): boolean {
    const { timestamp, frame, source = ownSource(this.#member), codec: name } = check.record(audio, 'audio')
    const out = {
      target: toNativeTarget(check.options(options).to),
      source: check.u32(source, 'audio.source'),
      timestamp: check.u64(timestamp, 'audio.timestamp'),
      frame: check.bytes(frame, 'audio.frame'),
      codec: codec(name),
    }
    const answer = this.#core.native.sendAudio(out, this.#core.now())
    if (answer instanceof Promise) {
      void answer.then((late) => this.#sentLate(late))
      return true
    }
    const sent = unwrap(answer)
    if (sent) this.#core.frames.wake()
    return sent
  }

  /**
   * What is due, for each source in its order: at most the last 200 milliseconds of it. Nothing while the node works at
   * something else; that is due at the next call.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  play(): Played[] {
    return unwrap(this.#core.native.play(this.#core.now()))
  }

  /** When {@link GroupAudio.play} wants to be called, in milliseconds since 1970; undefined while everybody is silent. */
  get nextPlay(): number | undefined {
    return this.#core.view.nextPlay
  }

  /**
   * What is to be played, when it is due. It ends when the node is closed.
   *
   * @example
   * ```ts
   * for await (const step of node.audio.playout({ signal })) {
   *   if (step.type === 'packet') console.log(step.track.member, step.frame)
   * }
   * ```
   *
   * @throws {@link CoterieError} Whatever `signal` says.
   */
  async *playout(options?: AbortOptions): AsyncGenerator<Played, undefined, undefined> {
    while (!this.#core.isClosed) {
      yield* this.play()
      await this.#core.changed(options, this.nextPlay)
    }
    return undefined
  }

  #sentLate(answer: boolean | NativeFailure): void {
    this.#core.settle()
    if (typeof answer === 'boolean') return
    const error = toError(answer)
    if (error.code !== 'HANDLE_CLOSED') this.#core.events.put({ type: 'audio-failed', error })
  }
}
