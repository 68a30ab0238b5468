/** What somebody outside a group may do: look, come in by a commit of its own, come back, ask to be added. */
import { describe, expect, it, onTestFinished } from 'vitest'

import {
  CIPHER_SUITES,
  Device,
  GroupSession,
  readGroupInfo,
  readMessageHead,
  type Entrance,
  type Group,
} from '../../dist/mls/index.js'
import { ANY_SUITE, code, exactly, names, next, pair, team, text } from './members.js'

async function agree(...groups: Group[]): Promise<void> {
  const views = await Promise.all(
    groups.map(async (group) => ({ epoch: group.epoch, authenticator: await group.epochAuthenticator() })),
  )
  for (const view of views) expect(view).toEqual(views[0])
}

describe('joining by a commit of one’s own', () => {
  it.each(CIPHER_SUITES)('works with the tree inside and beside: %s', async (suite) => {
    const { alice, bob } = await pair(suite)
    for (const [name, tree] of [
      ['carol', 'inside'],
      ['dave', 'beside'],
    ] as const) {
      const device = await Device.create({ identity: name, suite })
      const groupInfo = await alice.groupInfo({ tree })
      const ratchetTree = tree === 'beside' ? await alice.ratchetTree() : undefined
      const { group, commit } = await device.joinExternal(groupInfo, { ratchetTree })
      for (const member of [alice, bob]) {
        expect(await member.receive(commit)).toMatchObject({ type: 'commit', commit: { own: false } })
      }
      await agree(alice, bob, group)
      const received = await group.receive(await bob.encrypt('welcome'))
      expect(received.type === 'message' && text(received.plaintext)).toBe('welcome')
    }
    expect(await names(alice)).toEqual(['alice', 'bob', 'carol', 'dave'])
  })

  it('needs the tree and a GroupInfo that was not tampered with', async () => {
    const { alice } = await pair()
    const carol = await Device.create({ identity: 'carol' })
    const bare = await alice.groupInfo({ tree: 'beside' })
    await expect(carol.joinExternal(bare)).rejects.toThrow(code('MLS_GROUP_INFO_INVALID'))
    const groupInfo = await alice.groupInfo()
    await expect(carol.joinExternal(groupInfo.subarray(1))).rejects.toThrow(code('MLS_MALFORMED'))
    const forged = groupInfo.map((byte, index) => (index === groupInfo.length - 1 ? byte ^ 1 : byte))
    await expect(carol.joinExternal(forged)).rejects.toThrow(code('MLS_GROUP_INFO_INVALID'))
  })

  it('with a pre-shared key needs the key', async () => {
    const { alice, bob, devices } = await pair()
    const carol = await Device.create({ identity: 'carol' })
    const psks = [{ type: 'external', id: 'gate' }] as const
    const groupInfo = await alice.groupInfo()
    await expect(carol.joinExternal(groupInfo, { psks })).rejects.toThrow(code('MLS_PSK_NOT_FOUND'))
    for (const device of [carol, ...devices]) await device.storePsk('gate', new Uint8Array(16).fill(3))
    const { group, commit } = await carol.joinExternal(groupInfo, { psks })
    for (const member of [alice, bob]) await member.receive(commit)
    await agree(alice, bob, group)
  })

  it('again replaces the leaf of a member that lost its state', async () => {
    const { alice, bob, devices } = await pair()
    const [, bobs] = exactly(devices)
    // Bob misses two commits.
    for (let round = 0; round < 2; round += 1) {
      await alice.commit({ update: true })
      await alice.mergePending()
    }
    await expect(bob.receive(await alice.encrypt('x'))).rejects.toThrow(code('MLS_WRONG_EPOCH'))
    const groupInfo = await alice.groupInfo()
    bob.close()
    const { group, commit } = await bobs.joinExternal(groupInfo, { resync: true })
    expect(await alice.receive(commit)).toMatchObject({ commit: { removed: [{ name: 'bob' }] } })
    await agree(alice, group)
    expect(await names(alice)).toEqual(['alice', 'bob'])
  })
})

describe('joining by a Welcome', () => {
  it('with the tree beside needs the tree', async () => {
    const [alice, bob] = await Promise.all(['alice', 'bob'].map((identity) => Device.create({ identity })))
    if (alice === undefined || bob === undefined) throw new Error('two are needed')
    const group = await alice.createGroup()
    const add = [await bob.keyPackage()]
    const { welcome, ratchetTree } = await group.commit({ add, tree: 'beside' })
    await group.mergePending()
    if (welcome === undefined || ratchetTree === undefined) throw new Error('something is missing')
    expect(ratchetTree).toEqual(await group.ratchetTree())
    await expect(bob.join(welcome)).rejects.toThrow(code('MLS_WELCOME_INVALID'))
    await agree(group, await bob.join(welcome, { ratchetTree }))
    expect((await group.commit({ update: true })).ratchetTree).toBeUndefined()
  })
})

describe('asking to be added', () => {
  it('is a proposal that a member commits, and whose Welcome is for the one who asked', async () => {
    const { sessions, channel } = await team(['alice'])
    const [alice] = exactly(sessions)
    const sees = alice.events()
    const carol = await Device.create({ identity: 'carol', suite: CIPHER_SUITES[2] })
    const { groupInfo } = await alice.entrance()
    await channel.append(await carol.proposeSelf(groupInfo, { lifetime: 86_400_000 }))
    expect(await next(sees, 'proposal')).toMatchObject({
      sender: { type: 'outsider' },
      proposal: { type: 'add', name: 'carol' },
    })
    const { invitation } = await alice.commit()
    if (invitation === undefined) throw new Error('nobody was invited')
    const carols = await GroupSession.join(carol, invitation, channel)
    onTestFinished(() => carols.close())
    expect(carols.group.suite).toBe(ANY_SUITE)
    await agree(alice.group, carols.group)
  })
})

describe('leaving', () => {
  it('is a proposal that others commit, encrypted and in public', async () => {
    for (const handshake of ['encrypted', 'public'] as const) {
      const { alice, bob } = await pair()
      await bob.setFraming({ handshake, padding: 0 })
      expect(await alice.receive(await bob.proposeLeave())).toMatchObject({
        proposal: { type: 'remove', member: { name: 'bob' } },
      })
      const { commit, summary } = await alice.commit()
      expect(summary.removed).toMatchObject([{ name: 'bob' }])
      expect(await bob.receive(commit)).toMatchObject({ commit: { removesSelf: true } })
      expect(bob.isMember).toBe(false)
    }
  })
})

describe('an outsider that only looks', () => {
  it('reads what a GroupInfo says', async () => {
    const { alice } = await pair()
    for (const tree of ['inside', 'beside'] as const) {
      expect(await readGroupInfo(await alice.groupInfo({ tree }))).toEqual({
        groupId: alice.id,
        epoch: 1n,
        suite: ANY_SUITE,
        extensions: [],
      })
    }
    await expect(readGroupInfo(new Uint8Array(9))).rejects.toThrow(code('MLS_MALFORMED'))
    await expect(readGroupInfo(await alice.encrypt('x'))).rejects.toThrow(code('MLS_MALFORMED'))
    await expect(readGroupInfo(new Uint8Array(9), { signal: AbortSignal.abort('stop') })).rejects.toBe('stop')
  })

  it('reads the heads of messages, whether or not the rest is encrypted', async () => {
    const { alice } = await pair()
    const groupId = alice.id
    const head = async (message: Uint8Array) => readMessageHead(message)
    expect(await head(await alice.encrypt('x'))).toEqual({ groupId, epoch: 1n, content: 'application' })
    for (const handshake of ['encrypted', 'public'] as const) {
      await alice.setFraming({ handshake, padding: 0 })
      const { commit } = await alice.commit({ update: true })
      expect(await head(commit)).toEqual({ groupId, epoch: 1n, content: 'commit' })
      await alice.discardPending()
    }
    await expect(head(await alice.groupInfo())).rejects.toThrow(code('MLS_MALFORMED'))
  })
})

describe('a session that is joined from outside', () => {
  it('is at once at the epoch of the others, and reads and writes', async () => {
    const { sessions, channel } = await team(['alice', 'bob'])
    const [alice, bob] = exactly(sessions)
    const sees = bob.events()
    const carol = await Device.create({ identity: 'carol' })
    for (const tree of ['inside', 'beside'] as const) {
      const device = tree === 'inside' ? carol : await Device.create({ identity: 'dave' })
      const session = await GroupSession.joinExternal(device, await alice.entrance({ tree }), channel)
      onTestFinished(() => session.close())
      await next(sees, 'epoch-changed')
      await agree(bob.group, session.group)
      await session.send(`from ${tree}`)
      expect(text((await next(sees, 'message')).plaintext)).toBe(`from ${tree}`)
    }
    expect(await names(bob)).toEqual(['alice', 'bob', 'carol', 'dave'])
  })

  it('that came second is told so, holds nothing, and comes in with a newer entrance', async () => {
    const { sessions, channel } = await team(['alice', 'bob'])
    const [alice, bob] = exactly(sessions)
    const sees = bob.events()
    const stale = await alice.entrance()
    await bob.send('does not matter')
    await alice.update()
    await next(sees, 'epoch-changed')
    const carol = await Device.create({ identity: 'carol' })
    await expect(GroupSession.joinExternal(carol, stale, channel)).rejects.toThrow(code('COMMIT_SUPERSEDED'))
    expect(await carol.openGroup(alice.group.id)).toBeUndefined()
    const carols = await GroupSession.joinExternal(carol, await alice.entrance(), channel)
    onTestFinished(() => carols.close())
    await next(sees, 'epoch-changed')
    await agree(bob.group, carols.group)
  })

  it('comes back after it fell behind', async () => {
    const { sessions, channel, devices } = await team(['alice', 'bob'])
    const [alice, bob] = exactly(sessions)
    const [, bobs] = exactly(devices)
    await bob.close()
    await alice.update()
    const entrance = await alice.entrance()
    const again = await GroupSession.joinExternal(bobs, entrance, channel, { resync: true })
    onTestFinished(() => again.close())
    const sees = again.events()
    await alice.send('you are back')
    expect(text((await next(sees, 'message')).plaintext)).toBe('you are back')
    expect(await names(again)).toEqual(['alice', 'bob'])
  })

  it('refuses what is no entrance before anything is sent', async () => {
    const { sessions, channel } = await team(['alice'])
    const [alice] = exactly(sessions)
    const carol = await Device.create({ identity: 'carol' })
    const good = await alice.entrance()
    const before = await channel.end()
    for (const wrong of [undefined, {}, { ...good, position: 1 }, { ...good, groupInfo: 'x' }]) {
      await expect(GroupSession.joinExternal(carol, wrong as unknown as Entrance, channel)).rejects.toThrow(
        code('INVALID_ARGUMENT'),
      )
    }
    expect(await channel.end()).toBe(before)
  })
})
