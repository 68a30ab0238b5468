/** What crossing between JavaScript and native code costs by itself, below the facade. */
import { randomFill } from 'node:crypto'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

import { ensure, range, report } from './samples.mjs'

const require = createRequire(import.meta.url)
const native = require(join(dirname(require.resolve('coterie/package.json')), 'index.js'))
const fill = promisify(randomFill)
const SUITE = 'x25519-aes128gcm-sha256-ed25519'
const IN_FLIGHT = 64

function empty() {}

await report(async ({ batches, messages }, samples) => {
  const device = native.NativeDevice.create(
    { identity: new TextEncoder().encode('one'), suite: SUITE },
    Date.now(),
  )
  const group = device.createGroup(undefined, undefined, Date.now())
  const bytes = new Uint8Array(32)
  const buffer = new Uint8Array(8)
  const sync = {
    emptyFunction: empty,
    noop: native.noop,
    boolean: () => group.isMember,
    bigint: () => group.epoch,
    returnBytes: () => group.id,
    copyBytes: () => bytes.slice(),
    refusal: () => device.inspectKeyPackage(bytes, 1),
  }
  ensure(sync.refusal().failed === true, 'not refused')
  for (let turn = 0; turn < batches; turn += 1) {
    for (const [name, call] of Object.entries(sync)) {
      const count = messages * (name === 'noop' || name === 'emptyFunction' ? 1_000 : 50)
      samples.timeSync(name, count, () => {
        for (let done = 0; done < count; done += 1) call()
      })
    }
    await samples.time('hop', messages, async () => {
      for (let done = 0; done < messages; done += 1) await group.pendingProposals()
    })
    await samples.time('libuvHop', messages, async () => {
      for (let done = 0; done < messages; done += 1) await fill(buffer)
    })
    await samples.time('hop64', messages * IN_FLIGHT, async () => {
      for (let done = 0; done < messages; done += 1) {
        await Promise.all(range(IN_FLIGHT).map(() => group.pendingProposals()))
      }
    })
    await samples.time('libuvHop64', messages * IN_FLIGHT, async () => {
      for (let done = 0; done < messages; done += 1)
        await Promise.all(range(IN_FLIGHT).map(() => fill(buffer)))
    })
  }
})
