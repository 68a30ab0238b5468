/**
 * Workers that load the addon, use it and are terminated with work under way: `node --expose-gc workers.mjs`, in rounds of
 * twenty until memory settles, two hundred at least. Prints what was held and what the workers had reached.
 */
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

import { settle } from './memory.mjs'

const require = createRequire(import.meta.url)

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- not a window's
const say = (word) => parentPort.postMessage(word)

async function use() {
  const { Device, GroupSession, MemoryChannel, MemoryDirectory } = require('../../dist/mls/index.js')
  const directory = new MemoryDirectory()
  const channel = new MemoryChannel()
  const [alice, bob] = await Promise.all(['alice', 'bob'].map((identity) => Device.create({ identity })))
  await bob.publish(directory)
  const team = await GroupSession.connect(await alice.createGroup(), channel)
  const invitation = await team.add([await directory.take('bob')])
  const bobs = await GroupSession.join(bob, invitation, channel)
  const events = bobs.events()
  await team.send('hello')
  const { value } = await events.next()
  say(new TextDecoder().decode(value.plaintext))
  // Terminated in the middle of these, by threads of the pool that answer nobody.
  const group = team.group
  bobs.group.events().next()
  for (;;) {
    const work = [group.encryptAll([new Uint8Array(1 << 16)]), group.members(), alice.keyPackages(4)]
    say('working')
    await Promise.all(work)
  }
}

async function cycle() {
  const worker = new Worker(new URL(import.meta.url))
  const heard = []
  worker.on('message', (message) => heard.push(message))
  while (!heard.includes('working')) await once(worker, 'message')
  const code = await worker.terminate()
  return { hello: heard.includes('hello'), code }
}

const PER_ROUND = 20
const LIMIT = 2 ** 19

if (isMainThread) {
  const report = { cycles: 0, wrong: [] }
  const round = async () => {
    for (let index = 0; index < PER_ROUND; index += 1) {
      const { hello, code } = await cycle()
      report.cycles += 1
      if (!hello || code !== 1) report.wrong.push(code)
    }
  }
  report.memory = await settle(round, { warmUp: 1, window: 3, limit: LIMIT })
  // The addon of the main thread still works when all of them are gone.
  const { Device } = require('../../dist/mls/index.js')
  const device = await Device.create({ identity: 'last' })
  report.last = (await device.keyPackages(4)).length
  console.log(JSON.stringify(report))
} else {
  await use()
}
