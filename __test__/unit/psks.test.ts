/** Pre-shared keys: who holds them follows, who does not is shut out. */
import { expect, test } from 'vitest'

import type { Group, PskId } from '../../dist/mls/index.js'
import { code, exactly, pair, team } from './members.js'

const ID: PskId = { type: 'external', id: 'last meeting' }
const SECRET = new Uint8Array(32).fill(9)

const together = async (...groups: Group[]) => {
  const [first, ...others] = await Promise.all(groups.map((group) => group.epochAuthenticator()))
  for (const other of others) expect(other).toEqual(first)
}

test('a commit with an external key is followed by whoever stored it, and by nobody else', async () => {
  const { alice, bob, devices } = await pair()
  const [alices, bobs] = exactly(devices)
  await expect(alice.commit({ psks: [ID] })).rejects.toThrow(code('MLS_PSK_NOT_FOUND'))
  await alices.storePsk('last meeting', SECRET)
  const { commit } = await alice.commit({ psks: [ID] })

  await expect(bob.receive(commit)).rejects.toThrow(code('MLS_PSK_NOT_FOUND'))
  await bobs.storePsk(new TextEncoder().encode('last meeting'), SECRET)
  await bob.receive(commit)
  await alice.mergePending()
  await together(alice, bob)
})

test('a member with another secret under the same name is refused', async () => {
  const { alice, bob, devices } = await pair()
  const [alices, bobs] = exactly(devices)
  await alices.storePsk('last meeting', SECRET)
  await bobs.storePsk(
    'last meeting',
    SECRET.map((byte) => byte ^ 1),
  )
  const { commit } = await alice.commit({ psks: [ID] })
  await expect(bob.receive(commit)).rejects.toMatchObject({ name: 'CoterieError' })
  expect(bob.epoch).toBe(1n)
})

test('a key that was forgotten is not known any more', async () => {
  const { alice, devices } = await pair()
  const [alices] = exactly(devices)
  await alices.storePsk('last meeting', SECRET)
  await alices.forgetPsk('last meeting')
  await alices.forgetPsk('never stored')
  await expect(alice.commit({ psks: [ID] })).rejects.toThrow(code('MLS_PSK_NOT_FOUND'))
})

test('the secret of a past epoch is mixed in by its number, and one that never was is not known', async () => {
  const { alice, bob } = await pair()
  const { commit } = await alice.commit({ psks: [{ type: 'resumption', epoch: 1n }] })
  await bob.receive(commit)
  await alice.mergePending()
  await together(alice, bob)
  const psks = [{ type: 'resumption', epoch: 2n ** 64n - 1n }] as const
  await expect(alice.commit({ psks })).rejects.toThrow(code('MLS_PSK_NOT_FOUND'))
})

test('a proposed key is mixed in by another member, and over a channel as well', async () => {
  const { sessions, devices } = await team(['alice', 'bob'])
  const [alice, bob] = exactly(sessions)
  for (const device of devices) await device.storePsk('last meeting', SECRET)
  const [sees, bobSees] = [alice.events(), bob.events()]
  await bob.proposePsk(ID)
  expect((await sees.next()).value).toMatchObject({ type: 'proposal', proposal: { type: 'pre-shared-key' } })
  const { invitation, summary } = await alice.commit()
  expect(invitation).toBeUndefined()
  expect(summary).toMatchObject({ own: true, added: [], removed: [] })
  await bobSees.next()
  await together(alice.group, bob.group)
})

test('somebody who joins by a Welcome must hold the key too', async () => {
  const { sessions, devices } = await team(['alice', 'bob'])
  const [alice] = exactly(sessions)
  const [alices, bobs] = exactly(devices)
  const group = await alices.createGroup()
  await alices.storePsk('last meeting', SECRET)
  const { welcome } = await group.commit({ add: [await bobs.keyPackage()], psks: [ID] })
  await group.mergePending()
  if (welcome === undefined) throw new Error('nobody was added')
  await expect(bobs.join(welcome)).rejects.toMatchObject({ name: 'CoterieError' })
  await bobs.storePsk('last meeting', SECRET)
  await together(group, await bobs.join(welcome))
  expect(alice.group.isMember).toBe(true)
})

test('names and secrets that cannot be right are refused before anything happens', async () => {
  const { alice, devices } = await pair()
  const [alices] = exactly(devices)
  await expect(alices.storePsk('', SECRET)).rejects.toThrow(code('INVALID_ARGUMENT'))
  await expect(alices.storePsk('x', new Uint8Array())).rejects.toThrow(code('INVALID_ARGUMENT'))
  await expect(alices.storePsk('x', new Uint8Array(1025))).rejects.toThrow(code('MLS_TOO_LARGE'))
  await expect(alices.storePsk('x'.repeat(257), SECRET)).rejects.toThrow(code('MLS_TOO_LARGE'))
  const many = Array.from({ length: 65 }, () => ID)
  await expect(alice.commit({ psks: many })).rejects.toThrow(code('MLS_TOO_LARGE'))
  for (const wrong of [
    { type: 'external' },
    { type: 'internal', id: 'x' },
    { type: 'resumption', epoch: 1 },
    { type: 'resumption', epoch: -1n },
    { type: 'resumption', epoch: 2n ** 64n },
    null,
  ]) {
    await expect(alice.proposePsk(wrong as unknown as PskId)).rejects.toThrow(code('INVALID_ARGUMENT'))
    await expect(alice.commit({ psks: [wrong as unknown as PskId] })).rejects.toThrow(
      code('INVALID_ARGUMENT'),
    )
  }
  expect(await alice.pendingCommit()).toBeUndefined()
})
