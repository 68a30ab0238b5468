/** How long a call may keep the event loop from turning (P11). */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const SIZE = 1_000

export const suite = {
  name: 'event-loop',
  title: `The longest event-loop gap of a call, n = ${SIZE}`,
  goals: ['P11'],

  async run({ commands, rounds }) {
    const measured = await interleave({ ours: commands.gaps({ size: SIZE, messages: 1_000 }) }, rounds)
    const idle = measured.of('ours', 'idle')
    const calls = measured.operations('ours').filter((name) => !/^idle|\(running\)$/.test(name))
    if (calls.length === 0) return [gap('every call', undefined, undefined)]
    return calls.map((call) =>
      gap(call, measured.of('ours', call), idle, measured.of('ours', `${call} (running)`)),
    )
  },
}

const gap = (what, ours, peer, running) =>
  row({
    goal: 'P11',
    suite: suite.name,
    what,
    size: SIZE,
    ours,
    peer,
    peerName: 'an idle loop',
    unit: 'ms',
    measure: 'itself',
    must: 15,
    aim: 5,
    note: running && `the thread had a core for ${(running.median / 1e6).toFixed(2)} ms at most`,
  })
