/** Media of a node: sessions that go on with it, and counters that never come twice. */
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { GroupNode, MemoryNetwork, PROFILES } from '../../dist/gbp/index.js'
import { Device } from '../../dist/mls/index.js'
import { ANY_SUITE, code, hex } from './members.js'
import { folder, OPUS, World } from './node-world.js'

describe.each(PROFILES)('in %s, media of nodes', (profile) => {
  it('reach every member with its leaf, and go on from epoch to epoch', async () => {
    const world = await World.of(profile, 3)
    const sessions = await Promise.all(world.members.map(({ node }) => node.media({ label: 'video' })))
    const encryptors = await Promise.all(sessions.map((session) => session.encryptor()))
    const leaves = new Map((await world.node(1).members()).map(({ member, leaf }) => [member, leaf]))
    expect(encryptors.map(({ leaf }) => leaf)).toEqual([1, 2, 3].map((member) => leaves.get(member)))
    const expectMedia = () => {
      for (const encryptor of encryptors) {
        const frame = encryptor.encrypt(OPUS)
        for (const [index, session] of sessions.entries()) {
          if (encryptors[index] === encryptor) continue
          expect(session.decrypt(frame)).toMatchObject({ plaintext: OPUS, leaf: encryptor.leaf })
          expect(() => session.decrypt(frame)).toThrow(code('SFRAME_REPLAY'))
        }
      }
      expect(new Set(sessions.map(({ epoch }) => epoch))).toEqual(new Set([world.node(1).epoch]))
    }
    expectMedia()
    await world.node(1).update()
    await world.network.settled()
    expectMedia()
    await world.node(1).remove([3])
    await world.network.settled()
    expect(() => encryptors[2]?.encrypt(OPUS)).toThrow(code('MLS_REMOVED'))
    encryptors.pop()
    sessions.pop()
    expectMedia()
  })

  it('count on whatever is made anew', async () => {
    const store = join(folder(), 'alice')
    const open = () => Device.open({ store, identity: 'alice', passphrase: 'alice', suite: ANY_SUITE })
    const counters = new Set<string>()
    let id: Uint8Array | undefined
    for (let round = 0; round < 3; round += 1) {
      const device = await open()
      const node =
        id === undefined
          ? await GroupNode.create(device, { member: 1, profile })
          : await GroupNode.open(device, id)
      if (node === undefined) throw new Error('it was there')
      id = node.groupId
      for (let count = 0; count < 3; count += 1) {
        using session = await node.media()
        using one = await session.encryptor()
        using two = await session.encryptor()
        for (const encryptor of [one, two, one]) {
          counters.add(`${encryptor.keyId} ${encryptor.counter}`)
          encryptor.encrypt(OPUS)
        }
      }
      await node.close()
      await device.close()
    }
    expect(counters.size).toBe(27)
  })

  it('have keys of their own, and so has what is exported', async () => {
    const world = await World.of(profile, 2)
    const [one, other] = [world.node(1), world.node(2)]
    const empty = new Uint8Array()
    const exported = await one.exportSecret('chess', empty, 32)
    expect(hex(await other.exportSecret('chess', empty, 32))).toBe(hex(exported))
    for (const label of ['gbp/text', 'gbp/audio', 'coterie/gbp audio v1', 'coterie/gbp numbers v1']) {
      await expect(one.media({ label })).rejects.toEqual(code('INVALID_ARGUMENT'))
      await expect(one.exportSecret(label, empty, 32)).rejects.toEqual(code('INVALID_ARGUMENT'))
    }
    using session = await one.media({ suite: 'aes256gcm-sha512', dialect: 'rfc9605' })
    expect(session.suite).toBe('aes256gcm-sha512')
    await expect(session.encryptor({ leaf: 7 })).rejects.toEqual(code('INVALID_ARGUMENT'))
    using stays = await one.media({ follow: false })
    await one.update()
    await world.network.settled()
    expect(stays.epoch).toBe(one.epoch - 1n)
    expect(session.epoch).toBe(one.epoch)
  })

  it('end with the membership, and with the node', async () => {
    const device = await Device.create({ identity: 'alice', suite: ANY_SUITE })
    await using network = new MemoryNetwork()
    const node = await GroupNode.create(device, { member: 1, profile })
    network.connect(node)
    await node.close()
    await expect(node.media()).rejects.toEqual(code('HANDLE_CLOSED'))
    await expect(node.exportSecret('x', OPUS, 16)).rejects.toEqual(code('HANDLE_CLOSED'))
  })
})
