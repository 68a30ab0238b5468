/** The steps from a fresh checkout to something that runs, each done only when something it reads has changed. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'

import { writeEsModules } from './es-modules.mjs'
import { ask, npm, StepFailed, tool } from './run.mjs'
import { buildOnce } from './stamp.mjs'
import { at, hostPlatform, manifest, readJson } from './workspace.mjs'

/** Installs the npm packages of package-lock.json, unless just those are installed. */
export function installPackages() {
  if (installed()) return
  npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

function installed() {
  const [wanted, present] = ['package-lock.json', 'node_modules/.package-lock.json'].map((path) =>
    existsSync(at(path)) ? readJson(at(path)).packages : undefined,
  )
  if (!wanted || !present || wanted['']?.version !== manifest().version) return false
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || present[path]?.version === version || (optional && !(path in present)),
  )
}

/** What the addon is made of. */
export const NATIVE_SOURCES = {
  inputs: ['Cargo.toml', 'Cargo.lock', '.cargo', 'crates', 'vendor'],
  ignore: /^crates\/(testkit\/|conformance\/|[^/]+\/(tests|benches|fuzz)\/)|\.(md|snap)$/,
}

const GENERATED = ['index.js', 'index.d.ts']

/**
 * Builds the addon of the development profile into the root, with its loader and types.
 *
 * With `check`, committed loader and types that differ from what the build emits are an error; without, they are
 * replaced.
 */
export function buildNative({ check = false } = {}) {
  const output = 'target/native/dev'
  const addon = `coterie.${hostPlatform().name}.node`
  const { napi, version } = manifest()
  const also = [napi, version, readJson(at('node_modules/@napi-rs/cli/package.json')).version, toolchain()]
  buildOnce(
    'native-dev',
    { ...NATIVE_SOURCES, also, outputs: [addon, ...GENERATED].map((name) => `${output}/${name}`) },
    () => {
      rmSync(at(output), { recursive: true, force: true })
      const from = ['--manifest-path', 'crates/node/Cargo.toml', '--package-json-path', 'package.json']
      const to = ['--target-dir', 'target', '--output-dir', output, '--js', 'index.js', '--dts', 'index.d.ts']
      tool('napi', ['build', '--platform', '--no-dts-cache', ...from, ...to])
    },
  )
  replace(`${output}/${addon}`, addon)
  for (const name of GENERATED) {
    if (same(`${output}/${name}`, name)) continue
    if (check)
      throw new StepFailed(`${name} is not what the build emits; run: npm run build:native, and commit it`)
    replace(`${output}/${name}`, name)
  }
}

/** Everything about the Rust installation that changes what comes out. */
export function toolchain() {
  return [ask('rustc', ['-vV']), process.env.RUSTFLAGS, process.env.CARGO_BUILD_TARGET]
}

function same(a, b) {
  return existsSync(at(b)) && readFileSync(at(a)).equals(readFileSync(at(b)))
}

/** A new file under the old name: a process that has the old addon mapped keeps it. */
function replace(from, to) {
  if (same(from, to)) return
  copyFileSync(at(from), at(`${to}.new`))
  renameSync(at(`${to}.new`), at(to))
}

/** Compiles the facade to CommonJS in dist/, with an ES module beside each entry point. */
export function buildTypeScript() {
  const inputs = [
    'ts',
    'tsconfig.json',
    'tsconfig.base.json',
    'index.d.ts',
    'scripts/entry-points.mjs',
    'scripts/lib/es-modules.mjs',
  ]
  const also = readJson(at('node_modules/typescript/package.json')).version
  buildOnce('typescript', { inputs, also, outputs: ['dist'] }, () => {
    rmSync(at('dist'), { recursive: true, force: true })
    mkdirSync(at('dist'))
    tool('tsc', ['--project', 'tsconfig.json'])
    writeEsModules()
  })
}
