import { randomBytes } from 'node:crypto'

import { toNativeAuthority, type Authority } from '../gsp/client.js'
import { toNativeLimits, type HistoryLimits } from '../gtp/history.js'
import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { Device, insideOfDevice, type DeviceInside } from '../mls/device.js'
import { CIPHER_SUITES, type CipherSuite } from '../mls/suites.js'
import { PROFILES, type Profile } from './frame.js'
import { memberNumber } from './parcel.js'

/** What an application chooses of a node, each time that it makes or opens one. */
export interface NodeSettings extends AbortOptions {
  /** What is kept of messages; nothing for `false`. */
  readonly history?: HistoryLimits | false
  /** The largest attachment that is taken in, in bytes, or none; a GiB where nothing is said. */
  readonly attachments?: bigint | false
  /** Whose signals count: in `sealed` those of members whose role allows them, in `interop` everybody's. */
  readonly authority?: Authority
}

/** How a group begins. */
export interface CreateNodeOptions extends NodeSettings {
  /** The founder's number. Those who join get the numbers behind it. */
  readonly member: number
  /** The group's id: 16 bytes, which are random where none are given. */
  readonly groupId?: Uint8Array
  /** How its frames are protected, for good: `sealed`, where nothing is said. `interop` is for deployed peers. */
  readonly profile?: Profile
  /** Its suite; the device's own, or in `interop` the only one that deployed peers speak. */
  readonly suite?: CipherSuite
}

/** What a joiner expects. */
export interface JoinNodeOptions extends NodeSettings {
  /** How the group protects its frames: `sealed`, where nothing is said. A group that does otherwise is refused. */
  readonly profile?: Profile
}

const GROUP_ID_LENGTH = 16

/** @internal */
export function insideOfNodeDevice(device: unknown): DeviceInside {
  return insideOfDevice(check.instance(device, Device.is, 'Device'))
}

/** @internal */
export function toNativeNodeOptions(options: CreateNodeOptions) {
  const { member, groupId, profile, suite } = check.options(options)
  return {
    member: memberNumber(member, 'member'),
    id:
      groupId === undefined ? new Uint8Array(randomBytes(GROUP_ID_LENGTH)) : check.bytes(groupId, 'groupId'),
    profile: toProfile(profile),
    ...(suite === undefined ? {} : { suite: check.oneOf(suite, CIPHER_SUITES, 'suite') }),
  }
}

/** @internal */
export function toProfile(value: unknown): Profile {
  return value === undefined ? 'sealed' : check.oneOf(value, PROFILES, 'profile')
}

/** @internal */
export function toNativeSettings(options: NodeSettings | undefined, { policy }: DeviceInside) {
  const { history, attachments, authority } = check.options(options)
  return {
    asks: policy !== undefined,
    ...(history === undefined ? {} : { history: history !== false && toNativeLimits(history, 'history') }),
    ...(attachments === undefined
      ? {}
      : { attachments: attachments !== false && check.u64(attachments, 'attachments') }),
    ...(authority === undefined ? {} : { authority: toNativeAuthority(authority) }),
  }
}
