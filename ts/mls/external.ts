/** What somebody outside a group may know and do. */
import { CoterieError, unwrap } from '../errors.js'
import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { native, type NativeExternalSigner } from '../native.js'
import { toNativeExtensions, type ExternalSender, type GroupExtension } from './extensions.js'
import type { Group } from './group.js'
import type { PskId } from './psks.js'
import { CIPHER_SUITES, DEFAULT_CIPHER_SUITE, type CipherSuite } from './suites.js'

/** What a GroupInfo says about its group. Whether it is true shows when somebody joins with it. */
export interface GroupInfoSummary {
  /** The group's name. */
  readonly groupId: Uint8Array
  /** The epoch it is of. */
  readonly epoch: bigint
  /** The group's suite. */
  readonly suite: CipherSuite
  /** The group's extensions. */
  readonly extensions: readonly GroupExtension[]
}

/** What a message of a group says in the clear. Nothing of it is verified. */
export interface MessageHead {
  /** The group it is for. */
  readonly groupId: Uint8Array
  /** The epoch it was made in. */
  readonly epoch: bigint
  /** What it carries. */
  readonly content: 'application' | 'proposal' | 'commit'
}

/** How a device joins by a commit of its own. */
export interface JoinExternalOptions extends AbortOptions {
  /** The group's tree, where it does not travel inside the GroupInfo. */
  readonly ratchetTree?: Uint8Array | undefined
  /**
   * Whether to come back to a group that this device is in already: its old leaf is removed by the same commit, and
   * what it held of the group is replaced. It comes back under the credential and signature key of that leaf, which may
   * be older than the device's own. A device without a store knows only the latter: where it had changed them in that
   * group, its old leaf stays until somebody removes it. Close the old {@link Group} first.
   */
  readonly resync?: boolean
  /** Pre-shared keys to mix in; `resumption` is for members only. */
  readonly psks?: readonly PskId[]
}

/** A group that was joined by a commit of one's own. */
export interface JoinedExternally {
  readonly group: Group
  /** For everybody in the group. Should another commit have come first, `group` is a fork: forget it and join again. */
  readonly commit: Uint8Array
}

/** How a device asks to be added. */
export interface ProposeSelfOptions extends AbortOptions {
  /** How long the key package that is made for it may be used, in milliseconds; 84 days where nothing is said. */
  readonly lifetime?: number
}

/** Who an external signer is. */
export interface ExternalSignerOptions {
  /** Whom its credential names. Text is taken as UTF-8. */
  readonly identity: string | Uint8Array
  /** A suite of the groups it proposes to; groups of all suites with Ed25519 can share a signer. */
  readonly suite?: CipherSuite
  /** The time in milliseconds since 1970; the system's where none is given. */
  readonly clock?: () => number
}

/**
 * Reads what a GroupInfo says about its group. Nothing of it is verified: only joining does that.
 *
 * @example
 * ```ts
 * const { groupId, epoch, extensions } = await readGroupInfo(groupInfo)
 * ```
 *
 * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_UNSUPPORTED`, `MLS_TOO_LARGE`, `INVALID_ARGUMENT`.
 */
export async function readGroupInfo(
  groupInfo: Uint8Array,
  options?: AbortOptions,
): Promise<GroupInfoSummary> {
  const bytes = check.bytes(groupInfo, 'groupInfo')
  const info = await abortable(check.signal(options), (cancellation) =>
    native.nativeGroupInfo(bytes, cancellation),
  )
  return { ...info, suite: info.suite as CipherSuite }
}

/**
 * Reads what a message of a group says in the clear: what a server may know that orders commits.
 *
 * @example
 * ```ts
 * const { groupId, epoch, content } = await readMessageHead(message)
 * ```
 *
 * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_UNSUPPORTED`, `MLS_TOO_LARGE`, `INVALID_ARGUMENT`.
 */
export async function readMessageHead(message: Uint8Array, options?: AbortOptions): Promise<MessageHead> {
  const bytes = check.bytes(message, 'message')
  return abortable(check.signal(options), (cancellation) => native.nativeMessageHead(bytes, cancellation))
}

/**
 * Somebody outside all groups, whom some of them let propose changes: a server that removes closed accounts, say.
 *
 * A group admits it by listing its {@link ExternalSigner.sender} in an `external-senders` extension. What it proposes
 * waits for a member's commit. It has no store of its own: keep {@link ExternalSigner.toBytes} where you keep keys.
 *
 * @example
 * ```ts
 * using admin = await ExternalSigner.create({ identity: 'admin' })
 * await group.commit({ extensions: [{ type: 'external-senders', senders: [admin.sender] }] })
 * await group.mergePending()
 * const info = await readGroupInfo(await group.groupInfo())
 * const proposal = await admin.proposeRemove(leaf, info)
 * ```
 */
export class ExternalSigner implements Disposable {
  #native: NativeExternalSigner | undefined
  readonly #clock: () => number

  private constructor(signer: NativeExternalSigner, clock: () => number) {
    this.#native = signer
    this.#clock = clock
  }

  /**
   * Makes a signer with a fresh key.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_TOO_LARGE`, `RANDOMNESS_UNAVAILABLE`.
   */
  static async create(options: ExternalSignerOptions): Promise<ExternalSigner> {
    const { identity, suite = DEFAULT_CIPHER_SUITE, clock } = check.options(options)
    const bytes = check.bytesOrText(identity, 'identity')
    const name = check.oneOf(suite, CIPHER_SUITES, 'suite')
    return new ExternalSigner(unwrap(native.NativeExternalSigner.create(bytes, name)), check.clock(clock))
  }

  /**
   * The signer that {@link ExternalSigner.toBytes} gave out.
   *
   * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_UNSUPPORTED`, `INVALID_ARGUMENT`.
   */
  static fromBytes(bytes: Uint8Array, options?: Pick<ExternalSignerOptions, 'clock'>): ExternalSigner {
    const { clock } = check.options(options)
    const signer = unwrap(native.NativeExternalSigner.import(check.bytes(bytes, 'bytes')))
    return new ExternalSigner(signer, check.clock(clock))
  }

  /**
   * Everything that makes it up, its private key included: a secret.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  toBytes(): Uint8Array {
    return unwrap(this.#signer.export())
  }

  /** Whom a group admits that lists this. */
  get sender(): ExternalSender {
    const { identity, signatureKey } = this.#signer
    return { identity, signatureKey }
  }

  /** The suite it was made for. */
  get suite(): CipherSuite {
    return this.#signer.suite as CipherSuite
  }

  /**
   * Proposes to add the holder of a key package to the group of `info`.
   *
   * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_INVALID_KEY_PACKAGE`, `INVALID_ARGUMENT` where the group does not
   * list this signer, `HANDLE_CLOSED`.
   */
  async proposeAdd(keyPackage: Uint8Array, info: GroupInfoSummary): Promise<Uint8Array> {
    const bytes = check.bytes(keyPackage, 'keyPackage')
    return unwrap(this.#signer.proposeAdd(this.#address(info), bytes, check.time(this.#clock)))
  }

  /**
   * Proposes to remove a member from the group of `info`.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT` where the group does not list this signer, `HANDLE_CLOSED`.
   */
  async proposeRemove(leaf: number, info: GroupInfoSummary): Promise<Uint8Array> {
    const index = check.u32(leaf, 'leaf')
    return unwrap(this.#signer.proposeRemove(this.#address(info), index))
  }

  /**
   * Proposes what the extensions of the group of `info` shall be, all of them.
   *
   * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_INVALID_PROPOSAL`, `MLS_TOO_LARGE`, `INVALID_ARGUMENT` where the
   * group does not list this signer, `HANDLE_CLOSED`.
   */
  async proposeExtensions(
    extensions: readonly GroupExtension[],
    info: GroupInfoSummary,
    options?: AbortOptions,
  ): Promise<Uint8Array> {
    const signer = this.#signer
    const list = toNativeExtensions(extensions)
    const address = this.#address(info)
    return abortable(check.signal(options), (cancellation) =>
      signer.proposeExtensions(address, list, cancellation),
    )
  }

  /** Lets go of the key. Closing twice is fine. */
  close(): void {
    this.#native = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }

  get #signer(): NativeExternalSigner {
    if (this.#native === undefined) throw new CoterieError('HANDLE_CLOSED', 'the signer was closed')
    return this.#native
  }

  /** Where the group that `info` describes lists this signer. */
  #address(info: GroupInfoSummary): { groupId: Uint8Array; epoch: bigint; index: number } {
    const { groupId, epoch, extensions } = check.record(info, 'info')
    const own = this.sender
    const listed = toNativeExtensions(extensions).find(({ type }) => type === 'external-senders')
    const senders = listed?.type === 'external-senders' ? listed.senders : []
    const index = senders.findIndex(
      ({ identity, signatureKey }) =>
        Buffer.compare(identity, own.identity) === 0 && Buffer.compare(signatureKey, own.signatureKey) === 0,
    )
    if (index < 0) {
      throw new CoterieError('INVALID_ARGUMENT', 'the group does not list this signer as an external sender')
    }
    return { groupId: check.bytes(groupId, 'info.groupId'), epoch: check.u64(epoch, 'info.epoch'), index }
  }
}
