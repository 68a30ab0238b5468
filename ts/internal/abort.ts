/** Abort signals on this side, cancellations on the native one. */
import { isFailure, toError, toInternal } from '../errors.js'
import { native, type NativeCancellation, type NativeFailure } from '../native.js'

/** What every call that may wait takes. */
export interface AbortOptions {
  /**
   * Stops the call if its work has not begun; it then rejects with the signal's reason and has changed nothing.
   * Work that has begun is finished, and the call tells what came of it.
   */
  readonly signal?: AbortSignal | undefined
}

type Answer<Value> = Value | NativeFailure | Promise<Value | NativeFailure>

/**
 * @internal Runs a native call that `signal`, which was checked, can stop before its work begins. What is there at once
 * is answered, or thrown, at once: each promise in between would take as long as the crossing.
 */
export function abortable<Value>(
  signal: AbortSignal | undefined,
  call: (cancellation: NativeCancellation | undefined) => Answer<Value>,
): Value | Promise<Value> {
  if (signal !== undefined) return stoppable(signal, call)
  const answer = made(call, undefined)
  return isPromise(answer) ? settled(answer, signal) : settle(answer, signal)
}

async function stoppable<Value>(
  signal: AbortSignal,
  call: (cancellation: NativeCancellation) => Answer<Value>,
): Promise<Value> {
  signal.throwIfAborted()
  const cancellation = new native.NativeCancellation()
  const cancel = () => {
    cancellation.cancel()
  }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await settled(made(call, cancellation), signal)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** Native code does not throw, nor reject what it promises: what comes that way is a fault of its own. */
function made<Cancellation, Given>(
  call: (cancellation: Cancellation) => Given,
  cancellation: Cancellation,
): Given {
  try {
    return call(cancellation)
  } catch (cause) {
    throw toInternal(cause)
  }
}

async function settled<Value>(answer: Answer<Value>, signal: AbortSignal | undefined): Promise<Value> {
  const value = await Promise.resolve(answer).catch((cause: unknown) => {
    throw toInternal(cause)
  })
  return settle(value, signal)
}

/** By what it can do: a promise of another realm is none of this one's class. */
function isPromise<Value>(answer: Answer<Value>): answer is Promise<Value | NativeFailure> {
  return (
    typeof answer === 'object' &&
    answer !== null &&
    typeof (answer as PromiseLike<unknown>).then === 'function'
  )
}

function settle<Value>(answer: Value | NativeFailure, signal: AbortSignal | undefined): Value {
  if (isFailure(answer)) {
    if (answer.code === 'ABORTED') signal?.throwIfAborted()
    throw toError(answer)
  }
  return answer
}
