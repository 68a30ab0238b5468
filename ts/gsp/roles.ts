import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeRoles } from '../native.js'

/** What a role's holders may do, as bits. Bits above these are the application's. */
export const Permissions = {
  NONE: 0,
  /** Publish text. */
  SEND_TEXT: 0x01,
  /** Publish audio. */
  SEND_AUDIO: 0x02,
  /** Give signals. */
  SEND_SIGNAL: 0x04,
  /** Mute others, and end that. */
  MUTE_OTHERS: 0x08,
  /** Give roles. */
  ASSIGN_ROLES: 0x10,
  /** Invite. */
  INVITE: 0x20,
  /** Remove members. */
  REMOVE_MEMBERS: 0x40,
  /** Close or archive the group. */
  CLOSE_GROUP: 0x80,
  /** To send text, audio and signals. */
  SEND: 0x07,
  /** All of the above. */
  ALL: 0xff,
} as const

/** A role. */
export interface Role {
  /** Its number, which signals carry. */
  readonly id: number
  /** Its name, for people: up to 64 bytes. */
  readonly name: string
  /** What its holders may do: bits of {@link Permissions}. */
  readonly permissions: number
}

/**
 * Roles, and who has which. One that was made by itself stands alone; {@link SignalClient.roles} is a client's own.
 *
 * @example
 * ```ts
 * const roles = new Roles()
 * roles.define({ id: 2, name: 'speaker', permissions: Permissions.SEND })
 * roles.assign(7, 2)
 * roles.require(7, Permissions.SEND_AUDIO)
 * ```
 */
export class Roles {
  readonly #native: NativeRoles

  /** Roles of their own, of which nobody has any. */
  constructor()
  /** @internal */
  constructor(made?: NativeRoles)
  constructor(made: NativeRoles = new native.NativeRoles()) {
    this.#native = made
  }

  /**
   * Defines a role, or changes it for everybody who has it.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT` also beyond 1024 roles, `HANDLE_CLOSED`.
   */
  define(role: Role): void {
    const { id, name, permissions } = check.record(role, 'role')
    unwrap(
      this.#native.define({
        id: check.u32(id, 'role.id'),
        name: check.text(name, 'role.name'),
        permissions: check.u32(permissions, 'role.permissions'),
      }),
    )
  }

  /**
   * Gives a member a role in place of the one it has.
   *
   * @throws {@link CoterieError} `GSP_ROLE_UNKNOWN`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  assign(member: number, role: number): void {
    unwrap(this.#native.assign(check.u32(member, 'member'), check.u32(role, 'role')))
  }

  /**
   * Takes a member's role away: it has left. False where it had none.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  forget(member: number): boolean {
    return unwrap(this.#native.forget(check.u32(member, 'member')))
  }

  /**
   * A role, if it is defined.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  role(id: number): Role | undefined {
    return unwrap(this.#native.role(check.u32(id, 'id'))) ?? undefined
  }

  /**
   * Every role, in the order of their numbers.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  all(): Role[] {
    return unwrap(this.#native.all())
  }

  /**
   * The number of the role that each member has.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  assignments(): Map<number, number> {
    return new Map(unwrap(this.#native.assignments()).map(({ member, role }) => [member, role]))
  }

  /**
   * The role of a member, if it has one.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  roleOf(member: number): Role | undefined {
    return unwrap(this.#native.roleOf(check.u32(member, 'member'))) ?? undefined
  }

  /**
   * What a member may do, as bits of {@link Permissions}: nothing where it has no role.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  permissionsOf(member: number): number {
    return unwrap(this.#native.permissionsOf(check.u32(member, 'member')))
  }

  /**
   * Whether a member has all of these permissions.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  has(member: number, permissions: number): boolean {
    return unwrap(this.#native.has(check.u32(member, 'member'), check.u32(permissions, 'permissions')))
  }

  /**
   * Refuses a member who has not all of these permissions.
   *
   * @throws {@link CoterieError} `GSP_UNAUTHORIZED`, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  require(member: number, permissions: number): void {
    unwrap(this.#native.require(check.u32(member, 'member'), check.u32(permissions, 'permissions')))
  }
}
