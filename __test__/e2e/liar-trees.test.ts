/**
 * Trees, Welcomes and GroupInfos that break a rule, told to joiners. Everything in them is true but for the lie: hashes,
 * signatures, tags and the epoch's secrets. The numbers are those of the list in `crates/mls/tests/validation.rs`.
 */
import type * as mls from 'ts-mls'
import { describe, expect, it } from 'vitest'

import type { Device } from '../../dist/mls/index.js'
import {
  asUpdate,
  deaf,
  encryptedAs,
  foreign,
  ignorant,
  inconsistent,
  signedAs,
  type Fault,
} from './liar/leaves.js'
import { Liar, type WelcomeStory } from './liar/liar.js'
import { add, remove } from './liar/proposals.js'
import { encodeTree, trimmed } from './liar/tree.js'
import { required, victimDevice } from './liar/victims.js'
import { keyPackageOf, PROFILE } from './liar/world.js'

type Tree = mls.RatchetTree

/** Leaves of {@link garden}, and its nodes above them that are not blank. */
const [LATE, VICTIM, BLANK, LAST_COMMITTER] = [2, 4, 5, 6]
const [LEFT, ROOT, RIGHTMOST] = [3, 7, 13]

interface Garden {
  readonly liar: Liar
  readonly device: Device
  readonly keyPackage: mls.KeyPackage
}

/**
 * Eight leaves, of which 5 is blank, and so are the nodes 5, 9 and 11. The last to come in, 2 and 4, are unmerged: node 3
 * lists 2, and the root lists both. Leaf 4 is not the liar's. `pathSecret` chooses what the last path begins with.
 */
async function garden(
  seed: string,
  pathSecret?: (first: readonly Uint8Array[]) => Uint8Array,
): Promise<Garden> {
  let liar = await Liar.found(seed, [required({ extensionTypes: [PROFILE] })])
  for (let index = 1; index < 8; index += 1) {
    liar = (await liar.commit([add(await liar.keyPackage(`liar-${index}`))], { path: false })).after
  }
  const first = await liar.commit([remove(LATE), remove(VICTIM), remove(BLANK)])
  const last = await first.after.commit([], {
    by: LAST_COMMITTER,
    pathSecret: pathSecret?.(first.pathSecrets),
  })
  const late = add(await last.after.keyPackage('late'))
  const device = await victimDevice('victim')
  const keyPackage = keyPackageOf(await device.keyPackage())
  const { after } = await last.after.commit([late, add(keyPackage)], { path: false })
  return { liar: after, device, keyPackage }
}

/** Refused for that reason, and nothing used up by it. */
async function expectUnwelcome({ device }: Garden, welcome: Uint8Array, code: string, reason: RegExp) {
  const before = await device.keyPackageCount()
  await expect(device.join(welcome)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(reason) as unknown,
  })
  expect(await device.keyPackageCount()).toBe(before)
}

async function expectWelcome({ liar, device, keyPackage }: Garden, tree?: Uint8Array) {
  const group = await device.join(await liar.welcome(keyPackage, tree && { tree }))
  expect(await group.epochAuthenticator()).toEqual(liar.epoch.schedule.epochAuthenticator)
  group.close()
}

/** What `lying` says is refused by who is welcomed and by who comes in by itself, and what `told` says by neither. */
async function expectTreeRefused(told: Garden, lying: Liar, reason: RegExp, story: WelcomeStory = {}) {
  const welcome = await lying.welcome(told.keyPackage, story)
  await expectUnwelcome(told, welcome, 'MLS_WELCOME_INVALID', reason)
  const outsider = await victimDevice('outsider')
  await expect(outsider.joinExternal(await lying.entrance(story))).rejects.toMatchObject({
    code: expect.stringMatching(/^MLS_(GROUP_INFO_INVALID|MALFORMED)$/) as unknown,
    message: expect.stringMatching(new RegExp(`${reason.source}|not a GroupInfo`)) as unknown,
  })
  await expectWelcome(told)
  const { group } = await outsider.joinExternal(await told.liar.entrance())
  group.close()
}

/** A test of one false tree, told both ways. */
function refused(name: string, reason: RegExp, alter: (tree: Tree, liar: Liar) => Promise<Tree> | Tree) {
  // oxlint-disable-next-line vitest/valid-title -- callers name it
  it(name, async () => {
    const told = await garden(name)
    const { liar } = told
    const lying = await liar.retold({ tree: await alter(liar.epoch.tree, liar) })
    await expectTreeRefused(told, lying, reason)
  })
}

function parentAt(tree: Tree, index: number): mls.ParentNode {
  const node = tree[index]
  if (node?.nodeType !== 'parent') throw new Error(`node ${index} is no parent`)
  return node.parent
}

const withParent = (tree: Tree, index: number, change: Partial<mls.ParentNode>): Tree =>
  tree.with(index, { nodeType: 'parent', parent: { ...parentAt(tree, index), ...change } })

const withLeaf = (tree: Tree, index: number, leaf: mls.LeafNode): Tree =>
  tree.with(2 * index, { nodeType: 'leaf', leaf })

/** The leaf that is unmerged in all nodes above it, so that no parent hash covers it. */
const late = (fault: Fault) => async (tree: Tree, liar: Liar) =>
  withLeaf(tree, LATE, await liar.signedLeaf(fault(asUpdate(LATE)(liar.leaf(LATE) as never, liar), liar)))

it('the tree that the others are made of is welcome', async () => {
  const told = await garden('honest')
  const { tree } = told.liar.epoch
  expect([LEFT, ROOT, RIGHTMOST].map((index) => parentAt(tree, index).unmergedLeaves)).toEqual([
    [2],
    [2, 4],
    [],
  ])
  const same = await told.liar.retold({ tree: await late((leaf) => leaf)(tree, told.liar) })
  await expectWelcome({ ...told, liar: same })
})

describe('unmerged leaves', () => {
  const MALFORMED = /tree is malformed/
  const unmerged = (index: number, unmergedLeaves: number[]) => (tree: Tree) =>
    withParent(tree, index, { unmergedLeaves })

  refused('1408 an unmerged leaf is blank', MALFORMED, unmerged(ROOT, [LATE, VICTIM, BLANK]))
  refused('1408 an unmerged leaf is not below its node', MALFORMED, unmerged(LEFT, [LATE, LAST_COMMITTER]))
  refused('1408 an unmerged leaf is outside the tree', MALFORMED, unmerged(ROOT, [LATE, VICTIM, 100]))
  refused('1409 a node between does not list an unmerged leaf', MALFORMED, unmerged(LEFT, []))
  refused('1416 unmerged leaves are not in their order', /Malformed/, unmerged(ROOT, [VICTIM, LATE]))
  refused('1416 an unmerged leaf is listed twice', /Malformed/, unmerged(ROOT, [LATE, LATE, VICTIM]))
})

describe('parent hashes', () => {
  const HASH = /parent hash was invalid/

  refused('1406 a node has another parent hash', HASH, (tree) =>
    withParent(tree, RIGHTMOST, { parentHash: new Uint8Array(32) }),
  )
  refused('1406 a node has another key', HASH, async (tree, { world }) =>
    withParent(tree, ROOT, { hpkePublicKey: await world.hpkeKey(await world.random()) }),
  )
  refused('1406 a leaf has another parent hash', HASH, async (tree, liar) => {
    const { groupId } = liar.epoch.context
    const leaf = { ...liar.leaf(LAST_COMMITTER), parentHash: new Uint8Array(32) }
    return withLeaf(
      tree,
      LAST_COMMITTER,
      await liar.signedLeaf({ ...leaf, groupId, leafIndex: LAST_COMMITTER } as never),
    )
  })
  refused('1406 a leaf that is covered by a parent hash was replaced', HASH, async (tree, liar) =>
    withLeaf(tree, 1, (await liar.keyPackage('other')).leafNode),
  )
})

describe('leaves', () => {
  refused('103 a leaf of the tree lacks what the group requires', /Extensions/, late(ignorant))
  refused('104 a leaf of the tree has a credential that others do not know', /Credentials/, late(foreign))
  refused('104 a leaf of the tree does not know the credentials of others', /Credentials/, late(deaf))
  refused('107 a leaf of the tree has an extension that it does not know', /Extensions/, late(inconsistent))
  refused('111 two leaves have one signature key', /duplcate signature keys/, late(signedAs(LAST_COMMITTER)))
  refused(
    '112 two leaves have one encryption key',
    /duplcate encryption keys/,
    late(encryptedAs(LAST_COMMITTER)),
  )
  refused('1407 a leaf is not signed', /node signature/, (tree, liar) =>
    withLeaf(tree, LATE, { ...liar.leaf(LATE), signature: liar.leaf(0).signature }),
  )
  refused(
    '1407 a leaf is signed for another place',
    /node signature/,
    late((leaf, liar) => asUpdate(1)(leaf, liar)),
  )
  refused(
    '1407 a leaf is signed for another group',
    /node signature/,
    late((leaf) => ({ ...leaf, groupId: new Uint8Array(32) }) as typeof leaf),
  )
  refused(
    '1407 a leaf does not know the suite',
    /ciphersuite is not listed/,
    late((leaf) => ({
      ...leaf,
      capabilities: { ...leaf.capabilities, ciphersuites: ['MLS_128_DHKEMP256_AES128GCM_SHA256_P256'] },
    })),
  )
  refused(
    '1410 a leaf has the key of a parent',
    /duplcate encryption keys/,
    late((leaf, { epoch }) => ({
      ...leaf,
      hpkePublicKey: parentAt(epoch.tree, RIGHTMOST).hpkePublicKey,
    })),
  )
})

it('1410 two parents have one key', async () => {
  const lying = await garden('two parents', ([lowest]) => lowest ?? new Uint8Array())
  const { tree } = lying.liar.epoch
  expect(parentAt(tree, RIGHTMOST).hpkePublicKey).toEqual(parentAt(tree, 1).hpkePublicKey)
  const reason = /duplcate encryption keys/
  await expectUnwelcome(lying, await lying.liar.welcome(lying.keyPackage), 'MLS_WELCOME_INVALID', reason)
  await expect(lying.device.joinExternal(await lying.liar.entrance())).rejects.toThrow(reason)
  await expectWelcome(await garden('two parents'))
})

it('1406 does not list a leaf that came in later', async () => {
  let liar = await Liar.found('not listed')
  for (const name of ['one', 'two', 'three']) {
    liar = (await liar.commit([add(await liar.keyPackage(name))], { path: false })).after
  }
  // Leaves 0, 1, 2; the node above 2 and 3 is blank, so that the root follows 2, and the victim comes in at 3.
  liar = (await liar.commit([remove(3)], { by: 2 })).after
  const device = await victimDevice('victim')
  const keyPackage = keyPackageOf(await device.keyPackage())
  liar = (await liar.commit([add(keyPackage)], { path: false })).after
  const told = { liar, device, keyPackage }
  const root = 3
  expect(parentAt(liar.epoch.tree, root).unmergedLeaves).toEqual([3])
  const lying = await liar.retold({ tree: withParent(liar.epoch.tree, root, { unmergedLeaves: [] }) })
  await expectTreeRefused(told, lying, /parent hash/)
})

it('1418 a tree ends in blank nodes', async () => {
  const told = await garden('blank nodes')
  const tree = encodeTree([...trimmed(told.liar.epoch.tree), undefined])
  await expectTreeRefused(told, told.liar, /trailing blank nodes/, { tree })
})

describe('a GroupInfo', () => {
  /** Told both ways with another context or another frame around it. */
  async function expectInfoRefused(told: Garden, story: WelcomeStory, reason: RegExp) {
    await expectTreeRefused(told, told.liar, reason, story)
  }

  it('1402 is signed by another', async () => {
    const told = await garden('signed by another')
    await expectInfoRefused(told, { signKey: told.liar.signKey(1) }, /signature on the GroupInfo/)
  })
  it.each([BLANK, 1000])('1402 is signed by nobody, at leaf %i', async (signer) => {
    const told = await garden('signed by nobody')
    await expectInfoRefused(told, { signer, signKey: told.liar.signKey(0) }, /Sender not found/)
  })
  it('1405 says another hash of the tree', async () => {
    const told = await garden('another hash')
    const context = (context_: mls.GroupContext) => ({ ...context_, treeHash: new Uint8Array(32) })
    await expectTreeRefused(told, await told.liar.retold({ context }), /tree hash does not match/)
  })
  it.each([
    { extensionType: 'required_capabilities', extensionData: new Uint8Array([0, 0, 0]) },
    { extensionType: 'external_senders', extensionData: new Uint8Array([0]) },
    { extensionType: 'application_id', extensionData: new Uint8Array([1, 7]) },
  ] as const)('1602 has an extension of others: $extensionType', async (extension) => {
    const told = await garden('extension')
    await expectInfoRefused(told, { extensions: [extension] }, /Malformed/)
  })
  it('1415 the group requires what the joiner lacks', async () => {
    const told = await garden('requires')
    const extensions = [required({ extensionTypes: [PROFILE, 0xf777] })]
    const lying = await told.liar.retold({ context: (context) => ({ ...context, extensions }) })
    await expectTreeRefused(told, lying, /Extensions/)
  })
})

describe('a Welcome', () => {
  const INVALID = 'MLS_WELCOME_INVALID'

  it('1401 needs a key that is unknown', async () => {
    const told = await garden('unknown key')
    const psks = [{ psktype: 'external', pskId: new Uint8Array([1]), pskNonce: new Uint8Array(32) }] as const
    const welcome = await told.liar.welcome(told.keyPackage, { psks })
    await expectUnwelcome(told, welcome, 'MLS_PSK_NOT_FOUND', /not known/)
    await expectWelcome(told)
  })
  it('1404 is of another suite than the key package', async () => {
    const told = await garden('another suite')
    const cipherSuite = 'MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519'
    const welcome = await told.liar.welcome(told.keyPackage, { cipherSuite })
    await expectUnwelcome(told, welcome, INVALID, /Ciphersuites .* don't match/)
    const lying = await told.liar.retold({ context: (context) => ({ ...context, cipherSuite }) })
    await expectUnwelcome(told, await lying.welcome(told.keyPackage), INVALID, /Ciphersuites .* don't match/)
    await expectWelcome(told)
  })
  it('1411 has another confirmation tag', async () => {
    const told = await garden('another tag')
    const confirmationTag = new Uint8Array(32)
    const welcome = await told.liar.welcome(told.keyPackage, { confirmationTag })
    await expectUnwelcome(told, welcome, INVALID, /confirmation tag does not match/)
    await expectWelcome(told)
  })
  it('has a path secret that the tree’s keys do not follow from', async () => {
    const { liar } = await garden('path secret')
    const device = await victimDevice('added with a path')
    const keyPackage = keyPackageOf(await device.keyPackage())
    // It comes in at the blank leaf, which meets the committer's path at the root alone.
    const { after, pathSecrets } = await liar.commit([add(keyPackage)])
    const told = { liar: after, device, keyPackage }
    const pathSecret = pathSecrets.at(-1)
    for (const secret of [new Uint8Array(32), pathSecrets[0]]) {
      const welcome = await after.welcome(keyPackage, { pathSecret: secret })
      await expectUnwelcome(told, welcome, INVALID, /public key/i)
    }
    const group = await device.join(await after.welcome(keyPackage, { pathSecret }))
    expect(await group.epochAuthenticator()).toEqual(after.epoch.schedule.epochAuthenticator)
    group.close()
  })
  it('1415 the group has an extension that the joiner does not know', async () => {
    const told = await garden('unknown extension')
    const unknown = { extensionType: 0xf777, extensionData: new Uint8Array([1]) }
    const context = (known: mls.GroupContext) => ({ ...known, extensions: [...known.extensions, unknown] })
    const lying = await told.liar.retold({ context })
    await expectUnwelcome(told, await lying.welcome(told.keyPackage), INVALID, /Unsupported extensions/)
    await expectWelcome(told)
  })
  it('1417 is for a tree with another leaf of the joiner', async () => {
    const liar = await Liar.found('another leaf')
    const device = await victimDevice('victim')
    const [keyPackage, other] = (await device.keyPackages(2)).map(keyPackageOf)
    if (keyPackage === undefined || other === undefined) throw new Error('two are needed')
    const { after } = await liar.commit([add(other)], { path: false })
    const told = { liar: after, device, keyPackage: other }
    await expectUnwelcome(told, await after.welcome(keyPackage), INVALID, /tree is malformed/)
    await expectWelcome(told)
  })
  it('1417 is for a tree without the joiner', async () => {
    const told = await garden('without the joiner')
    const { tree } = told.liar.epoch
    const without = withParent(tree.with(2 * VICTIM, undefined), ROOT, { unmergedLeaves: [LATE] })
    const lying = await told.liar.retold({ tree: without })
    await expectUnwelcome(told, await lying.welcome(told.keyPackage), INVALID, /tree is malformed/)
    await expectWelcome(told)
  })
})
