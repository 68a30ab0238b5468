/**
 * `node scripts/smoke.mjs`: installs the packed tarballs of this platform and runs the consumer's program. For machines
 * that have Node and nothing else, such as a bare Alpine image.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { main } from './lib/main.mjs'
import { npm, run } from './lib/run.mjs'
import { at, hostPlatform, manifest } from './lib/workspace.mjs'

main(() => {
  const { version, napi } = manifest()
  const native = `${napi.packageName.replace('@', '').replace('/', '-')}-${hostPlatform().name}`
  const folder = mkdtempSync(join(tmpdir(), 'coterie-smoke-'))
  try {
    cpSync(at('__test__/package/consumer'), folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    const tarballs = ['coterie', native].map((name) => at('target/npm', `${name}-${version}.tgz`))
    npm(['install', '--no-audit', '--no-fund', ...tarballs], { cwd: folder })
    for (const program of ['slice.mjs', 'slice.cjs']) run(process.execPath, [program], { cwd: folder })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
