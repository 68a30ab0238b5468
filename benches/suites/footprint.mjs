/** What installing and importing the package costs (P15, P16). */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const PEERS = ['ts-mls', 'davey']
const STEPS = [
  { upTo: 'import', what: 'cold import of coterie/mls', must: 0.4 },
  { upTo: 'keyPackage', what: 'import to first key package', must: 0.6 },
]

export const suite = {
  name: 'footprint',
  title: 'Import and size, from an installed copy, in fresh processes',
  goals: ['P15', 'P16'],

  async run({ commands, rounds }) {
    // A process is short and its figure is one sample.
    const many = rounds * 4
    const rows = []
    let bare
    for (const { upTo, what, must } of STEPS) {
      const names = [...(upTo === 'import' ? ['none'] : []), 'coterie', ...PEERS]
      const peers = Object.fromEntries(names.map((name) => [name, commands.import(name, upTo)]))
      const measured = await interleave(peers, many)
      const ours = measured.of('coterie', 'elapsed')
      const given = { goal: 'P15', suite: suite.name, what, ours, unit: 'ms', measure: 'share of its time' }
      const [tsMls, davey] = PEERS.map((name) => measured.of(name, 'elapsed'))
      rows.push(row({ ...given, peer: tsMls, peerName: 'ts-mls', must }))
      rows.push(row({ ...given, peer: davey, peerName: 'davey', aim: 1.2 }))
      if (upTo === 'import') bare = measured
    }
    return [...rows, size(commands.installedSizes()), ...resident(bare)]
  },
}

function size(packages) {
  const bytes = Object.values(packages).reduce((sum, each) => sum + each, 0)
  const parts = Object.entries(packages).map(([name, each]) => `${name} ${(each / 2 ** 20).toFixed(1)} MiB`)
  return row({
    goal: 'P16',
    suite: suite.name,
    what: 'installed size of one platform',
    ours: { min: bytes, median: bytes, max: bytes },
    unit: 'MiB',
    measure: 'itself',
    must: 20,
    aim: 10,
    note: parts.join(', '),
  })
}

/** What stays resident after the import, over a process that imports nothing. */
function resident(measured) {
  const none = measured.of('none', 'rss')
  const over = (name) => {
    const all = measured.of(name, 'rss')
    if (!all || !none) return undefined
    return { min: all.min - none.median, median: all.median - none.median, max: all.max - none.median }
  }
  const given = { suite: suite.name, what: 'RSS of import, over a bare process', ours: over('coterie') }
  const itself = { ...given, unit: 'MiB', measure: 'itself' }
  return [
    row({ ...itself, goal: 'P16', must: 15, aim: 8 }),
    ...PEERS.map((name) =>
      row({ ...given, peer: over(name), peerName: name, unit: 'MiB', measure: 'share of its memory' }),
    ),
  ]
}
