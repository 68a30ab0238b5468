/** Frames one behind the other, so that many cross the boundary at once. */
import { CoterieError } from '../errors.js'
import { lengthOf } from '../internal/arguments.js'

export interface Packed {
  readonly bytes: Uint8Array
  readonly lengths: Uint32Array
}

/** @internal */
export function pack(frames: readonly Uint8Array[]): Packed {
  const lengths = Uint32Array.from(frames, lengthOf)
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let start = 0
  for (const [index, frame] of frames.entries()) {
    bytes.set(frame, start)
    start += lengths[index] ?? 0
  }
  return { bytes, lengths }
}

/** @internal Each part with its own memory, so that keeping one does not keep all. */
export function unpack(bytes: Uint8Array, lengths: Uint32Array): Uint8Array[] {
  let start = 0
  return Array.from(lengths, (length) => {
    const part = bytes.slice(start, start + length)
    start += length
    return part
  })
}

/** @internal The fields of a batch, each read once. Not by a proxy: this is done for every few frames. */
export function read<Batch, Fields>(batch: Batch, fields: (batch: Batch) => Fields): Fields {
  try {
    return fields(batch)
  } catch (cause) {
    throw new CoterieError('INVALID_ARGUMENT', 'batch could not be read', { cause })
  }
}
