/**
 * Times of operations, gathered into samples long enough for the clock and for a fair share of garbage collections.
 * `rust/src/samples.rs` does the same in Rust.
 */
const SAMPLE = 20_000_000n

export class Samples {
  #open = new Map()
  #closed = {}

  /** Runs `work`, which does `operation` `count` times. */
  async time(operation, count, work) {
    const start = process.hrtime.bigint()
    const value = await work()
    this.#add(operation, count, process.hrtime.bigint() - start)
    return value
  }

  /** The same for work that is done when it returns. */
  timeSync(operation, count, work) {
    const start = process.hrtime.bigint()
    const value = work()
    this.#add(operation, count, process.hrtime.bigint() - start)
    return value
  }

  /** Keeps a figure that is no time: bytes. */
  note(operation, value) {
    this.#closed[operation] ??= []
    this.#closed[operation].push(value)
  }

  /** What was gathered. A last sample that is shorter than half counts only where there is no other. */
  toJSON() {
    for (const [operation, { elapsed }] of this.#open) {
      if (elapsed >= SAMPLE / 2n || !(operation in this.#closed)) this.#close(operation)
    }
    return this.#closed
  }

  #add(operation, count, elapsed) {
    const open = this.#open.get(operation) ?? { elapsed: 0n, count: 0 }
    this.#open.set(operation, open)
    open.elapsed += elapsed
    open.count += count
    if (open.elapsed >= SAMPLE) this.#close(operation)
  }

  #close(operation) {
    const { elapsed, count } = this.#open.get(operation)
    this.#open.delete(operation)
    this.#closed[operation] ??= []
    this.#closed[operation].push(Number(elapsed) / count)
  }
}

/** The scenario's options, from the command line, with the same defaults as in Rust. */
export function options() {
  return {
    size: 2,
    groups: 1,
    joins: 1,
    warm: false,
    adds: 1,
    updates: 0,
    singles: 0,
    messages: 0,
    batches: 0,
    length: 32,
    seconds: 0,
    ...JSON.parse(process.argv[2] ?? '{}'),
  }
}

/** V8 compiles a call's way through the facade in earnest after some hundred times, which is what programs run at. */
const WARM_UP_NS = 1_500_000_000n

/** Runs a scenario small for the compiler's sake, then in earnest, and prints the second's times. */
export async function report(scenario) {
  const wanted = options()
  const begin = process.hrtime.bigint()
  do {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await scenario(
      {
        ...wanted,
        size: Math.min(wanted.size, 10),
        joins: Math.min(wanted.joins, 6),
        groups: Math.min(wanted.groups, 10),
        singles: Math.min(wanted.singles, 50),
        messages: Math.min(wanted.messages, 1_000),
        batches: Math.min(wanted.batches, 1),
        seconds: Math.min(wanted.seconds, 1),
      },
      new Samples(),
    )
  } while (!wanted.memory && process.hrtime.bigint() - begin < WARM_UP_NS)
  const samples = new Samples()
  await scenario(wanted, samples)
  process.stdout.write(JSON.stringify(samples))
}

export function range(count, from = 0) {
  return Array.from({ length: count }, (_, index) => from + index)
}

export function ensure(condition, message) {
  if (!condition) throw new Error(message)
}

export function equal(a, b) {
  return Buffer.compare(a, b) === 0
}
