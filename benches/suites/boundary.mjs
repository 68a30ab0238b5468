/** Crossing between JavaScript and native code, below the facade. */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const ROWS = [
  ['noop', 'an empty native call', 'emptyFunction', 'an empty function in JavaScript'],
  ['boolean', 'read a boolean', 'noop', 'an empty native call'],
  ['bigint', 'read a bigint', 'noop', 'an empty native call'],
  ['returnBytes', 'return 32 B', 'copyBytes', 'copying 32 B in JavaScript'],
  ['refusal', 'take 32 B and refuse them', 'noop', 'an empty native call'],
  ['hop', 'an awaited call on another thread', 'libuvHop', 'node:crypto randomFill, awaited'],
  ['hop64', 'the same, 64 in flight, each', 'libuvHop64', 'node:crypto randomFill, 64 in flight'],
]

export const suite = {
  name: 'boundary',
  title: 'The boundary',
  goals: [],

  async run({ commands, rounds, quick }) {
    const options = { messages: 1_000, batches: quick ? 2 : 5 }
    const measured = await interleave({ ours: commands.boundary(options) }, rounds)
    return ROWS.map(([operation, what, primitive, peerName]) =>
      row({
        suite: suite.name,
        what,
        ours: measured.of('ours', operation),
        peer: measured.of('ours', primitive),
        peerName,
        unit: 'ns',
        measure: 'times as fast',
      }),
    )
  },
}
