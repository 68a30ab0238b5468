/**
 * What callers hand in, checked before it crosses the boundary.
 *
 * JavaScript callers may pass anything; native code is only ever given what its signatures say.
 */
import { types } from 'node:util'

import { CoterieError } from '../errors.js'

const UTF8 = new TextEncoder()
const MAX_U32 = 0xffff_ffff
const MAX_U64 = 2n ** 64n - 1n

/** What one argument may hold: the largest message of the core. More is not even copied. */
const MAX_BYTES = 32 * 1024 * 1024

/** What one list may hold, so that a call holds the event loop and memory for no longer than it must. */
const MAX_ITEMS = 100_000
const MAX_LIST_BYTES = 8 * MAX_BYTES

function refuse(name: string, expected: string): never {
  throw new CoterieError('INVALID_ARGUMENT', `${name} must be ${expected}`)
}

/** What a getter of `TypedArray` says, whatever the object's class says. */
function intrinsic<Value>(name: 'buffer' | 'byteLength') {
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object
  const get = Object.getOwnPropertyDescriptor(typedArray, name)?.get
  return (array: Uint8Array): Value => get?.call(array) as Value
}

const bufferOf = intrinsic<ArrayBufferLike>('buffer')
/** How long it is, whatever its class says. */
export const lengthOf = intrinsic<number>('byteLength')

/** A view that nobody else can change or detach while native code reads it. */
export function bytes(value: unknown, name: string): Uint8Array {
  if (!types.isUint8Array(value)) return refuse(name, 'a Uint8Array')
  const length = lengthOf(value)
  checkSize(length, name)
  if (types.isSharedArrayBuffer(bufferOf(value))) return new Uint8Array(value)
  if (length === 0 && isDetached(value)) return refuse(name, 'a Uint8Array whose buffer is there')
  return value
}

/** A copy that the caller cannot change any more. `slice` would not do: that of a `Buffer` copies nothing. */
export function copyOf(value: unknown, name: string): Uint8Array {
  return new Uint8Array(bytes(value, name))
}

function checkSize(length: number, name: string, limit = MAX_BYTES): void {
  if (length > limit) throw new CoterieError('MLS_TOO_LARGE', `${name} exceeds the limit of ${limit} bytes`)
}

function isDetached(value: Uint8Array): boolean {
  // ArrayBuffer.prototype.detached is not in Node 20; a view of a detached buffer cannot be copied, nor one that is
  // beyond the end of a buffer which was shortened.
  try {
    return new Uint8Array(value).byteLength < 0
  } catch {
    return true
  }
}

/** A list, every element of which passes `check`. Whatever the caller's getters throw becomes the error's cause. */
export function list<Item>(
  value: unknown,
  name: string,
  check: (item: unknown, name: string) => Item,
): Item[] {
  const array = attempt(name, () => (Array.isArray(value) ? (value as readonly unknown[]) : undefined))
  if (array === undefined) return refuse(name, 'an array')
  const length = attempt(name, () => array.length)
  if (length > MAX_ITEMS) return refuse(name, `an array of at most ${MAX_ITEMS} elements`)
  // Not by its iterator, which the caller may have replaced by one that never ends.
  const items: Item[] = []
  for (let index = 0; index < length; index += 1) {
    const itsName = `${name}[${index}]`
    items.push(check(itemOf(array, index, itsName), itsName))
  }
  return items
}

/** As {@link attempt}, on a way that is taken too often for a closure. */
function itemOf(array: readonly unknown[], index: number, name: string): unknown {
  try {
    return array[index]
  } catch (cause) {
    throw unreadable(name, cause)
  }
}

/** What an iterable gives, which may be a set. */
export function iterable(value: unknown, name: string): unknown[] {
  if (typeof value !== 'object' || value === null) return refuse(name, 'iterable')
  return attempt(name, () => {
    const items: unknown[] = []
    for (const item of value as Iterable<unknown>) {
      if (items.length >= MAX_ITEMS) return refuse(name, `of at most ${MAX_ITEMS} elements`)
      items.push(item)
    }
    return items
  })
}

/** A list of byte arrays. */
export function bytesList(value: unknown, name: string): Uint8Array[] {
  return checkTotal(list(value, name, bytes), name)
}

/** A list of byte arrays or texts. */
export function bytesOrTextList(value: unknown, name: string): Uint8Array[] {
  return checkTotal(list(value, name, bytesOrText), name)
}

function checkTotal(items: Uint8Array[], name: string): Uint8Array[] {
  checkSize(
    items.reduce((sum, item) => sum + lengthOf(item), 0),
    name,
    MAX_LIST_BYTES,
  )
  return items
}

function attempt<Value>(name: string, read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    throw unreadable(name, cause)
  }
}

function unreadable(name: string, cause: unknown): CoterieError {
  return new CoterieError('INVALID_ARGUMENT', `${name} could not be read`, { cause })
}

/** Bytes, or text as UTF-8. */
export function bytesOrText(value: unknown, name: string): Uint8Array {
  return typeof value === 'string' ? UTF8.encode(value) : bytes(value, name)
}

/** Text. */
export function text(value: unknown, name: string): string {
  return typeof value === 'string' ? value : refuse(name, 'a string')
}

/** True or false. */
export function flag(value: unknown, name: string): boolean {
  return typeof value === 'boolean' ? value : refuse(name, 'true or false')
}

/** One of several strings. */
export function oneOf<Choice extends string>(
  value: unknown,
  choices: readonly Choice[],
  name: string,
): Choice {
  const choice = choices.find((candidate) => candidate === value)
  return choice ?? refuse(name, `one of ${choices.join(', ')}`)
}

/** A whole number from 0 to 2^32 - 1. */
export function u32(value: unknown, name: string): number {
  return upTo(MAX_U32, value, name)
}

/** A whole number from 0 to `max`. */
export function upTo(max: number, value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    return refuse(name, `a whole number from 0 to ${max}`)
  }
  return value
}

/** A whole number from 0 to 2^64 - 1. */
export function u64(value: unknown, name: string): bigint {
  if (typeof value !== 'bigint' || value < 0n || value > MAX_U64) {
    return refuse(name, 'a bigint from 0 to 2^64 - 1')
  }
  return value
}

/** A span of time in milliseconds, above zero. */
export function milliseconds(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    return refuse(name, 'a whole number of milliseconds above 0')
  }
  return value
}

/** The caller's clock, or the system's where there is none. */
export function clock(value: unknown): () => number {
  if (value === undefined) return Date.now
  return callable(value as () => number, 'clock')
}

/** A function of the caller's. */
export function callable<Value>(value: Value, name: string): Value {
  return typeof value === 'function' ? value : refuse(name, 'a function')
}

/** What a clock says, in milliseconds since 1970. */
export function time(now: () => number): number {
  return milliseconds(
    attempt('what the clock says', () => Math.floor(now())),
    'what the clock says',
  )
}

/** The caller's getters may throw; what they throw becomes the error's cause. */
const GUARD: ProxyHandler<object> = {
  get: (target, key) => attempt(String(key), () => Reflect.get(target, key) as unknown),
}

/** An object of the caller's, whose fields are read by {@link field}. */
export function object<Given extends object>(value: Given, name: string): Given {
  return typeof value === 'object' && value !== null ? value : refuse(name, 'an object')
}

/** One field of it, on a way that is too short for {@link options}. */
export function field<Given extends object, Key extends keyof Given & string>(
  value: Given,
  key: Key,
): Given[Key] {
  try {
    return value[key]
  } catch (cause) {
    throw unreadable(key, cause)
  }
}

/** An options object, which may be missing. */
export function options<Options extends object>(value: Options | undefined, name = 'options'): Options {
  if (value === undefined) return {} as Options
  if (typeof value !== 'object' || value === null) return refuse(name, 'an object')
  return new Proxy(value, GUARD) as Options
}

/** An object whose fields are still to be checked; each is read once. */
export function record(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return refuse(name, 'an object')
  return options(value as Record<string, unknown>, name)
}

const isAborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get

/** The signal of an options object. */
export function signal(value: { readonly signal?: unknown } | undefined): AbortSignal | undefined {
  const given = options(value).signal
  if (given === undefined) return undefined
  try {
    // What an object is, not what its prototype says.
    isAborted?.call(given)
    return given as AbortSignal
  } catch {
    return refuse('signal', 'an AbortSignal')
  }
}

/** Something of the caller's that has these methods. */
export function having<Value extends object>(
  value: Value,
  methods: readonly (keyof Value & string)[],
  name: string,
): Value {
  const has = (method: keyof Value) => attempt(name, () => typeof value?.[method] === 'function')
  return methods.every(has) ? value : refuse(name, `an object with ${methods.join('() and ')}()`)
}

/** An object of a class of this package. */
export function instance<Value>(
  value: unknown,
  is: (value: object) => value is Value & object,
  name: string,
): Value {
  return typeof value === 'object' && value !== null && is(value) ? value : refuse(name, `a ${name}`)
}
