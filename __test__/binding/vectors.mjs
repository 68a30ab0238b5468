/**
 * Follows published groups through the facade: `node vectors.mjs FILE…` with an addon that takes private keys. Each file is
 * in the passive-client format: join, compare; then for each epoch take what came, refuse what must be refused, compare.
 * Prints for each file how many cases passed and what became of the others.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const native = require('../../index.js')
const { Device } = require('../../dist/mls/index.js')

const SUITES = {
  1: 'x25519-aes128gcm-sha256-ed25519',
  2: 'p256-aes128gcm-sha256-p256',
  3: 'x25519-chacha20poly1305-sha256-ed25519',
}
/** Some sources give Ed25519 keys in PKCS #8 (RFC 8410), where the seed comes last. */
const PKCS8_ED25519 = '302e020100300506032b657004220420'

const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (array) => Buffer.from(array).toString('hex')
const unprefixed = (key) => (key.startsWith(PKCS8_ED25519) ? key.slice(PKCS8_ED25519.length) : key)

/** What the facade keeps to itself: the native device behind the one made last. */
let inside
const { NativeDevice } = native
native.NativeDevice = { create: (...words) => (inside = NativeDevice.create(...words)) }

class Differs extends Error {
  name = 'Differs'
}

function same(what, got, expected) {
  if (got !== expected) throw new Differs(`${what}: got ${got}, expected ${expected}`)
}

async function deviceOf(entry) {
  const device = await Device.create({ identity: 'passive', suite: SUITES[entry.cipher_suite] })
  for (const { psk_id, psk } of entry.external_psks ?? []) await device.storePsk(bytes(psk_id), bytes(psk))
  const failure = inside.importKeyPackage(bytes(entry.key_package), {
    init: bytes(entry.init_priv),
    encryption: bytes(entry.encryption_priv),
    signature: bytes(unprefixed(entry.signature_priv)),
  })
  if (failure?.failed) throw Object.assign(new Error(failure.message), { code: failure.code })
  return device
}

async function compare(group, expected) {
  if (expected !== undefined && group.isMember) {
    same('epoch authenticator', hex(await group.epochAuthenticator()), expected)
  }
}

async function stateOf(group) {
  const waiting = (await group.pendingProposals()).length
  return `${group.epoch} ${hex(await group.epochAuthenticator())} ${waiting}`
}

async function refuse(group, messages = []) {
  for (const refused of messages) {
    const before = await stateOf(group)
    const received = await group.receive(bytes(refused.message ?? refused)).catch(() => undefined)
    same(`what must be refused (${refused.why})`, received?.type, undefined)
    same('the group after a refusal', await stateOf(group), before)
  }
}

async function follow(group, epoch) {
  for (const { message, plaintext, authenticated_data } of epoch.application ?? []) {
    const received = await group.receive(bytes(message))
    same('type', received.type, 'message')
    same('plaintext', hex(received.plaintext), plaintext)
    same(
      'authenticated data',
      hex(received.associatedData),
      authenticated_data ?? hex(received.associatedData),
    )
  }
  // The README gives one of them where there is no more.
  for (const { label, context, length, secret } of [epoch.exporter ?? []].flat()) {
    same('secret', hex(await group.exportSecret(label, bytes(context), length)), secret)
  }
  await refuse(group, epoch.refuse)
  for (const proposal of epoch.proposals ?? []) {
    same('type', (await group.receive(bytes(proposal))).type, 'proposal')
  }
  await refuse(group, epoch.refuse)
  if (epoch.commit !== undefined) same('type', (await group.receive(bytes(epoch.commit))).type, 'commit')
  await compare(group, epoch.epoch_authenticator)
  await refuse(group, epoch.refuse_after)
}

async function run(entry) {
  const device = await deviceOf(entry)
  const ratchetTree = entry.ratchet_tree ? bytes(entry.ratchet_tree) : undefined
  const group = await device.join(bytes(entry.welcome), { ratchetTree })
  await compare(group, entry.initial_epoch_authenticator)
  for (const epoch of entry.epochs ?? []) await follow(group, epoch)
  group.close()
  await device.close()
}

const report = {}
for (const file of process.argv.slice(2)) {
  const cases = JSON.parse(readFileSync(file, 'utf8'))
  const failed = {}
  for (const entry of cases) {
    try {
      await run(entry)
    } catch (error) {
      const why = `${error.code ?? error.name}: ${error.message}`
      failed[why] = (failed[why] ?? 0) + 1
    }
  }
  const lost = Object.values(failed).reduce((sum, count) => sum + count, 0)
  report[file] = { passed: cases.length - lost, total: cases.length, failed }
}
console.log(JSON.stringify(report))
