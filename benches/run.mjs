/**
 * `npm run bench -- [--json FILE] [--only SUITE|GOAL]… [--rounds N] [--quick] [--reuse] [--list]`
 *
 * How it measures and how to read it: README.md.
 */
import { writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { prepare } from './lib/prepare.mjs'
import { printSuite, printSummary } from './lib/print.mjs'
import { suite as boundary } from './suites/boundary.mjs'
import { suite as durable } from './suites/durable.mjs'
import { suite as eventLoop } from './suites/event-loop.mjs'
import { suite as footprint } from './suites/footprint.mjs'
import { suite as groups } from './suites/groups.mjs'
import { suite as media } from './suites/media.mjs'
import { suite as memory } from './suites/memory.mjs'
import { suite as messages } from './suites/messages.mjs'
import { suite as scale } from './suites/scale.mjs'
import { suite as table } from './suites/table.mjs'
import { suite as textFrames } from './suites/text-frames.mjs'
import { manifest } from '../scripts/lib/workspace.mjs'

const SUITES = [
  messages,
  durable,
  media,
  textFrames,
  groups,
  scale,
  memory,
  eventLoop,
  footprint,
  boundary,
  table,
]
const ROUNDS = 5
const QUICK_ROUNDS = 2

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    reuse: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
})

if (values.list) list()
else await bench()

function list() {
  for (const { name, title, goals } of SUITES)
    console.log(`${name.padEnd(12)}${goals.join(', ').padEnd(22)}${title}`)
}

async function bench() {
  const only = new Set(values.only.flatMap((names) => names.split(',')))
  const chosen = choose(only)
  const rounds = Number(values.rounds ?? (values.quick ? QUICK_ROUNDS : ROUNDS))
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number above 0')
  const commands = await prepare({ reuse: values.reuse })
  const start = Date.now()
  const rows = []
  for (const suite of chosen) {
    const all = await suite.run({ commands, rounds, quick: values.quick, only })
    const wanted = all.filter(({ goal }) => only.size === 0 || only.has(suite.name) || only.has(goal))
    printSuite(suite, wanted)
    rows.push(...wanted)
  }
  printSummary(rows)
  const seconds = Math.round((Date.now() - start) / 1_000)
  console.log(`${rounds} rounds on ${cpus().length} cores, ${seconds} s without building.`)
  if (values.json) {
    writeFileSync(
      resolve(values.json),
      `${JSON.stringify({ ...machine(), rounds, seconds, rows }, null, 2)}\n`,
    )
  }
}

function choose(only) {
  const known = new Set(SUITES.flatMap(({ name, goals }) => [name, ...goals]))
  const unknown = [...only].filter((name) => !known.has(name))
  if (unknown.length > 0) throw new Error(`no suite or goal ${unknown.join(', ')}; --list shows them`)
  return SUITES.filter(
    ({ name, goals }) => only.size === 0 || [name, ...goals].some((wanted) => only.has(wanted)),
  )
}

function machine() {
  const [first] = cpus()
  return {
    version: manifest().version,
    node: process.version,
    platform: `${process.platform}-${process.arch} ${release()}`,
    processor: first?.model ?? 'unknown',
    cores: cpus().length,
    quick: values.quick,
  }
}
