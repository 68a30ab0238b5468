/** Media frames through the facade: what senders and receivers promise each other, and what they refuse. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'

import { array, assert, property, uint8Array } from 'fast-check'
import { describe, expect, it, onTestFinished, test } from 'vitest'

import { Device, type Group } from '../../dist/mls/index.js'
import {
  CoterieError,
  refusalOf,
  SFRAME_SUITES,
  SFrameSession,
  type SFrameOptions,
  type SFrameSuite,
} from '../../dist/sframe/index.js'
import { code, pair } from './members.js'

const NAMES = Object.keys(SFRAME_SUITES) as SFrameSuite[]
const FRAME = Uint8Array.of(0xf8, 0xff, 0xfe)
const METADATA = Uint8Array.of(9, 9, 9)
const danger = { shortTags: true }

/** A clock that is wound by hand. */
function clockAt(start: number) {
  let now = start
  return Object.assign(() => now, {
    wind: (by: number) => {
      now += by
    },
  })
}

async function sessions(options?: SFrameOptions) {
  const { alice, bob } = await pair()
  const [speaks, hears] = [await SFrameSession.open(alice, options), await SFrameSession.open(bob, options)]
  onTestFinished(() => {
    speaks.close()
    hears.close()
  })
  return { alice, bob, speaks, hears, encryptor: await speaks.encryptor() }
}

async function nextEpoch(from: Group, ...others: Group[]) {
  const { commit } = await from.commit({ update: true })
  await from.mergePending()
  for (const other of others) await other.receive(commit)
}

const thrown = (work: () => unknown): unknown => {
  try {
    work()
    return undefined
  } catch (error) {
    return error
  }
}

describe.each(NAMES)('%s', (suite) => {
  it('carries frames of any length, with metadata and without', async () => {
    const { encryptor, hears, speaks } = await sessions({ suite, danger })
    expect(speaks.suite).toBe(suite)
    for (const length of [0, 1, 120, 1_200, 70_000]) {
      const plaintext = new Uint8Array(length).fill(length)
      for (const options of [undefined, { metadata: METADATA }]) {
        const counter = encryptor.counter
        const frame = encryptor.encrypt(plaintext, options)
        const opened = hears.decrypt(frame, options)
        expect(opened).toEqual({ plaintext, leaf: 0, epoch: 1n, keyId: encryptor.keyId, counter })
      }
    }
  })

  it('is not to be had by accident where its tags are short', async () => {
    const { alice } = await pair()
    const opened = SFrameSession.open(alice, { suite }).then(
      () => 'opened',
      (error: unknown) => (CoterieError.is(error) ? error.code : error),
    )
    await expect(opened).resolves.toBe(suite.includes('gcm') ? 'opened' : 'INVALID_ARGUMENT')
  })
})

describe('a session', () => {
  test('opens each frame once, and refuses what was altered without forgetting anything', async () => {
    const { encryptor, hears } = await sessions()
    const frame = encryptor.encrypt(FRAME, { metadata: METADATA })
    const altered = frame.slice()
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1
    expect(thrown(() => hears.decrypt(altered, { metadata: METADATA }))).toEqual(code('SFRAME_NOT_AUTHENTIC'))
    expect(thrown(() => hears.decrypt(frame))).toEqual(code('SFRAME_NOT_AUTHENTIC'))
    expect(thrown(() => hears.decrypt(frame.subarray(0, 5)))).toEqual(code('SFRAME_MALFORMED'))
    expect(hears.decrypt(frame, { metadata: METADATA }).plaintext).toEqual(FRAME)
    expect(thrown(() => hears.decrypt(frame, { metadata: METADATA }))).toEqual(code('SFRAME_REPLAY'))
  })

  test('goes on with its group, and takes late frames until the clock says that it is over', async () => {
    const clock = clockAt(1_000_000)
    const { alice, bob, encryptor, speaks, hears } = await sessions({ clock, grace: 500 })
    const late = encryptor.encryptAll([FRAME, FRAME, FRAME])
    await nextEpoch(alice, bob)
    expect([alice.epoch, speaks.epoch, hears.epoch, encryptor.keyId, encryptor.counter]).toEqual([
      2n,
      2n,
      2n,
      2n,
      0n,
    ])
    expect(hears.decrypt(encryptor.encrypt(FRAME)).epoch).toBe(2n)
    expect(hears.decrypt(late[0] ?? FRAME).epoch).toBe(1n)
    clock.wind(499)
    expect(hears.decrypt(late[1] ?? FRAME).epoch).toBe(1n)
    clock.wind(1)
    expect(thrown(() => hears.decrypt(late[2] ?? FRAME))).toEqual(code('SFRAME_UNKNOWN_KEY_ID'))
    hears.forgetPast()
    clock.wind(-400)
    expect(thrown(() => hears.decrypt(late[2] ?? FRAME))).toEqual(code('SFRAME_UNKNOWN_KEY_ID'))
  })

  test('stays in its epoch if it is told to', async () => {
    const { alice, bob, encryptor, speaks, hears } = await sessions({ follow: false })
    await nextEpoch(alice, bob)
    expect([speaks.epoch, hears.epoch]).toEqual([1n, 1n])
    expect(hears.decrypt(encryptor.encrypt(FRAME)).epoch).toBe(1n)
    expect((await speaks.encryptor()).keyId).toBe(1n)
  })

  test('of another label or suite hears nothing', async () => {
    const { bob, encryptor } = await sessions()
    for (const options of [
      { label: 'another' },
      { suite: 'aes256gcm-sha512' },
      { dialect: 'rfc9605' },
    ] as const) {
      using other = await SFrameSession.open(bob, options)
      expect(thrown(() => other.decrypt(encryptor.encrypt(FRAME)))).toEqual(code('SFRAME_NOT_AUTHENTIC'))
    }
  })

  test('ends with everything that was made of it', async () => {
    const { encryptor, speaks } = await sessions()
    const other = await speaks.encryptor()
    other.close()
    expect(thrown(() => other.encrypt(FRAME))).toEqual(code('HANDLE_CLOSED'))
    encryptor.encrypt(FRAME)
    speaks.close()
    speaks[Symbol.dispose]()
    for (const work of [
      () => encryptor.encrypt(FRAME),
      () => encryptor.encryptInto(FRAME, new Uint8Array(99)),
      () => encryptor.keyId,
      () => encryptor.counter,
      () => speaks.epoch,
      () => speaks.decrypt(FRAME),
      () => speaks.decryptAll([FRAME]),
      () => {
        speaks.forgetPast()
      },
    ]) {
      expect(thrown(work)).toEqual(code('HANDLE_CLOSED'))
    }
    await expect(speaks.encryptor()).rejects.toEqual(code('HANDLE_CLOSED'))
  })

  test('of a member that was removed seals nothing any more', async () => {
    const { alice, bob, hears, encryptor } = await sessions()
    const speaker = await hears.encryptor()
    const last = encryptor.encrypt(FRAME)
    await nextRemoval(alice, bob)
    expect(thrown(() => speaker.encrypt(FRAME))).toEqual(code('MLS_REMOVED'))
    await expect(hears.encryptor()).rejects.toEqual(code('MLS_REMOVED'))
    await expect(SFrameSession.open(bob)).rejects.toEqual(code('MLS_REMOVED'))
    expect(hears.decrypt(last).plaintext).toEqual(FRAME)
  })

  test('shows no key to whoever inspects it', async () => {
    const { speaks, encryptor } = await sessions()
    for (const object of [speaks, encryptor]) {
      const shown = inspect(object, { showHidden: true, depth: 9, getters: true })
      expect(shown).not.toMatch(/Uint8Array|Secret|[0-9a-f]{16}/i)
      expect(JSON.stringify(object)).toBe('{}')
    }
  })
})

async function nextRemoval(alice: Group, bob: Group) {
  const { commit } = await alice.commit({ remove: [bob.ownLeaf] })
  await alice.mergePending()
  await bob.receive(commit)
}

describe('counters', () => {
  test('are shared by all encryptors of a key, whichever session they are of', async () => {
    const { alice, encryptor, hears } = await sessions()
    using other = await SFrameSession.open(alice)
    const encryptors = [encryptor, await other.encryptor(), await other.encryptor()]
    const counters = Array.from({ length: 30 }, (_, index) => {
      const frame = encryptors[index % 3]?.encrypt(FRAME) ?? FRAME
      return hears.decrypt(frame).counter
    })
    expect(counters).toEqual(Array.from({ length: 30 }, (_, index) => BigInt(index)))
  })

  test('go on without a gap when a session is made again', async () => {
    const { alice, speaks, encryptor } = await sessions()
    encryptor.encryptAll([FRAME, FRAME])
    speaks.close()
    using again = await SFrameSession.open(alice)
    expect((await again.encryptor()).counter).toBe(2n)
  })

  test('never come up twice when a store is opened again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'coterie-'))
    onTestFinished(() => {
      rmSync(folder, { recursive: true, force: true })
    })
    const bob = await Device.create({ identity: 'bob' })
    const stored = { store: join(folder, 'alice.db'), key: new Uint8Array(32).fill(7), identity: 'alice' }
    let alice = await Device.open(stored)
    let group = await alice.createGroup()
    const { id } = group
    const { welcome = FRAME } = await group.commit({ add: [await bob.keyPackage()] })
    await group.mergePending()
    using hears = await SFrameSession.open(await bob.join(welcome))
    const seen: bigint[] = []
    for (let life = 0; life < 4; life += 1) {
      using session = await SFrameSession.open(group)
      using encryptor = await session.encryptor()
      // More than was reserved at first, with nobody waiting for the store.
      for (const frame of encryptor.encryptAll(Array.from({ length: 5_000 }, () => FRAME))) {
        seen.push(hears.decrypt(frame).counter)
      }
      await alice.close()
      alice = await Device.open(stored)
      const opened = await alice.openGroup(id)
      if (opened === undefined) throw new Error('the group is gone')
      group = opened
    }
    await alice.close()
    expect(new Set(seen).size).toBe(20_000)
    expect(seen).toEqual(seen.toSorted((a, b) => Number(a - b)))
  })

  test('are topped up beside the stream, so that no frame waits for the store', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'coterie-'))
    onTestFinished(() => {
      rmSync(folder, { recursive: true, force: true })
    })
    await using device = await Device.open({
      store: join(folder, 'alice.db'),
      key: new Uint8Array(32).fill(7),
      identity: 'alice',
    })
    using session = await SFrameSession.open(await device.createGroup())
    using encryptor = await session.encryptor()
    const out = new Uint8Array(64)
    while (encryptor.remaining >= 256n) encryptor.encryptInto(FRAME, out)
    await expect.poll(() => encryptor.remaining, { timeout: 30_000 }).toBeGreaterThan(4_000n)
  })
})

describe('a key from elsewhere', () => {
  const key = { baseKey: new Uint8Array(16).fill(3), epoch: 0x1_0007n }

  async function device() {
    const made = await Device.create({ identity: 'alice' })
    onTestFinished(() => {
      made.close().catch(() => undefined)
    })
    return made
  }

  test('makes sessions whose key ids and counters are to be seen', async () => {
    using session = await SFrameSession.fromKey(await device(), key, { dialect: 'rfc9605' })
    const encryptor = await session.encryptor({ leaf: 5, context: 0x89ab_cdef, firstCounter: 300n })
    expect([encryptor.leaf, encryptor.keyId, encryptor.counter]).toEqual([5, 0x89ab_cdef_0005_0007n, 300n])
    const opened = session.decrypt(encryptor.encrypt(FRAME))
    expect(opened).toEqual({
      plaintext: FRAME,
      leaf: 5,
      epoch: 0x1_0007n,
      keyId: encryptor.keyId,
      counter: 300n,
    })
  })

  test('is not sealed with where nobody knows its past', async () => {
    using session = await SFrameSession.fromKey(await device(), key)
    await expect(session.encryptor({ leaf: 5 })).rejects.toEqual(code('INVALID_ARGUMENT'))
    await expect(session.encryptor({ firstCounter: 0n })).rejects.toEqual(code('INVALID_ARGUMENT'))
    const first = await session.encryptor({ leaf: 5, firstCounter: 7n })
    first.encrypt(FRAME)
    expect((await session.encryptor({ leaf: 5, firstCounter: 0n })).counter).toBe(8n)
  })

  test('has a last counter', async () => {
    using session = await SFrameSession.fromKey(await device(), key)
    const encryptor = await session.encryptor({ leaf: 0, firstCounter: 2n ** 64n - 2n })
    expect(thrown(() => encryptor.encryptAll([FRAME, FRAME, FRAME]))).toEqual(
      code('SFRAME_COUNTER_EXHAUSTED'),
    )
    const frames = encryptor.encryptAll([FRAME, FRAME])
    expect(frames.map((frame) => session.decrypt(frame).counter)).toEqual([2n ** 64n - 2n, 2n ** 64n - 1n])
    expect(thrown(() => encryptor.encrypt(FRAME))).toEqual(code('SFRAME_COUNTER_EXHAUSTED'))
    expect(encryptor.counter).toBeUndefined()
  })
})

describe('frames in the caller’s memory', () => {
  test('may lie where they go', async () => {
    const { encryptor, hears } = await sessions()
    const memory = new Uint8Array(200)
    memory.set(FRAME)
    const length = encryptor.encryptInto(memory.subarray(0, 3), memory, memory.subarray(1, 3))
    const opened = hears.decryptInto(memory.subarray(0, length), memory, FRAME.subarray(1, 3))
    expect([opened, memory.slice(0, 3)]).toEqual([{ length: 3, leaf: 0 }, FRAME])
  })

  test('come in batches, each with metadata of its own', async () => {
    const { encryptor, hears } = await sessions()
    const lengths = Uint32Array.of(3, 0, 2)
    const metadata = Uint8Array.of(1, 2, 2)
    const metadataLengths = Uint32Array.of(1, 2, 0)
    const [out, outLengths] = [new Uint8Array(5 + 3 * encryptor.overhead), new Uint32Array(3)]
    const plaintexts = Uint8Array.of(1, 2, 3, 4, 5)
    const total = encryptor.encryptBatch({ plaintexts, lengths, out, outLengths, metadata, metadataLengths })
    expect(total).toBe(outLengths.reduce((sum, length) => sum + length, 0))
    const payloads = out.slice(0, total)
    // The second one comes with another's metadata.
    const opened = { out: new Uint8Array(total), outLengths: new Uint32Array(3), leaves: new Int32Array(3) }
    const wrong = Uint8Array.of(1, 2, 1)
    const given = { payloads, lengths: outLengths, metadataLengths }
    expect(hears.decryptBatch({ ...given, ...opened, metadata: wrong })).toBe(2)
    expect([...opened.leaves].map(refusalOf)).toEqual([undefined, 'SFRAME_NOT_AUTHENTIC', undefined])
    expect([[...opened.outLengths], [...opened.out.subarray(0, 5)]]).toEqual([
      [3, 0, 2],
      [1, 2, 3, 4, 5],
    ])
    expect(hears.decryptBatch({ ...given, ...opened, metadata })).toBe(1)
    expect([...opened.leaves].map(refusalOf)).toEqual(['SFRAME_REPLAY', undefined, 'SFRAME_REPLAY'])
  })

  test('are opened all but those that are refused', async () => {
    const { encryptor, hears } = await sessions()
    const frames = encryptor.encryptAll([FRAME, new Uint8Array(), FRAME], { metadata: METADATA })
    const results = hears.decryptAll([...frames, FRAME, ...frames.slice(0, 1)], { metadata: METADATA })
    expect(results.map((result) => (result.type === 'opened' ? result.counter : result.error.code))).toEqual([
      0n,
      1n,
      2n,
      'SFRAME_MALFORMED',
      'SFRAME_REPLAY',
    ])
    expect(hears.decryptAll([])).toEqual([])
    expect(encryptor.encryptAll([])).toEqual([])
  })

  test('are refused where they do not fit, and nothing is used up', async () => {
    const { encryptor, hears } = await sessions()
    const frame = encryptor.encrypt(FRAME)
    const room = new Uint8Array(64)
    const [two, three] = [Uint32Array.of(1, 2), Uint32Array.of(1, 2, 3)]
    const shared = new Uint8Array(new SharedArrayBuffer(64))
    const any = (value: unknown) => value as Uint8Array
    for (const work of [
      () => encryptor.encryptInto(FRAME, room.subarray(0, FRAME.length + encryptor.overhead - 1)),
      () => encryptor.encryptInto(any('text'), room),
      () => encryptor.encryptInto(any([1]), room),
      () => encryptor.encryptInto(any(new Uint16Array(2)), room),
      () => encryptor.encryptInto(FRAME, shared),
      () => encryptor.encryptInto(shared, room),
      () => encryptor.encryptInto(FRAME, room, any(7)),
      () =>
        encryptor.encryptBatch({ plaintexts: FRAME, lengths: two, out: room, outLengths: three.subarray(2) }),
      () => encryptor.encryptBatch({ plaintexts: FRAME, lengths: three, out: room, outLengths: three }),
      () => encryptor.encryptBatch({ plaintexts: FRAME, lengths: two, out: FRAME, outLengths: two }),
      () => hears.decryptInto(frame, room.subarray(0, 2)),
      () => hears.decryptInto(frame, shared),
      () => hears.decrypt(any(undefined)),
      () => hears.decryptAll(any(7) as never),
    ]) {
      expect(thrown(work)).toEqual(code('INVALID_ARGUMENT'))
    }
    expect(encryptor.counter).toBe(1n)
    expect(hears.decryptInto(frame, room)).toEqual({ length: 3, leaf: 0 })
  })

  test('come out as they went in', async () => {
    const { encryptor, hears } = await sessions()
    assert(
      property(array(uint8Array({ maxLength: 300 }), { maxLength: 20 }), uint8Array(), (all, metadata) => {
        const frames = encryptor.encryptAll(all, { metadata })
        const opened = hears.decryptAll(frames, { metadata })
        expect(opened.map((result) => result.type === 'opened' && result.plaintext)).toEqual(all)
      }),
      { seed: 9_605, numRuns: 50 },
    )
  })
})

describe('options', () => {
  test.each([
    { suite: 'rot13' },
    { dialect: 'other' },
    { label: 7 },
    { grace: 30_001 },
    { grace: -1 },
    { clock: 7 },
    { danger: 7 },
  ])('%o are refused', async (options) => {
    const { alice } = await pair()
    await expect(SFrameSession.open(alice, options as never)).rejects.toEqual(code('INVALID_ARGUMENT'))
  })

  test.each([
    { leaf: 1 },
    { leaf: -1 },
    { leaf: 70_000 },
    { context: 2 ** 32 },
    { context: 0.5 },
    { firstCounter: 3 },
    { firstCounter: 2n ** 64n },
  ])('%o make no encryptor', async (options) => {
    const { alice } = await pair()
    using session = await SFrameSession.open(alice)
    await expect(session.encryptor(options as never)).rejects.toEqual(code('INVALID_ARGUMENT'))
  })

  test('say whose key it is', async () => {
    const { devices } = await pair()
    const [device] = devices
    if (device === undefined) throw new Error('one is needed')
    const short = { baseKey: new Uint8Array(15), epoch: 1n }
    await expect(SFrameSession.fromKey(device, short)).rejects.toEqual(code('INVALID_ARGUMENT'))
    const noEpoch = { baseKey: new Uint8Array(16) } as never
    await expect(SFrameSession.fromKey(device, noEpoch)).rejects.toEqual(code('INVALID_ARGUMENT'))
    await expect(SFrameSession.open({} as Group)).rejects.toEqual(code('INVALID_ARGUMENT'))
    await expect(SFrameSession.fromKey({} as Device, short)).rejects.toEqual(code('INVALID_ARGUMENT'))
  })

  test('may hold a signal that has fired', async () => {
    const { alice } = await pair()
    const signal = AbortSignal.abort(new Error('too late'))
    await expect(SFrameSession.open(alice, { signal })).rejects.toThrow('too late')
    using session = await SFrameSession.open(alice)
    await expect(session.encryptor({ signal })).rejects.toThrow('too late')
  })
})
