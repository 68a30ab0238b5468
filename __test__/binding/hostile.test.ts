import { describe, expect, it } from 'vitest'

import { answerOf, inMebibytes, runProgram, type Memory } from './child.js'

const SEED = Number(process.env['COTERIE_SEED'] ?? 20_251_121)
/** Of each layer, no two alike but by chance; together a hundred thousand. */
const CALLS = 50_000
/** For memory: every pass makes the same calls. */
const PASS = 5_000
const MINUTES = 60_000

interface Report {
  readonly calls: number
  readonly values: number
  readonly failures: Record<string, number>
  readonly thrown: Record<string, number>
  readonly violations: string[]
  readonly memory?: Memory
  readonly targets: number
  readonly never: string[]
}

async function call(layer: string, mode: 'once' | 'memory', calls: number): Promise<Report> {
  const report = answerOf<Report>(await runProgram('hostile.mjs', [layer, mode, SEED, calls]))
  const { failures, thrown, targets, values } = report
  console.log(`${layer}: ${report.calls} calls of ${targets} functions, ${values} answered, seed ${SEED}`, {
    failures,
    thrown,
  })
  return report
}

describe.each(['raw', 'facade'] as const)('hostile calls over the %s layer', (layer) => {
  it(
    'crash nothing, hang nothing and fail with codes, all fifty thousand',
    async () => {
      const { calls, violations, never } = await call(layer, 'once', CALLS)
      expect(violations).toEqual([])
      expect(never).toEqual([])
      expect(calls).toBeGreaterThanOrEqual(CALLS)
    },
    10 * MINUTES,
  )

  it(
    'leave no memory behind, however often they are made again',
    async () => {
      const { memory, violations } = await call(layer, 'memory', PASS)
      if (memory) console.log(`${layer}: ${inMebibytes(memory)}`)
      expect(violations).toEqual([])
      expect(memory).toMatchObject({ settled: true })
    },
    10 * MINUTES,
  )
})
