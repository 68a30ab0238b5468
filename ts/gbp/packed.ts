/**
 * What native code hands over by the dozen, as one run of bytes: `crates/node/src/stack/packed.rs` writes it and says how.
 * Whatever is handed on has bytes of its own.
 */
import { Buffer } from 'node:buffer'

import { CONTENT_TYPES } from '../gtp/message.js'
import type { NativeTakenEvents, NativeTakenParcels } from '../native.js'
import { PAYLOAD_CODECS, STREAM_CLASSES } from './codec.js'
import { toNodeEvent, type GroupNodeEvent, type TextEvent } from './node-events.js'
import type { Parcel } from './parcel.js'

const ADMISSION = 0xff
const EVERYBODY = 0
const PARCEL_HEAD = 9

const OTHER = 0
const TEXT_HEAD = 52
const WELL_FORMED = 0x80

/** The length of what has an array of its own beside the run. */
const APART = 0xffff_ffff

/** Bytes under way, and how far they are read. */
interface Run {
  readonly packed: Uint8Array
  /** The same memory, from which text is read. */
  readonly bytes: Buffer
  readonly view: DataView
  at: number
  readonly apart: readonly Uint8Array[]
  /** How many of those are read. */
  taken: number
}

/** @internal The parcels that were taken, in their order. */
export function unpackParcels({ packed, apart }: NativeTakenParcels): Parcel[] {
  const [run, parcels] = [runOf(packed, apart), [] as Parcel[]]
  while (run.at < packed.length) parcels.push(parcel(run))
  return parcels
}

/** @internal The events that were taken, in their order. */
export function unpackEvents({ items, packed, apart }: NativeTakenEvents): GroupNodeEvent[] {
  if (packed === undefined) return items.map(toNodeEvent)
  const [run, events] = [runOf(packed, apart), [] as GroupNodeEvent[]]
  let others = 0
  while (run.at < packed.length) {
    if (packed[run.at] === OTHER) {
      const other = items[others]
      if (other !== undefined) events.push(toNodeEvent(other))
      others += 1
      run.at += 1
    } else events.push(text(run))
  }
  return events
}

function runOf(packed: Uint8Array, apart: readonly Uint8Array[] = []): Run {
  const { buffer, byteOffset, length } = packed
  const view = new DataView(buffer, byteOffset, length)
  return { packed, bytes: bufferOf(packed), view, at: 0, apart, taken: 0 }
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}

function parcel(run: Run): Parcel {
  const { view, at } = run
  const [target, place] = [view.getUint32(at, true), view.getUint8(at + 4)]
  const bytes = bytesBehind(run, PARCEL_HEAD)
  const streamClass = STREAM_CLASSES[place]
  if (streamClass === undefined || place === ADMISSION) return { type: 'admission', to: target, bytes }
  return { type: 'frame', to: target === EVERYBODY ? 'all' : target, streamClass, bytes }
}

function text(run: Run): TextEvent {
  const { view, at } = run
  const [type, form] = [view.getUint8(at + 2), view.getUint8(at + 3)]
  const relayedBy = view.getUint32(at + 44, true)
  const content = bytesBehind(run, TEXT_HEAD)
  const isText = (form & WELL_FORMED) !== 0
  return {
    type: 'text',
    id: view.getBigUint64(at + 8, true),
    message: {
      id: view.getBigUint64(at + 16, true),
      sender: view.getUint32(at + 4, true),
      sentAt: view.getBigUint64(at + 24, true),
      requestId: view.getUint32(at + 40, true),
      flags: view.getUint8(at + 1),
      contentType: CONTENT_TYPES[type] ?? type,
      content,
      text: isText ? textOf(run, at + TEXT_HEAD, content) : undefined,
    },
    epoch: view.getBigUint64(at + 32, true),
    codec: PAYLOAD_CODECS[form & ~WELL_FORMED] ?? 'cbor',
    relayedBy: relayedBy === EVERYBODY ? undefined : relayedBy,
  }
}

/** What stands behind a head that ends with its length; the run goes on behind it. */
function bytesBehind(run: Run, head: number): Uint8Array {
  const begin = run.at + head
  const length = run.view.getUint32(begin - 4, true)
  if (length === APART) {
    run.at = begin
    run.taken += 1
    return run.apart[run.taken - 1] ?? new Uint8Array()
  }
  run.at = begin + length
  // Of a `Buffer` this would share the memory.
  return run.packed.slice(begin, run.at)
}

/** What is UTF-8, and stands between `begin` and where the run goes on, or apart. */
function textOf(run: Run, begin: number, content: Uint8Array): string {
  if (run.at === begin) return bufferOf(content).toString('utf8')
  return run.bytes.toString('utf8', begin, run.at)
}
