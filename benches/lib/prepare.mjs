/** What is measured, made ready: the packed package in a folder of its own, the Rust programs, the JavaScript peers. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { installed } from './installed.mjs'
import { npm, run } from '../../scripts/lib/run.mjs'
import { at, hostPlatform, manifest, readJson } from '../../scripts/lib/workspace.mjs'

export const FOLDER = at('target/bench')
const INSTALLED = join(FOLDER, 'installed')
const CARGO_TARGET = process.env.CARGO_TARGET_DIR ?? join(FOLDER, 'cargo')

/** Everything the suites run, as commands for `interleave`. */
export async function prepare({ reuse }) {
  mkdirSync(FOLDER, { recursive: true })
  installPeers()
  if (!reuse) await packAndInstall()
  if (!existsSync(INSTALLED)) throw new Error('nothing is installed to be measured; run without --reuse')
  cpSync(at('benches/peers'), join(INSTALLED, 'peers'), { recursive: true })
  warnOfOtherVersions()
  const here = at('benches')
  const rust = once(() => buildRust('rust', 'coterie-benches'))
  const openmls = once(() => buildRust('openmls', 'coterie-benches-openmls'))
  const mlsRs = once(() => buildRust('mls-rs', 'coterie-benches-mls-rs'))
  const addon = once(() => buildAddon('addon', 'coterie_benches_addon'))
  const besideRust = () => ({ COTERIE_BENCHES: rust() })
  return {
    ours: script('ours.mjs', INSTALLED, besideRust),
    durable: script('durable.mjs', INSTALLED, besideRust),
    gaps: script('gaps.mjs', INSTALLED),
    boundary: script('boundary.mjs', INSTALLED),
    tsMls: script('ts-mls.mjs', here, besideRust),
    davey: script('davey.mjs', here, besideRust),
    libsignal: script('libsignal.mjs', here),
    sframe: script('sframe.mjs', INSTALLED),
    bareFrames: script('bare-frames.mjs', here, () => ({ COTERIE_BENCHES_ADDON: addon() })),
    daveyFrames: script('davey-frames.mjs', here, besideRust),
    bareLoop: program(rust, 'bare'),
    textFrames: script('text-frames.mjs', INSTALLED),
    gbpStack: python('gbp-stack.py'),
    oursFromRust: program(rust, 'ours'),
    openmls: program(openmls, 'openmls', besideRust),
    mlsRs: program(mlsRs, 'mls-rs'),
    import: (name, upTo) =>
      script('import.mjs', ['none', 'coterie'].includes(name) ? INSTALLED : here)([name, upTo]),
    installedSizes: () => installed(INSTALLED),
  }
}

/** What is built when it is first asked for: a suite waits for its own peers only. */
function once(build) {
  let built
  return () => (built ??= build())
}

/** What runs a program of `peers/` in the folder where its packages are; options are JSON, or arguments as they are. */
const script =
  (file, cwd, env = () => ({})) =>
  (options) => ({
    command: process.execPath,
    args: [
      '--expose-gc',
      join(cwd, 'peers', file),
      ...(Array.isArray(options) ? options : [JSON.stringify(options)]),
    ],
    cwd,
    env: env(),
  })

const program =
  (built, scenario, env = () => ({})) =>
  (options) => ({
    command: built(),
    args: [scenario, JSON.stringify(options)],
    env: env(),
  })

/**
 * What runs a program of `peers/` in an environment with the published Group Protocol Stack package, which is made where it
 * is missing. It needs CPython 3.11 on x86-64 Linux: elsewhere its rows say that they could not be measured.
 */
function python(file) {
  const command = once(pythonWithPublishedStack)
  return (options) => ({ command: command(), args: [at('benches/peers', file), JSON.stringify(options)] })
}

function pythonWithPublishedStack() {
  const [environment, stamp] = ['', 'installed'].map((name) => at('target/peers/gbp-stack', name))
  const command = join(environment, 'bin/python')
  try {
    if (!existsSync(stamp)) {
      console.log('Installing the published gbp-stack…')
      run('python3.11', ['-m', 'venv', environment])
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement']
      run(command, [...pip, at('crates/gbp-interop/peer/requirements.txt')])
      writeFileSync(stamp, '')
    }
  } catch (error) {
    console.warn(`NOT MEASURED: the published gbp-stack cannot be installed: ${error.message}`)
  }
  return command
}

/** The peers of package-lock.json, unless just those are there. */
function installPeers() {
  const [wanted, present] = ['benches/package-lock.json', 'benches/node_modules/.package-lock.json'].map(
    (path) => (existsSync(at(path)) ? readJson(at(path)).packages : undefined),
  )
  const names = Object.keys(wanted).filter((name) => name !== '' && !wanted[name].optional)
  if (present && names.every((name) => present[name]?.version === wanted[name].version)) return
  console.log('Installing the JavaScript peers…')
  npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: at('benches') })
}

/** Packs what a release would publish and installs it as a user would, with nothing from the network. */
async function packAndInstall() {
  console.log('Packing the release addon; it is built first where it is missing or older than its sources…')
  const { pack } = await import('../../scripts/pack.mjs')
  const { root, platform } = pack()
  rmSync(INSTALLED, { recursive: true, force: true })
  mkdirSync(INSTALLED, { recursive: true })
  writeFileSync(join(INSTALLED, 'package.json'), '{ "private": true, "type": "module" }\n')
  // The other platforms' packages are not to be had, and are not this one's.
  const quietly = ['--no-audit', '--no-fund', '--loglevel=error', '--offline', '--omit=optional']
  npm(['install', ...quietly, root, platform], { cwd: INSTALLED, quiet: true })
  const native = `${manifest().napi.packageName}-${hostPlatform().name}`
  if (!existsSync(join(INSTALLED, 'node_modules', native))) throw new Error(`${native} was not installed`)
}

function buildRust(folder, name) {
  cargoBuild(folder, name)
  return join(CARGO_TARGET, 'release', process.platform === 'win32' ? `${name}.exe` : name)
}

/** A library that Node loads, under the name that it loads by. */
function buildAddon(folder, name) {
  cargoBuild(folder, name)
  const file = { win32: `${name}.dll`, darwin: `lib${name}.dylib` }[process.platform] ?? `lib${name}.so`
  const addon = join(CARGO_TARGET, 'release', `${name}.node`)
  copyFileSync(join(CARGO_TARGET, 'release', file), addon)
  return addon
}

/** Cargo itself knows whether there is something to do. */
function cargoBuild(folder, name) {
  console.log(`Building ${name}…`)
  const manifestPath = at('benches', folder, 'Cargo.toml')
  run('cargo', [
    'build',
    '--release',
    '--quiet',
    '--manifest-path',
    manifestPath,
    '--target-dir',
    CARGO_TARGET,
  ])
}

/** "The same call from Rust" stands on the same versions, or the ratio says nothing. */
function warnOfOtherVersions() {
  const [ours, theirs] = ['Cargo.lock', 'benches/rust/Cargo.lock'].map((path) => versions(at(path)))
  for (const [name, version] of theirs) {
    if (ours.has(name) && ours.get(name) !== version) {
      console.warn(`benches/rust/Cargo.lock has ${name} ${version}, the package has ${ours.get(name)}`)
    }
  }
}

/** The packages that a lock file has in one version only. */
function versions(path) {
  const all = [...readFileSync(path, 'utf8').matchAll(/^name = "(.+)"\nversion = "(.+)"$/gm)]
  const isSingle = (name) => all.filter(([, other]) => other === name).length === 1
  return new Map(all.filter(([, name]) => isSingle(name)).map(([, name, version]) => [name, version]))
}
