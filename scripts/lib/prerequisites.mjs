/** What must be on the machine before anything is built. All that is missing is named at once. */
import { readFileSync } from 'node:fs'

import { ask, run } from './run.mjs'
import { at, manifest } from './workspace.mjs'

const debian = (packages) => `on Debian or Ubuntu: apt-get install ${packages}`

const CHECKS = {
  node: () => {
    const floor = manifest().engines.node.replace('>=', '')
    return atLeast(process.versions.node, floor)
      ? undefined
      : `Node.js ${floor} or newer (this is ${process.versions.node}): https://nodejs.org`
  },
  rust: () => {
    const floor = /^rust-version = "(.+)"$/m.exec(readFileSync(at('Cargo.toml'), 'utf8'))[1]
    const found = /cargo (\d+\.\d+\.\d+)/.exec(ask('cargo', ['--version']) ?? '')?.[1]
    return found !== undefined && atLeast(found, floor)
      ? undefined
      : `Rust ${floor} or newer (${found === undefined ? 'cargo was not found' : `this is ${found}`}): https://rustup.rs`
  },
  'rust components': () =>
    ask('cargo', ['fmt', '--version']) && ask('cargo', ['clippy', '--version'])
      ? undefined
      : 'rustfmt and clippy: rustup component add rustfmt clippy',
  compiler: () =>
    process.platform === 'win32' || ['cc', 'gcc', 'clang'].some((name) => ask(name, ['--version']))
      ? undefined
      : `a C compiler: ${debian('build-essential')}; on macOS: xcode-select --install`,
  cmake: () =>
    ask('cmake', ['--version']) ? undefined : `cmake: ${debian('cmake')}; on macOS: brew install cmake`,
  perl: () => (ask('perl', ['-e', '1']) !== undefined ? undefined : `perl: ${debian('perl')}`),
  make: () =>
    process.platform === 'win32' || ask('make', ['--version']) ? undefined : `make: ${debian('make')}`,
  python: () =>
    process.platform !== 'linux' || ask('python3', ['-c', 'import venv, ensurepip']) !== undefined
      ? undefined
      : `Python 3 with venv, for linking the release addon: ${debian('python3-venv')}`,
}

const TO_BUILD = ['node', 'rust', 'compiler', 'cmake', 'perl', 'make']
const TO_CHECK = ['rust components']
const TO_PACK = ['python']

const DEBIAN_PACKAGES = {
  compiler: 'build-essential',
  cmake: 'cmake',
  perl: 'perl',
  make: 'make',
  python: 'python3-venv',
}

/** Ends the process with one line for each thing that is missing. */
export function requirePrerequisites({ check = false, pack = false } = {}) {
  const wanted = [...TO_BUILD, ...(check ? TO_CHECK : []), ...(pack ? TO_PACK : [])]
  let missing = findMissing(wanted)
  if (missing.length > 0 && installOnContinuousIntegration(missing)) missing = findMissing(wanted)
  if (missing.length === 0) return
  console.error('Missing on this machine:')
  for (const { line } of missing) console.error(`  - ${line}`)
  process.exit(1)
}

function findMissing(names) {
  return names.map((name) => ({ name, line: CHECKS[name]() })).filter(({ line }) => line !== undefined)
}

/** Only on a throw-away Debian machine; a developer's system is the developer's. */
function installOnContinuousIntegration(missing) {
  const packages = missing.map(({ name }) => DEBIAN_PACKAGES[name]).filter(Boolean)
  const allowed = process.env.CI === 'true' && process.getuid?.() === 0 && ask('apt-get', ['--version'])
  if (!allowed || packages.length === 0) return false
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  })
  return true
}

function atLeast(found, floor) {
  const [a, b] = [found, floor].map((version) => version.split('.').map(Number))
  for (let i = 0; i < b.length; i += 1) {
    if (a[i] !== b[i]) return a[i] > b[i]
  }
  return true
}
