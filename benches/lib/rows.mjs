/** One measurement, held against a peer and a goal. */

/** What the table and `--json` show of times. */
export const UNITS = {
  ns: 1,
  B: 1,
  µs: 1e3,
  ms: 1e6,
  KiB: 1_024,
  MiB: 1_024 * 1_024,
}

/**
 * @param {object} given
 * @param {string} [given.goal] such as `P1`; none for a row that gates nothing
 * @param {{ min, median, max }} [given.ours] in nanoseconds or bytes; undefined where it could not be measured
 * @param {{ min, median, max }} [given.peer]
 * @param {'times as fast' | 'share of its time' | 'share of its memory' | 'itself'} given.measure what `ratio` is, and so which way the bounds
 *   look: speeds are at least a bound, times and the figure itself are at most
 */
export function row({ goal, suite, what, size, ours, peer, peerName, unit, measure, must, aim, note }) {
  const scale = UNITS[unit]
  const ratio = ratioOf(measure, ours, peer)
  const compared = measure === 'itself' ? ours && ours.median / scale : ratio
  const atLeast = measure === 'times as fast'
  const reaches = (bound) =>
    bound === undefined || compared === undefined ? null : atLeast ? compared >= bound : compared <= bound
  return {
    goal: goal ?? null,
    suite,
    what,
    size: size ?? null,
    ours: shown(ours?.median, scale),
    peer: shown(peer?.median, scale),
    peerName: peerName ?? null,
    unit,
    ratio: ratio ?? null,
    measure,
    bounds: atLeast ? 'at least' : 'at most',
    must: must ?? null,
    aim: aim ?? null,
    held: reaches(must),
    aimed: reaches(aim),
    oursMin: shown(ours?.min, scale),
    oursMax: shown(ours?.max, scale),
    peerMin: shown(peer?.min, scale),
    peerMax: shown(peer?.max, scale),
    note: note ?? null,
  }
}

function ratioOf(measure, ours, peer) {
  if (measure === 'itself' || !ours || !peer) return undefined
  return measure === 'times as fast' ? peer.median / ours.median : ours.median / peer.median
}

const shown = (value, scale) => (value === undefined ? null : Number((value / scale).toPrecision(5)))
