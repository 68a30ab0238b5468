import { beforeAll, describe, expect, it } from 'vitest'

import { answerOf, inMebibytes, runProgram, type Memory } from './child.js'
import { buildTestAddon } from './test-addon.js'

const MINUTES = 60_000
const collected = async <Answer>(name: string) => answerOf<Answer>(await runProgram('collecting.mjs', [name]))

describe('worker threads', () => {
  let report: { cycles: number; wrong: number[]; memory: Memory; last: number }

  beforeAll(async () => {
    report = answerOf(await runProgram('workers.mjs'))
    console.log(`${report.cycles} workers: ${inMebibytes(report.memory)}`)
  }, 10 * MINUTES)

  it('load, use and terminate two hundred times with work under way, and nothing crashes', () => {
    expect(report).toMatchObject({ wrong: [], last: 4 })
    expect(report.cycles).toBeGreaterThanOrEqual(200)
  })

  it('leave no memory behind', () => {
    expect(report.memory).toMatchObject({ settled: true })
  })
})

describe('an iterator of events', () => {
  it.each(['abandoned-before-it-began', 'abandoned-half-way', 'abandoned-with-a-signal-that-lives'])(
    'that was %s no longer holds up its group once it is collected',
    async (name) => {
      expect(await collected(name)).toEqual({ full: true, released: true })
    },
    MINUTES,
  )

  it('that was left by break, by return or by an abort no longer holds up its group at once', async () => {
    expect(await collected('left-by-break-return-abort-and-close')).toEqual({ full: false, reason: 'enough' })
  })

  it('is not collected while somebody awaits its next event', async () => {
    expect(await collected('awaited')).toEqual({ heard: 'still wanted' })
  })

  it('ends for whoever awaits it when its group is closed', async () => {
    expect(await collected('group-closed-while-awaited')).toEqual({
      results: [{ done: true }, { done: true }],
    })
  })

  it('ends for whoever awaits it when its group is collected', async () => {
    expect(await collected('group-collected-while-awaited')).toEqual({ ended: true, result: { done: true } })
  })

  it('of a session that was forgotten does not hold up the session once it is collected', async () => {
    expect(await collected('session-subscriber-abandoned')).toEqual({ released: true, heard: 2_048 })
  })
})

describe('memory', () => {
  it.each(['groups-and-devices', 'forgotten-nodes', 'opened-and-closed'])(
    'of %s is given back',
    async (name) => {
      const memory = await collected<Memory>(name)
      console.log(`${name}: ${inMebibytes(memory)}`)
      expect(memory).toMatchObject({ settled: true })
    },
    3 * MINUTES,
  )
})

describe('a process', () => {
  it.each([
    ['somebody awaits the events of a group', 'awaiting-group-events'],
    ['somebody awaits the events of a session', 'awaiting-session-events'],
    ['everything is left open', 'everything-left-open'],
  ])('ends by itself while %s', async (_what, how) => {
    const { code, signal, stdout } = await runProgram('exits.mjs', [how])
    expect({ code, signal }).toEqual({ code: 0, signal: null })
    expect(stdout).toContain('reached the end')
  })

  it.each(['exit-with-work-under-way', 'exit-while-work-answers'])('does not crash by %s', async (how) => {
    const { code, signal, stderr } = await runProgram('exits.mjs', [how])
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  })

  it('ends with the code of an uncaught error, not with a crash', async () => {
    const { code, signal, stderr } = await runProgram('exits.mjs', ['an-uncaught-error'])
    expect({ code, signal }).toEqual({ code: 1, signal: null })
    expect(stderr).toContain('uncaught on purpose')
  })

  it('stays until work under way is answered', async () => {
    expect((await runProgram('exits.mjs', ['work-under-way'])).stdout).toContain('answered 1')
  })
})

describe('a panic in Rust', () => {
  it(
    'is an INTERNAL failure where it happens, closes its own group, and hurts nothing else',
    async () => {
      const NAPI_RS_NATIVE_LIBRARY_PATH = buildTestAddon('fault-injection')
      const report = answerOf<Record<string, unknown>>(
        await runProgram('panics.mjs', [], { NAPI_RS_NATIVE_LIBRARY_PATH, RUST_BACKTRACE: '0' }),
      )
      const internal = { failed: true, code: 'INTERNAL', message: 'native code panicked: asked for' }
      const inGroup = {
        panicked: internal,
        waiting: expect.objectContaining({ code: 'HANDLE_CLOSED' }),
        later: expect.objectContaining({ code: 'HANDLE_CLOSED' }),
        otherGroup: true,
        sameDevice: true,
        feedEnded: true,
        woken: true,
      }
      expect(report).toEqual({
        bare: { isError: true, message: 'asked for' },
        atOnce: internal,
        elsewhere: internal,
        inGroupAtOnce: inGroup,
        inGroupElsewhere: inGroup,
        afterAll: 4,
      })
    },
    10 * MINUTES,
  )
})
