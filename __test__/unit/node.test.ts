/** One object that owns a group: what members do together, over a network in memory. */
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import {
  GroupNode,
  MemoryNetwork,
  PAYLOAD_CODECS,
  PROFILES,
  type GroupNodeEvent,
} from '../../dist/gbp/index.js'
import { Permissions } from '../../dist/gsp/index.js'
import { Device } from '../../dist/mls/index.js'
import { ANY_SUITE, code, exactly, hex, rest, turns } from './members.js'
import {
  altered,
  expectAgreement,
  expectTalk,
  folder,
  OPUS,
  START,
  take,
  takeTexts,
  World,
} from './node-world.js'

describe.each(PROFILES)('in %s, members', (profile) => {
  it.each([2, 3, 5])('come in one by one, and all %i hear each other in every codec', async (size) => {
    const world = await World.of(profile, size)
    expect(world.members.map(({ node }) => node.member)).toEqual([1, 2, 3, 4, 5].slice(0, size))
    expect(world.members.map(({ node }) => node.profile)).toEqual(world.members.map(() => profile))
    await expectAgreement(world)
    await expectTalk(world)
    expect(world.node(1)).toMatchObject({ state: 'active', coordinator: 1, isMember: true })
    expect(world.node(size).groupId).toEqual(world.node(1).groupId)
  })

  it('come in together by one commit, and are announced', async () => {
    const world = await World.of(profile, 2)
    const devices = [await world.device(), await world.device(), await world.device()]
    const numbers = await world
      .node(1)
      .invite(await Promise.all(devices.map((device) => device.keyPackage())))
    expect(numbers).toEqual([3, 4, 5])
    for (const [index, device] of devices.entries()) {
      const admission = await world.network.admission(numbers[index])
      world.add(await GroupNode.join(device, admission, { profile }), device)
    }
    await world.network.settled()
    expect(
      world
        .member(2)
        .all('joined')
        .map(({ member }) => member),
    ).toEqual(numbers)
    await expectAgreement(world)
    await expectTalk(world)
  })

  it('renew keys, and only the coordinator can', async () => {
    const world = await World.of(profile, 3)
    const { epoch } = world.node(3)
    await world.node(1).update()
    await world.network.settled()
    expect(world.node(3).epoch).toBe(epoch + 1n)
    expect(world.member(3).all('epoch')).toMatchObject([
      { type: 'epoch', epoch: epoch + 1n, transitionId: world.node(3).transitionId },
    ])
    await expectAgreement(world)
    await expect(world.node(2).update()).rejects.toEqual(code('GBP_NOT_COORDINATOR'))
    await expect(world.node(2).remove([3])).rejects.toEqual(code('GBP_NOT_COORDINATOR'))
    await expect(world.node(1).remove([9])).rejects.toEqual(code('GBP_NOT_A_MEMBER'))
    await expect(world.node(1).abort()).rejects.toEqual(code('GBP_TRANSITION_MISMATCH'))
    await expect(world.node(2).resync()).resolves.toBeUndefined()
  })

  it('are removed, which ends what they read', async () => {
    const world = await World.of(profile, 3)
    const gone = world.member(3)
    await world.node(1).remove([3])
    await gone.reading
    expect(gone.all('removed')).toHaveLength(1)
    expect(gone.node).toMatchObject({ isMember: false, state: 'closed' })
    expect(await gone.node.members()).toEqual([])
    await expect(gone.node.text.send('still here?')).rejects.toEqual(code('GBP_NOT_ACTIVE'))
    expect(await rest(gone.node.events())).toEqual([])
    await world.network.settled()
    expect(world.member(2).all('left')).toMatchObject([{ type: 'left', member: 3 }])
    await expectTalk(world, world.members.slice(0, 2))
  })

  it('leave, also the coordinator', async () => {
    const world = await World.of(profile, 3)
    await world.node(1).leave()
    await world.pass(20_000)
    await world.member(1).reading
    expect(world.node(1).isMember).toBe(false)
    expect(world.node(2).coordinator).toBe(world.node(3).coordinator)
    await expectAgreement(world, world.members.slice(1))
  })

  it('hand the coordinator over, and elect another when it is silent', async () => {
    const world = await World.of(profile, 4)
    await world.node(1).handOver(2)
    await world.network.settled()
    expect(world.members.map(({ node }) => node.coordinator)).toEqual([2, 2, 2, 2])
    expect(world.member(2).all('coordinator')).toContainEqual({ type: 'coordinator', change: 'became' })

    world.network.disconnect(world.node(2))
    const others = world.members.filter(({ node }) => node.member !== 2)
    await world.pass(20_000, others)
    expect(others.map(({ node }) => node.coordinator)).toEqual([1, 1, 1])
    expect(
      world
        .member(1)
        .all('coordinator')
        .map(({ change }) => change),
    ).toEqual(expect.arrayContaining(['silent', 'became']))
    await world.node(1).remove([2])
    await world.pass(5_000, others)
    await expectAgreement(world, others)
    await expectTalk(world, others)
  })

  it('give signals, which mute and are answered where members answer', async () => {
    const world = await World.of(profile, 3)
    for (const { node } of world.members) {
      await node.roles.define({ id: 7, name: 'host', permissions: Permissions.ALL })
      await node.roles.assign(2, 7)
    }
    const requestId = await world.node(2).signals.send({ type: 'mute', target: 3 }, { awaited: [1, 3] })
    await world.network.settled()
    for (const number of [1, 3]) {
      const [event] = world.member(number).all('signal')
      expect(event).toMatchObject({ changed: true, codec: 'cbor' })
      expect(event?.message).toMatchObject({ requestId, sender: 2, signal: { type: 'mute', target: 3 } })
    }
    const ended = world.member(2).all('signal-ended')
    const answered = profile === 'sealed' ? [`${requestId} true`] : []
    expect(ended.map((end) => `${end.requestId} ${end.carriedOut}`)).toEqual(answered)
    expect((await world.node(1).signals.view()).muted).toEqual([3])
    expect(world.node(3).audio.send({ timestamp: 0n, frame: OPUS })).toBe(false)
    expect(world.node(1).audio.send({ timestamp: 0n, frame: OPUS })).toBe(true)
    expect(await world.node(3).roles.assignments()).toEqual(new Map([[2, 7]]))
    expect(await world.node(3).roles.all()).toEqual([{ id: 7, name: 'host', permissions: Permissions.ALL }])
  })

  it('say what they can do', async () => {
    const world = await World.of(profile, 2)
    await world.node(2).advertise(['opus', 'chess/1'])
    await world.network.settled()
    expect(world.member(1).all('capabilities')).toEqual([{ type: 'capabilities', member: 2 }])
    expect((await world.node(1).signals.capabilities()).get(2)).toEqual(
      expect.arrayContaining(['chess/1', 'opus']),
    )
  })

  it('hear audio in every codec, and play it in time', async () => {
    const world = await World.of(profile, 2)
    let played = 0
    for (let index = 0; index < 9; index += 1) {
      const packet = {
        timestamp: BigInt(index * 960),
        frame: OPUS,
        codec: PAYLOAD_CODECS[index % 3] ?? 'cbor',
      }
      expect(world.node(1).audio.send(packet)).toBe(true)
      await world.network.settled()
      world.now += 20
      played += world
        .node(2)
        .audio.play()
        .filter(({ type }) => type === 'packet').length
    }
    const heard = world.member(2).all('audio')
    expect(heard.map(({ codec, timestamp }) => [codec, timestamp])).toEqual(
      Array.from({ length: 9 }, (_, index) => [PAYLOAD_CODECS[index % 3], BigInt(index * 960)]),
    )
    expect(heard[0]).toMatchObject({ member: 1, arrival: 'new', frame: OPUS })
    expect(world.node(2).audio.nextPlay).toBeGreaterThan(START)
    expect(played).toBeGreaterThanOrEqual(5)
    expect(() => world.node(1).audio.send({ timestamp: 0n, frame: new Uint8Array(9_000) })).toThrow(
      code('WIRE_TOO_LARGE'),
    )
  })

  it('send attachments, which come whole and as they were announced', async () => {
    const world = await World.of(profile, 3)
    const data = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251)
    const told: string[] = []
    const file = { filename: 'plan.pdf', mimeType: 'application/pdf', data }
    const attachment = await world.node(1).text.sendAttachment(file, {
      onProgress: ({ sent, total }) => told.push(`${sent}/${total}`),
    })
    expect(told).toEqual(['1/4', '2/4', '3/4', '4/4'])
    await world.network.settled()
    const key = { sender: 1, attachment }
    for (const number of [2, 3]) {
      const { text } = world.node(number)
      expect(world.member(number).all('attachment')).toMatchObject([{ type: 'attachment', ...key }])
      expect(await text.manifest(key)).toMatchObject({ filename: 'plan.pdf', size: 200_000n })
      expect(await text.attachment(key)).toEqual(data)
      await text.forgetAttachment(key)
      await expect(text.attachment(key)).rejects.toEqual(code('GTP_ATTACHMENT_UNKNOWN'))
    }
    const stop = new AbortController()
    const sending = world.node(1).text.sendAttachment(file, {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    })
    await expect(sending).rejects.toThrow('enough')
  })

  it('say and hear many things in one step, whatever is among them', async () => {
    const world = await World.of(profile, 2)
    const [alice, bob] = [world.node(1), world.node(2)]
    world.network.disconnect(alice)
    const frames = alice.frames()
    const words = Array.from({ length: 150 }, (_, index) => `${index} \u{1f642}`)
    const ids = await alice.text.sendAll(words)
    expect(ids).toEqual(ids.map((_, index) => (ids[0] ?? 0n) + BigInt(index)))
    const drafts = [
      { text: '**x**', contentType: 'markdown', codec: 'protobuf', sentAt: 7n, requestId: 9, flags: 4 },
      { content: Uint8Array.of(0xff, 1), contentType: 'binary', codec: 'flatbuffers' },
      { content: Uint8Array.of(0xff, 2), contentType: 'plain' },
    ] as const
    await alice.text.sendAll(drafts, { to: 2 })
    const sent = await takeTexts(frames, words.length + drafts.length)
    expect(sent.every(({ buffer, length }) => buffer.byteLength === length)).toBe(true)
    const [first = new Uint8Array(), second = new Uint8Array()] = sent
    const odd = [first, altered(second), new Uint8Array(), second.subarray(5)]
    const all = [...sent.slice(0, 20), ...odd, ...sent.slice(20)]
    expect(await bob.receiveAll(all)).toBe(all.length)
    expect(await bob.receiveAll([])).toBe(0)
    expect(await alice.text.sendAll([])).toEqual([])
    const [{ heard }, count] = [world.member(2), sent.length + odd.length]
    while (heard.filter(({ type }) => /^(text|refused|duplicate)$/u.test(type)).length < count) await turns()
    const texts = world.member(2).all('text')
    expect(texts.slice(0, 150).map(({ message }) => message.text)).toEqual(words)
    expect(texts.slice(150)).toMatchObject([
      {
        codec: 'protobuf',
        epoch: alice.epoch,
        relayedBy: undefined,
        message: { text: '**x**', contentType: 'markdown', sentAt: 7n, requestId: 9, flags: 4, sender: 1 },
      },
      { codec: 'flatbuffers', message: { contentType: 'binary', text: undefined } },
      { codec: 'cbor', message: { contentType: 'plain', text: undefined, content: Uint8Array.of(0xff, 2) } },
    ])
    expect(texts.every(({ message: { content } }) => content.buffer.byteLength === content.length)).toBe(true)
    expect(texts.map(({ id }) => id)).toEqual(texts.map((_, index) => (texts[0]?.id ?? 0n) + BigInt(index)))
    expect([...world.member(2).all('refused'), ...world.member(2).all('duplicate')]).toHaveLength(odd.length)
  })

  it('say and hear long things among short ones, each with bytes of its own', async () => {
    const world = await World.of(profile, 2)
    const [alice, bob] = [world.node(1), world.node(2)]
    world.network.disconnect(alice)
    const frames = alice.frames()
    // Frames as well as contents are handed over another way from 4 KiB on.
    const lengths = [1, 3_900, 4_095, 4_096, 4_097, 0, 5_000, 100_000, 2, 4_097]
    const words = lengths.map((length, index) => '\u00e9'.repeat(length / 2) + String(index))
    const binary = new Uint8Array(70_000).fill(0xfe)
    await alice.text.sendAll(words)
    await alice.text.send({ content: binary, contentType: 'plain' })
    await alice.text.send('last')
    const sent = await takeTexts(frames, words.length + 2)
    const cut = (sent[7] ?? new Uint8Array()).subarray(0, 6_000)
    await bob.receiveAll([...sent.slice(0, 8), cut, ...sent.slice(8)])
    const { heard } = world.member(2)
    while (!heard.some((event) => event.type === 'text' && event.message.text === 'last')) await turns()
    const messages = world
      .member(2)
      .all('text')
      .map(({ message }) => message)
    expect(messages.map(({ text }) => text)).toEqual([...words, undefined, 'last'])
    expect(messages[words.length]?.content).toEqual(binary)
    expect(heard.findIndex(({ type }) => type === 'refused')).toBe(8)
    for (const bytes of [...sent, ...messages.map(({ content }) => content)]) {
      expect(bytes.buffer.byteLength).toBe(bytes.length)
    }
  })

  it('say nothing where one of many things is refused, and go on', async () => {
    const world = await World.of(profile, 2)
    const { text } = world.node(1)
    for (const length of [1_044_353, 2 ** 20 - 1, 2 ** 21]) {
      const long = 'x'.repeat(length)
      await expect(text.sendAll(['one', long])).rejects.toEqual(code('WIRE_TOO_LARGE'))
      await expect(text.send(long)).rejects.toEqual(code('WIRE_TOO_LARGE'))
    }
    const many = Array.from({ length: 1_025 }, () => 'x')
    await expect(text.sendAll(many)).rejects.toEqual(code('INVALID_ARGUMENT'))
    // @ts-expect-error -- no message
    await expect(text.sendAll(['one', 2])).rejects.toEqual(code('INVALID_ARGUMENT'))
    // @ts-expect-error -- no frame
    await expect(world.node(1).receiveAll(['x'])).rejects.toEqual(code('INVALID_ARGUMENT'))
    await text.sendAll(['two', 'three'])
    await world.network.settled()
    expect(world.member(2).texts()).toEqual(['1: two', '1: three'])
  })

  it('refuse what is forged, tell so, and go on', async () => {
    const world = await World.of(profile, 2)
    const [alice, bob] = [world.node(1), world.node(2)]
    world.network.disconnect(alice)
    const frames = alice.frames()
    await alice.text.send('true')
    const [frame = new Uint8Array()] = await takeTexts(frames, 1)
    const forged = altered(frame)
    await bob.receive(forged)
    await bob.receive(Uint8Array.of(1, 2, 3))
    await bob.receive(frame)
    await bob.receive(frame)
    await turns()
    const said = world
      .member(2)
      .heard.map((event) => (event.type === 'refused' ? event.error.code : event.type))
    expect(said).toEqual([
      expect.stringMatching(/^(GBP|MLS)_/),
      expect.stringMatching(/^(GBP|WIRE)_/),
      'text',
      expect.any(String),
    ])
    expect(world.member(2).texts()).toEqual(['1: true'])
    expect(world.member(2).all('refused')[0]).toMatchObject({ claimed: 1 })
  })
})

describe('joiners', () => {
  it('of interop groups can wait for the commit, of sealed ones cannot', async () => {
    const world = await World.of('interop', 2)
    const device = await world.device()
    const [number] = await world.node(1).invite([await device.keyPackage()], { pattern: 'armed' })
    const admission = await world.network.admission(number)
    world.add(await GroupNode.join(device, admission, { profile: 'interop' }), device)
    await world.network.settled()
    await expectAgreement(world)
    await expectTalk(world)

    const sealed = await World.of('sealed', 1)
    const keyPackage = await (await sealed.device()).keyPackage()
    const invited = sealed.node(1).invite([keyPackage], { pattern: 'armed' })
    await expect(invited).rejects.toEqual(code('INVALID_ARGUMENT'))
  })

  it('of another profile than they expect are refused, and can come in all the same', async () => {
    const world = await World.of('interop', 1)
    const device = await world.device()
    const [number] = await world.node(1).invite([await device.keyPackage()])
    const admission = await world.network.admission(number)
    await expect(GroupNode.join(device, admission)).rejects.toEqual(code('GBP_PROFILE_MISMATCH'))
    await expect(GroupNode.join(device, admission.subarray(1))).rejects.toEqual(code('WIRE_MALFORMED'))
    world.add(await GroupNode.join(device, admission, { profile: 'interop' }), device)
    await expectTalk(world)
  })

  it('who missed something ask for it', async () => {
    const world = await World.of('sealed', 3)
    world.network.disconnect(world.node(3))
    await world.node(1).text.send('you were away')
    await world.network.settled()
    world.network.connect(world.node(3))
    await world.node(3).text.catchUp(2)
    await world.network.settled()
    expect(world.member(3).all('text')).toMatchObject([
      { relayedBy: 2, message: { sender: 1, text: 'you were away' } },
    ])
    expect(world.member(3).all('caught-up')).toEqual([{ type: 'caught-up', member: 2, more: false }])
    expect(
      (await world.node(3).text.history()).map(({ relayed, message }) => [relayed, message?.text]),
    ).toEqual([[true, 'you were away']])
    expect((await world.node(2).text.watermark()).get(1)).toBe(
      (await world.node(2).text.history()).at(-1)?.id,
    )
  })
})

describe('what waits', () => {
  it('is read on by whoever comes later, and nothing is left out', async () => {
    const device = await Device.create({ identity: 'alice', suite: ANY_SUITE })
    await using node = await GroupNode.create(device, { member: 1 })
    for (let count = 0; count < 100; count += 1) await node.text.send(`${count}`)
    const first = node.frames()
    const taken = await take(first, 10)
    const second = node.frames()
    expect(await first.next()).toEqual({ done: true, value: undefined })
    for await (const parcel of second) {
      taken.push(parcel)
      if (taken.length === 70) break
    }
    taken.push(...(await take(node.frames(), 30)))
    const ofText = taken.filter((parcel) => parcel.type === 'frame' && parcel.streamClass === 'text')
    expect(new Set(ofText.map(({ bytes }) => hex(bytes))).size).toBe(ofText.length)
    expect(ofText.length).toBeGreaterThanOrEqual(95)
  })

  it('is waited for until it comes, the signal aborts or the node is closed', async () => {
    const device = await Device.create({ identity: 'alice', suite: ANY_SUITE })
    const node = await GroupNode.create(device, { member: 1 })
    const stop = new AbortController()
    const waiting = rest(node.frames({ signal: stop.signal }))
    await turns()
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    const [events, frames] = [rest(node.events()), rest(node.frames())]
    await node.close()
    await node.close()
    expect((await Promise.all([events, frames])).flat().every(({ type }) => type !== 'audio')).toBe(true)
    expect(() => node.events()).toThrow(code('HANDLE_CLOSED'))
    await expect(node.text.send('x')).rejects.toEqual(code('HANDLE_CLOSED'))
    await expect(node.wake()).rejects.toEqual(code('HANDLE_CLOSED'))
    expect(() => node.audio.send({ timestamp: 0n, frame: OPUS })).toThrow(code('HANDLE_CLOSED'))
    await expect(node.room()).resolves.toBeUndefined()
  })

  it('is too much at some point: calls are refused, until it is carried away', async () => {
    const device = await Device.create({ identity: 'alice', suite: ANY_SUITE })
    await using node = await GroupNode.create(device, { member: 1, profile: 'interop' })
    let sent = 0
    const refused = await (async () => {
      for (;;) {
        try {
          await node.text.send('x')
          sent += 1
        } catch (error) {
          return error
        }
      }
    })()
    expect(refused).toEqual(code('BUSY'))
    expect(sent).toBeLessThanOrEqual(4_096)
    const room = node.room()
    const stop = new AbortController()
    const impatient = node.room({ signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(impatient).rejects.toThrow('enough')
    await take(node.frames(), 65)
    await room
    await node.text.send('x')
  })

  it('comes again after a restart unless it was dealt with', async () => {
    const here = folder()
    const open = (name: string) =>
      Device.open({ store: join(here, name), identity: name, passphrase: name, suite: ANY_SUITE })
    const [alice, bobs] = [await open('alice'), await open('bob')]
    await using network = new MemoryNetwork()
    const node = await GroupNode.create(alice, { member: 1 })
    network.connect(node)
    const [number] = await node.invite([await bobs.keyPackage()])
    let bob = await GroupNode.join(bobs, await network.admission(number))
    network.connect(bob)
    await network.settled()
    await node.text.send('first')
    await network.settled()
    const events = bob.events()
    const seen: string[] = []
    while (!seen.includes('text')) seen.push(...(await take(events, 1)).map(({ type }) => type))
    await bob.close()
    await bobs.close()

    const again = await open('bob')
    const reopened = await GroupNode.open(again, node.groupId)
    if (reopened === undefined) throw new Error('it was there')
    bob = reopened
    expect(bob).toMatchObject({ member: 2, profile: 'sealed', epoch: node.epoch, state: 'active' })
    const [told] = await take(textsOf(bob.events()), 1)
    expect(told).toBe('first')
    network.connect(bob)
    await node.text.send('second')
    await network.settled()
    const later = textsOf(bob.events())
    expect(await take(later, 1)).toEqual(['second'])
    const asked = later.next()
    await turns()
    await bob.close()
    await asked
    await again.close()

    // What was dealt with is gone.
    const third = await open('bob')
    const last = await GroupNode.open(third, node.groupId)
    if (last === undefined) throw new Error('it was there')
    network.connect(last)
    await node.text.send('third')
    await network.settled()
    expect(await take(textsOf(last.events()), 1)).toEqual(['third'])
    expect(await GroupNode.open(third, new Uint8Array(16))).toBeUndefined()
    await Promise.all([last.close(), node.close()])
    await Promise.all([third.close(), alice.close()])
  })

  it('comes again also of parcels that nobody carried away', async () => {
    const store = join(folder(), 'alice')
    const open = () => Device.open({ store, identity: 'alice', passphrase: 'alice', suite: ANY_SUITE })
    const device = await open()
    const node = await GroupNode.create(device, { member: 1, profile: 'interop' })
    await node.text.send('not lost')
    const before = await takeTexts(node.frames(), 1)
    await node.close()
    await device.close()
    await using again = await open()
    await using reopened = await GroupNode.open(again, node.groupId)
    if (reopened === undefined) throw new Error('it was there')
    expect(await takeTexts(reopened.frames(), 1)).toEqual(before)
  })
})

describe('audio', () => {
  it('takes its turn while a store is written, and what fails then is told', async () => {
    const store = join(folder(), 'alice')
    await using device = await Device.open({
      store,
      identity: 'alice',
      passphrase: 'alice',
      suite: ANY_SUITE,
    })
    await using node = await GroupNode.create(device, { member: 1 })
    const said = Array.from({ length: 20 }, (_, index) => node.text.send(`${index}`))
    expect(node.audio.send({ timestamp: 0n, frame: OPUS })).toBe(true)
    expect(node.audio.send({ timestamp: 960n, frame: new Uint8Array(9_000) })).toBe(true)
    expect(node.audio.play()).toEqual([])
    await Promise.all(said)
    for await (const event of node.events()) {
      if (event.type !== 'audio-failed') continue
      expect(event.error).toEqual(code('WIRE_TOO_LARGE'))
      break
    }
    const frames = node.frames()
    const classes: string[] = []
    while (classes.at(-1) !== 'audio') {
      const [parcel] = await take(frames, 1)
      if (parcel?.type === 'frame') classes.push(parcel.streamClass)
    }
    expect(classes.filter((name) => name === 'text')).toHaveLength(20)
  })

  it('is played when it is due, until the node is closed', async () => {
    const world = await World.of('sealed', 2)
    const other = world.node(2)
    const steps = other.audio.playout()
    const first = steps.next()
    world.node(1).audio.send({ timestamp: 0n, frame: OPUS })
    await world.network.settled()
    world.now += 500
    world.node(1).audio.send({ timestamp: 960n, frame: OPUS })
    await world.network.settled()
    expect(await first).toMatchObject({ done: false, value: { track: { member: 1 } } })
    await steps.return(undefined)
    const late = rest(other.audio.playout())
    await turns()
    await other.close()
    await expect(late).resolves.toEqual(expect.any(Array))
  })
})

async function* textsOf(
  events: AsyncIterable<GroupNodeEvent>,
): AsyncGenerator<string | undefined, undefined, undefined> {
  for await (const event of events) if (event.type === 'text') yield event.message.text
  return undefined
}

describe('a network', () => {
  it('lets its waiting go when it is closed, and refuses what comes after', async () => {
    const network = new MemoryNetwork()
    const waiting = network.admission(7)
    const aborted = network.admission(7, { signal: AbortSignal.abort(new Error('enough')) })
    await expect(aborted).rejects.toThrow('enough')
    await network.close()
    await expect(waiting).rejects.toEqual(code('HANDLE_CLOSED'))
    expect(() => network.connect()).toThrow(code('HANDLE_CLOSED'))
    await expect(network.admission(undefined)).rejects.toEqual(code('HANDLE_CLOSED'))
  })

  it('calls are done in their order', async () => {
    const world = await World.of('sealed', 2)
    const sent = await Promise.all(
      Array.from({ length: 20 }, (_, index) => world.node(1).text.send(`${index}`)),
    )
    expect(sent).toEqual(sent.toSorted((left, right) => Number(left - right)))
    await world.network.settled()
    expect(world.member(2).texts()).toEqual(Array.from({ length: 20 }, (_, index) => `1: ${index}`))
    expect(exactly(world.members)[0].node.pendingTransitionId).toBeUndefined()
  })
})
