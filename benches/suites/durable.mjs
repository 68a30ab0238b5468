/** Messages on disk: what the group's size does to them (P4), and catching up with what was stored meanwhile (P24). */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const [SMALL, LARGE] = [2, 1_000]

/** As many at once as P4 says; catching up takes what a server hands out at once. */
const STEP = 64
const CATCH_UP = { size: 10, step: 256, messages: 10_000, batches: 2 }

export const suite = {
  name: 'durable',
  title: 'Messages on disk, 32 B, every member has sent, suite 1',
  goals: ['P4', 'P24'],

  async run({ commands, rounds, only }) {
    const wanted = (goal) => only.size === 0 || only.has(suite.name) || only.has(goal)
    return [
      ...(wanted('P4') ? await growth(commands, rounds) : []),
      ...(wanted('P24') ? await catchUp(commands, rounds) : []),
    ]
  },
}

async function growth(commands, rounds) {
  const options = { step: STEP, messages: STEP * 16, batches: 8 }
  const peers = {
    small: commands.durable({ ...options, size: SMALL }),
    large: commands.durable({ ...options, size: LARGE }),
  }
  const measured = await interleave(peers, Math.min(rounds, 3))
  return ['encrypt', 'decrypt'].map((operation) =>
    row({
      goal: 'P4',
      suite: suite.name,
      what: `${operation}, ${STEP} a step`,
      size: LARGE,
      ours: measured.of('large', operation),
      peer: measured.of('small', operation),
      peerName: `the same at n = ${SMALL}`,
      unit: 'µs',
      measure: 'share of its time',
      must: 2,
      aim: 1.15,
    }),
  )
}

async function catchUp(commands, rounds) {
  const peers = {
    durable: commands.durable(CATCH_UP),
    memory: commands.ours({ size: CATCH_UP.size, messages: 2_000, batches: 8 }),
  }
  const measured = await interleave(peers, rounds)
  return [
    row({
      goal: 'P24',
      suite: suite.name,
      what: `receive ${CATCH_UP.messages} stored messages, ${CATCH_UP.step} a step`,
      size: CATCH_UP.size,
      ours: measured.of('durable', 'decrypt'),
      peer: measured.of('memory', 'decrypt'),
      peerName: 'decrypt one by one in memory (P2)',
      unit: 'µs',
      measure: 'times as fast',
      must: 0.5,
      aim: 0.8,
    }),
  ]
}
