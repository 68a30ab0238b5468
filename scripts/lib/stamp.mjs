/** Knowing that something was built already: a hash of what went in, kept under target/stamps. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { at } from './workspace.mjs'

/**
 * Runs `build` unless it ran before with the same inputs and its outputs are still what they were.
 *
 * @param {string} name the stamp's name
 * @param {{ inputs: string[], also?: unknown, outputs: string[], ignore?: RegExp }} what files and folders of the
 *   checkout that go in and come out; `also` is anything else that matters, such as versions
 * @returns whether it was built now
 */
export function buildOnce(name, { inputs, also, outputs, ignore = /^$/ }, build) {
  const stamp = at('target', 'stamps', name)
  const before = hash(inputs, also, ignore)
  const present = outputs.every((output) => existsSync(at(output)))
  if (present && existsSync(stamp) && readFileSync(stamp, 'utf8') === `${before} ${hash(outputs)}`)
    return false
  rmSync(stamp, { force: true })
  build()
  mkdirSync(dirname(stamp), { recursive: true })
  // Inputs are hashed before the build: an edit made during it is built next time.
  writeFileSync(stamp, `${before} ${hash(outputs)}`)
  return true
}

function hash(paths, also, ignore = /^$/) {
  const sum = createHash('sha256').update(JSON.stringify(also ?? null))
  const files = paths.flatMap(filesUnder).filter((path) => !ignore.test(path))
  for (const file of files.toSorted()) {
    sum.update(`\0${file}\0`).update(readFileSync(at(file)))
  }
  return sum.digest('hex')
}

function filesUnder(path) {
  const here = at(path)
  if (!existsSync(here)) return []
  if (!statSync(here).isDirectory()) return [path]
  return readdirSync(here).flatMap((name) => filesUnder(`${path}/${name}`))
}
