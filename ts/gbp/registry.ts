import type { ErrorCode } from '../error-codes.js'
import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeErrorObject } from '../native.js'

/** The kinds of errors. */
export const ERROR_CLASSES = ['transport', 'crypto', 'state', 'policy', 'schema', 'authorization'] as const
const MAX_U16 = 0xffff

/** What kind of error a number names. */
export type ErrorClass = (typeof ERROR_CLASSES)[number]

/** What the published registry says about a number, and the code under which it surfaces here. */
export interface RegisteredError {
  /** As it stands on the wire. */
  readonly number: number
  /** Its name in the published registry: `ERR_EPOCH_MISMATCH`. */
  readonly name: string
  /** What kind it is. */
  readonly class: ErrorClass
  /** Whether the same may succeed later. */
  readonly retryable: boolean
  /** Whether the node that raised it is finished. */
  readonly fatal: boolean
  /** The code of the {@link CoterieError} that it becomes. */
  readonly code: ErrorCode
  /** What it means, in words. */
  readonly meaning: string
}

/** An error as one member tells it to another. Of a registered number, the registry says the rest whatever is claimed. */
export interface ErrorObject {
  /** Its number. */
  readonly number: number
  /** What kind it is. */
  readonly class: ErrorClass
  /** Whether the same may succeed later. */
  readonly retryable: boolean
  /** Whether the node that raised it is finished. */
  readonly fatal: boolean
  /** The sender's words, of up to 1024 bytes. */
  readonly reason: string
  /** The sender's opaque details, of up to 4096 bytes. */
  readonly details: Uint8Array
}

/** An error object that is to be written; of a number that is not registered, `class` says policy if nothing else is said. */
export type ErrorObjectInit = Pick<ErrorObject, 'number'> & Partial<ErrorObject>

let registry: ReadonlyMap<number, RegisteredError> | undefined

function all(): ReadonlyMap<number, RegisteredError> {
  registry ??= new Map(
    native.nativeErrorRegistry().map((error) => [error.number, Object.freeze(error as RegisteredError)]),
  )
  return registry
}

/** Every error of the registry, in the order of their numbers. */
export function registeredErrors(): RegisteredError[] {
  return [...all().values()]
}

/**
 * What the registry says about a number, if it is registered.
 *
 * @example
 * ```ts
 * if (lookupError(0x0003)?.retryable) console.log('come back in the next epoch')
 * ```
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`.
 */
export function lookupError(number: number): RegisteredError | undefined {
  return all().get(check.upTo(MAX_U16, number, 'number'))
}

/**
 * The bytes of an error object. A registered number takes its name as the reason where none is given.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`, `WIRE_TOO_LARGE`.
 */
export function encodeError(error: ErrorObjectInit): Uint8Array {
  return unwrap(native.nativeEncodeError(toNativeError(error, 'error')))
}

/**
 * The error object in bytes.
 *
 * @throws {@link CoterieError} `WIRE_MALFORMED`, `WIRE_TOO_LARGE`.
 */
export function decodeError(bytes: Uint8Array): ErrorObject {
  return unwrap(native.nativeDecodeError(check.bytes(bytes, 'bytes')))
}

/** @internal */
export function toNativeError(value: unknown, name: string): NativeErrorObject {
  const given = check.record(value, name)
  const number = check.upTo(MAX_U16, given['number'], `${name}.number`)
  const known = lookupError(number)
  return {
    number,
    class: check.oneOf(given['class'] ?? known?.class ?? 'policy', ERROR_CLASSES, `${name}.class`),
    retryable: check.flag(given['retryable'] ?? known?.retryable ?? false, `${name}.retryable`),
    fatal: check.flag(given['fatal'] ?? known?.fatal ?? false, `${name}.fatal`),
    reason: check.text(given['reason'] ?? known?.name ?? '', `${name}.reason`),
    details: check.bytes(given['details'] ?? new Uint8Array(), `${name}.details`),
  }
}
