/**
 * The chat of the examples as its users have it: processes of their own, with stores, that die and come back. What was said
 * meanwhile reaches them, and whoever came in later hears nothing of before.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

import { expect, it, onTestFinished } from 'vitest'

const EXAMPLE = join(import.meta.dirname, '../../examples/chat.mjs')
const MINUTE = 60_000

/** One person at a terminal. */
class Person {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #printed: string[] = []
  readonly #lines: AsyncIterator<string>
  readonly #exited: Promise<number | null>
  #errors = ''

  constructor(directory: string, role: 'host' | 'join', name: string) {
    const args = [EXAMPLE, role, name, 'room.json', '--store', `${name}.db`]
    const env = { ...process.env, CHAT_PASSPHRASE: 'secret' }
    this.#child = spawn(process.execPath, args, { cwd: directory, env, stdio: 'pipe' })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
    this.#exited = new Promise((resolve) => this.#child.once('exit', resolve))
    onTestFinished(() => {
      this.#child.kill('SIGKILL')
    })
  }

  get printed(): readonly string[] {
    return this.#printed
  }

  type(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  /** Waits until this has been printed, on a line that was not waited for before. */
  async reads(wanted: string): Promise<void> {
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done === true)
        throw new Error(`${wanted} was not printed: ${this.#printed.join('\n')}\n${this.#errors}`)
      this.#printed.push(value)
      if (value.includes(wanted)) return
    }
  }

  async die(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Says goodbye; resolves with the exit code. */
  async leave(): Promise<number | null> {
    this.type('/quit')
    return this.#exited
  }
}

it(
  'a chat goes on over deaths, and tells nobody what was said before it came in',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'coterie-chat-'))
    onTestFinished(() => {
      rmSync(directory, { recursive: true, force: true })
    })
    const alice = new Person(directory, 'host', 'alice')
    await alice.reads('the door is open')
    let bob = new Person(directory, 'join', 'bob')
    await Promise.all([bob.reads('connected'), alice.reads('bob is there')])
    bob.type('hello')
    alice.type('welcome')
    await Promise.all([alice.reads('bob: hello'), bob.reads('alice: welcome')])

    await bob.die()
    alice.type('bob misses this')
    bob = new Person(directory, 'join', 'bob')
    await Promise.all([bob.reads('alice: bob misses this'), alice.reads('bob is there')])

    const carol = new Person(directory, 'join', 'carol')
    await Promise.all([carol.reads('connected'), bob.reads('carol came in'), alice.reads('carol is there')])
    alice.type('/mute bob')
    await carol.reads('alice muted bob')
    carol.type('/who')
    await carol.reads('alice, bob (muted), carol; epoch')
    bob.type('/mute alice')
    await bob.reads('GSP_UNAUTHORIZED')
    bob.type('since')
    await Promise.all([carol.reads('bob: since'), alice.reads('bob: since')])
    expect(carol.printed.filter((line) => /hello|welcome|misses/.test(line))).toEqual([])

    alice.type('/remove carol')
    await carol.reads('you are out')
    const left = await Promise.all([bob.leave(), alice.leave()])
    expect(left).toEqual([0, 0])
  },
  MINUTE,
)
