/** How groups begin, go on and end, through the facade. */
import { describe, expect, it, onTestFinished } from 'vitest'

import { Device, GroupSession, MemoryChannel, type UpkeepOptions } from '../../dist/mls/index.js'
import { ANY_SUITE, code, next } from './members.js'

const HYBRID = 'mlkem768x25519-aes256gcm-sha384-ed25519-v1'

async function people(...identities: string[]): Promise<Device[]> {
  const made = await Promise.all(identities.map((identity) => Device.create({ identity, suite: ANY_SUITE })))
  onTestFinished(async () => {
    await Promise.all(made.map((device) => device.close()))
  })
  return made
}

const at = (devices: Device[], index: number): Device => devices[index] as Device

describe('the suite of a new group', () => {
  it('is the hybrid one where everybody offers it, and a common one where somebody does not', async () => {
    const all = await people('alice', 'bob', 'carol')
    const [alice, bob, carol] = [at(all, 0), at(all, 1), at(all, 2)]
    const both = async (device: Device) => [
      await device.keyPackage(),
      await device.keyPackage({ suite: HYBRID }),
    ]
    const offers = [await both(bob), await both(carol)]
    const { suite, keyPackages } = await alice.chooseSuite(offers)
    expect(suite).toBe(HYBRID)
    using group = await alice.createGroup({ suite })
    const { summary, expiring } = await group.commit({ add: keyPackages })
    expect(summary.added.map(({ name }) => name)).toEqual(['bob', 'carol'])
    expect(expiring).toEqual([])
    const classical = await alice.chooseSuite([offers[0] ?? [], [await carol.keyPackage()]])
    expect(classical.suite).toBe(ANY_SUITE)
    await expect(alice.chooseSuite([[]])).rejects.toEqual(code('INVALID_ARGUMENT'))
  })
})

describe('a key package that expires soon', () => {
  it('is named at the invitation', async () => {
    const all = await people('alice', 'bob')
    using group = await at(all, 0).createGroup()
    const keyPackage = await at(all, 1).keyPackage({ lifetime: 86_400_000 })
    const { expiring } = await group.commit({ add: [keyPackage] })
    expect(expiring.map(({ name }) => name)).toEqual(['bob'])
  })
})

describe('succession', () => {
  it('takes members of the old group along and nobody else', async () => {
    const all = await people('alice', 'bob', 'carol')
    const [alice, bob, carol] = [at(all, 0), at(all, 1), at(all, 2)]
    const channel = new MemoryChannel()
    await using alices = await GroupSession.connect(await alice.createGroup(), channel, { upkeep: false })
    const invitation = await alices.add([await bob.keyPackage()])
    await using bobs = await GroupSession.join(bob, invitation, channel, { upkeep: false })
    const heard = bobs.events()
    await expect(alices.group.createSuccessor()).rejects.toEqual(code('MLS_NOT_SUCCEEDED'))
    expect(await alices.group.successor()).toBeUndefined()

    await alices.nameSuccessor({ suite: HYBRID })
    const { succession, epoch } = await next(heard, 'succeeded')
    expect(succession.suite).toBe(HYBRID)
    await expect(bobs.send('one more')).rejects.toEqual(code('MLS_SUCCEEDED'))
    expect(await bobs.group.successor()).toEqual(succession)

    using successor = await alices.group.createSuccessor()
    const packages = [await bob.keyPackage({ suite: HYBRID }), await carol.keyPackage({ suite: HYBRID })]
    const { welcome } = await successor.commit({ add: packages })
    await successor.mergePending()
    using bobsNext = await bob.join(welcome ?? new Uint8Array())
    expect(await bobsNext.descent()).toEqual({ groupId: alices.group.id, epoch })
    expect(await alices.group.descent()).toBeUndefined()
    await expect(carol.join(welcome ?? new Uint8Array())).rejects.toEqual(code('MLS_DESCENT_UNKNOWN'))
  })
})

/** Alice's session and Bob's, who was added to it. */
async function connected(upkeep: UpkeepOptions | false) {
  const all = await people('alice', 'bob')
  const channel = new MemoryChannel()
  const alices = await GroupSession.connect(await at(all, 0).createGroup(), channel, { upkeep: false })
  const invitation = await alices.add([await at(all, 1).keyPackage()])
  const bobs = await GroupSession.join(at(all, 1), invitation, channel, { upkeep })
  onTestFinished(async () => {
    await alices.close()
    await bobs.close()
  })
  return { alices, bobs }
}

describe('a session', () => {
  it('replaces the keys of a member that was added', async () => {
    const { alices, bobs } = await connected({ jitter: 1, random: () => 0 })
    const [heard, own] = [alices.events(), bobs.events()]
    const { commit } = await next(heard, 'epoch-changed')
    expect(commit.updated.map(({ name }) => name)).toEqual(['bob'])
    await next(own, 'epoch-changed')
    expect(await bobs.group.wantsUpdate()).toBeUndefined()
  })

  it('leaves that to the application where it is told to', async () => {
    const { bobs } = await connected(false)
    expect(await bobs.group.wantsUpdate()).toBe('joined')
    await bobs.group.forgetPastEpochs()
  })

  it('refuses a jitter and a chance that are none', async () => {
    const all = await people('alice')
    using group = await at(all, 0).createGroup()
    const wrong = [{ jitter: -1 }, { random: 7 as unknown as () => number }]
    for (const upkeep of wrong) {
      await expect(GroupSession.connect(group, new MemoryChannel(), { upkeep })).rejects.toEqual(
        code('INVALID_ARGUMENT'),
      )
    }
  })
})
