/** Everybody else: groups around members of this process, made by `coterie-benches crowd`. */
import { execFileSync } from 'node:child_process'

const hex = (bytes) => Buffer.from(bytes).toString('hex')

/** A Welcome for each list of key packages: their holders are the last of a group of `size` members. */
export function crowd({ size, warm, keyPackages }) {
  const request = { size, warm, keyPackages: keyPackages.map((list) => list.map(hex)) }
  const answer = execFileSync(process.env.COTERIE_BENCHES, ['crowd'], {
    input: JSON.stringify(request),
    maxBuffer: 1 << 30,
  })
  return JSON.parse(answer).welcomes.map((welcome) => new Uint8Array(Buffer.from(welcome, 'hex')))
}

/** Bytes that stay resident for each of the `count` things that `make` makes, over what was there before. */
export async function residentOfEach(count, make) {
  const before = resident()
  const kept = await make()
  const after = resident()
  if (kept.length !== count) throw new Error('not all were made')
  return Math.max(0, after - before) / count
}

function resident() {
  for (let turn = 0; turn < 3; turn += 1) globalThis.gc()
  return process.memoryUsage.rss()
}
