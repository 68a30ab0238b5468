/** What the documentation shows runs as it stands: the pages of the entry points, and every `@example` of the facade. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import ts from 'typescript'
import { describe, expect, it, onTestFinished } from 'vitest'

import * as mls from '../../dist/mls/index.js'
import * as sframe from '../../dist/sframe/index.js'
import { meet, turns } from './members.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** An entry point, and the classes that its page must explain. */
const PAGES = [
  { page: 'mls', module: mls, classes: [mls.Device, mls.Group, mls.GroupSession, mls.ExternalSigner] },
  { page: 'sframe', module: sframe, classes: [sframe.SFrameSession, sframe.SFrameEncryptor] },
]

function blocks(text: string): string {
  return [...text.matchAll(/```js\n(.*?)```/gs)].map(([, block]) => block).join('\n')
}

/** What a line prints stands behind it: `console.log(…) // this`. */
function promised(program: string): string[] {
  return [...program.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map(([, said]) => said ?? '')
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'coterie-'))
  onTestFinished(() => {
    rmSync(made, { recursive: true, force: true })
  })
  return made
}

/** What an authority would have handed out. */
function certificates(here: string): void {
  const file = new URL('certificates.json', import.meta.url)
  const kit = JSON.parse(readFileSync(file, 'utf8')) as Record<'alice' | 'bob', Record<string, string>> & {
    root: string
  }
  const write = (name: string, hex: string | undefined) => {
    writeFileSync(join(here, `${name}.der`), Buffer.from(hex ?? '', 'hex'))
  }
  write('authority', kit.root)
  for (const name of ['alice', 'bob'] as const) {
    write(name, kit[name]['certificate'])
    write(`${name}-key`, kit[name]['key'])
  }
}

describe.each(PAGES)('docs/$page.md', ({ page, module, classes }) => {
  const text = readFileSync(join(root, `docs/${page}.md`), 'utf8')
  // The page's first block introduces those whom all others use.
  const [introduction = '', ...all] = text.split(/^## /m)
  const sections = all.filter((section) => blocks(section) !== '')

  it.each(sections.map((section) => [section.split('\n')[0] ?? '', section]))('%s', (_title, section) => {
    const program = `${blocks(introduction)}\n${blocks(section)}`
    const said = promised(program)
    expect(said).not.toEqual([])
    const here = folder()
    certificates(here)
    const entry = (name: string) => JSON.stringify(join(root, `dist/${name}/index.mjs`))
    const runnable = program
      .replaceAll(/'coterie\/(\w+)'/g, (_, name: string) => entry(name))
      .replaceAll("'./", `'${here}/`)
    const words = ['--input-type=module', '--eval', runnable]
    expect(execFileSync(process.execPath, words, { cwd: here, encoding: 'utf8' })).toBe(
      said.map((line) => `${line}\n`).join(''),
    )
  })

  it('names everything that can be called', () => {
    const called = new Set(text.match(/[A-Za-z_]+/g))
    const names = (classes as { prototype: object }[])
      .flatMap((made) => [made, made.prototype])
      .flatMap((holder) => Object.getOwnPropertyNames(holder))
    const internal = new Set(['constructor', 'prototype', 'length', 'name', 'is', 'CoterieError'])
    expect(names.filter((name) => !internal.has(name) && !called.has(name))).toEqual([])
    expect(Object.keys(module).filter((name) => !internal.has(name) && !called.has(name))).toEqual([])
  })
})

interface Example {
  readonly where: string
  readonly code: string
}

function examplesOf(file: string): Example[] {
  const source = readFileSync(join(root, file), 'utf8')
  return [...source.matchAll(/@example\n\s*\* ```ts\n(.*?)\s*\* ```/gs)].map((match) => ({
    where: `${file}:${source.slice(0, match.index).split('\n').length}`,
    code: (match[1] ?? '').replaceAll(/^\s*\* ?/gm, ''),
  }))
}

const FILES = [
  'ts/errors.ts',
  ...['mls', 'sframe'].flatMap((part) =>
    readdirSync(join(root, 'ts', part)).map((name) => `ts/${part}/${name}`),
  ),
]

/** What examples take for granted. */
async function scope() {
  const { directory, channel, devices } = await meet(['alice', 'bob', 'carol'])
  const [alice, bob] = devices
  if (alice === undefined || bob === undefined) throw new Error('two are needed')
  const group = await alice.createGroup()
  const { welcome } = await group.commit({ add: [await directory.take('carol')] })
  const sent = await group.mergePending()
  const sendToAll = async (message: Uint8Array) => expect(message.length).toBeGreaterThan(0)
  const baseKey = new Uint8Array(16)
  const session = await sframe.SFrameSession.open(group)
  const sealing = await sframe.SFrameSession.fromKey(bob, { baseKey, epoch: 7n }, { dialect: 'rfc9605' })
  const other = await sealing.encryptor({ leaf: 1, firstCounter: 0n })
  return {
    ...mls,
    ...sframe,
    frame: new Uint8Array(120),
    baseKey,
    payload: other.encrypt(new Uint8Array(120)),
    encryptor: await session.encryptor(),
    alice,
    bob,
    directory,
    channel,
    device: bob,
    group,
    leaf: sent.added[0]?.leaf,
    keyPackage: await bob.keyPackage(),
    groupInfo: await group.groupInfo(),
    message: await group.encrypt('hello'),
    bytes: await group.encrypt('hello'),
    passphrase: 'correct horse',
    sendToAll,
    sendToJoiner: sendToAll,
    welcome,
    console: { log: () => undefined },
  }
}

describe('the example at', () => {
  const examples = FILES.flatMap(examplesOf)

  it('every place is found', () => {
    const count = FILES.map((file) => readFileSync(join(root, file), 'utf8').split('@example').length - 1)
    expect(examples.length).toBe(count.reduce((sum, one) => sum + one, 0))
  })

  it.each(examples.map(({ where, code }) => [where, code]))('%s', async (_where, code) => {
    const given = await scope()
    const before = process.cwd()
    process.chdir(folder())
    onTestFinished(() => {
      process.chdir(before)
    })
    // Node 20 knows no `await using`: the compiler's helpers come before the function.
    const compiled = ts.transpile(`const run = async () => {\n${code}\n}`, { target: ts.ScriptTarget.ES2022 })
    // oxlint-disable-next-line typescript/no-implied-eval -- what this is for
    const make = new Function(...Object.keys(given), `${compiled}\nreturn run`) as (
      ...values: unknown[]
    ) => () => Promise<unknown>
    const running = make(...Object.values(given))()
    if (code.includes('for await')) {
      await turns()
      given.group.close()
    }
    await expect(running).resolves.toBeUndefined()
  })
})
