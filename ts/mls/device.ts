import { CoterieError, unwrap } from '../errors.js'
import { abortable, type AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { native, type NativeDevice, type NativeIdentity } from '../native.js'
import { toNativeCertified, type Certified } from './certified.js'
import type { Directory } from './directory.js'
import { toCertificateInfo, type CertificateInfo } from './events.js'
import type { JoinedExternally, JoinExternalOptions, ProposeSelfOptions } from './external.js'
import { Group } from './group.js'
import { consult, type Policy } from './policy.js'
import { toNativePskIds } from './psks.js'
import { CIPHER_SUITES, DEFAULT_CIPHER_SUITE, type CipherSuite } from './suites.js'

/** Which credentials a device believes, and who is wanted. Not stored: it is said each time. */
export interface Authentication {
  /**
   * Authorities whose certificates are believed, in DER. With them Basic credentials are not, unless `acceptBasic`
   * says so; without them nothing else is.
   */
  readonly trustAnchors?: readonly Uint8Array[]
  /** Whether Basic credentials are believed beside certificates: everybody can call itself by any name then. */
  readonly acceptBasic?: boolean
  /** Asked about everybody who comes in. */
  readonly policy?: Policy
}

/** Whom a new device's credential names: a name by itself, or a certificate. */
export type DeviceIdentity =
  | {
      /** Whom it names: a user, usually the same on all of the user's devices. Text is taken as UTF-8. */
      readonly identity: string | Uint8Array
      readonly certificate?: undefined
    }
  | {
      /** The name that the certificate must have, where one is given. */
      readonly identity?: string | Uint8Array
      /** A certificate in place of a Basic credential; it takes `trustAnchors`. */
      readonly certificate: Certified
    }

/** What every device takes, however it is made. */
export interface DeviceSettings extends Authentication {
  /** The suite of its key packages and groups where a call does not name another. */
  readonly suite?: CipherSuite
  /** The time in milliseconds since 1970; the system's where none is given. */
  readonly clock?: () => number
}

/** Who a device is. */
export type DeviceOptions = DeviceSettings & DeviceIdentity

/** What opens a store: a passphrase, or 32 bytes that the application keeps elsewhere. */
export type StoreKey =
  | { readonly passphrase: string | Uint8Array; readonly key?: undefined }
  | { readonly key: Uint8Array; readonly passphrase?: undefined }

/** Which device is opened, and what opens it. */
export type OpenDeviceOptions = StoreKey &
  AbortOptions &
  DeviceSettings & {
    /**
     * A certificate for a new device, in place of a Basic credential; it takes `trustAnchors`. Where the store holds a
     * device that has another one, of the same name and signature scheme, it is renewed: what is made from now on shows
     * the new one. In groups where the device is already, {@link Group.commit} with `certificate` renews it.
     */
    readonly certificate?: Certified
    /** The path of the encrypted database. Files beside it begin with the same name. */
    readonly store: string
    /** Whom a new device's credential names; where the store holds a device, it must be this one's. */
    readonly identity?: string | Uint8Array
    /** Whether a store that is not there is made; true where nothing is said. */
    readonly create?: boolean
  }

/** How the key of a store is changed. */
export type RekeyOptions = StoreKey &
  AbortOptions & {
    /**
     * Whether everything stored is encrypted again. Without it only the way in changes, which takes an instant, but
     * does not shut out somebody who has the old key and an old copy of the key file.
     */
    readonly reencrypt?: boolean
  }

/** How key packages are made. */
export interface KeyPackageOptions extends AbortOptions {
  /** The suite they are for; the device's own where none is named. */
  readonly suite?: CipherSuite
  /** Whether they may be used again when no other is left. */
  readonly lastResort?: boolean
  /** How long they may be used, in milliseconds; 84 days where nothing is said. */
  readonly lifetime?: number
}

/** How a group begins. */
export interface CreateGroupOptions extends AbortOptions {
  /** The group's id, of 1 to 255 bytes; 32 random ones where none is given. */
  readonly id?: Uint8Array
  /** Its suite; the device's own where none is named. */
  readonly suite?: CipherSuite
}

/** What a new group is begun with. */
export interface SuiteChoice {
  /** The suite. */
  readonly suite: CipherSuite
  /** A key package of that suite for each invitee, in their order. */
  readonly keyPackages: readonly Uint8Array[]
}

/** How a group is joined. */
export interface JoinOptions extends AbortOptions {
  /** The group's tree, where it does not travel inside the Welcome. */
  readonly ratchetTree?: Uint8Array | undefined
}

/**
 * The key packages that a device holds private keys for.
 *
 * The directory may have handed some of them out already, of which the device learns only by the Welcome. A directory
 * that says how many it still has is to be believed rather than this.
 */
export interface KeyPackageStock {
  /** Good for one use, and for two weeks yet. */
  readonly usable: number
  /** Good for any number of uses, and for two weeks yet. */
  readonly lastResort: number
  /** Valid, but so close to their end that others should replace them. */
  readonly ending: number
  /** No longer valid; kept in case a Welcome is still under way. */
  readonly expired: number
  /** How many to make and publish now; 0 while there are enough. */
  readonly wanted: number
  /** Whether to make and publish one of last resort now. */
  readonly wantsLastResort: boolean
}

/** Whose key packages are counted. */
export interface KeyPackageStockOptions extends AbortOptions {
  /** The suite they are for; the device's own where none is named. */
  readonly suite?: CipherSuite
}

/** What a key package says about its owner. Its signatures were checked. */
export interface KeyPackageInfo {
  /** What its certificates say; undefined for a Basic credential. */
  readonly certificate: CertificateInfo | undefined
  /** Whom its credential names. */
  readonly identity: Uint8Array
  /** The key its owner's messages are verified with. */
  readonly signatureKey: Uint8Array
  /** The suite it is for. */
  readonly suite: CipherSuite
  /** Whether it may be used more than once. */
  readonly lastResort: boolean
  /** When it becomes invalid. */
  readonly expires: Date
  /** What names it: a hash over its bytes. */
  readonly reference: Uint8Array
}

function storeKey({ passphrase, key }: StoreKey): { passphrase: Uint8Array } | { key: Uint8Array } {
  if ((passphrase === undefined) === (key === undefined)) {
    throw new CoterieError('INVALID_ARGUMENT', 'either passphrase or key must be given')
  }
  if (key === undefined) return { passphrase: check.bytesOrText(passphrase, 'passphrase') }
  return { key: check.bytes(key, 'key') }
}

function toNativeIdentity(options: DeviceOptions | OpenDeviceOptions): NativeIdentity {
  const { identity, suite, certificate, trustAnchors, acceptBasic } = options
  if (acceptBasic !== undefined && typeof acceptBasic !== 'boolean') {
    throw new CoterieError('INVALID_ARGUMENT', 'acceptBasic must be a boolean')
  }
  const trust =
    trustAnchors === undefined
      ? undefined
      : { anchors: check.bytesList(trustAnchors, 'trustAnchors'), basic: acceptBasic === true }
  return {
    suite: suiteOrDefault(suite) ?? DEFAULT_CIPHER_SUITE,
    ...(identity === undefined ? {} : { identity: check.bytesOrText(identity, 'identity') }),
    ...(certificate === undefined ? {} : { certified: toNativeCertified(certificate) }),
    ...(trust === undefined ? {} : { trust }),
  }
}

/** Only a certificate is judged when a device is made or opened. */
function timeFor({ certified }: NativeIdentity, clock: () => number): number {
  return certified === undefined ? 0 : check.time(clock)
}

function policyOf({ policy }: Authentication): Policy | undefined {
  if (policy !== undefined && typeof policy !== 'function') {
    throw new CoterieError('INVALID_ARGUMENT', 'policy must be a function')
  }
  return policy
}

/** What one call may be asked to make: each is two key pairs and a signature. */
const MAX_KEY_PACKAGES = 10_000

function suiteOrDefault(value: CipherSuite | undefined): CipherSuite | undefined {
  return value === undefined ? undefined : check.oneOf(value, CIPHER_SUITES, 'suite')
}

/** @internal What other parts of the package need of a device. */
export interface DeviceInside {
  readonly native: NativeDevice
  readonly clock: () => number
  readonly policy: Policy | undefined
}

/** @internal */
export let insideOfDevice: (device: Device) => DeviceInside

/**
 * One installation of one user: an identity, signature keys, the key packages it has published and its groups.
 *
 * A device that was created lives in memory and ends with the process. One that was opened lives in an encrypted store:
 * each step is on disk before its call resolves, and everything is there again after a crash. Close it, or hold it with
 * `await using`.
 *
 * @example
 * ```ts
 * await using alice = await Device.open({ store: './alice.db', passphrase, identity: 'alice' })
 * await alice.publish(directory)
 * ```
 */
export class Device implements Disposable, AsyncDisposable {
  #native: NativeDevice | undefined
  readonly #clock: () => number

  readonly #policy: Policy | undefined

  static {
    insideOfDevice = (device) => ({
      native: device.#device,
      clock: device.#clock,
      policy: device.#policy,
    })
  }

  private constructor(device: NativeDevice, clock: () => number, policy: Policy | undefined) {
    this.#native = device
    this.#clock = clock
    this.#policy = policy
  }

  /**
   * Opens the device that a store holds, or makes one there.
   *
   * A store has one owner at a time, on this machine and in all its processes.
   *
   * @throws {@link CoterieError} `STORE_LOCKED`, `STORE_WRONG_KEY`, `STORE_DAMAGED`, `STORE_NEWER`, `STORE_FULL`,
   * `STORE_IO`, `STORE_BUSY`, `MLS_INVALID_CREDENTIAL`, `MLS_CERTIFICATE_EXPIRED`, `INVALID_ARGUMENT`,
   * `RANDOMNESS_UNAVAILABLE`.
   */
  static async open(options: OpenDeviceOptions): Promise<Device> {
    const { store, create = true, clock } = check.options(options)
    const signal = check.signal(options)
    const file = {
      path: check.text(store, 'store'),
      create: create === true,
      ...storeKey(check.options(options)),
    }
    const who = toNativeIdentity(check.options(options))
    const now = check.clock(clock)
    const policy = policyOf(options)
    const device = await abortable(signal, (cancellation) =>
      native.NativeDevice.open(file, who, timeFor(who, now), cancellation),
    )
    return new Device(device, now, policy)
  }

  /**
   * Makes a device with fresh keys, in memory.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_INVALID_CREDENTIAL`, `MLS_CERTIFICATE_EXPIRED`, `MLS_TOO_LARGE`,
   * `RANDOMNESS_UNAVAILABLE`.
   */
  static async create(options: DeviceOptions): Promise<Device> {
    const { identity, certificate, clock } = check.options(options)
    if (certificate === undefined && identity === undefined) {
      throw new CoterieError('INVALID_ARGUMENT', 'a device needs an identity or a certificate')
    }
    const who = toNativeIdentity(options)
    const now = check.clock(clock)
    const policy = policyOf(options)
    return new Device(unwrap(native.NativeDevice.create(who, timeFor(who, now))), now, policy)
  }

  /** @internal Whether `value` is one, and not only looks like one. */
  static is(value: object): value is Device {
    return #native in value
  }

  /** Whom this device's credential names. */
  get identity(): Uint8Array {
    return this.#device.identity
  }

  /** The suite used where a call does not name another. */
  get suite(): CipherSuite {
    return this.#device.suite as CipherSuite
  }

  /** The key that this device's messages are verified with in groups of `suite`. */
  signatureKey(suite: CipherSuite = this.suite): Uint8Array {
    return unwrap(this.#device.signatureKey(check.oneOf(suite, CIPHER_SUITES, 'suite')))
  }

  /**
   * Makes one key package: what lets others add this device while it is away.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_CERTIFICATE_EXPIRED`, `MLS_UNSUPPORTED`,
   * `RANDOMNESS_UNAVAILABLE`.
   */
  async keyPackage(options?: KeyPackageOptions): Promise<Uint8Array> {
    const [only] = await this.keyPackages(1, options)
    if (only === undefined)
      throw new CoterieError('INTERNAL', 'one key package was asked for and none was made')
    return only
  }

  /**
   * Makes several key packages at once.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_CERTIFICATE_EXPIRED`, `MLS_UNSUPPORTED`,
   * `RANDOMNESS_UNAVAILABLE`.
   */
  async keyPackages(count: number, options?: KeyPackageOptions): Promise<Uint8Array[]> {
    const device = this.#device
    const { suite, lastResort, lifetime } = check.options(options)
    const signal = check.signal(options)
    const named = suiteOrDefault(suite)
    const order = {
      count: check.upTo(MAX_KEY_PACKAGES, count, 'count'),
      lastResort: lastResort === true,
      ...(named === undefined ? {} : { suite: named }),
      ...(lifetime === undefined ? {} : { lifetime: check.milliseconds(lifetime, 'lifetime') }),
    }
    return abortable(signal, (cancellation) => device.keyPackages(order, this.#now(), cancellation))
  }

  /** Makes `count` key packages and publishes them to `directory`. */
  async publish(directory: Directory, count = 1, options?: KeyPackageOptions): Promise<void> {
    const target = check.having(directory, ['publish'], 'directory')
    const packages = await this.keyPackages(count, options)
    await target.publish(this.identity, packages, { signal: check.signal(options) })
  }

  /**
   * Checks a key package and says whose it is.
   *
   * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_INVALID_KEY_PACKAGE`, `MLS_INVALID_CREDENTIAL`,
   * `MLS_CERTIFICATE_EXPIRED`, `MLS_UNSUPPORTED`.
   */
  inspectKeyPackage(keyPackage: Uint8Array): KeyPackageInfo {
    const info = unwrap(this.#device.inspectKeyPackage(check.bytes(keyPackage, 'keyPackage'), this.#now()))
    return {
      ...info,
      certificate: toCertificateInfo(info.certificate),
      suite: info.suite as CipherSuite,
      expires: new Date(info.expires),
    }
  }

  /**
   * Begins a group with this device as its only member.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_GROUP_EXISTS`, `RANDOMNESS_UNAVAILABLE`.
   */
  async createGroup(options?: CreateGroupOptions): Promise<Group> {
    const device = this.#device
    const { id, suite } = check.options(options)
    const signal = check.signal(options)
    const bytes = id === undefined ? undefined : check.bytes(id, 'id')
    const name = suiteOrDefault(suite)
    const group = await abortable(signal, (cancellation) =>
      device.createGroup(bytes, name, this.#now(), cancellation),
    )
    return new Group(group, this.#clock, this.#policy)
  }

  /**
   * Chooses the suite for a new group: the hybrid post-quantum one where every invitee offers a key package for it, and
   * otherwise the best that all have in common. Each of `offers` is what one device has published, of any suites.
   *
   * @example
   * ```ts
   * const bobs = [await bob.keyPackage(), await bob.keyPackage({ suite: CIPHER_SUITES[0] })]
   * const { suite, keyPackages } = await alice.chooseSuite([bobs])
   * const group = await alice.createGroup({ suite })
   * const { commit, welcome } = await group.commit({ add: keyPackages })
   * ```
   *
   * @throws {@link CoterieError} `MLS_UNSUPPORTED` where no suite is common to all, `MLS_INVALID_KEY_PACKAGE`,
   * `MLS_MALFORMED`, `MLS_TOO_LARGE`, `INVALID_ARGUMENT`.
   */
  async chooseSuite(
    offers: readonly (readonly Uint8Array[])[],
    options?: AbortOptions,
  ): Promise<SuiteChoice> {
    const device = this.#device
    const signal = check.signal(options)
    const lists = check.list(offers, 'offers', check.bytesList)
    const { suite, keyPackages } = await abortable(signal, (cancellation) =>
      device.chooseSuite(lists, this.#now(), cancellation),
    )
    return { suite: suite as CipherSuite, keyPackages }
  }

  /**
   * Joins a group by the Welcome that a member sent.
   *
   * The key package it was made for is used up; a Welcome that is refused uses up nothing.
   *
   * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_WELCOME_INVALID`, `MLS_KEY_PACKAGE_NOT_FOUND`, `MLS_UNSUPPORTED`,
   * `MLS_GROUP_EXISTS`, `MLS_INVALID_CREDENTIAL`, `MLS_REFUSED_BY_POLICY`, and `MLS_DESCENT_UNKNOWN` where the group succeeds one that this device was not in.
   */
  async join(welcome: Uint8Array, options?: JoinOptions): Promise<Group> {
    const device = this.#device
    const { ratchetTree } = check.options(options)
    const signal = check.signal(options)
    const bytes = check.bytes(welcome, 'welcome')
    const tree = ratchetTree === undefined ? undefined : check.bytes(ratchetTree, 'ratchetTree')
    const now = this.#now()
    if (this.#policy !== undefined) {
      const present = await abortable(signal, (cancellation) =>
        device.welcomedBy(bytes, tree, now, cancellation),
      )
      await consult(this.#policy, present, [signal])
    }
    const group = await abortable(signal, (cancellation) => device.join(bytes, tree, now, cancellation))
    return new Group(group, this.#clock, this.#policy)
  }

  /**
   * Loads a group that this device is in; undefined where it is in none of that id.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `STORE_DAMAGED`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async openGroup(id: Uint8Array, options?: AbortOptions): Promise<Group | undefined> {
    const device = this.#device
    const signal = check.signal(options)
    const bytes = check.bytes(id, 'id')
    const group = await abortable(signal, (cancellation) => device.openGroup(bytes, cancellation))
    return group === null ? undefined : new Group(group, this.#clock, this.#policy)
  }

  /**
   * Joins a group by a commit of its own, with a GroupInfo that a member or a server gave out.
   *
   * The group is here at once; the commit is for everybody in it. Should another commit have come first, the group here
   * is a fork: close it, {@link Device.forgetGroup | forget} it and join again with a newer GroupInfo.
   * {@link GroupSession.joinExternal} finds that out by itself.
   *
   * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_GROUP_INFO_INVALID`, `MLS_UNSUPPORTED`, `MLS_GROUP_EXISTS`,
   * `MLS_INVALID_CREDENTIAL`, `MLS_CERTIFICATE_EXPIRED`, `MLS_REFUSED_BY_POLICY`, `MLS_PSK_NOT_FOUND`, `MLS_TOO_LARGE`,
   * `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  async joinExternal(groupInfo: Uint8Array, options?: JoinExternalOptions): Promise<JoinedExternally> {
    const device = this.#device
    const { ratchetTree, resync, psks } = check.options(options)
    const signal = check.signal(options)
    const bytes = check.bytes(groupInfo, 'groupInfo')
    const how = {
      resync: resync === true,
      psks: toNativePskIds(psks),
      ...(ratchetTree === undefined ? {} : { ratchetTree: check.bytes(ratchetTree, 'ratchetTree') }),
    }
    const now = this.#now()
    if (this.#policy !== undefined) {
      const present = await abortable(signal, (cancellation) =>
        device.presentIn(bytes, how, now, cancellation),
      )
      await consult(this.#policy, present, [signal])
    }
    const { group, commit } = await abortable(signal, (cancellation) =>
      device.joinExternal(bytes, how, now, cancellation),
    )
    return { group: new Group(group, this.#clock, this.#policy), commit }
  }

  /**
   * Asks to be added to the group that a GroupInfo describes: a proposal, which some member's commit makes happen, and
   * whose Welcome is then for this device. The key package for it is made here, of the group's suite.
   *
   * @throws {@link CoterieError} `MLS_MALFORMED`, `MLS_UNSUPPORTED`, `MLS_TOO_LARGE`, `INVALID_ARGUMENT`,
   * `RANDOMNESS_UNAVAILABLE`, `HANDLE_CLOSED`.
   */
  async proposeSelf(groupInfo: Uint8Array, options?: ProposeSelfOptions): Promise<Uint8Array> {
    const device = this.#device
    const { lifetime } = check.options(options)
    const signal = check.signal(options)
    const bytes = check.bytes(groupInfo, 'groupInfo')
    const span = lifetime === undefined ? undefined : check.milliseconds(lifetime, 'lifetime')
    return abortable(signal, (cancellation) => device.proposeSelf(bytes, span, this.#now(), cancellation))
  }

  /**
   * The ids of the groups that this device is in, in the order of their bytes. A device in memory keeps no list: there,
   * a group lives as long as its object.
   *
   * @throws {@link CoterieError} `STORE_DAMAGED`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async groups(options?: AbortOptions): Promise<Uint8Array[]> {
    const device = this.#device
    return abortable(check.signal(options), (cancellation) => device.groups(cancellation))
  }

  /**
   * Forgets a group and every key of it, whether or not this device is still a member; the others do not learn of it.
   * Answers whether there was anything to forget. Close the {@link Group} first, if it is open.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `STORE_FULL`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async forgetGroup(id: Uint8Array, options?: AbortOptions): Promise<boolean> {
    const device = this.#device
    const bytes = check.bytes(id, 'id')
    return abortable(check.signal(options), (cancellation) => device.forgetGroup(bytes, cancellation))
  }

  /**
   * What this device holds of key packages for one suite, and how many to publish now.
   *
   * @example
   * ```ts
   * const { wanted, wantsLastResort } = await device.keyPackageStock()
   * if (wanted > 0) await device.publish(directory, wanted)
   * if (wantsLastResort) await device.publish(directory, 1, { lastResort: true })
   * ```
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `STORE_DAMAGED`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async keyPackageStock(options?: KeyPackageStockOptions): Promise<KeyPackageStock> {
    const device = this.#device
    const { suite } = check.options(options)
    const signal = check.signal(options)
    const name = suiteOrDefault(suite) ?? this.suite
    return abortable(signal, (cancellation) => device.keyPackageStock(name, this.#now(), cancellation))
  }

  /**
   * How many key packages of any suite could still be used to invite this device.
   *
   * @throws {@link CoterieError} `STORE_DAMAGED`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async keyPackageCount(options?: AbortOptions): Promise<number> {
    const device = this.#device
    return abortable(check.signal(options), (cancellation) =>
      device.keyPackageCount(this.#now(), cancellation),
    )
  }

  /**
   * Forgets the key packages that expired more than 30 days ago, longer than a Welcome may be under way, and answers how
   * many they were.
   *
   * @throws {@link CoterieError} `STORE_FULL`, `STORE_DAMAGED`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async forgetExpiredKeyPackages(options?: AbortOptions): Promise<number> {
    const device = this.#device
    return abortable(check.signal(options), (cancellation) =>
      device.forgetExpiredKeyPackages(this.#now(), cancellation),
    )
  }

  /**
   * Stores a pre-shared key, or replaces the one of that name. From here on it is found when a Welcome or commit refers
   * to it.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_TOO_LARGE`, `STORE_FULL`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async storePsk(id: string | Uint8Array, secret: Uint8Array, options?: AbortOptions): Promise<void> {
    const device = this.#device
    const name = check.bytesOrText(id, 'id')
    const bytes = check.bytes(secret, 'secret')
    await abortable(check.signal(options), (cancellation) => device.storePsk(name, bytes, cancellation))
  }

  /**
   * Forgets a pre-shared key, whether or not it was stored.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `MLS_TOO_LARGE`, `STORE_FULL`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async forgetPsk(id: string | Uint8Array, options?: AbortOptions): Promise<void> {
    const device = this.#device
    const name = check.bytesOrText(id, 'id')
    await abortable(check.signal(options), (cancellation) => device.forgetPsk(name, cancellation))
  }

  /**
   * Makes another key the one that opens the store. If the process dies meanwhile, the old one opens it, or the new one.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `STORE_FULL`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async rekey(options: RekeyOptions): Promise<void> {
    const device = this.#device
    const { reencrypt } = check.options(options)
    const signal = check.signal(options)
    const order = { ...storeKey(check.options(options)), reencrypt: reencrypt === true }
    await abortable(signal, (cancellation) => device.rekey(order, cancellation))
  }

  /**
   * Lets go of the device and frees its store for the next owner, once what is under way is done. Groups of a stored
   * device answer `HANDLE_CLOSED` from then on; those of a device in memory stay open until they are closed themselves.
   * Closing twice is fine.
   *
   * @throws {@link CoterieError} `STORE_FULL`, `STORE_IO`: everything that was acknowledged is there when it is opened again.
   */
  async close(): Promise<void> {
    const device = this.#native
    this.#native = undefined
    if (device !== undefined) unwrap(await device.close())
  }

  /** Begins to close, without waiting for it: `await using` waits. */
  [Symbol.dispose](): void {
    this.close().catch(() => undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #device(): NativeDevice {
    if (this.#native === undefined) throw new CoterieError('HANDLE_CLOSED', 'the device was closed')
    return this.#native
  }

  #now(): number {
    return check.time(this.#clock)
  }
}
