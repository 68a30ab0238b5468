/**
 * Members, and what commits do to them, as native code writes them: `crates/node/src/roster.rs`, in the same order. What
 * is read is copied, so that no two values share a buffer.
 */
import type { CertificateInfo, CommitSummary, Member, Sender, Succession } from './events.js'
import type { CipherSuite } from './suites.js'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The identity as text, where it is text. */
export function nameOf(identity: Uint8Array): string | undefined {
  try {
    return UTF8.decode(identity)
  } catch {
    return undefined
  }
}

export function readMember(bytes: Uint8Array): Member {
  return new Row(bytes).member()
}

export function readMembers(bytes: Uint8Array): Member[] {
  return new Row(bytes).members()
}

export function readSender(bytes: Uint8Array): Sender {
  return new Row(bytes).sender()
}

export function readCommitSummary(bytes: Uint8Array): CommitSummary {
  return new Row(bytes).summary()
}

class Row {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  // Of the literals below each is evaluated in the order in which it is written, which is the order of the row.

  summary(): CommitSummary {
    return {
      epoch: this.#view.getBigUint64(this.#advance(8), true),
      own: this.#flag(),
      removesSelf: this.#flag(),
      committer: this.sender(),
      added: this.members(),
      removed: this.members(),
      updated: this.members(),
      succession: this.#flag() ? this.#succession() : undefined,
    }
  }

  sender(): Sender {
    return this.#flag() ? { type: 'member', member: this.member() } : { type: 'outsider' }
  }

  members(): Member[] {
    const count = this.#length()
    const members: Member[] = []
    while (members.length < count) members.push(this.member())
    return members
  }

  member(): Member {
    const leaf = this.#length()
    const identity = this.#copy()
    return {
      leaf,
      identity,
      name: nameOf(identity),
      signatureKey: this.#copy(),
      expires: this.#flag() ? this.#date() : undefined,
      certificate: this.#flag() ? this.#certificate() : undefined,
    }
  }

  #certificate(): CertificateInfo {
    return { validFrom: this.#date(), expires: this.#date(), fingerprint: this.#copy() }
  }

  #succession(): Succession {
    return { groupId: this.#copy(), suite: UTF8.decode(this.#copy()) as CipherSuite }
  }

  #date(): Date {
    return new Date(this.#view.getFloat64(this.#advance(8), true))
  }

  #copy(): Uint8Array {
    const length = this.#length()
    const at = this.#advance(length)
    return this.#bytes.slice(at, at + length)
  }

  #length(): number {
    return this.#view.getUint32(this.#advance(4), true)
  }

  #flag(): boolean {
    return this.#view.getUint8(this.#advance(1)) === 1
  }

  #advance(length: number): number {
    const at = this.#at
    this.#at += length
    return at
  }
}
