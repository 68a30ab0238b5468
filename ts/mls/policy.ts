import { CoterieError } from '../errors.js'
import type { NativeCandidate } from '../native.js'
import { nameOf, toCertificateInfo, toMember, toSender, type CertificateInfo, type Member, type Sender } from './events.js'

/** Somebody whom a policy is asked about. Its credential has been found to count. */
export interface Candidate {
  /** The group's id. */
  readonly group: Uint8Array
  /** Whom its credential names. */
  readonly identity: Uint8Array
  /** The identity as text, where it is text. */
  readonly name: string | undefined
  /** The key that its messages would be verified with. */
  readonly signatureKey: Uint8Array
  /** What its certificates say; undefined for a Basic credential. */
  readonly certificate: CertificateInfo | undefined
  /**
   * How it comes in: added by a member, by a commit of its own, by changing its credential or key, or by being in the
   * group that this device is about to join.
   */
  readonly entry: 'add' | 'external-join' | 'update' | 'present'
  /** Who brings it in; undefined for those who are there already. */
  readonly by: Sender | undefined
  /** As whom the same member was known so far. */
  readonly replaces: Member | undefined
}

/** True admits; false refuses, and so does a text, which becomes the error's message. */
export type Verdict = boolean | string

/**
 * What the application has to say about members. Calls on the group wait for its answer, in their order, so it must not
 * await any of them.
 */
export type Policy = (candidate: Candidate) => Verdict | Promise<Verdict>

/** @internal */
export function toCandidate(candidate: NativeCandidate): Candidate {
  const { group, identity, signatureKey, certificate, entry, by, replaces } = candidate
  return {
    group,
    identity,
    name: nameOf(identity),
    signatureKey,
    certificate: toCertificateInfo(certificate),
    entry,
    by: by === undefined ? undefined : toSender(by),
    replaces: replaces === undefined ? undefined : toMember(replaces),
  }
}

/** @internal Asks about each, and throws what the first refusal says. */
export async function consult(policy: Policy, candidates: readonly NativeCandidate[]): Promise<void> {
  for (const candidate of candidates) {
    // One after the other: a later question may be needless.
    // oxlint-disable-next-line no-await-in-loop
    const verdict = await policy(toCandidate(candidate))
    if (verdict === true) continue
    throw new CoterieError(
      'MLS_REFUSED_BY_POLICY',
      typeof verdict === 'string' ? verdict : 'the policy refused a member',
    )
  }
}

/** @internal Lets work that waits for an answer keep its place: each begins when the one before has ended. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  take<Value>(work: () => Promise<Value>): Promise<Value> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return done
  }
}
