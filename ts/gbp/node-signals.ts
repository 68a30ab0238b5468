import { randomInt } from 'node:crypto'

import { Negotiator } from '../gsp/capabilities.js'
import { toNativeOrder, type GroupView, type Order } from '../gsp/client.js'
import type { Role } from '../gsp/roles.js'
import type { Signal } from '../gsp/signal.js'
import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import type { StreamClass } from './codec.js'
import type { NodeCore } from './node-core.js'
import { memberNumber, toNativeTarget } from './parcel.js'
import type { SendOptions } from './node-text.js'

/** How a signal is sent. */
export type SendSignalOptions = SendOptions & Omit<Order, 'signal' | 'epoch'>

/** What signals have made of the group. */
export interface NodeGroupView extends GroupView {
  /** What members announced to publish. */
  readonly publishing: ReadonlyMap<number, readonly StreamClass[]>
}

const MAX_U32 = 0xffff_ffff

/** Signals of a {@link GroupNode}, which has one as `node.signals`. */
export class GroupSignals {
  readonly #core: NodeCore

  /** @internal */
  constructor(core: NodeCore) {
    this.#core = core
  }

  /**
   * Gives a signal: it takes effect here, and will leave. Resolves with its request id; where answers are `awaited`, an event
   * of type `signal-ended` tells how it ended.
   *
   * @throws {@link CoterieError} Where the others would refuse it: `GSP_UNAUTHORIZED`, `GSP_PRECONDITION_FAILED`,
   * `GSP_ROLE_UNKNOWN`, `GSP_STATE_CONFLICT`, `GSP_BAD_SCHEMA`; `GSP_DUPLICATE_REQUEST`, `GBP_NOT_ACTIVE`, `BUSY`,
   * `INVALID_ARGUMENT`, `STORE_FULL`, `STORE_IO`, `HANDLE_CLOSED`.
   */
  async send(signal: Signal, options?: SendSignalOptions): Promise<number> {
    const { to, requestId, roleClaim, awaited, timeout, arguments: raw, codec } = check.options(options)
    const target = toNativeTarget(to)
    const given = { signal, requestId, roleClaim, awaited, timeout, arguments: raw, codec }
    const order = toNativeOrder(given, () => randomInt(1, MAX_U32))
    const { native } = this.#core
    const now = this.#core.now()
    return this.#core.call(options, (cancellation) =>
      native.give(target, order, requestId === undefined, now, cancellation),
    )
  }

  /**
   * What signals have made of the group.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  async view(options?: AbortOptions): Promise<NodeGroupView> {
    const { members, muted, publishing } = await signalView(this.#core, options)
    return { members, muted, publishing: new Map(publishing.map(({ member, classes }) => [member, classes])) }
  }

  /**
   * What each member said that it can do, of those who did.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  async capabilities(options?: AbortOptions): Promise<Map<number, readonly string[]>> {
    const { capabilities } = await signalView(this.#core, options)
    return new Map(capabilities.map(({ member, tokens }) => [member, tokens]))
  }

  /**
   * The same, for what the group has in common, who lacks something, and which class everybody is of; as of now.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  async negotiator(options?: AbortOptions): Promise<Negotiator> {
    const negotiator = new Negotiator()
    for (const [member, tokens] of await this.capabilities(options)) negotiator.advertise(member, tokens)
    return negotiator
  }
}

/**
 * Roles of a {@link GroupNode}, which has one as `node.roles`. Every member defines them by itself; whoever is invited
 * learns them. Signals change who has which.
 */
export class GroupRoles {
  readonly #core: NodeCore

  /** @internal */
  constructor(core: NodeCore) {
    this.#core = core
  }

  /**
   * Defines a role here, or changes it for everybody who has it.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT` also beyond 1024 roles, `GBP_NOT_ACTIVE`, `BUSY`, `HANDLE_CLOSED`.
   */
  async define(role: Role, options?: AbortOptions): Promise<void> {
    const { id, name, permissions } = check.record(role, 'role')
    const given = {
      id: check.u32(id, 'role.id'),
      name: check.text(name, 'role.name'),
      permissions: check.u32(permissions, 'role.permissions'),
    }
    const { native } = this.#core
    const now = this.#core.now()
    await this.#core.call(options, (cancellation) => native.defineRole(given, now, cancellation))
  }

  /**
   * Gives a member a role here, without telling anybody: how a group begins. A signal of type `role-change` tells.
   *
   * @throws {@link CoterieError} `GSP_ROLE_UNKNOWN`, `INVALID_ARGUMENT`, `GBP_NOT_ACTIVE`, `BUSY`, `HANDLE_CLOSED`.
   */
  async assign(member: number, role: number, options?: AbortOptions): Promise<void> {
    const [whom, which] = [memberNumber(member, 'member'), check.u32(role, 'role')]
    const { native } = this.#core
    const now = this.#core.now()
    await this.#core.call(options, (cancellation) => native.assignRole(whom, which, now, cancellation))
  }

  /**
   * Every role, in the order of their numbers.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  async all(options?: AbortOptions): Promise<Role[]> {
    return (await signalView(this.#core, options)).roles
  }

  /**
   * The number of the role that each member has, of those who have one.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  async assignments(options?: AbortOptions): Promise<Map<number, number>> {
    const { assignments } = await signalView(this.#core, options)
    return new Map(assignments.map(({ member, role }) => [member, role]))
  }
}

function signalView(core: NodeCore, options: AbortOptions | undefined) {
  return core.call(options, (cancellation) => core.native.signalView(cancellation))
}
