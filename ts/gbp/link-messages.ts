/**
 * What goes over the links of a network: who is at an end, and frames with whom they are for.
 *
 * | first byte | then                                       |
 * | ---------- | ------------------------------------------ |
 * | 1, hello   | 1, the version; the member's number; 1 where it forwards |
 * | 2, ready   | nothing                                    |
 * | 3, frame   | its class; the number of whom it is for, 0 for all; the frame |
 *
 * Numbers have four bytes, the lowest first. Nothing here is authenticated but by the link: frames are by themselves, and
 * the rest says only which way they go.
 */

import { STREAM_CLASSES, type StreamClass } from './codec.js'

/** Who is at the other end of a link. */
export interface Hello {
  readonly type: 'hello'
  readonly member: number
  readonly forwards: boolean
}

/** A message between two ends. */
export type LinkMessage = Hello | { readonly type: 'ready' } | FrameMessage

/** A frame, and which way it goes. */
export interface FrameMessage {
  readonly type: 'frame'
  readonly streamClass: StreamClass
  readonly to: number
  readonly bytes: Uint8Array
}

const [HELLO, READY, FRAME] = [1, 2, 3]
const VERSION = 1
const HELLO_LENGTH = 7
const FRAME_HEAD = 6

/** What says that frames may come. */
export const READY_MESSAGE = Uint8Array.of(READY)

/** What says who this end is. */
export function encodeHello(member: number, forwards: boolean): Uint8Array {
  const message = new Uint8Array(HELLO_LENGTH)
  message.set([HELLO, VERSION])
  new DataView(message.buffer).setUint32(2, member, true)
  message[HELLO_LENGTH - 1] = forwards ? 1 : 0
  return message
}

/** What carries a frame to a member, or to all by the number 0. */
export function encodeFrameMessage(streamClass: StreamClass, to: number, frame: Uint8Array): Uint8Array {
  const message = new Uint8Array(FRAME_HEAD + frame.length)
  message.set([FRAME, STREAM_CLASSES.indexOf(streamClass)])
  new DataView(message.buffer).setUint32(2, to, true)
  message.set(frame, FRAME_HEAD)
  return message
}

/** The message in bytes that came, if they are one. */
export function decodeLinkMessage(bytes: Uint8Array): LinkMessage | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [first, second = 0] = bytes
  if (first === READY && bytes.length === 1) return { type: 'ready' }
  if (first === FRAME && bytes.length > FRAME_HEAD) {
    const streamClass = STREAM_CLASSES[second]
    const frame = bytes.subarray(FRAME_HEAD)
    return streamClass && { type: 'frame', streamClass, to: view.getUint32(2, true), bytes: frame }
  }
  if (first !== HELLO || bytes.length !== HELLO_LENGTH || second !== VERSION) return undefined
  const [member, forwards] = [view.getUint32(2, true), bytes[HELLO_LENGTH - 1]]
  if (member === 0 || forwards === undefined || forwards > 1) return undefined
  return { type: 'hello', member, forwards: forwards === 1 }
}
