/**
 * Members, and what commits do to them, as native code writes them: `crates/node/src/roster.rs`, in the same order, as a
 * string of one character for each byte.
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

export function readMember(row: string): Member {
  return new Row(row).member()
}

export function readMembers(row: string): Member[] {
  return new Row(row).members()
}

export function readSender(row: string): Sender {
  return new Row(row).sender()
}

export function readCommitSummary(row: string): CommitSummary {
  return new Row(row).summary()
}

class Row {
  readonly #row: string
  #at = 0

  constructor(row: string) {
    this.#row = row
  }

  // Of the literals below each is evaluated in the order in which it is written, which is the order of the row.

  summary(): CommitSummary {
    return {
      epoch: BigInt(this.#number()) + (BigInt(this.#number()) << 32n),
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
    const count = this.#number()
    const members: Member[] = []
    while (members.length < count) members.push(this.member())
    return members
  }

  member(): Member {
    const leaf = this.#number()
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
    return new Date(this.#number() + this.#number() * 2 ** 32)
  }

  #copy(): Uint8Array {
    const bytes = new Uint8Array(this.#number())
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = this.#byte()
    return bytes
  }

  #number(): number {
    return (this.#byte() | (this.#byte() << 8) | (this.#byte() << 16) | (this.#byte() << 24)) >>> 0
  }

  #flag(): boolean {
    return this.#byte() === 1
  }

  #byte(): number {
    this.#at += 1
    return this.#row.charCodeAt(this.#at - 1)
  }
}
