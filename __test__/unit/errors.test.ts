import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'

import { ERROR_CODES } from '../../ts/error-codes.js'
import { CoterieError, toError, unwrap } from '../../ts/errors.js'

const failure = (code: string) => ({ failed: true, code, message: 'what happened', retryable: true })

/** The package's root as it is when nothing of it has been loaded before. */
function freshCopy(): typeof import('../../dist/index.js') {
  const require = createRequire(import.meta.url)
  const path = require.resolve('../../dist/index.js')
  for (const loaded of Object.keys(require.cache)) {
    if (loaded.startsWith(path.slice(0, -'index.js'.length))) delete require.cache[loaded]
  }
  return require(path) as typeof import('../../dist/index.js')
}

describe('errors', () => {
  it('carry a code, whether to try again, a message and a cause', () => {
    const cause = new Error('deeper')
    const error = new CoterieError('BUSY', 'too much', { cause })
    expect(error).toMatchObject({
      name: 'CoterieError',
      code: 'BUSY',
      retryable: true,
      message: 'too much',
      cause,
    })
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).toBe('CoterieError: too much')
  })

  it.each(Object.entries(ERROR_CODES))('say of %s what its code says: %o', (code, { retryable }) => {
    expect(toError(failure(code))).toMatchObject({ code, retryable })
  })

  it('of one copy of the package are recognised by another', () => {
    const [one, another] = [freshCopy(), freshCopy()]
    expect(one.CoterieError).not.toBe(another.CoterieError)
    const error = new (one.CoterieError as unknown as typeof CoterieError)('BUSY', 'too much')
    expect(another.CoterieError.is(error)).toBe(true)
    expect(error).toBeInstanceOf(another.CoterieError)
    expect(CoterieError.is(error)).toBe(true)
  })

  it.each([new Error('other'), { code: 'BUSY' }, null, undefined, 'BUSY', Symbol('x')])(
    'are not %s',
    (value) => {
      expect(CoterieError.is(value)).toBe(false)
      expect(value instanceof CoterieError).toBe(false)
    },
  )

  it('made of a code that is not known, nor of any object, are INTERNAL', () => {
    for (const code of ['NEW', '', 'toString', '__proto__', 'constructor']) {
      expect(toError(failure(code)).code).toBe('INTERNAL')
    }
  })

  it('are thrown for failures, and only for those', () => {
    expect(() => unwrap(failure('MLS_REMOVED'))).toThrow(expect.objectContaining({ code: 'MLS_REMOVED' }))
    for (const value of [undefined, null, 0, { failed: false }, [failure('BUSY')]])
      expect(unwrap(value)).toBe(value)
  })
})
