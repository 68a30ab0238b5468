/** Members of one group on this package and on the published Python package, behind one interface. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

import {
  GapClient,
  GroupNode,
  GspClient,
  GtpClient,
  MlsContext,
  type NodeEvent,
} from '../../dist/compat/index.js'
import { at } from '../../scripts/lib/workspace.mjs'

const FOLDER = 'crates/gbp-interop/peer'
const ENVIRONMENT = 'target/peers/gbp-stack'

/** The Python of an environment with the published package, which is made if need be; or why there is none. */
export function python(): { path: string } | { missing: string } {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { missing: 'not x86-64 Linux' }
  const path = at(ENVIRONMENT, 'bin/python')
  const stamp = at(ENVIRONMENT, 'installed')
  try {
    if (!existsSync(stamp)) {
      mkdirSync(at(ENVIRONMENT), { recursive: true })
      execFileSync('python3.11', ['-m', 'venv', at(ENVIRONMENT)], { stdio: 'pipe' })
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
      execFileSync(path, [...pip, '--requirement', at(FOLDER, 'requirements.txt')], { stdio: 'pipe' })
      writeFileSync(stamp, '')
    }
    return { path }
  } catch (error) {
    return { missing: String(error).split('\n', 1)[0] ?? 'unknown' }
  }
}

type Value = null | boolean | number | string | Value[] | { [key: string]: Value }

const hex = (bytes: Uint8Array): Value => ({ hex: Buffer.from(bytes).toString('hex') })
const bytesOf = (value: Value): Buffer => Buffer.from((value as { hex: string }).hex, 'hex')

/** One process of the published package, which answers calls in their order. */
export class Package {
  readonly #process: ChildProcess
  readonly #waiting: ((line: string) => void)[] = []

  constructor(path: string) {
    this.#process = spawn(path, [at(FOLDER, 'peer.py')], { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => this.#waiting.shift()?.(line))
    this.#process.on('exit', () => {
      for (const answer of this.#waiting.splice(0)) answer('{"error":"the published package has ended"}')
    })
  }

  async ask(of: Value | undefined, call: string, ...args: Value[]): Promise<Value> {
    return this.#send({ of: of ?? null, call, args })
  }

  async get(of: Value, name: string): Promise<Value> {
    return this.#send({ of, get: name })
  }

  async #send(order: Value): Promise<Value> {
    const line = await new Promise<string>((resolve) => {
      this.#waiting.push(resolve)
      this.#process.stdin?.write(`${JSON.stringify(order)}\n`)
    })
    const answer = JSON.parse(line) as { value: Value; error?: string }
    if (answer.error !== undefined) throw new Error(`the published package: ${answer.error}`)
    return answer.value
  }

  close(): void {
    this.#process.stdin?.end()
  }
}

/** What a node said about a frame. */
export interface Heard {
  kinds: string[]
  errors: number[]
  payloads: { stream: number; codec: number; plaintext: Buffer }[]
  controls: { opcode: number; args: Buffer | undefined }[]
}

export interface Content {
  layer: 'text' | 'audio' | 'signal'
  id: number
  codec: number
  bytes: Buffer
}

export interface Member {
  readonly number: number
  readonly ours: boolean
  keyPackage(): Promise<Buffer>
  inviteFirst(keyPackage: Buffer): Promise<Buffer>
  invite(keyPackage: Buffer): Promise<{ commit: Buffer; welcome: Buffer }>
  remove(leaf: number): Promise<Buffer>
  process(commit: Buffer): Promise<string>
  finalize(): Promise<void>
  clear(): Promise<void>
  join(welcome: Buffer): Promise<void>
  start(epoch: bigint, expected: number): Promise<void>
  apply(tid: number): Promise<void>
  control(opcode: number, tid: number, args?: Buffer): Promise<Buffer>
  say(content: Content): Promise<Buffer>
  receive(wire: Buffer): Promise<Heard>
  /** What a payload says, in the form of what was sent; and its status. */
  understand(
    layer: Content['layer'],
    plaintext: Buffer,
    codec: number,
  ): Promise<[status: string, said: string]>
  /** MLS epoch, node epoch, last transition. */
  where(): Promise<[bigint, bigint, number]>
}

/** What is said of a payload by both. */
export const said = (
  layer: Content['layer'],
  content: Pick<Content, 'id' | 'bytes'>,
  sender: number,
): string =>
  layer === 'text'
    ? `${sender} ${content.id} ${content.bytes.toString('hex')}`
    : layer === 'audio'
      ? `${sender} ${content.bytes.length}`
      : `${sender} ${content.id} 100`

const ROLE = 3

export class OurMember implements Member {
  readonly ours = true
  readonly number: number
  #mls: MlsContext
  #node: GroupNode | undefined
  readonly #text = GtpClient.create()
  readonly #audio = GapClient.create()
  readonly #signal = GspClient.create()

  constructor(number: number) {
    this.number = number
    this.#mls = MlsContext.create(`ours ${number}`)
  }

  get #started(): GroupNode {
    if (this.#node === undefined) throw new Error('not started')
    return this.#node
  }

  async keyPackage(): Promise<Buffer> {
    return this.#mls.exportKeyPackage()
  }

  async inviteFirst(keyPackage: Buffer): Promise<Buffer> {
    return this.#mls.invite(keyPackage)
  }

  async invite(keyPackage: Buffer): Promise<{ commit: Buffer; welcome: Buffer }> {
    return this.#mls.inviteFull(keyPackage)
  }

  async remove(leaf: number): Promise<Buffer> {
    return this.#mls.removeMember(leaf)
  }

  async process(commit: Buffer): Promise<string> {
    return this.#mls.processMessage(commit)
  }

  async finalize(): Promise<void> {
    this.#mls.finalizeCommit()
  }

  async clear(): Promise<void> {
    this.#mls.clearPendingCommit()
  }

  async join(welcome: Buffer): Promise<void> {
    this.#mls.acceptWelcome(welcome)
  }

  async start(epoch: bigint, expected: number): Promise<void> {
    this.#node = GroupNode.create(this.number, this.#mls.groupId)
    this.#node.bootstrapAsJoiner(epoch, expected)
    this.#node.drainEvents()
  }

  /** Lives on from an exported state, with a node made anew. */
  restart(): void {
    const { epoch } = this.#started
    this.#mls = MlsContext.restoreState(this.#mls.exportState())
    this.#node = GroupNode.create(this.number, this.#mls.groupId)
    this.#node.bootstrapAsCreator(epoch)
    this.#node.drainEvents()
  }

  async apply(tid: number): Promise<void> {
    this.#started.applyTransition(tid)
    this.#started.drainEvents()
  }

  async control(opcode: number, tid: number, args?: Buffer): Promise<Buffer> {
    return this.#started.sendControl(this.#mls, 0, opcode, tid, 1, args).wire
  }

  async say({ layer, id, codec, bytes }: Content): Promise<Buffer> {
    const [node, mls] = [this.#started, this.#mls]
    if (layer === 'text') return this.#text.send(node, mls, 0, BigInt(id), bytes.toString('hex'), codec).wire
    if (layer === 'audio') return this.#audio.send(node, mls, 0, this.number, BigInt(id), bytes, codec).wire
    return this.#signal.send(node, mls, 0, 100, ROLE, id, codec).wire
  }

  async receive(wire: Buffer): Promise<Heard> {
    const events = this.#started.onWire(this.#mls, wire)
    const of = (kind: string): NodeEvent[] => events.filter((event) => event.kind === kind)
    return {
      kinds: events.map(({ kind }) => kind),
      errors: of('error').map(({ code }) => code ?? 0),
      payloads: of('payload_received').map(({ streamType, codec, plaintext }) => ({
        stream: streamType ?? 0,
        codec: codec ?? 0,
        plaintext: plaintext ?? Buffer.alloc(0),
      })),
      controls: of('control').map(({ opcodeCode, args }) => ({ opcode: opcodeCode ?? 0, args })),
    }
  }

  async understand(
    layer: Content['layer'],
    plaintext: Buffer,
    codec: number,
  ): Promise<[status: string, said: string]> {
    const { epoch } = this.#mls
    if (layer === 'text') {
      const { status, sender, messageId, text } = this.#text.accept(plaintext, epoch, codec)
      return [status, `${sender} ${messageId} ${text}`]
    }
    if (layer === 'audio') {
      const { status, source, bytes } = this.#audio.accept(plaintext, epoch, codec)
      return [status, `${source} ${bytes}`]
    }
    const { status, sender, requestId, signalCode } = this.#signal.accept(plaintext, epoch, codec)
    return [status, `${sender} ${requestId} ${signalCode}`]
  }

  async where(): Promise<[bigint, bigint, number]> {
    return [this.#mls.epoch, this.#started.epoch, this.#started.lastTransitionId]
  }
}

/** A member on the published package. */
export class TheirMember implements Member {
  readonly ours = false
  readonly number: number
  readonly peer: Package
  readonly mls: Value
  readonly clients: { text: Value; audio: Value; signal: Value }
  #node: Value = null

  private constructor(
    number: number,
    peer: Package,
    mls: Value,
    clients: { text: Value; audio: Value; signal: Value },
  ) {
    this.number = number
    this.peer = peer
    this.mls = mls
    this.clients = clients
  }

  static async create(number: number, peer: Package): Promise<TheirMember> {
    const mls = await peer.ask('MlsContext', 'create', `theirs ${number}`)
    const text = await peer.ask('GtpClient', 'create')
    const audio = await peer.ask('GapClient', 'create')
    const signal = await peer.ask('GspClient', 'create')
    return new TheirMember(number, peer, mls, { text, audio, signal })
  }

  async keyPackage(): Promise<Buffer> {
    return bytesOf(await this.peer.ask(this.mls, 'export_key_package'))
  }

  async inviteFirst(keyPackage: Buffer): Promise<Buffer> {
    return bytesOf(await this.peer.ask(this.mls, 'invite', hex(keyPackage)))
  }

  async invite(keyPackage: Buffer): Promise<{ commit: Buffer; welcome: Buffer }> {
    const both = (await this.peer.ask(this.mls, 'invite_full', hex(keyPackage))) as Value[]
    const [commit, welcome] = both.map(bytesOf)
    if (commit === undefined || welcome === undefined) throw new Error('no invitation')
    return { commit, welcome }
  }

  async remove(leaf: number): Promise<Buffer> {
    return bytesOf(await this.peer.ask(this.mls, 'remove_member', leaf))
  }

  async process(commit: Buffer): Promise<string> {
    return (await this.peer.ask(this.mls, 'process_message', hex(commit))) as string
  }

  async finalize(): Promise<void> {
    await this.peer.ask(this.mls, 'finalize_commit')
  }

  async clear(): Promise<void> {
    await this.peer.ask(this.mls, 'clear_pending_commit')
  }

  async join(welcome: Buffer): Promise<void> {
    await this.peer.ask(this.mls, 'accept_welcome', hex(welcome))
  }

  async start(epoch: bigint, expected: number): Promise<void> {
    const group = await this.peer.get(this.mls, 'group_id')
    this.#node = await this.peer.ask('GroupNode', 'create', this.number, group)
    await this.peer.ask(this.#node, 'bootstrap_as_joiner', Number(epoch), expected)
    await this.peer.ask(this.#node, 'drain_events')
  }

  async apply(tid: number): Promise<void> {
    await this.peer.ask(this.#node, 'apply_transition', tid)
    await this.peer.ask(this.#node, 'drain_events')
  }

  async control(opcode: number, tid: number, args: Buffer = Buffer.alloc(0)): Promise<Buffer> {
    return this.#wire(this.peer.ask(this.#node, 'send_control', this.mls, 0, opcode, tid, 1, hex(args)))
  }

  async say({ layer, id, codec, bytes }: Content): Promise<Buffer> {
    const to: Value[] = [this.#node, this.mls, 0]
    const args: Record<Content['layer'], Value[]> = {
      text: [id, bytes.toString('hex'), codec],
      audio: [this.number, id, hex(bytes), codec],
      signal: [100, ROLE, id, hex(Buffer.alloc(0)), codec],
    }
    return this.#wire(this.peer.ask(this.clients[layer], 'send', ...to, ...args[layer]))
  }

  async #wire(frame: Promise<Value>): Promise<Buffer> {
    return bytesOf(((await frame) as { wire: Value }).wire)
  }

  async receive(wire: Buffer): Promise<Heard> {
    const told = await this.peer.ask(this.#node, 'on_wire', this.mls, hex(wire))
    const events = told as { [key: string]: Value; kind: string }[]
    const of = (kind: string) => events.filter((event) => event.kind === kind)
    return {
      kinds: events.map(({ kind }) => kind),
      errors: of('error').map(({ code }) => code as number),
      payloads: of('payload_received').map((event) => ({
        stream: event['stream_type'] as number,
        codec: event['codec'] as number,
        plaintext: bytesOf(event['plaintext'] ?? { hex: '' }),
      })),
      // The package drops the arguments: they come by another way.
      controls: of('control').map((event) => ({ opcode: event['opcode_code'] as number, args: undefined })),
    }
  }

  async understand(
    layer: Content['layer'],
    plaintext: Buffer,
    codec: number,
  ): Promise<[status: string, said: string]> {
    const epoch = await this.peer.get(this.mls, 'epoch')
    const told = await this.peer.ask(this.clients[layer], 'accept', hex(plaintext), epoch, codec)
    const result = told as { [key: string]: Value; status: string }
    const fields: Record<Content['layer'], string[]> = {
      text: ['sender', 'message_id', 'text'],
      audio: ['source', 'bytes_'],
      signal: ['sender', 'request_id', 'signal_code'],
    }
    return [result.status, fields[layer].map((name) => String(result[name])).join(' ')]
  }

  async where(): Promise<[bigint, bigint, number]> {
    const epoch = await this.peer.get(this.mls, 'epoch')
    const node = await this.peer.get(this.#node, 'epoch')
    const last = await this.peer.get(this.#node, 'last_transition_id')
    return [BigInt(epoch as number), BigInt(node as number), last as number]
  }
}
