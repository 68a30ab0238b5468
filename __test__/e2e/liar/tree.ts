/** Trees, and the paths that commits renew them by. */
import type * as mls from 'ts-mls'
import { optionalEncoder } from 'ts-mls/codec/optional.js'
import { encode } from 'ts-mls/codec/tlsEncoder.js'
import { varLenTypeEncoder } from 'ts-mls/codec/variableLength.js'
import { encryptWithLabel } from 'ts-mls/crypto/hpke.js'
import { deriveSecret } from 'ts-mls/crypto/kdf.js'
import { encodeGroupContext } from 'ts-mls/groupContext.js'
import type { LeafNodeTBS } from 'ts-mls/leafNode.js'
import { encodeParentHashInput } from 'ts-mls/parentHash.js'
import { filteredDirectPathAndCopathResolution, nodeEncoder } from 'ts-mls/ratchetTree.js'
import { treeHash, treeHashRoot } from 'ts-mls/treeHash.js'
import {
  directPath,
  isAncestor,
  left,
  leafToNodeIndex,
  leafWidth,
  right,
  toLeafIndex,
  type NodeIndex,
} from 'ts-mls/treemath.js'

import type { Applied } from './proposals.js'
import { dataOf, NOTHING, signedLeaf, type World } from './world.js'

export interface Path {
  readonly tree: mls.RatchetTree
  readonly path: mls.UpdatePath
  readonly secrets: readonly Uint8Array[]
  readonly commitSecret: Uint8Array
}

export interface PathStory {
  /** The secret of the lowest node of the path. */
  readonly pathSecret?: Uint8Array
  /** The path's leaf before it is signed. */
  readonly leaf?: (leaf: LeafNodeTBS) => LeafNodeTBS
}

/** A tree exactly as it is given, blank nodes at its end included. */
export const encodeTree: (tree: mls.RatchetTree) => Uint8Array = encode(
  varLenTypeEncoder(optionalEncoder(nodeEncoder)),
)

/** RFC 9420 sections 7.5 to 7.9: fresh keys for the committer's leaf and what is above it. */
export async function makePath(
  world: World,
  { tree: before, added }: Applied,
  context: mls.GroupContext,
  by: number,
  story: PathStory,
): Promise<Path> {
  const { hash, hpke, kdf } = world.suite
  const steps = filteredDirectPathAndCopathResolution(toLeafIndex(by), before)
  const secrets: Uint8Array[] = []
  let secret = story.pathSecret ?? (await world.random())
  const keys: Uint8Array[] = []
  for (const _ of steps) {
    secrets.push(secret)
    keys.push(await world.hpkeKey(await deriveSecret(secret, 'node', kdf)))
    secret = await deriveSecret(secret, 'path', kdf)
  }
  const tree = before.slice()
  for (const index of directPath(leafToNodeIndex(toLeafIndex(by)), leafWidth(tree.length))) {
    tree[index] = undefined
  }
  const parentHash = await parentHashes(
    tree,
    steps.map(({ nodeIndex }) => nodeIndex),
    keys,
    by,
    hash,
  )
  const leafNode = await signedLeaf(
    world,
    (story.leaf ?? ((leaf) => leaf))({
      ...dataOf(leafAt(before, by)),
      hpkePublicKey: await world.hpkeKey(await world.random()),
      leafNodeSource: 'commit',
      parentHash,
      extensions: [],
      groupId: context.groupId,
      leafIndex: by,
    }),
  )
  tree[2 * by] = { nodeType: 'leaf', leaf: leafNode }
  const provisional = { ...context, treeHash: await treeHashRoot(tree, hash) }
  const nodes: mls.UpdatePathNode[] = []
  for (const [index, { resolution }] of steps.entries()) {
    const encryptedPathSecret: mls.HPKECiphertext[] = []
    for (const node of resolution.filter((at) => !added.includes(at))) {
      const key = await hpke.importPublicKey(publicKeyAt(before, node))
      const plain = secrets[index] ?? NOTHING
      const sealed = await encryptWithLabel(
        key,
        'UpdatePathNode',
        encodeGroupContext(provisional),
        plain,
        hpke,
      )
      encryptedPathSecret.push({ kemOutput: sealed.enc, ciphertext: sealed.ct })
    }
    nodes.push({ hpkePublicKey: keys[index] ?? NOTHING, encryptedPathSecret })
  }
  const path = { leafNode: leafNode as mls.LeafNodeCommit, nodes }
  return { tree, path, secrets, commitSecret: secret }
}

export function leafAt(tree: mls.RatchetTree, index: number): mls.LeafNode {
  const node = tree[2 * index]
  if (node?.nodeType !== 'leaf') throw new Error(`nobody sits at ${index}`)
  return node.leaf
}

function publicKeyAt(tree: mls.RatchetTree, index: number): Uint8Array {
  const node = tree[index]
  if (node === undefined) throw new Error(`node ${index} is blank`)
  return node.nodeType === 'leaf' ? node.leaf.hpkePublicKey : node.parent.hpkePublicKey
}

/** Fills the path's nodes into `tree` from the root down and says what the leaf's parent hash is. */
async function parentHashes(
  tree: mls.RatchetTree,
  path: readonly NodeIndex[],
  keys: readonly Uint8Array[],
  by: number,
  hash: mls.Hash,
): Promise<Uint8Array> {
  const leaf = leafToNodeIndex(toLeafIndex(by))
  let parentHash: Uint8Array = NOTHING
  for (let at = path.length - 1; at >= 0; at -= 1) {
    const index = path[at]
    const encryptionKey = keys[at]
    if (index === undefined || encryptionKey === undefined) throw new Error('the path has a gap')
    const parent: mls.ParentNode = { hpkePublicKey: encryptionKey, parentHash, unmergedLeaves: [] }
    tree[index] = { nodeType: 'parent', parent }
    const onPath = left(index) === leaf || isAncestor(leaf, left(index), tree.length)
    const originalSiblingTreeHash = await treeHash(tree, onPath ? right(index) : left(index), hash)
    parentHash = await hash.digest(
      encodeParentHashInput({ encryptionKey, parentHash, originalSiblingTreeHash }),
    )
  }
  return parentHash
}

export function trimmed(tree: mls.RatchetTree): mls.RatchetTree {
  let length = tree.length
  while (length > 0 && tree[length - 1] === undefined) length -= 1
  return tree.slice(0, length)
}
