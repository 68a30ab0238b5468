/** The clients of text, audio and signals. */
import { CoterieError, unwrap } from '../errors.js'
import { bytes, lengthOf, text as checkedText, u32, upTo } from '../internal/arguments.js'
import {
  native,
  type NativeCompatAudio,
  type NativeCompatSignal,
  type NativeCompatText,
  type NativeFailure,
} from '../native.js'
import type { PayloadCodec, SignalType } from './enums.js'
import { contextOf, type GroupNode, lineOf, nodeOf, type OutboundFrame, toFrame } from './group-node.js'
import { buffer, CBOR, Closable, Handle, wide } from './handle.js'
import type { MlsContext } from './mls-context.js'
import { numbers, report, roomFor, taken } from './room.js'

const MAX_CODEC = 2
const MAX_BYTE = 255

/** Bytes of UTF-8 that a unit of a string can become. */
const UNIT = 3

/** A frame is never so much longer than its text. */
const OVERHEAD = 512

/** No frame is longer: what does not fit is refused whatever room there is. */
const MAX_FRAME = 2 ** 20

const READ_AS_UTF8 = 1
const READ_AS_ASCII = 2

/** What came of a text payload. */
export interface GtpAcceptResult {
  /** `new`, `duplicate` or `error`. */
  status: string
  /** Who says to have sent it. */
  sender?: number
  /** Its number among its sender's. */
  messageId?: bigint
  /** What it says; `<binary>` where that is no UTF-8. */
  text?: string
  /** Its content as it came. */
  content?: Buffer
  /** What its content is: 0 text, 1 Markdown, 2 binary, 3 an attachment's manifest. */
  contentType?: number
  /** Its flags. */
  flags?: number
  /** When it was sent, as its sender says; 0 from published peers. */
  timestampMs?: bigint
  /** Connects a request with its answer. */
  requestId?: number
  /** Why it was refused. */
  reason?: string
}

/** What came of an audio payload. */
export interface GapAcceptResult {
  /** `new`, `late` or `error`. */
  status: string
  /** Its source. */
  source?: number
  /** Its number in its source. */
  seq?: number
  /** How long the frame is. */
  bytes?: number
  /** The frame. */
  opus?: Buffer
  /** When it was recorded, in samples. */
  rtpTimestamp?: bigint
  /** The low half of its epoch. */
  keyPhase?: number
  /** Why it was refused. */
  reason?: string
}

/** What came of a signal payload. */
export interface GspAcceptResult {
  /** `new`, `duplicate` or `error`. */
  status: string
  /** The signal by name, like `MUTE`. */
  signal?: string
  /** The signal by number. */
  signalCode?: SignalType
  /** Who says to have given it. */
  sender?: number
  /** The role that the sender says to act in. */
  roleClaim?: number
  /** Names it among its sender's. */
  requestId?: number
  /** Its arguments as they came; empty where there are none. */
  args?: Buffer
  /** Why it was refused. */
  reason?: string
}

function isRefused(answer: object): answer is NativeFailure {
  return (answer as Partial<NativeFailure>).failed === true
}

/** A refused payload is a result; a defect of ours is an error. */
function refusal(failure: NativeFailure): { status: string; reason: string } {
  if (failure.code === 'INTERNAL') unwrap(failure)
  return { status: 'error', reason: failure.message }
}

function payload(plaintext: Buffer, currentEpoch: bigint | number, codec: PayloadCodec) {
  return {
    plaintext: bytes(plaintext, 'plaintext'),
    epoch: wide(currentEpoch, 'currentEpoch'),
    codec: upTo(MAX_BYTE, codec, 'codec'),
    now: Date.now(),
  }
}

function sending(target: number, codec: PayloadCodec) {
  return { target: u32(target, 'target'), codec: upTo(MAX_CODEC, codec, 'codec') }
}

/** Content as text, by how native code says that it can be read. */
function shown(content: Buffer, reading: number | undefined): string {
  if (reading === READ_AS_ASCII) return content.toString('latin1')
  return reading === READ_AS_UTF8 ? content.toString() : '<binary>'
}

/** The message that was reported. By index: an iterator would cost more than the call. */
function reported(content: Buffer): GtpAcceptResult {
  return {
    status: numbers[6] === 1 ? 'new' : 'duplicate',
    sender: numbers[2],
    messageId: report[0],
    timestampMs: report[1],
    requestId: numbers[3],
    flags: numbers[4],
    contentType: numbers[5],
    text: shown(content, numbers[7]),
    content,
  }
}

/** Text. */
export class GtpClient extends Closable {
  readonly #handle: Handle<NativeCompatText>
  readonly #accept: ReturnType<NativeCompatText['accepter']>

  private constructor(client: NativeCompatText) {
    const handle = new Handle(client, 'text client')
    super(handle)
    this.#handle = handle
    this.#accept = client.accepter()
  }

  /** A client that has seen nothing. */
  static create(): GtpClient {
    return new GtpClient(unwrap(native.NativeCompatText.create()))
  }

  /** Seals a text under a number that the caller chooses, unique among the sender's in an epoch. */
  send(
    node: GroupNode,
    mls: MlsContext,
    target: number,
    messageId: bigint,
    text: string,
    codec: PayloadCodec = CBOR,
  ): OutboundFrame {
    u32(target, 'target')
    const format = upTo(MAX_CODEC, codec, 'codec')
    const id = wide(messageId, 'messageId')
    const said = wellFormed(checkedText(text, 'text'))
    this.#handle.get()
    const { seal } = lineOf(node, mls)
    const room = roomFor(Math.min(said.length * UNIT + OVERHEAD, MAX_FRAME))
    const length = unwrap(seal(id, said, format, room))
    return { target, wire: taken(room, length) }
  }

  /** Takes a payload of the text stream. */
  accept(plaintext: Buffer, currentEpoch: bigint | number, codec: PayloadCodec = CBOR): GtpAcceptResult {
    this.#handle.get()
    const given = bytes(plaintext, 'plaintext')
    const epoch = wide(currentEpoch, 'currentEpoch')
    const format = upTo(MAX_BYTE, codec, 'codec')
    const room = roomFor(lengthOf(given))
    const length = this.#accept(given, epoch, format, room, report)
    return typeof length === 'number' ? reported(taken(room, length)) : refusal(length)
  }

  /** Forgets what was seen. */
  reset(): void {
    unwrap(this.#handle.get().reset())
  }
}

/** What UTF-8 cannot hold must not be sent as something else. */
function wellFormed(text: string): string {
  if (text.isWellFormed()) return text
  throw new CoterieError('INVALID_ARGUMENT', 'text must be well-formed Unicode')
}

/** Audio. */
export class GapClient extends Closable {
  readonly #handle: Handle<NativeCompatAudio>

  private constructor(client: NativeCompatAudio) {
    const handle = new Handle(client, 'audio client')
    super(handle)
    this.#handle = handle
  }

  /** A client that has sent and seen nothing. */
  static create(): GapClient {
    return new GapClient(unwrap(native.NativeCompatAudio.create()))
  }

  /** Seals an audio frame. */
  send(
    node: GroupNode,
    mls: MlsContext,
    target: number,
    mediaSourceId: number,
    rtpTimestamp: bigint,
    opus: Buffer,
    codec: PayloadCodec = CBOR,
  ): OutboundFrame {
    const order = {
      ...sending(target, codec),
      source: u32(mediaSourceId, 'mediaSourceId'),
      timestamp: wide(rtpTimestamp, 'rtpTimestamp'),
      frame: bytes(opus, 'opus'),
    }
    return toFrame(unwrap(this.#handle.get().send(nodeOf(node), contextOf(mls), order)))
  }

  /** Takes a payload of the audio stream. */
  accept(plaintext: Buffer, currentEpoch: bigint | number, codec: PayloadCodec = CBOR): GapAcceptResult {
    const heard = this.#handle.get().accept(payload(plaintext, currentEpoch, codec))
    if (isRefused(heard)) return refusal(heard)
    const { isNew, opus, ...rest } = heard
    return { status: isNew ? 'new' : 'late', ...rest, bytes: opus.byteLength, opus: buffer(opus) }
  }

  /** Forgets what was sent and seen. */
  reset(): void {
    unwrap(this.#handle.get().reset())
  }
}

/** Signals. Whether their senders may give them is not asked. */
export class GspClient extends Closable {
  readonly #handle: Handle<NativeCompatSignal>

  private constructor(client: NativeCompatSignal) {
    const handle = new Handle(client, 'signal client')
    super(handle)
    this.#handle = handle
  }

  /** A client that has seen nothing. */
  static create(): GspClient {
    return new GspClient(unwrap(native.NativeCompatSignal.create()))
  }

  /** Seals a signal that has no arguments. */
  send(
    node: GroupNode,
    mls: MlsContext,
    target: number,
    signal: SignalType,
    roleClaim: number,
    requestId: number,
    codec: PayloadCodec = CBOR,
  ): OutboundFrame {
    return this.sendWithArgs(node, mls, target, signal, roleClaim, requestId, Buffer.alloc(0), codec)
  }

  /** Seals a signal with its arguments, a CBOR map. */
  sendWithArgs(
    node: GroupNode,
    mls: MlsContext,
    target: number,
    signal: SignalType,
    roleClaim: number,
    requestId: number,
    args: Buffer,
    codec: PayloadCodec = CBOR,
  ): OutboundFrame {
    const order = {
      ...sending(target, codec),
      signal: u32(signal, 'signal'),
      roleClaim: u32(roleClaim, 'roleClaim'),
      request: u32(requestId, 'requestId'),
      args: bytes(args, 'args'),
    }
    return toFrame(unwrap(this.#handle.get().send(nodeOf(node), contextOf(mls), order)))
  }

  /** Takes a payload of the signal stream. */
  accept(plaintext: Buffer, currentEpoch: bigint | number, codec: PayloadCodec = CBOR): GspAcceptResult {
    const heard = this.#handle.get().accept(payload(plaintext, currentEpoch, codec))
    if (isRefused(heard)) return refusal(heard)
    const { isNew, args, ...rest } = heard
    return { status: isNew ? 'new' : 'duplicate', ...rest, args: buffer(args) }
  }

  /** Forgets what was seen. */
  reset(): void {
    unwrap(this.#handle.get().reset())
  }
}
