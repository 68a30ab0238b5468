/**
 * Seals and opens published media frames through the facade: `node sframe-vectors.mjs FOLDER`, laid out like
 * shared/vectors. Prints for each file how many cases passed and what became of the others.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)
const { CoterieError } = require('../../dist/index.js')
const { Device } = require('../../dist/mls/index.js')
const { SFRAME_SUITES, SFrameSession } = require('../../dist/sframe/index.js')

const folder = process.argv[2]
const danger = { shortTags: true }
const NAMES = Object.fromEntries(Object.entries(SFRAME_SUITES).map(([name, number]) => [number, name]))

const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (array) => Buffer.from(array).toString('hex')

function same(what, got, expected) {
  if (got !== expected) throw new Error(`${what}: got ${got}, expected ${expected}`)
}

function refused(session, payload, metadata) {
  try {
    session.decrypt(payload, { metadata })
  } catch (error) {
    if (CoterieError.is(error) && error.code !== 'INTERNAL') return error.code
    throw error
  }
  throw new Error('what must be refused was opened')
}

/** What a key id is made of. */
const parts = (keyId) => ({
  epoch: keyId & 0xffffn,
  leaf: Number((keyId >> 16n) & 0xffffn),
  context: Number(keyId >> 32n),
})

/** Each frame has a device of its own, because counters never go back. */
async function sealed(key, options, { leaf, context, counter, plaintext, metadata }) {
  const device = await Device.create({ identity: 'vectors' })
  const session = await SFrameSession.fromKey(device, key, options)
  const encryptor = await session.encryptor({ leaf, context, firstCounter: counter })
  const frame = encryptor.encrypt(plaintext, { metadata })
  session.close()
  await device.close()
  return frame
}

async function opening(key, options, work) {
  const device = await Device.create({ identity: 'vectors' })
  const session = await SFrameSession.fromKey(device, key, options)
  try {
    await work(session)
  } finally {
    session.close()
    await device.close()
  }
}

async function whole(entry) {
  const keyId = BigInt(entry.kid)
  const { epoch, leaf, context } = parts(keyId)
  const key = { baseKey: bytes(entry.base_key), epoch }
  const options = { suite: NAMES[entry.cipher_suite], dialect: 'rfc9605', danger }
  const [metadata, payload] = [bytes(entry.metadata), bytes(entry.ct)]
  await opening(key, options, async (session) => {
    if (entry.pt === undefined) return refused(session, payload, metadata)
    const [counter, plaintext] = [BigInt(entry.ctr), bytes(entry.pt)]
    const made = await sealed(key, options, { leaf, context, counter, plaintext, metadata })
    same('sealed', hex(made), entry.ct)
    const opened = session.decrypt(payload, { metadata })
    same('plaintext', hex(opened.plaintext), entry.pt)
    same('key id', opened.keyId, keyId)
    same('counter', opened.counter, counter)
    same('the same again', refused(session, payload, metadata), 'SFRAME_REPLAY')
  })
}

async function recorded(entry) {
  const key = { baseKey: bytes(entry.base_key), epoch: BigInt(entry.mls_epoch) }
  const options = { suite: NAMES[entry.suite + 4] }
  const leaf = Number(entry.leaf)
  await opening(key, options, async (session) => {
    for (const { plaintext, metadata, payload, counter, verdict = 'ok' } of entry.frames) {
      const given = { plaintext: bytes(plaintext), metadata: bytes(metadata ?? '') }
      const made = await sealed(key, options, { ...given, leaf, context: 0, counter: BigInt(counter) })
      same('sealed', hex(made), payload)
      if (verdict === 'replay') {
        same('verdict', refused(session, bytes(payload), given.metadata), 'SFRAME_REPLAY')
        continue
      }
      const opened = session.decrypt(bytes(payload), { metadata: given.metadata })
      same('plaintext', hex(opened.plaintext), plaintext)
      same('leaf', opened.leaf, leaf)
    }
  })
}

async function malformed(entry) {
  const payload = bytes(entry.parts.map(([part, times]) => part.repeat(times)).join(''))
  for (const suite of Object.keys(SFRAME_SUITES)) {
    const options = { suite, dialect: 'rfc9605', danger }
    await opening({ baseKey: new Uint8Array(32).fill(9), epoch: 0n }, options, (session) => {
      refused(session, payload, new Uint8Array())
    })
  }
}

const FAMILIES = {
  'sframe/sframe.json': whole,
  'sframe/whole-range.json': whole,
  'sframe/negative.json': whole,
  'gbp-stack/sframe.json': recorded,
  'malformed/sframe-header.json': malformed,
}

const report = {}
for (const [file, check] of Object.entries(FAMILIES)) {
  const cases = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const failed = {}
  for (const entry of cases) {
    try {
      await check(entry)
    } catch (error) {
      const why = `${error.code ?? error.name}: ${error.message}`
      failed[why] = (failed[why] ?? 0) + 1
    }
  }
  const lost = Object.values(failed).reduce((sum, count) => sum + count, 0)
  report[file] = { passed: cases.length - lost, total: cases.length, failed }
}
console.log(JSON.stringify(report))
