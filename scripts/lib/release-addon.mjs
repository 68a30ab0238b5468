/**
 * The addon as it is released. On Linux it is linked through zig, which fixes the oldest glibc it runs on whatever the
 * build machine has; elsewhere by the system's own linker.
 */
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { delimiter, dirname } from 'node:path'

import { ask, run } from './run.mjs'
import { NATIVE_SOURCES, toolchain } from './setup.mjs'
import { buildOnce } from './stamp.mjs'
import { at } from './workspace.mjs'

const PYTHON_PACKAGES = ['ziglang==0.17.*', 'cargo-zigbuild==0.24.*']

/** Builds the addon of `platform` and returns its path. */
export function buildReleaseAddon(platform) {
  const addon = `target/release-addons/coterie.${platform.name}.node`
  const also = [platform, PYTHON_PACKAGES, toolchain()]
  buildOnce(`native-release-${platform.name}`, { ...NATIVE_SOURCES, also, outputs: [addon] }, () => {
    requireTarget(platform.target)
    const library = platform.zig ? buildWithZig(platform) : buildWithCargo(platform)
    mkdirSync(dirname(at(addon)), { recursive: true })
    copyFileSync(library, at(addon))
  })
  return at(addon)
}

const BUILD = ['--release', '--locked', '--package', 'coterie-node']

/** Its own target directory: flags differ from the development build's, and neither may undo the other's work. */
const RELEASE_DIR = 'target/release-build'

function buildWithZig({ target, zig }) {
  const bin = zigTools()
  run('cargo', ['zigbuild', ...BUILD, '--target', zig, '--target-dir', RELEASE_DIR], {
    env: {
      PATH: `${bin}${delimiter}${process.env.PATH}`,
      CARGO_ZIGBUILD_ZIG_PATH: '',
      // A shared library must share the C library of the process that loads it.
      ...(target.endsWith('musl') ? { RUSTFLAGS: '-C target-feature=-crt-static' } : {}),
    },
  })
  return at(RELEASE_DIR, target, 'release/libcoterie_node.so')
}

function buildWithCargo({ target }) {
  run('cargo', ['build', ...BUILD, '--target', target, '--target-dir', RELEASE_DIR])
  const name = target.includes('windows') ? 'coterie_node.dll' : 'libcoterie_node.dylib'
  return at(RELEASE_DIR, target, 'release', name)
}

/** zig and cargo-zigbuild, in a Python environment of their own. Returns the folder of their commands. */
function zigTools() {
  const venv = at('target/tools/zig')
  buildOnce(
    'zig-tools',
    { inputs: [], also: PYTHON_PACKAGES, outputs: ['target/tools/zig/bin/cargo-zigbuild'] },
    () => {
      rmSync(venv, { recursive: true, force: true })
      run('python3', ['-m', 'venv', venv])
      run(`${venv}/bin/python`, [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        ...PYTHON_PACKAGES,
      ])
    },
  )
  return `${venv}/bin`
}

/** The standard library of another target than the machine's own. */
function requireTarget(target) {
  if (ask('rustc', ['-vV'])?.includes(`host: ${target}\n`)) return
  const libraries = ask('rustc', ['--print', 'target-libdir', '--target', target])
  if (libraries === undefined || !existsSync(libraries)) run('rustup', ['target', 'add', target])
}
