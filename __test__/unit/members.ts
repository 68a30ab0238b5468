/** Members of groups, for tests that have several of them in one process. */
import { expect, onTestFinished } from 'vitest'

import {
  Device,
  GroupSession,
  MemoryChannel,
  MemoryDirectory,
  type CipherSuite,
  type Group,
  type SessionEvent,
} from '../../dist/mls/index.js'

export const ANY_SUITE: CipherSuite = 'x25519-aes128gcm-sha256-ed25519'

/** A code, the only thing of an error that tests should look at. */
export const code = (wanted: string) => expect.objectContaining({ name: 'CoterieError', code: wanted })

export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

export const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

export const names = async (group: { members(): Promise<{ name: string | undefined }[]> }) =>
  (await group.members()).map(({ name }) => name)

/** The next event of `type`; others before it are passed over. */
export async function next<Type extends SessionEvent['type']>(
  events: AsyncIterator<SessionEvent, undefined>,
  type: Type,
): Promise<Extract<SessionEvent, { type: Type }>> {
  for (;;) {
    const { done, value } = await events.next()
    if (done === true) throw new Error(`the events ended before ${type}`)
    if (value.type === type) return value as Extract<SessionEvent, { type: Type }>
  }
}

/** What is left of a stream that ends. */
export async function rest<Event>(events: AsyncIterable<Event>): Promise<Event[]> {
  const all: Event[] = []
  for await (const event of events) all.push(event)
  return all
}

/** Lets everything that is ready happen; waits for nothing that is not. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate)
}

/** A directory, a channel and devices whose key packages are published, all closed at the end of the test. */
export async function meet(
  devices: readonly string[],
  suite = ANY_SUITE,
): Promise<{ directory: MemoryDirectory; channel: MemoryChannel; devices: Device[] }> {
  const directory = new MemoryDirectory()
  const channel = new MemoryChannel()
  const made = await Promise.all(devices.map((identity) => Device.create({ identity, suite })))
  for (const device of made) await device.publish(directory)
  onTestFinished(() => {
    channel.close()
    for (const device of made) device.close()
  })
  return { directory, channel, devices: made }
}

/** Everybody of `devices` in one group, connected to one channel and at the same epoch. */
export async function team(devices: readonly string[], suite = ANY_SUITE) {
  const met = await meet(devices, suite)
  const [founder, ...others] = met.devices
  if (founder === undefined) throw new Error('a group needs somebody')
  const first = await GroupSession.connect(await founder.createGroup(), met.channel)
  const sessions = [first]
  if (others.length > 0) {
    const packages = await Promise.all(others.map((device) => met.directory.take(device.identity)))
    const invitation = await first.add(packages)
    for (const device of others) sessions.push(await GroupSession.join(device, invitation, met.channel))
  }
  onTestFinished(async () => {
    for (const session of sessions) await session.close()
  })
  return { ...met, sessions }
}

/** Two raw groups of one epoch, without a channel. */
export async function pair(suite = ANY_SUITE): Promise<{ alice: Group; bob: Group; devices: Device[] }> {
  const { directory, devices } = await meet(['alice', 'bob'], suite)
  const [first, second] = devices
  if (first === undefined || second === undefined) throw new Error('two are needed')
  const alice = await first.createGroup()
  const { welcome } = await alice.commit({ add: [await directory.take('bob')] })
  await alice.mergePending()
  if (welcome === undefined) throw new Error('nobody was added')
  const bob = await second.join(welcome)
  onTestFinished(() => {
    alice.close()
    bob.close()
  })
  return { alice, bob, devices }
}

/** As many as are asked for, so that tests can destructure without asserting. */
export function exactly<Item>(items: readonly Item[]): Item[] & { 0: Item; 1: Item; 2: Item; 3: Item } {
  return items as Item[] & { 0: Item; 1: Item; 2: Item; 3: Item }
}
