/**
 * How long each call of a large group keeps the event loop from turning: the longest time between two turns of a
 * `setImmediate` loop while the call is under way. `idle` is the same loop while nothing is: what the machine adds.
 * On Linux `… (running)` is for how much of such a time the thread had a core: the rest is other programs'.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { Device } from 'coterie/mls'

import { ensure, equal, options, range } from './samples.mjs'

const { size, messages } = options()
const gaps = {}

/** Nanoseconds for which this thread has had a core; undefined where the system does not tell. */
const running = openRunning()

function openRunning() {
  if (process.platform !== 'linux') return () => undefined
  const file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
  process.on('exit', () => closeSync(file))
  const buffer = Buffer.alloc(64)
  return () => BigInt(buffer.toString('latin1', 0, readSync(file, buffer, 0, 64, 0)).split(' ', 1)[0])
}

class Longest {
  value = 0n

  see(value) {
    if (value > this.value) this.value = value
  }

  keep(name) {
    // A call that is made several times counts by its worst.
    gaps[name] = [Math.max(gaps[name]?.[0] ?? 0, Number(this.value))]
  }
}

/** The turn in which the call is made and the one in which it is answered count, too. */
async function watch(name, work) {
  await sleep(20)
  const [gap, ran] = [new Longest(), new Longest()]
  let last = process.hrtime.bigint()
  let ranBefore = running()
  let watching = true
  const turn = () => {
    const now = process.hrtime.bigint()
    const ranNow = running()
    gap.see(now - last)
    if (ranNow !== undefined) ran.see(ranNow - ranBefore)
    last = process.hrtime.bigint()
    ranBefore = ranNow
    if (watching) setImmediate(turn)
  }
  setImmediate(turn)
  const value = await work()
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
  watching = false
  turn()
  gap.keep(name)
  if (ranBefore !== undefined) ran.keep(`${name} (running)`)
  return value
}

const device = (identity) => Device.create({ identity })
const founder = await watch('Device.create (the first)', () => device('founder'))
const [first, second] = [await device('member-1'), await device('member-2')]
const packages = [await first.keyPackage(), await second.keyPackage()]
for (const index of range(size - 3, 3)) packages.push(await (await device(`member-${index}`)).keyPackage())

const group = await founder.createGroup()
const { welcome } = await watch('commit (add everybody)', () => group.commit({ add: packages }))
await watch('mergePending (everybody)', () => group.mergePending())
const reader = await watch('join', () => first.join(welcome))
await watch('join', () => second.join(welcome))
for (let turn = 0; turn < 3; turn += 1) {
  const { commit } = await watch('commit (update)', () => group.commit({ update: true }))
  await watch('mergePending', () => group.mergePending())
  await watch('receive (update)', () => reader.receive(commit))
  const newcomer = await (await device(`newcomer`)).keyPackage()
  const added = await watch('commit (add one)', () => group.commit({ add: [newcomer] }))
  await watch('mergePending', () => group.mergePending())
  await watch('stage (add one)', () => reader.stage(added.commit))
  await watch('mergeStaged', () => reader.mergeStaged())
  const removed = await watch('commit (remove one)', () =>
    group.commit({ remove: [added.summary.added[0].leaf] }),
  )
  await watch('mergePending', () => group.mergePending())
  await watch('receive (remove one)', () => reader.receive(removed.commit))
  const members = await watch('members', () => group.members())
  ensure(members.length === size, 'not everybody is there')
  const plaintexts = range(messages).map((index) => new Uint8Array(32).fill(index))
  const sealed = await watch('encryptAll', () => group.encryptAll(plaintexts))
  const opened = await watch('receiveAll', () => reader.receiveAll(sealed))
  opened.forEach((received, index) =>
    ensure(equal(received.plaintext, plaintexts[index]), 'another plaintext'),
  )
  await watch('keyPackages (100)', () => founder.keyPackages(100))
  await watch('idle', () => sleep(100))
}
process.stdout.write(JSON.stringify(gaps))
