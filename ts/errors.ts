import { ERROR_CODES, type ErrorCode } from './error-codes.js'
import type { NativeFailure } from './native.js'

/** Equal in every copy of the package, so that errors of one are recognised by another. */
const BRAND = Symbol.for('coterie.error')

/**
 * The one class of errors that this package throws.
 *
 * Match on `code`: it is stable, while messages are for people. `retryable` says whether the same call may succeed
 * later. What each code means and what to do about it is listed in the error-code reference.
 *
 * @example
 * ```ts
 * try {
 *   await group.receive(bytes)
 * } catch (error) {
 *   if (CoterieError.is(error) && error.code === 'MLS_ALREADY_PROCESSED') return
 *   throw error
 * }
 * ```
 */
export class CoterieError extends Error {
  override readonly name = 'CoterieError'
  /** What went wrong, as a stable name. */
  readonly code: ErrorCode
  /** Whether the same call may succeed later. */
  readonly retryable: boolean
  /**
   * The leaf of the member who signed the commit or proposal that was refused, where its signature was verified. That is
   * no proof of a lie: what is refused for a proposal, or a key, that was not received here has an author, too.
   */
  declare readonly offender?: number

  /** @internal */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { offender?: number | undefined }) {
    super(message, options)
    if (options?.offender !== undefined) this.offender = options.offender
    this.code = code
    this.retryable = ERROR_CODES[code].retryable
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** Whether `value` is an error of this package, whichever copy of the package threw it. */
  static is(value: unknown): value is CoterieError {
    return typeof value === 'object' && value !== null && BRAND in value
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return CoterieError.is(value)
  }
}

/** @internal The failure that a native call answered with, if it did not answer with a value. */
export function isFailure(answer: unknown): answer is NativeFailure {
  return typeof answer === 'object' && answer !== null && (answer as NativeFailure).failed === true
}

/** @internal A native failure as the error that it is thrown as. */
export function toError(failure: NativeFailure): CoterieError {
  const code = Object.hasOwn(ERROR_CODES, failure.code) ? (failure.code as ErrorCode) : 'INTERNAL'
  return new CoterieError(code, failure.message, { offender: failure.offender })
}

/** @internal What native code threw, which it should never do: a panic that was caught at the boundary. */
export function toInternal(cause: unknown): CoterieError {
  return CoterieError.is(cause) ? cause : new CoterieError('INTERNAL', 'native code failed', { cause })
}

/** @internal The value of a native answer, or its failure thrown: the only place where native failures become errors. */
export function unwrap<Value>(answer: Value | NativeFailure): Value {
  if (isFailure(answer)) throw toError(answer)
  return answer
}
