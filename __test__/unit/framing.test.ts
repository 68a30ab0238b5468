/** How a member frames what it sends, and who it is from now on. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { Device, type Framing } from '../../dist/mls/index.js'
import { code, names, pair, text } from './members.js'

test('padding hides lengths, and goes on after the group was opened again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coterie-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const how = { store: join(folder, 'alice.db'), key: new Uint8Array(32).fill(7) }
  let device = await Device.open({ ...how, identity: 'alice' })
  let group = await device.createGroup()
  const { id } = group
  expect(await group.framing()).toEqual({ handshake: 'encrypted', padding: 0 })
  const bare = new Set([(await group.encrypt('a')).length, (await group.encrypt('a'.repeat(40))).length])
  expect(bare.size).toBe(2)
  await group.setFraming({ handshake: 'public', padding: 256 })
  await device.close()

  device = await Device.open(how)
  const again = await device.openGroup(id)
  if (again === undefined) throw new Error('the group is gone')
  group = again
  expect(await group.framing()).toEqual({ handshake: 'public', padding: 256 })
  const padded = await Promise.all(['a', 'a'.repeat(40), 'a'.repeat(120)].map((said) => group.encrypt(said)))
  expect(new Set(padded.map(({ length }) => length)).size).toBe(1)
  await device.close()
})

test('public handshakes can be read on their way and are taken by members who encrypt theirs', async () => {
  const { alice, bob } = await pair()
  const shows = (bytes: Uint8Array) => Buffer.from(bytes).includes('a-name-to-look-for')
  const carol = await Device.create({ identity: 'a-name-to-look-for' })
  expect(shows(await alice.proposeAdd(await carol.keyPackage()))).toBe(false)
  await alice.clearProposals()
  await alice.setFraming({ handshake: 'public', padding: 0 })
  const proposal = await alice.proposeAdd(await carol.keyPackage())
  expect(shows(proposal)).toBe(true)
  expect((await bob.receive(proposal)).type).toBe('proposal')
  const { commit } = await bob.commit()
  expect(shows(commit)).toBe(false)
  await alice.receive(commit)
})

test('framing that cannot be is refused and changes nothing', async () => {
  const { alice } = await pair()
  await expect(alice.setFraming({ handshake: 'public', padding: 4097 })).rejects.toThrow(
    code('MLS_TOO_LARGE'),
  )
  for (const wrong of [
    {},
    { handshake: 'plain', padding: 0 },
    { handshake: 'public' },
    { handshake: 'public', padding: -1 },
    { handshake: 'public', padding: 1.5 },
  ]) {
    await expect(alice.setFraming(wrong as Framing)).rejects.toThrow(code('INVALID_ARGUMENT'))
  }
  expect(await alice.framing()).toEqual({ handshake: 'encrypted', padding: 0 })
})

test('a member takes another name and key in one group, and goes on speaking', async () => {
  const { alice, bob, devices } = await pair()
  const [before] = await alice.members()
  const { commit } = await alice.commit({ identity: 'alice of the night shift' })
  await bob.receive(commit)
  await alice.mergePending()
  expect(await names(bob)).toEqual(['alice of the night shift', 'bob'])
  const [after] = await bob.members()
  expect(after?.signatureKey).not.toEqual(before?.signatureKey)
  const received = await bob.receive(await alice.encrypt('still me'))
  expect(received).toMatchObject({ type: 'message', sender: { name: 'alice of the night shift' } })
  expect(received.type === 'message' && text(received.plaintext)).toBe('still me')
  expect(text(devices[0]?.identity ?? new Uint8Array())).toBe('alice')
  await expect(alice.commit({ identity: '' })).rejects.toThrow(code('INVALID_ARGUMENT'))
  await expect(alice.commit({ identity: 'x'.repeat(1025) })).rejects.toThrow(code('MLS_TOO_LARGE'))
})
