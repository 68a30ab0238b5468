/**
 * Everything at every size, fresh and warm, in memory and with each step on disk: times, bytes on the wire, memory and
 * bytes stored. It gates nothing; docs quote it.
 */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const OPERATIONS = {
  create: 'create group of n, in one commit',
  add: 'add one and merge',
  processAdd: 'process that add',
  join: 'join',
  update: 'commit (update) and merge',
  processUpdate: 'process that commit',
  encrypt: 'encrypt 32 B',
  decrypt: 'decrypt 32 B',
}
const BYTES = {
  keyPackageBytes: 'key package',
  addBytes: 'commit that adds one',
  updateBytes: 'commit (update)',
  welcomeBytes: 'Welcome',
}
const SIZES = [2, 10, 100, 500, 1_000, 5_000]

/** A warm group is made by each member in turn, which takes a quarter of an hour for 5,000. */
const MOST_WARM = 1_000

export const suite = {
  name: 'table',
  title: 'All sizes, suite 1',
  goals: [],

  async run({ commands, rounds, quick }) {
    const rows = []
    for (const size of quick ? SIZES.slice(0, 3) : SIZES) {
      for (const warm of [false, true]) {
        if (!warm || (size > 2 && size <= MOST_WARM))
          rows.push(...(await scene(commands, rounds, size, warm)))
      }
      rows.push(...(await memory(commands, size)))
    }
    return rows
  },
}

async function scene(commands, rounds, size, warm) {
  const large = size >= 500
  const options = {
    size,
    warm,
    groups: warm || large ? 1 : 4,
    joins: Math.min(size - 1, large ? 2 : 4),
    updates: 3,
    adds: 3,
    messages: 100,
    batches: 3,
  }
  const peers = {
    ours: commands.ours(options),
    durable: commands.ours({ ...options, durable: true }),
    // Its ratchets are written at every message, and a group of 5,000 takes it minutes.
    ...(size <= 1_000 && { openmls: commands.openmls(options) }),
  }
  const measured = await interleave(peers, large ? Math.min(rounds, 2) : Math.min(rounds, 3))
  const tree = warm ? 'warm' : 'fresh'
  const rows = Object.entries(OPERATIONS).flatMap(([operation, what]) => {
    const ours = measured.of('ours', operation)
    if (ours === undefined) return []
    const given = {
      suite: suite.name,
      size,
      unit: ours.median >= 1e6 ? 'ms' : 'µs',
      measure: 'share of its time',
    }
    const stock = { peer: measured.of('openmls', operation), peerName: 'openmls as it comes, from Rust' }
    const durable = { ours: measured.of('durable', operation), peer: ours, peerName: 'the same in memory' }
    return [
      row({ ...given, what: `${what}, ${tree}`, ours, ...stock }),
      row({ ...given, what: `${what}, ${tree}, on disk`, ...durable }),
    ]
  })
  const bytes = Object.entries(BYTES).map(([operation, what]) =>
    alone(`${what}, ${tree}`, size, measured.of('ours', operation), 'B'),
  )
  return [...rows, ...bytes]
}

async function memory(commands, size) {
  const groups = Math.max(2, Math.min(100, Math.floor(10_000 / size)))
  const options = { size, groups, memory: true }
  const peers = { ours: commands.ours(options), durable: commands.ours({ ...options, durable: true }) }
  const measured = await interleave(peers, 2)
  return [
    alone('memory of a group, fresh', size, measured.of('ours', 'groupMemory'), 'KiB'),
    alone('memory of a group on disk, fresh', size, measured.of('durable', 'groupMemory'), 'KiB'),
    alone('bytes stored of a group, fresh', size, measured.of('durable', 'groupStored'), 'KiB'),
  ]
}

const alone = (what, size, ours, unit) =>
  row({ suite: suite.name, what, size, ours, unit, measure: 'itself' })
