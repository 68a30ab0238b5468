/** A small world of nodes for tests: members whose events are all read, a network, and a time that is wound by hand. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished } from 'vitest'

import {
  GroupNode,
  MemoryNetwork,
  PAYLOAD_CODECS,
  type GroupNodeEvent,
  type Parcel,
  type Profile,
} from '../../dist/gbp/index.js'
import { Device, type Policy } from '../../dist/mls/index.js'
import { ANY_SUITE, hex } from './members.js'

export const START = Date.UTC(2026, 0, 1)
export const OPUS = Uint8Array.of(0xfc, 1, 2, 3)

export type EventOf<Type extends GroupNodeEvent['type']> = Extract<GroupNodeEvent, { type: Type }>

/** A member whose events are all read, with its time. */
export class Member {
  readonly heard: GroupNodeEvent[] = []
  readonly reading: Promise<void>

  readonly node: GroupNode
  readonly device: Device

  constructor(node: GroupNode, device: Device) {
    this.node = node
    this.device = device
    this.reading = this.#read()
  }

  async #read(): Promise<void> {
    for await (const event of this.node.events()) this.heard.push(event)
  }

  all<Type extends GroupNodeEvent['type']>(type: Type): EventOf<Type>[] {
    return this.heard.filter((event): event is EventOf<Type> => event.type === type)
  }

  texts(): (string | undefined)[] {
    return this.all('text').map(({ message }) => `${message.sender}: ${message.text}`)
  }
}

/** Members of one group, on one network, in one time that is wound by hand. */
export class World {
  now = START
  readonly members: Member[] = []
  readonly network = new MemoryNetwork()

  readonly profile: Profile

  constructor(profile: Profile) {
    this.profile = profile
    onTestFinished(async () => {
      await this.network.close()
      for (const { node, device } of this.members) {
        await node.close()
        await device.close()
      }
    })
  }

  static async of(profile: Profile, size: number): Promise<World> {
    const world = new World(profile)
    const device = await world.device()
    const node = await GroupNode.create(device, { member: 1, profile })
    world.add(node, device)
    for (let count = 1; count < size; count += 1) await world.invite(1)
    await world.network.settled()
    for (const member of world.members) member.heard.length = 0
    return world
  }

  readonly clock = () => this.now

  async device(policy?: Policy): Promise<Device> {
    const identity = `member ${this.members.length + 1}`
    const asked = policy === undefined ? {} : { policy }
    return Device.create({ identity, suite: ANY_SUITE, clock: this.clock, ...asked })
  }

  add(node: GroupNode, device: Device): Member {
    const member = new Member(node, device)
    this.members.push(member)
    this.network.connect(node)
    return member
  }

  member(number: number): Member {
    const found = this.members.find(({ node }) => node.member === number)
    if (found === undefined) throw new Error(`there is no member ${number}`)
    return found
  }

  node(number: number): GroupNode {
    return this.member(number).node
  }

  async invite(by: number, policy?: Policy): Promise<GroupNode> {
    const device = await this.device(policy)
    const [number] = await this.node(by).invite([await device.keyPackage()])
    const admission = await this.network.admission(number)
    const node = await GroupNode.join(device, admission, { profile: this.profile })
    this.add(node, device)
    await this.network.settled()
    return node
  }

  /** Lets time pass for all, and everything happen that it brings. */
  async pass(milliseconds: number, who: readonly Member[] = this.members): Promise<void> {
    const end = this.now + milliseconds
    while (this.now < end) {
      this.now += 500
      for (const { node } of who) await node.wake()
      await this.network.settled()
    }
  }
}

/** Members see the same group. */
export async function expectAgreement(world: World, who: readonly Member[] = world.members): Promise<void> {
  const views = await Promise.all(
    who.map(async ({ node }) => ({
      epoch: node.epoch,
      secret: hex(await node.epochAuthenticator()),
      members: (await node.members()).map(({ member, name }) => `${member} ${name}`),
    })),
  )
  for (const view of views) expect(view).toEqual(views[0])
}

/** Each says something to all, and all hear it once. */
export async function expectTalk(world: World, who: readonly Member[] = world.members): Promise<void> {
  for (const member of who) member.heard.length = 0
  for (const [index, { node }] of who.entries()) {
    await node.text.send({ text: 'hello', codec: PAYLOAD_CODECS[index % 3] ?? 'cbor' })
  }
  await world.network.settled()
  for (const member of who) {
    const others = who.filter((other) => other !== member)
    expect(member.texts().toSorted()).toEqual(others.map(({ node }) => `${node.member}: hello`).toSorted())
  }
}

export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'coterie-'))
  onTestFinished(() => {
    rmSync(made, { recursive: true, force: true })
  })
  return made
}

/** The same but for one bit of what is sealed. */
export function altered(frame: Uint8Array): Uint8Array {
  const place = frame.length - 40
  return frame.with(place, (frame[place] ?? 0) ^ 1)
}

/** So many of what comes. */
export async function take<Item>(items: AsyncIterator<Item, undefined>, count: number): Promise<Item[]> {
  const taken: Item[] = []
  while (taken.length < count) {
    const { done, value } = await items.next()
    if (done === true) throw new Error('they ended')
    taken.push(value)
  }
  return taken
}

/** So many frames of text. Others come among them: capabilities are announced a moment after an epoch began. */
export async function takeTexts(
  parcels: AsyncIterator<Parcel, undefined>,
  count: number,
): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = []
  while (frames.length < count) {
    const [parcel] = await take(parcels, 1)
    if (parcel?.type === 'frame' && parcel.streamClass === 'text') frames.push(parcel.bytes)
  }
  return frames
}
