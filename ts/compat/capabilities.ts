import { iterable, list, text, u32 } from '../internal/arguments.js'

/** What members can do, by their own word. Members who said nothing do not count. */
export class CapabilitiesNegotiator {
  readonly #advertised = new Map<number, ReadonlySet<string>>()

  /** Notes what a member says, in place of what it said before. */
  advertise(memberId: number, capabilities: Iterable<string>): void {
    const tokens = list(iterable(capabilities, 'capabilities'), 'capabilities', text)
    this.#advertised.set(u32(memberId, 'memberId'), new Set(tokens))
  }

  /** Forgets a member. */
  forget(memberId: number): void {
    this.#advertised.delete(memberId)
  }

  /** A copy of what a member said; null where it said nothing. */
  capabilitiesOf(memberId: number): Set<string> | null {
    const known = this.#advertised.get(memberId)
    return known === undefined ? null : new Set(known)
  }

  /** Whether somebody has said something and everybody who has said this. */
  groupSupports(capability: string): boolean {
    return this.size > 0 && this.missing(capability).length === 0
  }

  /** What everybody said. */
  intersection(): Set<string> {
    const common = [...this.union()].filter((capability) => this.groupSupports(capability))
    return new Set(common)
  }

  /** What anybody said. */
  union(): Set<string> {
    const union = new Set<string>()
    for (const said of this.#advertised.values()) for (const capability of said) union.add(capability)
    return union
  }

  /** Who said something, but not this. */
  missing(capability: string): number[] {
    const members = [...this.#advertised].filter(([, said]) => !said.has(capability))
    return members.map(([memberId]) => memberId)
  }

  /** How many members said something. */
  get size(): number {
    return this.#advertised.size
  }
}
