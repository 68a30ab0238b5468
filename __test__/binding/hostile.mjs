/**
 * Calls everything that is exported with everything that is wrong: `node --expose-gc hostile.mjs LAYER MODE SEED CALLS`.
 * MODE is `once`, or `memory`: again and again until memory settles.
 *
 * `raw` calls the native layer itself, where a failure is an object with a code or, for what is not of the declared type,
 * a thrown error. `facade` calls what users import, where every failure must be a CoterieError with a known code.
 * Prints what it saw as JSON. Whoever runs it sees a crash by its exit code, and a promise that never settles by exit
 * code 13.
 */
import { createRequire } from 'node:module'

import { settle } from './memory.mjs'

const require = createRequire(import.meta.url)
const { ERROR_CODES, CoterieError } = require('../../dist/index.js')
const native = require('../../index.js')
const mls = require('../../dist/mls/index.js')
const sframe = require('../../dist/sframe/index.js')
const TOOLKITS = ['gbp', 'gtp', 'gap', 'gsp'].map((name) => require(`../../dist/${name}/index.js`))
const [gbp, gtp, gap, gsp] = TOOLKITS
const compat = require('../../dist/compat/index.js')
const { unpackParcels } = require('../../dist/gbp/packed.js')

const [layer, mode] = process.argv.slice(2)
const [seed, calls] = process.argv.slice(4).map(Number)

/** Calls of one world; then everything is closed and begins anew. */
const WORLD = 250
const DEPTH = 2
const SUITE = 'x25519-aes128gcm-sha256-ed25519'
/** What getters of ours throw, and why signals of ours abort: passed through unchanged, it is nobody's fault but ours. */
const OURS = new Error('thrown by the caller')

const report = {
  calls: 0,
  values: 0,
  failures: {},
  thrown: {},
  violations: [],
  memory: undefined,
}

/** mulberry32: small, and the same everywhere. */
function randomFrom(start) {
  let state = start >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

let random
let world
let depth = 0
const pending = []
const underWay = new Map()

let finished = false
/** What never settled, for whoever sees exit code 13. */
process.on('exit', () => {
  if (!finished) console.error(`never settled: ${[...underWay.values()].join(', ') || 'closing'}`)
})

const one = (list) => list[random(list.length)]

function detached() {
  const array = new Uint8Array(64)
  structuredClone(array.buffer, { transfer: [array.buffer] })
  return array
}

/** Detaches what is being read, and calls something meanwhile. */
function reenter() {
  const { victim } = world
  if (victim.byteLength > 0) structuredClone(victim.buffer, { transfer: [victim.buffer] })
  if (depth < DEPTH) callSomething()
}

function throwing() {
  const object = {}
  for (const name of [
    'add',
    'remove',
    'signal',
    'count',
    'length',
    'suite',
    'welcome',
    'identity',
    'store',
    'psks',
    'extensions',
    'type',
    'groupInfo',
    'passphrase',
    'metadata',
    'lengths',
    'leaf',
    'baseKey',
  ]) {
    Object.defineProperty(object, name, {
      get() {
        throw OURS
      },
    })
  }
  return object
}

function reentrant(value) {
  return new Proxy(value, {
    get(target, name, receiver) {
      if (depth < DEPTH && typeof name === 'string') reenter()
      return Reflect.get(target, name, receiver)
    },
    getPrototypeOf(target) {
      if (depth < DEPTH) reenter()
      return Reflect.getPrototypeOf(target)
    },
  })
}

function trappedList() {
  const list = [world.victim, bytes(), world.victim]
  Object.defineProperty(list, 1, {
    enumerable: true,
    get() {
      reenter()
      return bytes()
    },
  })
  return list
}

function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

function outOfBounds() {
  const buffer = new ArrayBuffer(64, { maxByteLength: 128 })
  const view = new Uint8Array(buffer, 32)
  buffer.resize?.(8)
  return view
}

const bytes = () => new Uint8Array(random(64)).map(() => random(256))
/**
 * napi-rs puts the JSON of a value of the wrong type into its error, which for these would take minutes. Only the raw layer
 * is ever given values of the wrong type.
 */
const unprinted = (value) => Object.assign(value, { toJSON: () => 'huge' })
/** Address space, not memory: nothing may read, let alone copy it. */
const huge = unprinted(new Uint8Array(2 ** 32))
const hugeShared = unprinted(new Uint8Array(new SharedArrayBuffer(2 ** 31)))
const large = unprinted(new Uint8Array(40 * 2 ** 20))

const HOSTILE = [
  () => undefined,
  () => null,
  () => NaN,
  () => -1,
  () => 2 ** 53,
  () => 2n ** 64n,
  () => -(2n ** 70n),
  () => 1.5,
  () => Infinity,
  () => true,
  () => '',
  () => 'text',
  () => '\ud800',
  () => 'x'.repeat(100_000),
  () => Symbol('x'),
  () => detached(),
  () => new Uint8Array(new SharedArrayBuffer(16)),
  () => new Proxy(bytes(), {}),
  () => revoked(bytes()),
  () => revoked([]),
  () => throwing(),
  () => reentrant({ add: [bytes()], remove: [0], update: true, count: 1, signal: undefined }),
  () => reentrant([bytes(), bytes()]),
  () => reentrant(world.cancellation),
  () => trappedList(),
  () => ({ add: trappedList(), remove: [], update: false }),
  () => reentrant({ path: 'x', passphrase: world.victim, key: world.victim, create: false }),
  () => reentrant({ passphrase: world.victim, reencrypt: false }),
  () => reentrant({ groupId: world.victim, epoch: 1n, index: 0, extensions: [] }),
  () =>
    reentrant({
      resync: true,
      ratchetTree: world.victim,
      psks: [reentrant({ type: 'external', id: world.victim })],
    }),
  () => [
    reentrant({ type: 'external-senders', senders: [{ identity: world.victim, signatureKey: bytes() }] }),
  ],
  () => [
    { type: 'required-capabilities', extensions: [2 ** 16], proposals: trappedList(), credentials: [NaN] },
  ],
  () => [{ type: 'resumption', epoch: 2n ** 64n }],
  () => ({ type: 'resumption', epoch: -1n }),
  () => ({ add: [], remove: [], update: false, psks: unprinted(new Array(2 ** 32 - 1)) }),
  () => ({ add: [], remove: Array.from({ length: 200_000 }, () => 0), update: true }),
  () => ({ length: 2 ** 32 - 1 }),
  () => ({ length: -1, 0: bytes() }),
  () => unprinted(new Array(2 ** 32 - 1)),
  () => Array.from({ length: 9 }, () => huge),
  () => huge,
  () => hugeShared,
  () => large,
  () => new Float64Array(4),
  () => new BigUint64Array(4),
  () => new Uint32Array(4).fill(2 ** 32 - 1),
  () => new Int32Array(2),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(8),
  () => outOfBounds(),
  () => Buffer.from('buffer'),
  () => Object.create(Uint8Array.prototype),
  () => Object.create(AbortSignal.prototype),
  () => Object.create(native.NativeGroup.prototype),
  () => Object.create(native.NativeCancellation.prototype),
  () => Object.create(mls.Group.prototype),
  () => Object.create(native.NativeSframeSession.prototype),
  () => Object.create(sframe.SFrameSession.prototype),
  // oxlint-disable-next-line unicorn/no-thenable -- hostile
  () => ({ then: (resolve) => resolve(7) }),
  () => Promise.resolve(7),
  () => new Date(NaN),
  () => new Map(),
  () => () => reenter(),
  () => class Empty extends Uint8Array {},
  () => one(world.things),
  () => one(world.closed),
]

const psk = () =>
  one([
    { type: 'external', id: bytes() },
    { type: 'resumption', epoch: BigInt(random(3)) },
  ])
const extension = () =>
  one([
    { type: 'other', number: 0xf0c0, data: bytes() },
    { type: 'required-capabilities', extensions: [0xf0c0], proposals: [], credentials: [1] },
    { type: 'external-senders', senders: [{ identity: bytes(), signatureKey: bytes() }, ...world.senders] },
  ])

/** What might be right, so that calls get past the first check. */
const PLAUSIBLE = [
  () => bytes(),
  () => world.victim,
  () => one(world.messages),
  () => one(world.messages),
  () => one(world.keyPackages),
  () => random(4),
  () => 1_000 + random(1_000),
  () => Date.UTC(2026, 0, 1),
  () => SUITE,
  () => 'alice',
  () => [],
  () => [one(world.messages), bytes()],
  () => [one(world.keyPackages)],
  () => [random(4)],
  () => ({ add: [one(world.keyPackages)], remove: [], update: true }),
  () => ({ add: [], remove: [random(4)], update: false }),
  () => ({ add: [], remove: [], update: false, psks: [psk()], extensions: [extension()], identity: bytes() }),
  () => ({ add: [], remove: [], update: true, psks: [], treeBeside: true, tree: 'beside' }),
  () => psk(),
  () => [extension(), extension()],
  () => world.groupInfo,
  () => world.groupInfo,
  () => ({ groupInfo: world.groupInfo, position: 0n }),
  () => ({ resync: random(2) === 0, psks: [] }),
  () => ({ publicHandshake: true, handshake: 'public', padding: random(300) }),
  () => ({ groupId: bytes(), epoch: 1n, index: 0, suite: SUITE, extensions: [extension()] }),
  () => world.signerBytes,
  () => ({ count: random(3) }),
  () => ({ identity: 'bob', suite: SUITE }),
  () => ({ welcome: one(world.messages), position: 0n }),
  () => ({ signal: new AbortController().signal }),
  () => ({ signal: AbortSignal.abort(OURS) }),
  () => ({ position: 0n, keep: 2 }),
  () => ({ associatedData: bytes() }),
  () => ({ metadata: bytes() }),
  () => one(world.frames),
  () => one(world.frames),
  () => world.group,
  () => 7n,
  () => ({ baseKey: new Uint8Array(16), epoch: 1n }),
  () => ({ leaf: 0, firstCounter: 0n }),
  () => ({ suite: 4, isRfc9605: false, shortTags: false, grace: 1, follows: true }),
  () => ({ dialect: 'rfc9605', grace: 10 }),
  () => batchOf(one(world.frames)),
  () => Uint32Array.of(world.frames[0].length),
  () => new Uint32Array(2),
  () => 0n,
  () => 7,
  () => ({ member: 7, resync: true, clock: () => Date.UTC(2026, 0, 1) }),
  () => ({ enforced: random(2) === 0, unassigned: 7 }),
  () => ({ byEpoch: false, resync: true, member: 7, history: { messages: 9, bytes: 9_999, inMemory: true } }),
  () => ({ text: 'said', codec: 'protobuf' }),
  () => ({ sentAt: 0n, requestId: 1, flags: 0, contentType: 0, content: bytes(), codec: 'cbor' }),
  () => ({ payload: one(world.payloads), codec: one(['cbor', 'protobuf', 1]), sender: 7, epoch: 1n }),
  () => ({ payload: one(world.payloads), member: 7 }),
  () => ({ id: 1n, sender: 7, text: 'said', contentType: 'plain' }),
  () => ({ id: 1n, sender: 7, sentAt: 0n, requestId: 0, flags: 0, contentType: 0, content: bytes() }),
  () => ({
    id: 7n,
    filename: 'f',
    mimeType: 'm',
    length: 64,
    size: 64n,
    chunks: 1,
    digest: new Uint8Array(32),
  }),
  () => ({ id: 7n, index: 0, chunks: 1, data: bytes() }),
  () => ({ sender: 7, attachment: 7n, takenOut: [] }),
  () => ({ from: 7, requestId: 1, seen: random(2) === 0 ? new Map([[7, 1n]]) : [{ sender: 7, id: 1n }] }),
  () => ({ source: 700, sequence: random(9), timestamp: 960n, keyPhase: 1, frame: bytes(), last: 9 }),
  () => ({ member: 7, source: 700, epoch: 1n, capacity: 4 }),
  () => ({ signal: { type: 'mute', target: 8 }, epoch: 1n, requestId: random(9), sender: 7, roleClaim: 0 }),
  () => ({ signal: { type: 'join' }, requestId: 5, roleClaim: 0, awaited: [8], codec: 'cbor', epoch: 1n }),
  () => ({ id: random(9), name: 'role', permissions: 255 }),
  () => ({ number: 0x3002, class: 'policy', retryable: false, fatal: false, reason: '', details: bytes() }),
  () => ({ groupId: new Uint8Array(16), epoch: 1n, streamClass: 'text', streamId: 1, payload: bytes() }),
  () => ({ member: 1 + random(3), profile: one(['sealed', 'interop']), id: randomId(), groupId: randomId() }),
  () => ({ history: one([false, true, { messages: 9, bytes: 9_999, inMemory: true }]), attachments: false }),
  () => ({ target: random(3), source: 700, timestamp: 960n, frame: bytes(), codec: 'cbor' }),
  () => ({ filename: 'f', mimeType: 'm', data: bytes(), to: random(3), onProgress: () => reenter() }),
  () => ({ pattern: one(['direct', 'armed']), to: 'all', awaited: [2], after: 0n, limit: 3, reason: 1n }),
  () => ({ type: one(['mute', 'unmute', 'role-change', 'join']), target: 2, role: 1, streamClass: 'audio' }),
  () => one(world.parcels),
  () => one(world.parcels),
  () => one(['cbor', 'protobuf', 'flatbuffers', 'text', 'A']),
  () => ({ kind: 'tcp', address: world.links.address, name: 'localhost' }),
  () => ({
    kind: one(['quic', 'published']),
    address: ANYWHERE,
    name: 'localhost',
    identity: world.links.identity,
  }),
  () => ({ grace: random(9), member: 1 + random(3), forward: true, patience: 50 }),
  () => one(world.payloads),
  () => one(world.payloads),
  () => () => {},
  () => world.cancellation,
  () => undefined,
]

const randomId = () => new Uint8Array(16).map(() => random(256))

/** Arguments of both kinds of batches, which may overlap. */
function batchOf(frame) {
  const lengths = Uint32Array.of(frame.length)
  const memory = new Uint8Array(new ArrayBuffer(256))
  memory.set(frame)
  return {
    plaintexts: frame,
    payloads: memory.subarray(0, frame.length),
    lengths,
    out: random(2) ? memory : new Uint8Array(256),
    outLengths: random(2) ? lengths : new Uint32Array(memory.buffer, 0, 2),
    leaves: new Int32Array(memory.buffer, 4, 1),
  }
}

/** Everything that is exported and can be called, by name, so that nothing added later is left out. */
function targetsOf(module, classes, made = /^(Memory|Watermark|Playout|Roles|Negotiator)/) {
  const targets = []
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== 'function') continue
    if (classes !== undefined && !classes.includes(name)) continue
    const statics = Object.getOwnPropertyNames(value).filter(
      (key) => !['prototype', 'length', 'name', 'is', 'nativeOf'].includes(key),
    )
    const isClass = Object.getOwnPropertyNames(value.prototype ?? {}).length > 1 || statics.length > 0
    if (!isClass) targets.push({ name, call: (_self, args) => value(...args) })
    if (isClass && (layer === 'raw' || made.test(name))) {
      targets.push({ name: `new ${name}`, call: (_self, args) => new value(...args) })
    }
    for (const key of statics) {
      if (typeof value[key] === 'function')
        targets.push({ name: `${name}.${key}`, call: (_self, args) => value[key](...args) })
    }
    for (const key of Reflect.ownKeys(value.prototype ?? {})) {
      if (key === 'constructor' || key === Symbol.toStringTag) continue
      const { get, value: method } = Object.getOwnPropertyDescriptor(value.prototype, key)
      const call = get ? (self) => get.call(self) : (self, args) => method.apply(self, args)
      // A closed world says little: closing is asked for now and then.
      const rare = /close|dispose/i.test(String(key))
      targets.push({ name: `${name}.${String(key)}`, of: name, call, rare })
    }
  }
  return targets
}

const FACADE = [
  'Device',
  'ExternalSigner',
  'Group',
  'GroupSession',
  'MemoryChannel',
  'MemoryDirectory',
  'readGroupInfo',
  'readMessageHead',
]
const MEDIA = ['SFrameEncryptor', 'SFrameSession', 'refusalOf']
/** Functions that carry what they work on, by where they come from. */
const CARRIED = {
  NativeSframeSession: ['opener', 'batchOpener'],
  NativeSframeEncryptor: ['sealer', 'batchSealer'],
  NativeCompatNode: ['textSealer', 'opener'],
  NativeCompatText: ['accepter'],
}

/** More arguments than others have. */
const MOST_CARRIED = 9

function carried() {
  return Object.entries(CARRIED).flatMap(([of, makers]) =>
    makers.map((maker) => ({
      name: `${of}.${maker}()`,
      of,
      most: MOST_CARRIED,
      call: (self, args) => callCarried(self, maker, args),
    })),
  )
}

function callCarried(self, maker, args) {
  const [context] = world.of.NativeCompatMls
  const call = native[self?.constructor?.name]?.prototype[maker] ? self[maker](context) : undefined
  return typeof call === 'function' ? call(...args) : undefined
}

const named = (module) => Object.keys(module).filter((name) => !['CoterieError', 'RoleError'].includes(name))
/** Of the published package's names, some of which are those of other modules. */
const COMPAT = (name) => `compat ${name}`
const MADE = /^(MessageHistory|Watermark|JitterBuffer|RoleRegistry|CapabilitiesNegotiator)$/

function compatTargets() {
  const ofCompat = ({ name, of, ...rest }) => ({
    ...rest,
    name: COMPAT(name),
    ...(of === undefined ? {} : { of: COMPAT(of) }),
  })
  return targetsOf(compat, named(compat), MADE).map(ofCompat)
}
const TARGETS =
  layer === 'raw'
    ? [...targetsOf(native), ...carried()]
    : [
        ...[mls, ...TOOLKITS].flatMap((module) => targetsOf(module, module === mls ? FACADE : named(module))),
        ...targetsOf(sframe, MEDIA),
        ...compatTargets(),
      ]
const called = Object.fromEntries(TARGETS.map(({ name }) => [name, 0]))

function callSomething() {
  let target = one(TARGETS)
  if (target.rare && random(32) > 0) target = one(TARGETS)
  const args = Array.from({ length: random(target.most ?? 5) }, () =>
    random(5) < 2 ? one(PLAUSIBLE)() : one(HOSTILE)(),
  )
  const self = selfFor(target)
  called[target.name] += 1
  report.calls += 1
  depth += 1
  try {
    judge(target.name, target.call(self, args))
  } catch (error) {
    judgeThrown(target.name, error)
  } finally {
    depth -= 1
  }
}

/** Mostly an object of the class. On the facade always: a wrong `this` is JavaScript's own TypeError everywhere. */
function selfFor({ of }) {
  if (of === undefined) return undefined
  if (layer === 'raw' && random(6) === 0) return one(HOSTILE)()
  const closed = random(6) === 0
  return one(closed ? world.closedOf[of] : world.of[of])
}

function judge(name, answer) {
  if (typeof answer?.then === 'function') {
    underWay.set(answer, name)
    pending.push(
      answer.then(
        (value) => {
          underWay.delete(answer)
          judge(name, value)
        },
        (error) => {
          underWay.delete(answer)
          if (layer === 'raw') violation(name, 'rejected', error)
          else judgeThrown(name, error)
        },
      ),
    )
    return
  }
  if (answer?.failed === true) {
    const { code, message, retryable } = answer
    if (!(code in ERROR_CODES) || typeof message !== 'string' || typeof retryable !== 'boolean') {
      violation(name, 'is not a failure', answer)
    }
    report.failures[code] = (report.failures[code] ?? 0) + 1
    return
  }
  report.values += 1
  if (answer === null || typeof answer !== 'object') return
  if (typeof answer.next === 'function' && typeof answer.return === 'function') {
    judge(`${name}()`, answer.next())
    judge(`${name}()`, answer.return())
  } else if (typeof answer.close === 'function') world.opened.push(answer)
}

function judgeThrown(name, error) {
  if (error === OURS) {
    report.thrown.ours = (report.thrown.ours ?? 0) + 1
    return
  }
  // The published package's own class of errors has no codes.
  if (error instanceof compat.RoleError) return
  const right = layer === 'raw' ? error instanceof Error : CoterieError.is(error) && error.code in ERROR_CODES
  if (!right) return violation(name, 'threw', error)
  const key = layer === 'raw' ? (error.code ?? error.name) : error.code
  report.thrown[key] = (report.thrown[key] ?? 0) + 1
  if (error.code === 'INTERNAL' || /panic/.test(error.message)) violation(name, 'is a defect', error)
}

function violation(name, what, error) {
  const seen = report.violations.some((text) => text.startsWith(`${name} ${what}:`))
  if (!seen) report.violations.push(`${name} ${what}: ${error?.stack ?? String(error)}`)
}

/** One of each class of the toolkits, and one that was closed. */
function toolkitsOf(make) {
  const [open, closed] = [make(), make()]
  for (const thing of Object.values(closed)) thing.close?.()
  const lists = (things) => Object.fromEntries(Object.entries(things).map(([name, thing]) => [name, [thing]]))
  return { of: lists(open), closedOf: lists(closed), things: Object.values(open) }
}

function rawToolkits() {
  return toolkitsOf(() => {
    const client = native.NativeSignalClient.create(7, { enforced: false, unassigned: 0 })
    const cut = { id: 7n, filename: 'f', mimeType: 'm', length: 64 }
    return {
      NativeTextClient: native.NativeTextClient.create({
        member: 7,
        byEpoch: false,
        resync: true,
        history: { messages: 9, bytes: 9_999, inMemory: false },
        attachments: 999n,
      }),
      NativeHistory: native.NativeHistory.create({ messages: 9, bytes: 9_999, inMemory: true }),
      NativeWatermark: new native.NativeWatermark(),
      NativeCut: native.NativeCut.create(cut, 64n, new Uint8Array(32)),
      NativeOutbound: native.NativeOutbound.create(1n),
      NativeInbound: native.NativeInbound.create(1n),
      NativePlayout: new native.NativePlayout(),
      NativeJitterBuffer: native.NativeJitterBuffer.create(4),
      NativeSignalClient: client,
      NativeRoles: client.roles(),
      NativeNegotiator: new native.NativeNegotiator(),
    }
  })
}

/** The published package's objects. Closing is the facade's business there. */
function rawCompat() {
  const context = native.NativeCompatMls.create('alice', Date.now())
  const node = native.NativeCompatNode.create(1, new Uint8Array(16))
  node.start(0n, 0, Date.now())
  const media = native.NativeCompatMediaSession.create(context, 'label', 0)
  return {
    NativeCompatMls: [context],
    NativeCompatNode: [node],
    NativeCompatText: [native.NativeCompatText.create()],
    NativeCompatSignal: [native.NativeCompatSignal.create()],
    NativeCompatAudio: [native.NativeCompatAudio.create()],
    NativeCompatMediaSession: [media],
    NativeCompatMediaEncryptor: [media.encryptor(context, 0)],
  }
}

function facadeToolkits() {
  return toolkitsOf(() => {
    const client = gsp.SignalClient.create({ member: 7, authority: 'open' })
    const playout = new gap.Playout()
    return {
      TextClient: gtp.TextClient.create({ member: 7, resync: true, attachments: 999n }),
      History: gtp.History.create({ messages: 9 }),
      Watermark: new gtp.Watermark(),
      Cut: gtp.Cut.create({ id: 7n, filename: 'f', size: 64n, digest: new Uint8Array(32) }),
      Outbound: gap.Outbound.create({ epoch: 1n }),
      Inbound: gap.Inbound.create({ epoch: 1n, playout }),
      Playout: playout,
      JitterBuffer: gap.JitterBuffer.create({ capacity: 4 }),
      SignalClient: client,
      Roles: client.roles,
      Negotiator: new gsp.Negotiator(),
    }
  })
}

/** A group of the published package's names, by the names that its targets have here. */
function facadeCompat() {
  const { of, closedOf, things } = toolkitsOf(() => {
    const [alice, bob] = ['alice', 'bob'].map((name) => compat.MlsContext.create(name))
    bob.acceptWelcome(alice.invite(bob.exportKeyPackage()))
    const node = compat.GroupNode.create(1, alice.groupId)
    node.bootstrapAsCreator(1n)
    const session = compat.SFrameSession.create(alice)
    return {
      MlsContext: alice,
      GroupNode: node,
      GtpClient: compat.GtpClient.create(),
      GapClient: compat.GapClient.create(),
      GspClient: compat.GspClient.create(),
      SFrameSession: session,
      SFrameEncryptor: session.createEncryptor(alice, 0),
      MessageHistory: new compat.MessageHistory(9),
      Watermark: new compat.Watermark(),
      JitterBuffer: new compat.JitterBuffer(4),
      RoleRegistry: new compat.RoleRegistry(),
      CapabilitiesNegotiator: new compat.CapabilitiesNegotiator(),
    }
  })
  const renamed = (lists) =>
    Object.fromEntries(Object.entries(lists).map(([name, list]) => [COMPAT(name), list]))
  return { of: renamed(of), closedOf: renamed(closedOf), things }
}

/** What toolkits take in. */
const payloads = () => [
  gtp.encodeText({ id: BigInt(random(9)), sender: 7, text: 'said' }),
  gtp.encodeText({ id: BigInt(random(9)), sender: 7, text: 'said' }, 'protobuf'),
  gap.encodeAudio({ source: 700, sequence: random(9), timestamp: 960n, keyPhase: 1, frame: bytes() }),
  gsp.encodeSignal({ signal: { type: 'mute', target: 8 }, requestId: random(9), sender: 7 }),
  bytes(),
]

/** A group of two, one that was closed, and what they have to say. */
async function rawNodes(alice, bob, now) {
  const options = { profile: 'interop', member: 1, id: randomId() }
  const create = () => native.NativeGroupNode.create(alice, { ...options, id: randomId() }, {}, now)
  const [node, closed] = [await create(), await create()]
  await node.invite(bob.keyPackages({ count: 1 }, now), false, now)
  const invited = unpackParcels(await node.takeParcels(9))
  const admission = invited.find(({ type }) => type === 'admission').bytes
  const other = await native.NativeGroupNode.join(bob, admission, 'interop', {}, now)
  await node.sendText(
    0,
    { sentAt: 0n, requestId: 0, flags: 0, contentType: 0, content: bytes(), codec: 'cbor' },
    now,
  )
  const said = unpackParcels(await node.takeParcels(9))
  await closed.close()
  return { open: [node, other], closed, parcels: [...invited, ...said].map((parcel) => parcel.bytes) }
}

async function facadeNodes(alice, bob) {
  const create = () => gbp.GroupNode.create(alice, { member: 1 })
  const [network, closedNetwork] = [new gbp.MemoryNetwork(), new gbp.MemoryNetwork()]
  const [node, closed] = [await create(), await create()]
  const [number] = await node.invite([await bob.keyPackage()])
  await node.text.send('said')
  const parcels = []
  for await (const parcel of node.frames()) if (parcels.push(parcel) === 3) break
  const admission = parcels.find(({ to }) => to === number).bytes
  const other = await gbp.GroupNode.join(bob, admission)
  network.connect(other)
  await closed.close()
  await closedNetwork.close()
  const parts = (nodes) => ({
    GroupNode: nodes,
    GroupText: nodes.map(({ text }) => text),
    GroupAudio: nodes.map(({ audio }) => audio),
    GroupSignals: nodes.map(({ signals }) => signals),
    GroupRoles: nodes.map(({ roles }) => roles),
  })
  return {
    of: { ...parts([node, other]), MemoryNetwork: [network] },
    closedOf: { ...parts([closed]), MemoryNetwork: [closedNetwork] },
    parcels: parcels.map((parcel) => parcel.bytes),
  }
}

const ANYWHERE = '127.0.0.1:0'

/** A listener, a link with both its ends, and those of them that were closed. */
async function rawLinks() {
  const wanted = { kind: 'tcp', address: ANYWHERE, name: 'localhost' }
  const [listener, closedListener] = [
    await native.NativeListener.listen(wanted),
    await native.NativeListener.listen(wanted),
  ]
  const connect = () => native.NativeLink.connect({ ...wanted, address: listener.address })
  const [near, far, closed] = [await connect(), await listener.accept(), await connect()]
  await closed.close(0)
  await closedListener.close()
  return {
    open: { NativeLink: [near, far], NativeListener: [listener] },
    closed: { NativeLink: [closed], NativeListener: [closedListener] },
    address: listener.address,
    identity: native.nativeGenerateLinkIdentity('localhost'),
  }
}

async function facadeLinks(node) {
  const wanted = { kind: 'tcp', address: ANYWHERE }
  const [listener, closedListener] = [await gbp.Link.listen(wanted), await gbp.Link.listen(wanted)]
  const connect = () => gbp.Link.connect({ kind: 'tcp', address: listener.address })
  const links = listener.links()
  const [near, { value: far }, closed] = [await connect(), await links.next(), await connect()]
  const [network, closedNetwork] = [1, 2].map(() => gbp.LinkNetwork.of(node, { patience: 50 }))
  await closed.close({ grace: 0 })
  await closedListener.close()
  await closedNetwork.close()
  return {
    open: { Link: [near, far], LinkListener: [listener], LinkNetwork: [network] },
    closed: { Link: [closed], LinkListener: [closedListener], LinkNetwork: [closedNetwork] },
    address: listener.address,
    identity: gbp.generateLinkIdentity(),
  }
}

async function rawWorld() {
  const create = (name) =>
    native.NativeDevice.create({ identity: new TextEncoder().encode(name), suite: SUITE }, Date.now())
  const now = Date.now()
  const [alice, bob] = [create('alice'), create('bob')]
  const group = alice.createGroup(undefined, undefined, now)
  const closedGroup = alice.createGroup(undefined, undefined, now)
  const keyPackages = bob.keyPackages({ count: 2 }, now)
  const { commit, welcome } = await group.commit([keyPackages[0]], true, undefined, now)
  await group.mergePending()
  const joined = await bob.join(welcome, undefined, now)
  const messages = [
    commit,
    welcome,
    await group.encrypt(new Uint8Array(8), new Uint8Array()),
    await joined.proposeUpdate(),
  ]
  closedGroup.close()
  const feed = group.subscribe(() => {})
  const closedFeed = group.subscribe(() => {})
  closedFeed.close()
  const cancellation = new native.NativeCancellation()
  const signer = native.NativeExternalSigner.create(new TextEncoder().encode('admin'), SUITE)
  const agreed = { suite: 4, isRfc9605: false, shortTags: false, grace: 1_000, follows: true }
  const [session, closedSession] = [await group.sframeSession(agreed), await joined.sframeSession(agreed)]
  const [encryptor, closedEncryptor] = [await session.encryptor(0, 0), await closedSession.encryptor(1, 0)]
  const frames = [new Uint8Array(40), new Uint8Array(40)]
  for (const frame of frames) encryptor.sealer()(new Uint8Array(8), frame)
  closedSession.close()
  const toolkits = rawToolkits()
  const published = rawCompat()
  const nodes = await rawNodes(alice, bob, now)
  const links = await rawLinks()
  return {
    links,
    group,
    frames,
    payloads: payloads(),
    parcels: nodes.parcels,
    groupInfo: await group.groupInfo(false),
    signerBytes: signer.export(),
    senders: [{ identity: signer.identity, signatureKey: signer.signatureKey }],
    of: {
      NativeExternalSigner: [signer],
      NativeSframeSession: [session],
      NativeSframeEncryptor: [encryptor],
      NativeDevice: [alice, bob],
      NativeGroup: [group, joined],
      NativeGroupNode: nodes.open,
      NativeFeed: [feed],
      NativeCancellation: [cancellation],
      ...toolkits.of,
      ...published,
      ...links.open,
    },
    closedOf: {
      NativeExternalSigner: [signer],
      NativeSframeSession: [closedSession],
      NativeSframeEncryptor: [closedEncryptor],
      NativeDevice: [alice],
      NativeGroup: [closedGroup],
      NativeGroupNode: [nodes.closed],
      NativeFeed: [closedFeed],
      NativeCancellation: [cancellation],
      ...toolkits.closedOf,
      ...published,
      ...links.closed,
    },
    things: [
      alice,
      bob,
      group,
      joined,
      feed,
      cancellation,
      signer,
      session,
      encryptor,
      ...nodes.open,
      ...toolkits.things,
      ...Object.values({ ...published, ...links.open }).flat(),
    ],
    closed: [closedGroup, closedFeed, closedSession, closedEncryptor],
    messages,
    keyPackages,
    cancellation,
  }
}

async function facadeWorld() {
  const [alice, bob, gone] = await Promise.all(
    ['alice', 'bob', 'gone'].map((identity) => mls.Device.create({ identity })),
  )
  const channel = new mls.MemoryChannel()
  const directory = new mls.MemoryDirectory()
  const keyPackages = await bob.keyPackages(2)
  const session = await mls.GroupSession.connect(await alice.createGroup(), channel)
  const invitation = await session.add([keyPackages[0]])
  const joined = await mls.GroupSession.join(bob, invitation, channel)
  const group = await alice.createGroup()
  const closedGroup = await alice.createGroup()
  const closedSession = await mls.GroupSession.connect(await alice.createGroup(), channel)
  await closedSession.close()
  closedGroup.close()
  const closedChannel = new mls.MemoryChannel()
  closedChannel.close()
  const messages = [
    invitation.welcome,
    await group.encrypt('x'),
    (await group.commit({ update: true })).commit,
  ]
  await group.mergePending()
  await gone.close()
  const signer = await mls.ExternalSigner.create({ identity: 'admin' })
  const closedSigner = mls.ExternalSigner.fromBytes(signer.toBytes())
  closedSigner.close()
  const [media, closedMedia] = [
    await sframe.SFrameSession.open(group),
    await sframe.SFrameSession.open(group),
  ]
  const [encryptor, closedEncryptor] = [await media.encryptor(), await closedMedia.encryptor()]
  closedMedia.close()
  const toolkits = facadeToolkits()
  const nodes = await facadeNodes(alice, bob)
  const links = await facadeLinks(nodes.of.GroupNode[0])
  const published = facadeCompat()
  return {
    links,
    group,
    frames: encryptor.encryptAll([new Uint8Array(8), new Uint8Array(9)]),
    payloads: payloads(),
    parcels: nodes.parcels,
    groupInfo: await group.groupInfo(),
    signerBytes: signer.toBytes(),
    senders: [signer.sender],
    of: {
      ExternalSigner: [signer],
      SFrameSession: [media],
      SFrameEncryptor: [encryptor],
      Device: [alice, bob],
      Group: [group],
      GroupSession: [session, joined],
      MemoryChannel: [channel],
      MemoryDirectory: [directory],
      ...nodes.of,
      ...toolkits.of,
      ...links.open,
      ...published.of,
    },
    closedOf: {
      ExternalSigner: [closedSigner],
      SFrameSession: [closedMedia],
      SFrameEncryptor: [closedEncryptor],
      Device: [gone],
      Group: [closedGroup],
      GroupSession: [closedSession],
      MemoryChannel: [closedChannel],
      MemoryDirectory: [directory],
      ...nodes.closedOf,
      ...toolkits.closedOf,
      ...links.closed,
      ...published.closedOf,
    },
    things: [alice, bob, channel, directory, session, joined, group, signer, media, encryptor].concat(
      toolkits.things,
      published.things,
      Object.values({ ...nodes.of, ...links.open }).flat(),
    ),
    closed: [closedGroup, closedSession, closedChannel, closedSigner, gone, closedMedia, closedEncryptor],
    messages,
    keyPackages,
    cancellation: new native.NativeCancellation(),
  }
}

/** A link's other end may be closed after it. */
function closing(thing) {
  if (thing instanceof native.NativeLink) return thing.close(0)
  if (thing instanceof gbp.Link) return thing.close({ grace: 0 })
  return thing.close?.()
}

/** Closes whatever is there, waits for everything under way, and forgets it. */
async function end() {
  for (const thing of [...Object.values(world.of).flat(), ...world.opened]) {
    try {
      await closing(thing)
    } catch (error) {
      if (!CoterieError.is(error)) violation('close', 'threw', error)
    }
  }
  while (pending.length > 0) await Promise.all(pending.splice(0))
  world = undefined
}

async function pass(count) {
  for (let done = 0; done < count; done += WORLD) {
    world = {
      ...(await (layer === 'raw' ? rawWorld() : facadeWorld())),
      victim: new Uint8Array(1 << 16),
      opened: [],
    }
    for (let call = 0; call < Math.min(WORLD, count - done); call += 1) {
      callSomething()
      if (world.victim.byteLength === 0) world.victim = new Uint8Array(1 << 16)
      if (random(8) === 0) await undefined
      if (random(64) === 0) await new Promise(setImmediate)
    }
    await end()
  }
}

const again = async () => {
  random = randomFrom(seed)
  await pass(calls)
}

if (mode === 'memory') report.memory = await settle(again, { warmUp: 3, window: 3, limit: 2 ** 19 })
else await again()

finished = true
const never = Object.keys(called).filter((name) => called[name] === 0)
console.log(JSON.stringify({ ...report, targets: TARGETS.length, never }))
