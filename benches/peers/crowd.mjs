/** Everybody else: groups around members of this process, made by `coterie-benches crowd`. */
import { execFileSync } from 'node:child_process'

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const unhex = (text) => new Uint8Array(Buffer.from(text, 'hex'))

/** A Welcome for each list of key packages: their holders are the last of a group of `size` members. */
export function crowd({ size, warm, keyPackages }) {
  return ask({ size, warm, keyPackages: keyPackages.map((list) => list.map(hex)) }).welcomes
}

/** The same for one list, with a message of everybody else. */
export function talkingCrowd({ size, keyPackages }) {
  const { welcomes, chatter } = ask({ size, chatter: true, keyPackages: [keyPackages.map(hex)] })
  return { welcome: welcomes[0], chatter }
}

function ask(request) {
  const options = { input: JSON.stringify(request), maxBuffer: 1 << 30 }
  const answer = JSON.parse(execFileSync(process.env.COTERIE_BENCHES, ['crowd'], options))
  return { welcomes: answer.welcomes.map(unhex), chatter: answer.chatter?.map(unhex) }
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
