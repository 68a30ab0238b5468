import { CoterieError } from '../errors.js'
import type { StreamClass } from './codec.js'
import { framesOf, type Link, type LinkReader } from './link.js'
import { decodeLinkMessage, READY_MESSAGE, type FrameMessage, type Hello } from './link-messages.js'

/** Frames of one class that may be on their way over one link: the link itself holds more, of all classes. */
const MAX_UNDER_WAY = 64

/** @internal One link of a network: what it takes, and how it ends. */
export class Attachment {
  readonly link: Link
  readonly #patience: number
  readonly #frames: LinkReader
  readonly #stop = new AbortController()
  readonly #underWay = new Map<StreamClass, number>()
  readonly #settle: { resolve: (reason: CoterieError | undefined) => void }
  #waiting: (() => void)[] = []
  /** Whether the other end knows who this one is. */
  #isOpen = false
  #reason: CoterieError | undefined
  /** Resolves with why it ended; with nothing, where either side has closed. */
  readonly ended: Promise<CoterieError | undefined>

  constructor(link: Link, patience: number) {
    this.link = link
    this.#patience = patience
    this.#frames = framesOf(link, this.#stop.signal)
    let settle: ((reason: CoterieError | undefined) => void) | undefined
    this.ended = new Promise((resolve) => {
      settle = resolve
    })
    this.#settle = { resolve: (reason) => settle?.(reason) }
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Does what attaching takes, for no longer than patience and `signal` allow. */
  async within<Value>(signal: AbortSignal | undefined, work: () => Promise<Value>): Promise<Value> {
    const abort = () => {
      this.#stop.abort(signal?.reason)
      this.#tell()
    }
    const timer = setTimeout(() => {
      this.end(stalled())
    }, this.#patience)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await work()
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Tells the other end who this one is, and hears who that is. */
  async greet(hello: Uint8Array): Promise<Hello> {
    await this.link.send(hello, 'control', { signal: this.signal })
    const { value } = await this.#frames.next()
    if (value === undefined) throw endedEarly()
    const message = decodeLinkMessage(value.bytes)
    if (message?.type !== 'hello') throw malformed('no hello')
    return message
  }

  /** Says that frames may come, and resolves when the other end has said it. Until then, frames wait. */
  async open(): Promise<void> {
    await this.link.send(READY_MESSAGE, 'control', { signal: this.signal })
    while (!this.#isOpen) {
      if (this.signal.aborted) throw (this.#reason ?? this.signal.reason) as Error
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** The frames that come, those together that came together, until either side ends. */
  async *frames(): AsyncGenerator<FrameMessage[], void> {
    for await (const received of this.#frames.together()) {
      const frames: FrameMessage[] = []
      const isFine = received.every(({ bytes }) => this.#note(decodeLinkMessage(bytes), frames))
      if (frames.length > 0) yield frames
      if (!isFine) throw malformed('what is no frame')
    }
    if (!this.#isOpen) throw endedEarly()
  }

  /** False, where it is nothing that may come. */
  #note(message: ReturnType<typeof decodeLinkMessage>, frames: FrameMessage[]): boolean {
    if (message?.type === 'frame') frames.push(message)
    else if (message?.type === 'ready' && !this.#isOpen) {
      this.#isOpen = true
      this.#tell()
    } else return false
    return true
  }

  /** Resolves when a frame of this class is worth sending; an end that takes nothing for too long is given up. */
  async room(streamClass: StreamClass): Promise<void> {
    if (streamClass === 'audio' || this.#hasRoom(streamClass)) return
    const timer = setTimeout(() => {
      this.end(stalled())
    }, this.#patience)
    while (!this.signal.aborted && !this.#hasRoom(streamClass)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
      timer.refresh()
    }
    clearTimeout(timer)
  }

  /** Sends without waiting, and answers whether the link takes it. */
  put(message: Uint8Array, streamClass: StreamClass): Promise<boolean> {
    if (this.signal.aborted || !this.#isOpen) return Promise.resolve(false)
    this.#count(streamClass, 1)
    return this.link
      .send(message, streamClass)
      .then(() => true)
      .catch((error: unknown) => {
        if (!isPassing(error)) this.end(toReason(error))
        return false
      })
      .finally(() => {
        this.#count(streamClass, -1)
        this.#tell()
      })
  }

  /** Carries nothing more. The link is closed by whoever ends it. */
  end(reason?: CoterieError): void {
    if (!this.signal.aborted) this.#reason = reason
    this.#stop.abort(reason)
    this.#tell()
    this.#settle.resolve(reason)
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #hasRoom(streamClass: StreamClass): boolean {
    return this.#isOpen && (this.#underWay.get(streamClass) ?? 0) < MAX_UNDER_WAY
  }

  #count(streamClass: StreamClass, change: 1 | -1): void {
    this.#underWay.set(streamClass, (this.#underWay.get(streamClass) ?? 0) + change)
  }
}

/** Whether only the frame failed, and the link goes on. */
function isPassing(error: unknown): boolean {
  return CoterieError.is(error) && (error.code === 'LINK_TOO_LONG' || error.code === 'BUSY')
}

/** @internal Why a link ended; that this side has closed it is no reason. */
export function toReason(error: unknown): CoterieError | undefined {
  if (!CoterieError.is(error)) return new CoterieError('INTERNAL', 'a link failed', { cause: error })
  return error.code === 'LINK_CLOSED' ? undefined : error
}

/** @internal */
export function malformed(what: string): CoterieError {
  return new CoterieError('LINK_MALFORMED', `the peer sent ${what}`)
}

function endedEarly(): CoterieError {
  return new CoterieError('LINK_LOST', 'the peer ended before it was attached')
}

function stalled(): CoterieError {
  return new CoterieError('LINK_STALLED', 'the peer took nothing, or said nothing, for too long')
}
