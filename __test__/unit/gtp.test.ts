/** Text: payloads, verdicts, history, catching up, attachments and what is kept. */
import { describe, expect, it } from 'vitest'

import * as gtp from '../../dist/gtp/index.js'
import { code, hex, unhex } from './members.js'

const { Cut, History, TextClient, Watermark } = gtp
const T0 = 1_700_000_000_000

/** A clock that is wound by hand. */
function hand() {
  let now = T0
  const clock = () => now
  return { clock, pass: (milliseconds: number) => (now += milliseconds) }
}

function client(member: number, options: Partial<gtp.TextClientOptions> = {}) {
  return TextClient.create({ member, resync: true, clock: () => T0, ...options })
}

/** What `to` makes of what `from` sent. */
function take(to: gtp.TextClient, sent: gtp.OutgoingText, sender = sent.message.sender) {
  return to.receive({ payload: sent.payload, codec: sent.codec, sender, epoch: 1n })
}

function asked(received: gtp.ReceivedText): gtp.Asked {
  if (received.type !== 'asked') throw new Error(received.type)
  return received.asked
}

/** Asks until there are no more pages. */
function catchUp(asker: gtp.TextClient, helper: gtp.TextClient) {
  const messages: gtp.Replayed[] = []
  let request: gtp.OutgoingText | undefined = asker.ask(helper.member)
  while (request !== undefined) {
    const page = take(asker, helper.answer(asked(take(helper, request))))
    if (page.type !== 'caught-up') throw new Error(page.type)
    messages.push(...page.messages)
    request = page.more ? asker.askOn() : undefined
  }
  return messages
}

describe('a payload', () => {
  const full: gtp.TextMessageInit = {
    id: 0x0102030405060708n,
    sender: 42,
    sentAt: 1_700_000_000_000n,
    requestId: 9,
    flags: gtp.MessageFlags.PERSISTENT,
    contentType: 'binary',
    content: Uint8Array.of(0, 1, 2, 255),
  }
  const published = {
    cbor: 'a8636d69641b010203040506070863736964182a6274731b0000018bcfe56800637269640962666c0462637402636c656e0464626f647944000102ff',
    protobuf: '08888e98a8c0e0808101102a1880d095ffbc3120092804300238044204000102ff',
    flatbuffers:
      '04000000d4ffffff08070605040302010068e5cf8b0100002a000000090000000400000002000000040000001800000014002c00040014000c0018001c0020002400280004000000000102ff',
  }

  it.each(gtp.PAYLOAD_CODECS)('of %s has the published bytes, with every field', (codec) => {
    expect(hex(gtp.encodeText(full, codec))).toBe(published[codec])
    expect(gtp.decodeText(unhex(published[codec]), codec)).toEqual({ ...full, text: undefined })
  })

  it('keeps numbers of 64 bits, types nobody knows and texts of any size up to the limit', () => {
    for (const codec of gtp.PAYLOAD_CODECS) {
      const text = 'ü'.repeat(500_000)
      const long = gtp.decodeText(gtp.encodeText({ id: 2n ** 64n - 1n, sender: 1, text }, codec), codec)
      expect([long.id, long.text === text]).toEqual([2n ** 64n - 1n, true])
      const content = Uint8Array.of(0xff)
      const other = { id: 2n ** 53n + 1n, sender: 1, sentAt: 2n ** 64n - 1n, content, contentType: 200 }
      expect(gtp.decodeText(gtp.encodeText(other, codec), codec)).toMatchObject(other)
      const empty = gtp.decodeText(gtp.encodeText({ id: 0n, sender: 0, text: '' }, codec), codec)
      expect([empty.text, empty.content.length]).toEqual(['', 0])
    }
    const notText = { id: 1n, sender: 1, content: Uint8Array.of(0xc3), contentType: 'plain' } as const
    expect(gtp.decodeText(gtp.encodeText(notText)).text).toBeUndefined()
  })

  it('under another codec, of another form or too long is refused', () => {
    expect(() => gtp.decodeText(unhex(published.cbor), 'protobuf')).toThrow(code('WIRE_MALFORMED'))
    expect(() => gtp.decodeText(unhex(published.cbor), 9)).toThrow(code('WIRE_UNSUPPORTED_CODEC'))
    expect(() => gtp.decodeText(unhex(published.protobuf.replace('3804', '3803')), 'protobuf')).toThrow(
      code('GTP_BAD_LENGTH'),
    )
    const text = 'x'.repeat(1 << 20)
    expect(() => gtp.encodeText({ id: 1n, sender: 1, text })).toThrow(code('WIRE_TOO_LARGE'))
  })
})

describe('a client', () => {
  it('numbers what it says, and tells new from duplicate and from a second use of a number', () => {
    const [alice, bob] = [client(1), client(2)]
    const sent = alice.send({ text: 'hello', codec: 'flatbuffers' })
    expect(sent.message).toMatchObject({ id: 1n, sender: 1, sentAt: BigInt(T0), text: 'hello' })
    const received = take(bob, sent)
    expect(received).toMatchObject({ type: 'message', verdict: 'new', message: sent.message })
    expect(take(bob, sent).verdict).toBe('duplicate')
    const other = client(1).send({ text: 'other' })
    expect(take(bob, other).verdict).toBe('conflicting')
    expect(alice.send({ text: 'x', id: 2n ** 63n }).message.id).toBe(2n ** 63n)
    expect(alice.send({ text: 'x' }).message.id).toBe(2n ** 63n + 1n)
    expect([...bob.history.after()].map(({ message }) => message?.text)).toEqual(['hello'])
    expect(bob.watermark.snapshot()).toEqual(new Map([[1, 1n]]))
    expect([bob.watermark.lastSeen(1), bob.watermark.lastSeen(9), bob.watermark.size]).toEqual([
      1n,
      undefined,
      1,
    ])
  })

  it('refuses what is in another name or of a type that the group does not take, and changes nothing', () => {
    const alice = client(1)
    const bob = client(2, { contentTypes: ['plain', 200] })
    const before = hex(bob.exportState())
    expect(() => take(bob, alice.send({ text: 'x' }), 3)).toThrow(code('GTP_WRONG_SENDER'))
    const markdown = alice.send({ text: '# x', contentType: 'markdown' })
    expect(() => take(bob, markdown)).toThrow(code('GTP_UNSUPPORTED_CONTENT_TYPE'))
    expect(hex(bob.exportState())).toBe(before)
    const { payload } = alice.send({ content: Uint8Array.of(1), contentType: 200 })
    expect(bob.receive({ payload, sender: 'unknown', epoch: 1n }).message.contentType).toBe(200)
  })

  it('of the published kind begins anew with each epoch, and after a reset', () => {
    const published = client(2, { scope: 'epoch', history: false, attachments: false })
    const { payload } = client(1).send({ text: 'x' })
    const verdict = (epoch: bigint) => published.receive({ payload, sender: 1, epoch }).verdict
    expect([verdict(1n), verdict(1n), verdict(2n)]).toEqual(['new', 'duplicate', 'new'])
    published.reset()
    expect([verdict(2n), published.history.length]).toEqual(['new', 0])
  })

  it('catches up page by page, in which a liar gives way to the sender', () => {
    const [alice, bob, carol] = [client(1), client(2), client(3)]
    const sent = Array.from({ length: 600 }, (_, index) => alice.send({ text: `message ${index}` }))
    for (const message of sent) take(bob, message)
    const caught = catchUp(carol, bob)
    expect(caught.map(({ message }) => message.id)).toEqual(sent.map(({ message }) => message.id))
    expect(caught.every(({ verdict }) => verdict === 'new')).toBe(true)
    expect([carol.asking, carol.history.length]).toEqual([undefined, 600])
    expect([...carol.history.after()].every(({ relayed }) => relayed)).toBe(true)
    for (const message of sent) expect(take(carol, message).verdict).toBe('duplicate')
    expect([...carol.history.after()].some(({ relayed }) => relayed)).toBe(false)
    expect(() => carol.ask(2) && carol.ask(2)).toThrow(code('BUSY'))
    carol.setResync(false)
    expect(() => client(4, { resync: false }).ask(1)).toThrow(code('INVALID_ARGUMENT'))
  })

  it('answers from its rows where contents do not stay in memory', () => {
    const [alice, carol] = [client(1), client(3)]
    const bob = client(2, { history: { inMemory: false } })
    const rows = new Map<string, Uint8Array>()
    for (const text of ['one', 'two']) {
      for (const change of take(bob, alice.send({ text })).changes) {
        if (change.type === 'put') rows.set(hex(change.key), change.value)
      }
    }
    expect([...bob.history.after()].map(({ message }) => message)).toEqual([undefined, undefined])
    const fetch = (position: bigint) => {
      const row = rows.get(hex(gtp.keptKey(position)))
      return row && gtp.keptMessage(row)
    }
    const page = take(carol, bob.answer(asked(take(bob, carol.ask(2))), { fetch }))
    expect(page.type === 'caught-up' && page.messages.map(({ message }) => message.text)).toEqual([
      'one',
      'two',
    ])
  })

  it('gives up who does not answer at the deadline and not before', () => {
    const { clock, pass } = hand()
    const carol = client(3, { clock })
    carol.ask(2)
    expect([carol.asking, carol.pollTimeout()]).toEqual([2, T0 + 10_000])
    pass(9_999)
    expect(carol.handleTimeout().expired).toEqual([])
    pass(1)
    expect(carol.handleTimeout().expired).toEqual([{ type: 'asking', member: 2 }])
    expect([carol.asking, carol.pollTimeout()]).toEqual([undefined, undefined])
  })

  it('goes on from its state and from its rows, and refuses others', () => {
    const alice = client(1)
    const rows = new Map<string, gtp.Row>()
    for (let index = 0; index < 5; index += 1) {
      for (const change of alice.send({ text: `${index}` }).changes) {
        if (change.type === 'put') rows.set(hex(change.key), change)
        if (change.type === 'remove') rows.delete(hex(change.key))
      }
    }
    const again = TextClient.fromState(alice.exportState(), { member: 1 })
    const { client: third, changes } = TextClient.fromRows([...rows.values()].toReversed(), {
      member: 1,
      history: { messages: 2 },
    })
    for (const next of [again, third]) expect(next.send({ text: 'x' }).message.id).toBe(6n)
    expect(changes.map(({ type }) => type)).toEqual(['remove', 'remove', 'remove'])
    expect(alice.rows()).toHaveLength(rows.size)
    expect(() => TextClient.fromState(Uint8Array.of(1), { member: 1 })).toThrow(code('STATE_INVALID'))
    expect(() =>
      TextClient.fromRows([{ key: Uint8Array.of(99), value: Uint8Array.of() }], { member: 1 }),
    ).toThrow(code('STATE_INVALID'))
  })

  it('that is closed answers with one code, whatever is asked of it', () => {
    const closed = client(1)
    closed.close()
    closed.close()
    const calls: (() => unknown)[] = [
      () => closed.send({ text: 'x' }),
      () => closed.receive({ payload: new Uint8Array(), sender: 1, epoch: 1n }),
      () => closed.exportState(),
      () => closed.history.length,
      () => closed.watermark.size,
      () => closed.heldBytes,
      () => closed.pollTimeout(),
    ]
    for (const call of calls) expect(call).toThrow(code('HANDLE_CLOSED'))
  })

  it('takes nothing that its arguments do not say', () => {
    const alice = client(1)
    for (const draft of [
      {},
      { text: 1 },
      { text: 'x', id: 1 },
      { text: 'x', codec: 'json' },
      { content: 'x' },
    ]) {
      expect(() => alice.send(draft as never)).toThrow(code('INVALID_ARGUMENT'))
    }
    for (const options of [
      {},
      { member: -1 },
      { member: 1, scope: 'x' },
      { member: 1, history: { messages: 0 } },
    ]) {
      expect(() => TextClient.create(options as never)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(alice.send({ text: 'x' }).message.id).toBe(1n)
  })
})

describe('an attachment', () => {
  const data = new Uint8Array(150_001).map((_, index) => index % 251)
  const key = { sender: 1, attachment: 7n }

  async function announced() {
    const [alice, bob] = [client(1), client(2)]
    const cut = await Cut.of({ id: 7n, filename: 'f', mimeType: 'm' }, data)
    const received = take(bob, alice.sendManifest(cut))
    expect(received).toMatchObject({ type: 'attachment', progress: { ...key, received: 0, total: 3 } })
    const piece = (index: number) => take(bob, alice.sendPiece(cut, index, cut.slice(index, data)))
    return { alice, bob, cut, piece }
  }

  it('is cut, sent, collected in any order with its progress, and put together', async () => {
    const { bob, cut, piece } = await announced()
    expect(cut.manifest).toMatchObject({ size: 150_001n, chunks: 3, filename: 'f', mimeType: 'm' })
    expect(cut.range(2)).toEqual({ start: 131_072n, end: 150_001n })
    expect(cut.range(3)).toBeUndefined()
    piece(2)
    await expect(bob.assemble(key)).rejects.toThrow(code('GTP_ATTACHMENT_INCOMPLETE'))
    const middle = piece(0)
    expect(middle).toMatchObject({ progress: { piece: 0, received: 2, fresh: true, complete: false } })
    expect(piece(1)).toMatchObject({ progress: { complete: true, bytes: 150_001n } })
    expect(hex(await bob.assemble(key))).toBe(hex(data))
    expect(bob.manifest(key)).toEqual(cut.manifest)
    expect(bob.forgetAttachment(key)).toHaveLength(1)
    expect([bob.heldBytes, bob.attachments(), bob.progress(key)]).toEqual([0, [], undefined])
  })

  it('is put together from pieces that were taken out, and from none that were not announced', async () => {
    const { bob, piece } = await announced()
    for (const index of [0, 1, 2]) piece(index)
    const takenOut = [bob.takeOut(key, 1), bob.takeAnyOut(1), bob.takeAnyOut()].filter(
      (one) => one !== undefined,
    )
    expect([takenOut.length, bob.heldBytes, bob.takeAnyOut()]).toEqual([3, 0, undefined])
    await expect(bob.assemble(key)).rejects.toThrow(code('GTP_ATTACHMENT_INCOMPLETE'))
    expect(hex(await bob.assemble(key, { takenOut }))).toBe(hex(data))
    const [first, ...others] = takenOut
    const altered = { ...key, index: first?.index ?? 0, data: new Uint8Array(65_536) }
    await expect(bob.assemble(key, { takenOut: [altered, ...others] })).rejects.toThrow(
      code('GTP_ATTACHMENT_INTEGRITY'),
    )
  })

  it('is refused when it is too large or has no room, and ends when its pieces stay away', async () => {
    const { clock, pass } = hand()
    const [alice, bob] = [client(1), client(2, { attachments: 100n, clock })]
    const large = await Cut.of({ id: 1n, filename: 'f' }, data)
    expect(() => take(bob, alice.sendManifest(large))).toThrow(code('GTP_POLICY_REJECTED'))
    for (let id = 0n; id < 16n; id += 1n) {
      take(bob, alice.sendManifest(await Cut.of({ id, filename: 'f' }, data.slice(0, 9))))
    }
    const one = alice.sendManifest(await Cut.of({ id: 16n, filename: 'f' }, data.slice(0, 9)))
    expect(() => take(bob, one)).toThrow(code('GTP_ATTACHMENT_FULL'))
    pass(600_000)
    expect(bob.handleTimeout().expired).toHaveLength(16)
    expect(take(bob, one).type).toBe('attachment')
  })

  it('whose manifest was replayed is expected on purpose', async () => {
    const { bob, alice, cut } = await announced()
    const carol = client(3)
    const replayed = catchUp(carol, bob)[0]?.message
    if (replayed === undefined) throw new Error('nothing was replayed')
    const manifest = gtp.decodeManifest(replayed.content)
    expect(carol.expectAttachment(1, manifest)).toMatchObject({ progress: { fresh: true, total: 3 } })
    expect(take(carol, alice.sendPiece(cut, 0, cut.slice(0, data)))).toMatchObject({
      progress: { received: 1 },
    })
  })

  it('of which only size and digest are known is announced the same', async () => {
    const whole = await Cut.of({ id: 7n, filename: 'f', chunkLength: 1_000 }, data)
    const { size, digest } = whole.manifest
    expect(Cut.create({ id: 7n, filename: 'f', chunkLength: 1_000, size, digest }).manifest).toEqual(
      whole.manifest,
    )
    expect(gtp.decodeManifest(gtp.encodeManifest(whole.manifest, 'protobuf'), 'protobuf')).toEqual(
      whole.manifest,
    )
    const chunk = { id: 7n, index: 1, chunks: 3, data: Uint8Array.of(1, 2) }
    for (const codec of gtp.PAYLOAD_CODECS)
      expect(gtp.decodeChunk(gtp.encodeChunk(chunk, codec), codec)).toEqual(chunk)
    expect(() => gtp.encodeChunk({ ...chunk, index: 3 })).toThrow(code('GTP_ATTACHMENT_INTEGRITY'))
    const signal = AbortSignal.abort()
    await expect(Cut.of({ id: 7n, filename: 'f', signal }, data)).rejects.toThrow('aborted')
    expect(() => Cut.create({ id: 7n, filename: 'f', size: 1n, digest: new Uint8Array(31) })).toThrow(
      code('INVALID_ARGUMENT'),
    )
  })
})

describe('a history by itself', () => {
  it('keeps what fits, by position, and finds what a watermark does not reach', () => {
    using log = History.create({ messages: 3 })
    const push = (sender: number, id: bigint) => log.push({ sender, id, text: `${sender}/${id}` })
    expect([push(1, 2n), push(1, 2n)]).toEqual([{ position: 0n, dropped: [] }, undefined])
    for (const [sender, id] of [
      [2, 7n],
      [1, 1n],
    ] as const)
      push(sender, id)
    expect(push(1, 3n)?.dropped).toEqual([0n])
    expect([log.length, log.contains(1, 2n), log.find(2, 7n)?.message?.text]).toEqual([3, false, '2/7'])
    using seen = new Watermark()
    expect([seen.observe(1, 2n), seen.observe(1, 2n), seen.size]).toEqual([true, false, 1])
    expect([...log.since(seen)].map(({ id }) => id)).toEqual([7n, 3n])
    expect([...log.sinceForSender(1, 0n)].map(({ id }) => id)).toEqual([1n, 3n])
    expect([...log.after(2n)].map(({ position }) => position)).toEqual([3n])
    expect([log.remove(2n), log.remove(2n), log.bytes > 0]).toEqual([true, false, true])
    log.clear()
    expect([log.length, push(1, 1n)?.position]).toEqual([0, 4n])
    seen.clear()
    expect([seen.lastSeen(1), seen.snapshot().size]).toEqual([undefined, 0])
  })

  it('is read on over more than crosses the boundary at a time', () => {
    using log = History.create()
    for (let id = 1n; id <= 1_000n; id += 1n) log.push({ sender: 1, id, text: '' })
    expect([...log.after()]).toHaveLength(1_000)
    expect([...log.sinceForSender(1, 500n)].map(({ id }) => id)).toEqual(
      Array.from({ length: 500 }, (_, index) => BigInt(index + 501)),
    )
    expect(() => History.create({ messages: 0 })).toThrow(code('INVALID_ARGUMENT'))
    expect(() => log.since({} as never)).toThrow(code('INVALID_ARGUMENT'))
  })
})
