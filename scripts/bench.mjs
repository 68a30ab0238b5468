/** `npm run bench -- [--json FILE]`: measures the addon that users get; the programs are in benches/. */
import { main } from './lib/main.mjs'
import { requirePrerequisites } from './lib/prerequisites.mjs'
import { buildReleaseAddon } from './lib/release-addon.mjs'
import { run } from './lib/run.mjs'
import { buildTypeScript, installPackages } from './lib/setup.mjs'
import { at, hostPlatform } from './lib/workspace.mjs'

main(() => {
  requirePrerequisites({ pack: true })
  installPackages()
  buildTypeScript()
  run(process.execPath, [at('benches/run.mjs'), ...process.argv.slice(2)], {
    env: { NAPI_RS_NATIVE_LIBRARY_PATH: buildReleaseAddon(hostPlatform()) },
  })
})
