/**
 * ts-mls with its default provider (WebCrypto), from bytes to bytes as every other peer: states are plain values, so what
 * others do when they merge is the assignment of a new one.
 */
import * as mls from 'ts-mls'

import { crowd, residentOfEach } from './crowd.mjs'
import { ensure, equal, range, report } from './samples.mjs'

const SUITE = 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519'
const suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(SUITE))

/** As many as ours list, so that leaves are of one size; no padding, as everywhere here. */
const capabilities = {
  versions: ['mls10'],
  ciphersuites: Object.keys(mls.ciphersuites).slice(0, 4),
  extensions: [],
  proposals: [],
  credentials: ['basic'],
}
const config = {
  keyRetentionConfig: mls.defaultKeyRetentionConfig,
  lifetimeConfig: mls.defaultLifetimeConfig,
  keyPackageEqualityConfig: mls.defaultKeyPackageEqualityConfig,
  authService: mls.defaultAuthenticationService,
  paddingConfig: { kind: 'alwaysPad', paddingLength: 0 },
}

const encode = (wireformat, rest) => mls.encodeMlsMessage({ version: 'mls10', wireformat, ...rest })
const decode = (bytes) => mls.decodeMlsMessage(bytes, 0)[0]
const wipe = (consumed) => consumed.forEach(mls.zeroOutUint8Array)

/** Key package, private keys and the key package's bytes. */
async function client(name) {
  const credential = { credentialType: 'basic', identity: new TextEncoder().encode(name) }
  const keys = await mls.generateKeyPackage(credential, capabilities, mls.defaultLifetime, [], suite)
  return { ...keys, bytes: encode('mls_key_package', { keyPackage: keys.publicPackage }) }
}

const create = ({ publicPackage, privatePackage }) =>
  mls.createGroup(
    crypto.getRandomValues(new Uint8Array(32)),
    publicPackage,
    privatePackage,
    [],
    suite,
    config,
  )

async function commit(state, keyPackages) {
  const extraProposals = keyPackages.map((bytes) => ({
    proposalType: 'add',
    add: { keyPackage: decode(bytes).keyPackage },
  }))
  const made = await mls.createCommit(
    { state, cipherSuite: suite },
    { extraProposals, ratchetTreeExtension: true },
  )
  wipe(made.consumed)
  return {
    state: made.newState,
    commit: mls.encodeMlsMessage(made.commit),
    welcome: made.welcome && encode('mls_welcome', { welcome: made.welcome }),
  }
}

const join = (welcome, { publicPackage, privatePackage }) =>
  mls.joinGroup(
    decode(welcome).welcome,
    publicPackage,
    privatePackage,
    mls.emptyPskIndex,
    suite,
    undefined,
    undefined,
    config,
  )

async function receive(state, message) {
  const processed = await mls.processPrivateMessage(
    state,
    decode(message).privateMessage,
    mls.emptyPskIndex,
    suite,
  )
  wipe(processed.consumed)
  return processed
}

async function encrypt(state, plaintext) {
  const made = await mls.createApplicationMessage(state, plaintext, suite)
  wipe(made.consumed)
  return {
    state: made.newState,
    bytes: encode('mls_private_message', { privateMessage: made.privateMessage }),
  }
}

await report(async (options, samples) => {
  if (options.memory) return memory(options, samples)
  const kept = []
  if (options.singles > 0) {
    const each = Math.floor(options.singles / 10)
    for (let turn = 0; turn < 10; turn += 1) {
      await samples.time('keyPackage', each, async () => {
        for (let count = 0; count < each; count += 1) await client('founder')
      })
    }
    const founder = await client('founder')
    for (let turn = 0; turn < options.singles; turn += 1)
      kept.push(await samples.time('groupOfOne', 1, () => create(founder)))
  }
  for (const index of range(options.groups)) {
    const founder = await client('founder')
    const members = []
    for (const number of range(options.size - 1, 1)) members.push(await client(`member-${number}`))
    const packages = members.map(({ bytes }) => bytes)
    let group
    let welcome
    if (options.warm) {
      const measured = [...packages.slice(0, options.joins), founder.bytes]
      welcome = crowd({ size: options.size, warm: true, keyPackages: [measured] })[0]
      group = await join(welcome, founder)
    } else {
      const made = await samples.time('create', 1, async () => commit(await create(founder), packages))
      group = made.state
      welcome = made.welcome
    }
    const joined = []
    for (const member of members.slice(0, options.joins)) {
      joined.push(await samples.time('join', 1, () => join(welcome, member)))
    }
    let [reader] = joined
    const updates = []
    for (let turn = 0; turn < options.updates; turn += 1) {
      updates.push(await samples.time('update', 1, () => commit(group, [])))
      group = updates.at(-1).state
    }
    for (const update of updates) {
      reader = (await samples.time('processUpdate', 1, () => receive(reader, update.commit))).newState
    }
    const newcomers = []
    for (const added of range(options.adds)) newcomers.push(await client(`newcomer-${index}-${added}`))
    const adds = []
    for (const newcomer of newcomers) {
      adds.push(await samples.time('add', 1, () => commit(group, [newcomer.bytes])))
      group = adds.at(-1).state
    }
    for (const add of adds) {
      reader = (await samples.time('processAdd', 1, () => receive(reader, add.commit))).newState
    }
    ensure(
      equal(group.keySchedule.epochAuthenticator, reader.keySchedule.epochAuthenticator),
      'members disagree',
    )
    if (index === 0) await exchange(options, samples, group, reader)
    kept.push(group, ...joined)
  }
})

async function exchange({ batches, messages, length }, samples, sender, reader) {
  const plaintext = new Uint8Array(length).fill(7)
  for (let turn = 0; turn < batches; turn += 1) {
    const sealed = await samples.time('encrypt', messages, async () => {
      const all = []
      for (let count = 0; count < messages; count += 1) {
        const { state, bytes } = await encrypt(sender, plaintext)
        sender = state
        all.push(bytes)
      }
      return all
    })
    const opened = await samples.time('decrypt', messages, async () => {
      const all = []
      for (const bytes of sealed) {
        const { newState, message } = await receive(reader, bytes)
        reader = newState
        all.push(message)
      }
      return all
    })
    for (const message of opened) ensure(equal(message, plaintext), 'another plaintext came out')
  }
}

/** What a group's state takes of memory. */
async function memory({ size, groups }, samples) {
  const clients = []
  for (let count = 0; count < groups; count += 1) clients.push(await client('measured'))
  const welcomes = crowd({ size, warm: false, keyPackages: clients.map(({ bytes }) => [bytes]) })
  const each = await residentOfEach(groups, async () => {
    const kept = []
    for (const [index, welcome] of welcomes.entries()) kept.push(await join(welcome, clients[index]))
    return kept
  })
  samples.note('groupMemory', each)
}
