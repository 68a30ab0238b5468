/** Certificates in place of names, and an application that has a say in who comes in. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import {
  Device,
  GroupSession,
  MemoryChannel,
  type Candidate,
  type DeviceOptions,
  type Policy,
} from '../../dist/mls/index.js'
import { ANY_SUITE, code, names, next } from './members.js'

/** Printed by `cargo run -p coterie-testkit --example certificates`; valid from 2023 to 2035. */
const KIT = JSON.parse(readFileSync(new URL('certificates.json', import.meta.url), 'utf8')) as Kit
type Name = 'alice' | 'bob' | 'carol' | 'dave' | 'mallory'
type Kit = { root: string } & Record<Name, { certificate: string; key: string }>

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const DURING = Date.UTC(2024, 0, 1)
const AFTER = Date.UTC(2036, 0, 1)

function certified(name: Name, options: Partial<DeviceOptions> = {}): Promise<Device> {
  const { certificate, key } = KIT[name]
  return Device.create({
    suite: name === 'carol' || name === 'dave' ? 'p256-aes128gcm-sha256-p256' : ANY_SUITE,
    certificate: { chain: [hex(certificate)], privateKey: hex(key) },
    trustAnchors: [hex(KIT.root)],
    clock: () => DURING,
    ...options,
  })
}

const plain = (identity: string, policy?: Policy) =>
  Device.create({ identity, suite: ANY_SUITE, ...(policy === undefined ? {} : { policy }) })

function bytesOf(welcome: Uint8Array | undefined): Uint8Array {
  if (welcome === undefined) throw new Error('a Welcome')
  return welcome
}

test.for([['alice', 'bob'] as const, ['carol', 'dave'] as const])(
  'certified members %s are known by the names in their certificates',
  async ([first, second]) => {
    const [a, b] = [await certified(first), await certified(second)]
    const info = a.inspectKeyPackage(await b.keyPackage())
    expect(info.certificate?.expires).toEqual(new Date('2035-01-01'))
    const group = await a.createGroup()
    const { welcome } = await group.commit({ add: [await b.keyPackage()] })
    await group.mergePending()
    const joined = await b.join(bytesOf(welcome))
    expect(await names(joined)).toEqual([`${first}@example.org`, `${second}@example.org`])
    const received = await joined.receive(await group.encrypt('hello'))
    expect(received).toMatchObject({
      sender: { name: `${first}@example.org`, certificate: expect.anything() },
    })
  },
)

test('a certificate that does not fit is refused by name', async () => {
  const { certificate, key } = KIT.bob
  const chain = [hex(certificate)]
  await expect(certified('bob', { identity: 'eve@example.org' })).rejects.toEqual(
    code('MLS_INVALID_CREDENTIAL'),
  )
  await expect(certified('bob', { clock: () => AFTER })).rejects.toEqual(code('MLS_CERTIFICATE_EXPIRED'))
  await expect(certified('mallory')).rejects.toEqual(code('MLS_INVALID_CREDENTIAL'))
  const privateKey = hex(KIT.alice.key)
  await expect(certified('bob', { certificate: { chain, privateKey } })).rejects.toEqual(
    code('MLS_INVALID_CREDENTIAL'),
  )
  await expect(Device.create({ certificate: { chain, privateKey: hex(key) } })).rejects.toEqual(
    code('INVALID_ARGUMENT'),
  )
  const alice = await certified('alice')
  const bob = await (await plain('bob')).keyPackage()
  expect(() => alice.inspectKeyPackage(bob)).toThrow(code('MLS_INVALID_KEY_PACKAGE'))
})

test('a policy is asked about everybody who comes in, and its reason is the error', async () => {
  const asked: string[] = []
  const policy: Policy = async ({ name, entry }: Candidate) => {
    await new Promise(setImmediate)
    asked.push(`${entry} ${name}`)
    return name === 'mallory' ? 'not mallory' : true
  }
  const [a, b, m] = [await plain('alice'), await plain('bob', policy), await plain('mallory')]
  const group = await a.createGroup()
  const { welcome } = await group.commit({ add: [await b.keyPackage()] })
  await group.mergePending()
  const bobs = await b.join(bytesOf(welcome))
  const refusal = expect.objectContaining({ code: 'MLS_REFUSED_BY_POLICY', message: 'not mallory' })
  await expect(bobs.commit({ add: [await m.keyPackage()] })).rejects.toEqual(refusal)
  await expect(bobs.proposeAdd(await m.keyPackage())).rejects.toEqual(refusal)

  const { commit } = await group.commit({ add: [await m.keyPackage()] })
  // In the order of the calls, although the first waits for an answer.
  const [refused, heard] = await Promise.allSettled([
    bobs.receive(commit),
    group.encrypt('still here').then((sealed) => bobs.receive(sealed)),
  ])
  expect(refused).toEqual({ status: 'rejected', reason: refusal })
  expect(heard).toMatchObject({ status: 'fulfilled', value: { type: 'message' } })
  expect((await bobs.members()).length).toBe(2)
  expect(asked).toEqual(['present alice', 'add mallory', 'add mallory', 'add mallory'])
})

test('a policy that admits merges in order, and holds in a session too', async () => {
  const policy: Policy = async ({ name }) => {
    await new Promise(setImmediate)
    return name !== 'mallory'
  }
  const [a, b, c, m] = await Promise.all([
    plain('alice'),
    plain('bob', policy),
    plain('carol'),
    plain('mallory'),
  ])
  const channel = new MemoryChannel()
  const team = await GroupSession.connect(await a.createGroup(), channel)
  const bobs = await GroupSession.join(b, await team.add([await b.keyPackage()]), channel)
  const events = bobs.events()
  await team.add([await c.keyPackage()])
  await team.send('welcome')
  expect(await next(events, 'epoch-changed')).toMatchObject({ commit: { added: [{ name: 'carol' }] } })
  expect(await next(events, 'message')).toMatchObject({ sender: { name: 'alice' } })
  await team.add([await m.keyPackage()])
  expect(await next(events, 'refused')).toMatchObject({ error: { code: 'MLS_REFUSED_BY_POLICY' } })
  expect(await names(bobs)).toEqual(['alice', 'bob', 'carol'])
  await Promise.all([bobs.close(), team.close()])
})

/** A group of Alice and Bob, who has a policy, and somebody whom it does not know. */
async function pair(policy: Policy) {
  const [a, b, m] = [await plain('alice'), await plain('bob', policy), await plain('mallory')]
  const group = await a.createGroup()
  const { welcome } = await group.commit({ add: [await b.keyPackage()] })
  await group.mergePending()
  return { group, bobs: await b.join(bytesOf(welcome)), b, m }
}

const refusal = code('MLS_REFUSED_BY_POLICY')

test('a policy that throws or rejects has refused, and other messages of a batch arrive', async () => {
  let broken = false
  const { group, bobs, m } = await pair(() => {
    if (broken) throw new RangeError('a bug')
    return true
  })
  broken = true
  const words = await group.encrypt('one')
  const { commit } = await group.commit({ add: [await m.keyPackage()] })
  const [heard, refused, later] = await bobs.receiveAll([words, commit, await group.encrypt('two')])
  expect([heard, later]).toMatchObject([{ type: 'message' }, { type: 'message' }])
  expect(refused).toEqual(refusal)
  expect(refused).toMatchObject({ cause: expect.any(RangeError) })
  broken = false
  expect(await bobs.receive(commit)).toMatchObject({
    type: 'commit',
    commit: { added: [{ name: 'mallory' }] },
  })
})

test('what was read before a group closed stays read, and what came after says why it was not', async () => {
  const { group, bobs, m } = await pair(({ entry }) => {
    if (entry !== 'present') bobs.close()
    return true
  })
  const words = await group.encrypt('one')
  const { commit } = await group.commit({ add: [await m.keyPackage()] })
  const batch = [words, commit, await group.encrypt('two')]
  const [heard, ...rest] = await bobs.receiveAll(batch)
  expect(heard).toMatchObject({ type: 'message' })
  expect(rest).toEqual([code('HANDLE_CLOSED'), code('HANDLE_CLOSED')])
  await expect(bobs.receiveAll(batch)).rejects.toEqual(code('HANDLE_CLOSED'))
})

test('a policy that does not answer is given up by the signal or by closing, and nothing has changed', async () => {
  let answer: (verdict: boolean) => void = () => undefined
  const { group, bobs, m } = await pair(({ entry }) =>
    entry === 'present' ? true : new Promise((resolve) => (answer = resolve)),
  )
  const { commit } = await group.commit({ add: [await m.keyPackage()] })
  const given = new AbortController()
  const waiting = bobs.receive(commit, { signal: given.signal })
  const impatient = new AbortController()
  const behind = bobs.members({ signal: impatient.signal })
  impatient.abort(new Error('enough'))
  await expect(behind).rejects.toThrow('enough')
  given.abort(new Error('no answer'))
  await expect(waiting).rejects.toThrow('no answer')
  expect((await bobs.members()).length).toBe(2)
  expect(await bobs.stagedCommit()).toBeUndefined()

  const again = bobs.receive(commit)
  const queued = bobs.members()
  bobs.close()
  await expect(again).rejects.toEqual(code('HANDLE_CLOSED'))
  await expect(queued).rejects.toEqual(code('HANDLE_CLOSED'))
  answer(true)
})

test('a policy is asked about a received proposal, and about everybody before an external join', async () => {
  let wary = true
  const { group, bobs, b, m } = await pair(({ name }) => !(wary && name === 'mallory'))
  const proposal = await group.proposeAdd(await m.keyPackage())
  await expect(bobs.receive(proposal)).rejects.toEqual(refusal)
  expect(await bobs.pendingProposals()).toEqual([])
  await group.clearProposals()

  const mallorys = await m.createGroup()
  const info = await mallorys.groupInfo()
  await expect(b.joinExternal(info)).rejects.toEqual(refusal)
  wary = false
  const { group: joined, commit } = await b.joinExternal(info)
  expect(await mallorys.receive(commit)).toMatchObject({ type: 'commit' })
  expect(await names(joined)).toEqual(['mallory', 'bob'])
})

test('a successor keeps the policy', async () => {
  const { bobs, m } = await pair(({ name }) => name !== 'mallory')
  const { summary } = await bobs.nameSuccessor()
  await bobs.mergePending()
  const after = await bobs.createSuccessor()
  expect(after.id).toEqual(summary.succession?.groupId)
  await expect(after.commit({ add: [await m.keyPackage()] })).rejects.toEqual(refusal)
})

test('a session with a policy that does not answer can be closed', async () => {
  let wake: () => void = () => undefined
  const asked = new Promise<void>((resolve) => (wake = resolve))
  const b = await plain('bob', ({ entry }) => {
    if (entry === 'present') return true
    wake()
    return new Promise(() => undefined)
  })
  const [a, m] = [await plain('alice'), await plain('mallory')]
  const channel = new MemoryChannel()
  const team = await GroupSession.connect(await a.createGroup(), channel)
  const bobs = await GroupSession.join(b, await team.add([await b.keyPackage()]), channel)
  await team.add([await m.keyPackage()])
  await asked
  await Promise.all([bobs.close(), team.close()])
  await expect(bobs.members()).rejects.toEqual(code('HANDLE_CLOSED'))
})

test('a stored device keeps its certificate, and takes no other name', async () => {
  const here = mkdtempSync(join(tmpdir(), 'coterie-'))
  onTestFinished(() => {
    rmSync(here, { recursive: true, force: true })
  })
  const open = (certificate?: { chain: Uint8Array[]; privateKey: Uint8Array }) =>
    Device.open({
      store: join(here, 'store.db'),
      key: new Uint8Array(32).fill(7),
      suite: ANY_SUITE,
      trustAnchors: [hex(KIT.root)],
      clock: () => DURING,
      ...(certificate === undefined ? {} : { certificate }),
    })
  const of = (name: Name) => ({ chain: [hex(KIT[name].certificate)], privateKey: hex(KIT[name].key) })
  for (const certificate of [of('alice'), of('alice'), undefined]) {
    // oxlint-disable-next-line no-await-in-loop -- a store has one owner at a time
    await using device = await open(certificate)
    expect(new TextDecoder().decode(device.identity)).toBe('alice@example.org')
    // oxlint-disable-next-line no-await-in-loop -- as above
    expect(device.inspectKeyPackage(await device.keyPackage()).certificate).toBeDefined()
  }
  await expect(open(of('bob'))).rejects.toEqual(code('MLS_INVALID_CREDENTIAL'))
})
