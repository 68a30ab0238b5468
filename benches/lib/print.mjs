/** Rows for people. */

export function printSuite({ name, title }, rows) {
  console.log(`\n${title}\n  npm run bench -- --only ${name}\n`)
  const table = [
    ['goal', 'what', 'n', 'ours (min–max)', 'peer', 'peer (min–max)', 'ratio', 'must', 'aim', 'held'],
    ...rows.map(cells),
  ]
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)))
  for (const line of table) {
    console.log(
      `  ${line
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd()}`,
    )
  }
  for (const { what, note } of rows) if (note) console.log(`  ${what}: ${note}`)
}

export function printSummary(rows) {
  const gated = rows.filter(({ must }) => must !== null)
  const failed = gated.filter((each) => each.held === false)
  const unknown = gated.filter((each) => each.held === null)
  console.log(`\n${gated.length - failed.length - unknown.length} of ${gated.length} musts held.`)
  for (const each of failed) console.log(`  falls short: ${cells(each).join('  ')}`)
  for (const each of unknown) console.log(`  not measured: ${cells(each).join('  ')}`)
}

function cells(row) {
  const sign = row.bounds === 'at least' ? '≥ ' : '≤ '
  const bound = (value) => (value === null ? '' : `${sign}${value}`)
  return [
    row.goal ?? '',
    row.what,
    row.size === null ? '' : String(row.size),
    figure(row.ours, row.oursMin, row.oursMax, row.unit),
    row.peerName ?? '',
    figure(row.peer, row.peerMin, row.peerMax, row.unit),
    row.ratio === null ? '' : `${short(row.ratio)}×`,
    bound(row.must),
    bound(row.aim),
    verdict(row),
  ]
}

function verdict({ must, aim, held, aimed }) {
  if (must === null && aim === null) return ''
  if (held === false) return 'NO'
  if (held === null && must !== null) return '?'
  if (aimed) return 'aim'
  return must === null ? 'not the aim' : 'yes'
}

function figure(median, min, max, unit) {
  return median === null ? '–' : `${short(median)} ${unit} (${short(min)}–${short(max)})`
}

const short = (value) => {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3
  return value.toFixed(digits)
}
