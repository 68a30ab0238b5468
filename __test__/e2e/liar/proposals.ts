/** Proposals, and what they make of a group. */
import type * as mls from 'ts-mls'
import { addLeafNode, removeLeafNode, updateLeafNode } from 'ts-mls/ratchetTree.js'
import { toLeafIndex } from 'ts-mls/treemath.js'

/** A proposal as a commit contains it: by reference where there is one, and whose it is if not the committer's. */
export interface Sent {
  readonly proposal: mls.Proposal
  readonly reference?: Uint8Array
  readonly sender?: number
}

export const add = (keyPackage: mls.KeyPackage): Sent => ({
  proposal: { proposalType: 'add', add: { keyPackage } },
})

export const remove = (removed: number): Sent => ({
  proposal: { proposalType: 'remove', remove: { removed } },
})

export const extensions = (...list: mls.Extension[]): Sent => ({
  proposal: { proposalType: 'group_context_extensions', groupContextExtensions: { extensions: list } },
})

export const psk = (preSharedKeyId: mls.PreSharedKeyID): Sent => ({
  proposal: { proposalType: 'psk', psk: { preSharedKeyId } },
})

export interface Applied {
  readonly tree: mls.RatchetTree
  readonly added: readonly number[]
}

export const isPsk = (proposal: mls.Proposal): proposal is mls.ProposalPSK => proposal.proposalType === 'psk'
const isAdd = (proposal: mls.Proposal): proposal is mls.ProposalAdd => proposal.proposalType === 'add'
const isRemove = (proposal: mls.Proposal): proposal is mls.ProposalRemove =>
  proposal.proposalType === 'remove'
const isUpdate = (proposal: mls.Proposal): proposal is mls.ProposalUpdate =>
  proposal.proposalType === 'update'
const isExtensions = (proposal: mls.Proposal): proposal is mls.ProposalGroupContextExtensions =>
  proposal.proposalType === 'group_context_extensions'

/** RFC 9420 section 12.3: updates, removals, additions. */
export function apply(before: mls.RatchetTree, effects: readonly Sent[], by: number): Applied {
  let tree = before
  const added: number[] = []
  for (const { proposal, sender } of effects) {
    if (isUpdate(proposal)) tree = updateLeafNode(tree, proposal.update.leafNode, toLeafIndex(sender ?? by))
  }
  for (const { proposal } of effects) {
    if (isRemove(proposal) && tree[2 * proposal.remove.removed] !== undefined) {
      tree = removeLeafNode(tree, toLeafIndex(proposal.remove.removed))
    }
  }
  for (const { proposal } of effects) {
    if (!isAdd(proposal)) continue
    const [grown, at] = addLeafNode(tree, proposal.add.keyPackage.leafNode)
    tree = grown
    added.push(at)
  }
  return { tree, added }
}

export function extensionsAfter(before: mls.Extension[], effects: readonly Sent[]): mls.Extension[] {
  const changed = effects.map(({ proposal }) => proposal).find(isExtensions)
  return changed?.groupContextExtensions.extensions ?? before
}

export const listed = ({ proposal, reference }: Sent): mls.ProposalOrRef =>
  reference === undefined
    ? { proposalOrRefType: 'proposal', proposal }
    : { proposalOrRefType: 'reference', reference }
