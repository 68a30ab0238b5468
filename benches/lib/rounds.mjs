/** Fresh processes, in rounds in which every peer has its turn. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { spread } from './statistics.mjs'

const run = promisify(execFile)

/** A peer that hangs must not hang the run. */
const TIME_LIMIT = 300_000

/**
 * Runs every peer once per round, each round beginning with another peer, so that whatever the machine does meanwhile
 * falls on all of them.
 *
 * @param {Record<string, { command: string, args: string[], cwd?: string, env?: object, rounds?: number }>} peers `rounds`
 *   where a peer is so slow that it has fewer
 * @returns {Promise<Measured>}
 */
export async function interleave(peers, rounds) {
  const names = Object.keys(peers)
  const measured = new Measured(names)
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const { rounds: most = rounds } = peers[name]
      if (round < most && !measured.failed(name)) await turn(measured, name, peers[name])
    }
  }
  return measured
}

async function turn(measured, name, { command, args, cwd, env = {} }) {
  try {
    const { stdout } = await run(command, args, {
      cwd,
      env: { ...process.env, NODE_OPTIONS: '', NAPI_RS_NATIVE_LIBRARY_PATH: '', ...env },
      maxBuffer: 1 << 26,
      timeout: TIME_LIMIT,
    })
    measured.add(name, JSON.parse(stdout))
  } catch (error) {
    measured.fail(name, error)
  }
}

/** What the peers' processes said. */
export class Measured {
  #outputs
  #failures = new Map()

  constructor(names) {
    this.#outputs = new Map(names.map((name) => [name, []]))
  }

  add(name, output) {
    this.#outputs.get(name).push(output)
  }

  /** A peer that fails is named and has no figures; the others go on. */
  fail(name, error) {
    const why = error.killed ? 'took too long' : error.stderr?.trim() || error.message
    this.#failures.set(name, why)
    process.stderr.write(`${name} failed and has no figures: ${why}\n`)
  }

  failed(name) {
    return this.#failures.has(name)
  }

  /** Every operation that a peer measured. */
  operations(name) {
    return [...new Set(this.#outputs.get(name)?.flatMap(Object.keys))]
  }

  /** The spread over the rounds, undefined where a peer does not have the operation or failed. */
  of(name, operation) {
    if (this.failed(name)) return undefined
    const rounds = (this.#outputs.get(name) ?? []).map((output) => output[operation]).filter(Boolean)
    return rounds.length > 0 ? spread(rounds) : undefined
  }

  /** The same of several operations in a row; undefined where one was not measured. */
  sum(name, operations) {
    const all = operations.map((operation) => this.of(name, operation))
    if (all.includes(undefined)) return undefined
    const total = (which) => all.reduce((before, each) => before + each[which], 0)
    return { min: total('min'), median: total('median'), max: total('max') }
  }
}
