/**
 * What the garbage collector may take, and what it may not: `node --expose-gc collecting.mjs CASE`. Ends with code 0 and
 * prints what it saw; where something is never collected, it gives up after a number of collections and says so.
 */
import { createRequire } from 'node:module'

import { settle } from './memory.mjs'

const require = createRequire(import.meta.url)
const { CoterieError, Device, GroupSession, MemoryChannel } = require('../../dist/mls/index.js')
const { GroupNode } = require('../../dist/gbp/index.js')

/** Waiting for events keeps no process alive, so something else must. */
setInterval(() => {}, 2 ** 30)

const FULL = 1_024
const ATTEMPTS = 200
/** A window makes and drops several hundred groups: less than 700 bytes for each. */
const MEMORY = { warmUp: 8, window: 10, limit: 2 ** 18 }

async function pair() {
  const [alice, bob] = await Promise.all(['alice', 'bob'].map((identity) => Device.create({ identity })))
  const a = await alice.createGroup()
  const { welcome } = await a.commit({ add: [await bob.keyPackage()] })
  await a.mergePending()
  return { alice: a, bob: await bob.join(welcome) }
}

async function collect() {
  gc()
  await new Promise(setImmediate)
}

/** Collects until `done`, or until it has been tried often enough to be sure that it never will. */
async function until(done) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (await done()) return true
    await collect()
  }
  return false
}

const isFull = (error) => CoterieError.is(error) && error.code === 'FEED_FULL'

/** Whether one more message still finds its subscriber's queue full. */
async function overflows(alice, bob) {
  try {
    await bob.receive(await alice.encrypt('one more'))
    return false
  } catch (error) {
    if (!isFull(error)) throw error
    return true
  }
}

async function fill(alice, bob) {
  for (const message of await alice.encryptAll(Array.from({ length: FULL }, () => 'x')))
    await bob.receive(message)
}

/** In a function of its own, so that no register holds on to what it makes. */
function subscribeAndForget(group, options) {
  group.events(options)
}

async function readOneAndForget(group, message) {
  const events = group.events()
  await group.receive(message)
  await events.next()
}

const cases = {
  async 'abandoned-before-it-began'() {
    const { alice, bob } = await pair()
    subscribeAndForget(bob)
    await fill(alice, bob)
    const full = await overflows(alice, bob)
    return { full, released: await until(async () => !(await overflows(alice, bob))) }
  },
  async 'abandoned-half-way'() {
    const { alice, bob } = await pair()
    await readOneAndForget(bob, await alice.encrypt('first'))
    await fill(alice, bob)
    const full = await overflows(alice, bob)
    return { full, released: await until(async () => !(await overflows(alice, bob))) }
  },
  async 'abandoned-with-a-signal-that-lives'() {
    const { alice, bob } = await pair()
    const controller = new AbortController()
    subscribeAndForget(bob, { signal: controller.signal })
    await fill(alice, bob)
    const full = await overflows(alice, bob)
    const released = await until(async () => !(await overflows(alice, bob)))
    controller.abort()
    return { full, released }
  },
  async 'left-by-break-return-abort-and-close'() {
    const { alice, bob } = await pair()
    const controller = new AbortController()
    const [returned, aborted] = [bob.events(), bob.events({ signal: controller.signal })]
    await returned.return()
    controller.abort('enough')
    const reason = await aborted.next().catch((error) => error)
    const broken = bob.events()
    await bob.receive(await alice.encrypt('first'))
    for await (const event of broken) if (event.type === 'message') break
    await fill(alice, bob)
    return { full: await overflows(alice, bob), reason }
  },
  /** Somebody waits: the iterator must be there when the event comes, whatever is collected meanwhile. */
  async awaited() {
    const { alice, bob } = await pair()
    const waiting = bob.events().next()
    for (let attempt = 0; attempt < 10; attempt += 1) await collect()
    await bob.receive(await alice.encrypt('still wanted'))
    const { value } = await waiting
    return { heard: new TextDecoder().decode(value.plaintext) }
  },
  /** The group itself is collected: whoever waits for its events hears that there will be none. */
  async 'group-collected-while-awaited'() {
    const waiting = await (async () => {
      const { bob } = await pair()
      return { ended: bob.events().next() }
    })()
    let result
    void waiting.ended.then((value) => {
      result = value
    })
    return { ended: await until(() => result !== undefined), result }
  },
  async 'group-closed-while-awaited'() {
    const { bob } = await pair()
    const waiting = [bob.events().next(), bob.events().next()]
    bob.close()
    return { results: await Promise.all(waiting) }
  },
  /** A session whose subscriber was forgotten does not stand still. */
  async 'session-subscriber-abandoned'() {
    const device = await Device.create({ identity: 'alice' })
    const channel = new MemoryChannel()
    const session = await GroupSession.connect(await device.createGroup(), channel)
    const listening = session.events()
    ;(() => {
      session.events()
    })()
    await collect()
    for (let index = 0; index < 2 * FULL; index += 1) await channel.append(Uint8Array.of(1))
    let heard = 0
    const reading = (async () => {
      for await (const { type } of listening) {
        heard += type === 'refused' ? 1 : 0
        if (heard === 2 * FULL) break
      }
    })()
    const released = await until(() => heard > FULL)
    if (released) await reading
    return { released, heard }
  },
  async 'groups-and-devices'() {
    return settle(async () => {
      for (let index = 0; index < 40; index += 1) {
        const { alice, bob } = await pair()
        bob.events()
        await bob.receive(await alice.encrypt(new Uint8Array(1 << 12)))
        // Neither is closed: that is for the collector.
      }
    }, MEMORY)
  },
  /** A node's own timer does not hold it. */
  async 'forgotten-nodes'() {
    const device = await Device.create({ identity: 'alice' })
    return settle(async () => {
      for (let index = 0; index < 40; index += 1) {
        const node = await GroupNode.create(device, { member: 1 })
        node.events()
        await node.text.send('x')
        await node.frames().next()
        // Not closed: that is for the collector.
      }
    }, MEMORY)
  },
  async 'opened-and-closed'() {
    const device = await Device.create({ identity: 'alice' })
    return settle(async () => {
      for (let index = 0; index < 100; index += 1) {
        const group = await device.createGroup()
        const events = group.events()
        await group.commit({ update: true })
        await group.mergePending()
        await events.next()
        group.close()
      }
    }, MEMORY)
  },
}

console.log(JSON.stringify((await cases[process.argv[2]]()) ?? {}))
process.exit(0)
