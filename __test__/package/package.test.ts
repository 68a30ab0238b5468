import { cpSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { entryPoints } from '../../scripts/entry-points.mjs'
import { elfNeeds, glibcFloor } from '../../scripts/lib/elf.mjs'
import {
  addConsumer,
  addonPath,
  command,
  host,
  installInto,
  manifest,
  node,
  offers,
  platformTarball,
  root,
  rootTarball,
} from './installed.js'
import { type Registry, startRegistry } from './registry.js'

const KIB = 1024
const MIB = 1024 * KIB
const specifiers = entryPoints.map(({ path }) => path.replace('.', 'coterie'))
const onLinux = process.platform === 'linux'

let registry: Registry
let folder: string
const folders: string[] = []

async function install(purpose: string, ...options: string[]): Promise<string> {
  const made = await installInto(purpose, registry.url, ...options)
  folders.push(made)
  return made
}

beforeAll(async () => {
  registry = await startRegistry(offers())
  folder = await install('consumer')
  addConsumer(folder)
})

afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  for (const made of folders) rmSync(made, { recursive: true, force: true })
})

describe('the budgets', () => {
  it('hold for the addon, its tarball and the root tarball', () => {
    const sizes = [addonPath, platformTarball, rootTarball].map((path) => statSync(path).size)
    const [addon = NaN, platform = NaN, rootSize = NaN] = sizes
    console.log(
      `addon ${(addon / MIB).toFixed(2)} MiB of 17.25, its tarball ${(platform / MIB).toFixed(2)} MiB of 7.25, ` +
        `root tarball ${(rootSize / KIB).toFixed(1)} KiB of 400`,
    )
    expect(addon).toBeLessThanOrEqual(17.25 * MIB)
    expect(platform).toBeLessThanOrEqual(7.25 * MIB)
    expect(rootSize).toBeLessThanOrEqual(400 * KIB)
  })

  it.runIf(onLinux && host.endsWith('-gnu'))('hold for the oldest glibc the addon runs on', () => {
    const floor = glibcFloor(elfNeeds(addonPath).versions)
    console.log(`the addon needs glibc ${floor}; at most 2.28 is allowed`)
    expect(Number(floor?.split('.')[0])).toBe(2)
    expect(Number(floor?.split('.')[1])).toBeLessThanOrEqual(28)
  })

  it.runIf(onLinux)('hold for the libraries the addon needs: those of the C library only', () => {
    for (const library of elfNeeds(addonPath).libraries) {
      expect(library).toMatch(/^(lib(c|m|pthread|dl|rt)\.so\.\d|libc\.so|libc\.musl-.*|ld-linux-.*)$/)
    }
  })
})

describe('what npm installs', () => {
  it("is the root and this platform's addon, no other platform's and no other package", () => {
    expect([...registry.fetched].toSorted()).toEqual([`@coterie/native-${host}`, 'coterie'])
  })

  it('runs no script at installation', async () => {
    const { output } = await node(
      ['-p', `JSON.stringify(require('coterie/package.json').scripts ?? {})`],
      folder,
    )
    expect(JSON.parse(output)).toEqual({})
  })

  it('asks for exactly its own version of every platform package', async () => {
    const program = `JSON.stringify(require('coterie/package.json').optionalDependencies)`
    const optional = JSON.parse((await node(['-p', program], folder)).output)
    expect(Object.keys(optional)).toHaveLength(8)
    expect(new Set(Object.values(optional))).toEqual(new Set([manifest.version]))
  })
})

describe.each(specifiers)('%s', (specifier) => {
  it('has the same names, of the same identity, whether imported or required', async () => {
    const program = `
      import { createRequire } from 'node:module'
      import * as imported from '${specifier}'
      const required = createRequire(import.meta.url)('${specifier}')
      const different = Object.keys({ ...imported, ...required }).filter((name) => imported[name] !== required[name])
      console.log(JSON.stringify({ different, count: Object.keys(required).length }))`
    const { output } = await node(['--input-type=module', '-e', program], folder)
    const { different, count } = JSON.parse(output)
    expect(different).toEqual([])
    expect(count).toBeGreaterThan(0)
  })

  it('starts nothing when it is loaded', async () => {
    const program = `
      const before = process.getActiveResourcesInfo()
      require('${specifier}')
      console.log(JSON.stringify([before, process.getActiveResourcesInfo()]))`
    const [before, after] = JSON.parse((await node(['-e', program], folder)).output)
    expect(after).toEqual(before)
  })
})

describe("a consumer's program", () => {
  it.each(['slice.mjs', 'slice.cjs'])('%s runs', async (file) => {
    const { status, output } = await node([file], folder)
    expect(output.split('\n')).toEqual([
      'bob reads: hello',
      'alice reads: hello yourself',
      'bob hears: 3 bytes from leaf 0',
      'refused: INVALID_ARGUMENT',
      '',
    ])
    expect(status).toBe(0)
  })

  it.each(
    ['typescript-5.9', 'typescript', 'typescript-7'].flatMap((compiler) =>
      ['nodenext', 'bundler'].map((resolution) => [compiler, resolution] as const),
    ),
  )(
    'compiles under %s with %s resolution, strictly and with isolated modules',
    async (compiler, resolution) => {
      const tsc = command(compiler, 'tsc')
      const { status, output } = await node([tsc, '--project', `tsconfig.${resolution}.json`], folder)
      expect(output).toBe('')
      expect(status).toBe(0)
    },
  )
})

describe('the package checkers are content', () => {
  it.each([
    ['the root', rootTarball],
    ['the platform package', platformTarball],
  ])('publint, with %s', async (_, tarball) => {
    const { status, output } = await node([command('publint', 'publint'), tarball, '--strict'], root)
    expect(output).toContain('All good!')
    expect(status).toBe(0)
  })

  it('attw', async () => {
    const attw = command('@arethetypeswrong/cli', 'attw')
    const { status, output } = await node([attw, rootTarball, '--no-emoji'], root)
    expect(output).toContain('No problems found')
    expect(status).toBe(0)
  })
})

describe('an addon that does not load', () => {
  const load = `try { require('coterie') } catch (error) { console.log(JSON.stringify([error.code, error.message])) }`

  it('because optional dependencies were left out says so', async () => {
    const bare = await install('omitted', '--omit=optional')
    const [code, message] = JSON.parse((await node(['-e', load], bare)).output)
    expect(code).toBe('NATIVE_LOAD_FAILED')
    expect(message).toContain(`@coterie/native-${host} is not installed`)
    expect(message).toContain('--omit=optional')
  })

  it('because node_modules came from another platform says so', async () => {
    const copied = await install('copied', '--omit=optional')
    const other = ['darwin-arm64', 'win32-x64-msvc'].find((name) => name !== host) ?? ''
    const target = join(copied, 'node_modules/@coterie', `native-${other}`)
    cpSync(join(root, 'npm', other), target, { recursive: true })
    const [code, message] = JSON.parse((await node(['-e', load], copied)).output)
    expect(code).toBe('NATIVE_LOAD_FAILED')
    expect(message).toContain(`What is installed is for ${other}`)
  })

  it('because its file is damaged names the file and quotes the system', async () => {
    const damaged = await install('damaged')
    const file = join(damaged, `node_modules/@coterie/native-${host}/coterie.${host}.node`)
    writeFileSync(file, 'not a library')
    const [code, message] = JSON.parse((await node(['-e', load], damaged)).output)
    expect(code).toBe('NATIVE_LOAD_FAILED')
    expect(message).toContain(file)
    expect(message).toContain('The system said')
    expect(message).toContain('npm install')
  })
})
