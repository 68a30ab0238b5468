import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { CoterieError, Device, type Group, type OpenDeviceOptions } from '../../dist/mls/index.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const key = new Uint8Array(32).fill(7)

let folder: string
let store: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coterie-'))
  store = join(folder, 'alice.db')
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (CoterieError.is(error)) return error.code
    throw error
  }
  return 'none'
}

async function groupWithBob(alice: Device): Promise<{ id: Uint8Array; bobs: Group; alices: Group }> {
  const bob = await Device.create({ identity: 'bob' })
  const alices = await alice.createGroup()
  const { welcome } = await alices.commit({ add: [await bob.keyPackage()] })
  await alices.mergePending()
  if (welcome === undefined) throw new Error('no Welcome')
  return { id: alices.id, bobs: await bob.join(welcome), alices }
}

test('a device and its groups go on where they were when their store is opened again', async () => {
  let alice = await Device.open({ store, key, identity: 'alice' })
  const { id, bobs, alices } = await groupWithBob(alice)
  const early = await alices.encrypt('before')
  await alice.close()
  await alice.close()
  expect(await codeOf(alices.encrypt('closed'))).toBe('HANDLE_CLOSED')

  alice = await Device.open({ store, key })
  expect(text(alice.identity)).toBe('alice')
  const again = await alice.openGroup(id)
  if (again === undefined) throw new Error('the group is gone')
  const late = await again.encrypt('after')
  for (const [message, said] of [
    [early, 'before'],
    [late, 'after'],
  ] as const) {
    const received = await bobs.receive(message)
    expect(received.type === 'message' && text(received.plaintext)).toBe(said)
  }
  expect((await again.receive(await bobs.encrypt('hi'))).type).toBe('message')
  expect(await alice.openGroup(Uint8Array.of(1))).toBeUndefined()
  await alice.close()
})

test('a commit that was pending when the process ended is merged when it comes back', async () => {
  let alice = await Device.open({ store, key, identity: 'alice' })
  const { id, bobs, alices } = await groupWithBob(alice)
  const { commit } = await alices.commit({ update: true })
  await alice.close()

  alice = await Device.open({ store, key })
  const again = await alice.openGroup(id)
  expect((await again?.receive(commit))?.type).toBe('commit')
  await bobs.receive(commit)
  expect(await again?.epochAuthenticator()).toEqual(await bobs.epochAuthenticator())
  await alice.close()
})

test('a store has one owner, one key and one identity, and says which of them is wrong', async () => {
  const alice = await Device.open({ store, passphrase: 'correct horse', identity: 'alice' })
  const open = (options: Partial<OpenDeviceOptions>) =>
    codeOf(Device.open({ store, passphrase: 'correct horse', ...options } as OpenDeviceOptions))
  expect(await open({})).toBe('STORE_LOCKED')
  expect(await openElsewhere()).toBe('STORE_LOCKED')
  await alice.close()
  expect(await open({ passphrase: 'wrong horse' })).toBe('STORE_WRONG_KEY')
  expect(await open({ identity: 'mallory' })).toBe('INVALID_ARGUMENT')
  expect(await open({ key })).toBe('INVALID_ARGUMENT')
  expect(await codeOf(Device.open({ store: join(folder, 'none.db'), key }))).toBe('INVALID_ARGUMENT')
  expect(await codeOf(Device.open({ store: join(folder, 'no', 'folder.db'), key, identity: 'a' }))).toBe(
    'STORE_IO',
  )
  expect(await open({})).toBe('none')
})

async function openElsewhere(): Promise<string> {
  const program = `
    const { Device } = require(${JSON.stringify(join(root, 'dist/mls/index.js'))})
    Device.open({ store: ${JSON.stringify(store)}, passphrase: 'correct horse' }).then(
      () => console.log('none'), (error) => console.log(error.code))`
  return execFileSync(process.execPath, ['--eval', program], { encoding: 'utf8' }).trim()
}

test('after the key was changed only the new one opens the store', async () => {
  const alice = await Device.open({ store, passphrase: 'old', identity: 'alice' })
  await alice.rekey({ key, reencrypt: true })
  await alice.close()
  expect(await codeOf(Device.open({ store, passphrase: 'old' }))).toBe('STORE_WRONG_KEY')
  const again = await Device.open({ store, key })
  await again.rekey({ passphrase: 'newest' })
  await again.close()
  await (await Device.open({ store, passphrase: 'newest' })).close()
})

test('nothing that was said or named stands readable on disk', async () => {
  const alice = await Device.open({ store, key, identity: 'a-name-to-look-for' })
  const { alices } = await groupWithBob(alice)
  await alices.encrypt('a-text-to-look-for')
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)))
  await alice.close()
  files.push(...readdirSync(folder).map((name) => readFileSync(join(folder, name))))
  for (const file of files) expect(/-to-look-for|SQLite format/.test(file.toString('latin1'))).toBe(false)
})

test('a damaged store is refused as damaged', async () => {
  const alice = await Device.open({ store, key, identity: 'alice' })
  await groupWithBob(alice)
  await alice.close()
  const bytes = readFileSync(store)
  for (let index = 0; index < bytes.length; index += 512) bytes[index] = (bytes[index] ?? 0) ^ 1
  writeFileSync(store, bytes)
  expect(await codeOf(Device.open({ store, key }))).toBe('STORE_DAMAGED')
})

test('what was acknowledged before the process was killed is there afterwards', async () => {
  const program = `
    const { Device } = require(${JSON.stringify(join(root, 'dist/mls/index.js'))})
    async function work() {
      const alice = await Device.open({ store: ${JSON.stringify(store)}, key: new Uint8Array(32).fill(7), identity: 'alice' })
      const group = await alice.createGroup()
      console.log(Buffer.from(group.id).toString('hex'))
      for (let round = 0; round < 5; round++) {
        await group.commit({ update: true })
        console.log(String((await group.mergePending()).epoch))
      }
      process.kill(process.pid, 'SIGKILL')
    }
    work()`
  const { stdout, signal } = spawnSync(process.execPath, ['--eval', program], { encoding: 'utf8' })
  expect(signal).toBe('SIGKILL')
  const [id, ...epochs] = stdout.trim().split('\n')
  expect(epochs).toEqual(['1', '2', '3', '4', '5'])

  const alice = await Device.open({ store, key })
  const group = await alice.openGroup(Buffer.from(id ?? '', 'hex'))
  expect(group?.epoch).toBe(5n)
  await alice.close()
})
