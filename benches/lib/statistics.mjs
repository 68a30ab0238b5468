export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A process's samples become their median; the rounds' medians become these three. */
export function spread(rounds) {
  const values = rounds.map(median)
  return { min: Math.min(...values), median: median(values), max: Math.max(...values) }
}
