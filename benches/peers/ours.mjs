/** Coterie, as a program that installed it uses it. `rust/src/ours.rs` makes the same calls. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Device } from 'coterie/mls'

import { crowd, residentOfEach } from './crowd.mjs'
import { ensure, equal, range, report } from './samples.mjs'

const device = (identity) => Device.create({ identity })

/** A device whose every step is on disk before its call resolves. */
const KEY = new Uint8Array(32).fill(7)
const folder = mkdtempSync(join(tmpdir(), 'coterie-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let stores = 0

const open = (identity) => Device.open({ store: join(folder, `${(stores += 1)}.db`), key: KEY, identity })

await report(async (options, samples) => {
  if (options.memory) return memory(options, samples)
  // Those that are measured; the rest only fill the group.
  const measured = options.durable ? open : device
  const founder = await measured('founder')
  const members = await Promise.all(
    range(options.size - 1, 1).map((index) =>
      (index <= options.joins ? measured : device)(`member-${index}`),
    ),
  )
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
    const { group, joined } = await (options.warm ? warm : fresh)(options, samples, founder, members)
    const [reader] = joined
    const updates = []
    for (let turn = 0; turn < options.updates; turn += 1) {
      updates.push(await samples.time('update', 1, () => commit(group, { update: true })))
    }
    for (const update of updates) {
      await samples.time('processUpdate', 1, () => reader.receive(update))
      samples.note('updateBytes', update.length)
    }
    const newcomers = []
    for (const added of range(options.adds)) newcomers.push(await keyPackageOf(`newcomer-${index}-${added}`))
    const adds = []
    for (const newcomer of newcomers) {
      adds.push(await samples.time('add', 1, () => commit(group, { add: [newcomer] })))
      samples.note('keyPackageBytes', newcomer.length)
    }
    for (const add of adds) {
      await samples.time('processAdd', 1, () => reader.receive(add))
      samples.note('addBytes', add.length)
    }
    ensure(equal(await group.epochAuthenticator(), await reader.epochAuthenticator()), 'members disagree')
    if (index === 0) await exchange(options, samples, group, reader)
    kept.push(group, ...joined)
  }
  for (const group of kept) group.close()
  for (const each of [founder, ...members]) await each.close()
})

async function commit(group, changes) {
  const committed = await group.commit(changes)
  await group.mergePending()
  return committed.commit
}

/** Of a device that is gone before anything is timed, as in Rust: V8 would let go of it at some time in between. */
async function keyPackageOf(name) {
  const newcomer = await device(name)
  const keyPackage = await newcomer.keyPackage()
  await newcomer.close()
  return keyPackage
}

/** The founder adds everybody in one commit: parents are blank. */
async function fresh(options, samples, founder, members) {
  const packages = []
  for (const member of members) packages.push(await member.keyPackage())
  const [group, { welcome }] = await samples.time('create', 1, async () => {
    const created = await founder.createGroup()
    const committed = await created.commit({ add: packages })
    await created.mergePending()
    return [created, committed]
  })
  samples.note('welcomeBytes', welcome.length)
  return { group, joined: await joins(options, samples, members, welcome) }
}

/** Everybody has updated its path. */
async function warm(options, samples, founder, members) {
  const keyPackages = []
  for (const member of [...members.slice(0, options.joins), founder]) {
    keyPackages.push(await member.keyPackage())
  }
  const [welcome] = crowd({ size: options.size, warm: true, keyPackages: [keyPackages] })
  samples.note('welcomeBytes', welcome.length)
  const joined = await joins(options, samples, members, welcome)
  const group = await founder.join(welcome)
  for (const [from, to] of [
    [group, joined[0]],
    [joined[0], group],
  ]) {
    await to.receive(await commit(from, { update: true }))
  }
  return { group, joined }
}

async function joins(options, samples, members, welcome) {
  const joined = []
  for (const member of members.slice(0, options.joins)) {
    joined.push(await samples.time('join', 1, () => member.join(welcome)))
  }
  return joined
}

/** What a group takes of memory and, of a stored device, on disk. */
async function memory({ size, groups, durable }, samples) {
  const member = await (durable ? open : device)('measured')
  const path = join(folder, `${stores}.db`)
  const keyPackages = []
  for (let count = 0; count < groups; count += 1) keyPackages.push([await member.keyPackage()])
  const welcomes = crowd({ size, warm: false, keyPackages })
  const kept = []
  const each = await residentOfEach(groups, async () => {
    for (const welcome of welcomes) kept.push(await member.join(welcome))
    return kept
  })
  samples.note('groupMemory', each)
  for (const group of kept) group.close()
  await member.close()
  if (durable) samples.note('groupStored', statSync(path).size / groups)
}

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
