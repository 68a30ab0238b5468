import { text, u32 } from '../internal/arguments.js'
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

/** Which roles there are, who has which, and what that allows. */
export class RoleRegistry {
  readonly #roles = new Map<number, RoleSpec>()
  readonly #assigned = new Map<number, number>()

  /** Defines a role, in place of the one of the same number. */
  define(spec: RoleSpec): void {
    const { id, name, permissions } = spec
    const role = { id: u32(id, 'id'), name: text(name, 'name'), permissions: u32(permissions, 'permissions') }
    this.#roles.set(id, Object.freeze(role))
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
    if (!this.#roles.has(roleId)) throw new RoleError(`unknown role: ${roleId}`)
    this.#assigned.set(u32(memberId, 'memberId'), roleId)
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
    if (this.has(memberId, mask)) return
    const shown = (mask >>> 0).toString(16).toUpperCase().padStart(MASK_DIGITS, '0')
    throw new RoleError(`member ${memberId} lacks permission 0x${shown}`)
  }

  /** Whether a member may do all of these. */
  has(memberId: number, mask: Permissions): boolean {
    return (this.permissionsOf(memberId) & mask) >>> 0 === mask >>> 0
  }
}
