/** The flows of RFC 9420, section 3.2, through the facade: a directory, a group channel, and members at both. */
import { describe, expect, it } from 'vitest'

import {
  CIPHER_SUITES,
  CoterieError,
  Device,
  GroupSession,
  MemoryChannel,
  MemoryDirectory,
  type Delivery,
  type Group,
  type GroupChannel,
} from '../../dist/mls/index.js'
import { code, exactly, meet, names, next, pair, rest, team, text, turns } from './members.js'

/** What everybody in a group must agree on. */
async function agree(...groups: Group[]): Promise<void> {
  const views = await Promise.all(
    groups.map(async (group) => ({
      epoch: group.epoch,
      authenticator: await group.epochAuthenticator(),
      members: await names(group),
    })),
  )
  for (const view of views) expect(view).toEqual(views[0])
}

/** A channel that keeps what is appended until it is told to deliver. */
class HeldChannel implements GroupChannel {
  readonly #channel = new MemoryChannel()
  #gate = Promise.resolve()
  #open = () => {}

  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  release(): void {
    this.#open()
  }

  async append(message: Uint8Array): Promise<bigint> {
    const position = await this.#channel.append(message)
    return position
  }

  end(): Promise<bigint> {
    return this.#channel.end()
  }

  async *read(position: bigint): AsyncIterableIterator<Delivery, undefined> {
    for await (const delivery of this.#channel.read(position)) {
      await this.#gate
      yield delivery
    }
  }
}

describe.each(CIPHER_SUITES)('the flows of RFC 9420, section 3.2, with %s', (suite) => {
  it('initialising: everyone publishes a key package, which the directory gives away once', async () => {
    const directory = new MemoryDirectory()
    for (const identity of ['alice', 'bob', 'carol']) {
      using device = await Device.create({ identity, suite })
      await device.publish(directory)
      const keyPackage = await directory.take(identity)
      const info = device.inspectKeyPackage(keyPackage)
      expect(text(info.identity)).toBe(identity)
      expect(info.suite).toBe(suite)
      expect(info.lastResort).toBe(false)
      expect(info.signatureKey).toEqual(device.signatureKey())
      await expect(directory.take(identity)).rejects.toEqual(code('DIRECTORY_EMPTY'))
    }
  })

  it('adding: the founder merges when its commit comes back, and members follow as others are added', async () => {
    const { directory, channel, devices } = await meet(['alice', 'bob', 'carol'], suite)
    const [alice, bob, carol] = exactly(devices)
    await using a = await GroupSession.connect(await alice.createGroup(), channel)

    const adding = a.add([await directory.take('bob')])
    expect(a.group.epoch).toBe(0n)
    const forBob = await adding
    expect(a.group.epoch).toBe(1n)
    await using b = await GroupSession.join(bob, forBob, channel)
    await agree(a.group, b.group)

    const bobSees = b.events()
    const forCarol = await a.add([await directory.take('carol')])
    const { commit, supersededOwn } = await next(bobSees, 'epoch-changed')
    expect(commit).toMatchObject({ epoch: 2n, own: false, added: [{ name: 'carol' }], removed: [] })
    expect(commit.committer).toMatchObject({ type: 'member', member: { name: 'alice' } })
    expect(supersededOwn).toBe(false)
    await using c = await GroupSession.join(carol, forCarol, channel)
    await agree(a.group, b.group, c.group)
    expect(await names(c)).toEqual(['alice', 'bob', 'carol'])

    const heard = [a.events(), b.events()]
    await c.send('hello')
    for (const events of heard) {
      const { plaintext, sender } = await next(events, 'message').catch(() => ({
        plaintext: new Uint8Array(),
        sender: { name: undefined },
      }))
      expect([text(plaintext), sender.name]).toEqual(['hello', 'carol'])
    }
  })

  it('updating a leaf: by a commit of its own, and by a proposal that another member commits', async () => {
    const { sessions } = await team(['alice', 'bob', 'carol'], suite)
    const [a, b, c] = exactly(sessions)
    const [aSees, cSees] = [a.events(), c.events()]

    const own = await b.update()
    expect(own).toMatchObject({ epoch: 2n, own: true, updated: [{ name: 'bob' }], added: [], removed: [] })
    expect((await next(aSees, 'epoch-changed')).commit).toMatchObject({
      own: false,
      updated: [{ name: 'bob' }],
    })
    await next(cSees, 'epoch-changed')
    await agree(a.group, b.group, c.group)

    const bSees = b.events()
    await b.proposeUpdate()
    expect(await next(cSees, 'proposal')).toMatchObject({
      sender: { type: 'member', member: { name: 'bob' } },
      proposal: { type: 'update' },
    })
    const { summary } = await c.commit()
    expect(summary.updated.map(({ name }) => name).toSorted()).toEqual(['bob', 'carol'])
    await next(bSees, 'epoch-changed')
    await next(aSees, 'epoch-changed')
    expect(a.group.epoch).toBe(3n)
    await agree(a.group, b.group, c.group)
  })

  it('removing: a third member removes another, who learns of it and reads nothing more', async () => {
    const { sessions } = await team(['alice', 'bob', 'carol'], suite)
    const [a, b, c] = exactly(sessions)
    const [aSees, bSees] = [a.events(), b.events()]

    const removed = await c.remove([b.group.ownLeaf])
    expect(removed.removed).toMatchObject([{ name: 'bob' }])
    expect((await next(bSees, 'epoch-changed')).commit).toMatchObject({ removesSelf: true, own: false })
    await next(aSees, 'epoch-changed')
    await agree(a.group, c.group)
    expect(await names(a)).toEqual(['alice', 'carol'])

    await a.send('not for bob')
    expect(await rest(bSees)).toEqual([])
    expect(b.group.isMember).toBe(false)
    await expect(b.send('still here?')).rejects.toEqual(code('MLS_REMOVED'))
  })
})

describe('a member who was removed', () => {
  it('cannot open what is said afterwards, nor merge what is committed afterwards', async () => {
    const { alice, bob } = await pair()
    const { commit } = await alice.commit({ remove: [bob.ownLeaf] })
    const leftover = await alice.encrypt('the last for bob')
    await alice.mergePending()
    expect(await bob.receive(leftover)).toMatchObject({ type: 'message' })
    expect(await bob.receive(commit)).toMatchObject({ type: 'commit', commit: { removesSelf: true } })
    for (const message of [await alice.encrypt('secret'), (await alice.commit({ update: true })).commit]) {
      await expect(bob.receive(message)).rejects.toEqual(code('MLS_REMOVED'))
    }
    await expect(bob.members()).rejects.toEqual(code('MLS_REMOVED'))
    await expect(bob.exportSecret('x', new Uint8Array(), 16)).rejects.toEqual(code('MLS_REMOVED'))
  })

  it('leaves by a proposal that another member commits', async () => {
    const { sessions } = await team(['alice', 'bob'])
    const [a, b] = exactly(sessions)
    const [aSees, bSees] = [a.events(), b.events()]
    await b.leave()
    expect(await next(aSees, 'proposal')).toMatchObject({
      proposal: { type: 'remove', member: { name: 'bob' } },
    })
    await expect(a.send('before the commit')).rejects.toEqual(code('MLS_PROPOSALS_PENDING'))
    expect((await a.commit()).summary.removed).toMatchObject([{ name: 'bob' }])
    expect((await next(bSees, 'epoch-changed')).commit.removesSelf).toBe(true)
    expect(await names(a)).toEqual(['alice'])
  })

  it('cannot commit its own removal', async () => {
    const { sessions } = await team(['alice', 'bob'])
    const [, b] = exactly(sessions)
    await expect(b.remove([b.group.ownLeaf])).rejects.toEqual(code('MLS_CANNOT_REMOVE_SELF'))
    expect(await b.group.pendingCommit()).toBeUndefined()
  })
})

describe('simultaneous commits', () => {
  it('end with one winner; the other is told, and succeeds when it tries again', async () => {
    const { sessions } = await team(['alice', 'bob', 'carol'])
    const [a, b, c] = exactly(sessions)
    const [aSees, bSees, cSees] = [a.events(), b.events(), c.events()]
    const results = await Promise.allSettled([a.update(), b.update()])
    const lost = results.filter((result) => result.status === 'rejected')
    expect(lost).toHaveLength(1)
    expect(lost[0]?.reason).toMatchObject({ code: 'COMMIT_SUPERSEDED', retryable: true })

    const loser = results[0].status === 'rejected' ? a : b
    expect(await loser.group.pendingCommit()).toBeUndefined()
    expect((await loser.update()).epoch).toBe(3n)
    for (const sees of [aSees, bSees, cSees]) {
      expect((await next(sees, 'epoch-changed')).commit.epoch).toBe(2n)
      expect((await next(sees, 'epoch-changed')).commit.epoch).toBe(3n)
    }
    await agree(a.group, b.group, c.group)
  })

  it('of one member wait for each other', async () => {
    const { sessions } = await team(['alice', 'bob'])
    const [a] = exactly(sessions)
    const epochs = (await Promise.all([a.update(), a.update(), a.update()])).map(({ epoch }) => epoch)
    expect(epochs).toEqual([2n, 3n, 4n])
  })

  it('are not confused with what others say in between', async () => {
    const { sessions } = await team(['alice', 'bob'])
    const [a, b] = exactly(sessions)
    const aSees = a.events()
    await Promise.all([b.send('one'), a.update(), b.send('two')])
    const seen = [await aSees.next(), await aSees.next(), await aSees.next()].map(({ value }) => value?.type)
    expect(seen.toSorted()).toEqual(['epoch-changed', 'message', 'message'])
  })
})

describe('joining', () => {
  it('begins after the commit that added, however late it happens', async () => {
    const { directory, channel, devices } = await meet(['alice', 'bob', 'carol'])
    const [alice, bob, carol] = exactly(devices)
    await using a = await GroupSession.connect(await alice.createGroup(), channel)
    await a.send('before bob')
    const invitation = await a.add([await directory.take('bob')])
    await a.send('to bob')
    await a.add([await directory.take('carol')])
    await a.send('to bob and carol')

    await using b = await GroupSession.join(bob, invitation, channel)
    const events = b.events()
    expect(text((await next(events, 'message')).plaintext)).toBe('to bob')
    expect((await next(events, 'epoch-changed')).commit.added).toMatchObject([{ name: 'carol' }])
    expect(text((await next(events, 'message')).plaintext)).toBe('to bob and carol')
    await agree(a.group, b.group)
    expect(carol.suite).toBe(a.group.suite)
  })

  it('is refused where the channel no longer reaches back', async () => {
    const { directory, devices } = await meet(['alice', 'bob'])
    const [alice, bob] = exactly(devices)
    using channel = new MemoryChannel({ keep: 1 })
    await using a = await GroupSession.connect(await alice.createGroup(), channel)
    const invitation = await a.add([await directory.take('bob')])
    await a.send('one')
    await a.send('two')
    await expect(GroupSession.join(bob, invitation, channel)).rejects.toEqual(code('CHANNEL_BEHIND'))
  })

  it('uses a key package up, and a second group needs another', async () => {
    const { directory, channel, devices } = await meet(['alice', 'bob'])
    const [alice, bob] = exactly(devices)
    const keyPackage = await directory.take('bob')
    await using a = await GroupSession.connect(await alice.createGroup(), channel)
    const invitation = await a.add([keyPackage])
    await using _b = await GroupSession.join(bob, invitation, channel)
    await expect(GroupSession.join(bob, invitation, channel)).rejects.toEqual(
      code('MLS_KEY_PACKAGE_NOT_FOUND'),
    )
    using other = await alice.createGroup()
    const { welcome } = await other.commit({ add: [keyPackage] })
    await expect(bob.join(welcome ?? new Uint8Array())).rejects.toEqual(code('MLS_KEY_PACKAGE_NOT_FOUND'))
  })

  it('needs a Welcome that is whole', async () => {
    const { directory, devices } = await meet(['alice', 'bob'])
    const [alice, bob] = exactly(devices)
    using group = await alice.createGroup()
    const { welcome = new Uint8Array() } = await group.commit({ add: [await directory.take('bob')] })
    await expect(bob.join(welcome.subarray(0, -1))).rejects.toEqual(code('MLS_MALFORMED'))
    const damaged = welcome.slice()
    damaged.set([(damaged.at(-1) ?? 0) ^ 1], damaged.length - 1)
    await expect(bob.join(damaged)).rejects.toEqual(code('MLS_WELCOME_INVALID'))
    using joined = await bob.join(welcome)
    expect(joined.id).toEqual(group.id)
  })
})

describe('an abort before the work began', () => {
  const reason = new Error('no longer wanted')
  const signal = AbortSignal.abort(reason)

  it('rejects with its reason and changes nothing in a group', async () => {
    const { alice, bob, devices } = await pair()
    const [device] = exactly(devices)
    const message = await bob.encrypt('hello')
    const calls = [
      () => alice.commit({ update: true }, { signal }),
      () => alice.proposeUpdate({ signal }),
      () => alice.proposeRemove(1, { signal }),
      () => alice.receive(message, { signal }),
      () => alice.stage(message, { signal }),
      () => alice.receiveAll([message], { signal }),
      () => alice.encrypt('hi', { signal }),
      () => alice.encryptAll(['hi'], { signal }),
      () => alice.members({ signal }),
      () => device.createGroup({ signal }),
      () => device.keyPackage({ signal }),
    ]
    for (const call of calls) await expect(call()).rejects.toBe(reason)
    expect(() => alice.events({ signal })).toThrow(reason)
    expect(alice.epoch).toBe(1n)
    expect(await alice.pendingCommit()).toBeUndefined()
    expect(await alice.pendingProposals()).toEqual([])
    expect(await alice.receive(message)).toMatchObject({ type: 'message' })
  })

  it('stops a call that waits for its turn, and lets those before and after it be done', async () => {
    const { alice } = await pair()
    const controller = new AbortController()
    // Long enough that the next call is still waiting when it is aborted.
    const first = alice.encryptAll([new Uint8Array(15 << 20)])
    const second = alice.commit({ update: true }, { signal: controller.signal })
    const third = alice.pendingCommit()
    controller.abort(reason)
    await expect(second).rejects.toBe(reason)
    expect(await first).toHaveLength(1)
    expect(await third).toBeUndefined()
    expect(alice.epoch).toBe(1n)
  })

  it('does not stop work that has begun, whose outcome the call tells', async () => {
    const { alice } = await pair()
    const controller = new AbortController()
    const { commit } = await alice.commit({ update: true }, { signal: controller.signal })
    controller.abort(reason)
    expect(commit.length).toBeGreaterThan(0)
    expect(await alice.mergePending()).toMatchObject({ epoch: 2n })
  })

  it('changes nothing in a session either, and the next change is made', async () => {
    const { sessions, channel } = await team(['alice', 'bob'])
    const [a] = exactly(sessions)
    const end = await channel.end()
    await expect(a.update({ signal })).rejects.toBe(reason)
    await expect(a.send('hi', { signal })).rejects.toBe(reason)
    await expect(a.leave({ signal })).rejects.toBe(reason)
    expect(await channel.end()).toBe(end)
    expect((await a.update()).epoch).toBe(2n)
  })
})

describe('the events of a group', () => {
  it('come in order, from the call on, to every subscriber', async () => {
    const { alice, bob } = await pair()
    const first = bob.events()
    await bob.receive(await alice.encrypt('one'))
    const second = bob.events()
    await bob.receive(await alice.proposeUpdate())
    const { commit } = await alice.commit({ update: true })
    await bob.stage(commit)
    await bob.mergeStaged()
    bob.close()
    const types = (await rest(first)).map(({ type }) => type)
    expect(types).toEqual(['message', 'proposal', 'commit-staged', 'epoch-changed'])
    expect((await rest(second)).map(({ type }) => type)).toEqual(types.slice(1))
  })

  it('end for whoever awaits them when the group is closed', async () => {
    const { alice } = await pair()
    const awaited = alice.events().next()
    await turns()
    alice.close()
    expect(await awaited).toEqual({ done: true, value: undefined })
    expect(await alice.events().next()).toEqual({ done: true, value: undefined })
  })

  it('reject with the reason of an abort, once, and then end', async () => {
    const { alice } = await pair()
    const controller = new AbortController()
    const events = alice.events({ signal: controller.signal })
    const awaited = events.next()
    controller.abort('enough')
    await expect(awaited).rejects.toBe('enough')
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })

  it('are answered in the order in which they were asked for', async () => {
    const { alice, bob } = await pair()
    const events = bob.events()
    const asked = [events.next(), events.next(), events.next()]
    for (const word of ['one', 'two', 'three']) await bob.receive(await alice.encrypt(word))
    const heard = (await Promise.all(asked)).map(({ value }) =>
      value?.type === 'message' ? text(value.plaintext) : undefined,
    )
    expect(heard).toEqual(['one', 'two', 'three'])
  })

  it('are bounded: a group whose subscriber lags refuses what would add to them, and changes nothing', async () => {
    const { alice, bob } = await pair()
    const events = bob.events()
    const messages = await alice.encryptAll(Array.from({ length: 1_025 }, (_, index) => String(index)))
    for (const message of messages.slice(0, 1_024)) await bob.receive(message)
    const last = messages[1_024] ?? new Uint8Array()
    await expect(bob.receive(last)).rejects.toEqual(code('FEED_FULL'))
    await expect(bob.receive(last)).rejects.toEqual(code('FEED_FULL'))
    await events.next()
    expect(await bob.receive(last)).toMatchObject({ type: 'message' })
    const plaintexts = []
    for (let index = 1; index < messages.length; index += 1) plaintexts.push((await events.next()).value)
    expect(plaintexts).toHaveLength(1_024)
    expect(plaintexts.at(-1)).toMatchObject({ type: 'message', plaintext: new TextEncoder().encode('1024') })
  })

  it('no longer count once their subscriber has left', async () => {
    const { alice, bob } = await pair()
    const messages = await alice.encryptAll(Array.from({ length: 1_025 }, () => 'x'))
    const [first = new Uint8Array(), ...others] = messages
    const events = bob.events()
    await bob.receive(first)
    for await (const event of events) {
      expect(event.type).toBe('message')
      break
    }
    for (const message of others) expect(await bob.receive(message)).toMatchObject({ type: 'message' })
  })
})

describe('a session whose subscriber lags', () => {
  it('reads the channel more slowly, loses nothing, and makes those who send wait', async () => {
    const { sessions } = await team(['alice', 'bob'])
    const [a, b] = exactly(sessions)
    const lagging = b.events()
    let sent = 0
    const count = 3_000
    const sending = (async () => {
      for (; sent < count; sent += 1) await a.send(String(sent))
    })()
    let before = -1
    while (before !== sent) {
      before = sent
      await turns(50)
    }
    expect(sent).toBeGreaterThan(1_024)
    expect(sent).toBeLessThan(count)
    for (let index = 0; index < count; index += 1) {
      expect(text((await next(lagging, 'message')).plaintext)).toBe(String(index))
    }
    await sending
  })
})

describe('closing', () => {
  it('lets calls under way be done and refuses later ones', async () => {
    const { alice } = await pair()
    const before = [alice.commit({ update: true }), alice.mergePending(), alice.members()] as const
    alice.close()
    const [{ summary }, merged, members] = await Promise.all(before)
    expect([summary.epoch, merged.epoch, members.length]).toEqual([2n, 2n, 2])
    for (const call of [
      () => alice.commit({ update: true }),
      () => alice.encrypt('x'),
      () => alice.members(),
      () => alice.receive(new Uint8Array(40)),
      () => alice.epochAuthenticator(),
    ]) {
      await expect(call()).rejects.toEqual(code('HANDLE_CLOSED'))
    }
  })

  it('is fine twice, of everything', async () => {
    const { sessions, channel, devices } = await team(['alice', 'bob'])
    const [a] = exactly(sessions)
    for (let time = 0; time < 2; time += 1) {
      await a.close()
      a.group.close()
      channel.close()
      devices[0]?.close()
    }
    await expect(devices[0]?.keyPackage()).rejects.toEqual(code('HANDLE_CLOSED'))
    await expect(a.update()).rejects.toEqual(code('HANDLE_CLOSED'))
    await expect(a.send('x')).rejects.toEqual(code('HANDLE_CLOSED'))
    await expect(a.proposeUpdate()).rejects.toEqual(code('HANDLE_CLOSED'))
    expect(await rest(a.events())).toEqual([])
    await expect(channel.append(new Uint8Array(1))).rejects.toEqual(code('CHANNEL_CLOSED'))
  })

  it('of a session rejects the change that has not come back', async () => {
    const { devices } = await meet(['alice'])
    const [alice] = exactly(devices)
    const channel = new HeldChannel()
    const a = await GroupSession.connect(await alice.createGroup(), channel)
    channel.hold()
    const updating = a.update()
    const refused = updating.catch((error: unknown) => error)
    while ((await channel.end()) === 0n) await turns(1)
    const closing = a.close()
    channel.release()
    await closing
    expect(await refused).toEqual(code('HANDLE_CLOSED'))
  })

  it('of a session rejects the change that is only being made', async () => {
    const { sessions } = await team(['alice', 'bob'])
    const [a] = exactly(sessions)
    const updating = a.update().catch((error: unknown) => error)
    await Promise.resolve()
    await a.close()
    expect(await updating).toEqual(code('HANDLE_CLOSED'))
  })

  it('of a channel ends the sessions on it', async () => {
    const { sessions, channel } = await team(['alice', 'bob'])
    const [a, b] = exactly(sessions)
    const events = a.events()
    await b.send('last')
    channel.close()
    expect((await rest(events)).map(({ type }) => type)).toEqual(['message'])
    await expect(a.update()).rejects.toEqual(code('HANDLE_CLOSED'))
  })

  it('of a device leaves its groups open', async () => {
    const { alice, devices } = await pair()
    devices[0]?.close()
    expect(await alice.encrypt('still here')).toBeInstanceOf(Uint8Array)
  })

  it('happens by leaving a block, for whatever holds native memory', async () => {
    const { directory, channel, devices } = await meet(['alice', 'bob'])
    const [alice] = exactly(devices)
    let group: Group
    {
      using inner = await alice.createGroup()
      group = inner
      expect(group.epoch).toBe(0n)
    }
    await expect(group.encrypt('x')).rejects.toEqual(code('HANDLE_CLOSED'))
    let session: GroupSession
    {
      await using inner = await GroupSession.connect(await alice.createGroup(), channel)
      session = inner
      await session.add([await directory.take('bob')])
    }
    await expect(session.update()).rejects.toEqual(code('HANDLE_CLOSED'))
    let device: Device
    {
      await using inner = await Device.create({ identity: 'dora' })
      device = inner
      await device.keyPackage()
    }
    expect(() => device.identity).toThrow(code('HANDLE_CLOSED'))
  })
})

describe('a staged commit', () => {
  it('can be looked at and merged', async () => {
    const { alice, bob } = await pair()
    const { commit } = await alice.commit({ update: true })
    expect(await bob.stage(commit)).toMatchObject({ type: 'staged', commit: { epoch: 2n, own: false } })
    expect(bob.epoch).toBe(1n)
    expect(await bob.stagedCommit()).toMatchObject({ updated: [{ name: 'alice' }] })
    await alice.mergePending()
    expect(await bob.mergeStaged()).toMatchObject({ epoch: 2n })
    await agree(alice, bob)
    await expect(bob.mergeStaged()).rejects.toEqual(code('MLS_NO_PENDING_COMMIT'))
  })

  it('can be discarded, which leaves the member where it was', async () => {
    const { alice, bob } = await pair()
    const { commit } = await alice.commit({ update: true })
    await bob.stage(commit)
    await bob.discardStaged()
    expect(await bob.stagedCommit()).toBeUndefined()
    expect(bob.epoch).toBe(1n)
    await alice.discardPending()
    expect(await bob.receive(await alice.encrypt('as before'))).toMatchObject({ type: 'message' })
  })

  it('shows who would be added and removed before it happens', async () => {
    const { alice, bob, devices } = await pair()
    using carol = await Device.create({ identity: 'carol' })
    expect(devices).toHaveLength(2)
    const { commit } = await alice.commit({ add: [await carol.keyPackage()], remove: [bob.ownLeaf] })
    expect(await bob.stage(commit)).toMatchObject({
      commit: { added: [{ name: 'carol' }], removed: [{ name: 'bob' }], removesSelf: true },
    })
    expect(bob.isMember).toBe(true)
  })
})

describe('messages', () => {
  it('travel in batches, each accepted or refused by itself, in order', async () => {
    const { alice, bob } = await pair()
    const plaintexts = Array.from({ length: 50 }, (_, index) => `number ${index}`)
    const sealed = await alice.encryptAll(plaintexts, { associatedData: new Uint8Array([7]) })
    const all = await bob.receiveAll([...sealed, new Uint8Array([1, 2, 3]), sealed[0] ?? new Uint8Array()])
    expect(all).toHaveLength(52)
    for (const [index, plaintext] of plaintexts.entries()) {
      expect(all[index]).toMatchObject({
        type: 'message',
        plaintext: new TextEncoder().encode(plaintext),
        associatedData: new Uint8Array([7]),
      })
    }
    expect(all.slice(50)).toEqual([code('MLS_MALFORMED'), code('MLS_ALREADY_PROCESSED')])
    expect(all[50]).toBeInstanceOf(CoterieError)
  })

  it('of a mebibyte pass unharmed, alone and in batches', async () => {
    const { alice, bob } = await pair()
    const large = Uint8Array.from({ length: 1 << 20 }, (_, index) => index * 31)
    const received = await bob.receive(await alice.encrypt(large))
    expect(received.type === 'message' && Buffer.from(received.plaintext).equals(large)).toBe(true)
    const [again] = await bob.receiveAll(await alice.encryptAll([large]))
    expect(again !== undefined && 'plaintext' in again && Buffer.from(again.plaintext).equals(large)).toBe(
      true,
    )
  })

  it('above the limit are refused by name of the limit', async () => {
    const { alice } = await pair()
    await expect(alice.encrypt(new Uint8Array((16 << 20) + 1))).rejects.toEqual(code('MLS_TOO_LARGE'))
  })

  it('of this member come back as its own echo', async () => {
    const { alice } = await pair()
    expect(await alice.receive(await alice.encrypt('hello me'))).toEqual({ type: 'own-echo' })
  })

  it('that are tampered with are refused and change nothing', async () => {
    const { sessions, channel } = await team(['alice', 'bob'])
    const [a, b] = exactly(sessions)
    const events = b.events()
    const sealed = await a.group.encrypt('hello')
    const damaged = sealed.slice()
    damaged.set([(damaged.at(-1) ?? 0) ^ 1], damaged.length - 1)
    const position = await channel.append(damaged)
    await channel.append(new Uint8Array([0xff]))
    await channel.append(sealed)
    expect(await next(events, 'refused')).toMatchObject({ position, error: code('MLS_NOT_AUTHENTIC') })
    expect(await next(events, 'refused')).toMatchObject({ error: code('MLS_MALFORMED') })
    expect(text((await next(events, 'message')).plaintext)).toBe('hello')
  })
})

describe('the clock', () => {
  it('decides whether a key package is still valid', async () => {
    let now = Date.UTC(2026, 0, 1)
    using alice = await Device.create({ identity: 'alice', clock: () => now })
    using bob = await Device.create({ identity: 'bob', clock: () => now })
    const keyPackage = await bob.keyPackage({ lifetime: 60_000 })
    expect(alice.inspectKeyPackage(keyPackage).expires.getTime()).toBe(now + 60_000)
    using group = await alice.createGroup()
    now += 120_000
    await expect(group.commit({ add: [keyPackage] })).rejects.toEqual(code('MLS_INVALID_KEY_PACKAGE'))
    await expect(group.proposeAdd(keyPackage)).rejects.toEqual(code('MLS_INVALID_KEY_PACKAGE'))
    expect(() => alice.inspectKeyPackage(keyPackage)).toThrow(code('MLS_INVALID_KEY_PACKAGE'))
  })

  it('decides alone: a key package that is valid by it can be added, whatever the system says', async () => {
    const clock = () => Date.UTC(2020, 0, 1)
    using alice = await Device.create({ identity: 'alice', clock })
    using bob = await Device.create({ identity: 'bob', clock })
    using group = await alice.createGroup()
    const keyPackage = await bob.keyPackage({ lifetime: 60_000 })
    expect((await group.commit({ add: [keyPackage] })).summary.added).toMatchObject([{ name: 'bob' }])
  })

  it.each([NaN, Infinity, -1, 2 ** 53])('that says %s is refused', async (now) => {
    using device = await Device.create({ identity: 'alice', clock: () => now })
    await expect(device.keyPackage()).rejects.toEqual(code('INVALID_ARGUMENT'))
    await expect(device.createGroup()).rejects.toEqual(code('INVALID_ARGUMENT'))
  })
})
