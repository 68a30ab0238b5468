import { describe, expect, it, vi } from 'vitest'

import { Queue } from '../../ts/internal/queue.js'

const DONE = { done: true, value: undefined }
const item = (value: unknown) => ({ done: false, value })

function queue({ capacity = 2, signal }: { capacity?: number; signal?: AbortSignal } = {}) {
  const onReturn = vi.fn<() => void>()
  return { queue: new Queue<number>(capacity, signal, onReturn), onReturn }
}

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return (await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, pending))])) !== pending
}

describe('a queue', () => {
  it('gives items in the order in which they were put, before and after they are asked for', async () => {
    const { queue: numbers } = queue({ capacity: 8 })
    const early = [numbers.next(), numbers.next()]
    for (const number of [1, 2, 3, 4]) numbers.put(number)
    expect(await Promise.all([...early, numbers.next(), numbers.next()])).toEqual([1, 2, 3, 4].map(item))
  })

  it('has room until it is full, and again once one is taken', async () => {
    const { queue: numbers } = queue()
    await numbers.room()
    numbers.put(1)
    await numbers.room()
    numbers.put(2)
    const room = numbers.room()
    expect(await isSettled(room)).toBe(false)
    expect(await numbers.next()).toEqual(item(1))
    await room
  })

  it('lets one of those who wait for room go on for each that is taken', async () => {
    const { queue: numbers } = queue({ capacity: 1 })
    numbers.put(0)
    const first = numbers.room().then(() => {
      numbers.put(1)
    })
    const second = numbers.room().then(() => {
      numbers.put(2)
    })
    expect(await numbers.next()).toEqual(item(0))
    await first
    expect(await isSettled(second)).toBe(false)
    expect(await numbers.next()).toEqual(item(1))
    await second
    expect(await numbers.next()).toEqual(item(2))
  })

  it('ends: what waits can be taken, nothing can be put, and nobody waits for room', async () => {
    const { queue: numbers, onReturn } = queue()
    numbers.put(1)
    numbers.put(2)
    const room = numbers.room()
    numbers.end()
    await room
    numbers.put(3)
    expect([await numbers.next(), await numbers.next(), await numbers.next()]).toEqual([
      item(1),
      item(2),
      DONE,
    ])
    expect(numbers.isOpen).toBe(false)
    expect(onReturn).not.toHaveBeenCalled()
  })

  it('ends for everybody who waits', async () => {
    const { queue: numbers } = queue()
    const waiting = [numbers.next(), numbers.next()]
    numbers.end()
    expect(await Promise.all(waiting)).toEqual([DONE, DONE])
  })

  it('fails the first who waits, and ends for the others', async () => {
    const { queue: numbers, onReturn } = queue()
    const [first, second] = [numbers.next(), numbers.next()]
    numbers.fail('why')
    await expect(first).rejects.toBe('why')
    expect(await second).toEqual(DONE)
    expect(await numbers.next()).toEqual(DONE)
    expect(onReturn).toHaveBeenCalledOnce()
  })

  it('tells whoever comes next of a failure, once, and drops what waited', async () => {
    const { queue: numbers } = queue()
    numbers.put(1)
    numbers.fail('why')
    numbers.fail('again')
    await expect(numbers.next()).rejects.toBe('why')
    expect(await numbers.next()).toEqual(DONE)
  })

  it('fails with the reason of an abort, and hears of none once it has ended', async () => {
    const controller = new AbortController()
    const { queue: aborted } = queue({ signal: controller.signal })
    const { queue: ended } = queue({ signal: controller.signal })
    ended.end()
    const waiting = aborted.next()
    controller.abort('enough')
    await expect(waiting).rejects.toBe('enough')
    expect(await ended.next()).toEqual(DONE)
  })

  it('is left by breaking out of a loop over it, and then takes nothing more', async () => {
    const { queue: numbers, onReturn } = queue()
    numbers.put(1)
    for await (const number of numbers) {
      expect(number).toBe(1)
      break
    }
    expect(onReturn).toHaveBeenCalledOnce()
    numbers.put(2)
    expect(await numbers.next()).toEqual(DONE)
    await numbers.room()
  })

  it('is left by leaving the block that holds it', async () => {
    const { queue: numbers, onReturn } = queue()
    {
      await using held = numbers
      held.put(1)
    }
    expect(onReturn).toHaveBeenCalledOnce()
    expect(numbers.isOpen).toBe(false)
  })
})
