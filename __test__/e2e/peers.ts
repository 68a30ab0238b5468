/** Members of one group on two independent stacks, behind one interface: bytes in, bytes out. */
import * as mls from 'ts-mls'

import { Device, type CipherSuite, type Group } from '../../dist/mls/index.js'
import { text } from '../unit/members.js'

/** What a commit carries itself: key packages of joiners, and names of those who go. */
export interface Changes {
  readonly add: readonly Uint8Array[]
  readonly remove: readonly string[]
}

export type Wish = { readonly add: Uint8Array } | { readonly remove: string } | 'update'

/** One member's view of the group. */
export interface Member {
  readonly name: string
  readonly ours: boolean
  readonly keyPackage: Uint8Array
  found(): Promise<void>
  join(welcome: Uint8Array): Promise<void>
  /** Commits what is given and whatever proposals wait, and merges it: nobody else commits meanwhile. */
  commit(changes: Changes): Promise<{ commit: Uint8Array; welcome: Uint8Array | undefined }>
  propose(wish: Wish): Promise<Uint8Array>
  seal(plaintext: Uint8Array): Promise<Uint8Array>
  /** Takes in any message; what an application message says comes out. */
  receive(message: Uint8Array): Promise<Uint8Array | undefined>
  authenticator(): Promise<Uint8Array>
  /** Where somebody sits in the tree. */
  leaf(name: string): number | Promise<number>
  close(): void
}

export interface SuitePair {
  readonly ours: CipherSuite
  readonly theirs: mls.CiphersuiteName
}

export const SUITES: readonly SuitePair[] = [
  {
    ours: 'x25519-aes128gcm-sha256-ed25519',
    theirs: 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519',
  },
  {
    ours: 'x25519-chacha20poly1305-sha256-ed25519',
    theirs: 'MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519',
  },
]

function present<Value>(value: Value | undefined, what: string): Value {
  if (value === undefined) throw new Error(`there is no ${what}`)
  return value
}

/** The package under test, as it is shipped. */
export class OurMember implements Member {
  readonly ours = true
  readonly name: string
  readonly keyPackage: Uint8Array
  readonly device: Device
  #group: Group | undefined

  private constructor(name: string, keyPackage: Uint8Array, device: Device) {
    this.name = name
    this.keyPackage = keyPackage
    this.device = device
  }

  static async create(name: string, suite: SuitePair): Promise<Member> {
    const device = await Device.create({ identity: name, suite: suite.ours })
    return new OurMember(name, await device.keyPackage(), device)
  }

  get #joined(): Group {
    return present(this.#group, 'group')
  }

  async leaf(name: string): Promise<number> {
    const members = await this.#joined.members()
    return present(
      members.find((member) => member.name === name),
      name,
    ).leaf
  }

  async found(): Promise<void> {
    this.#group = await this.device.createGroup()
  }

  async join(welcome: Uint8Array): Promise<void> {
    this.#group = await this.device.join(welcome)
  }

  async commit({ add, remove }: Changes) {
    const leaves = await Promise.all(remove.map((name) => this.leaf(name)))
    const made = await this.#joined.commit({ add, remove: leaves, update: true })
    await this.#joined.mergePending()
    return made
  }

  async propose(wish: Wish): Promise<Uint8Array> {
    if (wish === 'update') return this.#joined.proposeUpdate()
    return 'add' in wish
      ? this.#joined.proposeAdd(wish.add)
      : this.#joined.proposeRemove(await this.leaf(wish.remove))
  }

  async seal(plaintext: Uint8Array): Promise<Uint8Array> {
    return this.#joined.encrypt(plaintext)
  }

  async receive(message: Uint8Array): Promise<Uint8Array | undefined> {
    const received = await this.#joined.receive(message)
    return received.type === 'message' ? received.plaintext : undefined
  }

  async authenticator(): Promise<Uint8Array> {
    return this.#joined.epochAuthenticator()
  }

  close(): void {
    this.#group?.close()
    this.device.close()
  }
}

/** No default values, which strict peers refuse (RFC 9420 section 7.2). */
const CAPABILITIES: mls.Capabilities = {
  versions: ['mls10'],
  ciphersuites: SUITES.map(({ theirs }) => theirs),
  extensions: [],
  proposals: [],
  credentials: ['basic'],
}

function decoded(bytes: Uint8Array): mls.MLSMessage {
  const [message, length] = present(mls.decodeMlsMessage(bytes, 0), 'message')
  if (length !== bytes.length) throw new Error('bytes are left behind the message')
  return message
}

function keyPackageOf(bytes: Uint8Array): mls.KeyPackage {
  const message = decoded(bytes)
  if (message.wireformat !== 'mls_key_package') throw new Error('not a key package')
  return message.keyPackage
}

interface Keys {
  readonly publicPackage: mls.KeyPackage
  readonly privatePackage: mls.PrivateKeyPackage
}

/**
 * Whether ts-mls 1.6.4 refuses to join by a fault of its own: it wants the unmerged leaves of a parent to be those of
 * every other parent above the same leaf, where RFC 9420 section 7.9.2 only asks that parents between them list it too.
 */
export const isFaultOfTsMls = (error: unknown): boolean =>
  error instanceof Error &&
  error.message === 'non-blank intermediate node must list leaf node in its unmerged_leaves'

/**
 * Whether ts-mls 1.6.4 comes to other keys by a fault of its own once only these leaves are left: where the left half of the
 * tree is empty, no path has a node at the root, but it derives the secret of one (`pathToRoot`). RFC 9420 section 12.4.1
 * takes the last path secret that there is.
 */
export function isRootOfNoPath(leaves: readonly number[]): boolean {
  const width = 2 ** Math.ceil(Math.log2(Math.max(...leaves) + 1))
  return Math.min(...leaves) >= width / 2
}

/** ts-mls, whose states are plain values. */
export class TheirMember implements Member {
  readonly ours = false
  readonly name: string
  readonly keys: Keys
  readonly suite: mls.CiphersuiteImpl
  readonly keyPackage: Uint8Array
  #state: mls.ClientState | undefined

  private constructor(name: string, keys: Keys, suite: mls.CiphersuiteImpl) {
    const keyPackage = keys.publicPackage
    this.name = name
    this.keys = keys
    this.suite = suite
    this.keyPackage = mls.encodeMlsMessage({ version: 'mls10', wireformat: 'mls_key_package', keyPackage })
  }

  static async create(name: string, { theirs }: SuitePair): Promise<Member> {
    const suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(theirs))
    const credential = { credentialType: 'basic', identity: new TextEncoder().encode(name) } as const
    const keys = await mls.generateKeyPackage(credential, CAPABILITIES, mls.defaultLifetime, [], suite)
    return new TheirMember(name, keys, suite)
  }

  get #joined(): mls.ClientState {
    return present(this.#state, 'group')
  }

  #proposal(wish: Exclude<Wish, 'update'>): mls.Proposal {
    return 'add' in wish
      ? { proposalType: 'add', add: { keyPackage: keyPackageOf(wish.add) } }
      : { proposalType: 'remove', remove: { removed: this.leaf(wish.remove) } }
  }

  /** Leaves are the even nodes of the tree. */
  leaf(name: string): number {
    const at = this.#joined.ratchetTree.findIndex(
      (node) =>
        node?.nodeType === 'leaf' &&
        node.leaf.credential.credentialType === 'basic' &&
        text(node.leaf.credential.identity) === name,
    )
    if (at < 0) throw new Error(`there is no ${name}`)
    return at / 2
  }

  async found(): Promise<void> {
    const id = crypto.getRandomValues(new Uint8Array(32))
    const { publicPackage, privatePackage } = this.keys
    this.#state = await mls.createGroup(id, publicPackage, privatePackage, [], this.suite)
  }

  async join(bytes: Uint8Array): Promise<void> {
    const message = decoded(bytes)
    if (message.wireformat !== 'mls_welcome') throw new Error('not a Welcome')
    const { publicPackage, privatePackage } = this.keys
    this.#state = await mls.joinGroup(
      message.welcome,
      publicPackage,
      privatePackage,
      mls.emptyPskIndex,
      this.suite,
    )
  }

  async commit({ add, remove }: Changes) {
    const extraProposals = [
      ...add.map((keyPackage) => this.#proposal({ add: keyPackage })),
      ...remove.map((name) => this.#proposal({ remove: name })),
    ]
    const made = await mls.createCommit(
      { state: this.#joined, cipherSuite: this.suite },
      { extraProposals, ratchetTreeExtension: true },
    )
    this.#state = made.newState
    const welcome =
      made.welcome &&
      mls.encodeMlsMessage({ version: 'mls10', wireformat: 'mls_welcome', welcome: made.welcome })
    return { commit: mls.encodeMlsMessage(made.commit), welcome }
  }

  async propose(wish: Wish): Promise<Uint8Array> {
    if (wish === 'update') throw new Error('ts-mls makes no Update proposals')
    const made = await mls.createProposal(this.#joined, false, this.#proposal(wish), this.suite)
    this.#state = made.newState
    return mls.encodeMlsMessage(made.message)
  }

  async seal(plaintext: Uint8Array): Promise<Uint8Array> {
    const made = await mls.createApplicationMessage(this.#joined, plaintext, this.suite)
    this.#state = made.newState
    const { privateMessage } = made
    return mls.encodeMlsMessage({ version: 'mls10', wireformat: 'mls_private_message', privateMessage })
  }

  async receive(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const message = decoded(bytes)
    if (message.wireformat !== 'mls_private_message') throw new Error('not a PrivateMessage')
    const { privateMessage } = message
    const received = await mls.processPrivateMessage(
      this.#joined,
      privateMessage,
      mls.emptyPskIndex,
      this.suite,
    )
    this.#state = received.newState
    return received.kind === 'applicationMessage' ? received.message : undefined
  }

  async authenticator(): Promise<Uint8Array> {
    return this.#joined.keySchedule.epochAuthenticator
  }

  close(): void {
    this.#state = undefined
  }
}
