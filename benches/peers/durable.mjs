/** Coterie on disk, many messages a step, in a group in which every member has sent. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Device } from 'coterie/mls'

import { talkingCrowd } from './crowd.mjs'
import { ensure, equal, range, report } from './samples.mjs'

const KEY = new Uint8Array(32).fill(7)
const folder = mkdtempSync(join(tmpdir(), 'coterie-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let stores = 0

const open = (identity) => Device.open({ store: join(folder, `${(stores += 1)}.db`), key: KEY, identity })

await report(async ({ size, step, messages, batches, length }, samples) => {
  const [sender, reader] = [await open('sender'), await open('reader')]
  const [from, to] = await (size === 2 ? pair : crowded)(size, sender, reader)
  await talk(from, to)
  await talk(to, from)
  const plaintext = new Uint8Array(length).fill(7)
  const plaintexts = range(step).map(() => plaintext)
  const steps = Math.ceil(messages / step)
  for (let batch = 0; batch < batches; batch += 1) {
    const sealed = await samples.time('encrypt', steps * step, async () => {
      const all = []
      for (let count = 0; count < steps; count += 1) all.push(await from.encryptAll(plaintexts))
      return all
    })
    const opened = await samples.time('decrypt', steps * step, async () => {
      const all = []
      for (const stored of sealed) all.push(await to.receiveAll(stored))
      return all
    })
    for (const received of opened.flat())
      ensure(equal(received.plaintext, plaintext), 'another plaintext came out')
  }
  for (const each of [from, to]) each.close()
  for (const each of [sender, reader]) await each.close()
})

async function pair(_, sender, reader) {
  const group = await sender.createGroup()
  const { welcome } = await group.commit({ add: [await reader.keyPackage()] })
  await group.mergePending()
  return [group, await reader.join(welcome)]
}

async function crowded(size, sender, reader) {
  const keyPackages = [await sender.keyPackage(), await reader.keyPackage()]
  const { welcome, chatter } = talkingCrowd({ size, keyPackages })
  const groups = [await sender.join(welcome), await reader.join(welcome)]
  for (const group of groups) {
    for (const received of await group.receiveAll(chatter)) ensure('plaintext' in received, received.message)
  }
  return groups
}

async function talk(from, to) {
  const received = await to.receive(await from.encrypt('hello'))
  ensure(received.type === 'message', 'no message came out')
}
