/** What crosses the boundary for every frame of text: nothing is lost, shared or believed on the way. */
import { createRequire } from 'node:module'

import { describe, expect, it } from 'vitest'

import {
  GroupNode,
  GspClient,
  GtpClient,
  MlsContext,
  PayloadCodec,
  SignalType,
  type NodeEvent,
} from '../../dist/compat/index.js'
import type * as Addon from '../../index.js'

const native = createRequire(import.meta.url)('../../index.js') as typeof Addon

const EVERYBODY = 0
const CODECS = [PayloadCodec.Cbor, PayloadCodec.Protobuf, PayloadCodec.FlatBuffers]

interface Member {
  mls: MlsContext
  node: GroupNode
  client: GtpClient
}

function member(number: number, mls: MlsContext): Member {
  const node = GroupNode.create(number, mls.groupId)
  node.bootstrapAsCreator(mls.epoch)
  node.drainEvents()
  return { mls, node, client: GtpClient.create() }
}

function pair(): [Member, Member] {
  const [alice, bob] = [MlsContext.create('alice'), MlsContext.create('bob')]
  bob.acceptWelcome(alice.invite(bob.exportKeyPackage()))
  return [member(1, alice), member(2, bob)]
}

const say = ({ client, node, mls }: Member, id: bigint, text: string, codec?: PayloadCodec) =>
  client.send(node, mls, EVERYBODY, id, text, codec).wire

function plaintextOf(events: NodeEvent[]): Buffer {
  expect(events.map(({ kind }) => kind)).toEqual(['payload_received'])
  return events[0]?.plaintext as Buffer
}

const codeOf = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return undefined
}

function shared(bytes: Uint8Array): Buffer {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy as Buffer
}

function detached(): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(64))
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

describe('text frames', () => {
  it('say what they said, whatever it is and however long', () => {
    const [alice, bob] = pair()
    const lengths = [
      0, 1, 23, 24, 255, 256, 1_018, 1_019, 1_020, 1_021, 1_024, 4_096, 65_535, 65_536, 300_000,
    ]
    const texts = [
      ...lengths.flatMap((length) =>
        ['x', 'é', '語', '🎈'].map((letter) => letter.repeat(length / letter.length)),
      ),
      '\ufeffwith its mark',
      'zero \0 inside',
      '\ufffd',
    ]
    for (const [index, text] of texts.entries()) {
      const codec = CODECS[index % CODECS.length] as PayloadCodec
      const [event] = bob.node.onWire(bob.mls, say(alice, BigInt(index), text, codec))
      const heard = bob.client.accept(event?.plaintext as Buffer, bob.mls.epoch, event?.codec)
      expect(heard.text === text, `${text.length} of ${text.slice(0, 9)}`).toBe(true)
      expect([heard.status, heard.messageId, heard.content?.toString()]).toEqual(['new', BigInt(index), text])
    }
  })

  it('are the caller’s own once they are there', () => {
    const [alice, bob] = pair()
    const wires = ['first', 'second', 'third'].map((text, index) => say(alice, BigInt(index), text))
    const plaintexts = wires.map((wire) => plaintextOf(bob.node.onWire(bob.mls, wire)))
    const copies = plaintexts.map((plaintext) => Buffer.from(plaintext))
    const heard = plaintexts.map((plaintext) => bob.client.accept(plaintext, bob.mls.epoch))
    for (const bytes of [...wires, ...plaintexts]) bytes.fill(0)
    expect(heard.map(({ content }) => content?.toString())).toEqual(['first', 'second', 'third'])
    const again = copies.map((copy) => bob.client.accept(copy, bob.mls.epoch))
    expect(again.map(({ status, text }) => [status, text])).toEqual([
      ['duplicate', 'first'],
      ['duplicate', 'second'],
      ['duplicate', 'third'],
    ])
  })

  it('say who sent them in every field, to the last bit', () => {
    const [alice, bob] = pair()
    const id = 2n ** 64n - 1n
    const [event] = bob.node.onWire(bob.mls, say(alice, id, 'hello'))
    const { plaintext, sequenceNo, ...rest } = event as NodeEvent
    expect(rest).toEqual({
      kind: 'payload_received',
      streamTypeName: 'text',
      streamType: 2,
      streamId: 101,
      flags: 7,
      codec: 0,
    })
    expect(sequenceNo).toBeGreaterThanOrEqual(2 ** 31)
    expect(bob.client.accept(plaintext as Buffer, bob.mls.epoch)).toEqual({
      status: 'new',
      sender: 1,
      messageId: id,
      timestampMs: 0n,
      requestId: 0,
      flags: 1,
      contentType: 0,
      text: 'hello',
      content: Buffer.from('hello'),
    })
  })

  it('are told behind what happened before', () => {
    const [alice, bob] = pair()
    const node = GroupNode.create(2, bob.mls.groupId)
    node.bootstrapAsCreator(bob.mls.epoch)
    const told = node.onWire(bob.mls, say(alice, 1n, 'early'))
    expect(told.map(({ kind }) => kind)).toEqual([
      'state_changed',
      'state_changed',
      'state_changed',
      'payload_received',
    ])
    const [, , , payload] = told
    expect(payload).toMatchObject({ streamTypeName: 'text', streamType: 2, codec: 0 })
    expect(bob.client.accept(payload?.plaintext as Buffer, 1n).text).toBe('early')
  })

  it('whose content is no text show their bytes', () => {
    const [alice, bob] = pair()
    const plaintext = plaintextOf(bob.node.onWire(bob.mls, say(alice, 1n, 'spoilt')))
    plaintext[plaintext.length - 1] = 0xff
    const heard = bob.client.accept(plaintext, bob.mls.epoch)
    expect([heard.text, heard.content?.toString('latin1')]).toEqual(['<binary>', 'spoil\xff'])
  })

  it('of one node are sealed and opened by several contexts, each by its own keys', () => {
    const [alice, bob] = pair()
    const [carol] = pair()
    const [wire, foreign] = [say(alice, 1n, 'ours'), say({ ...alice, mls: carol.mls }, 1n, 'theirs')]
    expect(bob.node.onWire(bob.mls, foreign).map(({ kind }) => kind)).toEqual(['error'])
    expect(bob.node.onWire(carol.mls, wire).map(({ kind }) => kind)).toEqual(['error'])
    expect(bob.client.accept(plaintextOf(bob.node.onWire(bob.mls, wire)), 1n).text).toBe('ours')
  })
})

describe('what callers hand in', () => {
  it('is read where it is shared, and refused where it is gone', () => {
    const [alice, bob] = pair()
    const wire = say(alice, 1n, 'shared')
    const plaintext = plaintextOf(bob.node.onWire(bob.mls, shared(wire)))
    expect(bob.client.accept(shared(plaintext), 1n)).toMatchObject({ status: 'new', text: 'shared' })
    const refused = [
      () => bob.node.onWire(bob.mls, detached()),
      () => bob.client.accept(detached(), 1n),
      () => bob.node.onWire(bob.mls, 'wire' as unknown as Buffer),
      () => bob.node.onWire(bob.mls, new Uint16Array(8) as unknown as Buffer),
      () => bob.node.onWire({} as MlsContext, wire),
      () => bob.client.accept(plaintext, -1n),
      () => bob.client.accept(plaintext, 1n, 256),
      () => alice.client.send(alice.node, alice.mls, -1, 1n, 'x'),
      () => alice.client.send(alice.node, alice.mls, 0, 2n ** 64n, 'x'),
      () => alice.client.send(alice.node, alice.mls, 0, 1n, '\udc00'),
      () => alice.client.send(alice.node, alice.mls, 0, 1n, 7 as unknown as string),
      () => alice.client.send({} as GroupNode, alice.mls, 0, 1n, 'x'),
      () => alice.client.send(alice.node, alice.mls, 0, 1n, 'x', 3),
    ]
    for (const work of refused)
      expect([codeOf(work), String(work)]).toEqual(['INVALID_ARGUMENT', String(work)])
    expect(codeOf(() => say(alice, 2n, 'x'.repeat(2 ** 20)))).toBe('WIRE_TOO_LARGE')
    expect(bob.client.accept(plaintextOf(bob.node.onWire(bob.mls, say(alice, 2n, 'on'))), 1n).text).toBe('on')
  })

  it('is refused once any of them is closed', () => {
    for (const close of ['client', 'node', 'mls'] as const) {
      const [alice, bob] = pair()
      const wire = say(alice, 1n, 'before')
      const plaintext = plaintextOf(bob.node.onWire(bob.mls, wire))
      alice[close].close()
      bob[close].close()
      expect([close, codeOf(() => say(alice, 2n, 'after'))]).toEqual([close, 'HANDLE_CLOSED'])
      const [open, accept] = [
        () => bob.node.onWire(bob.mls, wire),
        () => bob.client.accept(plaintext, 1n),
      ].map(codeOf)
      expect([open, accept]).toEqual(
        close === 'client' ? [undefined, 'HANDLE_CLOSED'] : ['HANDLE_CLOSED', undefined],
      )
    }
  })
})

describe('the functions below', () => {
  function below() {
    const context = native.NativeCompatMls.create('alice', Date.now()) as Addon.NativeCompatMls
    const group = context.groupId() as Uint8Array
    const node = native.NativeCompatNode.create(1, group) as Addon.NativeCompatNode
    node.start(0n, 0, Date.now())
    node.drain()
    const client = native.NativeCompatText.create() as Addon.NativeCompatText
    return { node, context, client }
  }

  it('refuse room that is too short, shared or gone, and use up nothing for it', () => {
    const { node, context, client } = below()
    const [seal, open, accept] = [node.textSealer(context), node.opener(context), client.accepter()]
    const [room, report] = [new Uint8Array(1_024), new BigUint64Array(8)]
    const sealed = room.slice(0, seal(1n, 'first', 0, room) as number)
    const short = [new Uint8Array(8), shared(room), detached(), [] as unknown as Uint8Array]
    for (const out of short) {
      expect(seal(2n, 'x', 0, out)).toMatchObject({ failed: true })
      expect(open(sealed, 0, out, report)).toMatchObject({ failed: true })
    }
    expect(open(shared(sealed), 0, room, report)).toMatchObject({ code: 'INVALID_ARGUMENT' })
    const plaintext = room.slice(0, open(sealed, 0, room, report) as number)
    for (const out of short) expect(accept(plaintext, 0n, 0, out, report)).toMatchObject({ failed: true })
    expect(accept(plaintext, 0n, 0, room, report)).toBe(5)
    expect(report[0]).toBe(1n)
  })

  it('read what lies in the room that they write to as it was', () => {
    const { node, context, client } = below()
    const [seal, open, accept] = [node.textSealer(context), node.opener(context), client.accepter()]
    const [room, report] = [new Uint8Array(512), new BigUint64Array(1)]
    const wire = room.subarray(0, seal(7n, 'in place', 0, room) as number)
    const plaintext = room.subarray(0, open(wire, 0, room, report) as number)
    const length = accept(plaintext, 0n, 0, room, report) as number
    expect([Buffer.from(room.subarray(0, length)).toString(), report[0]]).toEqual(['in place', 7n])
  })

  it('take nothing for a number, a text or memory that is none', () => {
    const { node, context, client } = below()
    const [seal, open, accept] = [node.textSealer(context), node.opener(context), client.accepter()]
    const [room, report] = [new Uint8Array(512), new BigUint64Array(8)]
    const wrong = [undefined, null, {}, 'x', Symbol('x'), -1n, 2n ** 64n, Number.NaN, [], () => {}] as never[]
    for (const value of wrong) {
      const text = typeof value === 'string' ? (7 as never) : value
      const answers = [
        seal(typeof value === 'bigint' ? value : (value as never), 'x', 0, room),
        seal(1n, text, 0, room),
        seal(1n, 'x', 0, value),
        open(value, 0, room, report),
        open(room, 0, value, report),
        accept(value, 0n, 0, room, report),
        accept(room, value, 0, room, report),
        accept(room, 0n, 0, room, value),
      ]
      for (const answer of answers) expect(answer).toMatchObject({ failed: true, code: 'INVALID_ARGUMENT' })
    }
    for (const call of [seal, open, accept] as ((...none: never[]) => unknown)[]) {
      expect(call()).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
  })

  it('answer what else there is to tell by asking for it', () => {
    const [alice, bob] = pair()
    const { wire } = GspClient.create().send(alice.node, alice.mls, EVERYBODY, SignalType.Join, 0, 1)
    const [event] = bob.node.onWire(bob.mls, wire)
    expect(event).toMatchObject({ kind: 'payload_received', streamTypeName: 'signal', streamId: 103 })
    expect(bob.node.onWire(bob.mls, wire)).toMatchObject([{ kind: 'error', codeHex: '0x0005' }])
    expect(bob.node.drainEvents()).toEqual([])
  })
})
