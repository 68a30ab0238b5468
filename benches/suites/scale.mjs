/** Large groups against stock openmls, mls-rs and ts-mls, and how ours grows (P6 to P10). */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const NAMES = {
  openmls: 'openmls as it comes, from Rust',
  tsMls: 'ts-mls',
  mlsRs: 'mls-rs with aws-lc, from Rust',
}

/** ts-mls takes about a second for each step here, and more to set up. */
const SLOW = { joins: 1, updates: 1, adds: 1 }
const SLOW_ROUNDS = 2

const FRESH = {
  size: 1_000,
  what: 'fresh',
  goals: [
    {
      goal: 'P6',
      operations: ['add', 'processAdd'],
      what: 'add one and process it',
      openmls: [1, 0.4],
      tsMls: [0.05],
    },
    { goal: 'P7', operations: ['join'], what: 'join', openmls: [0.85, 0.35], tsMls: [0.1] },
    { goal: 'P8', operations: ['update'], what: 'self-update', openmls: [0.5, 0.3] },
    { goal: 'P9', operations: ['create'], what: 'build a group', openmls: [0.9, 0.4], tsMls: [0.3] },
  ],
}
const WARM = [
  {
    size: 200,
    what: 'warm',
    tsMls: true,
    goals: [{ goal: 'P7', operations: ['join'], what: 'join', openmls: [0.85, 0.35], tsMls: [0.1] }],
  },
  {
    size: 500,
    what: 'warm',
    goals: [{ goal: 'P8', operations: ['update'], what: 'self-update', openmls: [0.5, 0.3] }],
  },
]
const [SMALL, LARGE] = [500, 5_000]

export const suite = {
  name: 'scale',
  title: 'Large groups, suite 1',
  goals: ['P6', 'P7', 'P8', 'P9', 'P10'],

  async run({ commands, rounds, only }) {
    const wanted = (goal) => only.size === 0 || only.has(suite.name) || only.has(goal)
    const rows = []
    if (FRESH.goals.some(({ goal }) => wanted(goal))) rows.push(...(await fresh(commands, rounds)))
    for (const scene of WARM) {
      if (scene.goals.some(({ goal }) => wanted(goal))) rows.push(...(await warm(commands, rounds, scene)))
    }
    if (wanted('P10')) rows.push(...(await growth(commands, rounds)))
    return rows
  },
}

async function fresh(commands, rounds) {
  const { size } = FRESH
  const native = { size, joins: 3, updates: 3, adds: 4 }
  const peers = {
    ours: commands.ours(native),
    openmls: commands.openmls(native),
    mlsRs: commands.mlsRs(native),
    tsMls: { ...commands.tsMls({ size, ...SLOW }), rounds: SLOW_ROUNDS },
  }
  return compared(await interleave(peers, rounds), FRESH)
}

async function warm(commands, rounds, scene) {
  const native = { size: scene.size, warm: true, joins: 3, updates: 4, adds: 2 }
  const peers = {
    ours: commands.ours(native),
    openmls: commands.openmls(native),
    ...(scene.tsMls && {
      tsMls: { ...commands.tsMls({ size: scene.size, warm: true, ...SLOW }), rounds: SLOW_ROUNDS },
    }),
  }
  return compared(await interleave(peers, rounds), scene)
}

function compared(measured, { size, what: trees, goals }) {
  return goals.flatMap(({ goal, operations, what, ...bounds }) =>
    Object.entries(NAMES).flatMap(([peer, peerName]) => {
      const theirs = measured.sum(peer, operations)
      if (theirs === undefined && bounds[peer] === undefined) return []
      const [must, aim] = bounds[peer] ?? []
      return [
        row({
          goal: bounds[peer] && goal,
          suite: suite.name,
          what: `${what}, ${trees}`,
          size,
          ours: measured.sum('ours', operations),
          peer: theirs,
          peerName,
          unit: 'ms',
          measure: 'share of its time',
          must,
          aim,
        }),
      ]
    }),
  )
}

async function growth(commands, rounds) {
  const native = { joins: 3, adds: 4 }
  const peers = {
    small: commands.ours({ ...native, size: SMALL }),
    large: { ...commands.ours({ ...native, size: LARGE }), rounds: Math.min(rounds, 3) },
  }
  const measured = await interleave(peers, rounds)
  return [
    ['join', ['join']],
    ['add one and process it', ['add', 'processAdd']],
  ].map(([what, operations]) =>
    row({
      goal: 'P10',
      suite: suite.name,
      what: `${what}, fresh`,
      size: LARGE,
      ours: measured.sum('large', operations),
      peer: measured.sum('small', operations),
      peerName: `the same at n = ${SMALL}`,
      unit: 'ms',
      measure: 'share of its time',
      must: 12,
      aim: 11,
    }),
  )
}
