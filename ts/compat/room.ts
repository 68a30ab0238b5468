/**
 * What frames go through on their way across the boundary: room that native code writes into and that is copied from.
 *
 * Nobody else has it, so nobody can take it away while it is in use; and nothing of the caller's lies in it.
 */

/** Enough for all frames but the rare large one, which gets room of its own. */
const COMMON = 64 * 1024

/** More than a list that the engine would keep among its own objects, and move. */
const REPORT = 128

const common = Buffer.allocUnsafeSlow(COMMON)
const memory = new ArrayBuffer(REPORT)

/** What native code has to say beside bytes. */
export const report = new BigUint64Array(memory)

/** The same memory, where it is about numbers that are no bigints. */
export const numbers = new Float64Array(memory)

/** Room for so many bytes. */
export function roomFor(length: number): Buffer {
  return length <= COMMON ? common : Buffer.allocUnsafeSlow(length)
}

/** What was written to the front of `room`, for the caller to keep. */
export function taken(room: Buffer, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  room.copy(bytes, 0, 0, length)
  return bytes
}
