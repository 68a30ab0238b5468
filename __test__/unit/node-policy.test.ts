/** Devices with a policy as nodes of a group: nobody comes in whom it does not want, and nothing else waits for it. */
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { GroupNode, MemoryNetwork, PROFILES } from '../../dist/gbp/index.js'
import { Device, type Candidate, type Policy, type Verdict } from '../../dist/mls/index.js'
import { ANY_SUITE, code, turns } from './members.js'
import { expectAgreement, expectTalk, folder, World } from './node-world.js'

/** A policy that answers when it is told to. */
class Slow {
  readonly asked: Candidate[] = []
  readonly #waiting: ((verdict: Verdict) => void)[] = []

  readonly policy: Policy = (candidate) => {
    this.asked.push(candidate)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async answer(verdict: Verdict): Promise<void> {
    this.#waiting.shift()?.(verdict)
    await turns()
  }
}

/** Somebody who has been asked nothing yet. */
async function until(condition: () => boolean): Promise<void> {
  for (let count = 0; count < 1_000_000 && !condition(); count += 1) await turns(1)
  expect(condition()).toBe(true)
}

/** Two members; the second one's policy is asked, but has let in the first. */
async function careful(profile: (typeof PROFILES)[number]): Promise<{ world: World; slow: Slow }> {
  const world = await World.of(profile, 1)
  const slow = new Slow()
  const joining = world.invite(1, slow.policy)
  await until(() => slow.asked.length === 1)
  expect(slow.asked).toMatchObject([{ name: 'member 1', entry: 'present', by: undefined }])
  await slow.answer(true)
  await joining
  slow.asked.length = 0
  for (const member of world.members) member.heard.length = 0
  return { world, slow }
}

describe.each(PROFILES)('in %s, a policy', (profile) => {
  it('is asked before its member is ready for a commit, and everything else goes on meanwhile', async () => {
    const { world, slow } = await careful(profile)
    const before = world.node(2).epoch
    const joining = world.invite(1)
    await until(() => slow.asked.length === 1)
    expect(slow.asked).toMatchObject([{ name: 'member 3', entry: 'add', by: { type: 'member' } }])
    await world.node(2).text.send('meanwhile')
    await until(() => world.member(1).texts().includes('2: meanwhile'))
    expect([world.node(1).epoch, world.node(2).epoch]).toEqual([before, before])
    await slow.answer(true)
    await joining
    expect(world.node(2).epoch).toBe(before + 1n)
    await expectAgreement(world)
    await expectTalk(world)
  })

  it('that refuses keeps its member where it is, and says whose commit it was', async () => {
    const { world, slow } = await careful(profile)
    const before = world.node(1).epoch
    await world.node(1).invite([await (await world.device()).keyPackage()])
    await until(() => slow.asked.length === 1)
    await slow.answer('not that one')
    await world.pass(30_000)
    expect([world.node(1).epoch, world.node(2).epoch]).toEqual([before, before])
    // What comes of the attempt later is refused as well.
    expect(world.member(2).all('refused')[0]).toMatchObject({
      error: { code: 'MLS_REFUSED_BY_POLICY' },
      claimed: 1,
      offender: 1,
    })
    expect(world.member(1).all('not-admitted')).toEqual([{ type: 'not-admitted', members: [3] }])
    expect(slow.asked).toHaveLength(1)
    await expectTalk(world)
  })

  it('that fails has refused', async () => {
    const world = await World.of(profile, 1)
    let fails = false
    await world.invite(1, () => {
      if (fails) throw new Error('a policy of little use')
      return true
    })
    fails = true
    await world.node(1).invite([await (await world.device()).keyPackage()])
    await world.network.settled()
    expect(world.member(2).all('refused')[0]).toMatchObject({ error: { code: 'MLS_REFUSED_BY_POLICY' } })
  })

  it('is asked by whoever invites, before anything happens', async () => {
    const world = new World(profile)
    const slow = new Slow()
    const device = await world.device(slow.policy)
    const node = await GroupNode.create(device, { member: 1, profile })
    world.add(node, device)
    const [first, second] = [await world.device(), await world.device()]
    const refused = node
      .invite([await first.keyPackage(), await second.keyPackage()])
      .catch((error: unknown) => error)
    await until(() => slow.asked.length === 1)
    await slow.answer(true)
    await until(() => slow.asked.length === 2)
    await slow.answer('too many')
    expect(await refused).toMatchObject({ code: 'MLS_REFUSED_BY_POLICY', message: 'too many' })
    expect(node).toMatchObject({ epoch: node.epoch, pendingTransitionId: undefined })

    const stop = new AbortController()
    const impatient = node.invite([await first.keyPackage()], { signal: stop.signal })
    await until(() => slow.asked.length === 3)
    stop.abort(new Error('enough'))
    await expect(impatient).rejects.toThrow('enough')
    const closed = node.invite([await first.keyPackage()])
    await until(() => slow.asked.length === 4)
    await node.close()
    await expect(closed).rejects.toEqual(code('HANDLE_CLOSED'))
  })

  it('that refuses somebody who is there keeps a joiner out, whose key package is still good', async () => {
    const world = await World.of(profile, 1)
    let verdict: Verdict = 'nobody'
    const device = await world.device(() => verdict)
    const [number] = await world.node(1).invite([await device.keyPackage()])
    const admission = await world.network.admission(number)
    await expect(GroupNode.join(device, admission, { profile })).rejects.toEqual(
      code('MLS_REFUSED_BY_POLICY'),
    )
    await expect(GroupNode.join(device, new Uint8Array(9))).rejects.toEqual(code('WIRE_MALFORMED'))
    verdict = true
    world.add(await GroupNode.join(device, admission, { profile }), device)
    await expectTalk(world)
  })

  it('is asked again after a restart, and closing ends the wait', async () => {
    const store = join(folder(), 'bob')
    const slow = new Slow()
    const open = () =>
      Device.open({ store, identity: 'bob', passphrase: 'bob', suite: ANY_SUITE, policy: slow.policy })
    const alice = await Device.create({ identity: 'alice', suite: ANY_SUITE })
    await using network = new MemoryNetwork()
    await using node = await GroupNode.create(alice, { member: 1, profile })
    network.connect(node)
    let device = await open()
    const [number] = await node.invite([await device.keyPackage()])
    const joining = GroupNode.join(device, await network.admission(number), { profile })
    await until(() => slow.asked.length === 1)
    await slow.answer(true)
    const first = await joining
    network.connect(first)
    await network.settled()
    const carol = await Device.create({ identity: 'carol', suite: ANY_SUITE })
    const [third] = await node.invite([await carol.keyPackage()])
    await until(() => slow.asked.length === 2)
    await first.close()
    await device.close()

    device = await open()
    await using again = await GroupNode.open(device, node.groupId)
    if (again === undefined) throw new Error('it was there')
    await until(() => slow.asked.length === 3)
    expect(slow.asked.map(({ name }) => name)).toEqual(['alice', 'carol', 'carol'])
    await slow.answer(true) // of the first, who is closed
    network.connect(again)
    await slow.answer(true)
    await using other = await GroupNode.join(carol, await network.admission(third), { profile })
    network.connect(other)
    await network.settled()
    expect(again.epoch).toBe(other.epoch)
    await again.close()
    await device.close()
  })
})
