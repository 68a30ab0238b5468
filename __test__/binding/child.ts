/** Node processes that a test looks at from outside: whether they end, and how. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How a process ended and what it said. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * One arena that gives back what is freed: what stays resident is then what is held, and not what malloc keeps for
 * later.
 */
const MALLOC = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536', MALLOC_MMAP_THRESHOLD_: '65536' }

/** Runs a program beside this file, in a folder of its own, until it ends by itself. */
export async function runProgram(
  name: string,
  words: readonly (string | number)[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const cwd = mkdtempSync(join(tmpdir(), 'coterie-'))
  const child = spawn(
    process.execPath,
    ['--expose-gc', join(import.meta.dirname, name), ...words.map(String)],
    { cwd, env: { PATH: process.env['PATH'], ...MALLOC, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  const stop = () => child.kill('SIGKILL')
  process.once('exit', stop)
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...how) => {
      resolve(how)
    })
  })
  process.off('exit', stop)
  rmSync(cwd, { recursive: true, force: true })
  return { code, signal, stdout: stdout(), stderr: stderr() }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}

/** What a program that succeeded printed last, as JSON. */
export function answerOf<Answer>({ code, signal, stdout, stderr }: Ended): Answer {
  if (code !== 0) throw new Error(`ended with ${signal ?? code}\n${stderr.slice(-4_000)}`)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Answer
}

/** What `settle` of memory.mjs says. */
export interface Memory {
  readonly floors: readonly number[]
  readonly passes: number
  readonly settled: boolean
}

/** The floors of the windows, for people. */
export function inMebibytes({ floors, passes }: Memory): string {
  return `${floors.map((floor) => (floor / 2 ** 20).toFixed(2)).join(', ')} MiB held, ${passes} passes`
}
