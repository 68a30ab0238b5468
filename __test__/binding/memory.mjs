/** Whether equal passes of the same work leave native memory behind; for programs run with `node --expose-gc`. */

/** Turns of the event loop in which finalizers run and what they let go of is collected in its turn. */
const TURNS = 10

/** What is resident once all that can be collected is, less what V8 has set aside for JavaScript. */
async function nativeMemory() {
  for (let turn = 0; turn < TURNS; turn += 1) {
    gc()
    await new Promise(setImmediate)
  }
  const { rss, heapTotal } = process.memoryUsage()
  return rss - heapTotal
}

/**
 * Repeats `pass` in windows until two windows in a row held no more than the one before, as far as `limit` bytes a
 * window. Resident memory moves in steps of a mebibyte or two for reasons of the allocator's and of V8's own, so one
 * step says nothing; a leak goes on for ever, and never lets two windows be quiet.
 *
 * @param pass - One pass of the work; each is given its number.
 * @param options - `warmUp` passes are not looked at, a window has `window` passes, and after `windows` of them it
 *   is over. A leak of `limit / window` bytes a pass is found.
 * @returns The least that was held in each window, in bytes, and whether that settled.
 */
export async function settle(pass, { warmUp, window, windows = 10, limit }) {
  const floors = []
  let [number, quiet] = [0, 0]
  for (; number < warmUp; number += 1) await pass(number)
  while (floors.length < windows && quiet < 2) {
    let floor = Infinity
    for (let index = 0; index < window; index += 1, number += 1) {
      await pass(number)
      floor = Math.min(floor, await nativeMemory())
    }
    const before = floors.at(-1) ?? Infinity
    floors.push(floor)
    if (before !== Infinity) quiet = floor - before < limit ? quiet + 1 : 0
  }
  return { floors, passes: number, settled: quiet === 2 }
}
