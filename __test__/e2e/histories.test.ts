/**
 * Random histories of one group whose members are half ours and half ts-mls's. What happens follows from the seed; the
 * keys do not, since both stacks take them from the system. After every step all members have one epoch authenticator,
 * and what either stack seals the other reads.
 *
 * `COTERIE_HISTORIES=200 npx vitest run --project e2e` runs as many; `COTERIE_HISTORY=7` the one of that seed alone.
 */
import { afterAll, assert, describe, expect, it } from 'vitest'

import {
  isFaultOfTsMls,
  isRootOfNoPath,
  OurMember,
  SUITES,
  TheirMember,
  type Changes,
  type Member,
  type SuitePair,
  type Wish,
} from './peers.js'

const MAX_MEMBERS = 20
const MAX_OPERATIONS = 50
/** As many as every run of the tests has time for: one takes ten seconds of a processor, nearly all of them ts-mls's. */
const HISTORIES = Number(process.env['COTERIE_HISTORIES'] ?? 3)
const ONLY = process.env['COTERIE_HISTORY']
const MINUTE = 60_000

const seeds = ONLY === undefined ? Array.from({ length: HISTORIES }, (_, seed) => seed) : [Number(ONLY)]

/** mulberry32: small, and the same everywhere. */
class Random {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b9)
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let value = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) % limit
  }

  of<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('nothing to choose from')
    return item
  }
}

const NO_CHANGES: Changes = { add: [], remove: [] }

class History {
  readonly #random: Random
  readonly #suite: SuitePair
  #members: Member[] = []
  #made = 0
  operations = 0
  /** Steps after which both stacks were in the group. */
  mixed = 0
  /** Joiners of ts-mls that its fault kept out. */
  absent = 0
  /** Members who stay because without them its other fault would show. */
  kept = 0

  constructor(seed: number) {
    this.#random = new Random(seed)
    this.#suite = this.#random.of(SUITES)
  }

  /** Of the stack that has fewer members, so that each has half. */
  async #newcomer(joining: readonly Member[] = []): Promise<Member> {
    this.#made += 1
    const all = [...this.#members, ...joining]
    const ours = all.filter((member) => member.ours).length
    const kind =
      2 * ours < all.length || (2 * ours === all.length && this.#random.below(2) === 0)
        ? OurMember
        : TheirMember
    return kind.create(`member-${this.#made}`, this.#suite)
  }

  #others(...without: readonly Member[]): Member[] {
    return this.#members.filter((member) => !without.includes(member))
  }

  async #tell(message: Uint8Array, listeners: readonly Member[]): Promise<void> {
    await Promise.all(listeners.map((member) => member.receive(message)))
  }

  /** `leaving` are those whom the commit removes; they hear of it too. */
  async #commit(committer: Member, changes: Changes, joining: readonly Member[], leaving: readonly Member[]) {
    const { commit, welcome } = await committer.commit(changes)
    await this.#tell(commit, this.#others(committer))
    this.#members = this.#others(...leaving)
    for (const member of leaving) member.close()
    const absent: string[] = []
    for (const member of joining) {
      if (welcome === undefined) throw new Error('nobody was welcomed')
      try {
        await member.join(welcome)
        this.#members.push(member)
      } catch (error) {
        if (member.ours || !isFaultOfTsMls(error)) throw error
        absent.push(member.name)
      }
    }
    if (absent.length > 0) await this.#removeAbsent(absent)
  }

  /** Those that ts-mls could not let in sit in the tree all the same. */
  async #removeAbsent(names: readonly string[]): Promise<void> {
    this.absent += names.length
    await this.#commit(this.#random.of(this.#members), { add: [], remove: names }, [], [])
  }

  async #propose(proposer: Member, wish: Wish): Promise<void> {
    await this.#tell(await proposer.propose(wish), this.#others(proposer))
  }

  async found(): Promise<void> {
    const founder = await this.#newcomer()
    this.#members = [founder]
    await founder.found()
    await this.add(1 + this.#random.below(MAX_MEMBERS - 1))
  }

  async add(count: number): Promise<void> {
    const joining: Member[] = []
    for (let index = 0; index < count; index += 1) joining.push(await this.#newcomer(joining))
    const add = joining.map(({ keyPackage }) => keyPackage)
    await this.#commit(this.#random.of(this.#members), { ...NO_CHANGES, add }, joining, [])
  }

  /** Somebody who may go; nobody, where ts-mls could not follow. */
  async #leaver(): Promise<Member | undefined> {
    const leaving = this.#random.of(this.#members)
    const staying = this.#others(leaving)
    const leaves = await Promise.all(staying.map(({ name }) => leaving.leaf(name)))
    if (!isRootOfNoPath(leaves)) return leaving
    this.kept += 1
    return undefined
  }

  async remove(): Promise<void> {
    const leaving = await this.#leaver()
    if (leaving === undefined) return this.update()
    const changes = { ...NO_CHANGES, remove: [leaving.name] }
    await this.#commit(this.#random.of(this.#others(leaving)), changes, [], [leaving])
  }

  async update(): Promise<void> {
    await this.#commit(this.#random.of(this.#members), NO_CHANGES, [], [])
  }

  async proposeAdd(): Promise<void> {
    const joining = await this.#newcomer()
    await this.#propose(this.#random.of(this.#members), { add: joining.keyPackage })
    await this.#commit(this.#random.of(this.#members), NO_CHANGES, [joining], [])
  }

  async proposeRemove(): Promise<void> {
    const leaving = await this.#leaver()
    if (leaving === undefined) return this.update()
    const staying = this.#others(leaving)
    await this.#propose(this.#random.of(staying), { remove: leaving.name })
    await this.#commit(this.#random.of(staying), NO_CHANGES, [], [leaving])
  }

  /** ts-mls takes in Update proposals but makes none. */
  async proposeUpdate(): Promise<void> {
    const ours = this.#members.filter((member) => member.ours)
    if (ours.length === 0) return this.update()
    const proposer = this.#random.of(ours)
    await this.#propose(proposer, 'update')
    return this.#commit(this.#random.of(this.#others(proposer)), NO_CHANGES, [], [])
  }

  async step(): Promise<void> {
    this.operations += 1
    const size = this.#members.length
    const grow = [
      () => this.add(Math.min(MAX_MEMBERS - size, 1 + this.#random.below(3))),
      () => this.proposeAdd(),
    ]
    const shrink = [() => this.remove(), () => this.proposeRemove()]
    const keep = [() => this.update(), () => this.proposeUpdate()]
    const choices = [...keep, ...(size < MAX_MEMBERS ? grow : []), ...(size > 3 ? shrink : [])]
    await this.#random.of(choices)()
  }

  async check(): Promise<void> {
    this.mixed += this.#members.some(({ ours }) => ours) && this.#members.some(({ ours }) => !ours) ? 1 : 0
    const [first, ...others] = await Promise.all(this.#members.map((member) => member.authenticator()))
    for (const other of others) assert.deepEqual(other, first)
    for (const ours of [true, false]) {
      const speakers = this.#members.filter((member) => member.ours === ours)
      if (speakers.length > 0) await this.#say(this.#random.of(speakers))
    }
  }

  async #say(speaker: Member): Promise<void> {
    const plaintext = new Uint8Array(this.#random.below(200)).fill(this.#random.below(256))
    const sealed = await speaker.seal(plaintext)
    const heard = await Promise.all(this.#others(speaker).map((member) => member.receive(sealed)))
    for (const text of heard) assert.deepEqual(text, plaintext)
  }

  close(): void {
    for (const member of this.#members) member.close()
  }
}

const sum = { mixed: 0, absent: 0, kept: 0 }

afterAll(() => {
  const steps = seeds.length * (MAX_OPERATIONS + 1)
  console.log(
    `${seeds.length} histories, ${steps} epochs agreed on, ${sum.mixed} of them by both stacks`,
    sum,
  )
})

describe('a group that is half ours and half ts-mls', () => {
  it.each(seeds)(
    'agrees on every epoch of the history of seed %i',
    async (seed) => {
      const history = new History(seed)
      try {
        await history.found()
        await history.check()
        while (history.operations < MAX_OPERATIONS) {
          await history.step()
          await history.check()
        }
      } catch (error) {
        throw new Error(`seed ${seed}, operation ${history.operations}; again by COTERIE_HISTORY=${seed}`, {
          cause: error,
        })
      } finally {
        history.close()
      }
      expect(history.operations).toBe(MAX_OPERATIONS)
      sum.mixed += history.mixed
      sum.absent += history.absent
      sum.kept += history.kept
    },
    5 * MINUTE,
  )
})
