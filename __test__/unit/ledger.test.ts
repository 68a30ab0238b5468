/** docs/ledger.md: nothing in it failed, and its totals are the sums of its lines. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { describe, expect, it } from 'vitest'

const ledger = readFileSync(fileURLToPath(new URL('../../docs/ledger.md', import.meta.url)), 'utf8')

/** The rows of the table below a heading, by the names of their columns. */
function tableOf(heading: string): Record<string, string>[] {
  const [, part = ''] = ledger.split(`\n## ${heading}\n`)
  const lines =
    part
      .split('\n## ')[0]
      ?.split('\n')
      .filter((line) => line.startsWith('|')) ?? []
  const [names = [], , ...rows] = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  return rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index] ?? ''])))
}

const number = (cell: string | undefined) => {
  const digits = (cell ?? '').replaceAll(',', '')
  if (!/^\d+$/.test(digits)) throw new Error(`not a number: ${cell}`)
  return Number(digits)
}

const sum = (rows: Record<string, string>[], column: string) =>
  rows.reduce((total, row) => total + number(row[column]), 0)

const [totals, runs] = [tableOf('Totals'), tableOf('Runs')]

describe('the ledger of long runs', () => {
  it('names every run in its totals', () => {
    expect(totals.length).toBeGreaterThan(0)
    expect(new Set(runs.map((run) => run['What']))).toEqual(new Set(totals.map((total) => total['What'])))
  })

  it.each(totals.map((total) => [total['What'], total] as const))('adds up: %s', (what, total) => {
    const lines = runs.filter((run) => run['What'] === what)
    expect({ tried: number(total['Tried']), failed: number(total['Failed']) }).toEqual({
      tried: sum(lines, 'Tried'),
      failed: sum(lines, 'Failed'),
    })
    expect(number(total['Failed'])).toBe(0)
    expect(number(total['Wanted'])).toBeGreaterThan(0)
  })

  it('names a day and a command for each run', () => {
    for (const run of runs) {
      expect(run['Date']).toMatch(/^\d{4}-\d\d-\d\d$/)
      expect(run['Command']).toMatch(/^`[^`]+`$/)
    }
  })
})
