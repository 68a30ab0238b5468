import { unwrap } from '../errors.js'
import { bytes, text, u32 } from '../internal/arguments.js'
import { native, type NativeCompatMediaEncryptor, type NativeCompatMediaSession } from '../native.js'
import { AES_128_GCM, type SFrameCipherSuite } from './enums.js'
import { contextOf } from './group-node.js'
import { buffer, Closable, Handle } from './handle.js'
import type { MlsContext } from './mls-context.js'

const DEFAULT_LABEL = 'gbp/sframe v1'
const NOTHING = new Uint8Array(0)

/** A media frame that was opened. */
export interface SFrameDecryptResult {
  /** The frame; it may be empty. */
  plaintext: Buffer
  /** The leaf whose key it was sealed under. */
  senderLeaf: number
}

/** Opens the media frames of one epoch. */
export class SFrameSession extends Closable {
  readonly #handle: Handle<NativeCompatMediaSession>

  private constructor(session: NativeCompatMediaSession) {
    const handle = new Handle(session, 'SFrame session')
    super(handle)
    this.#handle = handle
  }

  /** A session for the context's present epoch. */
  static create(
    mls: MlsContext,
    label: string = DEFAULT_LABEL,
    suite: SFrameCipherSuite = AES_128_GCM,
  ): SFrameSession {
    const number = u32(suite, 'suite')
    const made = native.NativeCompatMediaSession.create(contextOf(mls), text(label, 'label'), number)
    return new SFrameSession(unwrap(made))
  }

  /** An encryptor for the session's epoch, label and suite, or for others where they are given. It goes on counting where
   * the last one for the same leaf was. */
  createEncryptor(
    mls: MlsContext,
    leafIndex: number,
    label?: string,
    suite?: SFrameCipherSuite,
  ): SFrameEncryptor {
    const leaf = u32(leafIndex, 'leafIndex')
    const named = label === undefined ? undefined : text(label, 'label')
    const number = suite === undefined ? undefined : u32(suite, 'suite')
    return new SFrameEncryptor(unwrap(this.#handle.get().encryptor(contextOf(mls), leaf, named, number)))
  }

  /** Opens a frame. */
  decrypt(payload: Buffer, extraAad: Buffer = buffer(NOTHING)): SFrameDecryptResult {
    const metadata = bytes(extraAad, 'extraAad')
    const opened = unwrap(this.#handle.get().decrypt(bytes(payload, 'payload'), metadata, Date.now()))
    return { plaintext: buffer(opened.plaintext), senderLeaf: opened.senderLeaf }
  }
}

/** Seals the media frames of one leaf. */
export class SFrameEncryptor extends Closable {
  readonly #handle: Handle<NativeCompatMediaEncryptor>

  /** @internal */
  constructor(encryptor: NativeCompatMediaEncryptor) {
    const handle = new Handle(encryptor, 'SFrame encryptor')
    super(handle)
    this.#handle = handle
  }

  /** Seals a frame. */
  encrypt(plaintext: Buffer, extraAad: Buffer = buffer(NOTHING)): Buffer {
    const metadata = bytes(extraAad, 'extraAad')
    return buffer(unwrap(this.#handle.get().encrypt(bytes(plaintext, 'plaintext'), metadata)))
  }
}
