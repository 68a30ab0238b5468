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

/**
 * Groups whose leaves carry values that mean nothing (GREASE, RFC 9420 section 13.5), which openmls 0.9.2 refuses with
 * MLS_WELCOME_INVALID. Once it takes them: `(count) => [count, count]`.
 */
const greased = (count: number): readonly [number, number] => [0, count]

/** How many cases the engine follows, and how many there are. */
const FAMILIES: Readonly<Record<string, readonly [passed: number, total: number]>> = {
  'passive-client-welcome': [12, 12],
  'passive-client-handling-commit': [20, 20],
  'passive-client-random': [1, 1],
  'interop-passive/application': greased(9),
  'interop-passive/branch': greased(48),
  'interop-passive/commit': greased(66),
  'interop-passive/external_join': greased(9),
  'interop-passive/external_proposals': greased(42),
  'interop-passive/reinit': greased(72),
  'interop-passive/welcome_join': greased(12),
  histories: [6, 6],
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
      return [name, [passed, total]]
    })
    expect(Object.fromEntries(counted)).toEqual(FAMILIES)
  },
  10 * MINUTES,
)
