/** What the classes over native objects share. */
import { CoterieError } from '../errors.js'
import { u64 } from '../internal/arguments.js'

/** How many objects were made. */
let made = 0

/** An object of native code that is there until it is closed. */
export class Handle<Native extends { close(): void }> {
  #native: Native | undefined
  readonly #name: string
  readonly #number: number

  constructor(native: Native, name: string) {
    made += 1
    this.#number = made
    this.#native = native
    this.#name = name
  }

  get(): Native {
    if (this.#native !== undefined) return this.#native
    throw new CoterieError('HANDLE_CLOSED', `the ${this.#name} was closed`)
  }

  /** What the published package shows of it: a number above 0 until it is closed. */
  get number(): number {
    return this.#native === undefined ? 0 : this.#number
  }

  close(): void {
    this.#native?.close()
    this.#native = undefined
  }
}

/** What all classes of the published package can do beside their work. */
export abstract class Closable implements Disposable {
  readonly #handle: { readonly number: number; close(): void }

  /** @internal */
  constructor(handle: { readonly number: number; close(): void }) {
    this.#handle = handle
  }

  /** Tells objects apart; 0 once it is closed. Nothing can be done with it. */
  get handle(): number {
    return this.#handle.number
  }

  /** Lets go of it and of its keys. */
  close(): void {
    this.#handle.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** A number of 64 bits, which may be given as a `number` where that holds it exactly. */
export function wide(value: unknown, name: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  return u64(value, name)
}

/** Bytes of native code as a `Buffer`, without a copy. */
export function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A codec, which may be left out. */
export const CBOR = 0

/** Refuses an argument. */
export function refuse(reason: string): never {
  throw new CoterieError('INVALID_ARGUMENT', reason)
}
