import { record, text, u32 } from '../internal/arguments.js'
import { Permissions } from './enums.js'

/** A role: its number, its name and what it allows. */
export interface RoleSpec {
  /** Its number. */
  id: number
  /** Its name. */
  name: string
  /** What it allows. */
  permissions: Permissions
}

/** A role that does not exist, or a permission that a member lacks. */
export class RoleError extends Error {
  override readonly name = 'RoleError'
}

const MASK_DIGITS = 8

/** JavaScript's operators make negative numbers of masks with the highest bit. */
const bits = (mask: unknown): number => (typeof mask === 'number' ? mask >>> 0 : u32(mask, 'mask'))

/** Which roles there are, who has which, and what that allows. */
export class RoleRegistry {
  readonly #roles = new Map<number, RoleSpec>()
  readonly #assigned = new Map<number, number>()

  /** Defines a role, in place of the one of the same number. */
  define(spec: RoleSpec): void {
    const given = record(spec, 'spec')
    const id = u32(given['id'], 'id')
    const [name, permissions] = [text(given['name'], 'name'), u32(given['permissions'], 'permissions')]
    this.#roles.set(id, Object.freeze({ id, name, permissions }))
  }

  /** Defines a role. */
  defineRole(id: number, name: string, permissions: Permissions): void {
    this.define({ id, name, permissions })
  }

  /** The role of this number; undefined where there is none. */
  role(id: number): RoleSpec | undefined {
    return this.#roles.get(id)
  }

  /** Every role. */
  *allRoles(): IterableIterator<RoleSpec> {
    yield* Array.from(this.#roles.values())
  }

  /** Gives a member a role. */
  assign(memberId: number, roleId: number): void {
    const [member, id] = [u32(memberId, 'memberId'), u32(roleId, 'roleId')]
    if (!this.#roles.has(id)) throw new RoleError(`unknown role: ${id}`)
    this.#assigned.set(member, id)
  }

  /** A member's role; undefined where it has none. */
  roleOf(memberId: number): RoleSpec | undefined {
    const id = this.#assigned.get(memberId)
    return id === undefined ? undefined : this.#roles.get(id)
  }

  /** What a member may do: nothing without a role. */
  permissionsOf(memberId: number): Permissions {
    return this.roleOf(memberId)?.permissions ?? Permissions.None
  }

  /** Throws a {@link RoleError} unless a member may do all of these. */
  require(memberId: number, mask: Permissions): void {
    if (this.has(u32(memberId, 'memberId'), mask)) return
    const shown = bits(mask).toString(16).toUpperCase().padStart(MASK_DIGITS, '0')
    throw new RoleError(`member ${memberId} lacks permission 0x${shown}`)
  }

  /** Whether a member may do all of these. */
  has(memberId: number, mask: Permissions): boolean {
    const wanted = bits(mask)
    return bits(this.permissionsOf(memberId) & wanted) === wanted
  }
}
