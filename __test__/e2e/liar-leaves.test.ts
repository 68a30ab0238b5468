/**
 * Leaves and key packages that break a rule, in commits and proposals whose signatures, tags and epochs are true. The
 * numbers are those of the list in `crates/mls/tests/validation.rs`.
 */
import type * as mls from 'ts-mls'
import { describe } from 'vitest'

import {
  asCommit,
  asKeyPackage,
  asUpdate,
  deaf,
  encryptedAs,
  foreign,
  ignorant,
  inconsistent,
  signedAs,
  type Fault,
} from './liar/leaves.js'
import type { Liar } from './liar/liar.js'
import { add } from './liar/proposals.js'
import { proposed, refused, required, type Story, type Victim } from './liar/victims.js'
import { PROFILE, type KeyPackageStory } from './liar/world.js'

const COMMIT = 'MLS_INVALID_COMMIT'
const PROPOSAL = 'MLS_INVALID_PROPOSAL'
const PACKAGE = 'MLS_INVALID_KEY_PACKAGE'

const PROFILE_REQUIRED = [required({ extensionTypes: [PROFILE] })]
const PROFILE_USED = [...PROFILE_REQUIRED, { extensionType: PROFILE, extensionData: new Uint8Array([1]) }]

/** Somebody is added whose leaf has the fault. */
async function added(liar: Liar, fault: Fault): Promise<Story> {
  const commit = async (story: KeyPackageStory) => liar.commit([add(await liar.keyPackage('new', story))])
  return { lies: [await commit({ leaf: (leaf) => fault(leaf, liar) })], truth: await commit({}) }
}

/** The member at leaf 1 proposes a leaf that has the fault, and one that has none, which a commit takes in. */
async function updated(liar: Liar, victim: Victim, fault: Fault): Promise<Story> {
  const flawless = await proposed(liar, victim, await liar.update(1), 1)
  return {
    lies: [await liar.propose(await liar.update(1, (leaf) => fault(leaf, liar)), 1)],
    truth: await liar.commit([flawless]),
  }
}

/** The path's own leaf has the fault. */
async function committed(liar: Liar, fault: Fault): Promise<Story> {
  return { lies: [await liar.commit([], { leaf: (leaf) => fault(leaf, liar) })] }
}

describe('a leaf that is added', () => {
  refused(
    '103 an added leaf lacks what the group requires',
    COMMIT,
    /Extensions/,
    (liar) => added(liar, ignorant),
    PROFILE_REQUIRED,
  )
  refused('104 an added leaf has a credential that others do not know', COMMIT, /Credentials/, (liar) =>
    added(liar, foreign),
  )
  refused('104 an added leaf does not know the credentials of others', COMMIT, /Credentials/, (liar) =>
    added(liar, deaf),
  )
  refused('107 an added leaf has an extension that it does not know', COMMIT, /Extensions/, (liar) =>
    added(liar, inconsistent),
  )
  refused('108 a key package says that its leaf is of an update', PACKAGE, /source type/, (liar) =>
    added(liar, asUpdate(4)),
  )
  refused('108 a key package says that its leaf is of a commit', PACKAGE, /source type/, (liar) =>
    added(liar, asCommit(4)),
  )
  refused(
    '112 an added leaf has the encryption key of a member',
    COMMIT,
    /Duplicate encryption key/,
    (liar) => added(liar, encryptedAs(2)),
  )
  refused(
    '502 an added leaf does not know an extension of the group',
    COMMIT,
    /capabilities of the add proposal/,
    (liar) => added(liar, ignorant),
    PROFILE_USED,
  )
})

describe('a leaf that is proposed by its owner', () => {
  refused(
    '103 an updated leaf lacks what the group requires',
    PROPOSAL,
    /capabilities/,
    (liar, victim) => updated(liar, victim, ignorant),
    PROFILE_REQUIRED,
  )
  refused('109 an update says that its leaf is of a key package', PROPOSAL, /source type/, async (liar) => ({
    lies: [await liar.propose(await liar.update(1, (leaf) => asKeyPackage(leaf, liar)), 1)],
  }))
  refused('109 an update says that its leaf is of a commit', PROPOSAL, /source type/, async (liar) => ({
    lies: [await liar.propose(await liar.update(1, (leaf) => asCommit(1)(leaf, liar)), 1)],
  }))
  refused('109 an update keeps its encryption key', PROPOSAL, /Duplicate encryption key/, (liar, victim) =>
    updated(liar, victim, encryptedAs(1)),
  )
  refused(
    '112 an update has the encryption key of another',
    PROPOSAL,
    /Duplicate encryption key/,
    (liar, victim) => updated(liar, victim, encryptedAs(2)),
  )
  refused('601 an update has an extension that it does not know', PROPOSAL, /capabilities/, (liar, victim) =>
    updated(liar, victim, inconsistent),
  )
  refused('111 an update has the signature key of another', PROPOSAL, /signature key/, (liar, victim) =>
    updated(liar, victim, signedAs(2)),
  )
  refused('601 an update is signed for another leaf', PROPOSAL, /LeafNode signature/, async (liar) => ({
    lies: [await liar.propose(await liar.update(1, (leaf) => asUpdate(2)(leaf, liar)), 1)],
  }))
  refused('601 an update is signed for another group', PROPOSAL, /LeafNode signature/, async (liar) => {
    const elsewhere: Fault = (leaf) =>
      ({ ...asUpdate(1)(leaf, liar), groupId: new Uint8Array(32) }) as typeof leaf
    return { lies: [await liar.propose(await liar.update(1, (leaf) => elsewhere(leaf, liar)), 1)] }
  })
  refused(
    '602 an update does not know an extension of the group',
    PROPOSAL,
    /capabilities/,
    (liar, victim) => updated(liar, victim, ignorant),
    PROFILE_USED,
  )
})

describe('the leaf of a path', () => {
  refused(
    '110 a path says that its leaf is of a key package',
    PROPOSAL,
    /invalid type of leaf node/,
    (liar) => committed(liar, asKeyPackage),
  )
  refused('110 a path says that its leaf is of an update', PROPOSAL, /invalid type of leaf node/, (liar) =>
    committed(liar, asUpdate(0)),
  )
  refused(
    '1207 a path’s leaf lacks what the group requires',
    COMMIT,
    /Extensions/,
    (liar) => committed(liar, ignorant),
    PROFILE_REQUIRED,
  )
  refused('1207 a path’s leaf has a credential that others do not know', COMMIT, /Credentials/, (liar) =>
    committed(liar, foreign),
  )
  refused('1207 a path’s leaf has an extension that it does not know', COMMIT, /Extensions/, (liar) =>
    committed(liar, inconsistent),
  )
  refused('1207 a path’s leaf is signed for another leaf', PROPOSAL, /Signature verification/, (liar) =>
    committed(liar, (leaf) => ({ ...leaf, leafIndex: 1 }) as typeof leaf),
  )
  refused('1207 a path’s leaf is signed for another group', PROPOSAL, /Signature verification/, (liar) =>
    committed(liar, (leaf) => ({ ...leaf, groupId: new Uint8Array(32) }) as typeof leaf),
  )
  refused('1208 a path’s leaf keeps its encryption key', COMMIT, /Duplicate encryption key/, (liar) =>
    committed(liar, encryptedAs(0)),
  )
  refused('112 a path’s leaf has the encryption key of another', COMMIT, /Duplicate encryption key/, (liar) =>
    committed(liar, encryptedAs(2)),
  )
  refused('111 a path’s leaf has the signature key of another', COMMIT, /signature key/, (liar) =>
    committed(liar, signedAs(2)),
  )
  refused('a path’s leaf has the wrong parent hash', COMMIT, /parent hash/, (liar) =>
    committed(liar, (leaf) => ({ ...leaf, parentHash: new Uint8Array(32) }) as typeof leaf),
  )
  refused('a path’s leaf has no parent hash', COMMIT, /parent hash/, (liar) =>
    committed(liar, (leaf) => ({ ...leaf, parentHash: new Uint8Array() }) as typeof leaf),
  )
})

refused(
  '204 a key package’s two keys are one',
  PACKAGE,
  /init key and the encryption key are equal/,
  async (liar) => {
    const one = (tbs: mls.KeyPackageTBS) => ({ ...tbs, initKey: tbs.leafNode.hpkePublicKey })
    const twofold = add(await liar.keyPackage('new', { tbs: one }))
    return { lies: [await liar.commit([twofold]), await liar.propose(twofold.proposal)] }
  },
)

/** Well-formed extensions of groups and of GroupInfos. */
const ELSEWHERE: readonly mls.Extension[] = [
  { extensionType: 'required_capabilities', extensionData: new Uint8Array([0, 0, 0]) },
  { extensionType: 'external_senders', extensionData: new Uint8Array([0]) },
  { extensionType: 'external_pub', extensionData: new Uint8Array([1, 7]) },
]
const APPLICATION_ID: mls.Extension = {
  extensionType: 'application_id',
  extensionData: new Uint8Array([1, 7]),
}

refused('1601 a leaf has an extension of groups', 'MLS_MALFORMED', /./, async (liar) => {
  const commit = async (extension: mls.Extension) => {
    const extended: KeyPackageStory['leaf'] = (leaf) => ({ ...leaf, extensions: [extension] }) as typeof leaf
    return liar.commit([add(await liar.keyPackage('new', { leaf: extended }))])
  }
  return { lies: await Promise.all(ELSEWHERE.map(commit)), truth: await commit(APPLICATION_ID) }
})

refused(
  '1604 a key package has an extension of groups',
  PACKAGE,
  /not allowed in key packages/,
  async (liar) => {
    const commit = async (...extensions: mls.Extension[]) =>
      liar.commit([add(await liar.keyPackage('new', { tbs: (tbs) => ({ ...tbs, extensions }) }))])
    return { lies: await Promise.all(ELSEWHERE.map((extension) => commit(extension))), truth: await commit() }
  },
)
