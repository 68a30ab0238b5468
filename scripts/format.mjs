/** `npm run format`: writes every file the way the checks want it. */
import { main } from './lib/main.mjs'
import { requirePrerequisites } from './lib/prerequisites.mjs'
import { run, tool } from './lib/run.mjs'
import { installPackages } from './lib/setup.mjs'

main(() => {
  requirePrerequisites({ check: true })
  installPackages()
  run('cargo', ['fmt', '--all'])
  tool('prettier', ['--write', '--log-level=warn', '.'])
})
