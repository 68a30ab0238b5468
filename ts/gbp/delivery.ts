/** What a network brings. */
import type { GroupNode } from './node.js'

/**
 * @internal Has a node take in frames that came together, as it finds room for them.
 *
 * @throws Why it cannot: those behind are lost then, as the first is.
 */
export async function receiveWhole(
  node: GroupNode,
  frames: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<void> {
  let taken = 0
  while (taken < frames.length) {
    // oxlint-disable-next-line no-await-in-loop -- until all are in
    await node.room({ signal })
    // oxlint-disable-next-line no-await-in-loop -- the same
    taken += await node.receiveAll(taken === 0 ? frames : frames.slice(taken))
  }
}
