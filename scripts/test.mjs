/**
 * `npm test [STEP…]`: every check, in the order in which a mistake is cheapest to find. Names of steps or of groups run
 * only those; `--list` shows them. The first failure ends the run.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { entryPoints } from './entry-points.mjs'
import { actionlint } from './lib/actionlint.mjs'
import { requirePrerequisites } from './lib/prerequisites.mjs'
import { ask, run, StepFailed, tool } from './lib/run.mjs'
import { buildNative, buildTypeScript, installPackages } from './lib/setup.mjs'
import { root } from './lib/workspace.mjs'
import { checkGenerated } from './generate.mjs'
import { pack } from './pack.mjs'

const cargo = (...args) => run('cargo', args)
const xtask = (...args) => cargo('run', '--quiet', '--package', 'xtask', '--', ...args)

/** `groups` are what `npm run lint`, `check`, `test:rust`, … ask for. */
const steps = [
  { name: 'format', groups: ['lint', 'check'], run: checkFormat, repair: 'npm run format' },
  { name: 'oxlint', groups: ['lint', 'check'], run: () => tool('oxlint', ['--deny-warnings']) },
  { name: 'workflows', groups: ['lint', 'check'], run: actionlint },
  { name: 'generated', groups: ['check'], run: checkGenerated, repair: 'npm run generate' },
  { name: 'check-deps', groups: ['check'], run: () => xtask('check-deps') },
  {
    name: 'vendor',
    groups: ['check'],
    run: () => xtask('vendor', '--check'),
    repair: 'cargo xtask vendor',
  },
  { name: 'types', groups: ['check', 'node'], run: checkTypes },
  { name: 'clippy', groups: ['lint', 'check', 'rust'], run: clippy },
  { name: 'cargo-test', groups: ['rust'], run: cargoTest },
  { name: 'vectors', groups: ['rust'], run: vectors },
  { name: 'interop', groups: ['interop'], run: interop },
  { name: 'addon', groups: ['node'], run: () => buildNative({ check: true }) },
  { name: 'vitest', groups: ['node'], run: vitest },
  { name: 'docs', groups: ['docs'], run: docs },
  { name: 'package', groups: ['package'], run: testPackage },
]

function checkFormat() {
  cargo('fmt', '--all', '--check')
  tool('prettier', ['--check', '--log-level=warn', '.'])
}

function checkTypes() {
  buildTypeScript()
  tool('tsc', ['--project', '__test__/tsconfig.json'])
}

function clippy() {
  cargo('clippy', '--workspace', '--all-targets', '--all-features', '--', '--deny', 'warnings')
}

function cargoTest() {
  if (ask('cargo', ['nextest', '--version']) === undefined)
    return cargo('test', '--workspace', '--all-features')
  cargo('nextest', 'run', '--workspace', '--all-features')
  cargo('test', '--workspace', '--all-features', '--doc')
}

/** Their tests ran before; this shows how many of each family there are, and which are not run and why. */
function vectors() {
  const folder = join(root, '../shared/vectors')
  if (existsSync(folder)) xtask('vectors', folder)
  else console.error(`NOT RUN: the published vectors are not at ${folder}`)
}

/** The published peers are installed below target/; where that fails it says so, counts nothing and ends with 3. */
function interop() {
  run('cargo', ['run', '--quiet', '--package', 'xtask', '--', 'interop', 'gbp-stack'], { accepted: [0, 3] })
}

function vitest() {
  buildNative()
  buildTypeScript()
  tool('vitest', ['run', ...['unit', 'binding', 'e2e', 'types'].flatMap((project) => ['--project', project])])
}

function docs() {
  buildTypeScript()
  const sources = entryPoints.map(({ source }) => `ts/${source}.ts`)
  tool('typedoc', [...sources, '--treatWarningsAsErrors', '--logLevel', 'Warn'])
}

function testPackage() {
  pack()
  tool('vitest', ['run', '--project', 'package'])
}

function chosen(wanted) {
  const unknown = wanted.filter(
    (word) => !steps.some(({ name, groups }) => name === word || groups.includes(word)),
  )
  if (unknown.length > 0)
    throw new StepFailed(`There is no step or group called ${unknown.join(', ')}; see: npm test -- --list`)
  return wanted.length === 0
    ? steps
    : steps.filter(({ name, groups }) => wanted.some((word) => name === word || groups.includes(word)))
}

function timed(name, body) {
  console.log(`\n── ${name} ${'─'.repeat(Math.max(0, 72 - name.length))}`)
  const start = performance.now()
  let error
  try {
    body()
  } catch (thrown) {
    error = thrown
  }
  return { name, seconds: (performance.now() - start) / 1000, error }
}

function report(results, skipped) {
  console.log(`\n── summary ${'─'.repeat(65)}`)
  for (const { name, seconds, error } of results) {
    console.log(`  ${error ? 'FAILED' : 'ok    '}  ${seconds.toFixed(1).padStart(7)} s  ${name}`)
  }
  for (const { name } of skipped) console.log(`  not run            ${name}`)
  console.log(
    `          ${results
      .reduce((sum, { seconds }) => sum + seconds, 0)
      .toFixed(1)
      .padStart(7)} s`,
  )
}

function runSteps(selected) {
  const preparation = timed('packages', installPackages)
  const results = [preparation]
  for (const step of preparation.error ? [] : selected) {
    const result = timed(step.name, step.run)
    results.push(result)
    if (result.error) break
  }
  report(results, selected.slice(results.length - 1))
  const failed = results.find(({ error }) => error)
  if (!failed) return
  const step = steps.find(({ name }) => name === failed.name)
  console.error(
    `\nThe step "${failed.name}" failed. ${step ? `Alone: npm test -- ${step.name}` : 'Alone: npm ci'}`,
  )
  if (step?.repair) console.error(`What is only out of date is put right by: ${step.repair}`)
  console.error(failed.error instanceof StepFailed ? failed.error.message : failed.error)
  process.exitCode = 1
}

const words = process.argv.slice(2)
if (words.includes('--list')) {
  for (const { name, groups } of steps) console.log(`${name.padEnd(14)} ${groups.join(', ')}`)
} else {
  try {
    const selected = chosen(words)
    requirePrerequisites({ check: true, pack: selected.some(({ name }) => name === 'package') })
    runSteps(selected)
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
