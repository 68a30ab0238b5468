/** Published media frames, sealed and opened through the npm API. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, it } from 'vitest'

import { answerOf, runProgram } from './child.js'

const FOLDER = fileURLToPath(new URL('../../../shared/vectors', import.meta.url))
const there = existsSync(FOLDER)

/** How many cases each file has. */
const FAMILIES: Readonly<Record<string, number>> = {
  'sframe/sframe.json': 3,
  'sframe/whole-range.json': 10,
  'sframe/negative.json': 10,
  'gbp-stack/sframe.json': 10,
  'malformed/sframe-header.json': 280,
}

interface Outcome {
  readonly passed: number
  readonly total: number
  readonly failed: Readonly<Record<string, number>>
}

if (!there) console.error(`NOT RUN: the published media frames are not at ${FOLDER}`)

it.skipIf(!there)(
  'published media frames are made byte for byte, opened once, and refused where they are damaged',
  async () => {
    const report = answerOf<Record<string, Outcome>>(await runProgram('sframe-vectors.mjs', [FOLDER]))
    for (const [name, { passed, total, failed }] of Object.entries(report)) {
      console.log(`vectors: ${passed}/${total} ${name}`, Object.keys(failed).length === 0 ? '' : failed)
    }
    const counted = Object.entries(report).map(([name, { passed, total }]) => [name, `${passed}/${total}`])
    const all = Object.entries(FAMILIES).map(([name, count]) => [name, `${count}/${count}`])
    expect(Object.fromEntries(counted)).toEqual(Object.fromEntries(all))
  },
  120_000,
)
