/** Lints the workflows, which cannot run here. */
import { existsSync, mkdirSync } from 'node:fs'

import { ask, run } from './run.mjs'
import { at } from './workspace.mjs'

const VERSION = 'v1.7.12'

export function actionlint() {
  const program = at(
    'target/tools',
    `actionlint-${VERSION}`,
    process.platform === 'win32' ? 'actionlint.exe' : 'actionlint',
  )
  if (!existsSync(program)) {
    if (ask('go', ['version']) === undefined) {
      console.warn('SKIPPED: the workflows were not linted, because Go is not installed (https://go.dev)')
      return
    }
    const directory = at('target/tools', `actionlint-${VERSION}`)
    mkdirSync(directory, { recursive: true })
    run('go', ['install', `github.com/rhysd/actionlint/cmd/actionlint@${VERSION}`], {
      env: { GOBIN: directory },
      quiet: true,
    })
  }
  run(program, ['-no-color'])
}
