/** Links by themselves: every kind, on loopback, with peers that misbehave. */
import { createSocket } from 'node:dgram'
import { connect as connectSocket } from 'node:net'

import { describe, expect, it, onTestFinished } from 'vitest'

import {
  generateLinkIdentity,
  Link,
  LINK_KINDS,
  STREAM_CLASSES,
  type LinkIdentity,
  type LinkKind,
  type CoterieError,
  type LinkListener,
} from '../../dist/gbp/index.js'
import { code, exactly, rest } from './members.js'

const ANYWHERE = '127.0.0.1:0'
const LONGEST = 1_048_576
const server = generateLinkIdentity()
const LONG = new Uint8Array(LONGEST)

/** Bytes that tell their place. */
const frame = (length: number, first = 0) => new Uint8Array(length).map((_, at) => (at * 7 + first) & 0xff)

async function listen(kind: LinkKind, identity: LinkIdentity = server): Promise<LinkListener> {
  const listener = await Link.listen({ kind, address: ANYWHERE, identity })
  onTestFinished(async () => listener.close())
  return listener
}

/** The two ends of a link: first that which connected, and has written already. */
async function pair(kind: LinkKind): Promise<Link[] & { 0: Link; 1: Link }> {
  const listener = await listen(kind)
  const connecting = Link.connect({ kind, address: listener.address, trust: server.certificate })
  const accepting = listener.links().next()
  const near = await connecting
  await near.send(frame(1), 'control')
  const { value: far } = await accepting
  if (far === undefined) throw new Error('nobody came')
  expect(await next(far)).toEqual(frame(1))
  onTestFinished(async () => {
    await Promise.all([near.close({ grace: 0 }), far.close({ grace: 0 })])
  })
  return exactly([near, far])
}

async function next(link: Link): Promise<Uint8Array | undefined> {
  return (await link.frames().next()).value?.bytes
}

describe.each(LINK_KINDS)('a link over %s', (kind) => {
  it('carries every class both ways, a MiB and not a byte more', async () => {
    const [near, far] = await pair(kind)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      for (const streamClass of STREAM_CLASSES) {
        const longest = streamClass === 'audio' ? from.longestAudio : LONGEST
        for (const length of [0, 1, 160, longest]) {
          const sent = frame(length, length)
          const [{ value }] = await Promise.all([to.frames().next(), from.send(sent, streamClass)])
          expect(Buffer.compare(value?.bytes ?? new Uint8Array(9), sent)).toBe(0)
          expect(value?.streamClass).toBe(kind === 'quic' ? streamClass : undefined)
        }
        await expect(from.send(new Uint8Array(LONGEST + 1), streamClass)).rejects.toEqual(
          code('LINK_TOO_LONG'),
        )
      }
      await from.send(frame(3), 'text')
      expect(await next(to)).toEqual(frame(3))
    }
    expect([near.audioDropped, far.audioDropped, near.audioLost]).toEqual([0, 0, 0])
    expect(near.kind).toBe(kind)
    expect(near.peer).toEqual(kind === 'tcp' ? undefined : server.certificate)
  })

  it('keeps the order of calls that nobody awaits, and hands out what is there together', async () => {
    const [near, far] = await pair(kind)
    const sending = Promise.all(Array.from({ length: 200 }, (_, index) => near.send(frame(9, index), 'text')))
    const frames = far.frames()
    for (let index = 0; index < 200; index += 1) {
      expect((await frames.next()).value?.bytes).toEqual(frame(9, index))
    }
    await sending
  })

  it('delivers what was sent before it is closed, and then the end', async () => {
    const [near, far] = await pair(kind)
    for (let count = 0; count < 3; count += 1) await near.send(frame(100_000, count), 'text')
    const waiting = near.frames().next()
    const closing = near.close({ grace: 60_000 })
    const frames = await rest(far.frames())
    expect(frames.map(({ bytes }) => bytes[0])).toEqual([0, 1, 2])
    await far.close()
    await closing
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(await rest(near.frames())).toEqual([])
    await expect(near.send(frame(1), 'text')).rejects.toEqual(code('LINK_CLOSED'))
    await near.close()
  })

  it('is slowed down by who does not read, and stopped before memory is', async () => {
    const [near, far] = await pair(kind)
    let sent = 0
    const sends = Array.from({ length: 400 }, async () => {
      await near.send(LONG, 'text')
      sent += 1
    })
    const ends = Promise.allSettled(sends)
    const frames = far.frames()
    for (let count = 0; count < 40; count += 1) {
      expect((await frames.next()).value?.bytes).toHaveLength(LONGEST)
      expect(sent - count).toBeLessThan(40)
    }
    await near.close({ grace: 0 })
    const refused = (await ends).flatMap((end) =>
      end.status === 'rejected' ? [end.reason as CoterieError] : [],
    )
    expect(new Set(refused.map((error) => error.code))).toEqual(new Set(['BUSY', 'LINK_CLOSED']))
    expect(refused.length + sent).toBe(400)
  })

  it('drops audio rather than letting it wait', async () => {
    const [near, far] = await pair(kind)
    const waiting = Promise.allSettled(Array.from({ length: 100 }, async () => near.send(LONG, 'control')))
    for (let count = 0; count < 1_000; count += 1) await near.send(frame(160), 'audio')
    expect(near.audioDropped).toBe(1_000)
    await far.close({ grace: 0 })
    await near.close({ grace: 0 })
    await waiting
  })

  it('ends what waits when it is aborted, and loses nothing that comes after', async () => {
    const [near, far] = await pair(kind)
    const reason = new Error('enough')
    const reading = far.frames({ signal: aborted(reason) })
    await expect(reading.next()).rejects.toBe(reason)
    expect(() => far.frames({ signal: AbortSignal.abort(reason) })).toThrow(reason)
    await expect(near.send(frame(1), 'text', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await near.send(frame(5), 'text')
    expect(await next(far)).toEqual(frame(5))
  })

  it('hears of a peer that goes without a word', async () => {
    const [near, far] = await pair(kind)
    const lost = next(far)
    await near.close({ grace: 0 })
    // What could still be said is said: that nothing follows.
    expect([undefined, 'LINK_LOST']).toContain(await lost.catch((error: CoterieError) => error.code))
  })

  it('is not made with nobody, nor for longer than the caller wants', async () => {
    const gone = await listen(kind)
    await gone.close()
    expect(await rest(gone.links())).toEqual([])
    const silent = createSocket('udp4')
    await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      silent.close()
    })
    const reason = new Error('too late')
    const address = `127.0.0.1:${silent.address().port}`
    const wanted = { kind, trust: server.certificate }
    const silence = Link.connect({ ...wanted, address, signal: aborted(reason) })
    const why = await silence.catch((error: unknown) => error)
    // Over TCP nobody is there who could be silent.
    expect([reason, code('LINK_UNREACHABLE')]).toContainEqual(why)
    for (const nowhere of ['', 'nowhere', '127.0.0.1:99999']) {
      await expect(Link.connect({ ...wanted, address: nowhere })).rejects.toEqual(code('INVALID_ARGUMENT'))
    }
    if (kind !== 'tcp') return
    await expect(Link.connect({ ...wanted, address: gone.address })).rejects.toEqual(code('LINK_UNREACHABLE'))
  })

  it('comes in while a listener waits, in any number', async () => {
    const listener = await listen(kind)
    const links = listener.links()
    const [near, far] = [[] as Link[], [] as Link[]]
    for (let count = 0; count < 5; count += 1) {
      const accepting = links.next()
      const link = await Link.connect({ kind, address: listener.address, trust: server.certificate })
      await link.send(frame(1), 'text')
      near.push(link)
      const { value } = await accepting
      if (value !== undefined) far.push(value)
    }
    expect(far).toHaveLength(5)
    const waiting = links.next()
    await listener.close()
    expect(await waiting).toEqual({ done: true, value: undefined })
    for (const link of far) expect(await next(link)).toEqual(frame(1))
    for (const link of [...near, ...far]) await link.close({ grace: 0 })
  })
})

/** A signal that fires once what is under way waits. */
function aborted(reason: Error): AbortSignal {
  const controller = new AbortController()
  setImmediate(() => {
    controller.abort(reason)
  })
  return controller.signal
}

describe('whom links trust', () => {
  const stranger = generateLinkIdentity()
  const client = generateLinkIdentity({ name: 'alice' })

  it.each(['published', 'quic'] as const)(
    'a peer of another certificate or name is refused over %s',
    async (kind) => {
      const listener = await listen(kind)
      const accepting = listener.links().next()
      const { address } = listener
      for (const wrong of [
        { trust: stranger.certificate },
        { trust: server.certificate, name: 'elsewhere' },
      ]) {
        await expect(Link.connect({ kind, address, ...wrong })).rejects.toEqual(code('LINK_REFUSED'))
      }
      const trust = [stranger.certificate, server.certificate]
      const right = await Link.connect({ kind, address, trust })
      await right.send(frame(1), 'text')
      const { value } = await accepting
      expect(value?.peer).toBeUndefined()
      await right.close({ grace: 0 })
    },
  )

  it('peers of another protocol refuse each other', async () => {
    const [ours, published] = [await listen('quic'), await listen('published')]
    const waiting = [ours.links().next(), published.links().next()]
    const trust = server.certificate
    for (const wrong of [
      { kind: 'published', address: ours.address, trust },
      { kind: 'quic', address: published.address, trust },
    ] as const) {
      await expect(Link.connect(wrong)).rejects.toEqual(code('LINK_REFUSED'))
    }
    await Promise.all([ours.close(), published.close()])
    expect((await Promise.all(waiting)).every(({ done }) => done)).toBe(true)
  })

  it('a listener that asks lets in only those it knows, and tells who came', async () => {
    const trust = [client.certificate, server.certificate]
    const listener = await Link.listen({ kind: 'quic', address: ANYWHERE, identity: server, trust })
    const links = listener.links()
    const accepting = links.next()
    const wanted = { kind: 'quic', address: listener.address, trust: server.certificate } as const
    await expect(Link.connect(wanted)).rejects.toEqual(code('LINK_REFUSED'))
    await expect(Link.connect({ ...wanted, identity: stranger })).rejects.toEqual(code('LINK_REFUSED'))
    const near = await Link.connect({ ...wanted, identity: client })
    const { value: far } = await accepting
    expect(far?.peer).toEqual(client.certificate)
    await Promise.all([near.close({ grace: 0 }), far?.close({ grace: 0 }), listener.close()])
  })

  it('what is no identity, no trust or no address is refused', async () => {
    const { certificate } = server
    const garbage = frame(64)
    const address = ANYWHERE
    for (const wrong of [
      { kind: 'quic', address },
      { kind: 'published', address, identity: { certificate: garbage, privateKey: garbage } },
      { kind: 'quic', address, identity: { certificate, privateKey: garbage } },
      { kind: 'quic', address, identity: { certificate, privateKey: stranger.privateKey } },
      { kind: 'quic', address, identity: server, trust: garbage },
      { kind: 'quic', address, identity: server, trust: [] },
      { kind: 'carrier-pigeon', address },
      { kind: 'tcp', address: 7 },
      undefined,
    ]) {
      await expect(Link.listen(wrong as never)).rejects.toEqual(code('INVALID_ARGUMENT'))
    }
    for (const trust of [undefined, garbage, [], new Uint8Array(100_000)]) {
      await expect(Link.connect({ kind: 'quic', address, trust } as never)).rejects.toEqual(
        code('INVALID_ARGUMENT'),
      )
    }
    expect(() => generateLinkIdentity({ name: 'ä' })).toThrow(code('INVALID_ARGUMENT'))
    await expect(Link.listen({ kind: 'tcp', address: '192.0.2.1:1' })).rejects.toEqual(
      code('LINK_UNREACHABLE'),
    )
  })

  it('a peer that does not keep to the format ends the link for good', async () => {
    const listener = await listen('tcp')
    const [host, port] = listener.address.split(':')
    const socket = connectSocket(Number(port), host)
    onTestFinished(() => {
      socket.destroy()
    })
    const { value: link } = await listener.links().next()
    socket.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3))
    const frames = link?.frames()
    await expect(frames?.next()).rejects.toEqual(code('LINK_MALFORMED'))
    expect(await frames?.next()).toEqual({ done: true, value: undefined })
    await link?.close({ grace: 0 })
  })
})
