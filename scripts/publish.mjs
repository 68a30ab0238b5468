/**
 * `node scripts/publish.mjs FOLDER [--tag-name vX.Y.Z] [--dry-run]`: publishes the tarballs of a release with provenance,
 * the platforms first, so that the root never names a package that is not there.
 *
 * Refuses a set that is incomplete, or not all of one version. What is published already is skipped, so that a run that
 * broke off can be repeated.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { main } from './lib/main.mjs'
import { ask, npm, StepFailed } from './lib/run.mjs'
import { manifest, platforms } from './lib/workspace.mjs'

main(() => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'tag-name': { type: 'string' }, 'dry-run': { type: 'boolean', default: false } },
  })
  const [folder = 'target/npm'] = positionals
  const { version, napi } = manifest()
  const tag = values['tag-name']
  if (tag !== undefined && tag !== `v${version}`) {
    throw new StepFailed(`The tag is ${tag} and package.json is at ${version}; nothing was published`)
  }
  const names = [...platforms.map(({ name }) => `${napi.packageName}-${name}`), 'coterie']
  const tarballs = completeSet(folder, names, version)
  for (const { name, path } of tarballs) {
    if (!values['dry-run'] && ask('npm', ['view', `${name}@${version}`, 'version']) === version) {
      console.log(`${name}@${version} is there already`)
      continue
    }
    npm(['publish', path, '--access', 'public', ...(values['dry-run'] ? ['--dry-run'] : ['--provenance'])])
  }
})

function completeSet(folder, names, version) {
  const tarballs = names.map((name) => ({
    name,
    path: resolve(join(folder, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)),
  }))
  const missing = tarballs.filter(({ path }) => !existsSync(path)).map(({ name }) => name)
  const expected = new Set(tarballs.map(({ path }) => path))
  const foreign = readdirSync(folder).filter(
    (file) => file.endsWith('.tgz') && !expected.has(resolve(folder, file)),
  )
  if (missing.length > 0 || foreign.length > 0) {
    throw new StepFailed(
      `Not a complete release of ${version}; nothing was published.` +
        (missing.length > 0 ? ` Missing: ${missing.join(', ')}.` : '') +
        (foreign.length > 0 ? ` Does not belong: ${foreign.join(', ')}.` : ''),
    )
  }
  return tarballs
}
