import { describe, expect, it } from 'vitest'

import * as check from '../../ts/internal/arguments.js'
import { code } from './members.js'

const INVALID = code('INVALID_ARGUMENT')

function detached(): Uint8Array {
  const array = new Uint8Array(8)
  structuredClone(array.buffer, { transfer: [array.buffer] })
  return array
}

/** Of a buffer that was shortened under it. Node 20 can; its types cannot say so. */
function outOfBounds(): Uint8Array {
  const buffer = Reflect.construct(ArrayBuffer, [64, { maxByteLength: 64 }]) as ArrayBuffer & {
    resize(length: number): void
  }
  const view = new Uint8Array(buffer, 32)
  buffer.resize(8)
  return view
}

class Liar extends Uint8Array {
  override get byteLength(): never {
    throw new Error('no length')
  }

  override get buffer(): never {
    throw new Error('no buffer')
  }

  override slice(): never {
    throw new Error('no slice')
  }
}

const throwing = {
  get signal(): never {
    throw new Error('no signal')
  },
}

describe('bytes', () => {
  it('are any Uint8Array whose buffer is there', () => {
    for (const value of [
      new Uint8Array(),
      new Uint8Array(3),
      Buffer.from('x'),
      new Uint8Array(8).subarray(2, 4),
    ]) {
      expect(check.bytes(value, 'it')).toBe(value)
    }
  })

  it('on shared memory are copied, for others may write there', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(2))
    const copy = check.bytes(shared, 'it')
    shared[0] = 1
    expect([...copy]).toEqual([0, 0])
    expect(copy.buffer).toBeInstanceOf(ArrayBuffer)
  })

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['text', 'x'],
    ['an array of numbers', [1, 2]],
    ['an ArrayBuffer', new ArrayBuffer(1)],
    ['another typed array', new Uint16Array(1)],
    ['a DataView', new DataView(new ArrayBuffer(1))],
    ['a detached view', detached()],
    ['a view beyond the end of its buffer', outOfBounds()],
    ['a proxy of a view', new Proxy(new Uint8Array(1), {})],
    ['what has only the prototype', Object.create(Uint8Array.prototype)],
  ])('are not %s', (_name, value) => {
    expect(() => check.bytes(value, 'it')).toThrow(INVALID)
  })

  it('are what they are, whatever their class says', () => {
    expect(check.bytes(new Liar(2), 'it')).toBeInstanceOf(Liar)
    expect([...check.copyOf(Liar.of(1, 2), 'it')]).toEqual([1, 2])
  })

  it('are at most what the largest message takes', () => {
    expect(() => check.bytes(new Uint8Array(32 * 2 ** 20 + 1), 'it')).toThrow(code('MLS_TOO_LARGE'))
    expect(() => check.bytes(new Uint8Array(2 ** 32), 'it')).toThrow(code('MLS_TOO_LARGE'))
  })

  it('are copied for good, whichever class they are of', () => {
    const buffer = Buffer.from([1])
    const copy = check.copyOf(buffer, 'it')
    buffer[0] = 2
    expect(copy[0]).toBe(1)
  })
})

describe('lists', () => {
  it('name the element that is wrong', () => {
    expect(() => check.bytesList([new Uint8Array(), 7], 'add')).toThrow('add[1] must be a Uint8Array')
    // oxlint-disable-next-line no-sparse-arrays -- what is looked at
    expect(() => check.bytesList([, new Uint8Array()], 'add')).toThrow('add[0]')
  })

  it.each([
    ['an array-like', { length: 2 ** 32 }],
    ['an array of the greatest length', Array.from({ length: 0 }).concat(new Array<undefined>(2 ** 32 - 1))],
    ['a proxy that was revoked', revoked()],
    ['a set', new Set()],
    ['nothing', undefined],
  ])('are not %s', (_name, value) => {
    expect(() => check.list(value, 'it', check.u32)).toThrow(INVALID)
  })

  it('are read by index, not by an iterator that never ends', () => {
    const endless = Object.assign([1, 2], {
      *[Symbol.iterator]() {
        for (;;) yield 1
      },
    })
    expect(check.list(endless, 'it', check.u32)).toEqual([1, 2])
  })

  it('are bounded in what they hold together', () => {
    const large = new Uint8Array(32 * 2 ** 20)
    expect(() =>
      check.bytesList(
        Array.from({ length: 9 }, () => large),
        'it',
      ),
    ).toThrow(code('MLS_TOO_LARGE'))
  })

  it('whose elements throw are refused with what was thrown as the cause', () => {
    const array = [1]
    const cause = new Error('mine')
    Object.defineProperty(array, 0, {
      get() {
        throw cause
      },
    })
    expect(() => check.list(array, 'it', check.u32)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', cause }),
    )
  })
})

function revoked(): unknown[] {
  const { proxy, revoke } = Proxy.revocable<unknown[]>([], {})
  revoke()
  return proxy
}

describe('numbers', () => {
  it.each([NaN, -1, 1.5, 2 ** 32, 2 ** 53, Infinity, 1n, '1', undefined, null])(
    'of 32 bits are not %s',
    (value) => {
      expect(() => check.u32(value, 'it')).toThrow(INVALID)
    },
  )

  it('of 32 bits reach from 0 to 4294967295', () => {
    expect([check.u32(0, 'it'), check.u32(-0, 'it'), check.u32(4_294_967_295, 'it')]).toEqual([
      0, -0, 4_294_967_295,
    ])
  })

  it.each([NaN, 0, -1, 1.5, 2 ** 53, Infinity, 1n, '1', undefined])('of milliseconds are not %s', (value) => {
    expect(() => check.milliseconds(value, 'it')).toThrow(INVALID)
  })

  it('of a clock are cut to whole milliseconds', () => {
    expect(check.time(() => 12.7)).toBe(12)
  })

  it('of a clock that throws are refused', () => {
    const clock = () => {
      throw new Error('stopped')
    }
    expect(() => check.time(clock)).toThrow(INVALID)
    expect(() => check.time(() => 1n as unknown as number)).toThrow(INVALID)
  })
})

describe('options', () => {
  it('may be missing, and must be an object otherwise', () => {
    expect(check.options(undefined)).toEqual({})
    for (const value of [null, 7, 'x', true, Symbol('x')])
      expect(() => check.options(value as unknown as object)).toThrow(INVALID)
  })

  it('whose getters throw are refused with what was thrown as the cause', () => {
    expect(() => check.options<{ signal: unknown }>(throwing).signal).toThrow(INVALID)
    expect(() => check.signal(throwing)).toThrow(INVALID)
  })

  it('may come from a class', () => {
    class Options {
      get keep() {
        return 7
      }
    }
    expect(check.options(new Options()).keep).toBe(7)
  })

  it('have a signal that is one', () => {
    const { signal } = new AbortController()
    expect(check.signal({ signal })).toBe(signal)
    expect(check.signal({})).toBeUndefined()
    expect(check.signal(undefined)).toBeUndefined()
    for (const value of [
      null,
      {},
      'x',
      new AbortController(),
      Object.create(AbortSignal.prototype),
      new EventTarget(),
    ]) {
      expect(() => check.signal({ signal: value })).toThrow(INVALID)
    }
  })
})

describe('what must have methods', () => {
  it('has them all as functions', () => {
    const value = { read: () => 1, append: () => 2 }
    expect(check.having(value, ['read', 'append'], 'channel')).toBe(value)
    for (const wrong of [undefined, null, {}, { read: 1, append: 2 }, 'x']) {
      expect(() => check.having(wrong as unknown as typeof value, ['read', 'append'], 'channel')).toThrow(
        'channel must be an object with read() and append()',
      )
    }
  })
})
