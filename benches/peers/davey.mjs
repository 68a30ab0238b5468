/**
 * davey: groups on P-256 that grow by the proposals of a voice server, which `coterie-benches gateway` stands in for. It
 * has no update, and its messages are media frames under exported keys, so neither is here. What others do when they
 * add is: take in the server's proposal, commit it, merge the commit.
 */
import { execFileSync } from 'node:child_process'

import { DAVE_PROTOCOL_VERSION, DAVESession } from '@snazzah/davey'

import { ensure, equal, range, report } from './samples.mjs'

const APPEND = 0
let channels = 0

const hex = (bytes) => Buffer.from(bytes).toString('hex')

function gateway(groups) {
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

const session = (user, channel) => new DAVESession(DAVE_PROTOCOL_VERSION, String(user), String(channel))

function groupId(channel) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(channel))
  return hex(bytes)
}

await report(async (options, samples) => {
  const { sender } = gateway([])
  if (options.singles > 0) {
    const each = Math.floor(options.singles / 10)
    const founder = session(1, 1)
    for (let turn = 0; turn < 10; turn += 1) {
      samples.timeSync('keyPackage', each, () => {
        for (let count = 0; count < each; count += 1) founder.getSerializedKeyPackage()
      })
    }
    for (let turn = 0; turn < options.singles; turn += 1) {
      channels += 1
      const fresh = session(1, channels)
      samples.timeSync('groupOfOne', 1, () => fresh.setExternalSender(sender))
    }
  }
  const kept = []
  for (let turn = 0; turn < options.groups; turn += 1) {
    channels += 1
    const [founder, ...members] = range(options.size, 1).map((user) => session(user, channels))
    const keyPackages = members.map((member) => hex(member.getSerializedKeyPackage()))
    const id = groupId(channels)
    const { proposals } = gateway([{ id, epoch: 0, keyPackages }])
    const { welcome } = samples.timeSync('create', 1, () => {
      founder.setExternalSender(sender)
      const committed = founder.processProposals(APPEND, proposals[0])
      founder.processCommit(committed.commit)
      return committed
    })
    for (const member of members.slice(0, options.joins)) {
      member.setExternalSender(sender)
      samples.timeSync('join', 1, () => member.processWelcome(welcome))
    }
    const newcomer = session(options.size + 1, channels)
    const more = gateway([{ id, epoch: 1, keyPackages: [hex(newcomer.getSerializedKeyPackage())] }])
    const { commit } = samples.timeSync('add', 1, () => {
      const committed = founder.processProposals(APPEND, more.proposals[0])
      founder.processCommit(committed.commit)
      return committed
    })
    members[0].processProposals(APPEND, more.proposals[0])
    samples.timeSync('processAdd', 1, () => members[0].processCommit(commit))
    ensure(equal(founder.getEpochAuthenticator(), members[0].getEpochAuthenticator()), 'members disagree')
    kept.push(founder, members)
  }
})
