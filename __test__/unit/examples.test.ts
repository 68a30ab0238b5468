/** What the documentation shows runs as it stands: the page of each entry point, and every `@example` of the facade. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import ts from 'typescript'
import { describe, expect, it, onTestFinished } from 'vitest'

import * as gap from '../../dist/gap/index.js'
import * as gbp from '../../dist/gbp/index.js'
import * as gsp from '../../dist/gsp/index.js'
import * as gtp from '../../dist/gtp/index.js'
import * as mls from '../../dist/mls/index.js'
import * as sframe from '../../dist/sframe/index.js'
import { meet, turns } from './members.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const modules: Readonly<Record<string, Record<string, unknown>>> = { mls, sframe, gbp, gtp, gap, gsp }

/** Pages by their names, each with the entry point that it describes. */
const PAGES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.keys(modules).map((entry) => [entry, entry])),
  stack: 'gbp',
  links: 'gbp',
}

interface Page {
  readonly page: string
  readonly entry: string
  readonly text: string
  /** The page's first block introduces those whom all others use. */
  readonly introduction: string
  /** Those that show something. */
  readonly sections: readonly string[]
}

const textOf = (page: string) => readFileSync(join(root, `docs/${page}.md`), 'utf8')

const pages: readonly Page[] = Object.entries(PAGES).map(([page, entry]) => {
  const text = textOf(page)
  const [introduction = '', ...sections] = text.split(/^## /m)
  return {
    page,
    entry,
    text,
    introduction,
    sections: sections.filter((section) => section.includes('```js')),
  }
})

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

type Class = new () => object

function classes(exported: Record<string, unknown>): Class[] {
  const made = Object.values(exported).filter((one): one is Class => typeof one === 'function')
  return made.filter(({ prototype }) => (prototype as unknown) !== undefined)
}

describe.each(pages.map((page) => [`docs/${page.page}.md`, page] as const))('%s', (_name, page) => {
  const { introduction, sections } = page
  it.each(sections.map((section) => [section.split('\n')[0] ?? '', section]))('%s', (_title, section) => {
    const program = `${blocks(introduction)}\n${blocks(section)}`
    const said = promised(program)
    expect(said).not.toEqual([])
    const here = folder()
    certificates(here)
    const imported = (_: string, name: string) => JSON.stringify(join(root, `dist/${name}/index.mjs`))
    const runnable = program.replaceAll(/'coterie\/(\w+)'/g, imported).replaceAll("'./", `'${here}/`)
    const words = ['--input-type=module', '--eval', runnable]
    expect(execFileSync(process.execPath, words, { cwd: here, encoding: 'utf8' })).toBe(
      said.map((line) => `${line}\n`).join(''),
    )
  })
})

describe.each(Object.keys(modules))('the documentation of coterie/%s', (entry) => {
  it('names everything that can be called', () => {
    const text = pages.filter((page) => page.entry === entry).map((page) => page.text)
    const called = new Set(text.join('\n').match(/[A-Za-z_]+/g))
    const exported = modules[entry] ?? {}
    const names = (
      entry === 'mls' ? [mls.Device, mls.Group, mls.GroupSession, mls.ExternalSigner] : classes(exported)
    )
      .flatMap((made) => [made, made.prototype])
      .flatMap((holder) => Object.getOwnPropertyNames(holder))
    const internal = new Set(['constructor', 'prototype', 'length', 'name', 'is', 'nativeOf', 'CoterieError'])
    expect(names.filter((name) => !internal.has(name) && !called.has(name))).toEqual([])
    expect(Object.keys(exported).filter((name) => !internal.has(name) && !called.has(name))).toEqual([])
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
  ...Object.keys(modules).flatMap((entry) =>
    readdirSync(join(root, 'ts', entry)).map((name) => `ts/${entry}/${name}`),
  ),
]

const TOOLKITS: ReadonlySet<string> = new Set(['gbp', 'gtp', 'gap', 'gsp'])

/** A member of a group of the protocol stack, and a device that may come in. */
async function nodeScope() {
  const { devices } = await meet(['alice', 'bob'])
  const [alice, bob] = devices
  if (alice === undefined || bob === undefined) throw new Error('two are needed')
  const node = await gbp.GroupNode.create(alice, { member: 1 })
  onTestFinished(() => node.close())
  return { alice, bob, node, signal: new AbortController().signal }
}

/** What the examples of a toolkit take for granted. */
async function toolkitScope(entry: string) {
  const opus = Uint8Array.of(0xfc, 1, 2, 3)
  const packet = { source: 700, sequence: 1, timestamp: 960n, keyPhase: 1, frame: opus }
  return {
    ...modules[entry],
    ...(entry === 'gbp' ? await nodeScope() : {}),
    client: gtp.TextClient.create({ member: 7 }),
    data: new Uint8Array(100_000).fill(7),
    opus,
    payload: gap.encodeAudio(packet),
    sendToAll: (payload: Uint8Array) => expect(payload.length).toBeGreaterThan(0),
    console: { log: () => undefined },
  }
}

/** What the other examples take for granted. */
async function mlsScope() {
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

  it.each(examples.map(({ where, code }) => [where, code]))('%s', async (where, code) => {
    const [, entry = ''] = where.split('/')
    const given = await (TOOLKITS.has(entry) ? toolkitScope(entry) : mlsScope())
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
      if ('group' in given) given.group.close()
      if ('node' in given) await given.node?.close()
    }
    await expect(running).resolves.toBeUndefined()
  })
})
