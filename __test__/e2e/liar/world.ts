/** What a liar's groups are made of: keys, leaves and key packages, signed as they should be whatever they say. */
import * as mls from 'ts-mls'
import { signWithLabel } from 'ts-mls/crypto/signature.js'
import { signKeyPackage } from 'ts-mls/keyPackage.js'
import { encodeLeafNodeTBS, type LeafNodeTBS } from 'ts-mls/leafNode.js'

export const SUITE = 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519'
export const NOTHING: Uint8Array = new Uint8Array()

/** An extension of groups that Coterie's members know beside the standard's. */
export const PROFILE = 0xf0c0

/** What the liar's members understand: no default values, which strict peers refuse (RFC 9420 section 7.2). */
export const CAPABILITIES: mls.Capabilities = {
  versions: ['mls10'],
  ciphersuites: [SUITE],
  extensions: [PROFILE],
  proposals: [],
  credentials: ['basic'],
}

/** What all states of one group share: the suite, randomness, and the signature keys of everybody but the victims. */
export class World {
  readonly suite: mls.CiphersuiteImpl
  readonly #signKeys = new Map<string, Uint8Array>()
  #drawn: Uint8Array

  constructor(suite: mls.CiphersuiteImpl, seed: string) {
    this.suite = suite
    this.#drawn = new TextEncoder().encode(seed)
  }

  async random(): Promise<Uint8Array> {
    this.#drawn = await this.suite.hash.digest(this.#drawn)
    return this.suite.hash.digest(new Uint8Array([...this.#drawn, 1]))
  }

  async signatureKey(): Promise<Uint8Array> {
    const { publicKey, signKey } = await this.suite.signature.keygen()
    this.#signKeys.set(hex(publicKey), signKey)
    return publicKey
  }

  signKeyOf(publicKey: Uint8Array): Uint8Array {
    const signKey = this.#signKeys.get(hex(publicKey))
    if (signKey === undefined) throw new Error('that member is not the liar’s')
    return signKey
  }

  async hpkeKey(secret: Uint8Array): Promise<Uint8Array> {
    const { publicKey } = await this.suite.hpke.deriveKeyPair(secret)
    return this.suite.hpke.exportPublicKey(publicKey)
  }
}

export interface KeyPackageStory {
  /** The leaf before it is signed. */
  readonly leaf?: (leaf: LeafNodeTBS) => LeafNodeTBS
  /** The package before it is signed. */
  readonly tbs?: (tbs: mls.KeyPackageTBS) => mls.KeyPackageTBS
}

/** A key package of the liar's, true but for what `story` makes of it. */
export async function keyPackage(
  world: World,
  name: string,
  story: KeyPackageStory = {},
): Promise<mls.KeyPackage> {
  const leaf: LeafNodeTBS = {
    hpkePublicKey: await world.hpkeKey(await world.random()),
    signaturePublicKey: await world.signatureKey(),
    credential: { credentialType: 'basic', identity: new TextEncoder().encode(name) },
    capabilities: CAPABILITIES,
    leafNodeSource: 'key_package',
    lifetime: { notBefore: 0n, notAfter: 4_102_444_800n },
    extensions: [],
  }
  const told = story.leaf?.(leaf) ?? leaf
  const leafNode = (await signedLeaf(world, told)) as mls.KeyPackage['leafNode']
  const tbs: mls.KeyPackageTBS = {
    version: 'mls10',
    cipherSuite: SUITE,
    initKey: await world.hpkeKey(await world.random()),
    leafNode,
    extensions: [],
  }
  const signKey = world.signKeyOf(told.signaturePublicKey)
  return signKeyPackage(story.tbs?.(tbs) ?? tbs, signKey, world.suite.signature)
}

export async function signedLeaf(world: World, leaf: LeafNodeTBS): Promise<mls.LeafNode> {
  const signKey = world.signKeyOf(leaf.signaturePublicKey)
  const signature = await signWithLabel(
    signKey,
    'LeafNodeTBS',
    encodeLeafNodeTBS(leaf),
    world.suite.signature,
  )
  return { ...leaf, signature }
}

export const dataOf = ({ hpkePublicKey, signaturePublicKey, credential, capabilities }: mls.LeafNode) => ({
  hpkePublicKey,
  signaturePublicKey,
  credential,
  capabilities,
})

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

export function keyPackageOf(bytes: Uint8Array): mls.KeyPackage {
  const message = mls.decodeMlsMessage(bytes, 0)?.[0]
  if (message?.wireformat !== 'mls_key_package') throw new Error('not a key package')
  return message.keyPackage
}
