/** What networks of every kind do beside carrying frames. */
import { CoterieError } from '../errors.js'
import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'

/** What a member that is out, or closed meanwhile, answers to a frame. */
const GONE: ReadonlySet<string> = new Set(['GBP_NOT_ACTIVE', 'HANDLE_CLOSED'])

/** @internal Whether a node took a frame in no more because it is over. */
export function isGone(error: unknown): boolean {
  return CoterieError.is(error) && GONE.has(error.code)
}

/** @internal */
export function networkClosed(): CoterieError {
  return new CoterieError('HANDLE_CLOSED', 'the network was closed')
}

/** @internal Admissions that are kept until they are asked for, by the numbers of those who were invited. */
export class Admissions {
  readonly #all = new Map<number, PromiseWithResolver>()
  readonly #came = new Set<number>()
  #ended: CoterieError | undefined

  /** The admission of `member`, once it has come. */
  async of(member: number, options: AbortOptions | undefined): Promise<Uint8Array> {
    const signal = check.signal(options)
    signal?.throwIfAborted()
    if (this.#ended !== undefined) throw this.#ended
    const { promise } = this.#of(member)
    if (signal === undefined) return promise
    return new Promise((resolve, reject) => {
      const abort = () => {
        reject(signal.reason as Error)
      }
      signal.addEventListener('abort', abort, { once: true })
      void promise.then(resolve, reject).finally(() => {
        signal.removeEventListener('abort', abort)
      })
    })
  }

  /** One that came before has ended, if another one comes. */
  put(member: number, admission: Uint8Array): void {
    if (this.#came.has(member)) this.#all.delete(member)
    this.#came.add(member)
    this.#of(member).resolve(admission)
  }

  /** Nothing more comes. */
  end(reason: CoterieError): void {
    this.#ended = reason
    for (const { reject } of this.#all.values()) reject(reason)
  }

  #of(member: number): PromiseWithResolver {
    const known = this.#all.get(member)
    if (known !== undefined) return known
    const made = promiseWithResolver()
    this.#all.set(member, made)
    return made
  }
}

interface PromiseWithResolver {
  readonly promise: Promise<Uint8Array>
  readonly resolve: (admission: Uint8Array) => void
  readonly reject: (reason: unknown) => void
}

function promiseWithResolver(): PromiseWithResolver {
  let settle: Pick<PromiseWithResolver, 'resolve' | 'reject'> | undefined
  const promise = new Promise<Uint8Array>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // Nobody may be waiting when it ends.
  promise.catch(() => undefined)
  return {
    promise,
    resolve: (admission) => settle?.resolve(admission),
    reject: (reason) => settle?.reject(reason),
  }
}
