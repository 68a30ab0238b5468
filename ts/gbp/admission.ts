import { unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native } from '../native.js'
import type { Profile } from './frame.js'
import { toProfile } from './node-options.js'
import { memberNumber } from './parcel.js'

/** Where a member sits. */
export interface Seat {
  /** Its number. */
  readonly member: number
  /** Its place in the tree. */
  readonly leaf: number
}

/** What somebody needs to come into a group. */
export interface Admission {
  /** How the group protects its frames. */
  readonly profile: Profile
  /** The number that the joiner has. */
  readonly member: number
  /** The epoch to begin at: where it is `armed`, the one before that of the Welcome. */
  readonly epoch: bigint
  /** The transition that admits it. */
  readonly transitionId: number
  /** Whether it waits for EXECUTE of that transition: pattern B. */
  readonly armed: boolean
  /** Who invites, and is taken for the coordinator. */
  readonly inviter: number | undefined
  /** Everybody's number and leaf. */
  readonly members: readonly Seat[]
  /** The number of whoever comes in next. */
  readonly nextMember: number
  /** The Welcome. */
  readonly welcome: Uint8Array
}

/** An admission that is to be made. */
export interface AdmissionInit {
  /** How the group protects its frames: `interop`, where nothing is said. */
  readonly profile?: Profile
  /** The number that the joiner has. */
  readonly member: number
  /** The epoch to begin at: where it is `armed`, the one before that of the Welcome. */
  readonly epoch: bigint
  /** The transition that admits it. */
  readonly transitionId: number
  /** Whether it waits for EXECUTE of that transition: pattern B. */
  readonly armed?: boolean
  /** Who invites, and is taken for the coordinator. */
  readonly inviter?: number
  /** Everybody's number and leaf. The joiner's own may be left out. */
  readonly members: readonly Seat[]
  /** The number of whoever comes in next: one above the highest, where nothing is said. */
  readonly nextMember?: number
  /** The Welcome. */
  readonly welcome: Uint8Array
}

/**
 * What an admission says: for a joiner on another package of the Group Protocol Stack, which knows no admissions.
 *
 * @throws {@link CoterieError} `WIRE_MALFORMED`, `WIRE_TOO_LARGE`, `INVALID_ARGUMENT`.
 */
export function readAdmission(bytes: Uint8Array): Admission {
  const read = unwrap(native.nativeReadAdmission(check.bytes(bytes, 'bytes')))
  return { ...read, inviter: read.inviter }
}

/**
 * The admission of a group whose coordinator is on another package of the Group Protocol Stack, for {@link GroupNode.join}.
 *
 * @throws {@link CoterieError} `INVALID_ARGUMENT`.
 */
export function makeAdmission(init: AdmissionInit): Uint8Array {
  const { profile, member, epoch, transitionId, armed, inviter, members, nextMember, welcome } = check.record(
    init,
    'admission',
  )
  const seats = check.list(members, 'members', toSeat)
  const own = memberNumber(member, 'member')
  const highest = Math.max(own, ...seats.map((seat) => seat.member))
  return unwrap(
    native.nativeMakeAdmission({
      profile: toProfile(profile ?? 'interop'),
      member: own,
      epoch: check.u64(epoch, 'epoch'),
      transitionId: check.u32(transitionId, 'transitionId'),
      armed: check.flag(armed ?? false, 'armed'),
      ...(inviter === undefined ? {} : { inviter: memberNumber(inviter, 'inviter') }),
      members: seats,
      nextMember: check.u32(nextMember ?? highest + 1, 'nextMember'),
      welcome: check.bytes(welcome, 'welcome'),
    }),
  )
}

function toSeat(value: unknown, name: string): Seat {
  const { member, leaf } = check.record(value, name)
  return { member: memberNumber(member, `${name}.member`), leaf: check.u32(leaf, `${name}.leaf`) }
}
