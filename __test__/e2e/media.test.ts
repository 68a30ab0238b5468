/** A call: three members, one of whom comes in the middle and one of whom is on disk and starts again. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { Device, GroupSession, MemoryChannel, type SessionEvent } from '../../dist/mls/index.js'
import { SFrameSession, type SFrameEncryptor } from '../../dist/sframe/index.js'

const FRAMES = 200
const frame = (number: number) => new Uint8Array(120).fill(number)

async function epochIs(events: AsyncIterator<SessionEvent, undefined>, epoch: bigint): Promise<void> {
  for (;;) {
    const { value } = await events.next()
    if (value === undefined) throw new Error(`the events ended before epoch ${epoch}`)
    if (value.type === 'epoch-changed' && value.commit.epoch >= epoch) return
  }
}

/** Everything that one says, heard by the others. */
function talk(speaker: SFrameEncryptor, listeners: readonly SFrameSession[]): Set<bigint> {
  const counters = new Set<bigint>()
  for (let number = 0; number < FRAMES; number += 1) {
    const payload = speaker.encrypt(frame(number))
    for (const listener of listeners) {
      const { plaintext, leaf, keyId, counter } = listener.decrypt(payload)
      expect([plaintext, leaf, keyId]).toEqual([frame(number), speaker.leaf, speaker.keyId])
      counters.add(counter)
    }
  }
  return counters
}

test('a stream goes on while members come, leave and start again, and no counter comes up twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coterie-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const stored = { store: join(folder, 'alice.db'), key: new Uint8Array(32).fill(1), identity: 'alice' }
  const channel = new MemoryChannel()
  let alice = await Device.open(stored)
  const [bob, carol] = [await Device.create({ identity: 'bob' }), await Device.create({ identity: 'carol' })]
  let alices = await GroupSession.connect(await alice.createGroup(), channel)
  const { id } = alices.group
  const bobs = await GroupSession.join(bob, await alices.add([await bob.keyPackage()]), channel)
  const bobHears = bobs.events()
  let atAlice = await SFrameSession.open(alices.group)
  const atBob = await SFrameSession.open(bobs.group)
  const bobSpeaks = await atBob.encryptor()
  let aliceSpeaks = await atAlice.encryptor()
  talk(aliceSpeaks, [atBob])
  talk(bobSpeaks, [atAlice])

  const carols = await GroupSession.join(carol, await alices.add([await carol.keyPackage()]), channel)
  await epochIs(bobHears, alices.group.epoch)
  const atCarol = await SFrameSession.open(carols.group)
  const carolSpeaks = await atCarol.encryptor()
  expect([atAlice.epoch, atBob.epoch]).toEqual([atCarol.epoch, atCarol.epoch])
  const before = talk(aliceSpeaks, [atBob, atCarol])
  talk(carolSpeaks, [atAlice, atBob])

  // Alice's process ends and comes back in the same epoch.
  const position = await channel.end()
  await alices.close()
  await alice.close()
  alice = await Device.open(stored)
  const group = await alice.openGroup(id)
  if (group === undefined) throw new Error('the group is gone')
  alices = await GroupSession.connect(group, channel, { position })
  atAlice = await SFrameSession.open(group)
  aliceSpeaks = await atAlice.encryptor()
  const after = talk(aliceSpeaks, [atBob, atCarol])
  expect([...after].filter((counter) => before.has(counter))).toEqual([])
  expect(new Set([...before, ...after]).size).toBe(2 * FRAMES)

  const left = carols.group.ownLeaf
  const carolHears = carols.events()
  await alices.remove([left])
  await epochIs(bobHears, alices.group.epoch)
  await epochIs(carolHears, alices.group.epoch)
  const payload = aliceSpeaks.encrypt(frame(1))
  expect(() => atCarol.decrypt(payload)).toThrow(expect.objectContaining({ code: 'SFRAME_UNKNOWN_KEY_ID' }))
  expect(() => carolSpeaks.encrypt(frame(1))).toThrow(expect.objectContaining({ code: 'MLS_REMOVED' }))
  expect(atBob.decrypt(payload).plaintext).toEqual(frame(1))

  for (const media of [atAlice, atBob, atCarol]) media.close()
  for (const session of [alices, bobs, carols]) await session.close()
  for (const device of [alice, bob, carol]) await device.close()
  channel.close()
})
