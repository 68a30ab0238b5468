/**
 * Random histories of one group whose members are half ours and half the published Python package's. What happens follows from
 * the seed. After every step all members are in one epoch, and what any of them says all others hear exactly once.
 *
 * `COTERIE_GBP_HISTORIES=200 npx vitest run --project e2e gbp-stack` runs as many; `COTERIE_HISTORY=7` the one of that seed.
 */
import { afterAll, assert, beforeAll, describe, expect, it } from 'vitest'

import {
  type Content,
  type Member,
  OurMember,
  Package,
  python,
  said,
  TheirMember,
} from './gbp-stack-peers.js'

const HISTORIES = Number(process.env['COTERIE_GBP_HISTORIES'] ?? 20)
const ONLY = process.env['COTERIE_HISTORY']
const seeds = ONLY === undefined ? Array.from({ length: HISTORIES }, (_, seed) => seed) : [Number(ONLY)]
const STEPS = 40
const MAX_MEMBERS = 8
const FIRST_PAYLOAD = 12
const [PREPARE, READY, EXECUTE, ABORT] = [1, 2, 3, 4] as const
const LAYERS = ['text', 'audio', 'signal'] as const
const STREAMS = { audio: 1, text: 2, signal: 3 }
const REPLAYED = 5

/** mulberry32: small, and the same everywhere. */
function random(seed: number): (limit: number) => number {
  let state = Math.imul(seed + 1, 0x9e3779b9)
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) % limit
  }
}

class History {
  readonly #below: (limit: number) => number
  readonly #peer: Package
  /** By leaf. */
  readonly #leaves: (Member | undefined)[] = []
  #numbers = 0
  #tid = 0
  #ids = 0
  readonly did: Record<string, number> = {}

  constructor(seed: number, peer: Package) {
    this.#below = random(seed)
    this.#peer = peer
  }

  get #members(): Member[] {
    return this.#leaves.filter((member) => member !== undefined)
  }

  #any(of: readonly Member[] = this.#members): Member {
    const member = of[this.#below(of.length)]
    assert(member !== undefined, 'nobody to choose from')
    return member
  }

  #others(...but: (Member | undefined)[]): Member[] {
    return this.#members.filter((member) => !but.includes(member))
  }

  async #create(ours = this.#below(2) === 0): Promise<Member> {
    this.#numbers += 1
    return ours ? new OurMember(this.#numbers) : TheirMember.create(this.#numbers, this.#peer)
  }

  async begin(): Promise<void> {
    const ours = this.#below(2) === 0
    const [founder, second] = [await this.#create(ours), await this.#create(!ours)]
    await second.join(await founder.inviteFirst(await second.keyPackage()))
    for (const member of [founder, second]) await member.start(1n, 0)
    this.#leaves.push(founder, second)
  }

  async step(): Promise<void> {
    const steps = {
      talk: () => this.#talk(),
      add: () => this.#add(),
      remove: () => this.#remove(),
      abort: () => this.#abort(),
      restart: () => this.#restart(),
      forge: () => this.#forge(),
    }
    const weights: (keyof typeof steps)[] = [
      ...(['talk', 'talk', 'talk', 'talk', 'add', 'add'] as const),
      ...(['remove', 'abort', 'restart', 'forge'] as const),
    ]
    const name = weights[this.#below(weights.length)] ?? 'talk'
    if (await steps[name]()) this.did[name] = (this.did[name] ?? 0) + 1
    await this.#agree()
  }

  #content(): Content {
    this.#ids += 1
    const layer = LAYERS[this.#below(LAYERS.length)] ?? 'text'
    const bytes = Buffer.alloc(this.#below(600), this.#ids)
    return { layer, id: this.#ids, codec: this.#below(3), bytes }
  }

  async #talk(): Promise<boolean> {
    const sender = this.#any()
    const content = this.#content()
    const wire = await sender.say(content)
    for (const listener of this.#others(sender)) {
      await this.#hears(listener, sender, content, wire)
      const again = await listener.receive(wire)
      assert.deepEqual([again.errors, again.payloads], [[REPLAYED], []])
    }
    return true
  }

  async #hears(listener: Member, sender: Member, content: Content, wire: Buffer): Promise<void> {
    const { kinds, payloads } = await listener.receive(wire)
    const who = `${sender.ours ? 'ours' : 'theirs'} ${sender.number} to ${listener.ours ? 'ours' : 'theirs'} ${listener.number}`
    assert.deepEqual(kinds, ['payload_received'], who)
    const [payload] = payloads
    assert(payload !== undefined)
    assert.deepEqual([payload.stream, payload.codec], [STREAMS[content.layer], content.codec])
    const [status, told] = await listener.understand(content.layer, payload.plaintext, payload.codec)
    assert.deepEqual([status, told], ['new', said(content.layer, content, sender.number)], who)
  }

  /** What nobody has sealed opens nowhere. Ours alone: the published package uses its number up. */
  async #forge(): Promise<boolean> {
    const sender = this.#any()
    const content = this.#content()
    const wire = await sender.say(content)
    for (const listener of this.#others(sender)) {
      if (listener.ours) {
        const forged = Buffer.from(wire)
        const index = wire.length - 1 - this.#below(FIRST_PAYLOAD)
        forged[index] = (forged[index] ?? 0) ^ (1 + this.#below(255))
        const { payloads } = await listener.receive(forged)
        // The last bytes of a frame can name its codec, which is not authenticated.
        if (content.codec === 0) assert.deepEqual(payloads, [])
        if (payloads.length > 0) continue
      }
      await this.#hears(listener, sender, content, wire)
    }
    return true
  }

  /** Pattern A: everybody who stays moves by PREPARE, READY and EXECUTE. */
  async #move(
    coordinator: Member,
    commit: Buffer,
    staying: Member[],
    between?: () => Promise<void>,
  ): Promise<void> {
    const tid = this.#tid + 1
    const prepare = await coordinator.control(PREPARE, tid, commit)
    for (const member of staying) {
      const { controls } = await member.receive(prepare)
      assert.deepEqual(
        controls.map(({ opcode }) => opcode),
        [PREPARE],
      )
      const args = controls[0]?.args
      if (args !== undefined) assert.deepEqual(args.equals(commit), true)
      assert.deepEqual(await member.process(commit), 'commit')
      const ready = await coordinator.receive(await member.control(READY, tid))
      assert.deepEqual(
        ready.controls.map(({ opcode }) => opcode),
        [READY],
      )
    }
    const execute = await coordinator.control(EXECUTE, tid)
    for (const member of staying) {
      assert.deepEqual((await member.receive(execute)).kinds, ['epoch_advanced', 'control'])
      await member.finalize()
    }
    await coordinator.finalize()
    await between?.()
    await coordinator.apply(tid)
    this.#tid = tid
  }

  async #add(): Promise<boolean> {
    if (this.#members.length >= MAX_MEMBERS) return false
    const coordinator = this.#any()
    const joiner = await this.#create()
    const { commit, welcome } = await coordinator.invite(await joiner.keyPackage())
    const [, epoch] = await coordinator.where()
    const tid = this.#tid + 1
    const waits = this.#below(2) === 0
    await this.#move(coordinator, commit, this.#others(coordinator), async () => {
      await joiner.join(welcome)
      await joiner.start(epoch, waits ? tid : 0)
      if (!waits) return joiner.apply(tid)
      const execute = await coordinator.control(EXECUTE, tid)
      assert.deepEqual((await joiner.receive(execute)).kinds, ['epoch_advanced', 'control'])
      return undefined
    })
    const blank = this.#leaves.indexOf(undefined)
    if (blank === -1) this.#leaves.push(joiner)
    else this.#leaves[blank] = joiner
    return true
  }

  async #remove(): Promise<boolean> {
    if (this.#members.length < 3) return false
    const target = this.#any()
    const leaf = this.#leaves.indexOf(target)
    // The published package removes no leaf above the number of members.
    const able = this.#others(target).filter((member) => member.ours || leaf < this.#members.length)
    if (able.length === 0) return false
    const coordinator = this.#any(able)
    const commit = await coordinator.remove(leaf)
    await this.#move(coordinator, commit, this.#others(coordinator, target))
    this.#leaves[leaf] = undefined
    const secret = await coordinator.say({ layer: 'text', id: 0, codec: 0, bytes: Buffer.alloc(9) })
    assert.deepEqual((await target.receive(secret)).payloads, [])
    return true
  }

  async #abort(): Promise<boolean> {
    const coordinator = this.#any()
    const joiner = await this.#create()
    const { commit } = await coordinator.invite(await joiner.keyPackage())
    const tid = this.#tid + 1
    const prepare = await coordinator.control(PREPARE, tid, commit)
    const abort = await coordinator.control(ABORT, tid)
    for (const member of this.#others(coordinator)) {
      await member.receive(prepare)
      await member.process(commit)
      assert.deepEqual((await member.receive(abort)).kinds, ['control'])
      await member.clear()
    }
    await coordinator.clear()
    return true
  }

  async #restart(): Promise<boolean> {
    const ours = this.#members.filter((member) => member instanceof OurMember)
    if (ours.length === 0) return false
    ;(this.#any(ours) as OurMember).restart()
    return true
  }

  async #agree(): Promise<void> {
    const places = await Promise.all(this.#members.map(async (member) => member.where()))
    const epochs = new Set(places.flatMap(([mls, node]) => [mls, node]))
    assert.deepEqual(epochs.size, 1)
  }
}

const environment = python()

describe.skipIf('missing' in environment)('groups that mix both packages', () => {
  let peer: Package
  beforeAll(() => {
    peer = new Package('path' in environment ? environment.path : '')
  })
  afterAll(() => peer.close())

  it.each(seeds)(
    'history %i (COTERIE_HISTORY repeats it) ends with everybody hearing everybody',
    async (seed) => {
      const history = new History(seed, peer)
      await history.begin()
      for (let step = 0; step < STEPS; step += 1) await history.step()
      expect(Object.keys(history.did)).toContain('talk')
      console.log(`history ${seed}: ${JSON.stringify(history.did)}`)
    },
  )
})

if ('missing' in environment) {
  console.error(`NOT TESTED against the published gbp-stack: ${environment.missing}`)
}
