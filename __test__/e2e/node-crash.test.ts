/**
 * A member is killed again and again, at each moment of an event's way into its application, and its store is opened again.
 * What others said reaches the application once and in order, whenever it died.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, it, onTestFinished } from 'vitest'

import { GroupNode, PROFILES, type Parcel, type Profile } from '../../dist/gbp/index.js'
import { Device } from '../../dist/mls/index.js'

const MOMENTS = ['taken', 'told', 'written', 'acknowledged', 'lazy'] as const
const MESSAGES = 24
const LIVES = 6
const ATTACHMENT = 100_000

type Message =
  { again: number } | { frame: Uint8Array } | { taken: number } | { keyPackage: Uint8Array } | object

/** The other member, who lives here, and everything that it has sent to the one that dies. */
class Alice {
  readonly node: GroupNode
  readonly sent: Uint8Array[] = []
  readonly taken = new Set<number>()
  admission: ((bytes: Uint8Array) => void) | undefined
  onFrame: ((place: number) => void) | undefined

  constructor(node: GroupNode) {
    this.node = node
    void this.#send()
  }

  async #send(): Promise<void> {
    for await (const parcel of this.node.frames()) this.#take(parcel)
  }

  #take(parcel: Parcel): void {
    if (parcel.type === 'admission') {
      this.admission?.(parcel.bytes)
      return
    }
    this.sent.push(parcel.bytes)
    this.onFrame?.(this.sent.length - 1)
  }
}

/** One life: until it dies, or until all was taken and written down. */
async function live(
  alice: Alice,
  words: readonly string[],
  done: (message: Message) => boolean,
): Promise<number> {
  const child = fork(join(import.meta.dirname, 'node-life.mjs'), words, { serialization: 'advanced' })
  let again = 0
  const bring = (place: number) => {
    if (!alice.taken.has(place)) tell(child, { place, frame: alice.sent[place] })
  }
  child.on('message', (message: Message) => {
    if ('again' in message) again = message.again
    if ('taken' in message) alice.taken.add(message.taken)
    if ('frame' in message) void alice.node.receive(message.frame)
    if ('keyPackage' in message) void admit(alice, child, message.keyPackage)
    if ('ready' in message) {
      alice.onFrame = bring
      for (const place of alice.sent.keys()) bring(place)
    }
    if (done(message)) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.once('exit', resolve))
  alice.onFrame = undefined
  return again
}

/** It may die before it reads that; what it has not taken is brought to its next life. */
function tell(child: ChildProcess, message: object): void {
  if (child.connected) child.send(message, () => undefined)
}

async function admit(alice: Alice, child: ChildProcess, keyPackage: Uint8Array): Promise<void> {
  const admission = new Promise<Uint8Array>((resolve) => {
    alice.admission = resolve
  })
  await alice.node.invite([keyPackage])
  tell(child, { admission: await admission })
}

async function run(profile: Profile, moment: string): Promise<{ lines: string[]; again: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'coterie-'))
  const device = await Device.create({ identity: 'alice', suite: 'x25519-aes128gcm-sha256-ed25519' })
  const node = await GroupNode.create(device, { member: 1, profile })
  onTestFinished(async () => {
    await node.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const alice = new Alice(node)
  const log = join(folder, 'log')
  const lines = () => {
    try {
      return readFileSync(log, 'utf8').trimEnd().split('\n')
    } catch {
      return []
    }
  }
  const words = (when: string, count: number) => [join(folder, 'bob'), log, profile, when, String(count)]
  // Comes in, and dies once it is there.
  await live(alice, words('never', 0), (message) => 'ready' in message)
  let again = 0
  for (let life = 0; life < LIVES; life += 1) {
    const first = (life * MESSAGES) / LIVES
    for (let index = first; index < first + MESSAGES / LIVES; index += 1) await node.text.send(`${index}`)
    if (life === 2) {
      const data = new Uint8Array(ATTACHMENT)
      await node.text.sendAttachment({ filename: 'a', mimeType: 'b', data })
    }
    again += await live(alice, words(moment, 1 + (life % 3)), () => false)
  }
  const all = () => alice.taken.size === alice.sent.length && lines().length > MESSAGES
  const complete = () => all() && lines().some((line) => line.endsWith(` ${MESSAGES - 1}`))
  again += await live(alice, words('never', 0), complete)
  return { lines: lines(), again }
}

describe.each(PROFILES)('in %s, what a member is told is told once', (profile) => {
  it.each(MOMENTS)('when it dies as an event is %s', async (moment) => {
    const { lines, again } = await run(profile, moment)
    const ids = lines.map((line) => BigInt(line.split(' ')[0] ?? ''))
    expect(ids).toEqual([...new Set(ids)].toSorted((left, right) => Number(left - right)))
    const said = lines
      .map((line) => line.split(' ')[1] ?? '')
      .filter((word) => !/^(joined|epoch|left)$/.test(word))
    const expected = Array.from({ length: MESSAGES }, (_, index) => `${index}`)
    expected.splice((MESSAGES / LIVES) * 3, 0, `attachment-${ATTACHMENT}`)
    expect(said).toEqual(expected)
    // Without the ids they would have been told twice.
    const repeated = moment === 'written' || moment === 'lazy'
    expect(again).toBeGreaterThanOrEqual(repeated ? 1 : 0)
  })
})
