/**
 * davey: groups on P-256 that grow by the proposals of a voice server, which `coterie-benches gateway` stands in for. It
 * has no update, and its messages are media frames under exported keys, so neither is here. What others do when they
 * add is: take in the server's proposal, commit it, merge the commit.
 */
import { ensure, equal, range, report } from './samples.mjs'
import { APPEND, gateway, groupId, hex, session } from './voice-server.mjs'

let channels = 0

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
