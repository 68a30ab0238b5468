/** What the documentation shows runs as it stands: the page of `coterie/mls`, and every `@example` of the facade. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import ts from 'typescript'
import { describe, expect, it, onTestFinished } from 'vitest'

import * as mls from '../../dist/mls/index.js'
import { meet, turns } from './members.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/mls.md'), 'utf8')

/** The page's first block introduces those whom all others use. */
const [introduction = '', ...sections] = page.split(/^## /m)

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

describe('docs/mls.md', () => {
  it.each(sections.map((section) => [section.split('\n')[0] ?? '', section]))('%s', (_title, section) => {
    const program = `${blocks(introduction)}\n${blocks(section)}`
    const said = promised(program)
    expect(said).not.toEqual([])
    const here = folder()
    certificates(here)
    const entry = JSON.stringify(join(root, 'dist/mls/index.mjs'))
    const runnable = program.replaceAll("'coterie/mls'", entry).replaceAll("'./", `'${here}/`)
    const words = ['--input-type=module', '--eval', runnable]
    expect(execFileSync(process.execPath, words, { cwd: here, encoding: 'utf8' })).toBe(
      said.map((line) => `${line}\n`).join(''),
    )
  })

  it('names everything that can be called', () => {
    const called = new Set(page.match(/[A-Za-z_]+/g))
    const classes = [mls.Device, mls.Group, mls.GroupSession, mls.ExternalSigner]
    const names = classes
      .flatMap((made) => [made, made.prototype])
      .flatMap((holder) => Object.getOwnPropertyNames(holder))
    const internal = new Set(['constructor', 'prototype', 'length', 'name', 'is'])
    expect(names.filter((name) => !internal.has(name) && !called.has(name))).toEqual([])
    expect(Object.keys(mls).filter((name) => !called.has(name))).toEqual([])
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

const FILES = ['ts/errors.ts', ...readdirSync(join(root, 'ts/mls')).map((name) => `ts/mls/${name}`)]

/** What examples take for granted. */
async function scope() {
  const { directory, channel, devices } = await meet(['alice', 'bob', 'carol'])
  const [alice, bob] = devices
  if (alice === undefined || bob === undefined) throw new Error('two are needed')
  const group = await alice.createGroup()
  const { welcome } = await group.commit({ add: [await directory.take('carol')] })
  const sent = await group.mergePending()
  const sendToAll = async (message: Uint8Array) => expect(message.length).toBeGreaterThan(0)
  return {
    ...mls,
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
