/** The helpers of the published package that need no native code. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  CapabilitiesNegotiator,
  JitterBuffer,
  MessageHistory,
  Permissions,
  RoleError,
  RoleRegistry,
  Watermark,
  type AudioFrame,
} from '../../dist/compat/index.js'

const entry = (senderId: number, messageId: bigint) => ({ senderId, messageId, text: `${messageId}` })

const frame = (rtpSequence: number, mediaSourceId = 1): AudioFrame => ({
  mediaSourceId,
  rtpSequence,
  plaintext: Buffer.of(rtpSequence & 0xff),
})

describe('MessageHistory and Watermark', () => {
  it('keeps each message once, drops the oldest and answers what is above a watermark', () => {
    const history = new MessageHistory(3)
    const pushed = [1n, 2n, 2n, 3n, 4n].map((id) => history.push(entry(7, id)))
    expect([pushed, history.length]).toEqual([[true, true, false, true, true], 3])
    expect([history.contains(7, 1n), history.contains(7, 4n), history.contains(8, 4n)]).toEqual([
      false,
      true,
      false,
    ])
    history.push(entry(8, 2n ** 63n))
    const watermark = new Watermark()
    watermark.observe(7, 3n)
    watermark.observe(7, 1n)
    expect([...history.since(watermark)].map(({ messageId }) => messageId)).toEqual([4n, 2n ** 63n])
    expect([...history.sinceForSender(7, 3n)].map(({ text }) => text)).toEqual(['4'])
    history.clear()
    expect(history.length).toBe(0)
    expect(() => new MessageHistory(0)).toThrow('above 0')
  })

  it('the first number seen counts even if it is zero', () => {
    const watermark = new Watermark()
    expect([watermark.lastSeen(1), watermark.size]).toEqual([null, 0])
    watermark.observe(1, 0n)
    const snapshot = watermark.snapshot()
    watermark.observe(1, 5n)
    expect([snapshot.get(1), watermark.lastSeen(1), watermark.size]).toEqual([0n, 5n, 1])
    watermark.clear()
    expect(watermark.size).toBe(0)
  })
})

describe('JitterBuffer', () => {
  it('puts frames in order, says what is late and makes room at the front', () => {
    const buffer = new JitterBuffer(2)
    expect(buffer.popInOrder(1)).toBeNull()
    expect([5, 4].map((sequence) => buffer.push(frame(sequence)).outcome)).toEqual(['accepted', 'accepted'])
    expect(buffer.push(frame(3))).toEqual({ outcome: 'evicted', evicted: frame(3) })
    expect(buffer.popInOrder(1)?.rtpSequence).toBe(4)
    expect(buffer.push(frame(4)).outcome).toBe('late')
    expect(buffer.push(frame(5)).outcome).toBe('accepted')
    buffer.push(frame(7))
    expect([
      buffer.popInOrder(1)?.rtpSequence,
      buffer.popInOrder(1),
      buffer.popForce(1)?.rtpSequence,
    ]).toEqual([5, null, 7])
    buffer.push(frame(1, 2))
    expect([buffer.lengthFor(1), buffer.lengthFor(2), buffer.lengthFor(3)]).toEqual([0, 1, 0])
    buffer.clear()
    expect([buffer.lengthFor(2), buffer.popForce(2)]).toEqual([0, null])
    expect(() => new JitterBuffer(0)).toThrow('above 0')
  })

  it('goes on across every wrap, however frames are swapped', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 2, max: 8 }), (first, block) => {
        const buffer = new JitterBuffer(16)
        const sent = Array.from({ length: 80 }, (_, index) => (first + index) & 0xffff)
        const played: number[] = []
        for (let start = 0; start < sent.length; start += block) {
          for (const sequence of sent.slice(start, start + block).toReversed()) buffer.push(frame(sequence))
          for (let next = buffer.popInOrder(1); next !== null; next = buffer.popInOrder(1)) {
            played.push(next.rtpSequence)
          }
        }
        expect(played).toEqual(sent)
      }),
    )
  })
})

describe('RoleRegistry and CapabilitiesNegotiator', () => {
  it('members may do what their role allows, and nothing without one', () => {
    const registry = new RoleRegistry()
    registry.defineRole(10, 'speaker', Permissions.SendText | Permissions.SendAudio)
    registry.define({ id: 100, name: 'admin', permissions: 0xffff_ffff })
    expect(() => registry.assign(1, 11)).toThrow(RoleError)
    registry.assign(1, 10)
    registry.assign(2, 100)
    expect([registry.roleOf(1)?.name, registry.roleOf(3), registry.permissionsOf(3)]).toEqual([
      'speaker',
      undefined,
      0,
    ])
    expect([registry.has(1, Permissions.SendAudio), registry.has(1, Permissions.Invite)]).toEqual([
      true,
      false,
    ])
    expect([registry.has(2, 0x8000_0000), registry.has(3, Permissions.None)]).toEqual([true, true])
    expect(() => registry.require(1, Permissions.Invite)).toThrow('member 1 lacks permission 0x00000020')
    expect([...registry.allRoles()].map(({ id }) => id)).toEqual([10, 100])
    registry.defineRole(10, 'listener', Permissions.None)
    expect(registry.has(1, Permissions.SendText)).toBe(false)
    expect(registry.role(10)?.name).toBe('listener')
    const error = new RoleError('x')
    expect([error instanceof Error, error.name]).toEqual([true, 'RoleError'])
  })

  it('a group can do what everybody who said something said', () => {
    const negotiator = new CapabilitiesNegotiator()
    expect([negotiator.groupSupports('a'), negotiator.intersection().size]).toEqual([false, 0])
    negotiator.advertise(1, ['a', 'b'])
    negotiator.advertise(2, new Set(['a', 'c']))
    expect([...negotiator.intersection()]).toEqual(['a'])
    expect([...negotiator.union()].toSorted()).toEqual(['a', 'b', 'c'])
    expect([negotiator.groupSupports('a'), negotiator.missing('b'), negotiator.size]).toEqual([true, [2], 2])
    const copy = negotiator.capabilitiesOf(1)
    copy?.clear()
    expect([negotiator.capabilitiesOf(1)?.size, negotiator.capabilitiesOf(3)]).toEqual([2, null])
    negotiator.advertise(2, [])
    expect([negotiator.groupSupports('a'), negotiator.intersection().size]).toEqual([false, 0])
    negotiator.forget(2)
    expect(negotiator.groupSupports('b')).toBe(true)
  })
})
