/** What davey's groups need around them: a voice server's proposals, which `coterie-benches gateway` stands in for. */
import { execFileSync } from 'node:child_process'

import { DAVE_PROTOCOL_VERSION, DAVESession } from '@snazzah/davey'

export const APPEND = 0

export const hex = (bytes) => Buffer.from(bytes).toString('hex')

export function gateway(groups) {
  const { sender, proposals } = JSON.parse(
    execFileSync(process.env.COTERIE_BENCHES, ['gateway'], {
      input: JSON.stringify({ groups }),
      maxBuffer: 1 << 28,
    }),
  )
  return { sender: Buffer.from(sender, 'hex'), proposals: proposals.map(vector) }
}

/** A vector of messages with its length in front (RFC 9420 section 2.1.2). */
function vector(messages) {
  const bytes = Buffer.from(messages.join(''), 'hex')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length + 0x8000_0000)
  if (bytes.length >= 0x4000) return Buffer.concat([length, bytes])
  if (bytes.length >= 0x40) {
    const short = Buffer.alloc(2)
    short.writeUInt16BE(bytes.length + 0x4000)
    return Buffer.concat([short, bytes])
  }
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}

export const session = (user, channel) =>
  new DAVESession(DAVE_PROTOCOL_VERSION, String(user), String(channel))

export function groupId(channel) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(channel))
  return hex(bytes)
}
