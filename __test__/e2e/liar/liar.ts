/**
 * A group all of whose members, but for those under test, are one liar.
 *
 * It holds every secret of the epoch, so that whatever it says is signed, tagged and encrypted as RFC 9420 has it; only
 * what it says may be false. Each state is a value: a lie and the truth can be told from the same one. Its handshakes
 * are public messages. What is random follows from a seed, but for signature keys and HPKE's encapsulations, which
 * ts-mls takes from the system.
 */
import * as mls from 'ts-mls'
import { createMembershipTag, makeProposalRef } from 'ts-mls/authenticatedContent.js'
import { exportSecret } from 'ts-mls/clientState.js'
import { encode } from 'ts-mls/codec/tlsEncoder.js'
import { varLenDataEncoder } from 'ts-mls/codec/variableLength.js'
import {
  createConfirmationTag,
  signFramedContentTBS,
  toTbs,
  type FramedContentCommit,
} from 'ts-mls/framedContent.js'
import { extractWelcomeSecret, signGroupInfo } from 'ts-mls/groupInfo.js'
import { makeKeyPackageRef } from 'ts-mls/keyPackage.js'
import { deriveKeySchedule, initializeEpoch } from 'ts-mls/keySchedule.js'
import type { LeafNodeTBS } from 'ts-mls/leafNode.js'
import { computePskSecret } from 'ts-mls/presharedkey.js'
import {
  encodePrivateContentAAD,
  encodePrivateMessageContent,
  encryptSenderData,
} from 'ts-mls/privateMessage.js'
import { addLeafNode } from 'ts-mls/ratchetTree.js'
import { consumeRatchet, createSecretTree } from 'ts-mls/secretTree.js'
import { createConfirmedHash, createInterimHash } from 'ts-mls/transcriptHash.js'
import { treeHashRoot } from 'ts-mls/treeHash.js'
import { leafToNodeIndex, leafWidth, toLeafIndex } from 'ts-mls/treemath.js'
import { encryptGroupInfo, encryptGroupSecrets } from 'ts-mls/welcome.js'

import { apply, extensionsAfter, isPsk, listed, type Applied, type Sent } from './proposals.js'
import { encodeTree, leafAt, makePath, trimmed, type PathStory } from './tree.js'
import { dataOf, keyPackage, NOTHING, signedLeaf, SUITE, World, type KeyPackageStory } from './world.js'

/** What is false, or only unusual, about a commit. */
export interface CommitStory extends PathStory {
  /** Which leaf commits; 0 where nothing is said, and where a joiner commits the leftmost that is free. */
  readonly by?: number
  /** As whom it says that it speaks; that leaf where nothing is said. */
  readonly sender?: mls.Sender
  /** What takes effect, where that is not what is listed. */
  readonly effects?: readonly Sent[]
  /** Whether there is a path; there is where nothing is said. */
  readonly path?: boolean
  /** The path as it is sent; the epoch follows from the one that it was. */
  readonly sentPath?: (path: mls.UpdatePath) => mls.UpdatePath
  /** The keys of the proposals that mix keys in, in their order. */
  readonly psks?: readonly Uint8Array[]
  /** For commits of joiners: the leaf that takes its place before the path, and what stands for the init secret. */
  readonly joiner?: { readonly leafNode: mls.LeafNode; readonly initSecret: Uint8Array }
  /** Who signs, where it is not the leaf that commits. */
  readonly signKey?: Uint8Array
  /** What travels beside it. */
  readonly authenticatedData?: Uint8Array
}

export interface Told {
  readonly message: Uint8Array
  /** The group as it is for those who believe it. */
  readonly after: Liar
  /** The secrets of the path's nodes, lowest first. */
  readonly pathSecrets: readonly Uint8Array[]
}

/** What is false about an encrypted message. */
export interface SealStory {
  readonly from?: number
  readonly padding?: readonly number[]
  readonly signKey?: Uint8Array
}

interface Epoch {
  readonly context: mls.GroupContext
  readonly tree: mls.RatchetTree
  readonly schedule: mls.KeySchedule
  readonly encryptionSecret: Uint8Array
  readonly joinerSecret: Uint8Array
  readonly confirmationTag: Uint8Array
}

export class Liar {
  readonly world: World
  readonly epoch: Epoch

  private constructor(world: World, epoch: Epoch) {
    this.world = world
    this.epoch = epoch
  }

  /** A group of one. */
  static async found(seed: string, groupExtensions: mls.Extension[] = []): Promise<Liar> {
    const suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(SUITE))
    const world = new World(suite, seed)
    const { leafNode } = await keyPackage(world, 'liar')
    const tree: mls.RatchetTree = [{ nodeType: 'leaf', leaf: leafNode }]
    const context: mls.GroupContext = {
      version: 'mls10',
      cipherSuite: SUITE,
      groupId: await world.random(),
      epoch: 0n,
      treeHash: await treeHashRoot(tree, suite.hash),
      confirmedTranscriptHash: NOTHING,
      extensions: groupExtensions,
    }
    return new Liar(world, await begin(world, context, tree, await world.random()))
  }

  get suite(): mls.CiphersuiteImpl {
    return this.world.suite
  }

  keyPackage(name: string, story: KeyPackageStory = {}): Promise<mls.KeyPackage> {
    return keyPackage(this.world, name, story)
  }

  leaf(index: number): mls.LeafNode {
    const node = this.epoch.tree[2 * index]
    if (node?.nodeType !== 'leaf') throw new Error(`nobody sits at ${index}`)
    return node.leaf
  }

  /** What the member at `index` signs with. */
  signKey(index: number): Uint8Array {
    return this.world.signKeyOf(this.leaf(index).signaturePublicKey)
  }

  /** An Update of the member at `index`, with fresh keys but for what `story` makes of them. */
  async update(
    index: number,
    story: (leaf: LeafNodeTBS) => LeafNodeTBS = (leaf) => leaf,
  ): Promise<mls.Proposal> {
    const leafNode = await this.signedLeaf(
      story({
        ...dataOf(this.leaf(index)),
        hpkePublicKey: await this.world.hpkeKey(await this.world.random()),
        leafNodeSource: 'update',
        extensions: [],
        groupId: this.epoch.context.groupId,
        leafIndex: index,
      }),
    )
    return { proposalType: 'update', update: { leafNode: leafNode as mls.LeafNodeUpdate } }
  }

  /** Signed with the key that it names, whatever it says. */
  async signedLeaf(leaf: LeafNodeTBS): Promise<mls.LeafNode> {
    return signedLeaf(this.world, leaf)
  }

  /** Anything, framed and signed as `sender`; members' messages get a membership tag. */
  async say(
    info: mls.FramedContentInfo,
    sender: mls.Sender,
    signKey: Uint8Array,
    confirmationTag = NOTHING,
  ): Promise<{ message: Uint8Array; content: mls.FramedContent; auth: mls.FramedContentAuthData }> {
    const content = this.#frame(info, sender)
    const signature = await this.#sign(content, signKey)
    const auth: mls.FramedContentAuthData =
      info.contentType === 'commit'
        ? { contentType: 'commit', signature, confirmationTag }
        : { contentType: info.contentType, signature }
    return { message: await this.#public(content, auth), content, auth }
  }

  /** A proposal of the member at `sender`, or of somebody else. */
  async propose(
    proposal: mls.Proposal,
    sender: number | mls.Sender = 0,
    signKey?: Uint8Array,
  ): Promise<Sent & { message: Uint8Array; reference: Uint8Array }> {
    const from: mls.Sender = typeof sender === 'number' ? { senderType: 'member', leafIndex: sender } : sender
    const key = signKey ?? this.signKey(typeof sender === 'number' ? sender : 0)
    const { message, content, auth } = await this.say({ contentType: 'proposal', proposal }, from, key)
    const authenticated = { wireformat: 'mls_public_message', content, auth } as const
    const reference = await makeProposalRef(authenticated, this.suite.hash)
    return { proposal, message, reference, ...(typeof sender === 'number' ? { sender } : {}) }
  }

  /** A commit whose epoch is true for whoever applies the proposals and the path as they are. */
  async commit(sent: readonly Sent[], story: CommitStory = {}): Promise<Told> {
    const effects = story.effects ?? sent
    const { before, by } = seated(apply(this.epoch.tree, effects, story.by ?? 0), story)
    const { sender = { senderType: 'member', leafIndex: by }, path: hasPath = true } = story
    const context: mls.GroupContext = {
      ...this.epoch.context,
      epoch: this.epoch.context.epoch + 1n,
      extensions: extensionsAfter(this.epoch.context.extensions, effects),
    }
    const made = hasPath ? await makePath(this.world, before, context, by, story) : undefined
    const tree = made?.tree ?? before.tree
    const honest = made?.path
    const path = honest && (story.sentPath?.(honest) ?? honest)
    const commit: mls.Commit = { proposals: sent.map(listed), path }
    const content = this.#frame({ contentType: 'commit', commit }, sender, story.authenticatedData)
    const signer = story.joiner === undefined ? this.leaf(by) : leafAt(tree, by)
    const signKey = story.signKey ?? this.world.signKeyOf(signer.signaturePublicKey)
    const signature = await this.#sign(content, signKey)
    const after = await this.#next(
      { ...context, treeHash: await treeHashRoot(tree, this.suite.hash) },
      tree,
      content as FramedContentCommit,
      signature,
      made?.commitSecret ?? new Uint8Array(this.suite.kdf.size),
      story,
      effects,
    )
    const { confirmationTag } = after.epoch
    const message = await this.#public(content, { contentType: 'commit', signature, confirmationTag })
    return { message, after, pathSecrets: made?.secrets ?? [] }
  }

  /** The commit of somebody outside, with the proposal that RFC 9420 section 12.4.3.2 wants before all others. */
  async joinExternally(
    joiner: mls.KeyPackage,
    sent: (externalInit: Sent) => readonly Sent[] = (externalInit) => [externalInit],
    story: CommitStory = {},
  ): Promise<Told> {
    const externalKey = await this.world.hpkeKey(this.epoch.schedule.externalSecret)
    const { enc, secret } = await exportSecret(externalKey, this.suite)
    const externalInit: Sent = {
      proposal: { proposalType: 'external_init', externalInit: { kemOutput: enc } },
    }
    return this.commit(sent(externalInit), {
      sender: { senderType: 'new_member_commit' },
      joiner: { leafNode: joiner.leafNode, initSecret: secret },
      ...story,
    })
  }

  /** The same members in an epoch of their own, with what `story` makes of the tree and the context. */
  async retold(story: {
    tree?: mls.RatchetTree
    context?: (context: mls.GroupContext) => mls.GroupContext
  }): Promise<Liar> {
    const tree = story.tree ?? this.epoch.tree
    const context = { ...this.epoch.context, treeHash: await treeHashRoot(tree, this.suite.hash) }
    const told = story.context?.(context) ?? context
    return new Liar(this.world, await begin(this.world, told, tree, await this.world.random()))
  }

  /** A GroupInfo as the member at `signer` signs it. */
  async groupInfo(story: GroupInfoStory = {}): Promise<mls.GroupInfo> {
    const { signer = 0, tree = encodeTree(trimmed(this.epoch.tree)), confirmationTag } = story
    const info = {
      groupContext: this.epoch.context,
      extensions: [
        { extensionType: 'ratchet_tree' as const, extensionData: tree },
        ...(story.extensions ?? []),
      ],
      confirmationTag: confirmationTag ?? this.epoch.confirmationTag,
      signer,
    }
    return signGroupInfo(info, story.signKey ?? this.signKey(signer), this.suite.signature)
  }

  /** The same as a message, for those who join by a commit of their own. */
  async entrance(story: GroupInfoStory = {}): Promise<Uint8Array> {
    const key = await this.world.hpkeKey(this.epoch.schedule.externalSecret)
    const externalPub: mls.Extension = {
      extensionType: 'external_pub',
      extensionData: encode(varLenDataEncoder)(key),
    }
    const groupInfo = await this.groupInfo({
      ...story,
      extensions: [externalPub, ...(story.extensions ?? [])],
    })
    return mls.encodeMlsMessage({ version: 'mls10', wireformat: 'mls_group_info', groupInfo })
  }

  /** A Welcome to this epoch for whoever holds `keyPackage`. */
  async welcome(joiner: mls.KeyPackage, story: WelcomeStory = {}): Promise<Uint8Array> {
    const { joinerSecret } = this.epoch
    const pskSecret = new Uint8Array(this.suite.kdf.size)
    const welcomeSecret = await extractWelcomeSecret(joinerSecret, pskSecret, this.suite.kdf)
    const encryptedGroupInfo = await encryptGroupInfo(await this.groupInfo(story), welcomeSecret, this.suite)
    const initKey = await this.suite.hpke.importPublicKey(joiner.initKey)
    const secrets = { joinerSecret, pathSecret: story.pathSecret, psks: [...(story.psks ?? [])] }
    const { ct, enc } = await encryptGroupSecrets(initKey, encryptedGroupInfo, secrets, this.suite.hpke)
    const encryptedGroupSecrets = { kemOutput: enc, ciphertext: ct }
    const newMember = await makeKeyPackageRef(joiner, this.suite.hash)
    const cipherSuite = story.cipherSuite ?? SUITE
    const welcome = { cipherSuite, secrets: [{ newMember, encryptedGroupSecrets }], encryptedGroupInfo }
    return mls.encodeMlsMessage({ version: 'mls10', wireformat: 'mls_welcome', welcome })
  }

  /** What the member at `from` says to all, encrypted; `padding` is what follows it inside. */
  async seal(text: string, story: SealStory = {}): Promise<{ message: Uint8Array }> {
    const { from = 0, padding = [] } = story
    const { context, encryptionSecret, schedule, tree } = this.epoch
    const { groupId, epoch } = context
    const info = { contentType: 'application', applicationData: new TextEncoder().encode(text) } as const
    const content = this.#frame(info, { senderType: 'member', leafIndex: from })
    const tbs = toTbs(content, 'mls_private_message', context)
    const signKey = story.signKey ?? this.signKey(from)
    const signature = await signFramedContentTBS(signKey, tbs, this.suite.signature)
    const auth = { contentType: 'application', signature } as const
    const plain = encodePrivateMessageContent({ kind: 'alwaysPad', paddingLength: 0 })({ ...info, auth })
    const secretTree = await createSecretTree(leafWidth(tree.length), encryptionSecret, this.suite.kdf)
    const node = leafToNodeIndex(toLeafIndex(from))
    const ratchet = await consumeRatchet(secretTree, node, 'application', this.suite)
    const head = { groupId, epoch, contentType: 'application', authenticatedData: NOTHING } as const
    const ciphertext = await this.suite.hpke.encryptAead(
      ratchet.key,
      ratchet.nonce,
      encodePrivateContentAAD(head),
      new Uint8Array([...plain, ...padding]),
    )
    const encryptedSenderData = await encryptSenderData(
      schedule.senderDataSecret,
      { leafIndex: from, generation: ratchet.generation, reuseGuard: ratchet.reuseGuard },
      head,
      ciphertext,
      this.suite,
    )
    const privateMessage = { ...head, encryptedSenderData, ciphertext }
    const message = { version: 'mls10', wireformat: 'mls_private_message', privateMessage } as const
    return { message: mls.encodeMlsMessage(message) }
  }

  #frame(info: mls.FramedContentInfo, sender: mls.Sender, authenticatedData = NOTHING): mls.FramedContent {
    const { groupId, epoch } = this.epoch.context
    return { groupId, epoch, sender, authenticatedData, ...info }
  }

  #sign(content: mls.FramedContent, signKey: Uint8Array): Promise<Uint8Array> {
    const tbs = toTbs(content, 'mls_public_message', this.epoch.context)
    return signFramedContentTBS(signKey, tbs, this.suite.signature)
  }

  async #public(content: mls.FramedContent, auth: mls.FramedContentAuthData): Promise<Uint8Array> {
    const { senderType } = content.sender
    const contentTbs = toTbs(content, 'mls_public_message', this.epoch.context)
    const info: mls.PublicMessageInfo =
      senderType === 'member'
        ? {
            senderType,
            membershipTag: await createMembershipTag(
              this.epoch.schedule.membershipKey,
              { contentTbs, auth },
              this.suite.hash,
            ),
          }
        : { senderType }
    const publicMessage = { content, auth, ...info }
    return mls.encodeMlsMessage({ version: 'mls10', wireformat: 'mls_public_message', publicMessage })
  }

  async #next(
    context: mls.GroupContext,
    tree: mls.RatchetTree,
    content: FramedContentCommit,
    signature: Uint8Array,
    commitSecret: Uint8Array,
    story: CommitStory,
    effects: readonly Sent[],
  ): Promise<Liar> {
    const { hash, kdf } = this.suite
    const { confirmedTranscriptHash } = this.epoch.context
    const interim =
      confirmedTranscriptHash.length === 0
        ? NOTHING
        : await createInterimHash(confirmedTranscriptHash, this.epoch.confirmationTag, hash)
    const input = { wireformat: 'mls_public_message', content, signature } as const
    const confirmed = { ...context, confirmedTranscriptHash: await createConfirmedHash(interim, input, hash) }
    const pskSecret = await this.#pskSecret(effects, story.psks ?? [])
    const initSecret = story.joiner?.initSecret ?? this.epoch.schedule.initSecret
    const secrets = await initializeEpoch(initSecret, commitSecret, confirmed, pskSecret, kdf)
    const { confirmationKey } = secrets.keySchedule
    return new Liar(this.world, {
      context: confirmed,
      tree,
      schedule: secrets.keySchedule,
      encryptionSecret: secrets.encryptionSecret,
      joinerSecret: secrets.joinerSecret,
      confirmationTag: await createConfirmationTag(confirmationKey, confirmed.confirmedTranscriptHash, hash),
    })
  }

  #pskSecret(effects: readonly Sent[], keys: readonly Uint8Array[]): Promise<Uint8Array> {
    const ids = effects.flatMap(({ proposal }) => (isPsk(proposal) ? [proposal.psk.preSharedKeyId] : []))
    return computePskSecret(
      ids.map((id, index) => [id, keys[index] ?? new Uint8Array(32)]),
      this.suite,
    )
  }
}

export interface GroupInfoStory {
  readonly signer?: number
  readonly signKey?: Uint8Array
  readonly tree?: Uint8Array
  readonly confirmationTag?: Uint8Array
  readonly extensions?: readonly mls.Extension[]
}

export interface WelcomeStory extends GroupInfoStory {
  readonly cipherSuite?: mls.CiphersuiteName
  readonly psks?: readonly mls.PreSharedKeyID[]
  readonly pathSecret?: Uint8Array
}

async function begin(
  { suite }: World,
  context: mls.GroupContext,
  tree: mls.RatchetTree,
  joinerSecret: Uint8Array,
): Promise<Epoch> {
  const zero = new Uint8Array(suite.kdf.size)
  const [schedule, encryptionSecret] = await deriveKeySchedule(joinerSecret, zero, context, suite.kdf)
  const { confirmedTranscriptHash } = context
  const confirmationTag = await createConfirmationTag(
    schedule.confirmationKey,
    confirmedTranscriptHash,
    suite.hash,
  )
  return { context, tree, schedule, encryptionSecret, joinerSecret, confirmationTag }
}

/** With the joiner, if there is one, in the tree. */
function seated(before: Applied, { by = 0, joiner }: CommitStory): { before: Applied; by: number } {
  if (joiner === undefined) return { before, by }
  const [tree, at] = addLeafNode(before.tree, joiner.leafNode)
  return { before: { ...before, tree }, by: at / 2 }
}
