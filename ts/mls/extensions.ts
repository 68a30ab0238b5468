import * as check from '../internal/arguments.js'
import type { NativeExtension, NativeExternalSender } from '../native.js'

/** Somebody outside a group whom the group lets propose changes. */
export interface ExternalSender {
  /** Whom the credential names. */
  readonly identity: Uint8Array
  /** The key its proposals are verified with. */
  readonly signatureKey: Uint8Array
}

/** What every member must be able to follow, by the numbers of RFC 9420, section 17. */
export interface RequiredCapabilities {
  readonly type: 'required-capabilities'
  /** Types of extensions. */
  readonly extensions: readonly number[]
  /** Types of proposals. */
  readonly proposals: readonly number[]
  /** Types of credentials. */
  readonly credentials: readonly number[]
}

/** Who may propose changes from outside. */
export interface ExternalSenders {
  readonly type: 'external-senders'
  /** In the order in which they are numbered. */
  readonly senders: readonly ExternalSender[]
}

/** An extension of any other type. */
export interface OtherExtension {
  readonly type: 'other'
  /** Its type (RFC 9420, section 17.3). */
  readonly number: number
  readonly data: Uint8Array
}

/**
 * One extension of a group: what all its members agree on, beside who they are.
 *
 * Types that are not listed in a member's capabilities are refused for the group it is in. Coterie's devices follow
 * `required-capabilities`, `external-senders` and the type 0xF0C0, which is free for the application.
 */
export type GroupExtension = RequiredCapabilities | ExternalSenders | OtherExtension

const TYPES = ['required-capabilities', 'external-senders', 'other'] as const
const MAX_U16 = 0xffff

const u16 = (value: unknown, name: string) => check.upTo(MAX_U16, value, name)

function toNativeSender(value: unknown, name: string): NativeExternalSender {
  const { identity, signatureKey } = check.record(value, name)
  return {
    identity: check.bytesOrText(identity, `${name}.identity`),
    signatureKey: check.bytes(signatureKey, `${name}.signatureKey`),
  }
}

function toNativeExtension(value: unknown, name: string): NativeExtension {
  const { type, extensions, proposals, credentials, senders, number, data } = check.record(value, name)
  const kind = check.oneOf(type, TYPES, `${name}.type`)
  switch (kind) {
    case 'required-capabilities':
      return {
        type: kind,
        extensions: check.list(extensions, `${name}.extensions`, u16),
        proposals: check.list(proposals, `${name}.proposals`, u16),
        credentials: check.list(credentials, `${name}.credentials`, u16),
      }
    case 'external-senders':
      return { type: kind, senders: check.list(senders, `${name}.senders`, toNativeSender) }
    case 'other':
      return { type: kind, number: u16(number, `${name}.number`), data: check.bytes(data, `${name}.data`) }
  }
}

/** @internal */
export function toNativeExtensions(value: unknown): NativeExtension[] {
  return check.list(value, 'extensions', toNativeExtension)
}
