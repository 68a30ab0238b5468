import { randomInt } from 'node:crypto'

import { codec, streamClass, type PayloadCodec, type StreamClass } from '../gbp/codec.js'
import { toNativeIncoming, type IncomingPayload } from '../gbp/incoming.js'
import { toNativeError, type ErrorObject, type ErrorObjectInit } from '../gbp/registry.js'
import { CoterieError, toError, unwrap } from '../errors.js'
import * as check from '../internal/arguments.js'
import { native, type NativeAnswer, type NativeFinished, type NativeSignalClient } from '../native.js'
import { Negotiator } from './capabilities.js'
import { Permissions, Roles } from './roles.js'
import { rawArguments, toNativeSignal, toSignalMessage, type Signal, type SignalMessage } from './signal.js'

const MAX_U32 = 0xffff_ffff

/** The token by which a member says that it answers signals. */
export const ANSWERS_CAPABILITY: string = native.nativeTokens().answers

/**
 * Whose signals count: everybody's (`open`), as in the published stack, or those of members whose role allows them,
 * whatever role they claim. Members without a role may do what `unassigned` says: send, where nothing is said.
 */
export type Authority =
  | 'open'
  | {
      /** What members without a role may do: bits of {@link Permissions}. */
      readonly unassigned?: number
      /** The role that may change codecs without moderating. */
      readonly automaticControl?: number
    }

/** Who a member is, and whose signals count. */
export interface SignalClientOptions {
  /** The number by which the group knows this member. */
  readonly member: number
  /** Whose signals count; roles are enforced where nothing is said. */
  readonly authority?: Authority
  /** The time in milliseconds since 1970; the system's where none is given. */
  readonly clock?: () => number
}

/** How a signal is given. */
export interface Order {
  /** What it says. */
  readonly signal: Signal
  /** The group's epoch. */
  readonly epoch: bigint
  /** Names it among those of this member in the epoch; a random number where none is given. */
  readonly requestId?: number
  /** The role that it is given in. Deployed peers show it. */
  readonly roleClaim?: number
  /** Whose answers are waited for; nobody's, where members do not answer. */
  readonly awaited?: readonly number[]
  /** How long they may take, in milliseconds; ten seconds where nothing is said. */
  readonly timeout?: number
  /** Its arguments in CBOR, where they are to hold more than the signal knows. */
  readonly arguments?: Uint8Array
  /** How it is encoded; in CBOR where nothing is said. */
  readonly codec?: PayloadCodec
}

/** A signal that is ready to be sealed. */
export interface OutgoingSignal {
  /** The signal. */
  readonly message: SignalMessage
  /** Its payload, for a frame of the signal stream. */
  readonly payload: Uint8Array
  /** The payload's codec, for the frame. */
  readonly codec: PayloadCodec
}

/** What may be answered to a signal, by ACK or by NACK where it was refused, in groups whose members answer. */
export interface Answer {
  /** Who gave the signal. */
  readonly to: number
  /** The request that is answered. */
  readonly requestId: number
  /** Why it was refused, if it was. */
  readonly refused: ErrorObject | undefined
}

/** A signal that counts: it is new and took effect, or was seen before in this epoch, the same in all its fields. */
export interface TakenSignal {
  readonly type: 'new' | 'duplicate'
  /** The signal. */
  readonly message: SignalMessage
  /** Whether it changed who is in, muted, publishing or in which role. */
  readonly changed: boolean
  /** What may be answered. */
  readonly answer: Answer
}

/** The sender gave another signal under this request id. That one stays. */
export interface ConflictingSignal {
  readonly type: 'conflicting'
  /** The signal. */
  readonly message: SignalMessage
}

/** Nothing was changed, and the signal's request id is not used up. */
export interface RefusedSignal {
  readonly type: 'refused'
  /**
   * Why: `GSP_WRONG_SENDER`, `GSP_UNAUTHORIZED`, `GSP_PRECONDITION_FAILED`, `GSP_ROLE_UNKNOWN`, `GSP_STATE_CONFLICT`,
   * `GSP_BAD_SCHEMA`, `GSP_UNKNOWN_SIGNAL`, `WIRE_MALFORMED`, `WIRE_TOO_LARGE` or `WIRE_UNSUPPORTED_CODEC`.
   */
  readonly error: CoterieError
  /** What may be answered; nothing where it cannot be said whose signal it was. */
  readonly answer: Answer | undefined
}

/** What came of a payload. */
export type ReceivedSignal = TakenSignal | ConflictingSignal | RefusedSignal

/** How a signal of ours ended. */
export interface Finished {
  /** The signal's request id. */
  readonly requestId: number
  /** The signal. */
  readonly signal: Signal
  /** Who refused it, and why. */
  readonly refused: ReadonlyMap<number, ErrorObject>
  /** Who did not answer in time. */
  readonly silent: readonly number[]
  /** Whether everybody carried it out. */
  readonly carriedOut: boolean
}

/** What signals have made of the group. */
export interface GroupView {
  /** Who announced to have joined. */
  readonly members: readonly number[]
  /** Who is muted. */
  readonly muted: readonly number[]
}

/**
 * The signals of one group, as one member knows it: who may give which, what they made of the group, and who answered.
 *
 * It knows neither keys nor frames: payloads come in opened, with who sent them, and go out to be sealed. Whether a signal
 * counts is decided by who sent it and by {@link SignalClient.roles}.
 *
 * @example
 * ```ts
 * using client = SignalClient.create({ member: 7 })
 * client.roles.define({ id: 1, name: 'host', permissions: Permissions.ALL })
 * client.roles.assign(7, 1)
 * const { payload, codec } = client.give({ signal: { type: 'mute', target: 8 }, epoch: 1n })
 * console.log(client.view().muted)
 * ```
 */
export class SignalClient implements Disposable {
  readonly #native: NativeSignalClient
  readonly #clock: () => number
  /** The number by which the group knows this member. */
  readonly member: number
  /** Who may do what. */
  readonly roles: Roles
  /** What members advertised. */
  readonly capabilities: Negotiator

  private constructor(made: NativeSignalClient, member: number, clock: () => number) {
    this.#native = made
    this.#clock = clock
    this.member = member
    this.roles = new Roles(made.roles())
    this.capabilities = new Negotiator(made.capabilities())
  }

  /**
   * A client that knows nothing yet.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`.
   */
  static create(options: SignalClientOptions): SignalClient {
    const { member, authority, clock } = toNativeOptions(options)
    return new SignalClient(native.NativeSignalClient.create(member, authority), member, clock)
  }

  /**
   * The client that {@link SignalClient.exportState} wrote.
   *
   * @throws {@link CoterieError} `STATE_INVALID`, `INVALID_ARGUMENT`.
   */
  static fromState(state: Uint8Array, options: SignalClientOptions): SignalClient {
    const { member, authority, clock } = toNativeOptions(options)
    const made = native.NativeSignalClient.import(member, authority, check.bytes(state, 'state'))
    return new SignalClient(unwrap(made), member, clock)
  }

  /**
   * Gives a signal: it takes effect here, and its payload is to be sealed.
   *
   * @throws {@link CoterieError} Where the others would refuse it: `GSP_UNAUTHORIZED`, `GSP_PRECONDITION_FAILED`,
   * `GSP_ROLE_UNKNOWN`, `GSP_STATE_CONFLICT`, `GSP_BAD_SCHEMA`; `GSP_DUPLICATE_REQUEST` where the request id waits for
   * answers already, `BUSY` where too many do, `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  give(order: Order): OutgoingSignal {
    const given = check.record(order, 'order')
    const epoch = check.u64(given['epoch'], 'order.epoch')
    const wanted = toNativeOrder(given, () => this.freshRequest())
    const outgoing = unwrap(this.#native.give(wanted, epoch, this.#now()))
    return {
      message: toSignalMessage(outgoing.message),
      payload: outgoing.payload,
      codec: outgoing.codec as PayloadCodec,
    }
  }

  /**
   * Takes a payload in. What is refused is a result, because there is something to answer to it.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  receive(incoming: IncomingPayload): ReceivedSignal {
    const { received, refused, answer } = unwrap(this.#native.receive(toNativeIncoming(incoming)))
    if (refused !== undefined) {
      return { type: 'refused', error: toError(refused), answer: answer && toAnswer(answer) }
    }
    if (received === undefined) throw new CoterieError('INTERNAL', 'a signal is taken or refused')
    const message = toSignalMessage(received.message)
    if (received.verdict === 'conflicting' || answer === undefined) return { type: 'conflicting', message }
    return { type: received.verdict, message, changed: received.changed, answer: toAnswer(answer) }
  }

  /**
   * Takes a member's answer to a signal, from the control plane; how the signal ended, if that was the last answer.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  handleAnswer(
    from: number,
    requestId: number,
    options?: { readonly refused?: ErrorObjectInit },
  ): Finished | undefined {
    const { refused } = check.options(options)
    const error = refused === undefined ? undefined : toNativeError(refused, 'refused')
    const [whose, request] = [check.u32(from, 'from'), check.u32(requestId, 'requestId')]
    const finished = unwrap(this.#native.handleAnswer(whose, request, error))
    return finished === null ? undefined : toFinished(finished)
  }

  /**
   * When to call {@link SignalClient.handleTimeout}, in milliseconds since 1970.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  pollTimeout(): number | undefined {
    return unwrap(this.#native.pollTimeout()) ?? undefined
  }

  /**
   * Ends signals that were not answered in time.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  handleTimeout(): Finished[] {
    return unwrap(this.#native.handleTimeout(this.#now())).map(toFinished)
  }

  /**
   * Takes the group's members as they are now. Whoever left is forgotten and no longer waited for; how signals ended by that.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  setRoster(members: Iterable<number>): Finished[] {
    const list = check.list(check.iterable(members, 'members'), 'members', check.u32)
    return unwrap(this.#native.setRoster(list)).map(toFinished)
  }

  /**
   * Forgets what was received and in which epoch, as `reset` of the published clients does. Who is muted stays muted.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  reset(): void {
    unwrap(this.#native.reset())
  }

  /**
   * A random request id that no signal of this member has in this epoch. Deployed peers tell request ids apart without
   * looking at who sent them, so that small numbers would collide.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  freshRequest(): number {
    return unwrap(this.#native.freshRequest(randomInt(1, MAX_U32)))
  }

  /**
   * Whether a member may send on a class of streams: by its role, where roles are enforced, and unmuted for audio.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  maySend(member: number, name: StreamClass): boolean {
    return unwrap(this.#native.maySend(check.u32(member, 'member'), streamClass(name, 'streamClass')))
  }

  /**
   * What signals have made of the group.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  view(): GroupView {
    return { members: unwrap(this.#native.members()), muted: unwrap(this.#native.muted()) }
  }

  /**
   * Whether a member is muted.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  isMuted(member: number): boolean {
    return unwrap(this.#native.isMuted(check.u32(member, 'member')))
  }

  /**
   * The classes of streams that a member announced to publish on.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  publishing(member: number): StreamClass[] {
    return unwrap(this.#native.publishing(check.u32(member, 'member')))
  }

  /**
   * The codec that a member announced last, by the number that the application gives it.
   *
   * @throws {@link CoterieError} `INVALID_ARGUMENT`, `HANDLE_CLOSED`.
   */
  codecOf(member: number): number | undefined {
    return unwrap(this.#native.codecOf(check.u32(member, 'member'))) ?? undefined
  }

  /**
   * Everything that is known: what was received in this epoch, who is waited for, the view, roles and capabilities.
   *
   * @throws {@link CoterieError} `HANDLE_CLOSED`.
   */
  exportState(): Uint8Array {
    return unwrap(this.#native.export())
  }

  /** Lets go of everything, {@link SignalClient.roles} and {@link SignalClient.capabilities} included. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #now(): number {
    return check.time(this.#clock)
  }
}

/** @internal An order without its epoch; `fresh` names it where the caller does not. */
export function toNativeOrder(given: Readonly<Record<string, unknown>>, fresh: () => number) {
  const { signal, requestId, roleClaim = 0, awaited = [], timeout } = given
  return {
    signal: toNativeSignal(signal, 'order.signal'),
    requestId: requestId === undefined ? fresh() : check.u32(requestId, 'order.requestId'),
    roleClaim: check.u32(roleClaim, 'order.roleClaim'),
    awaited: check.list(awaited, 'order.awaited', check.u32),
    ...(timeout === undefined ? {} : { timeout: check.milliseconds(timeout, 'order.timeout') }),
    ...rawArguments(given['arguments'], 'order.arguments'),
    codec: codec(given['codec']),
  }
}

function toNativeOptions(options: SignalClientOptions) {
  const { member, authority = {}, clock } = check.record(options, 'options')
  return {
    member: check.u32(member, 'member'),
    authority: toNativeAuthority(authority),
    clock: check.clock(clock),
  }
}

/** @internal */
export function toNativeAuthority(value: unknown) {
  if (value === 'open') return { enforced: false, unassigned: 0 }
  const { unassigned = Permissions.SEND, automaticControl } = check.record(value, 'authority')
  return {
    enforced: true,
    unassigned: check.u32(unassigned, 'authority.unassigned'),
    ...(automaticControl === undefined
      ? {}
      : { automaticControl: check.u32(automaticControl, 'authority.automaticControl') }),
  }
}

function toAnswer({ to, requestId, refused }: NativeAnswer): Answer {
  return { to, requestId, refused }
}

/** @internal */
export function toFinished(finished: NativeFinished): Finished {
  const { requestId, signal, silent } = finished
  const refused = new Map(finished.refused.map(({ member, error }) => [member, error]))
  return { requestId, signal, refused, silent, carriedOut: refused.size === 0 && silent.length === 0 }
}
