import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeNegotiator } from '../native.js'

/** The conformance classes, each of which takes in the one before: A the base and signals, B text, C audio. */
export const CONFORMANCE_CLASSES = ['A', 'B', 'C'] as const

/** What a member of the stack can do. */
export type ConformanceClass = (typeof CONFORMANCE_CLASSES)[number]

/**
 * The tokens that a member of a class advertises.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`.
 */
export function classTokens(name: ConformanceClass): string[] {
  return unwrap(native.nativeClassTokens(conformanceClass(name)))
}

/**
 * What each member advertised, and what the group has in common. Members who never advertised are not counted, except by
 * {@link Negotiator.allSupport}. One that was made by itself stands alone; {@link SignalClient.capabilities} is a client's own.
 *
 * @example
 * ```ts
 * const capabilities = new Negotiator()
 * capabilities.advertise(7, ['opus', ...classTokens('C')])
 * capabilities.declareClass(8, 'B')
 * console.log(capabilities.groupClass(), capabilities.missing('opus'))
 * ```
 */
export class Negotiator {
  readonly #native: NativeNegotiator

  /** One of its own, to which nobody advertised anything. */
  constructor()
  /** @internal */
  constructor(made?: NativeNegotiator)
  constructor(made: NativeNegotiator = new native.NativeNegotiator()) {
    this.#native = made
  }

  /**
   * Takes a member's tokens in place of those it had. None at all count as an advertisement too.
   *
   * @throws {@link CoterieError} `WIRE_MALFORMED` or `WIRE_TOO_LARGE` for tokens that could not be advertised, `INVALID_ARGUMENT`,
   * `HANDLE_CLOSED`.
   */
  advertise(member: number, tokens: Iterable<string>): void {
    const list = check.list(check.iterable(tokens, 'tokens'), 'tokens', check.text)
    unwrap(this.#native.advertise(check.u32(member, 'member'), list))
  }

  /**
   * Adds a class's tokens to those that a member has.
   *
   * @throws {@link CoterieError} As {@link Negotiator.advertise}.
   */
  declareClass(member: number, name: ConformanceClass): void {
    unwrap(this.#native.declareClass(check.u32(member, 'member'), conformanceClass(name)))
  }

  /**
   * Forgets a member; false where it never advertised.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  forget(member: number): boolean {
    return unwrap(this.#native.forget(check.u32(member, 'member')))
  }

  /**
   * Forgets everybody, as a change of the epoch asks for.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  resetForEpoch(): void {
    unwrap(this.#native.resetForEpoch())
  }

  /**
   * What a member advertised, if it did.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  capabilitiesOf(member: number): Set<string> | undefined {
    const tokens = unwrap(this.#native.capabilitiesOf(check.u32(member, 'member')))
    return tokens === null ? undefined : new Set(tokens)
  }

  /**
   * Who advertised, and what.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  all(): Map<number, Set<string>> {
    return new Map(unwrap(this.#native.all()).map(({ member, tokens }) => [member, new Set(tokens)]))
  }

  /**
   * Whether somebody advertised, and everybody who did has the token.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  groupSupports(token: string): boolean {
    return unwrap(this.#native.groupSupports(check.text(token, 'token')))
  }

  /**
   * Whether each of these members advertised the token: what to ask before relying on something new.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  allSupport(members: Iterable<number>, token: string): boolean {
    const list = check.list(check.iterable(members, 'members'), 'members', check.u32)
    return unwrap(this.#native.allSupport(list, check.text(token, 'token')))
  }

  /**
   * Tokens that everybody has.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  intersection(): Set<string> {
    return new Set(unwrap(this.#native.intersection()))
  }

  /**
   * Tokens that anybody has.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  union(): Set<string> {
    return new Set(unwrap(this.#native.union()))
  }

  /**
   * Who advertised, but not this token.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  missing(token: string): number[] {
    return unwrap(this.#native.missing(check.text(token, 'token')))
  }

  /**
   * The highest class that everybody is of who advertised, if there is one.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  groupClass(): ConformanceClass | undefined {
    return unwrap(this.#native.groupClass()) ?? undefined
  }

  /** How many members advertised. */
  get size(): number {
    return unwrap(this.#native.size())
  }
}

function conformanceClass(value: unknown): ConformanceClass {
  return check.oneOf(value, CONFORMANCE_CLASSES, 'class')
}
