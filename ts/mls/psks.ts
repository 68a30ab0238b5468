import * as check from '../internal/arguments.js'
import type { NativePskId } from '../native.js'

/**
 * A pre-shared key, by name.
 *
 * `external`: one that {@link Device.storePsk} stored under this name; text is taken as UTF-8. `resumption`: the secret of
 * an epoch of the same group, of which members keep the last eight.
 */
export type PskId =
  | { readonly type: 'external'; readonly id: string | Uint8Array }
  | { readonly type: 'resumption'; readonly epoch: bigint }

const TYPES = ['external', 'resumption'] as const

/** @internal */
export function toNativePskId(value: unknown, name: string): NativePskId {
  const { type, id, epoch } = check.record(value, name)
  if (check.oneOf(type, TYPES, `${name}.type`) === 'resumption') {
    return { type: 'resumption', epoch: check.u64(epoch, `${name}.epoch`) }
  }
  return { type: 'external', id: check.bytesOrText(id, `${name}.id`) }
}

/** @internal */
export function toNativePskIds(value: unknown): NativePskId[] {
  return check.list(value ?? [], 'psks', toNativePskId)
}
