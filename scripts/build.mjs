/** `npm run build [native|ts]`: what a checkout needs to be used. */
import { main } from './lib/main.mjs'
import { requirePrerequisites } from './lib/prerequisites.mjs'
import { buildNative, buildTypeScript, installPackages } from './lib/setup.mjs'

main(() => {
  const [part] = process.argv.slice(2)
  requirePrerequisites()
  installPackages()
  if (part !== 'ts') buildNative()
  if (part !== 'native') buildTypeScript()
})
