/**
 * What becomes of panics: `node --expose-gc panics.mjs` with an addon that panics when asked. Prints what each came to.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const native = require('../../index.js')
const { Device } = require('../../dist/mls/index.js')

const summary = ({ failed, code, message }) => ({ failed, code, message })
const ALICE = { identity: new TextEncoder().encode('alice'), suite: 'x25519-aes128gcm-sha256-ed25519' }
const create = () => native.NativeDevice.create(ALICE, Date.now())
const groupOf = (device) => device.createGroup(undefined, undefined, Date.now())
const seal = (group) => group.encrypt(new Uint8Array(1), new Uint8Array())

const report = {}

try {
  native.panicBare()
} catch (error) {
  report.bare = { isError: error instanceof Error, message: error.message }
}
report.atOnce = summary(native.panicAtOnce())
report.elsewhere = summary(await native.panicElsewhere())

for (const quick of [true, false]) {
  const device = create()
  const [hurt, well] = [groupOf(device), groupOf(device)]
  let wakes = 0
  const feed = hurt.subscribe(() => {
    wakes += 1
  })
  feed.take(1)
  const panicking = hurt.panicInside(quick)
  const [waiting, panicked] = [hurt.members(), await panicking]
  report[quick ? 'inGroupAtOnce' : 'inGroupElsewhere'] = {
    panicked: summary(panicked),
    waiting: summary(await waiting),
    later: summary(await hurt.members()),
    otherGroup: (await seal(well)) instanceof Uint8Array,
    sameDevice: (await seal(groupOf(device))) instanceof Uint8Array,
  }
  // oxlint-disable-next-line no-unmodified-loop-condition -- the native side calls what modifies it
  for (let turn = 0; turn < 10_000 && wakes === 0; turn += 1) await new Promise(setImmediate)
  Object.assign(report[quick ? 'inGroupAtOnce' : 'inGroupElsewhere'], {
    feedEnded: feed.take(1).ended,
    woken: wakes > 0,
  })
  hurt.close()
}

for (let index = 0; index < 200; index += 1) await native.panicElsewhere()
const facade = await Device.create({ identity: 'after' })
report.afterAll = (await facade.keyPackages(4)).length
console.log(JSON.stringify(report))
