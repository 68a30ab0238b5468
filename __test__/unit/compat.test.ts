/** The flows that users of the published package know, and the answers that are pinned where that package is wrong. */
import { createRequire } from 'node:module'

import { describe, expect, it } from 'vitest'

import * as compat from '../../dist/compat/index.js'
import {
  AES_128_GCM,
  AES_256_GCM,
  ControlOpcode,
  GapClient,
  GroupNode,
  GspClient,
  GtpClient,
  MlsContext,
  NodeState,
  PayloadCodec,
  SFrameSession,
  SignalType,
  StreamType,
  encodeGbpFrame,
  lastError,
  lookupError,
  version,
  type NodeEvent,
} from '../../dist/compat/index.js'

const CODECS = [PayloadCodec.Cbor, PayloadCodec.Protobuf, PayloadCodec.FlatBuffers]
const EVERYBODY = 0
const NOTHING = Buffer.alloc(0)

interface Member {
  mls: MlsContext
  node: GroupNode
}

function started(memberId: number, mls: MlsContext, expected = 0): GroupNode {
  const node = GroupNode.create(memberId, mls.groupId)
  node.bootstrapAsJoiner(mls.epoch, expected)
  node.drainEvents()
  return node
}

function pair(): [Member, Member] {
  const [alice, bob] = [MlsContext.create('alice'), MlsContext.create('bob')]
  bob.acceptWelcome(alice.invite(bob.exportKeyPackage()))
  return [
    { mls: alice, node: started(1, alice) },
    { mls: bob, node: started(2, bob) },
  ]
}

function only(events: NodeEvent[]): NodeEvent {
  expect(events).toHaveLength(1)
  return events[0] as NodeEvent
}

function payloadOf(events: NodeEvent[]): Buffer {
  const event = only(events)
  expect(event.kind).toBe('payload_received')
  return event.plaintext as Buffer
}

const say = (from: Member, text: string, id = 1n) =>
  GtpClient.create().send(from.node, from.mls, EVERYBODY, id, text).wire

function hear(by: Member, wire: Buffer): string | undefined {
  return GtpClient.create().accept(payloadOf(by.node.onWire(by.mls, wire)), by.mls.epoch).text
}

const codeOf = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return undefined
}

describe('the flows of the published package', () => {
  it('two members say hello, and a repetition is a duplicate', () => {
    using alice = MlsContext.create('alice')
    using bob = MlsContext.create('bob')
    bob.acceptWelcome(alice.invite(bob.exportKeyPackage()))
    expect([alice.epoch, bob.epoch, alice.identity]).toEqual([1n, 1n, 'alice'])
    expect(bob.groupId.equals(alice.groupId)).toBe(true)
    using one = GroupNode.create(1, alice.groupId)
    using two = GroupNode.create(2, bob.groupId)
    one.bootstrapAsCreator(alice.epoch)
    two.bootstrapAsJoiner(bob.epoch)
    expect(one.drainEvents().map(({ toState }) => toState)).toEqual([
      'CONNECTING',
      'ESTABLISHING_GROUP',
      'ACTIVE',
    ])
    two.drainEvents()
    using sender = GtpClient.create()
    using receiver = GtpClient.create()
    const { target, wire } = sender.send(one, alice, 2, 0xcafef00dn, 'hello over real MLS')
    expect(target).toBe(2)
    const event = only(two.onWire(bob, wire))
    expect(event).toMatchObject({
      kind: 'payload_received',
      streamType: StreamType.Text,
      streamTypeName: 'text',
      streamId: 101,
      flags: 7,
      codec: PayloadCodec.Cbor,
    })
    const heard = receiver.accept(event.plaintext as Buffer, bob.epoch)
    expect(heard).toMatchObject({
      status: 'new',
      sender: 1,
      messageId: 0xcafef00dn,
      text: 'hello over real MLS',
    })
    const again = receiver.accept(event.plaintext as Buffer, bob.epoch)
    expect(again).toMatchObject({ status: 'duplicate', messageId: 0xcafef00dn, text: heard.text })
    receiver.reset()
    expect(receiver.accept(event.plaintext as Buffer, bob.epoch).status).toBe('new')
  })

  it.each(CODECS)('text, audio and signals cross whole in codec %i', (codec) => {
    const [alice, bob] = pair()
    const long = 'ü'.repeat(100_000)
    const text = GtpClient.create().send(alice.node, alice.mls, 0, 2n ** 64n - 1n, long, codec)
    const textEvent = only(bob.node.onWire(bob.mls, text.wire))
    expect(textEvent.codec).toBe(codec)
    const heard = GtpClient.create().accept(textEvent.plaintext as Buffer, bob.mls.epoch, codec)
    expect([heard.messageId, heard.text === long]).toEqual([2n ** 64n - 1n, true])

    const opus = Buffer.from([0xf8, 0xff, 0xfe])
    const audio = GapClient.create().send(alice.node, alice.mls, 0, 9, 2n ** 60n, opus, codec)
    const audioPayload = payloadOf(bob.node.onWire(bob.mls, audio.wire))
    expect(GapClient.create().accept(audioPayload, bob.mls.epoch, codec)).toMatchObject({
      status: 'new',
      source: 9,
      seq: 1,
      bytes: 3,
      opus,
      rtpTimestamp: 2n ** 60n,
    })

    const args = Buffer.from('a200050102', 'hex')
    const client = GspClient.create()
    const order = [alice.node, alice.mls, 0, SignalType.RoleChange, 4, 77] as const
    const signal = payloadOf(bob.node.onWire(bob.mls, client.sendWithArgs(...order, args, codec).wire))
    const listener = GspClient.create()
    const expected = { signal: 'ROLE_CHANGE', signalCode: 102, sender: 1, roleClaim: 4, requestId: 77, args }
    expect(listener.accept(signal, bob.mls.epoch, codec)).toMatchObject({ status: 'new', ...expected })
    expect(listener.accept(signal, bob.mls.epoch, codec)).toMatchObject({
      status: 'duplicate',
      requestId: 77,
    })
    const join = client.send(alice.node, alice.mls, 0, SignalType.Join, 0, 78, codec)
    const joined = listener.accept(payloadOf(bob.node.onWire(bob.mls, join.wire)), bob.mls.epoch, codec)
    expect(joined).toMatchObject({ signal: 'JOIN', args: NOTHING })
  })

  it('a third member is admitted through the control plane alone', () => {
    const [alice, bob] = pair()
    const carolMls = MlsContext.create('carol')
    const { commit, welcome } = alice.mls.inviteFull(carolMls.exportKeyPackage())
    expect(alice.mls.epoch).toBe(1n)
    const send = (member: Member, opcode: number, args?: Buffer) =>
      member.node.sendControl(member.mls, EVERYBODY, opcode, 1, 100, args).wire
    const prepare = only(bob.node.onWire(bob.mls, send(alice, ControlOpcode.PrepareTransition, commit)))
    expect(prepare).toMatchObject({
      kind: 'control',
      opcode: 'PREPARE_TRANSITION',
      requestId: 100,
      sender: 1,
    })
    expect(bob.mls.processMessage(prepare.args as Buffer)).toBe('commit')
    const ready = only(alice.node.onWire(alice.mls, send(bob, ControlOpcode.ReadyForTransition)))
    expect(ready).toMatchObject({ opcodeCode: ControlOpcode.ReadyForTransition, args: NOTHING })
    const execute = send(alice, ControlOpcode.ExecuteTransition)
    const kinds = bob.node.onWire(bob.mls, execute).map(({ kind }) => kind)
    expect(kinds).toEqual(['epoch_advanced', 'control'])
    bob.mls.finalizeCommit()

    carolMls.acceptWelcome(welcome)
    const carolNode = GroupNode.create(3, carolMls.groupId)
    carolNode.bootstrapAsJoiner(alice.node.epoch, 1)
    carolNode.drainEvents()
    const carol = { mls: carolMls, node: carolNode }
    alice.mls.finalizeCommit()
    carol.node.onWire(carol.mls, send(alice, ControlOpcode.ExecuteTransition))
    alice.node.applyTransition(1)
    expect(only(alice.node.drainEvents())).toMatchObject({
      kind: 'epoch_advanced',
      epoch: 2n,
      transitionId: 1,
    })
    for (const { mls, node } of [alice, bob, carol]) {
      expect([mls.epoch, node.epoch, node.lastTransitionId]).toEqual([2n, 2n, 1])
    }
    const wire = say(alice, 'welcome')
    expect([hear(bob, wire), hear(carol, wire)]).toEqual(['welcome', 'welcome'])

    // Carol goes again.
    const removal = alice.mls.removeMember(2)
    bob.mls.processMessage(removal)
    alice.mls.finalizeCommit()
    bob.mls.finalizeCommit()
    for (const { node } of [alice, bob]) {
      node.applyTransition(2)
      node.drainEvents()
    }
    expect(hear(bob, say(alice, 'alone'))).toBe('alone')
    expect(only(carol.node.onWire(carol.mls, say(alice, 'secret'))).kind).toBe('error')
  })

  it('an aborted change leaves everybody where they were', () => {
    const [alice, bob] = pair()
    const { commit } = alice.mls.inviteFull(MlsContext.create('carol').exportKeyPackage())
    const send = (opcode: number, tid: number, args?: Buffer) =>
      bob.node.onWire(bob.mls, alice.node.sendControl(alice.mls, 0, opcode, tid, 1, args).wire)
    bob.mls.processMessage(only(send(ControlOpcode.PrepareTransition, 1, commit)).args as Buffer)
    expect(only(send(ControlOpcode.AbortTransition, 1)).opcode).toBe('ABORT_TRANSITION')
    for (const { mls } of [alice, bob]) {
      mls.clearPendingCommit()
      mls.finalizeCommit()
      expect(mls.epoch).toBe(1n)
    }
    const again = alice.mls.inviteFull(MlsContext.create('dave').exportKeyPackage())
    expect(only(send(ControlOpcode.PrepareTransition, 2, again.commit)).kind).toBe('control')
    expect(bob.mls.processMessage(again.commit)).toBe('commit')
  })

  it('media frames are sealed end to end, empty ones too', () => {
    const [alice, bob] = pair()
    for (const suite of [AES_128_GCM, AES_256_GCM] as const) {
      using sending = SFrameSession.create(alice.mls, 'calls', suite)
      using receiving = SFrameSession.create(bob.mls, 'calls', suite)
      using encryptor = sending.createEncryptor(alice.mls, 0, 'calls', suite)
      const aad = Buffer.from('stream-42')
      for (const plaintext of [Buffer.from([1, 2]), NOTHING]) {
        const frame = encryptor.encrypt(plaintext, aad)
        expect(codeOf(() => receiving.decrypt(frame))).toBe('SFRAME_NOT_AUTHENTIC')
        expect(receiving.decrypt(frame, aad)).toEqual({ plaintext, senderLeaf: 0 })
        expect(codeOf(() => receiving.decrypt(frame, aad))).toBe('SFRAME_REPLAY')
      }
      // Another encryptor and another session go on counting.
      using second = sending.createEncryptor(alice.mls, 0)
      using anew = SFrameSession.create(alice.mls, 'calls', suite).createEncryptor(alice.mls, 0)
      for (const another of [second, anew, encryptor]) {
        expect(receiving.decrypt(another.encrypt(aad)).plaintext.equals(aad)).toBe(true)
      }
    }
  })
})

describe('what is pinned', () => {
  it('everything is there by import and by require', () => {
    const required = createRequire(import.meta.url)('../../dist/compat/index.js') as typeof compat
    const names = (
      'AES_128_GCM AES_256_GCM CapabilitiesNegotiator ControlOpcode GapClient GroupNode GspClient GtpClient ' +
      'JitterBuffer MessageHistory MlsContext NodeState PayloadCodec Permissions RoleError RoleRegistry ' +
      'SFrameEncryptor SFrameSession SignalType StreamType Watermark encodeGbpFrame lastError lookupError version'
    ).split(' ')
    expect(Object.keys(required).toSorted()).toEqual(names)
    expect(required.MlsContext).toBe(compat.MlsContext)
    expect([
      PayloadCodec.FlatBuffers,
      PayloadCodec[2],
      NodeState[3],
      version().length > 0,
      lastError(),
    ]).toEqual([2, 'FlatBuffers', 'Active', true, ''])
  })

  it('a refused frame is one error, changes nothing and uses up no number', () => {
    const [alice, bob] = pair()
    const wire = say(alice, 'genuine')
    const forged = Buffer.from(wire)
    forged.writeUInt8((forged.at(-1) ?? 0) ^ 1, forged.length - 1)
    const frame = (fields: Partial<Record<string, number>>, group = alice.mls.groupId) => {
      const { version: v = 1, epoch = 1, type = 2, flags = 7, sequence = 5 } = fields
      return encodeGbpFrame(v, group, epoch, 0, type, 101, flags, sequence, Buffer.alloc(20))
    }
    const cases: [Buffer, number, string][] = [
      [NOTHING, 8, '0x0008'],
      [Buffer.from('garbage'), 8, '0x0008'],
      [frame({ version: 2 }), 1, '0x0001'],
      [frame({}, Buffer.alloc(16)), 2, '0x0002'],
      [frame({ epoch: 9 }), 3, '0x0003'],
      [frame({ type: 9 }), 8, '0x0008'],
      [frame({ flags: 0x17 }), 6, '0x0006'],
      [frame({}), 6, '0x0006'],
      [forged, 6, '0x0006'],
    ]
    for (const [bytes, code, codeHex] of cases) {
      const event = only(bob.node.onWire(bob.mls, bytes))
      expect(event).toMatchObject({ kind: 'error', code, codeHex, classCode: expect.any(Number) })
      expect(bob.node.state).toBe(NodeState.Active)
    }
    expect(hear(bob, wire)).toBe('genuine')
    expect(only(bob.node.onWire(bob.mls, wire))).toMatchObject({ kind: 'error', code: 5 })
  })

  it('frames that are overtaken arrive all the same, those of the epoch before too', () => {
    const [alice, bob] = pair()
    const wires = Array.from({ length: 17 }, (_, index) => say(alice, `${index}`, BigInt(index)))
    const late = wires.shift() as Buffer
    for (const wire of wires) expect(hear(bob, wire)).toBeDefined()
    expect(hear(bob, late)).toBe('0')
    const before = say(alice, 'before')
    const { commit } = alice.mls.inviteFull(MlsContext.create('carol').exportKeyPackage())
    bob.mls.processMessage(commit)
    bob.node.applyTransition(1)
    bob.node.drainEvents()
    bob.mls.finalizeCommit()
    expect(hear(bob, before)).toBe('before')
  })

  it('numbers go on after a new node and after a restored context, of which a key package can be had', () => {
    const [alice, bob] = pair()
    const early = alice.mls.exportState()
    const seen = new Set<number>()
    let last = 0
    const send = (from: Member) => {
      const event = only(bob.node.onWire(bob.mls, say(from, 'x')))
      expect(event.sequenceNo).toBeGreaterThan(last)
      last = event.sequenceNo ?? 0
      seen.add(last)
    }
    send(alice)
    send({ mls: alice.mls, node: started(1, alice.mls) })
    const restored = MlsContext.restoreState(alice.mls.exportState(), 'alice')
    send({ mls: restored, node: started(1, restored) })
    const old = MlsContext.restoreState(early)
    send({ mls: old, node: started(1, old) })
    expect([seen.size, old.identity, restored.identity]).toEqual([4, '', 'alice'])
    const dave = MlsContext.create('dave')
    dave.acceptWelcome(MlsContext.create('erin').invite(dave.exportKeyPackage()))
    expect(MlsContext.restoreState(dave.exportState()).exportKeyPackage().length).toBeGreaterThan(100)
    expect(codeOf(() => MlsContext.restoreState(early.subarray(0, -1)))).toBe('GBP_STATE_INVALID')
  })

  it('a payload of another codec is an error of the client', () => {
    const [alice, bob] = pair()
    const wire = GtpClient.create().send(alice.node, alice.mls, 0, 1n, 'x', PayloadCodec.Protobuf).wire
    const payload = payloadOf(bob.node.onWire(bob.mls, wire))
    for (const codec of [PayloadCodec.Cbor, 3, 255]) {
      const { status, reason } = GtpClient.create().accept(payload, 1n, codec)
      expect([status, typeof reason]).toEqual(['error', 'string'])
    }
  })

  it('claims are events, and nothing of the control plane is enforced', () => {
    const [alice, bob] = pair()
    const advertise = (args: string) =>
      bob.node.onWire(
        bob.mls,
        alice.node.sendControl(
          alice.mls,
          0,
          ControlOpcode.CapabilitiesAdvertise,
          0,
          0,
          Buffer.from(args, 'hex'),
        ).wire,
      )
    expect(advertise('a100f5').map(({ kind }) => kind)).toEqual(['coordinator_claim', 'control'])
    expect(only(advertise('a1614244 00f500f5'.replace(' ', ''))).kind).toBe('control')
    const prepare = () =>
      bob.node.sendControl(bob.mls, 0, ControlOpcode.PrepareTransition, 5, 1, NOTHING).wire
    expect(only(alice.node.onWire(alice.mls, prepare())).kind).toBe('control')
    expect(only(alice.node.onWire(alice.mls, prepare())).kind).toBe('control')
    const answer = Buffer.from('anything')
    const wire = bob.node.sendControl(bob.mls, 0, ControlOpcode.Nack, 0, 9, answer).wire
    expect(only(alice.node.onWire(alice.mls, wire)).args).toEqual(answer)
  })

  it('senseless arguments and closed objects are errors with a code', () => {
    const [alice] = pair()
    const refused = [
      () => GroupNode.create(1, Buffer.alloc(15)),
      () => GroupNode.create(-1, Buffer.alloc(16)),
      () => GroupNode.create(1_000_000, Buffer.alloc(16)),
      () => encodeGbpFrame(1, Buffer.alloc(17), 1n, 0, 2, 1, 7, 1, NOTHING),
      () => alice.node.sendControl(alice.mls, 0, 11, 0, 0),
      () => alice.node.sendControl({} as MlsContext, 0, 1, 1, 0),
      () => GtpClient.create().send(alice.node, alice.mls, 0, -1n, 'x'),
      () => GtpClient.create().send(alice.node, alice.mls, 0, 1n, '\ud800'),
      () => GtpClient.create().send(alice.node, alice.mls, 0, 1n, 'x', 3),
      () => GapClient.create().send(alice.node, alice.mls, Number.NaN, 1, 1n, NOTHING),
      () => SFrameSession.create(alice.mls, 'x', 2 as 0),
      () => MlsContext.create(''),
    ]
    for (const work of refused)
      expect([codeOf(work), String(work)]).toEqual(['INVALID_ARGUMENT', String(work)])
    const signal = GspClient.create()
    expect(codeOf(() => signal.send(alice.node, alice.mls, 0, 999, 0, 1))).toBe('GSP_UNKNOWN_SIGNAL')
    expect(codeOf(() => signal.send(alice.node, alice.mls, 0, SignalType.Mute, 0, 1))).toBe('GSP_BAD_SCHEMA')
    expect(codeOf(() => alice.node.bootstrapAsCreator(1n))).toBe('GBP_NOT_ACTIVE')
    expect(codeOf(() => say({ mls: alice.mls, node: GroupNode.create(1, alice.mls.groupId) }, 'x'))).toBe(
      'GBP_NOT_ACTIVE',
    )
    expect(lookupError(3)?.toString('hex')).toContain('4552525f45504f43485f4d49534d41544348')
    expect([lookupError(10), lookupError(70_000), lookupError(1.5)]).toEqual([null, null, null])
    const session = SFrameSession.create(alice.mls)
    const closable = [alice.mls, alice.node, signal, session, session.createEncryptor(alice.mls, 0)]
    for (const object of closable) {
      object.close()
      object.close()
    }
    const closed = [
      () => alice.mls.epoch,
      () => alice.mls.exportState(),
      () => alice.node.state,
      () => alice.node.drainEvents(),
      () => signal.reset(),
      () => session.decrypt(NOTHING),
    ]
    for (const work of closed) expect([codeOf(work), String(work)]).toEqual(['HANDLE_CLOSED', String(work)])
  })
})
