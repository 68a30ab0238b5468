/** An addon that does one AEAD per call, and nothing else. */
import { createRequire } from 'node:module'

import { ensure, equal, range, report } from './samples.mjs'

const { next, open, seal } = createRequire(import.meta.url)(process.env.COTERIE_BENCHES_ADDON)
const KEPT = 1_000

await report(async ({ messages, batches, length }, samples) => {
  const plaintext = new Uint8Array(length).fill(7)
  const out = new Uint8Array(length + 16)
  const opened = new Uint8Array(length)
  for (let batch = 0; batch < batches; batch += 1) {
    const first = next()
    const kept = range(KEPT).map(() => {
      const frame = new Uint8Array(length + 16)
      seal(plaintext, frame)
      return frame
    })
    samples.timeSync('seal', messages, () => {
      for (let index = 0; index < messages; index += 1) seal(plaintext, out)
    })
    samples.timeSync('open', messages, () => {
      for (let index = 0; index < messages; index += 1) {
        const place = index % KEPT
        open(kept[place], opened, first + place)
      }
    })
    ensure(equal(opened, plaintext), 'another plaintext came out')
  }
})
