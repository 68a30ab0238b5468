/** The packed package in folders of its own, outside the checkout, as a user has it. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { hostPlatform } from '../../scripts/lib/workspace.mjs'
import type { Offer } from './registry.js'

const here = dirname(fileURLToPath(import.meta.url))
export const root = dirname(dirname(here))
export const host: string = hostPlatform().name

const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
export const manifest = readJson(join(root, 'package.json'))

const packed = join(root, 'target/npm')
const tarballNamed = (name: string) =>
  join(packed, `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`)

export const rootTarball = tarballNamed('coterie')
export const platformTarball = tarballNamed(`@coterie/native-${host}`)
export const addonPath = join(packed, 'stage', host, `coterie.${host}.node`)

const run = promisify(execFile)

/** What a program printed and how it ended. */
export interface Ended {
  readonly status: number
  readonly output: string
}

export async function execute(program: string, args: string[], cwd: string, env = {}): Promise<Ended> {
  try {
    const { stdout, stderr } = await run(program, args, {
      cwd,
      env: { ...process.env, NODE_OPTIONS: '', ...env },
    })
    return { status: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { status: code, output: stdout + stderr }
  }
}

export const node = (args: string[], cwd: string) => execute(process.execPath, args, cwd)

/** The packages of this checkout, for the registry on loopback. */
export function offers(): Offer[] {
  return [
    { manifest: readJson(join(packed, 'stage/coterie/package.json')), tarball: rootTarball },
    ...readdirSync(join(root, 'npm')).map((name): Offer => {
      const platform = readJson(join(root, 'npm', name, 'package.json'))
      return name === host ? { manifest: platform, tarball: platformTarball } : { manifest: platform }
    }),
  ]
}

export function temporaryFolder(purpose: string): string {
  return mkdtempSync(join(tmpdir(), `coterie-${purpose}-`))
}

/** An empty folder in which `npm install coterie` was run. */
export async function installInto(purpose: string, registry: string, ...options: string[]): Promise<string> {
  const folder = temporaryFolder(purpose)
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }\n')
  const cache = join(folder, '.npm-cache')
  const args = [
    'install',
    'coterie',
    '--registry',
    registry,
    '--cache',
    cache,
    '--no-audit',
    '--no-fund',
    ...options,
  ]
  const { status, output } = await npm(args, folder)
  if (status !== 0) throw new Error(`npm install failed:\n${output}`)
  return folder
}

function npm(args: string[], cwd: string): Promise<Ended> {
  const cli = process.env['npm_execpath']
  // Not the user's settings: a scope of theirs could point elsewhere.
  const env = { npm_config_userconfig: join(cwd, 'no-such-npmrc') }
  if (cli?.endsWith('.js')) return execute(process.execPath, [cli, ...args], cwd, env)
  return process.platform === 'win32'
    ? execute('cmd.exe', ['/d', '/s', '/c', 'npm', ...args], cwd, env)
    : execute('npm', args, cwd, env)
}

/** Puts a consumer's program, and what type-checking it needs, into the folder. */
export function addConsumer(folder: string): void {
  cpSync(join(here, 'consumer'), folder, { recursive: true })
  for (const name of ['@types/node', 'undici-types']) {
    const from = join(root, 'node_modules', name)
    if (existsSync(from)) {
      mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true })
      cpSync(from, join(folder, 'node_modules', name), { recursive: true })
    }
  }
}

/** The command of a development dependency of this checkout. */
export function command(packageName: string, name: string): string {
  const { bin } = readJson(join(root, 'node_modules', packageName, 'package.json'))
  return join(root, 'node_modules', packageName, typeof bin === 'string' ? bin : bin[name])
}
