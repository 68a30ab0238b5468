/** Running other programs, with their output shown as it comes. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename } from 'node:path'

import { at, readJson, root } from './workspace.mjs'

/** A program ended badly; its own output has already been shown. */
export class StepFailed extends Error {}

/** `accepted` are the statuses that are no failure. */
export function run(command, args, { env = {}, cwd = root, quiet = false, accepted = [0] } = {}) {
  const shown = `${basename(command)} ${args.join(' ')}`
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.error) throw new StepFailed(`${shown}: ${result.error.message}`)
  if (!accepted.includes(result.status)) {
    if (quiet) process.stderr.write(result.stdout + result.stderr)
    throw new StepFailed(`${shown}: ended with ${result.signal ?? `status ${result.status}`}`)
  }
  return result.stdout ?? ''
}

/** What a program prints, or undefined when it is not there or fails. */
export function ask(command, args) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return result.status === 0 ? result.stdout.trim() : undefined
}

/** Runs npm itself, whatever it is called on this system. */
export function npm(args, options) {
  const cli = process.env.npm_execpath
  if (cli?.endsWith('.js')) return run(process.execPath, [cli, ...args], options)
  return process.platform === 'win32'
    ? run('cmd.exe', ['/d', '/s', '/c', 'npm', ...args], options)
    : run('npm', args, options)
}

/** Runs the command of an installed development dependency. */
export function tool(name, args, options) {
  return run(process.execPath, [toolPath(name), ...args], options)
}

const PACKAGES = { attw: '@arethetypeswrong/cli', napi: '@napi-rs/cli', tsc: 'typescript' }

function toolPath(name) {
  const directory = at('node_modules', PACKAGES[name] ?? name)
  if (!existsSync(directory)) throw new StepFailed(`${name} is not installed; run: npm ci`)
  const { bin } = readJson(`${directory}/package.json`)
  return `${directory}/${typeof bin === 'string' ? bin : bin[name]}`
}
