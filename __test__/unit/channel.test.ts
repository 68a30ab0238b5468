import { describe, expect, it } from 'vitest'

import { MemoryChannel } from '../../ts/mls/channel.js'
import { MemoryDirectory } from '../../ts/mls/directory.js'
import { code, rest } from './members.js'

const bytes = (...values: number[]) => Uint8Array.from(values)
const positions = (deliveries: { position: bigint }[]) => deliveries.map(({ position }) => position)

describe('a channel in memory', () => {
  it('delivers everything to everyone in one order, the sender included', async () => {
    using channel = new MemoryChannel()
    const readers = [channel.read(0n), channel.read(0n)]
    const appended = await Promise.all([1, 2, 3].map((value) => channel.append(bytes(value))))
    expect(appended).toEqual([0n, 1n, 2n])
    channel.close()
    const heard = await Promise.all(readers.map(rest))
    expect(heard[0]).toEqual(
      [1, 2, 3].map((value, index) => ({ position: BigInt(index), message: bytes(value) })),
    )
    expect(heard[1]).toEqual(heard[0])
  })

  it('is read from any position that it still holds', async () => {
    using channel = new MemoryChannel({ keep: 2 })
    for (const value of [1, 2, 3, 4]) await channel.append(bytes(value))
    expect(await channel.end()).toBe(4n)
    expect(() => channel.read(1n)).toThrow(code('CHANNEL_BEHIND'))
    const [two, four] = [channel.read(2n), channel.read(4n)]
    channel.close()
    expect(positions(await rest(two))).toEqual([2n, 3n])
    expect(await rest(four)).toEqual([])
  })

  it('keeps nothing for latecomers where it is told so', async () => {
    using channel = new MemoryChannel({ keep: 0 })
    const reader = channel.read(0n)
    await channel.append(bytes(1))
    expect(() => channel.read(0n)).toThrow(code('CHANNEL_BEHIND'))
    channel.close()
    expect(positions(await rest(reader))).toEqual([0n])
  })

  it.each([-1n, 1n, 0, '0', undefined, 2n ** 64n])('cannot be read from %s', (position) => {
    using channel = new MemoryChannel()
    expect(() => channel.read(position as bigint)).toThrow(code('INVALID_ARGUMENT'))
  })

  it('does not see what the caller does to its bytes afterwards', async () => {
    using channel = new MemoryChannel()
    const reader = channel.read(0n)
    const [plain, buffer] = [bytes(1), Buffer.from([1])]
    await Promise.all([channel.append(plain), channel.append(buffer)])
    plain[0] = 9
    buffer[0] = 9
    channel.close()
    expect((await rest(reader)).map(({ message }) => message[0])).toEqual([1, 1])
  })

  it('makes those who append wait for a reader that lags, and forgets one that left', async () => {
    using channel = new MemoryChannel()
    const reader = channel.read(0n)
    for (let index = 0; index < 1_024; index += 1) await channel.append(bytes(1))
    const waiting = [channel.append(bytes(2)), channel.append(bytes(3))]
    await new Promise(setImmediate)
    expect(await channel.end()).toBe(1_024n)
    await reader.next()
    expect(await waiting[0]).toBe(1_024n)
    expect(await channel.end()).toBe(1_025n)
    await reader.return?.()
    expect(await waiting[1]).toBe(1_025n)
  })

  it('appends nothing of a call that is aborted while it waits, and all of the next', async () => {
    using channel = new MemoryChannel()
    const reader = channel.read(0n)
    for (let index = 0; index < 1_024; index += 1) await channel.append(bytes(1))
    const controller = new AbortController()
    const aborted = channel.append(bytes(2), { signal: controller.signal })
    const next = channel.append(bytes(3))
    controller.abort('enough')
    await reader.next()
    await expect(aborted).rejects.toBe('enough')
    expect(await next).toBe(1_024n)
  })

  it('ends its readers when it is closed, and refuses what comes later', async () => {
    const channel = new MemoryChannel()
    const waiting = channel.read(0n).next()
    channel.close()
    channel.close()
    expect(await waiting).toEqual({ done: true, value: undefined })
    await expect(channel.append(bytes(1))).rejects.toEqual(code('CHANNEL_CLOSED'))
    expect(() => channel.read(0n)).toThrow(code('CHANNEL_CLOSED'))
  })

  it('stops a reader with the reason of its signal', async () => {
    using channel = new MemoryChannel()
    const controller = new AbortController()
    const waiting = channel.read(0n, { signal: controller.signal }).next()
    controller.abort('enough')
    await expect(waiting).rejects.toBe('enough')
    expect(() => channel.read(0n, { signal: controller.signal })).toThrow('enough')
  })

  it.each([{ keep: -1 }, { keep: 1.5 }, { keep: '2' }, null, 7])('cannot be made with %o', (options) => {
    expect(() => new MemoryChannel(options as { keep: number })).toThrow(code('INVALID_ARGUMENT'))
  })
})

describe('a directory in memory', () => {
  it('gives each key package away once, oldest first', async () => {
    const directory = new MemoryDirectory()
    await directory.publish(bytes(65), [bytes(1), bytes(2)])
    await directory.publish(bytes(65), [bytes(3)])
    await directory.publish(bytes(66), [bytes(4)])
    const taken = [await directory.take('A'), await directory.take(bytes(65)), await directory.take('A')]
    expect(taken).toEqual([bytes(1), bytes(2), bytes(3)])
    await expect(directory.take('A')).rejects.toEqual(code('DIRECTORY_EMPTY'))
    expect(await directory.take('B')).toEqual(bytes(4))
  })

  it('gives two who ask at once two different ones', async () => {
    const directory = new MemoryDirectory()
    await directory.publish(bytes(65), [bytes(1), bytes(2)])
    expect(await Promise.all([directory.take('A'), directory.take('A')])).toEqual([bytes(1), bytes(2)])
  })

  it('does not see what the caller does to its bytes afterwards', async () => {
    const directory = new MemoryDirectory()
    const buffer = Buffer.from([1])
    await directory.publish(bytes(65), [buffer])
    buffer[0] = 9
    expect((await directory.take('A'))[0]).toBe(1)
  })

  it('is bounded', async () => {
    const directory = new MemoryDirectory()
    await directory.publish(
      bytes(65),
      Array.from({ length: 100_000 }, () => bytes(1)),
    )
    await expect(directory.publish(bytes(66), [bytes(1)])).rejects.toEqual(code('BUSY'))
    await directory.take('A')
    await directory.publish(bytes(66), [bytes(1)])
  })

  it('changes nothing for whoever has aborted', async () => {
    const directory = new MemoryDirectory()
    const signal = AbortSignal.abort('enough')
    await expect(directory.publish(bytes(65), [bytes(1)], { signal })).rejects.toBe('enough')
    await directory.publish(bytes(65), [bytes(2)])
    await expect(directory.take('A', { signal })).rejects.toBe('enough')
    expect(await directory.take('A')).toEqual(bytes(2))
  })
})
