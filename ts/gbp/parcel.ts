import { CoterieError } from '../errors.js'
import * as check from '../internal/arguments.js'
import type { StreamClass } from './codec.js'

/** Whom something is for: everybody else in the group, or one member by its number. */
export type Target = 'all' | number

/** A frame that is to be carried to others, who give it to {@link GroupNode.receive}. */
export interface FrameParcel {
  readonly type: 'frame'
  /** Whom it is for. */
  readonly to: Target
  /** What its stream carries: audio may be lost, the rest should arrive, in the order of its class. */
  readonly streamClass: StreamClass
  /** The frame. */
  readonly bytes: Uint8Array
}

/** What an invited device needs for {@link GroupNode.join}. It belongs to its receiver alone, and comes before any frame. */
export interface AdmissionParcel {
  readonly type: 'admission'
  /** The number that the joiner has from now on. */
  readonly to: number
  /** The admission. */
  readonly bytes: Uint8Array
}

/** Something that is to be carried to others. */
export type Parcel = FrameParcel | AdmissionParcel

/** The number that stands for everybody. */
const EVERYBODY = 0

/** @internal Everybody, where nobody is named. */
export function toNativeTarget(value: unknown): number {
  if (value === undefined || value === 'all') return EVERYBODY
  return memberNumber(value, 'to')
}

/** @internal */
export function memberNumber(value: unknown, name: string): number {
  const number = check.u32(value, name)
  if (number === EVERYBODY) throw new CoterieError('INVALID_ARGUMENT', `${name}: no member has the number 0`)
  return number
}
