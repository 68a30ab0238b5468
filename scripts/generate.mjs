/**
 * `npm run generate`: every generated file that is committed. With `--check` nothing is written and a difference is an
 * error. The loader and its types come from the build itself: `npm run build:native`.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { exportsMap, typesVersions } from './entry-points.mjs'
import { isMain, main } from './lib/main.mjs'
import { requirePrerequisites } from './lib/prerequisites.mjs'
import { run, StepFailed, tool } from './lib/run.mjs'
import { installPackages } from './lib/setup.mjs'
import { at, manifest, platforms, readJson } from './lib/workspace.mjs'

export function checkGenerated() {
  generate({ check: true })
}

export function generate({ check = false } = {}) {
  checkVersions()
  run('cargo', ['run', '--quiet', '--package', 'xtask', '--', 'generate', ...(check ? ['--check'] : [])])
  const files = { 'package.json': packageJson(), ...platformPackages() }
  const differing = Object.entries(files).filter(
    ([path, text]) => !existsSync(at(path)) || readFileSync(at(path), 'utf8') !== text,
  )
  if (check && differing.length > 0) {
    throw new StepFailed(
      `Not what is generated: ${differing.map(([path]) => path).join(', ')}; run: npm run generate`,
    )
  }
  for (const [path, text] of differing) {
    mkdirSync(dirname(at(path)), { recursive: true })
    writeFileSync(at(path), text)
    console.log(`wrote ${path}`)
  }
}

function packageJson() {
  return `${JSON.stringify({ ...manifest(), exports: exportsMap(), typesVersions: typesVersions() }, null, 2)}\n`
}

/** What `napi create-npm-dirs` makes of package.json, for the platforms of a release. */
function platformPackages() {
  const directory = 'target/generated/npm'
  rmSync(at(directory), { recursive: true, force: true })
  mkdirSync(at(directory), { recursive: true })
  tool('napi', ['create-npm-dirs', '--npm-dir', directory], { quiet: true })
  const names = readdirSync(at(directory)).toSorted()
  const expected = platforms.map(({ name }) => name).toSorted()
  if (names.join() !== expected.join()) {
    throw new StepFailed(
      'napi.targets in package.json and scripts/lib/workspace.mjs do not name the same platforms',
    )
  }
  return Object.fromEntries(
    names.flatMap((name) => [
      [`npm/${name}/package.json`, platformManifest(at(directory, name, 'package.json'))],
      [`npm/${name}/README.md`, readme(name)],
    ]),
  )
}

const platformManifest = (path) => `${JSON.stringify({ ...readJson(path), type: 'commonjs' }, null, 2)}\n`

const readme = (name) =>
  `# @coterie/native-${name}\n\nThe native code of [coterie](https://github.com/coterie/coterie) for ${name}. ` +
  `It is installed with that package, and not meant to be used by itself.\n`

/** One version everywhere: the facade refuses native code of another. And a lock file that names nobody's registry. */
function checkVersions() {
  const { version } = manifest()
  const rust = /^version = "(.+)"$/m.exec(readFileSync(at('Cargo.toml'), 'utf8'))?.[1]
  if (rust !== version) {
    throw new StepFailed(`package.json is at ${version} and Cargo.toml at ${rust}; make them equal`)
  }
  if (readFileSync(at('package-lock.json'), 'utf8').includes('"resolved"')) {
    throw new StepFailed('package-lock.json names a registry; write it with the settings of .npmrc')
  }
}

if (isMain(import.meta.url)) {
  await main(() => {
    requirePrerequisites()
    installPackages()
    generate({ check: process.argv.includes('--check') })
  })
}
