/** What changes a group, at four sizes; and what calling it from JavaScript costs (P5). */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const OPERATIONS = {
  keyPackage: 'key package',
  groupOfOne: 'create a group of one',
  create: 'create group of n, in one commit',
  add: 'add one and merge',
  processAdd: 'process that add',
  join: 'join',
  update: 'commit (update) and merge',
  processUpdate: 'process that commit',
  encrypt: 'encrypt 32 B',
  decrypt: 'decrypt 32 B',
}
const ALONE = new Set(['keyPackage', 'groupOfOne'])

/** Enough for several samples of 20 ms, as one collection of garbage in it doubles a sample, where a run has the time. */
const SIZES = [
  { size: 2, native: { groups: 200, joins: 1 }, tsMls: { groups: 8, joins: 1 }, davey: { groups: 20 } },
  { size: 10, native: { groups: 60, joins: 4 }, tsMls: { groups: 4, joins: 2 }, davey: { groups: 8 } },
  { size: 100, native: { groups: 20, joins: 6 }, tsMls: { groups: 1, joins: 2 }, davey: { groups: 2 } },
  { size: 500, native: { groups: 6, joins: 4 }, tsMls: { groups: 1, joins: 1 }, davey: { groups: 1 } },
]

const PEERS = {
  openmls: 'openmls as it comes, from Rust',
  tsMls: 'ts-mls',
  davey: 'davey (P-256)',
}

/**
 * P5's bounds are near to what the ratios are, and a machine that others share slows one process by a third and spares the
 * next: that many short processes of either side for each round of the others.
 */
const PAIRS = 3

/** P5: a call of 100 µs or more carries a thread hop; one below does not get one. */
const LONG = 100_000

export const suite = {
  name: 'groups',
  title: 'Groups, suite 1, fresh trees: the founder adds everybody in one commit',
  goals: ['P5'],

  async run({ commands, rounds, quick, only }) {
    const rows = []
    const compare = !only.has('P5')
    for (const { size, native, tsMls, davey } of quick ? SIZES.slice(0, 3) : SIZES) {
      const singles = size === 2
      const fast = {
        size,
        ...native,
        updates: 4,
        adds: 4,
        singles: singles ? 300 : 0,
        messages: 2_000,
        batches: quick ? 2 : 5,
      }
      const slow = { size, ...tsMls, updates: 2, singles: singles ? 40 : 0, messages: 50, batches: 2 }
      const peers = {
        ours: commands.ours(fast),
        oursFromRust: commands.oursFromRust(fast),
        ...(compare && {
          // It writes every ratchet at every message: 2,000 of them would take minutes at n = 500.
          openmls: { ...commands.openmls({ ...fast, messages: 200 }), rounds },
          tsMls: { ...commands.tsMls(slow), rounds },
          davey: { ...commands.davey({ size, ...davey, joins: 1, singles: singles ? 100 : 0 }), rounds },
        }),
      }
      const measured = await interleave(peers, rounds * PAIRS)
      for (const [operation, what] of Object.entries(OPERATIONS)) {
        if (ALONE.has(operation) && !singles) continue
        const given = {
          suite: suite.name,
          what,
          size: ALONE.has(operation) ? undefined : size,
          ours: measured.of('ours', operation),
        }
        rows.push(fromRust(given, measured.of('oursFromRust', operation)))
        if (compare) rows.push(...against(given, measured, operation))
      }
    }
    return rows
  },
}

function fromRust(given, peer) {
  const long = peer && peer.median >= LONG
  return row({
    ...given,
    goal: 'P5',
    peer,
    peerName: 'the same call from Rust',
    unit: unitOf(peer),
    measure: 'times as fast',
    must: long ? 0.8 : 0.6,
    aim: long ? 0.95 : 0.85,
  })
}

/** davey's messages are media frames and it has no update: it has no such rows. */
function against(given, measured, operation) {
  return Object.entries(PEERS)
    .map(([name, peerName]) => ({ peer: measured.of(name, operation), peerName }))
    .filter(({ peer }) => peer !== undefined)
    .map(({ peer, peerName }) =>
      row({ ...given, peer, peerName, unit: unitOf(given.ours), measure: 'times as fast' }),
    )
}

const unitOf = (times) => (times && times.median >= 1e6 ? 'ms' : 'µs')
