import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import { Admissions, isGone, networkClosed } from './admissions.js'
import { receiveWhole } from './delivery.js'
import { framesTogether, GroupNode, isIdle } from './node.js'
import { memberNumber, type FrameParcel, type Parcel } from './parcel.js'

interface Connection {
  readonly node: GroupNode
  readonly stop: AbortController
  /** What has come and is not being taken in yet, in its order. */
  waiting: Uint8Array[]
  /** Taking it in. */
  last: Promise<void>
}

/**
 * A network in memory for the nodes of one group, for tests and for programs whose members live in one process: it carries
 * every parcel to whom it is for, in order, and keeps admissions until they are asked for. A frame for somebody who is not
 * connected is lost, as it may be in any network.
 *
 * @example
 * ```ts
 * await using network = new MemoryNetwork()
 * await using node = await GroupNode.create(alice, { member: 1 })
 * network.connect(node)
 * const [number] = await node.invite([await bob.keyPackage()])
 * await using other = await GroupNode.join(bob, await network.admission(number))
 * network.connect(other)
 * await other.text.send('hello')
 * ```
 */
export class MemoryNetwork implements AsyncDisposable {
  readonly #connections = new Map<number, Connection>()
  readonly #admissions = new Admissions()
  #carried = 0
  #underWay = 0
  #failure: { reason: unknown } | undefined
  #closed = false

  /**
   * Carries what a node sends from now on, and brings it what others send. A node of the same number gives way to it.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  connect(...nodes: readonly GroupNode[]): void {
    this.#checkOpen()
    for (const value of nodes) {
      const node = check.instance(value, GroupNode.is, 'GroupNode')
      const connection = { node, stop: new AbortController(), waiting: [], last: Promise.resolve() }
      const frames = framesTogether(node, connection.stop.signal)
      this.#connections.get(node.member)?.stop.abort()
      this.#connections.set(node.member, connection)
      void this.#pump(connection, frames)
    }
  }

  /**
   * Carries nothing more from or to a node.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  disconnect(value: GroupNode): void {
    const { member } = check.instance(value, GroupNode.is, 'GroupNode')
    const connection = this.#connections.get(member)
    if (connection?.node !== value) return
    this.#connections.delete(member)
    connection.stop.abort()
  }

  /**
   * The admission of whoever was invited as this number, once it has come.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  async admission(member: number | undefined, options?: AbortOptions): Promise<Uint8Array> {
    this.#checkOpen()
    return this.#admissions.of(memberNumber(member, 'member'), options)
  }

  /**
   * Resolves when everything that was sent has been taken in, and what came of it as well.
   *
   * @throws {@link CoterieError} Why a node could not take in or give out, where one could not.
   */
  async settled(): Promise<void> {
    let before: number
    do {
      before = this.#carried
      await new Promise(setImmediate)
      if (this.#failure !== undefined) throw this.#failure.reason
    } while (this.#underWay > 0 || before !== this.#carried || !this.#areIdle())
  }

  /** Carries nothing more. The nodes stay open. */
  async close(): Promise<void> {
    this.#closed = true
    const connections = [...this.#connections.values()]
    this.#connections.clear()
    for (const { stop } of connections) stop.abort()
    await Promise.all(connections.map(({ last }) => last))
    this.#admissions.end(networkClosed())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #pump({ node, stop }: Connection, batches: AsyncIterable<Parcel[]>): Promise<void> {
    try {
      for await (const parcels of batches) {
        this.#carried += parcels.length
        for (const parcel of parcels) {
          if (parcel.type === 'frame') this.#carry(node.member, parcel)
          else this.#admissions.put(parcel.to, parcel.bytes)
        }
      }
    } catch (reason) {
      if (!stop.signal.aborted) this.#failure ??= { reason }
    }
  }

  #carry(from: number, { to, bytes }: FrameParcel): void {
    for (const [member, connection] of this.#connections) {
      if (member !== from && (to === 'all' || to === member)) this.#bring(connection, bytes)
    }
  }

  #bring(connection: Connection, bytes: Uint8Array): void {
    if (connection.waiting.push(bytes) > 1) return
    this.#underWay += 1
    connection.last = connection.last
      .then(() => this.#deliver(connection, connection.waiting.splice(0)))
      .catch((reason: unknown) => {
        this.#failure ??= { reason }
      })
      .finally(() => {
        this.#underWay -= 1
      })
  }

  async #deliver({ node, stop: { signal } }: Connection, frames: Uint8Array[]): Promise<void> {
    try {
      await receiveWhole(node, frames, signal)
    } catch (error) {
      if (!signal.aborted && !isGone(error)) throw error
    }
  }

  #areIdle(): boolean {
    return [...this.#connections.values()].every(({ node }) => isIdle(node))
  }

  #checkOpen(): void {
    if (this.#closed) throw networkClosed()
  }
}
