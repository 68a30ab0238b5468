/** Published groups of other implementations, followed through the npm API. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, it } from 'vitest'

import { answerOf, runProgram } from './child.js'
import { buildTestAddon } from './test-addon.js'

const FOLDER = fileURLToPath(new URL('../../../shared/vectors/mls', import.meta.url))
const there = existsSync(FOLDER)
const MINUTES = 60_000

/** How many cases each file has; the engine follows them all. */
const FAMILIES: Readonly<Record<string, number>> = {
  'passive-client-welcome': 12,
  'passive-client-handling-commit': 20,
  'passive-client-random': 1,
  'interop-passive/application': 9,
  'interop-passive/branch': 48,
  'interop-passive/commit': 66,
  'interop-passive/external_join': 9,
  'interop-passive/external_proposals': 42,
  'interop-passive/reinit': 72,
  'interop-passive/welcome_join': 12,
  histories: 6,
}

interface Outcome {
  readonly passed: number
  readonly total: number
  readonly failed: Readonly<Record<string, number>>
}

if (!there) console.error(`NOT RUN: the published MLS vectors are not at ${FOLDER}`)

it.skipIf(!there)(
  'groups that other implementations recorded are followed to the end',
  async () => {
    const NAPI_RS_NATIVE_LIBRARY_PATH = buildTestAddon('interop')
    const files = Object.keys(FAMILIES).map((name) => join(FOLDER, `${name}.json`))
    const report = answerOf<Record<string, Outcome>>(
      await runProgram('vectors.mjs', files, { NAPI_RS_NATIVE_LIBRARY_PATH }),
    )
    const counted = Object.entries(FAMILIES).map(([name], index) => {
      const { passed, total, failed } = report[files[index] ?? ''] ?? { passed: 0, total: 0, failed: {} }
      console.log(`vectors: ${passed}/${total} ${name}`, Object.keys(failed).length === 0 ? '' : failed)
      return [name, `${passed}/${total}`]
    })
    const all = Object.entries(FAMILIES).map(([name, count]) => [name, `${count}/${count}`])
    expect(Object.fromEntries(counted)).toEqual(Object.fromEntries(all))
  },
  10 * MINUTES,
)
