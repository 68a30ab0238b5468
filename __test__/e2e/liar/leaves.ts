/** Faults of leaves, which are the same wherever a leaf comes in. */
import type * as mls from 'ts-mls'
import type { LeafNodeTBS } from 'ts-mls/leafNode.js'

import type { Liar } from './liar.js'

export type Fault = (leaf: LeafNodeTBS, liar: Liar) => LeafNodeTBS

const UNKNOWN_EXTENSION = 0xf777
const CERTIFICATE: mls.Credential = { credentialType: 'x509', certificates: [new Uint8Array([1])] }

/** Knows no extension of groups that it need not know. */
export const ignorant: Fault = (leaf) => ({
  ...leaf,
  capabilities: { ...leaf.capabilities, extensions: [] },
})

/** Has a credential of a kind that others do not know. */
export const foreign: Fault = (leaf) => ({
  ...leaf,
  credential: CERTIFICATE,
  capabilities: { ...leaf.capabilities, credentials: ['basic', 'x509'] },
})

/** Does not know the kind of credential that others have. */
export const deaf: Fault = (leaf) => ({
  ...leaf,
  credential: CERTIFICATE,
  capabilities: { ...leaf.capabilities, credentials: ['x509'] },
})

/** Has an extension that it does not say it knows. */
export const inconsistent: Fault = (leaf) => ({
  ...leaf,
  extensions: [{ extensionType: UNKNOWN_EXTENSION, extensionData: new Uint8Array() }],
})

/** Has the encryption key of the member at `index`. */
export const encryptedAs =
  (index: number): Fault =>
  (leaf, liar) => ({ ...leaf, hpkePublicKey: liar.leaf(index).hpkePublicKey })

/** Has, and is signed with, the signature key of the member at `index`. */
export const signedAs =
  (index: number): Fault =>
  (leaf, liar) => ({ ...leaf, signaturePublicKey: liar.leaf(index).signaturePublicKey })

const data = ({ hpkePublicKey, signaturePublicKey, credential, capabilities, extensions }: LeafNodeTBS) => ({
  hpkePublicKey,
  signaturePublicKey,
  credential,
  capabilities,
  extensions,
})

export const asKeyPackage: Fault = (leaf) => ({
  ...data(leaf),
  leafNodeSource: 'key_package',
  lifetime: { notBefore: 0n, notAfter: 4_102_444_800n },
})

export const asUpdate =
  (leafIndex: number): Fault =>
  (leaf, { epoch: { context } }) => ({
    ...data(leaf),
    leafNodeSource: 'update',
    groupId: context.groupId,
    leafIndex,
  })

export const asCommit =
  (leafIndex: number): Fault =>
  (leaf, { epoch: { context } }) => ({
    ...data(leaf),
    leafNodeSource: 'commit',
    parentHash: new Uint8Array(32),
    groupId: context.groupId,
    leafIndex,
  })
