/** Signals: payloads, who may give them, what they make of the group, requests and answers, capabilities. */
import { describe, expect, it } from 'vitest'

import * as gsp from '../../dist/gsp/index.js'
import { code, hex } from './members.js'

const { Negotiator, Permissions, Roles, SignalClient } = gsp
const T0 = 1_700_000_000_000
const HOST = 1

const SIGNALS: readonly gsp.Signal[] = [
  { type: 'join' },
  { type: 'leave' },
  { type: 'role-change', target: 8, role: 2 },
  { type: 'mute', target: 8 },
  { type: 'unmute', target: 2 ** 32 - 1 },
  { type: 'stream-start', streamClass: 'audio' },
  { type: 'stream-stop', streamClass: 'text' },
  { type: 'codec-update', codec: 111 },
]

/** A group with a host: member 7, who may do everything. */
function client(member: number, authority?: gsp.Authority) {
  const made = SignalClient.create({ member, clock: () => T0, ...(authority && { authority }) })
  made.roles.define({ id: HOST, name: 'host', permissions: Permissions.ALL })
  made.roles.define({ id: 2, name: 'listener', permissions: Permissions.SEND_SIGNAL })
  made.roles.assign(7, HOST)
  return made
}

function take(
  to: gsp.SignalClient,
  sent: gsp.OutgoingSignal,
  sender: number | 'unknown' = sent.message.sender,
) {
  return to.receive({ payload: sent.payload, codec: sent.codec, sender, epoch: 1n })
}

const give = (from: gsp.SignalClient, signal: gsp.Signal, order: Partial<gsp.Order> = {}) =>
  from.give({ signal, epoch: 1n, ...order })

describe('a payload', () => {
  it.each(gsp.PAYLOAD_CODECS)('of %s carries every signal with its typed arguments', (codec) => {
    for (const signal of SIGNALS) {
      const message = { signal, requestId: 2 ** 32 - 1, sender: 7, roleClaim: 3 }
      const read = gsp.decodeSignal(gsp.encodeSignal(message, codec), codec)
      expect(read).toMatchObject(message)
      expect(gsp.SIGNAL_NUMBERS[signal.type]).toBeGreaterThanOrEqual(100)
    }
  })

  it('has the arguments that deployed peers read, and keeps what else they hold', () => {
    const mute = { signal: { type: 'mute', target: 8 }, requestId: 5, sender: 7 } as const
    expect(hex(gsp.decodeSignal(gsp.encodeSignal(mute)).arguments)).toBe('a10008')
    const more = Uint8Array.of(0xa2, 0x00, 0x08, 0x18, 0x63, 0xf5)
    expect(hex(gsp.decodeSignal(gsp.encodeSignal({ ...mute, arguments: more })).arguments)).toBe(hex(more))
    const other = Uint8Array.of(0xa1, 0x00, 0x09)
    expect(() => gsp.encodeSignal({ ...mute, arguments: other })).toThrow(code('GSP_BAD_SCHEMA'))
  })

  it('that is no signal is refused with its reason', () => {
    const payload = gsp.encodeSignal({ signal: { type: 'join' }, requestId: 5, sender: 7 })
    const unknown = payload.map((byte, index) => (byte === 100 && index < 8 ? 99 : byte))
    expect(() => gsp.decodeSignal(unknown)).toThrow(code('GSP_UNKNOWN_SIGNAL'))
    expect(() => gsp.decodeSignal(payload, 'flatbuffers')).toThrow(code('WIRE_MALFORMED'))
    for (const signal of [
      {},
      { type: 'dance' },
      { type: 'mute' },
      { type: 'stream-start', streamClass: 'x' },
    ]) {
      const message = { signal, requestId: 1, sender: 1 }
      expect(() => gsp.encodeSignal(message as never)).toThrow(code('INVALID_ARGUMENT'))
    }
  })
})

describe('a client', () => {
  it('follows what the group does: who is in, muted, publishing, in which role and with which codec', () => {
    const [host, guest] = [client(7), client(8)]
    const all: readonly gsp.Signal[] = [
      { type: 'join' },
      { type: 'mute', target: 9 },
      { type: 'stream-start', streamClass: 'audio' },
      { type: 'codec-update', codec: 111 },
      { type: 'role-change', target: 8, role: 2 },
    ]
    for (const signal of all)
      expect(take(guest, give(host, signal))).toMatchObject({ type: 'new', changed: true })
    for (const one of [host, guest]) {
      expect(one.view()).toEqual({ members: [7], muted: [9] })
      expect([one.isMuted(9), one.isMuted(8)]).toEqual([true, false])
      expect([one.publishing(7), one.codecOf(7), one.codecOf(8)]).toEqual([['audio'], 111, undefined])
      expect(one.roles.roleOf(8)?.name).toBe('listener')
      expect([one.maySend(8, 'audio'), one.maySend(8, 'signal'), one.maySend(7, 'text')]).toEqual([
        false,
        true,
        true,
      ])
    }
    take(guest, give(host, { type: 'leave' }))
    expect([guest.view().members, guest.publishing(7)]).toEqual([[], []])
  })

  it('takes a signal once, and says what may be answered', () => {
    const [host, guest] = [client(7), client(8)]
    const sent = give(host, { type: 'mute', target: 9 }, { requestId: 77, roleClaim: 3, codec: 'protobuf' })
    const answer = { to: 7, requestId: 77, refused: undefined }
    expect(take(guest, sent)).toMatchObject({ type: 'new', message: sent.message, answer })
    expect(take(guest, sent)).toMatchObject({ type: 'duplicate', changed: false, answer })
    const other = give(client(7), { type: 'unmute', target: 9 }, { requestId: 77 })
    expect(take(guest, other)).toEqual({ type: 'conflicting', message: other.message })
    guest.reset()
    expect(take(guest, sent).type).toBe('new')
  })

  it('refuses by who sent it and not by what it claims, and uses no number for that', () => {
    const [guest, other] = [client(8), client(9)]
    expect(() => give(guest, { type: 'mute', target: 9 })).toThrow(code('GSP_UNAUTHORIZED'))
    const open = SignalClient.create({ member: 8, authority: 'open' })
    const forged = give(open, { type: 'mute', target: 9 }, { requestId: 5, roleClaim: HOST })
    expect(take(other, forged)).toMatchObject({
      type: 'refused',
      error: code('GSP_UNAUTHORIZED'),
      answer: { to: 8, requestId: 5, refused: { number: 0x3002, reason: 'ERR_GSP_UNAUTHORIZED' } },
    })
    expect(take(other, forged, 7)).toMatchObject({
      type: 'refused',
      error: code('GSP_WRONG_SENDER'),
      answer: undefined,
    })
    expect(other.view().muted).toEqual([])
    other.roles.assign(8, HOST)
    expect(take(other, forged).type).toBe('new')
    const garbage = { payload: Uint8Array.of(1), sender: 7, epoch: 1n }
    expect(other.receive(garbage)).toMatchObject({ type: 'refused', error: code('WIRE_MALFORMED') })
  })

  it('lets a listener with the role of automatic control change codecs, and nobody else moderate', () => {
    const made = client(9, { unassigned: Permissions.NONE, automaticControl: 2 })
    made.roles.assign(9, 2)
    expect(give(made, { type: 'codec-update', codec: 1 }).message.signal.type).toBe('codec-update')
    expect(() => give(made, { type: 'mute', target: 7 })).toThrow(code('GSP_UNAUTHORIZED'))
    expect(client(9, { unassigned: Permissions.NONE }).maySend(5, 'text')).toBe(false)
  })

  it('waits for answers until the last came, somebody left, or time is over', () => {
    let now = T0
    const host = SignalClient.create({ member: 7, authority: 'open', clock: () => now })
    const order = { awaited: [8, 9, 10], timeout: 500 }
    const { requestId } = give(host, { type: 'mute', target: 9 }, order).message
    expect(() => give(host, { type: 'join' }, { ...order, requestId })).toThrow(code('GSP_DUPLICATE_REQUEST'))
    expect(host.pollTimeout()).toBe(T0 + 500)
    expect(host.handleAnswer(8, requestId)).toBeUndefined()
    expect(host.handleAnswer(9, requestId, { refused: { number: 0x3002 } })).toBeUndefined()
    now += 500
    const [finished] = host.handleTimeout()
    expect(finished).toMatchObject({
      requestId,
      signal: { type: 'mute', target: 9 },
      silent: [10],
      carriedOut: false,
    })
    expect(finished?.refused.get(9)).toMatchObject({ number: 0x3002, class: 'authorization' })

    const second = give(host, { type: 'join' }, { awaited: [8, 9] }).message.requestId
    host.handleAnswer(8, second)
    expect(host.setRoster(new Set([7, 8]))).toMatchObject([{ requestId: second, carriedOut: true }])
    expect(host.pollTimeout()).toBeUndefined()
  })

  it('chooses request ids that it has not used', () => {
    const made = client(7)
    const used = new Set(Array.from({ length: 50 }, () => give(made, { type: 'join' }).message.requestId))
    expect([used.size, used.has(0), used.has(made.freshRequest())]).toEqual([50, false, false])
  })

  it('goes on from its state, and refuses others', () => {
    const host = client(7)
    give(host, { type: 'mute', target: 9 }, { requestId: 5, awaited: [8] })
    host.capabilities.advertise(8, ['opus'])
    const again = SignalClient.fromState(host.exportState(), { member: 7, clock: () => T0 })
    expect([again.view().muted, again.roles.roleOf(7)?.id, again.pollTimeout()]).toEqual([
      [9],
      HOST,
      T0 + 10_000,
    ])
    expect(again.capabilities.groupSupports('opus')).toBe(true)
    expect(hex(again.exportState())).toBe(hex(host.exportState()))
    expect(() => SignalClient.fromState(Uint8Array.of(1), { member: 7 })).toThrow(code('STATE_INVALID'))
  })

  it('that is closed answers with one code, and so do its parts', () => {
    const closed = client(7)
    const { roles, capabilities } = closed
    closed.close()
    const calls: (() => unknown)[] = [
      () => give(closed, { type: 'join' }, { requestId: 1 }),
      () => closed.view(),
      () => closed.exportState(),
      () => roles.all(),
      () => capabilities.size,
    ]
    for (const call of calls) expect(call).toThrow(code('HANDLE_CLOSED'))
  })
})

describe('roles by themselves', () => {
  it('give their holders what they say, also once they are changed', () => {
    const roles = new Roles()
    roles.define({ id: 2, name: 'speaker', permissions: Permissions.SEND })
    expect(() => roles.assign(7, 3)).toThrow(code('GSP_ROLE_UNKNOWN'))
    roles.assign(7, 2)
    expect([roles.has(7, Permissions.SEND_TEXT), roles.has(7, Permissions.INVITE)]).toEqual([true, false])
    expect(() => roles.require(7, Permissions.INVITE)).toThrow(code('GSP_UNAUTHORIZED'))
    roles.define({ id: 2, name: 'speaker', permissions: 0x8000_0007 })
    expect([roles.permissionsOf(7), roles.permissionsOf(8)]).toEqual([0x8000_0007, 0])
    expect(roles.all()).toEqual([{ id: 2, name: 'speaker', permissions: 0x8000_0007 }])
    expect([roles.assignments(), roles.role(3)]).toEqual([new Map([[7, 2]]), undefined])
    expect([roles.forget(7), roles.forget(7), roles.roleOf(7)]).toEqual([true, false, undefined])
    expect(() => roles.define({ id: 1, name: 'x'.repeat(65), permissions: 0 })).toThrow(
      code('INVALID_ARGUMENT'),
    )
  })
})

describe('capabilities by themselves', () => {
  it('are what the group has in common', () => {
    const group = new Negotiator()
    expect([group.groupSupports('opus'), group.groupClass()]).toEqual([false, undefined])
    group.advertise(7, new Set(['opus', 'video', ...gsp.classTokens('C')]))
    group.advertise(8, ['opus'])
    group.declareClass(8, 'B')
    expect(group.groupClass()).toBe('B')
    expect(group.intersection()).toEqual(new Set(['opus', ...gsp.classTokens('B')]))
    expect(group.union().has('video')).toBe(true)
    expect([group.groupSupports('opus'), group.groupSupports('video'), group.missing('video')]).toEqual([
      true,
      false,
      [8],
    ])
    expect([group.allSupport([7, 8], 'opus'), group.allSupport([7, 8, 9], 'opus')]).toEqual([true, false])
    expect(group.capabilitiesOf(9)).toBeUndefined()
    expect(group.all().get(8)?.has('gbp/class-b')).toBe(true)
    expect([group.forget(8), group.size, group.groupClass()]).toEqual([true, 1, 'C'])
    group.resetForEpoch()
    expect(group.size).toBe(0)
    for (const tokens of ['opus', [1], 7]) {
      expect(() => group.advertise(7, tokens as never)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(() => group.advertise(7, ['x'.repeat(65)])).toThrow(code('WIRE_TOO_LARGE'))
    expect(gsp.ANSWERS_CAPABILITY).toBe('coterie/signal-answers-1')
  })
})
