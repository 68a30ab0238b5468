/**
 * One life of a member whose store outlives it: it takes in what its parent brings, writes down what it is told, and dies at
 * the moment that it was given. What it writes down is its application: a line is one transaction, with the event's id.
 */
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync } from 'node:fs'

import { GroupNode } from '../../dist/gbp/index.js'
import { Device } from '../../dist/mls/index.js'

const [store, log, profile, moment, countdown] = process.argv.slice(2)
let left = Number(countdown)

/** Dies here, if it is the time. */
function pass(here) {
  if (here !== moment) return
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
}

function lastId() {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []
  return lines.length === 0 || lines[0] === '' ? -1n : BigInt(lines.at(-1).split(' ')[0])
}

function write(line) {
  const file = openSync(log, 'a')
  appendFileSync(file, `${line}\n`)
  fsyncSync(file)
  closeSync(file)
}

const tell = (what) =>
  new Promise((resolve) => {
    process.send(what, resolve)
  })

const device = await Device.open({ store, key: new Uint8Array(32).fill(7), identity: 'bob' })

async function member() {
  const [id] = await device.groups()
  if (id !== undefined) return GroupNode.open(device, id)
  await tell({ keyPackage: await device.keyPackage() })
  const { admission } = await new Promise((resolve) => {
    process.once('message', resolve)
  })
  return GroupNode.join(device, admission, { profile })
}

/** What an event is about, in one word. */
async function word(node, event) {
  switch (event.type) {
    case 'text':
      return event.message.text
    case 'attachment':
      return `attachment-${(await node.text.attachment(event)).length}`
    default:
      return event.type
  }
}

async function consume(node) {
  let last = lastId()
  let again = 0
  for await (const event of node.events()) {
    if (event.id === undefined) continue
    pass('told')
    if (event.id > last) {
      write(`${event.id} ${await word(node, event)}`)
      last = event.id
    } else {
      again += 1
      await tell({ again })
    }
    pass('written')
    if (moment !== 'lazy') await node.acknowledge(event.id)
    pass('acknowledged')
    await tell({ written: event.id })
    pass('lazy')
  }
}

process.once('disconnect', () => process.exit())
const node = await member()
process.on('message', ({ place, frame }) => {
  if (frame === undefined) return
  void node.receive(frame).then(async () => {
    pass('taken')
    await tell({ taken: place })
  })
})
void consume(node)
await tell({ ready: true })
for await (const { type, bytes } of node.frames()) if (type === 'frame') await tell({ frame: bytes })
