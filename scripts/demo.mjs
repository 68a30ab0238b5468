/** `npm run demo`: from a fresh checkout to the story in examples/demo.mjs. */
import { main } from './lib/main.mjs'
import { requirePrerequisites } from './lib/prerequisites.mjs'
import { run } from './lib/run.mjs'
import { buildNative, buildTypeScript, installPackages } from './lib/setup.mjs'
import { at } from './lib/workspace.mjs'

main(() => {
  requirePrerequisites()
  installPackages()
  buildNative()
  buildTypeScript()
  run(process.execPath, [at('examples/demo.mjs'), ...process.argv.slice(2)])
})
