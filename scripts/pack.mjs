/**
 * `npm run pack`: the root's tarball and this platform's, under target/npm/.
 *
 * The published package.json is the checkout's without what only development needs, and with the platform packages as
 * optional dependencies of exactly its own version. They are not in the checkout's, where they could not be installed
 * before they are published.
 */
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'

import { isMain, main } from './lib/main.mjs'
import { requirePrerequisites } from './lib/prerequisites.mjs'
import { buildReleaseAddon } from './lib/release-addon.mjs'
import { npm } from './lib/run.mjs'
import { buildTypeScript, installPackages } from './lib/setup.mjs'
import { at, hostPlatform, manifest, platformNamed, platforms, readJson } from './lib/workspace.mjs'

const OUTPUT = 'target/npm'

/** Packs and returns the tarballs' paths. */
export function pack() {
  return { root: packRoot(), platform: packPlatform(hostPlatform()) }
}

function packRoot() {
  buildTypeScript()
  const { devDependencies, napi, scripts, ...published } = manifest()
  const optionalDependencies = Object.fromEntries(
    platforms.map(({ name }) => [`${napi.packageName}-${name}`, published.version]).toSorted(),
  )
  return packStaged('coterie', { ...published, optionalDependencies }, (stage) => {
    for (const name of published.files) cpSync(at(name), `${stage}/${name}`, { recursive: true })
  })
}

function packPlatform(platform) {
  const addon = `coterie.${platform.name}.node`
  const built = buildReleaseAddon(platform)
  return packStaged(platform.name, readJson(at('npm', platform.name, 'package.json')), (stage) => {
    copyFileSync(built, `${stage}/${addon}`)
    copyFileSync(at('npm', platform.name, 'README.md'), `${stage}/README.md`)
  })
}

function packStaged(name, packageJson, fill) {
  const stage = at(OUTPUT, 'stage', name)
  rmSync(stage, { recursive: true, force: true })
  mkdirSync(stage, { recursive: true })
  fill(stage)
  copyFileSync(at('LICENSE'), `${stage}/LICENSE`)
  writeFileSync(`${stage}/package.json`, `${JSON.stringify(packageJson, null, 2)}\n`)
  const [{ filename }] = JSON.parse(
    npm(['pack', '--json', '--ignore-scripts', '--pack-destination', at(OUTPUT)], {
      cwd: stage,
      quiet: true,
    }),
  )
  return at(OUTPUT, filename)
}

/** The release workflow packs the root once, and each platform on a machine of its own. */
function packPart(part, name) {
  if (part === 'root') return [packRoot()]
  if (part === 'platform') return [packPlatform(name ? platformNamed(name) : hostPlatform())]
  return Object.values(pack())
}

if (isMain(import.meta.url)) {
  await main(() => {
    const [part, name] = process.argv.slice(2)
    requirePrerequisites({ pack: part !== 'root' })
    installPackages()
    for (const tarball of packPart(part, name)) console.log(tarball.slice(at().length + 1))
  })
}
