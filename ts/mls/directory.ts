import { CoterieError } from '../errors.js'
import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'

/**
 * Where key packages are published and taken from, so that a device can be added while it is away
 * (RFC 9420, section 3.2).
 *
 * A directory gives each key package away once. It is not trusted with anything else: whoever takes a key package
 * checks whose it is.
 */
export interface Directory {
  /** Keeps key packages of `identity` until they are taken. */
  publish(identity: Uint8Array, keyPackages: readonly Uint8Array[], options?: AbortOptions): Promise<void>

  /**
   * Takes one key package of `identity` out.
   *
   * @throws {@link CoterieError} `DIRECTORY_EMPTY`.
   */
  take(identity: string | Uint8Array, options?: AbortOptions): Promise<Uint8Array>
}

/** Enough for every device of a large test; a directory for users limits each of them. */
const MAX_WAITING = 100_000

/**
 * A directory in memory, for tests and for programs whose members live in one process.
 *
 * @example
 * ```ts
 * const directory = new MemoryDirectory()
 * await bob.publish(directory, 10)
 * const keyPackage = await directory.take('bob')
 * ```
 */
export class MemoryDirectory implements Directory {
  readonly #waiting = new Map<string, Uint8Array[]>()
  #count = 0

  async publish(
    identity: Uint8Array,
    keyPackages: readonly Uint8Array[],
    options?: AbortOptions,
  ): Promise<void> {
    check.signal(options)?.throwIfAborted()
    const key = keyOf(identity)
    const copies = check.list(keyPackages, 'keyPackages', check.copyOf)
    if (this.#count + copies.length > MAX_WAITING) {
      throw new CoterieError('BUSY', `the directory holds ${MAX_WAITING} key packages at the most`)
    }
    this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), ...copies])
    this.#count += copies.length
  }

  async take(identity: string | Uint8Array, options?: AbortOptions): Promise<Uint8Array> {
    check.signal(options)?.throwIfAborted()
    const key = keyOf(identity)
    const [first, ...rest] = this.#waiting.get(key) ?? []
    if (first === undefined)
      throw new CoterieError('DIRECTORY_EMPTY', 'no key package of this identity is left')
    if (rest.length === 0) this.#waiting.delete(key)
    else this.#waiting.set(key, rest)
    this.#count -= 1
    return first
  }
}

function keyOf(identity: string | Uint8Array): string {
  return Buffer.from(check.bytesOrText(identity, 'identity')).toString('base64')
}
