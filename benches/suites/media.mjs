/** Media frames, against the bare cipher and against another package for calls. */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const LENGTHS = [120, 100, 400, 1_200]
const SPOKEN = 120
/** What fifty speakers may take of one core. */
const SHARE = 50
const AIM = 10

const PEERS = {
  bare: 'a bare native call that does one AEAD',
  davey: 'davey',
  rust: 'the bare AEAD in a loop, from Rust',
}

const ROWS = [
  { operation: 'seal', peer: 'bare', what: 'seal', goal: 'P12', bounds: [0.6, 0.9] },
  { operation: 'open', peer: 'bare', what: 'open', goal: 'P12', bounds: [0.6, 0.9] },
  { operation: 'seal', peer: 'davey', what: 'seal', goal: 'P12', bounds: [2.7, 4] },
  { operation: 'open', peer: 'davey', what: 'open', goal: 'P12', bounds: [2.7, 4] },
  {
    operation: 'sealBatch',
    peer: 'rust',
    of: 'seal',
    what: 'seal, 50 per call',
    goal: 'P13',
    bounds: [0.5, 0.8],
  },
  {
    operation: 'openBatch',
    peer: 'rust',
    of: 'open',
    what: 'open, 50 per call',
    goal: 'P13',
    bounds: [0.5, 0.8],
  },
  {
    operation: 'sealBatch',
    peer: 'davey',
    of: 'seal',
    what: 'seal, 50 per call',
    goal: 'P13',
    bounds: [10, 18],
  },
  {
    operation: 'openBatch',
    peer: 'davey',
    of: 'open',
    what: 'open, 50 per call',
    goal: 'P13',
    bounds: [10, 18],
  },
  { operation: 'sealNew', peer: 'davey', of: 'seal', what: 'seal into a new buffer', bounds: [] },
]

export const suite = {
  name: 'media',
  title: 'Media frames, AES-128-GCM',
  goals: ['P12', 'P13'],

  async run({ commands, rounds, quick }) {
    const rows = []
    for (const length of quick ? [SPOKEN] : LENGTHS) {
      const options = { length, messages: 20_000, batches: quick ? 4 : 8 }
      const seconds = length === SPOKEN ? 100 : 0
      const measured = await interleave(
        {
          ours: commands.sframe({ ...options, seconds }),
          bare: commands.bareFrames(options),
          davey: commands.daveyFrames(options),
          rust: commands.bareLoop(options),
        },
        rounds,
      )
      rows.push(...ROWS.map((each) => compared(each, length, measured)))
      if (seconds > 0) rows.push(conference(measured))
    }
    return rows
  },
}

function compared({ operation, peer, of = operation, what, goal, bounds: [must, aim] }, length, measured) {
  const gated = length === SPOKEN
  return row({
    goal: gated ? goal : undefined,
    suite: suite.name,
    what: `${what}, ${length} B`,
    ours: measured.of('ours', operation),
    peer: measured.of(peer, of),
    peerName: PEERS[peer],
    unit: 'ns',
    measure: 'times as fast',
    must: gated ? must : undefined,
    aim: gated ? aim : undefined,
  })
}

function conference(measured) {
  return row({
    suite: suite.name,
    what: 'a second of 50 speakers at 50 frames, 120 B, opened one per call',
    ours: measured.of('ours', 'conference'),
    unit: 'ms',
    measure: 'itself',
    must: SHARE,
    aim: AIM,
  })
}
