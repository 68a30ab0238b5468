/** Ways for a process to end while something of the package is open: `node --expose-gc exits.mjs HOW`. */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { Device, GroupSession, MemoryChannel } = require('../../dist/mls/index.js')

const device = await Device.create({ identity: 'alice' })
const group = await device.createGroup()

async function consume(events) {
  for await (const event of events) console.log(event.type)
}

const ways = {
  /** Whoever only waits for events keeps nobody alive. */
  'awaiting-group-events': () => {
    void consume(group.events())
  },
  'awaiting-session-events': async () => {
    const session = await GroupSession.connect(group, new MemoryChannel())
    void consume(session.events())
  },
  'everything-left-open': async () => {
    const session = await GroupSession.connect(group, new MemoryChannel())
    await session.update()
    void session.group.events().next()
    group.events()
  },
  'exit-with-work-under-way': () => {
    void consume(group.events())
    for (let index = 0; index < 200; index += 1) void group.encryptAll([new Uint8Array(1 << 20)])
    void device.keyPackages(500)
    process.exit(0)
  },
  'exit-while-work-answers': async () => {
    const work = Array.from({ length: 50 }, () => group.encryptAll([new Uint8Array(1 << 16)]))
    await work[0]
    process.exit(0)
  },
  'an-uncaught-error': () => {
    void group.encryptAll([new Uint8Array(1 << 20)])
    throw new Error('uncaught on purpose')
  },
  /** Work under way does: what was begun is answered. */
  'work-under-way': () => {
    void group.encryptAll([new Uint8Array(1 << 20)]).then((all) => console.log(`answered ${all.length}`))
  },
}

await ways[process.argv[2]]()
console.log('reached the end')
