import { CoterieError } from '../errors.js'
import type { NativeCandidate } from '../native.js'
import { toCertificateInfo, type CertificateInfo, type Member, type Sender } from './events.js'
import { nameOf, readMember, readSender } from './roster.js'

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
 * await any of them. One that throws or rejects has refused. While it does not answer, the call's signal and closing the
 * group still end the wait; nothing has changed then.
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
    by: by === undefined ? undefined : readSender(by),
    replaces: replaces === undefined ? undefined : readMember(replaces),
  }
}

/**
 * @internal Asks about each, and throws what the first refusal says. A policy that fails has not admitted anybody. One
 * that is late is not waited for once any of `signals` says so.
 */
export async function consult(
  policy: Policy,
  candidates: readonly NativeCandidate[],
  signals: readonly (AbortSignal | undefined)[],
): Promise<void> {
  for (const candidate of candidates) {
    // One after the other: a later question may be needless.
    // oxlint-disable-next-line no-await-in-loop
    const verdict = await unlessAborted(ask(policy, toCandidate(candidate)), signals)
    if (verdict === true) continue
    throw refusal(typeof verdict === 'string' ? verdict : 'the policy refused a member')
  }
}

async function ask(policy: Policy, candidate: Candidate): Promise<Verdict> {
  try {
    return await policy(candidate)
  } catch (cause) {
    throw refusal('the policy failed', { cause })
  }
}

function refusal(message: string, options?: ErrorOptions): CoterieError {
  return new CoterieError('MLS_REFUSED_BY_POLICY', message, options)
}

/** By hand: what `AbortSignal.any` makes stays with signals that live as long as a group. */
function unlessAborted<Value>(
  answer: Promise<Value>,
  signals: readonly (AbortSignal | undefined)[],
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const given = signals.filter((signal) => signal !== undefined)
    const abort = () => {
      reject(given.find((signal) => signal.aborted)?.reason as Error)
      release()
    }
    const release = () => {
      for (const signal of given) signal.removeEventListener('abort', abort)
    }
    for (const signal of given) signal.addEventListener('abort', abort, { once: true })
    if (given.some((signal) => signal.aborted)) abort()
    void answer.then(resolve, reject).finally(release)
  })
}

/** @internal Lets work that waits for an answer keep its place: each begins when the one before has ended. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Work whose signal is aborted before its turn rejects at once, and is not begun. */
  take<Value>(work: () => Value | Promise<Value>, signal?: AbortSignal): Promise<Value> {
    let begun = false
    const done = this.#last.then(() => {
      signal?.throwIfAborted()
      begun = true
      return work()
    })
    this.#last = done.catch(() => undefined)
    if (signal === undefined) return done
    return new Promise((resolve, reject) => {
      const abort = () => {
        if (!begun) reject(signal.reason as Error)
      }
      signal.addEventListener('abort', abort, { once: true })
      void done.then(resolve, reject).finally(() => {
        signal.removeEventListener('abort', abort)
      })
    })
  }
}
