/**
 * Commits and messages of members that break a rule, and are true in all else. The numbers are those of the list in
 * `crates/mls/tests/validation.rs`.
 */
import type * as mls from 'ts-mls'
import { deriveSecret } from 'ts-mls/crypto/kdf.js'
import { describe, expect, it } from 'vitest'

import { CoterieError } from '../../dist/index.js'
import { ignorant } from './liar/leaves.js'
import type { Liar, Told } from './liar/liar.js'
import { add, extensions, psk, remove, type Sent } from './liar/proposals.js'
import {
  among,
  expectBelieved,
  expectRefused,
  proposed,
  refused,
  required,
  type Victim,
} from './liar/victims.js'
import { PROFILE } from './liar/world.js'

const COMMIT = 'MLS_INVALID_COMMIT'
const PROPOSAL = 'MLS_INVALID_PROPOSAL'
const KEY = new Uint8Array(32).fill(9)
const TWICE = /lists a proposal twice/
const UNMET = /not supported by all/
const PROFILE_USED = [
  required({ extensionTypes: [PROFILE] }),
  { extensionType: PROFILE, extensionData: new Uint8Array([1]) },
]

const external = (nonce = 1, length = 32): Sent =>
  psk({
    psktype: 'external',
    pskId: new TextEncoder().encode('key'),
    pskNonce: new Uint8Array(length).fill(nonce),
  })

const resumption = (liar: Liar, usage: mls.ResumptionPSKUsageName): Sent =>
  psk({
    psktype: 'resumption',
    usage,
    pskGroupId: liar.epoch.context.groupId,
    pskEpoch: liar.epoch.context.epoch,
    pskNonce: new Uint8Array(32),
  })

const reinit = (liar: Liar): Sent => ({
  proposal: {
    proposalType: 'reinit',
    reinit: { groupId: new Uint8Array(32), version: 'mls10', cipherSuite: liar.suite.name, extensions: [] },
  },
})

/** A commit of nothing whose path was changed after it was made. */
const altered = (liar: Liar, change: (node: mls.UpdatePathNode, index: number) => mls.HPKECiphertext[]) =>
  liar.commit([], {
    sentPath: (path) => ({
      ...path,
      nodes: path.nodes.map((node, index) => ({ ...node, encryptedPathSecret: change(node, index) })),
    }),
  })

/** A commit that mixes in a key which the victim holds. */
async function mixed(liar: Liar, { device }: Victim, sent: readonly Sent[]): Promise<Told> {
  await device.storePsk('key', KEY)
  return liar.commit(sent, { psks: sent.map(() => KEY) })
}

describe('what a commit contains', () => {
  refused(
    '302 a committer takes in its own update',
    COMMIT,
    /update proposals from the committer/,
    async (liar, victim) => ({
      lies: [await liar.commit([await proposed(liar, victim, await liar.update(0), 0)])],
      truth: await liar.commit([await proposed(liar, victim, await liar.update(1), 1)]),
    }),
  )
  refused(
    '302 a committer updates its leaf beside the path',
    PROPOSAL,
    /update proposals from the committer/,
    async (liar) => ({
      lies: [await liar.commit([{ proposal: await liar.update(0) }])],
    }),
  )
  refused('303 a committer removes itself', COMMIT, /can't remove themselves/, async (liar) => ({
    lies: [await liar.commit([remove(0)], { effects: [] })],
    truth: await liar.commit([remove(1)]),
  }))
  refused(
    '304 a member is removed by the commit and by reference',
    COMMIT,
    /Duplicate remove/,
    async (liar, victim) => {
      const other = await proposed(liar, victim, remove(1).proposal, 2)
      return { lies: [await liar.commit([remove(1), other])], truth: await liar.commit([other]) }
    },
  )
  refused('304 a member is updated and removed', COMMIT, /Duplicate remove/, async (liar, victim) => {
    const update = await proposed(liar, victim, await liar.update(1), 1)
    return { lies: [await liar.commit([update, remove(1)])], truth: await liar.commit([update, remove(2)]) }
  })
  refused('304 one removal is listed twice', COMMIT, TWICE, async (liar) => ({
    lies: [await liar.commit([remove(1), remove(1)])],
    truth: await liar.commit([remove(1)]),
  }))
  refused('304 one reference is listed twice', COMMIT, TWICE, async (liar, victim) => {
    const sent = await proposed(liar, victim, remove(1).proposal, 2)
    return { lies: [await liar.commit([sent, sent])], truth: await liar.commit([sent]) }
  })
  refused('304 a member is updated twice', COMMIT, /Duplicate update/, async (liar, victim) => {
    const one = await proposed(liar, victim, await liar.update(1), 1)
    const two = await proposed(liar, victim, await liar.update(1), 1)
    return { lies: [await liar.commit([one, two])], truth: await liar.commit([two]) }
  })
  refused('305 one addition is listed twice', COMMIT, TWICE, async (liar) => {
    const one = add(await liar.keyPackage('one'))
    return { lies: [await liar.commit([one, one], { effects: [one] })], truth: await liar.commit([one]) }
  })
  refused('308 one list of extensions is listed twice', COMMIT, TWICE, async (liar) => {
    const one = extensions(required({}))
    return { lies: [await liar.commit([one, one])], truth: await liar.commit([one]) }
  })
  refused('309 a re-initialisation does not stand alone', COMMIT, /re-initialised/, async (liar) => ({
    lies: [await liar.commit([reinit(liar), remove(1)])],
  }))
  refused('309 a re-initialisation, which is not done here', COMMIT, /re-initialised/, async (liar) => ({
    lies: [await liar.commit([reinit(liar)], { path: false }), await liar.commit([reinit(liar)])],
  }))
  refused('305 one signature key is added twice', COMMIT, /Duplicate signature key/, async (liar) => {
    const one = await liar.keyPackage('one')
    const { signaturePublicKey } = one.leafNode
    const same = await liar.keyPackage('same', { leaf: (leaf) => ({ ...leaf, signaturePublicKey }) })
    const other = add(await liar.keyPackage('other'))
    return { lies: [await liar.commit([add(one), add(same)])], truth: await liar.commit([add(one), other]) }
  })
  refused('306 a member’s signature key is added again', COMMIT, /Duplicate signature key/, async (liar) => {
    const { signaturePublicKey } = liar.leaf(2)
    const again = add(await liar.keyPackage('again', { leaf: (leaf) => ({ ...leaf, signaturePublicKey }) }))
    return { lies: [await liar.commit([again])], truth: await liar.commit([remove(2), again]) }
  })
  refused('307 a pre-shared key is mixed in twice', COMMIT, /Duplicate PSK/, async (liar, victim) => ({
    lies: [
      await mixed(liar, victim, [external(), external()]),
      await liar.commit([external(), external()], { effects: [external()], psks: [KEY] }),
    ],
    truth: await mixed(liar, victim, [external()]),
  }))
  refused(
    '308 a commit has two lists of extensions',
    COMMIT,
    /more than one GroupContextExtensions/,
    async (liar) => {
      const [one, other] = [extensions(required({})), extensions()]
      return { lies: [await liar.commit([one, other])], truth: await liar.commit([one]) }
    },
  )
  refused(
    '310 a member begins as if from outside',
    COMMIT,
    /ExternalInit proposal in regular commit/,
    async (liar) => {
      const kemOutput = new Uint8Array(32).fill(9)
      return {
        lies: [
          await liar.commit([{ proposal: { proposalType: 'external_init', externalInit: { kemOutput } } }]),
        ],
      }
    },
  )
  refused(
    '311 a proposal is of a type that members do not know',
    COMMIT,
    /not supported by all/,
    async (liar) => ({
      lies: [await liar.commit([{ proposal: { proposalType: 0xf777, proposalData: new Uint8Array([1]) } }])],
    }),
  )
  refused(
    '312 two who are added have one encryption key',
    COMMIT,
    /Duplicate encryption key/,
    async (liar) => {
      const one = await liar.keyPackage('one')
      const { hpkePublicKey } = one.leafNode
      const same = await liar.keyPackage('same', { leaf: (leaf) => ({ ...leaf, hpkePublicKey }) })
      const other = add(await liar.keyPackage('other'))
      return { lies: [await liar.commit([add(one), add(same)])], truth: await liar.commit([add(one), other]) }
    },
  )
  refused('701 nobody sits at the leaf that is removed', COMMIT, /non-existing member/, async (liar) => ({
    lies: [await liar.commit([remove(9)]), await liar.commit([remove(0xffff_ffff)], { effects: [] })],
    truth: await liar.commit([remove(2)]),
  }))
  refused('801 a key of a re-initialisation is used elsewhere', COMMIT, /Usage mismatch/, async (liar) => {
    const psks = [liar.epoch.schedule.resumptionPsk]
    return {
      lies: [await liar.commit([resumption(liar, 'reinit')], { psks })],
      truth: await liar.commit([resumption(liar, 'application')], { psks }),
    }
  })
  refused('802 a key of a branch is used elsewhere', COMMIT, /Usage mismatch/, async (liar) => {
    const psks = [liar.epoch.schedule.resumptionPsk]
    return {
      lies: [await liar.commit([resumption(liar, 'branch')], { psks })],
      truth: await liar.commit([resumption(liar, 'application')], { psks }),
    }
  })
  refused('803 a key’s nonce has another length', COMMIT, /Nonce length/, async (liar, victim) => ({
    lies: await Promise.all([0, 31, 33].map((length) => mixed(liar, victim, [external(1, length)]))),
    truth: await mixed(liar, victim, [external()]),
  }))
  refused(
    '1001 members lack an extension that is newly required',
    COMMIT,
    /not supported by all/,
    async (liar) => ({
      lies: [await liar.commit([extensions(required({ extensionTypes: [0xf777] }))])],
      truth: await liar.commit([extensions(required({}))]),
    }),
  )
  refused('1001 members lack a type of proposals that is newly required', COMMIT, UNMET, async (liar) => ({
    lies: [await liar.commit([extensions(required({ proposalTypes: [0xf777] }))])],
  }))
  refused('1001 members lack a type of credentials that is newly required', COMMIT, UNMET, async (liar) => ({
    lies: [await liar.commit([extensions(required({ credentialTypes: ['x509'] }))])],
  }))
  refused('312 who is added lacks what is newly required', COMMIT, UNMET, async (liar) => {
    const one = add(await liar.keyPackage('one', { leaf: (leaf) => ignorant(leaf, liar) }))
    return { lies: [await liar.commit([one, extensions(...PROFILE_USED)])], truth: await liar.commit([one]) }
  })
  refused('312 the committer lacks what is newly required', COMMIT, UNMET, async (liar) => ({
    lies: [await liar.commit([extensions(...PROFILE_USED)], { leaf: (leaf) => ignorant(leaf, liar) })],
    truth: await liar.commit([extensions(...PROFILE_USED)]),
  }))
  refused(
    '1204 a commit refers to a proposal that nobody made',
    COMMIT,
    /missing a proposal/,
    async (liar, victim) => ({
      lies: [await liar.commit([{ ...remove(1), reference: new Uint8Array(32) }])],
      truth: await liar.commit([await proposed(liar, victim, remove(1).proposal, 2)]),
    }),
  )
  refused('1205 a pre-shared key is unknown', 'MLS_PSK_NOT_FOUND', /not known/, async (liar) => ({
    lies: [await liar.commit([external()], { psks: [KEY] })],
  }))
})

describe('a path', () => {
  const LENGTH = /length of the received update path/
  const CIPHERTEXTS = /more or fewer ciphertexts/
  refused('1101 a path is too short', COMMIT, LENGTH, async (liar) => ({
    lies: [
      await liar.commit([], { sentPath: (path) => ({ ...path, nodes: path.nodes.slice(1) }) }),
      await liar.commit([], { sentPath: (path) => ({ ...path, nodes: [] }) }),
    ],
  }))
  refused('1101 a path is too long', COMMIT, LENGTH, async (liar) => {
    const hpkePublicKey = await liar.world.hpkeKey(await liar.world.random())
    const sentPath = (path: mls.UpdatePath) => ({
      ...path,
      nodes: [...path.nodes, { hpkePublicKey, encryptedPathSecret: [] }],
    })
    return { lies: [await liar.commit([], { sentPath })] }
  })
  refused('1101 a path’s secrets are for nobody', COMMIT, CIPHERTEXTS, async (liar) => {
    const nodes = (path: mls.UpdatePath) => path.nodes.map((node) => ({ ...node, encryptedPathSecret: [] }))
    return { lies: [await liar.commit([], { sentPath: (path) => ({ ...path, nodes: nodes(path) }) })] }
  })
  refused('1101 a node has more ciphertexts than readers', COMMIT, CIPHERTEXTS, async (liar) => ({
    lies: [
      await altered(liar, ({ encryptedPathSecret: all }) => [...all, ...all]),
      await altered(liar, ({ encryptedPathSecret: all }, index) => (index === 0 ? [...all, ...all] : all)),
    ],
  }))
  refused('1101 a node of others has fewer ciphertexts than readers', COMMIT, CIPHERTEXTS, async (liar) => ({
    lies: [await altered(liar, ({ encryptedPathSecret: all }, index) => (index === 0 ? [] : all))],
  }))
  refused('1101 a path’s secrets are for others', COMMIT, /Unable to decrypt/, async (liar) => {
    const nodes = (path: mls.UpdatePath) =>
      path.nodes.map((node) => ({ ...node, encryptedPathSecret: node.encryptedPathSecret.toReversed() }))
    return { lies: [await liar.commit([], { sentPath: (path) => ({ ...path, nodes: nodes(path) }) })] }
  })
  refused('1206 a commit of nothing has no path', COMMIT, /commit path/, async (liar) => ({
    lies: [await liar.commit([], { path: false })],
  }))
  refused('1206 a removal has no path', COMMIT, /commit path/, async (liar) => ({
    lies: [await liar.commit([remove(1)], { path: false })],
    truth: await liar.commit([remove(1)]),
  }))
  refused('1206 an update has no path', COMMIT, /commit path/, async (liar, victim) => {
    const update = await proposed(liar, victim, await liar.update(1), 1)
    return { lies: [await liar.commit([update], { path: false })], truth: await liar.commit([update]) }
  })
  refused('1209 a path’s node has the key of a leaf', COMMIT, /Duplicate encryption key/, async (liar) => {
    const { hpkePublicKey } = liar.leaf(1)
    const nodes = (path: mls.UpdatePath) => path.nodes.map((node) => ({ ...node, hpkePublicKey }))
    return { lies: [await liar.commit([], { sentPath: (path) => ({ ...path, nodes: nodes(path) }) })] }
  })
  refused(
    '1209 a path’s node has the key of another parent',
    COMMIT,
    /encryption key of a node/,
    async (before, { group }) => {
      const first = await before.commit([])
      await expectBelieved(group, first)
      const [pathSecret] = first.pathSecrets
      return {
        lies: [await first.after.commit([], { by: 2, pathSecret })],
        truth: await first.after.commit([], { by: 2 }),
      }
    },
  )
  refused(
    '1209 a path’s node has the key of the path’s leaf',
    COMMIT,
    /Duplicate encryption key/,
    async (liar) => {
      const pathSecret = await liar.world.random()
      const hpkePublicKey = await liar.world.hpkeKey(await deriveSecret(pathSecret, 'node', liar.suite.kdf))
      return { lies: [await liar.commit([], { pathSecret, leaf: (leaf) => ({ ...leaf, hpkePublicKey }) })] }
    },
  )
})

describe('who speaks', () => {
  const member = (leafIndex: number): mls.Sender => ({ senderType: 'member', leafIndex })
  const FORGED = 'MLS_NOT_AUTHENTIC'

  refused('the epoch is another than the commit begins', COMMIT, /confirmation tag/, async (liar) => ({
    lies: [await liar.commit([], { effects: [external()], psks: [KEY] })],
  }))
  refused('1201 a commit is for the next epoch', 'MLS_WRONG_EPOCH', /epoch 4/, async (liar) => {
    const truth = await liar.commit([])
    return { lies: [await truth.after.commit([])], truth }
  })
  refused('1203 a commit is signed by another', FORGED, /./, async (liar) => ({
    lies: [
      await liar.commit([], { signKey: liar.signKey(1) }),
      await liar.commit([], { sender: member(1) }),
      await liar.commit([], { sender: member(3), signKey: liar.signKey(0) }),
    ],
  }))
  refused('1301 a proposal is signed by another', FORGED, /./, async (liar, victim) => ({
    lies: [
      await liar.propose(remove(1).proposal, member(2), liar.signKey(0)),
      await liar.propose(remove(1).proposal, member(3), liar.signKey(0)),
    ],
    truth: await liar.commit([await proposed(liar, victim, remove(1).proposal, 2)]),
  }))
  it('1306 nobody sits at the sender’s leaf', async () => {
    const { liar: before, victim } = await among(5, 'blank')
    const removed = await before.commit([remove(2)])
    await expectBelieved(victim.group, removed)
    const liar = removed.after
    const signKey = before.signKey(2)
    for (const leaf of [2, 7, 0xffff_ffff]) {
      const lies = [
        await liar.propose(remove(1).proposal, member(leaf), signKey),
        await liar.commit([], { sender: member(leaf), signKey }),
      ]
      for (const { message } of lies) await expectRefused(victim.group, message, FORGED, /./)
    }
    await expectBelieved(victim.group, await liar.commit([]))
  })
  refused(
    'a member speaks in the clear',
    PROPOSAL,
    /application message but was not encrypted/,
    async (liar) => ({
      lies: [
        await liar.say(
          { contentType: 'application', applicationData: new Uint8Array([1]) },
          member(0),
          liar.signKey(0),
        ),
      ],
    }),
  )
})

describe('an encrypted message', () => {
  it('1303 padding is not zero', async () => {
    const { liar, victim } = await among(2, 'padding')
    for (const padding of [[1], [0, 1], [1, 0]]) {
      const { message } = await liar.seal('true', { padding })
      await expectRefused(victim.group, message, 'MLS_MALFORMED', /content of a message/)
    }
    const { message } = await liar.seal('true', { padding: [0, 0] })
    expect(await victim.group.receive(message)).toMatchObject({ type: 'message' })
  })
  it('1304 an encrypted message is signed by another', async () => {
    const { liar, victim } = await among(2, 'signature')
    const { message } = await liar.seal('true', { signKey: liar.signKey(1) })
    await expectRefused(victim.group, message, 'MLS_NOT_AUTHENTIC', /./)
    const truth = await liar.seal('true')
    expect(await victim.group.receive(truth.message)).toMatchObject({ type: 'message' })
  })
})

it('a refusal names the member whose signature was verified', async () => {
  const { liar, victim } = await among(2, 'offender')
  const joiner = await liar.keyPackage('joiner')
  const told: readonly (readonly [{ message: Uint8Array }, number | undefined])[] = [
    [await liar.commit([remove(1), remove(1)], { by: 2 }), 2],
    [await liar.commit([reinit(liar)], { by: 1 }), 1],
    [await liar.propose(reinit(liar).proposal, 2), 2],
    [await liar.commit([remove(1), remove(1)], { signKey: liar.signKey(1) }), undefined],
    [await liar.joinExternally(joiner, (begin) => [begin, begin]), undefined],
  ]
  for (const [{ message }, offender] of told) {
    const error: unknown = await victim.group.receive(message).catch((error_: unknown) => error_)
    expect(error).toBeInstanceOf(CoterieError)
    expect((error as CoterieError).offender).toBe(offender)
  }
  await expectBelieved(victim.group, await liar.commit([]))
})

describe('what is too much', () => {
  const TOO_LARGE = 'MLS_TOO_LARGE'
  const TEN_THOUSAND = 10_000

  refused('a message is above the limit', TOO_LARGE, /message exceeds/, async (liar) => ({
    lies: [
      { message: new Uint8Array(32 * 1024 * 1024 + 1) },
      await liar.commit([], { authenticatedData: new Uint8Array(33 * 1024 * 1024) }),
    ],
  }))
  refused('ten thousand pre-shared keys are mixed in', TOO_LARGE, /exceeds/, async (liar, victim) => {
    const nonces = Array.from({ length: TEN_THOUSAND }, (_, index) => {
      const nonce = new Uint8Array(32)
      new DataView(nonce.buffer).setUint32(0, index)
      return psk({ psktype: 'external', pskId: new TextEncoder().encode('key'), pskNonce: nonce })
    })
    return {
      lies: [await mixed(liar, victim, nonces), await mixed(liar, victim, nonces.slice(0, 65))],
      truth: await mixed(liar, victim, nonces.slice(0, 64)),
    }
  })
  refused('ten thousand are removed or added', TOO_LARGE, /commit exceeds/, async (liar) => {
    const one = add(await liar.keyPackage('one'))
    const many = [(index: number) => remove(index + 9), () => one]
    const lies = many.map((make) =>
      liar.commit(
        Array.from({ length: TEN_THOUSAND }, (_, index) => make(index)),
        { effects: [] },
      ),
    )
    return { lies: await Promise.all(lies), truth: await liar.commit([one]) }
  })
  refused(
    'as many are removed as may be, none of whom is there',
    COMMIT,
    /non-existing member/,
    async (liar) => ({
      lies: [
        await liar.commit(
          Array.from({ length: 5000 }, (_, index) => remove(index + 9)),
          { effects: [] },
        ),
      ],
    }),
  )
})
