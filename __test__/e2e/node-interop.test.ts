/**
 * `GroupNode` in groups with the published Python package: it coordinates, and it follows; joiners of both come in directly and
 * wait for EXECUTE; text, signals and audio go both ways in every codec; and whoever is removed hears nothing more.
 */
import { afterAll, assert, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import {
  bareKeyPackage,
  GroupNode,
  makeAdmission,
  PAYLOAD_CODECS,
  readAdmission,
  type GroupNodeEvent,
  type Parcel,
} from '../../dist/gbp/index.js'
import { Device } from '../../dist/mls/index.js'
import { type Content, type Heard, Package, python, said, TheirMember } from './gbp-stack-peers.js'

const [PREPARE, READY, EXECUTE] = [1, 2, 3] as const
const LAYERS = ['text', 'signal', 'audio'] as const
const SIZE = 60

/** A member on this package. */
class Ours {
  readonly node: GroupNode
  readonly heard: GroupNodeEvent[] = []
  readonly sent: Parcel[] = []

  constructor(node: GroupNode) {
    this.node = node
    void this.#read()
    void this.#send()
    onTestFinished(async () => node.close())
  }

  async #read(): Promise<void> {
    for await (const event of this.node.events()) this.heard.push(event)
  }

  async #send(): Promise<void> {
    for await (const parcel of this.node.frames()) this.sent.push(parcel)
  }
}

/** What a member of ours was told, in the words of the other side. */
function words(event: GroupNodeEvent): string | undefined {
  if (event.type === 'text') {
    const { sender, id, text } = event.message
    return `text ${event.codec} ${sender} ${id} ${text}`
  }
  if (event.type === 'audio') return `audio ${event.codec} ${event.member} ${event.frame.length}`
  if (event.type !== 'signal') return undefined
  const { sender, requestId, signal } = event.message
  assert.equal(signal.type, 'join')
  return `signal ${event.codec} ${sender} ${requestId} 100`
}

/** A group of both. What ours send goes to everybody, in order, until nobody has more to say. */
class Mixed {
  readonly ours = new Map<number, Ours>()
  readonly theirs = new Map<number, TheirMember>()
  readonly leaves = new Map<number, number>()
  readonly admissions = new Map<number, Uint8Array>()
  readonly heard = new Map<number, string[]>()
  /** What theirs cannot read in PREPARE. */
  commit: Buffer | undefined
  readonly #peer: Package

  constructor(peer: Package) {
    this.#peer = peer
  }

  async device(number: number): Promise<Device> {
    return Device.create({ identity: `ours ${number}`, suite: 'x25519-aes128gcm-sha256-ed25519' })
  }

  async their(number: number): Promise<TheirMember> {
    return TheirMember.create(number, this.#peer)
  }

  our(number: number): GroupNode {
    const member = this.ours.get(number)
    assert(member !== undefined)
    return member.node
  }

  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet += 1) {
      await new Promise(setImmediate)
      for (const [number, member] of this.ours) {
        for (const parcel of member.sent.splice(0)) {
          quiet = 0
          if (parcel.type === 'admission') this.admissions.set(parcel.to, parcel.bytes)
          else await this.carry(number, Buffer.from(parcel.bytes), parcel.to)
        }
      }
    }
  }

  async carry(from: number, wire: Buffer, to: number | 'all' = 'all'): Promise<void> {
    const meant = (number: number) => number !== from && (to === 'all' || to === number)
    for (const [number, { node }] of this.ours) {
      if (meant(number) && node.isMember) await node.receive(wire)
    }
    for (const [number, member] of this.theirs) if (meant(number)) await this.#bring(member, wire)
  }

  async #bring(member: TheirMember, wire: Buffer): Promise<void> {
    const heard = await member.receive(wire)
    await this.#understand(member, heard)
    for (const { opcode } of heard.controls) {
      if (opcode === PREPARE) await this.#follow(member)
      if (opcode === EXECUTE) await member.finalize()
    }
  }

  async #follow(member: TheirMember): Promise<void> {
    const pending = await Promise.all([...this.ours.values()].map(({ node }) => node.pendingCommit()))
    const commit = this.commit ?? Buffer.from(pending.find((one) => one !== undefined) ?? [])
    assert.equal(await member.process(commit), 'commit')
    const [, , last] = await member.where()
    await this.carry(member.number, await member.control(READY, last + 1))
  }

  async #understand(member: TheirMember, { payloads }: Heard): Promise<void> {
    const layers = { 1: 'audio', 2: 'text', 3: 'signal' } as const
    for (const { stream, codec, plaintext } of payloads) {
      const layer = layers[stream as 1 | 2 | 3]
      const [status, what] = await member.understand(layer, plaintext, codec)
      assert.equal(status, 'new')
      const list = this.heard.get(member.number) ?? []
      list.push(`${layer} ${PAYLOAD_CODECS[codec]} ${what}`)
      this.heard.set(member.number, list)
    }
  }

  /** Their coordinator moves everybody to its commit. */
  async move(
    coordinator: TheirMember,
    commit: Buffer,
    between?: (tid: number) => Promise<void>,
  ): Promise<number> {
    const [, , last] = await coordinator.where()
    const tid = last + 1
    this.commit = commit
    await this.carry(coordinator.number, await coordinator.control(PREPARE, tid, commit))
    await this.settled()
    await this.carry(coordinator.number, await coordinator.control(EXECUTE, tid))
    await this.settled()
    await coordinator.finalize()
    await between?.(tid)
    await coordinator.apply(tid)
    this.commit = undefined
    return tid
  }

  /** Somebody on the other package comes into a group of our coordinator. */
  async admitTheirs(by: number, pattern: 'direct' | 'armed'): Promise<TheirMember> {
    const number = 1 + Math.max(...this.ours.keys(), ...this.theirs.keys())
    const joiner = await this.their(number)
    const numbers = await this.our(by).invite([await joiner.keyPackage()], { pattern })
    assert.deepEqual(numbers, [number])
    if (pattern === 'direct') await this.settled()
    while (!this.admissions.has(number)) await this.#collect(by)
    const { welcome, epoch, transitionId, armed } = readAdmission(
      this.admissions.get(number) ?? new Uint8Array(),
    )
    assert.equal(armed, pattern === 'armed')
    await joiner.join(Buffer.from(welcome))
    if (armed) await joiner.start(epoch, transitionId)
    else {
      await joiner.start(epoch - 1n, 0)
      await joiner.apply(transitionId)
    }
    this.theirs.set(number, joiner)
    await this.settled()
    return joiner
  }

  /** The admission of a joiner that waits comes before PREPARE, which may wait. */
  async #collect(by: number): Promise<void> {
    await new Promise(setImmediate)
    const waiting = this.ours.get(by)?.sent ?? []
    for (const parcel of waiting)
      if (parcel.type === 'admission') this.admissions.set(parcel.to, parcel.bytes)
  }

  add(node: GroupNode): Ours {
    const member = new Ours(node)
    this.ours.set(node.member, member)
    return member
  }

  async #say(number: number, content: Content): Promise<void> {
    const codec = PAYLOAD_CODECS[content.codec]
    assert(codec !== undefined)
    const their = this.theirs.get(number)
    if (their !== undefined) return this.carry(number, await their.say(content))
    const node = this.our(number)
    const { layer, id, bytes } = content
    if (layer === 'text') await node.text.send({ text: bytes.toString('hex'), codec })
    if (layer === 'signal') await node.signals.send({ type: 'join' }, { requestId: id, codec })
    if (layer === 'audio') node.audio.send({ timestamp: BigInt(id), frame: bytes, codec, source: number })
    return this.settled()
  }

  /** Each says something in each layer and codec, and everybody else hears exactly that. */
  async talk(): Promise<void> {
    const all = [...this.ours.keys(), ...this.theirs.keys()]
    let id = 1_000
    for (const number of all) {
      for (const layer of LAYERS) {
        for (const codec of [0, 1, 2]) {
          id += 1
          this.heard.clear()
          for (const { heard } of this.ours.values()) heard.length = 0
          const content = { layer, id, codec, bytes: Buffer.alloc(SIZE, id) }
          await this.#say(number, content)
          await this.settled()
          for (const other of all) if (other !== number) this.#expect(other, number, content)
        }
      }
    }
  }

  #expect(listener: number, speaker: number, content: Content): void {
    const ours = this.ours
      .get(listener)
      ?.heard.map(words)
      .filter((what) => what !== undefined)
    const heard = ours ?? this.heard.get(listener)
    const who = `${listener} hears ${speaker}: ${JSON.stringify(heard)}`
    const [only] = heard ?? []
    assert.equal(heard?.length, 1, who)
    const wanted = `${content.layer} ${PAYLOAD_CODECS[content.codec]} ${said(content.layer, content, speaker)}`
    // Our members number their messages themselves.
    const numbered = (what = '') =>
      content.layer === 'text' && this.ours.has(speaker) ? what.replace(/ \d+ (?=[0-9a-f]+$)/, ' # ') : what
    assert.equal(numbered(only), numbered(wanted), who)
  }

  async expectOneEpoch(): Promise<void> {
    const theirs = await Promise.all([...this.theirs.values()].map((member) => member.where()))
    const ours = [...this.ours.values()].map(({ node }) => [node.epoch, node.epoch, node.transitionId])
    assert.equal(new Set([...theirs, ...ours].map(String)).size, 1)
  }
}

const environment = python()

describe.skipIf('missing' in environment)('a node of ours in a group with the published package', () => {
  let peer: Package
  beforeAll(() => {
    peer = new Package('path' in environment ? environment.path : '')
  })
  afterAll(() => {
    peer.close()
  })

  it('coordinates: joiners come in directly and wait for EXECUTE, all hear all, and one is removed', async () => {
    const group = new Mixed(peer)
    group.add(await GroupNode.create(await group.device(1), { member: 1, profile: 'interop' }))
    await group.admitTheirs(1, 'direct')
    await group.expectOneEpoch()
    await group.talk()
    const waited = await group.admitTheirs(1, 'armed')
    await group.expectOneEpoch()
    await group.talk()

    const device = await group.device(4)
    const [number] = await group.our(1).invite([await device.keyPackage()])
    await group.settled()
    const admission = group.admissions.get(number ?? 0) ?? new Uint8Array()
    group.add(await GroupNode.join(device, admission, { profile: 'interop' }))
    await group.settled()
    await group.expectOneEpoch()
    await group.talk()

    await group.our(1).remove([3])
    // It is not there to say that it is ready.
    group.theirs.delete(3)
    await group.settled()
    await group.expectOneEpoch()
    await group.our(1).text.send('not for everybody')
    const [parcel] = await sentBy(group, 1)
    expect((await waited.receive(Buffer.from(parcel?.bytes ?? []))).payloads).toEqual([])
    await group.talk()
    await group.our(1).update()
    await group.settled()
    await group.expectOneEpoch()
    await group.talk()
  })

  it('follows: it comes in directly and waits for EXECUTE, and is removed', async () => {
    const group = new Mixed(peer)
    const founder = await group.their(1)
    const devices = [await group.device(2), await group.device(3), await group.device(4)] as const
    const welcome = await founder.inviteFirst(Buffer.from(bareKeyPackage(await devices[0].keyPackage())))
    await founder.start(1n, 0)
    group.theirs.set(1, founder)
    const first = {
      member: 2,
      epoch: 1n,
      transitionId: 0,
      inviter: 1,
      members: [{ member: 1, leaf: 0 }],
      welcome,
    }
    group.add(await GroupNode.join(devices[0], makeAdmission(first), { profile: 'interop' }))
    await group.settled()
    await group.expectOneEpoch()
    await group.talk()

    const seats = [
      { member: 1, leaf: 0 },
      { member: 2, leaf: 1 },
    ]
    const second = await founder.invite(Buffer.from(bareKeyPackage(await devices[1].keyPackage())))
    const [, epoch] = await founder.where()
    await group.move(founder, second.commit, async (tid) => {
      const init = { member: 3, epoch, transitionId: tid, armed: true, inviter: 1, members: seats }
      const admission = makeAdmission({ ...init, welcome: second.welcome })
      const joiner = group.add(await GroupNode.join(devices[1], admission, { profile: 'interop' }))
      expect(joiner.node).toMatchObject({ epoch, pendingTransitionId: tid })
      await joiner.node.receive(await founder.control(EXECUTE, tid))
      expect(joiner.node).toMatchObject({ epoch: epoch + 1n, pendingTransitionId: undefined })
    })
    await group.settled()
    await group.expectOneEpoch()
    await group.talk()

    const third = await founder.invite(Buffer.from(bareKeyPackage(await devices[2].keyPackage())))
    const tid = await group.move(founder, third.commit)
    const init = { member: 4, epoch: epoch + 2n, transitionId: tid, inviter: 1 }
    const members = [...seats, { member: 3, leaf: 2 }]
    const admission = makeAdmission({ ...init, members, welcome: third.welcome })
    group.add(await GroupNode.join(devices[2], admission, { profile: 'interop' }))
    await group.settled()
    await group.expectOneEpoch()
    await group.talk()

    const gone = group.ours.get(3)
    await group.move(founder, await founder.remove(2))
    expect(gone?.node.isMember).toBe(false)
    expect(gone?.heard.filter(({ type }) => type === 'removed')).toHaveLength(1)
    group.ours.delete(3)
    await group.expectOneEpoch()
    await group.talk()
  })
})

/** What a member has sent since the last time. */
async function sentBy(group: Mixed, number: number): Promise<Parcel[]> {
  const member = group.ours.get(number)
  for (let count = 0; count < 50 && member?.sent.length === 0; count += 1) await new Promise(setImmediate)
  return member?.sent.splice(0) ?? []
}

if ('missing' in environment) {
  console.error(`NOT TESTED: a node of ours with the published gbp-stack: ${environment.missing}`)
}
