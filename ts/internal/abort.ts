/** Abort signals on this side, cancellations on the native one. */
import { toError, toInternal } from '../errors.js'
import { native, type NativeCancellation, type NativeFailure } from '../native.js'

/** What every call that may wait takes. */
export interface AbortOptions {
  /**
   * Stops the call if its work has not begun; it then rejects with the signal's reason and has changed nothing.
   * Work that has begun is finished, and the call tells what came of it.
   */
  readonly signal?: AbortSignal | undefined
}

/** @internal Runs a native call that `signal`, which was checked, can stop before its work begins. */
export async function abortable<Value>(
  signal: AbortSignal | undefined,
  call: (
    cancellation: NativeCancellation | undefined,
  ) => Value | NativeFailure | Promise<Value | NativeFailure>,
): Promise<Value> {
  if (signal === undefined) return settle(await answerOf(call, undefined), signal)
  signal.throwIfAborted()
  const cancellation = new native.NativeCancellation()
  const cancel = () => {
    cancellation.cancel()
  }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return settle(await answerOf(call, cancellation), signal)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

async function answerOf<Answer>(
  call: (cancellation: NativeCancellation | undefined) => Answer,
  cancellation: NativeCancellation | undefined,
): Promise<Awaited<Answer>> {
  try {
    return await call(cancellation)
  } catch (cause) {
    throw toInternal(cause)
  }
}

function settle<Value>(answer: Value | NativeFailure, signal: AbortSignal | undefined): Value {
  if (typeof answer === 'object' && answer !== null && 'failed' in answer) {
    if (answer.code === 'ABORTED') signal?.throwIfAborted()
    throw toError(answer)
  }
  return answer as Value
}
