import { bytes, record, u32, upTo } from '../internal/arguments.js'
import { buffer, refuse } from './handle.js'

/** An audio frame that waits to be played. */
export interface AudioFrame {
  /** Its source. */
  mediaSourceId: number
  /** Its number in its source, from 0 to 65,535. */
  rtpSequence: number
  /** The frame. */
  plaintext: Buffer
}

/** What became of a frame. */
export type JitterPushOutcome = 'accepted' | 'late' | 'evicted'

/** What became of a frame, and which one had to go for it. */
export interface JitterPushResult {
  /** What became of it. */
  outcome: JitterPushOutcome
  /** The frame that had to go; it can be the one that was pushed. */
  evicted?: AudioFrame
}

interface Source {
  waiting: AudioFrame[]
  next: number | undefined
}

const LAST = 0xffff
const COUNT = LAST + 1

/** How far `to` is ahead of `from`, across the wrap; negative where it is behind. */
function ahead(to: number, from: number): number {
  const distance = (to - from) & LAST
  return distance < COUNT / 2 ? distance : distance - COUNT
}

/** Puts the frames of each source in order. Numbers go on after 65,535 with 0. */
export class JitterBuffer {
  readonly #capacity: number
  readonly #sources = new Map<number, Source>()

  constructor(capacityPerSource: number) {
    this.#capacity = u32(capacityPerSource, 'capacityPerSource')
    if (capacityPerSource === 0) refuse('capacityPerSource must be above 0')
  }

  /** Takes a frame. One that is held already counts as accepted; the first copy stays. */
  push(frame: AudioFrame): JitterPushResult {
    const given = record(frame, 'frame')
    const sequence = upTo(LAST, given['rtpSequence'], 'rtpSequence')
    const mediaSourceId = u32(given['mediaSourceId'], 'mediaSourceId')
    const plaintext = buffer(bytes(given['plaintext'], 'plaintext'))
    const source = this.#source(mediaSourceId)
    if (source.next !== undefined && ahead(sequence, source.next) < 0) return { outcome: 'late' }
    const at = source.waiting.findLastIndex((held) => ahead(sequence, held.rtpSequence) >= 0)
    if (source.waiting[at]?.rtpSequence === sequence) return { outcome: 'accepted' }
    source.waiting.splice(at + 1, 0, { mediaSourceId, rtpSequence: sequence, plaintext })
    const evicted = source.waiting.length > this.#capacity ? source.waiting.shift() : undefined
    return evicted === undefined ? { outcome: 'accepted' } : { outcome: 'evicted', evicted }
  }

  #source(id: number): Source {
    const known = this.#sources.get(id)
    if (known !== undefined) return known
    const source: Source = { waiting: [], next: undefined }
    this.#sources.set(id, source)
    return source
  }

  /** The next frame of a source, if it is there. */
  popInOrder(mediaSourceId: number): AudioFrame | null {
    const source = this.#sources.get(mediaSourceId)
    const head = source?.waiting[0]
    const fits = source?.next === undefined || head?.rtpSequence === source.next
    return fits ? this.popForce(mediaSourceId) : null
  }

  /** The first frame of a source, whatever is missing before it. */
  popForce(mediaSourceId: number): AudioFrame | null {
    const source = this.#sources.get(mediaSourceId)
    const head = source?.waiting.shift()
    if (source === undefined || head === undefined) return null
    source.next = (head.rtpSequence + 1) & LAST
    return head
  }

  /** How many frames of a source wait. */
  lengthFor(mediaSourceId: number): number {
    return this.#sources.get(mediaSourceId)?.waiting.length ?? 0
  }

  /** Forgets all sources. */
  clear(): void {
    this.#sources.clear()
  }
}
