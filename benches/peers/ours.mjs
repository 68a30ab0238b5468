/** Coterie, as a program that installed it uses it. `rust/src/ours.rs` makes the same calls. */
import { Device } from 'coterie/mls'

import { ensure, equal, range, report } from './samples.mjs'

const device = (identity) => Device.create({ identity })

await report(async (options, samples) => {
  const founder = await device('founder')
  const members = await Promise.all(range(options.size - 1, 1).map((index) => device(`member-${index}`)))
  const kept = []
  if (options.singles > 0) {
    const each = Math.floor(options.singles / 10)
    for (let turn = 0; turn < 10; turn += 1) {
      await samples.time('keyPackage', each, async () => {
        for (let count = 0; count < each; count += 1) await founder.keyPackage()
      })
    }
    for (let turn = 0; turn < options.singles; turn += 1) {
      kept.push(await samples.time('groupOfOne', 1, () => founder.createGroup()))
    }
  }
  for (const index of range(options.groups)) {
    const packages = []
    for (const member of members) packages.push(await member.keyPackage())
    const [group, { welcome }] = await samples.time('create', 1, async () => {
      const created = await founder.createGroup()
      const committed = await created.commit({ add: packages })
      await created.mergePending()
      return [created, committed]
    })
    const joined = []
    for (const member of members.slice(0, options.joins)) {
      joined.push(await samples.time('join', 1, () => member.join(welcome)))
    }
    const [reader] = joined
    for (let turn = 0; turn < options.updates; turn += 1) {
      const { commit } = await samples.time('update', 1, async () => {
        const committed = await group.commit({ update: true })
        await group.mergePending()
        return committed
      })
      await samples.time('processUpdate', 1, () => reader.receive(commit))
    }
    const newcomer = await (await device(`newcomer-${index}`)).keyPackage()
    const { commit } = await samples.time('add', 1, async () => {
      const committed = await group.commit({ add: [newcomer] })
      await group.mergePending()
      return committed
    })
    await samples.time('processAdd', 1, () => reader.receive(commit))
    ensure(equal(await group.epochAuthenticator(), await reader.epochAuthenticator()), 'members disagree')
    if (index === 0) await exchange(options, samples, group, reader)
    kept.push(group, ...joined)
  }
  for (const group of kept) group.close()
})

async function exchange({ batches, messages, length }, samples, sender, reader) {
  const plaintext = new Uint8Array(length).fill(7)
  for (let turn = 0; turn < batches; turn += 1) {
    const sealed = await samples.time('encrypt', messages, async () => {
      const all = []
      for (let count = 0; count < messages; count += 1) all.push(await sender.encrypt(plaintext))
      return all
    })
    const opened = await samples.time('decrypt', messages, async () => {
      const all = []
      for (const message of sealed) all.push(await reader.receive(message))
      return all
    })
    for (const received of opened) ensure(equal(received.plaintext, plaintext), 'another plaintext came out')
  }
}
