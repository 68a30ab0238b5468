/** Sealing and opening short messages, against everything that does the like. */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const SIZE = 10
const LENGTHS = [32, 1_024]

const GOALS = {
  encrypt: { goal: 'P1', tsMls: [45, 90], libsignal: [2], mlsRs: [0.5, 0.85] },
  decrypt: { goal: 'P2', tsMls: [18, 28], libsignal: [1], mlsRs: [0.6, 0.95] },
}
const PEERS = {
  tsMls: 'ts-mls',
  libsignal: 'libsignal sender keys',
  mlsRs: 'mls-rs with aws-lc, from Rust',
  openmls: 'openmls as it comes, from Rust',
}

export const suite = {
  name: 'messages',
  title: `Messages, n = ${SIZE}, suite 1, one member has sent`,
  goals: ['P1', 'P2'],

  async run({ commands, rounds, quick }) {
    const rows = []
    for (const length of LENGTHS) {
      const group = { size: SIZE, length }
      const native = { ...group, messages: 2_000, batches: quick ? 3 : 8 }
      const slow = { ...group, messages: 100, batches: quick ? 2 : 4 }
      const peers = {
        ours: commands.ours(native),
        tsMls: commands.tsMls(slow),
        libsignal: commands.libsignal({ ...native, messages: 500 }),
        mlsRs: commands.mlsRs(native),
        openmls: commands.openmls(native),
      }
      const measured = await interleave(peers, rounds)
      for (const [operation, { goal, ...bounds }] of Object.entries(GOALS)) {
        for (const [peer, peerName] of Object.entries(PEERS)) {
          const [must, aim] = bounds[peer] ?? []
          rows.push(
            row({
              goal: must && goal,
              suite: suite.name,
              what: `${operation} ${length < 1_024 ? `${length} B` : '1 KiB'}`,
              size: SIZE,
              ours: measured.of('ours', operation),
              peer: measured.of(peer, operation),
              peerName,
              unit: 'µs',
              measure: 'times as fast',
              must,
              aim,
            }),
          )
        }
      }
    }
    return rows
  },
}
