/** What a group that a device is in takes of memory (P17). */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const SIZE = 100
const GROUPS = 100

export const suite = {
  name: 'memory',
  title: 'Memory of a group, fresh tree, after joining',
  goals: ['P17'],

  async run({ commands, rounds }) {
    const options = { size: SIZE, groups: GROUPS, memory: true }
    const peers = { ours: commands.ours(options), tsMls: commands.tsMls(options) }
    const measured = await interleave(peers, Math.min(rounds, 3))
    const given = {
      goal: 'P17',
      suite: suite.name,
      what: `resident for each of ${GROUPS} groups`,
      size: SIZE,
      ours: measured.of('ours', 'groupMemory'),
      unit: 'KiB',
    }
    return [
      row({ ...given, measure: 'itself', must: 230, aim: 115 }),
      row({
        ...given,
        peer: measured.of('tsMls', 'groupMemory'),
        peerName: 'ts-mls',
        measure: 'share of its memory',
        must: 0.2,
      }),
    ]
  },
}
