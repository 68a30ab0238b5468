/** The facade over a native layer that says what the test tells it to. */
import { getEventListeners } from 'node:events'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import type { NativeBatch, NativeGroup } from '../../ts/native.js'
import { code } from './members.js'

const script = vi.hoisted(() => ({
  cancelled: [] as unknown[],
  answer: undefined as unknown,
  wake: () => {},
  batches: [] as unknown[],
  taken: [] as number[],
  closed: 0,
}))

vi.mock('../../ts/native.js', () => ({
  native: {
    NativeCancellation: class {
      cancel() {
        script.cancelled.push(this)
      }
    },
  },
}))

const { Group } = await import('../../ts/mls/group.js')

const ALICE = [...new TextEncoder().encode('alice')]

/** A member as `crates/node/src/roster.rs` writes one: leaf, identity, an empty key, perhaps an end, no certificate. */
const member = (leaf: number, identity = ALICE, expires?: number) => {
  const end = expires === undefined ? [0] : [1, expires, 0, 0, 0, 0, 0, 0, 0]
  return [leaf, 0, 0, 0, identity.length, 0, 0, 0, ...identity, 0, 0, 0, 0, ...end, 0]
}
const row = (...bytes: number[]) => String.fromCharCode(...bytes)
const message = (number: number) => ({
  type: 'message',
  sender: row(...member(0)),
  epoch: 1n,
  plaintext: Uint8Array.of(number),
  associatedData: new Uint8Array(),
})
const batch = (numbers: number[], ended = false) => ({ events: numbers.map(message), ended }) as NativeBatch
const failure = (name: string) => ({ failed: true, code: name, message: 'what happened', retryable: false })
const plaintextOf = (result: IteratorResult<{ type: string }, undefined>) =>
  (result.value as { plaintext?: Uint8Array } | undefined)?.plaintext?.[0]

/** A group whose native side answers every call with `script.answer`, or does what it says. */
function group() {
  const feed = {
    take(max: number) {
      script.taken.push(max)
      const next = script.batches.shift() ?? batch([])
      if (next instanceof Error) throw next
      return next
    },
    close() {
      script.closed += 1
    },
  }
  const fixed = { id: Uint8Array.of(1), suite: 'x', epoch: 0n, ownLeaf: 0, isMember: true, close: () => {} }
  const subscribe = (wake: () => void) => {
    script.wake = wake
    return feed
  }
  const answer = () =>
    typeof script.answer === 'function' ? (script.answer as () => unknown)() : script.answer
  const nativeGroup = new Proxy({ ...fixed, subscribe } as unknown as NativeGroup, {
    get: (target, name) => (name in target ? Reflect.get(target, name) : answer),
  })
  return new Group(nativeGroup, () => 1)
}

beforeEach(() => {
  Object.assign(script, { cancelled: [], answer: undefined, batches: [], taken: [], closed: 0 })
})

describe('a call', () => {
  it.each([
    ['at once', () => failure('MLS_REMOVED')],
    ['by a promise', () => Promise.resolve(failure('MLS_REMOVED'))],
  ])('that fails %s rejects with its code', async (_how, answer) => {
    script.answer = answer
    await expect(group().encrypt('x')).rejects.toEqual(code('MLS_REMOVED'))
  })

  it('that native code fails with an unknown code rejects with INTERNAL', async () => {
    script.answer = failure('FROM_THE_FUTURE')
    await expect(group().encrypt('x')).rejects.toEqual(code('INTERNAL'))
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('panic')
      },
    ],
    ['rejects', () => Promise.reject(new Error('panic'))],
  ])('in which native code %s rejects with INTERNAL and what was thrown', async (_how, answer) => {
    script.answer = answer
    await expect(group().encrypt('x')).rejects.toMatchObject({
      code: 'INTERNAL',
      cause: { message: 'panic' },
    })
  })

  it('answers with the value, whichever way it came', async () => {
    const sealed = Uint8Array.of(7)
    script.answer = sealed
    expect(await group().encrypt('x')).toBe(sealed)
    script.answer = Promise.resolve(sealed)
    expect(await group().encrypt('x')).toBe(sealed)
  })

  it('tells the native side of an abort, and leaves no listener behind', async () => {
    const controller = new AbortController()
    let finish = (_answer: unknown) => {}
    script.answer = new Promise((resolve) => {
      finish = resolve
    })
    const call = group().encrypt('x', { signal: controller.signal })
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    controller.abort('enough')
    expect(script.cancelled).toHaveLength(1)
    finish(failure('ABORTED'))
    await expect(call).rejects.toBe('enough')
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('whose work had begun tells what came of it, in spite of the abort', async () => {
    const controller = new AbortController()
    let finish = (_answer: unknown) => {}
    script.answer = new Promise((resolve) => {
      finish = resolve
    })
    const call = group().encrypt('x', { signal: controller.signal })
    controller.abort('enough')
    finish(Uint8Array.of(1))
    expect(await call).toEqual(Uint8Array.of(1))
  })

  it('that was aborted before it was made never reaches native code', async () => {
    script.answer = () => {
      throw new Error('called')
    }
    await expect(group().encrypt('x', { signal: AbortSignal.abort('enough') })).rejects.toBe('enough')
    expect(script.cancelled).toHaveLength(0)
  })
})

describe('a batch of messages', () => {
  it('has an error where native code refused one', async () => {
    script.answer = [{ type: 'own-echo' }, failure('MLS_MALFORMED')]
    expect(await group().receiveAll([])).toEqual([{ type: 'own-echo' }, code('MLS_MALFORMED')])
  })
})

describe('names', () => {
  it('are there where the identity is text, and only there', async () => {
    script.answer = row(2, 0, 0, 0, ...member(0), ...member(1, [0xff], 5))
    expect(await group().members()).toMatchObject([
      { name: 'alice', expires: undefined },
      { name: undefined, expires: new Date(5) },
    ])
  })
})

describe('a summary', () => {
  it('has numbers of 64 bits and keys as they were written', async () => {
    const key = Array.from({ length: 256 }, (_, index) => index)
    const signer = [1, 2, 3, 255, 0, 0, 0, 0, 0, 1, 0, 0, ...key, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    const nobody = [0, 0, 0, 0]
    script.answer = row(...Array(8).fill(0xff), 1, 0, 1, ...signer, ...nobody, ...nobody, ...nobody, 0)
    expect(await group().mergePending()).toMatchObject({
      epoch: 2n ** 64n - 1n,
      own: true,
      removesSelf: false,
      committer: {
        member: { leaf: 0xff030201, signatureKey: Uint8Array.from(key), expires: new Date(2 ** 32) },
      },
      added: [],
      succession: undefined,
    })
  })
})

describe('the iterator of events', () => {
  it('takes a batch when it is asked, and only when it has none left', async () => {
    const events = group().events()
    expect(script.taken).toHaveLength(0)
    script.batches = [batch([1, 2]), batch([3])]
    const heard = [await events.next(), await events.next(), await events.next()].map(plaintextOf)
    expect(heard).toEqual([1, 2, 3])
    expect(script.taken).toEqual([64, 64])
  })

  it('waits for the native side to wake it, which may be for nothing', async () => {
    const events = group().events()
    const waiting = [events.next(), events.next()]
    script.wake()
    script.batches = [batch([1])]
    script.wake()
    expect(plaintextOf(await (waiting[0] as Promise<IteratorResult<{ type: string }, undefined>>))).toBe(1)
    script.batches = [batch([], true)]
    script.wake()
    expect(await waiting[1]).toEqual({ done: true, value: undefined })
    expect(script.closed).toBe(1)
  })

  it('releases the native side once: when left, aborted or ended', async () => {
    const controller = new AbortController()
    const [left, aborted, ended] = [
      group().events(),
      group().events({ signal: controller.signal }),
      group().events(),
    ]
    await left.return?.()
    await left.return?.()
    expect(script.closed).toBe(1)
    controller.abort('enough')
    await expect(aborted.next()).rejects.toBe('enough')
    await aborted.return?.()
    expect(script.closed).toBe(2)
    script.batches = [batch([], true)]
    await ended.next()
    await ended.next()
    expect(script.closed).toBe(3)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('fails with INTERNAL where native code throws', async () => {
    const events = group().events()
    script.batches = [new Error('panic')]
    await expect(events.next()).rejects.toEqual(code('INTERNAL'))
    expect(await events.next()).toEqual({ done: true, value: undefined })
    expect(script.closed).toBe(1)
  })

  it('drops what it holds when it is left', async () => {
    const events = group().events()
    script.batches = [batch([1, 2, 3])]
    await events.next()
    await events.return?.()
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })
})
