/**
 * Proposals that poison: kept, they would stop the victim's own commits, or make them what everybody else refuses. They are
 * refused when they arrive, or left out of commits for as long as they do not fit.
 */
import type * as mls from 'ts-mls'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { Group } from '../../dist/mls/index.js'
import { encryptedAs, ignorant, inconsistent, signedAs } from './liar/leaves.js'
import type { Liar } from './liar/liar.js'
import { add, extensions, psk, remove } from './liar/proposals.js'
import { among, expectBelieved, expectRefused, required, victimDevice } from './liar/victims.js'
import { keyPackageOf } from './liar/world.js'

type Make = (liar: Liar) => mls.Proposal | Promise<mls.Proposal>

const PROPOSAL = 'MLS_INVALID_PROPOSAL'
const external = (length: number): mls.Proposal =>
  psk({ psktype: 'external', pskId: new TextEncoder().encode('key'), pskNonce: new Uint8Array(length) })
    .proposal
const resumption = (liar: Liar, usage: mls.ResumptionPSKUsageName, pskGroupId: Uint8Array): mls.Proposal => {
  const { epoch: pskEpoch } = liar.epoch.context
  return psk({ psktype: 'resumption', usage, pskGroupId, pskEpoch, pskNonce: new Uint8Array(32) }).proposal
}

/** A victim, and another member who is to understand its commits. */
async function together(name: string): Promise<{ liar: Liar; group: Group; other: Group }> {
  const { liar, victim } = await among(2, name)
  const bystander = await victimDevice('bystander')
  const keyPackage = keyPackageOf(await bystander.keyPackage())
  const told = await liar.commit([add(keyPackage)], { path: false })
  await expectBelieved(victim.group, told)
  const other = await bystander.join(await told.after.welcome(keyPackage))
  onTestFinished(() => {
    other.close()
  })
  return { liar: told.after, group: victim.group, other }
}

async function expectToCommit(group: Group, other: Group) {
  const { commit } = await group.commit({ update: true })
  await group.mergePending()
  await other.receive(commit)
  expect(await other.epochAuthenticator()).toEqual(await group.epochAuthenticator())
}

describe('refused when it is proposed:', () => {
  const unknown = { extensionType: 0xf777, extensionData: new Uint8Array([1]) }
  const poison: readonly (readonly [string, string, RegExp, Make])[] = [
    [
      'a beginning from outside',
      PROPOSAL,
      /ExternalInit/,
      () => ({ proposalType: 'external_init', externalInit: { kemOutput: new Uint8Array(32).fill(9) } }),
    ],
    [
      'a re-initialisation',
      PROPOSAL,
      /re-initialised/,
      ({ suite: { name: cipherSuite } }) => ({
        proposalType: 'reinit',
        reinit: { groupId: new Uint8Array(32), version: 'mls10', cipherSuite, extensions: [] },
      }),
    ],
    [
      'an unknown type',
      PROPOSAL,
      /not supported by all/,
      () => ({ proposalType: 0xf777, proposalData: new Uint8Array() }),
    ],
    ['an unknown extension', PROPOSAL, /not listed/, () => extensions(unknown).proposal],
    [
      'an unmet requirement',
      PROPOSAL,
      /not supported by all/,
      () => extensions(required({ proposalTypes: [0xf777] })).proposal,
    ],
    ['a removal of nobody', PROPOSAL, /non-existing/, () => remove(9).proposal],
    ['a key with a short nonce', PROPOSAL, /Nonce length/, () => external(31)],
    [
      'a key of a branch',
      PROPOSAL,
      /Usage/,
      (liar) => resumption(liar, 'branch', liar.epoch.context.groupId),
    ],
    [
      'a key of another group',
      'MLS_PSK_NOT_FOUND',
      /./,
      (liar) => resumption(liar, 'application', new Uint8Array(32)),
    ],
    [
      'another’s signature key',
      PROPOSAL,
      /signature key/,
      (liar) => liar.update(1, (leaf) => signedAs(2)(leaf, liar)),
    ],
    [
      'another’s encryption key',
      PROPOSAL,
      /encryption key/,
      (liar) => liar.update(1, (leaf) => encryptedAs(2)(leaf, liar)),
    ],
    [
      'an update that lacks the suite',
      PROPOSAL,
      /capabilities/,
      (liar) =>
        liar.update(1, (leaf) => ({ ...leaf, capabilities: { ...leaf.capabilities, ciphersuites: [] } })),
    ],
    [
      'an addition that contradicts itself',
      PROPOSAL,
      /Extensions/,
      async (liar) =>
        add(await liar.keyPackage('new', { leaf: (leaf) => inconsistent(leaf, liar) })).proposal,
    ],
  ]
  it.each(poison)('%s', async (name, code, reason, make) => {
    const { liar, group, other } = await together(name)
    const { message } = await liar.propose(await make(liar), 1)
    await expectRefused(group, message, code, reason)
    await other.receive(message).catch(() => undefined)
    await expectToCommit(group, other)
  })
})

describe('left out of commits:', () => {
  const waiting: readonly (readonly [string, Make])[] = [
    ['a key that is not known here', () => external(32)],
    [
      'an addition with the signature key of a member',
      async (liar) => add(await liar.keyPackage('new', { leaf: (leaf) => signedAs(2)(leaf, liar) })).proposal,
    ],
  ]
  it.each(waiting)('%s', async (name, make) => {
    const { liar, group, other } = await together(name)
    const sound = await liar.propose(await liar.update(2), 2)
    const { message } = await liar.propose(await make(liar), 1)
    for (const member of [group, other]) {
      for (const proposal of [message, sound.message]) await member.receive(proposal)
    }
    const { summary } = await group.commit()
    expect(summary.updated).toHaveLength(2)
    expect(summary.added).toHaveLength(0)
    await group.discardPending()
    await expectToCommit(group, other)
  })
  it('an addition with the signature key of a member, until that one is removed', async () => {
    const { liar, group, other } = await together('in its place')
    const again = await liar.keyPackage('again', { leaf: (leaf) => signedAs(2)(leaf, liar) })
    const proposals = [await liar.propose(add(again).proposal, 1), await liar.propose(remove(2).proposal, 1)]
    for (const member of [group, other]) {
      for (const { message } of proposals) await member.receive(message)
    }
    const { summary } = await group.commit()
    expect([summary.added.length, summary.removed.length]).toEqual([1, 1])
    await group.discardPending()
    await expectToCommit(group, other)
  })
  it('what alone waits and cannot be committed is nothing to commit', async () => {
    const { liar, group } = await together('nothing')
    const { message } = await liar.propose(external(32), 1)
    await group.receive(message)
    await expect(group.commit()).rejects.toMatchObject({ code: 'MLS_NOTHING_TO_COMMIT' })
  })
  it('of two lists of extensions one', async () => {
    const { liar, group, other } = await together('two lists')
    for (const list of [extensions(required({})), extensions()]) {
      const { message } = await liar.propose(list.proposal, 1)
      for (const member of [group, other]) await member.receive(message)
    }
    await expectToCommit(group, other)
  })
  it('an update that lacks what was required since is left out with it', async () => {
    const { liar, group, other } = await together('required since')
    const update = await liar.propose(await liar.update(1, (leaf) => ignorant(leaf, liar)), 1)
    const list = await liar.propose(extensions(required({ extensionTypes: [0xf0c0] })).proposal, 2)
    for (const { message } of [update, list]) {
      for (const member of [group, other]) await member.receive(message)
    }
    await expectToCommit(group, other)
  })
})
