import { pathToFileURL } from 'node:url'

import { StepFailed } from './run.mjs'

/** Whether a module is the program that was started, rather than imported by it. */
export const isMain = (url) => url === pathToFileURL(process.argv[1] ?? '').href

/** Runs a script: a step that failed has shown its output already, so one line says which; a defect of ours shows its stack. */
export async function main(body) {
  try {
    await body()
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(`\n${error.message}`)
    process.exitCode = 1
  }
}
