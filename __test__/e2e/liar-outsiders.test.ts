/**
 * What outsiders say: joiners by a commit of their own, those who ask to be added, and external senders. The numbers are
 * those of the list in `crates/mls/tests/validation.rs`.
 */
import type * as mls from 'ts-mls'
import { encodeExternalSender } from 'ts-mls/externalSender.js'
import { encode } from 'ts-mls/codec/tlsEncoder.js'
import { varLenDataEncoder } from 'ts-mls/codec/variableLength.js'
import { describe, expect, it } from 'vitest'

import { asKeyPackage, encryptedAs, inconsistent, signedAs, type Fault } from './liar/leaves.js'
import type { CommitStory, Liar, Told } from './liar/liar.js'
import { add, extensions, psk, remove, type Sent } from './liar/proposals.js'
import { among, expectBelieved, expectRefused, proposed, refused, required } from './liar/victims.js'

const COMMIT = 'MLS_INVALID_COMMIT'
const PROPOSAL = 'MLS_INVALID_PROPOSAL'
const FORGED = 'MLS_NOT_AUTHENTIC'

const NEW_PROPOSER: mls.Sender = { senderType: 'new_member_proposal' }
const NEW_COMMITTER: mls.Sender = { senderType: 'new_member_commit' }
const SERVER: mls.Sender = { senderType: 'external', senderIndex: 0 }
const SAYING: mls.FramedContentInfo = { contentType: 'application', applicationData: new Uint8Array([1]) }
const BEGINNING: Sent = {
  proposal: { proposalType: 'external_init', externalInit: { kemOutput: new Uint8Array(32).fill(9) } },
}

/** Somebody joins by a commit of its own, of which only the first proposal takes effect. */
async function joining(liar: Liar, with_: readonly Sent[] = [], story: CommitStory = {}): Promise<Told> {
  const joiner = await liar.keyPackage('joiner')
  return liar.joinExternally(joiner, (begin) => [begin, ...with_], { effects: [], ...story })
}

describe('a commit of somebody outside', () => {
  refused('401 a joiner does not begin', COMMIT, /No ExternalInit/, async (liar) => ({
    lies: [await liar.joinExternally(await liar.keyPackage('joiner'), () => [])],
    truth: await joining(liar),
  }))
  refused('401 a joiner begins twice', COMMIT, /Multiple ExternalInit/, async (liar) => ({
    lies: [await joining(liar, [BEGINNING])],
    truth: await joining(liar),
  }))
  refused('401 a joiner begins twice alike', COMMIT, /lists a proposal twice/, async (liar) => {
    const joiner = await liar.keyPackage('joiner')
    return {
      lies: [await liar.joinExternally(joiner, (begin) => [begin, begin])],
      truth: await liar.joinExternally(joiner),
    }
  })
  refused('401 a joiner begins with nothing that can be opened', COMMIT, /cannot be opened/, async (liar) => {
    const joiner = await liar.keyPackage('joiner')
    const begin = (length: number): Sent => ({
      proposal: { proposalType: 'external_init', externalInit: { kemOutput: new Uint8Array(length) } },
    })
    const lies = [3, 32].map((length) => liar.joinExternally(joiner, () => [begin(length)]))
    return { lies: await Promise.all(lies), truth: await liar.joinExternally(joiner) }
  })
  refused('111 a joiner has the signature key of another', COMMIT, /signature key/, async (liar) => {
    const joiner = await liar.keyPackage('joiner', { leaf: (leaf) => signedAs(2)(leaf, liar) })
    return { lies: [await liar.joinExternally(joiner)], truth: await joining(liar) }
  })
  refused('402 a joiner removes two', COMMIT, /Multiple/, async (liar) => ({
    lies: [await joining(liar, [remove(1), remove(2)], { effects: [remove(1), remove(2)] })],
    truth: await joining(liar),
  }))
  refused('404 a joiner adds somebody', COMMIT, /inline Add or Update/, async (liar) => ({
    lies: [await joining(liar, [add(await liar.keyPackage('friend'))])],
    truth: await joining(liar),
  }))
  refused('404 a joiner changes the group’s extensions', COMMIT, /inline/, async (liar) => ({
    lies: [await joining(liar, [extensions(required({}))])],
    truth: await joining(liar),
  }))
  refused('404 a joiner updates somebody', PROPOSAL, /update proposals/, async (liar) => ({
    lies: [await joining(liar, [{ proposal: await liar.update(1) }])],
    truth: await joining(liar),
  }))
  refused('405 a joiner’s commit has no path', PROPOSAL, /have a path/, async (liar) => ({
    lies: [await joining(liar, [], { path: false, signKey: liar.signKey(0) })],
    truth: await joining(liar),
  }))
  refused('406 a joiner refers to a proposal', COMMIT, /referenced proposal/, async (liar, victim) => ({
    lies: [await joining(liar, [await proposed(liar, victim, remove(1).proposal, 2)])],
    truth: await joining(liar),
  }))
  refused('407 a joiner’s commit is signed by another', FORGED, /./, async (liar) => ({
    lies: [await joining(liar, [], { signKey: liar.signKey(0) })],
    truth: await joining(liar),
  }))
  refused('408 a joiner asks to be added by a commit', PROPOSAL, /not an external Add/, async (liar) => ({
    lies: [await joining(liar, [], { sender: NEW_PROPOSER })],
    truth: await joining(liar),
  }))
  refused('408 a joiner commits as a server', PROPOSAL, /external senders/, async (liar) => ({
    lies: [await joining(liar, [], { sender: SERVER })],
    truth: await joining(liar),
  }))
  refused('408 a joiner commits as a member', FORGED, /./, async (liar) => ({
    lies: await Promise.all(
      [4, 1].map((leafIndex) => joining(liar, [], { sender: { senderType: 'member', leafIndex } })),
    ),
    truth: await joining(liar),
  }))
  refused('410 a joiner proposes as if it committed', PROPOSAL, /not a Commit/, async (liar) => {
    const friend = add(await liar.keyPackage('friend'))
    const lies = [remove(1), friend].map(({ proposal }) => liar.propose(proposal, NEW_COMMITTER))
    return { lies: await Promise.all(lies), truth: await joining(liar) }
  })
  refused('410 a joiner speaks as if it committed', PROPOSAL, /not encrypted/, async (liar) => ({
    lies: [await liar.say(SAYING, NEW_COMMITTER, liar.signKey(0))],
    truth: await joining(liar),
  }))
  refused('1205 a joiner mixes in an unknown key', 'MLS_PSK_NOT_FOUND', /./, async (liar) => {
    const pskId = new TextEncoder().encode('key')
    const unknown = psk({ psktype: 'external', pskId, pskNonce: new Uint8Array(32) })
    return { lies: [await joining(liar, [unknown])], truth: await joining(liar) }
  })

  for (const [name, code, reason, fault] of [
    ['110 a joiner’s leaf says that it is of a key package', PROPOSAL, /invalid type of leaf/, asKeyPackage],
    ['112 a joiner has the encryption key of a member', COMMIT, /Duplicate encryption/, encryptedAs(1)],
    ['1207 a joiner has an extension that it does not know', COMMIT, /Extensions/, inconsistent],
  ] as const satisfies readonly (readonly [string, string, RegExp, Fault])[]) {
    refused(name, code, reason, async (liar) => ({
      lies: [await joining(liar, [], { leaf: (leaf) => fault(leaf, liar) })],
      truth: await joining(liar),
    }))
  }
})

describe('a proposal of somebody outside', () => {
  async function asking(liar: Liar) {
    const joiner = await liar.keyPackage('joiner')
    return { joiner, signKey: liar.world.signKeyOf(joiner.leafNode.signaturePublicKey) }
  }

  refused('1503 somebody new speaks', PROPOSAL, /not encrypted/, async (liar) => ({
    lies: [await liar.say(SAYING, NEW_PROPOSER, (await asking(liar)).signKey)],
  }))
  refused('1503 somebody new commits as a proposer', PROPOSAL, /not an external Add/, async (liar) => ({
    lies: [await liar.commit([], { sender: NEW_PROPOSER })],
  }))
  it('1504 somebody new proposes something else', async () => {
    const { liar, victim } = await among(2, 'something else')
    const { joiner, signKey } = await asking(liar)
    for (const { proposal } of [remove(1), extensions()]) {
      const { message } = await liar.propose(proposal, NEW_PROPOSER, signKey)
      await expectRefused(victim.group, message, PROPOSAL, /not an external Add/)
    }
    const asked = await liar.propose(add(joiner).proposal, NEW_PROPOSER, signKey)
    expect((await victim.group.receive(asked.message)).type).toBe('proposal')
    await expectBelieved(victim.group, await liar.commit([asked]))
  })
  refused('1504 somebody else proposes who is new', FORGED, /./, async (liar) => {
    const { joiner } = await asking(liar)
    return { lies: [await liar.propose(add(joiner).proposal, NEW_PROPOSER, liar.signKey(0))] }
  })

  /** A group that lets a server propose, whose key the liar has. */
  async function served(name: string) {
    const { liar: before, victim } = await among(2, name)
    const { leafNode } = await before.keyPackage('server')
    const { signaturePublicKey, credential } = leafNode
    const list = encode(varLenDataEncoder)(encodeExternalSender({ signaturePublicKey, credential }))
    const told = await before.commit([extensions({ extensionType: 'external_senders', extensionData: list })])
    await expectBelieved(victim.group, told)
    return { liar: told.after, victim, signKey: before.world.signKeyOf(signaturePublicKey) }
  }

  it('1502 an external sender proposes what it may not', async () => {
    const { liar, victim, signKey } = await served('may not')
    const custom: mls.Proposal = { proposalType: 0xf777, proposalData: new Uint8Array([1]) }
    for (const [proposal, reason] of [
      [await liar.update(1), /update proposals/],
      [BEGINNING.proposal, /invalid for the Sender/],
      [custom, /invalid for the Sender/],
    ] as const) {
      const { message } = await liar.propose(proposal, SERVER, signKey)
      await expectRefused(victim.group, message, PROPOSAL, reason)
    }
    const { message } = await liar.propose(remove(1).proposal, SERVER, signKey)
    expect((await victim.group.receive(message)).type).toBe('proposal')
  })
  it('1506 an external sender is not in the list', async () => {
    const { liar, victim, signKey } = await served('not listed')
    const { proposal } = remove(1)
    const second = await liar.propose(proposal, { senderType: 'external', senderIndex: 1 }, signKey)
    await expectRefused(victim.group, second.message, PROPOSAL, /not authorized/)
    const forged = await liar.propose(proposal, SERVER, liar.signKey(0))
    await expectRefused(victim.group, forged.message, FORGED, /./)
    const { message } = await liar.propose(proposal, SERVER, signKey)
    expect((await victim.group.receive(message)).type).toBe('proposal')
  })
  it('1501 an external sender commits', async () => {
    const { liar, victim, signKey } = await served('commits')
    const { message } = await liar.commit([], { sender: SERVER, signKey })
    await expectRefused(victim.group, message, COMMIT, /may only propose/)
    await expectBelieved(victim.group, await liar.commit([]))
  })
  it('1501 an external sender speaks', async () => {
    const { liar, victim, signKey } = await served('speaks')
    const { message } = await liar.say(SAYING, SERVER, signKey)
    await expectRefused(victim.group, message, PROPOSAL, /not encrypted/)
    await expectBelieved(victim.group, await liar.commit([]))
  })
})
