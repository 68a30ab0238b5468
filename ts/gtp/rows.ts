import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native } from '../native.js'
import { toMessage, type TextMessage } from './message.js'

/** What a store keeps of text: a row under a key. Keys sort in the order in which they are read back. */
export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/**
 * A change to the stored rows, in the order in which it is to be made. Whoever has a store writes the changes of a step in
 * one transaction with whatever else that step did; whoever has none drops them.
 */
export type RowChange =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'remove'; readonly key: Uint8Array }
  | { readonly type: 'remove-all'; readonly prefix: Uint8Array }

/**
 * The key of the stored row of the history at a position.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`.
 */
export function keptKey(position: bigint): Uint8Array {
  return unwrap(native.nativeKeptKey(check.u64(position, 'position')))
}

/**
 * The message in a stored row of the history.
 *
 * @throws {@link CoterieError} `STATE_INVALID`, `INVALID_ARGUMENT`.
 */
export function keptMessage(value: Uint8Array): TextMessage {
  return toMessage(unwrap(native.nativeKeptMessage(check.bytes(value, 'value'))))
}

/** @internal */
export function toNativeRow(value: unknown, name: string): Row {
  const row = check.record(value, name)
  return { key: check.bytes(row['key'], `${name}.key`), value: check.bytes(row['value'], `${name}.value`) }
}
