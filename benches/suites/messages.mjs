/** Sealing and opening short messages, against everything that does the like. */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const SIZE = 10

const SHORT = {
  encrypt: { goal: 'P1', tsMls: [45, 90], libsignal: [2], mlsRs: [0.5, 0.85] },
  decrypt: { goal: 'P2', tsMls: [18, 28], libsignal: [1], mlsRs: [0.6, 0.95] },
}
const LONG = {
  encrypt: { goal: 'P3', tsMls: [6, 9], libsignal: [1.4, 2], mlsRs: [undefined, 1.1] },
  decrypt: { goal: 'P3', tsMls: [6, 9], mlsRs: [undefined, 1.1] },
}
const LENGTHS = [
  { length: 32, name: '32 B', goals: SHORT, messages: 2_000 },
  { length: 1_024, name: '1 KiB', goals: SHORT, messages: 2_000 },
  { length: 65_536, name: '64 KiB', goals: LONG, messages: 100 },
]
const PEERS = {
  tsMls: 'ts-mls',
  libsignal: 'libsignal sender keys',
  mlsRs: 'mls-rs with aws-lc, from Rust',
  openmls: 'openmls as it comes, from Rust',
}

export const suite = {
  name: 'messages',
  title: `Messages, n = ${SIZE}, suite 1, one member has sent`,
  goals: ['P1', 'P2', 'P3'],

  async run({ commands, rounds, quick }) {
    const rows = []
    for (const { length, name, goals, messages } of LENGTHS) {
      const group = { size: SIZE, length }
      const native = { ...group, messages, batches: quick ? 3 : 8 }
      const slow = { ...group, messages: Math.min(messages, 100), batches: quick ? 2 : 4 }
      const peers = {
        ours: commands.ours(native),
        tsMls: commands.tsMls(slow),
        libsignal: commands.libsignal({ ...native, messages: Math.min(messages, 500) }),
        mlsRs: commands.mlsRs(native),
        openmls: commands.openmls(native),
      }
      const measured = await interleave(peers, rounds)
      for (const [operation, { goal, ...bounds }] of Object.entries(goals)) {
        for (const [peer, peerName] of Object.entries(PEERS)) {
          const [must, aim] = bounds[peer] ?? []
          rows.push(
            row({
              goal: bounds[peer] && goal,
              suite: suite.name,
              what: `${operation} ${name}`,
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
