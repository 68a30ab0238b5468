import { describe, expect, it } from 'vitest'

import { answerOf, growth, runProgram } from './child.js'

const MIB = 2 ** 20
const SEED = Number(process.env['COTERIE_SEED'] ?? 20_251_121)
/** Of each layer, no two alike but by chance; together a hundred thousand. */
const CALLS = 50_000
/** For memory: every pass makes the same calls. */
const PASS = 5_000
const PASSES = 12
const WARM_UP = 3
const MINUTES = 60_000

interface Report {
  readonly calls: number
  readonly values: number
  readonly failures: Record<string, number>
  readonly thrown: Record<string, number>
  readonly violations: string[]
  readonly memory: { rss: number; heapTotal: number }[]
  readonly targets: number
  readonly never: string[]
}

async function call(layer: string, calls: number, passes: number): Promise<Report> {
  const report = answerOf<Report>(await runProgram('hostile.mjs', [layer, SEED, calls, passes]))
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
      const { calls, violations, never } = await call(layer, CALLS, 1)
      expect(violations).toEqual([])
      expect(never).toEqual([])
      expect(calls).toBeGreaterThanOrEqual(CALLS)
    },
    10 * MINUTES,
  )

  it(
    'leave no memory behind, however often they are made again',
    async () => {
      const { memory, violations } = await call(layer, PASS, PASSES)
      // Less what V8 has set aside for JavaScript: what is left is native.
      const gained = growth(
        memory.map(({ rss, heapTotal }) => rss - heapTotal),
        WARM_UP,
      )
      console.log(`${layer}: ${(gained / 1024).toFixed(0)} KiB gained over ${PASSES - WARM_UP} equal passes`)
      expect(violations).toEqual([])
      expect(gained).toBeLessThan(MIB)
    },
    10 * MINUTES,
  )
})
