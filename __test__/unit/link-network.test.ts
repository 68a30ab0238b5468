/** Groups over links: every member with its own network, nothing shared but sockets on loopback. */
import { describe, expect, it, onTestFinished } from 'vitest'

import {
  generateLinkIdentity,
  GroupNode,
  Link,
  LINK_KINDS,
  LinkNetwork,
  type AttachedLink,
  type GroupNodeEvent,
  type LinkKind,
  type LinkListener,
  type LinkNetworkOptions,
} from '../../dist/gbp/index.js'
import { Device } from '../../dist/mls/index.js'
import { ANY_SUITE, code, hex, rest } from './members.js'

const identity = generateLinkIdentity()
const trust = identity.certificate

type EventOf<Type extends GroupNodeEvent['type']> = Extract<GroupNodeEvent, { type: Type }>

/** A member in its own world: what others know of it comes over its links. */
class Member {
  readonly #heard: GroupNodeEvent[] = []
  #waiting: (() => void)[] = []

  readonly node: GroupNode
  readonly network: LinkNetwork

  constructor(node: GroupNode, options?: LinkNetworkOptions) {
    this.node = node
    this.network = LinkNetwork.of(node, options)
    void this.#read()
    onTestFinished(async () => {
      await this.network.close()
      await node.close()
    })
  }

  async #read(): Promise<void> {
    for await (const event of this.node.events()) {
      this.#heard.push(event)
      for (const tell of this.#waiting.splice(0)) tell()
    }
  }

  /** The next event of a type, for which `is` holds. */
  async hear<Type extends GroupNodeEvent['type']>(
    type: Type,
    is: (event: EventOf<Type>) => boolean = () => true,
  ): Promise<EventOf<Type>> {
    for (;;) {
      const index = this.#heard.findIndex((event) => event.type === type && is(event as EventOf<Type>))
      const [found] = index < 0 ? [] : this.#heard.splice(index, 1)
      if (found !== undefined) return found as EventOf<Type>
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  said(text: string): Promise<EventOf<'text'>> {
    return this.hear('text', ({ message }) => message.text === text)
  }

  /** How many events of a type wait. */
  count(type: GroupNodeEvent['type']): number {
    return this.#heard.filter((event) => event.type === type).length
  }
}

const device = async (name: string) => Device.create({ identity: name, suite: ANY_SUITE })

const OPUS = new Uint8Array(60).fill(7)

/** The first audio that a member plays of what another one says. Some of it may be lost on the way, and all of it is not. */
async function heardBy(listener: Member, speaker: Member): Promise<Uint8Array | undefined> {
  const steps = listener.node.audio.playout()
  for (let index = 0n; index < 50n; index += 1n) {
    speaker.node.audio.send({ timestamp: index * 960n, frame: OPUS })
  }
  for await (const step of steps) if (step.type === 'packet') return step.frame
  return undefined
}

async function listen(kind: LinkKind): Promise<LinkListener> {
  const listener = await Link.listen({ kind, address: '127.0.0.1:0', identity })
  onTestFinished(async () => listener.close())
  return listener
}

/** Whoever comes in brings a key package, and is admitted. */
async function host(
  member: Member,
  listener: LinkListener,
  attached: Map<number, AttachedLink>,
): Promise<void> {
  for await (const link of listener.links()) {
    const { value: first } = await link.frames().next()
    if (first === undefined) continue
    const [number] = await member.node.invite([first.bytes])
    await link.send(await member.network.admission(number), 'control')
    attached.set(number ?? 0, await member.network.attach(link, { member: number ?? 0 }))
  }
}

/** Comes in by a host. */
async function enter(name: string, listener: LinkListener, options?: LinkNetworkOptions): Promise<Member> {
  const { kind, address } = listener
  const link = await Link.connect({ kind, address, trust })
  const own = await device(name)
  await link.send(await own.keyPackage(), 'control')
  const { value: admission } = await link.frames().next()
  const member = new Member(await GroupNode.join(own, admission?.bytes ?? new Uint8Array()), options)
  const { member: other } = await member.network.attach(link)
  expect(other).toBe(1)
  return member
}

async function founded(kind: LinkKind, options?: LinkNetworkOptions) {
  const alice = new Member(await GroupNode.create(await device('alice'), { member: 1 }), options)
  const listener = await listen(kind)
  const attached = new Map<number, AttachedLink>()
  const hosting = host(alice, listener, attached)
  onTestFinished(async () => {
    await listener.close()
    await hosting
  })
  return { alice, listener, attached }
}

describe.each(LINK_KINDS)('a pair over %s', (kind) => {
  it('shares text, audio, signals, attachments and changes of the group', async () => {
    const { alice, listener } = await founded(kind)
    const bob = await enter('bob', listener)
    await alice.node.text.send('hello')
    await bob.said('hello')
    await bob.node.text.send('welcome')
    await alice.said('welcome')

    const data = new Uint8Array(3_000_000).map((_, at) => (at * 31) & 0xff)
    const file = { filename: 'plan.bin', mimeType: 'application/octet-stream', data }
    const attachment = await bob.node.text.sendAttachment(file)
    await alice.hear('attachment')
    const received = await alice.node.text.attachment({ sender: 2, attachment })
    expect(Buffer.compare(received, data)).toBe(0)

    expect(await heardBy(bob, alice)).toEqual(OPUS)
    const before = alice.node.epoch
    await alice.node.update()
    await Promise.all([alice, bob].map((member) => member.hear('epoch', ({ epoch }) => epoch > before)))
    expect(hex(await bob.node.epochAuthenticator())).toBe(hex(await alice.node.epochAuthenticator()))
    expect([alice.network.members, bob.network.members]).toEqual([[2], [1]])
    expect([alice.network.lost, bob.network.lost, alice.count('refused'), bob.count('refused')]).toEqual([
      0, 0, 0, 0,
    ])
  })
})

describe('a star', () => {
  it('has one member in the middle that carries what is for others, and only to them', async () => {
    const { alice, listener } = await founded('quic', { forward: true })
    const bob = await enter('bob', listener)
    const carol = await enter('carol', listener)
    await bob.hear('joined', ({ member }) => member === 3)
    await bob.node.text.send('for all')
    await Promise.all([alice.said('for all'), carol.said('for all')])
    await carol.node.text.send('for bob', { to: 2 })
    await carol.node.text.send('for alice', { to: 1 })
    await carol.node.text.send('the end')
    await Promise.all([
      alice.said('the end'),
      bob.said('the end'),
      alice.said('for alice'),
      bob.said('for bob'),
    ])
    expect([alice.count('text'), bob.count('text')]).toEqual([0, 0])
    expect(await heardBy(carol, bob)).toEqual(OPUS)
    expect([alice.count('refused'), bob.count('refused'), carol.count('refused')]).toEqual([0, 0, 0])
  })

  it('of two that are linked is one network, in which nothing goes in a circle', async () => {
    const { alice, listener, attached } = await founded('quic', { forward: true })
    const bob = await enter('bob', listener, { forward: true })
    const second = await listen('quic')
    const carol = await enter('carol', listener)
    await bob.hear('joined', ({ member }) => member === 3)
    // Carol moves to Bob, and is still in reach of Alice.
    await carol.network.close()
    await attached.get(3)?.ended
    const moved = new Member(carol.node)
    const accepting = second.links().next()
    const link = await Link.connect({ kind: 'quic', address: second.address, trust })
    const { value: far } = await accepting
    if (far === undefined) throw new Error('nobody came')
    await Promise.all([bob.network.attach(far), moved.network.attach(link)])
    await moved.node.text.send('from afar')
    await Promise.all([alice.said('from afar'), bob.said('from afar')])
    await alice.node.text.send('to afar', { to: 3 })
    await moved.said('to afar')
    expect([alice.count('refused'), bob.count('refused'), moved.count('refused')]).toEqual([0, 0, 0])
  })
})

describe('attaching', () => {
  /** A founder's network, and the other end of a link that is about to be attached to it. */
  async function lonely(options?: LinkNetworkOptions) {
    const alice = new Member(await GroupNode.create(await device('alice'), { member: 1 }), options)
    const listener = await listen('quic')
    const accepting = listener.links().next()
    const far = await Link.connect({ kind: 'quic', address: listener.address, trust })
    const { value: near } = await accepting
    if (near === undefined) throw new Error('nobody came')
    onTestFinished(async () => far.close({ grace: 0 }))
    return { alice, near, far }
  }
  const hello = (member: number) => Uint8Array.of(1, 1, member, 0, 0, 0, 0)

  it.each([
    ['no network', Uint8Array.of(9)],
    ['an empty frame', new Uint8Array()],
    ['another version', Uint8Array.of(1, 2, 5, 0, 0, 0, 0)],
    ['member 0', hello(0)],
    ['this very member', hello(1)],
    ['another member than it must be', hello(6)],
    ['a frame before its name', Uint8Array.of(3, 2, 0, 0, 0, 0, 1)],
  ])('an end that is %s is refused and its link closed', async (_what, message) => {
    const { alice, near, far } = await lonely()
    const attaching = alice.network.attach(near, { member: 5 })
    await far.send(message, 'control')
    await far.send(Uint8Array.of(2), 'control')
    await expect(attaching).rejects.toEqual(code('LINK_MALFORMED'))
    // Both ends are closed, whichever way the far one hears of it.
    await rest(far.frames()).catch((error: unknown) => error)
    await expect(near.send(message, 'text')).rejects.toEqual(code('LINK_CLOSED'))
    expect(alice.network.members).toEqual([])
  })

  it('waits for as long as it is allowed to, and not when it is aborted', async () => {
    const { alice, near } = await lonely({ patience: 1 })
    await expect(alice.network.attach(near)).rejects.toEqual(code('LINK_STALLED'))
    const other = await lonely()
    const controller = new AbortController()
    const attaching = other.alice.network.attach(other.near, { signal: controller.signal })
    const reason = new Error('never mind')
    controller.abort(reason)
    await expect(attaching).rejects.toBe(reason)
  })

  it('tells how a link ends, and a frame of nobody is refused by the node alone', async () => {
    const { alice, near, far } = await lonely()
    const attaching = alice.network.attach(near)
    for (const message of [hello(7), Uint8Array.of(2)]) await far.send(message, 'control')
    const attached = await attaching
    expect([attached.member, attached.forwards, attached.link]).toEqual([7, false, near])
    await far.send(Uint8Array.of(3, 2, 1, 0, 0, 0, 42), 'text')
    await alice.hear('refused')
    expect(alice.network.members).toEqual([7])
    await far.send(Uint8Array.of(4), 'text')
    expect(await attached.ended).toEqual(code('LINK_MALFORMED'))
    expect(alice.network.members).toEqual([])
  })

  it('keeps frames for an end that is known until it may have them, and takes those that are early', async () => {
    const { alice, near, far } = await lonely()
    const attaching = alice.network.attach(near)
    const frames = far.frames()
    await far.send(hello(7), 'control')
    // Its own hello, and that it has heard the other one.
    expect((await frames.next()).value?.bytes[0]).toBe(1)
    expect((await frames.next()).value?.bytes).toEqual(Uint8Array.of(2))
    await alice.node.text.send('early')
    await far.send(Uint8Array.of(3, 2, 1, 0, 0, 0, 42), 'text')
    await alice.hear('refused')
    await far.send(Uint8Array.of(2), 'control')
    expect((await attaching).member).toBe(7)
    let { value } = await frames.next()
    // A coordinator says now and then that it is there.
    while (value?.streamClass === 'control') ({ value } = await frames.next())
    expect([value?.streamClass, value?.bytes.subarray(0, 6)]).toEqual([
      'text',
      Uint8Array.of(3, 2, 0, 0, 0, 0),
    ])
    expect(alice.network.lost).toBe(0)
  })

  it('gives up a peer that takes nothing, and counts what it did not get', async () => {
    const { alice, near, far } = await lonely({ patience: 1_000 })
    const attaching = alice.network.attach(near)
    for (const message of [hello(7), Uint8Array.of(2)]) await far.send(message, 'control')
    const { ended } = await attaching
    const text = 'x'.repeat(60_000)
    for (let count = 0; count < 150; count += 1) await alice.node.text.send(text)
    expect(await ended).toEqual(code('LINK_STALLED'))
    await alice.node.text.send('nobody is there', { to: 7 })
  })

  it('is over when the network is closed', async () => {
    const { alice, near } = await lonely()
    const attaching = alice.network.attach(near)
    const [refused] = await Promise.allSettled([attaching, alice.network.close()])
    expect(refused).toEqual({ status: 'rejected', reason: code('HANDLE_CLOSED') })
    await expect(alice.network.attach(near)).rejects.toEqual(code('HANDLE_CLOSED'))
    await expect(alice.network.admission(9)).rejects.toEqual(code('HANDLE_CLOSED'))
    expect(() => LinkNetwork.of({} as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => LinkNetwork.of(alice.node, { patience: 0 })).toThrow(code('INVALID_ARGUMENT'))
    await expect(alice.network.attach({} as never)).rejects.toEqual(code('INVALID_ARGUMENT'))
  })
})
