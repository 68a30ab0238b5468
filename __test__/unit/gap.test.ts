/** Audio: payloads, numbering, judging, playing in time, and the jitter buffer. */
import { describe, expect, it } from 'vitest'

import * as gap from '../../dist/gap/index.js'
import { code, hex } from './members.js'

const { Inbound, JitterBuffer, Outbound, Playout } = gap
const T0 = 1_700_000_000_000
const opus = Uint8Array.of(0xfc, 1, 2, 3)
const SOURCE = 700

function hand() {
  let now = T0
  return { clock: () => now, pass: (milliseconds: number) => (now += milliseconds) }
}

const packet = (sequence: number, more: Partial<gap.AudioPacket> = {}): gap.AudioPacket => ({
  source: SOURCE,
  sequence,
  timestamp: BigInt(sequence) * 960n,
  keyPhase: 1,
  frame: opus,
  ...more,
})

describe('a payload', () => {
  it.each(gap.PAYLOAD_CODECS)('of %s keeps the audio and all numbers', (codec) => {
    for (const one of [
      packet(1),
      packet(65_535, { timestamp: 2n ** 64n - 1n, keyPhase: 2 ** 32 - 1, source: 2 ** 32 - 1 }),
      packet(0, { frame: new Uint8Array() }),
      packet(2, { frame: new Uint8Array(8_192).fill(9) }),
    ]) {
      expect(gap.decodeAudio(gap.encodeAudio(one, codec), codec)).toEqual(one)
    }
  })

  it('that is none is refused with its reason', () => {
    expect(() => gap.decodeAudio(Uint8Array.of(1))).toThrow(code('WIRE_MALFORMED'))
    expect(() => gap.decodeAudio(gap.encodeAudio(packet(1)), 3)).toThrow(code('WIRE_UNSUPPORTED_CODEC'))
    expect(() => gap.encodeAudio(packet(65_536))).toThrow(code('INVALID_ARGUMENT'))
    expect([gap.ownSource(5, 3), gap.ownSource(5), gap.ownSource(5, 100)]).toEqual([503, 500, undefined])
  })
})

describe('the sending side', () => {
  it('counts from one in every epoch, goes on after a restart, and is silent while muted', () => {
    using outbound = Outbound.create({ epoch: (1n << 32n) + 7n })
    const next = () => outbound.packet({ source: SOURCE, timestamp: 0n, frame: opus, codec: 'protobuf' })
    expect([next()?.packet.sequence, next()?.packet.sequence, next()?.packet.keyPhase]).toEqual([1, 2, 7])
    const sent = next()
    expect(sent && gap.decodeAudio(sent.payload, sent.codec)).toEqual(sent?.packet)
    expect(outbound.counts()).toEqual([{ source: SOURCE, last: 4 }])
    outbound.setMuted(true)
    expect([outbound.muted, next()]).toEqual([true, undefined])
    outbound.setMuted(false)
    outbound.advance(9n)
    expect([outbound.epoch, next()?.packet.sequence]).toEqual([9n, 1])
    outbound.resume({ source: SOURCE, last: 65_535 })
    expect(next()?.packet.sequence).toBe(0)
  })

  it('refuses too much audio and too many sources, and uses no number for that', () => {
    using outbound = Outbound.create({ epoch: 1n })
    const send = (source: number, frame = opus) => outbound.packet({ source, timestamp: 0n, frame })
    expect(() => send(1, new Uint8Array(8_193))).toThrow(code('WIRE_TOO_LARGE'))
    for (let source = 0; source < 16; source += 1) expect(send(source)?.packet.sequence).toBe(1)
    expect(() => send(16)).toThrow(code('GAP_TOO_MANY_SOURCES'))
  })
})

describe('the receiving side', () => {
  it('judges by number, over the wrap, for each member by itself', () => {
    using inbound = Inbound.create({ epoch: 1n, clock: () => T0 })
    const arrival = (sequence: number, member = 7) => inbound.accept(member, packet(sequence)).arrival
    expect([65_534, 65_535, 0, 65_535, 2, 1].map((number) => arrival(number))).toEqual([
      'new',
      'new',
      'new',
      'duplicate',
      'new',
      'reordered',
    ])
    expect([arrival(1, 8), inbound.sources]).toEqual(['new', 2])
    expect(inbound.statistics()).toMatchObject({ new: 5n, reordered: 1n, duplicate: 1n, stray: 0n })
    inbound.forget(8)
    inbound.reset()
    expect([inbound.sources, arrival(1)]).toEqual([0, 'new'])
  })

  it('hands out everything of a packet, and takes an ended epoch for the overlap', () => {
    const { clock, pass } = hand()
    using inbound = Inbound.create({ epoch: 1n, overlap: 5_000, clock })
    const payload = gap.encodeAudio(packet(1), 'flatbuffers')
    const taken = inbound.receive({ payload, codec: 'flatbuffers', member: 7 })
    expect(taken).toEqual({
      track: { member: 7, source: SOURCE },
      epoch: 1n,
      arrival: 'new',
      packet: packet(1),
      dropped: false,
    })
    inbound.advance(2n)
    expect([inbound.epoch, inbound.accept(7, packet(2)).epoch]).toEqual([2n, 1n])
    expect(inbound.pollTimeout()).toBe(T0 + 5_000)
    pass(5_000)
    inbound.handleTimeout()
    expect(() => inbound.accept(7, packet(3))).toThrow(code('GAP_EPOCH_STALE'))
    expect(() => inbound.accept(7, packet(3, { keyPhase: 9 }))).toThrow(code('GAP_KEY_PHASE_UNKNOWN'))
  })

  it('that is closed answers with one code', () => {
    const [inbound, outbound] = [Inbound.create({ epoch: 1n }), Outbound.create({ epoch: 1n })]
    const [playout, buffer] = [new Playout(), JitterBuffer.create({ capacity: 1 })]
    for (const one of [inbound, outbound, playout, buffer]) one.close()
    for (const call of [
      () => inbound.accept(7, packet(1)),
      () => outbound.epoch,
      () => playout.play(),
      () => buffer.lengthFor(1),
    ] as (() => unknown)[]) {
      expect(call).toThrow(code('HANDLE_CLOSED'))
    }
  })
})

describe('playing', () => {
  it('plays each packet once and in order, conceals what was lost, and falls silent at the end', () => {
    const { clock, pass } = hand()
    using playout = new Playout({ clock })
    using inbound = Inbound.create({ epoch: 1n, playout, clock })
    const steps: gap.Played[] = []
    for (let sequence = 1; sequence <= 60; sequence += 1) {
      if (sequence !== 30) inbound.accept(7, packet(sequence, { frame: Uint8Array.of(sequence) }))
      pass(20)
      steps.push(...playout.play())
    }
    for (let turn = 0; turn < 40; turn += 1) {
      pass(20)
      steps.push(...playout.play())
    }
    const numbers = steps.flatMap((step) => (step.type === 'packet' ? [step.sequence] : []))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(new Set(numbers).size).toBe(numbers.length)
    expect(numbers.length).toBeGreaterThan(50)
    expect(numbers).not.toContain(30)
    expect(steps.filter((step) => step.type === 'missing' && step.why === 'lost').length).toBeGreaterThan(0)
    expect(steps.at(-1)).toEqual({ type: 'silent', track: { member: 7, source: SOURCE } })
    expect(playout.pollTimeout()).toBeUndefined()
    const [statistics] = playout.statistics()
    expect(statistics).toMatchObject({ track: { member: 7, source: SOURCE }, played: BigInt(numbers.length) })
  })

  it('shows what comes next, and drops what waits of a member who is muted', () => {
    const { clock } = hand()
    using playout = new Playout({ clock })
    using inbound = Inbound.create({ epoch: 1n, playout, clock })
    inbound.accept(7, packet(1))
    const track = { member: 7, source: SOURCE }
    expect([hex(playout.nextPacket(track) ?? new Uint8Array()), playout.waitingBytes > 0]).toEqual([
      hex(opus),
      true,
    ])
    playout.setMuted(7, true)
    expect([playout.isMuted(7), playout.waitingBytes, playout.nextPacket(track)]).toEqual([
      true,
      0,
      undefined,
    ])
    inbound.accept(7, packet(2))
    playout.setMuted(7, false)
    expect(playout.waitingBytes).toBe(0)
    inbound.accept(7, packet(3))
    playout.forget(7)
    playout.forgetIdle()
    expect([playout.waitingBytes, playout.statistics()]).toEqual([0, []])
  })

  it('says where a packet found no room, and counts it all the same', () => {
    const { clock } = hand()
    using playout = new Playout({ clock })
    using inbound = Inbound.create({ epoch: 1n, playout, clock })
    const frame = new Uint8Array(8_192)
    const dropped: boolean[] = []
    for (let member = 1; member <= 20; member += 1) {
      for (let sequence = 1; sequence <= 60; sequence += 1) {
        dropped.push(inbound.accept(member, packet(sequence, { frame })).dropped)
      }
    }
    expect([dropped[0], dropped.at(-1), inbound.statistics().new]).toEqual([false, true, 1_200n])
    expect(playout.waitingBytes).toBeLessThanOrEqual(4 << 20)
  })
})

describe('the jitter buffer', () => {
  it('gives packets in order, over the wrap, and forces what is there', () => {
    using buffer = JitterBuffer.create({ capacity: 2, clock: () => T0 })
    const push = (sequence: number) =>
      buffer.push(SOURCE, { sequence, frame: Uint8Array.of(sequence & 0xff) })
    expect([push(0), push(65_535)]).toEqual([{ type: 'accepted' }, { type: 'accepted' }])
    expect([buffer.popInOrder(SOURCE)?.sequence, buffer.popInOrder(SOURCE)?.sequence]).toEqual([65_535, 0])
    expect([push(3), push(65_535)]).toEqual([{ type: 'accepted' }, { type: 'late' }])
    expect([buffer.popInOrder(SOURCE), buffer.lengthFor(SOURCE)]).toEqual([undefined, 1])
    expect(buffer.popForce(SOURCE)).toEqual({ sequence: 3, frame: Uint8Array.of(3) })
    expect([push(5), push(6), push(7)].at(-1)).toEqual({
      type: 'evicted',
      sequence: 5,
      frame: Uint8Array.of(5),
    })
    buffer.clear()
    expect(buffer.lengthFor(SOURCE)).toBe(0)
    expect(() => JitterBuffer.create({ capacity: 0 })).toThrow(code('INVALID_ARGUMENT'))
  })
})
