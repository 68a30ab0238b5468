import { unwrap } from '../errors.js'
import { bytes, text, u32 } from '../internal/arguments.js'
import { native, type NativeCompatMls } from '../native.js'
import { buffer, Closable, Handle } from './handle.js'

/**
 * One identity, its group and every number that it seals under.
 *
 * Close it when it is no longer needed; dropping it does the same later.
 */
export class MlsContext extends Closable {
  /** The name that the caller gave, also where the context was restored. */
  readonly identity: string
  readonly #handle: Handle<NativeCompatMls>
  /** The group's epoch since it was last asked for; undefined where the group may have moved. */
  #epoch: bigint | undefined

  private constructor(context: NativeCompatMls, identity: string) {
    const handle = new Handle(context, 'MLS context')
    super(handle)
    this.#handle = handle
    this.identity = identity
  }

  /** A new identity, alone in a group of its own. */
  static create(identity: string): MlsContext {
    text(identity, 'identity')
    return new MlsContext(unwrap(native.NativeCompatMls.create(identity, Date.now())), identity)
  }

  /** A context as {@link MlsContext.exportState} gave it. The numbers of what it sends go on behind those that were used. */
  static restoreState(state: Buffer, identity = ''): MlsContext {
    text(identity, 'identity')
    return new MlsContext(unwrap(native.NativeCompatMls.restore(bytes(state, 'state'))), identity)
  }

  /** @internal Whether `value` is one, and not only looks like one. */
  static is(value: object): value is MlsContext {
    return #handle in value
  }

  /** @internal */
  get native(): NativeCompatMls {
    return this.#handle.get()
  }

  /** The group's epoch. */
  get epoch(): bigint {
    const context = this.native
    this.#epoch ??= unwrap(context.epoch())
    return this.#epoch
  }

  /** The native side, for what can move the group. */
  get #moving(): NativeCompatMls {
    this.#epoch = undefined
    return this.native
  }

  /** The group's id, of 16 bytes. */
  get groupId(): Buffer {
    return buffer(unwrap(this.native.groupId()))
  }

  /** The key package by which others add this context. Once it was used there is another one. */
  exportKeyPackage(): Buffer {
    return buffer(unwrap(this.native.keyPackage(Date.now())))
  }

  /** Adds somebody at once and answers the Welcome. For the first other member only: the commit is not handed out. */
  invite(keyPackage: Buffer): Buffer {
    return buffer(unwrap(this.#moving.invite(bytes(keyPackage, 'keyPackage'), Date.now())))
  }

  /** A commit that adds somebody, and the Welcome. Nothing changes before {@link MlsContext.finalizeCommit}. */
  inviteFull(keyPackage: Buffer): { commit: Buffer; welcome: Buffer } {
    const invited = unwrap(this.native.inviteFull(bytes(keyPackage, 'keyPackage'), Date.now()))
    return { commit: buffer(invited.commit), welcome: buffer(invited.welcome) }
  }

  /** A commit that removes the member at a leaf. Nothing changes before {@link MlsContext.finalizeCommit}. */
  removeMember(leafIndex: number): Buffer {
    return buffer(unwrap(this.native.remove(u32(leafIndex, 'leafIndex'), Date.now())))
  }

  /** Takes in a message of the group. A commit waits for {@link MlsContext.finalizeCommit}. */
  processMessage(message: Buffer): 'commit' | 'application' | 'proposal' | 'external' {
    return unwrap(this.native.process(bytes(message, 'message'), Date.now()))
  }

  /** Moves on by the commit that waits; does nothing where none does. */
  finalizeCommit(): void {
    unwrap(this.#moving.finalize())
  }

  /** Drops the commits that wait. */
  clearPendingCommit(): void {
    unwrap(this.native.clearPending())
  }

  /** Joins the group of a Welcome in place of the present one. */
  acceptWelcome(welcome: Buffer): void {
    unwrap(this.#moving.acceptWelcome(bytes(welcome, 'welcome'), Date.now()))
  }

  /** The whole context. It holds private keys: keep it encrypted. */
  exportState(): Buffer {
    return buffer(unwrap(this.native.exportState()))
  }
}
