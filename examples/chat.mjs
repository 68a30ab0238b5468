/**
 * A chat between terminals: one member holds the door and forwards, the others come in over QUIC, also after the network or
 * the machine went away. After `npm run build`, in two terminals:
 *
 *   node examples/chat.mjs host alice room.json
 *   node examples/chat.mjs join bob room.json
 *
 * `room.json` is the invitation: where the door is, and its certificate. Whoever has it may come in. With `--store FILE` and the
 * environment variable CHAT_PASSPHRASE a member keeps everything in an encrypted file, and goes on where it was.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { CoterieError, generateLinkIdentity, GroupNode, Link, LinkNetwork } from 'coterie/gbp'
import { Device } from 'coterie/mls'

const USAGE = `usage: node examples/chat.mjs host NAME INVITATION [--address HOST:PORT] [--store FILE]
       node examples/chat.mjs join NAME INVITATION [--store FILE]`

/** What a guest sends first: a key package behind this byte, or the other byte where it is a member already. */
const [NEWCOMER, MEMBER] = [0, 1]
const HOST = 1
const HOST_ROLE = { id: 1, name: 'host', permissions: 0xff }
const LONGEST_PAUSE = 30_000
/** How long a visitor may take for each thing that others wait for: a key package, its admission. */
const PATIENCE = 20_000

const lines = createInterface({ input: process.stdin, output: process.stdout, terminal: process.stdin.isTTY })
let typing = process.stdin.isTTY
lines.once('close', () => {
  typing = false
})

/** Prints above what is being typed. What others send may not steer the terminal, or look like another line. */
function tell(text) {
  if (typing) process.stdout.write('\r\u001b[K')
  console.log(text.replaceAll(/\p{Cc}/gu, ' '))
  if (typing) lines.prompt(true)
}

/** What somebody wants makes no sense. */
class Mistake extends Error {}

/** Says why something did not work, and goes on; what is neither the stack's nor a mistake is a fault of this program. */
function complain(error) {
  if (error instanceof Mistake) tell(`! ${error.message}`)
  else if (CoterieError.is(error)) tell(`! ${error.code}: ${error.message}`)
  else throw error
}

async function openDevice(identity, store) {
  if (store === undefined) return Device.create({ identity })
  const passphrase = process.env.CHAT_PASSPHRASE
  if (passphrase === undefined) throw new Mistake('CHAT_PASSPHRASE is not set')
  return Device.open({ store, passphrase, identity })
}

/** The group that this device was in before, if any. */
async function reopen(device) {
  for (const id of await device.groups()) {
    const node = await GroupNode.open(device, id)
    if (node?.isMember) return node
  }
}

/** The door's identity: what guests trust is what the invitation says, so it stays the same while its files are there. */
function makeDoor(file) {
  if (!existsSync(file) || !existsSync(`${file}.key`)) {
    return { address: '127.0.0.1:0', ...generateLinkIdentity() }
  }
  return { ...readInvitation(file), privateKey: readFileSync(`${file}.key`) }
}

async function openDoor(file, address) {
  const { address: before, ...identity } = makeDoor(file)
  const listener = await Link.listen({ kind: 'quic', address: address ?? before, identity })
  writeFileSync(`${file}.key`, identity.privateKey, { mode: 0o600 })
  writeInvitation(file, { address: listener.address, certificate: identity.certificate })
  return listener
}

function readInvitation(file) {
  const { address, certificate } = JSON.parse(readFileSync(file, 'utf8'))
  return { address, certificate: Buffer.from(certificate, 'base64') }
}

function writeInvitation(file, { address, certificate }) {
  writeFileSync(file, JSON.stringify({ address, certificate: Buffer.from(certificate).toString('base64') }))
}

async function host(device, file, address) {
  let node = await reopen(device)
  if (node === undefined) {
    node = await GroupNode.create(device, { member: HOST })
    await node.roles.define(HOST_ROLE)
    await node.roles.assign(HOST, HOST_ROLE.id)
  }
  const [gaps, network] = [new Gaps(node), LinkNetwork.of(node, { forward: true })]
  const listener = await openDoor(file, address)
  tell(`* the door is open at ${listener.address}; ${file} is the invitation`)
  const welcoming = (async () => {
    for await (const link of listener.links()) {
      welcome(node, network, gaps, link).catch((error) => {
        complain(error)
        return link.close({ grace: 0 })
      })
    }
  })()
  const close = async () => {
    await Promise.all([listener.close(), network.close()])
    await welcoming
  }
  return { node, gaps, close }
}

/** Asks members, one after the other, for what was said and is missing here. Whoever does not answer is asked again. */
class Gaps {
  #waiting = new Set()
  #asking = false

  constructor(node) {
    this.node = node
  }

  async ask(...members) {
    for (const member of members) if (member !== this.node.member) this.#waiting.add(member)
    if (this.#asking) return
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#asking = true
    await this.node.text.catchUp(next).catch((error) => {
      complain(error)
      this.#asking = false
    })
  }

  async answered(...again) {
    this.#asking = false
    await this.ask(...again)
  }
}

/** Work that a visitor must not hold up for longer than is bearable. */
async function inTime(work) {
  const signal = AbortSignal.timeout(PATIENCE)
  try {
    return await work(signal)
  } catch (error) {
    if (signal.aborted) throw new Mistake('a visitor took too long')
    throw error
  }
}

let invited = Promise.resolve()

/** Lets somebody in, one after the other: a change of the group has to be over before the next. */
async function welcome(node, network, gaps, link) {
  const first = await inTime(async (signal) => (await link.frames({ signal }).next()).value)
  const [kind, ...keyPackage] = first?.bytes ?? []
  let member
  if (kind === NEWCOMER) {
    const turn = invited
    const admitted = (async () => {
      await turn
      ;[member] = await node.invite([Uint8Array.from(keyPackage)])
      await inTime(async (signal) => {
        await link.send(await network.admission(member, { signal }), 'control', { signal })
      })
    })()
    invited = admitted.catch(() => {})
    await admitted
  }
  const { member: visitor, ended } = await network.attach(link, { member })
  tell(`* ${await nameOf(node, visitor)} is there`)
  await gaps.ask(visitor)
  await ended
  tell(`* ${await nameOf(node, visitor)} is gone`)
}

async function join(device, file) {
  const stop = new AbortController()
  let node = await reopen(device)
  const link = await knock(file, stop.signal)
  if (node === undefined) {
    await link.send(Uint8Array.of(NEWCOMER, ...(await device.keyPackage())), 'control')
    const { value: admission } = await link.frames().next()
    if (admission === undefined) throw new Mistake('the door was shut')
    node = await GroupNode.join(device, admission.bytes)
  } else await link.send(Uint8Array.of(MEMBER), 'control')
  const [gaps, network] = [new Gaps(node), LinkNetwork.of(node)]
  const staying = stay(network, gaps, file, link, stop.signal).catch((error) => {
    if (!stop.signal.aborted) throw error
  })
  const close = async () => {
    stop.abort()
    await network.close()
    await staying
  }
  return { node, gaps, close }
}

/** Connects, as often as it takes. The invitation is read again each time: the door may have moved. */
async function knock(file, signal) {
  for (let pause = 500; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    const { address, certificate } = readInvitation(file)
    try {
      return await Link.connect({ kind: 'quic', address, trust: certificate, signal })
    } catch (error) {
      complain(error)
    }
    tell(`* nobody opens; once more in ${pause / 1_000} s`)
    await sleep(pause, undefined, { signal })
  }
}

/** Stays connected, and asks for what it missed whenever it comes back. */
async function stay(network, gaps, file, first, signal) {
  for (let link = first; ;) {
    try {
      const { ended } = await network.attach(link, { member: HOST, signal })
      tell('* connected')
      const members = await gaps.node.members()
      await gaps.ask(...members.map(({ member }) => member))
      await ended
    } catch (error) {
      signal.throwIfAborted()
      complain(error)
    }
    signal.throwIfAborted()
    tell('* the connection is lost')
    link = await knock(file, signal)
    await link.send(Uint8Array.of(MEMBER), 'control')
  }
}

async function nameOf(node, member) {
  const found = (await node.members()).find((one) => one.member === member)
  return found?.name ?? `member ${member}`
}

const TOLD_OF = { mute: 'muted', unmute: 'lets speak' }

/** Prints what happens, until this member is out. */
async function follow(node, gaps) {
  for await (const event of node.events()) {
    if (event.type === 'text') tell(`${await nameOf(node, event.message.sender)}: ${event.message.text}`)
    else if (event.type === 'joined') tell(`* ${event.name} came in`)
    else if (event.type === 'left') tell(`* member ${event.member} is out`)
    else if (event.type === 'signal') await showSignal(node, event.message)
    else if (event.type === 'signal-ended' && !event.carriedOut) tell('! that was not carried out')
    else if (event.type === 'caught-up' && !event.more) await gaps.answered()
    else if (event.type === 'not-caught-up') await gaps.answered(event.member)
    else if (event.type === 'refused' || event.type === 'audio-failed') complain(event.error)
    else if (event.type === 'removed' || event.type === 'lost') return tell('* you are out of the group')
  }
}

async function showSignal(node, { sender, signal }) {
  const done = TOLD_OF[signal.type]
  if (done !== undefined) tell(`* ${await nameOf(node, sender)} ${done} ${await nameOf(node, signal.target)}`)
}

const COMMANDS = new Map([
  ['who', who],
  ['mute', (node, name) => give(node, 'mute', name)],
  ['unmute', (node, name) => give(node, 'unmute', name)],
  ['remove', async (node, name) => node.remove([await memberOf(node, name)])],
])

function help() {
  tell('  /who, /mute NAME, /unmute NAME, /remove NAME, /quit; everything else is said')
}

async function who(node) {
  const [members, { muted }] = await Promise.all([node.members(), node.signals.view()])
  const line = ({ member, name }) => `${name}${muted.includes(member) ? ' (muted)' : ''}`
  tell(`  ${members.map(line).join(', ')}; epoch ${node.epoch}`)
}

async function give(node, type, name) {
  const target = await memberOf(node, name)
  await node.signals.send({ type, target }, { awaited: [target] })
}

async function memberOf(node, wanted) {
  const found = (await node.members()).find(({ name }) => name === wanted)
  if (found === undefined) throw new Mistake(`nobody here is called "${wanted}"`)
  return found.member
}

/** What is typed, until the end of it. */
async function listen(node) {
  if (typing) lines.prompt()
  for await (const line of lines) {
    const [, command, argument] = /^\/(\w+) ?(.*)$/.exec(line) ?? []
    if (command === 'quit') return
    try {
      if (command !== undefined) await (COMMANDS.get(command) ?? help)(node, argument)
      else if (line !== '') await node.text.send(line)
    } catch (error) {
      complain(error)
    }
    if (typing) lines.prompt()
  }
}

/** What the command line says; the usage where that is none. */
function readArguments() {
  const options = { address: { type: 'string' }, store: { type: 'string' } }
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options })
    const [role, name, file] = positionals
    if (['host', 'join'].includes(role) && file !== undefined) return { role, name, file, ...values }
  } catch (error) {
    console.error(error.message)
  }
  console.error(USAGE)
  process.exit(2)
}

const { role, name, file, store, address } = readArguments()
let device
try {
  device = await openDevice(name, store)
  const { node, gaps, close } = role === 'host' ? await host(device, file, address) : await join(device, file)
  await Promise.race([follow(node, gaps), listen(node)])
  await close()
  await node.close()
} catch (error) {
  // What is wrong with a file, a passphrase or an address is the user's to mend.
  if (!(error instanceof Mistake || CoterieError.is(error) || error.syscall !== undefined)) throw error
  console.error(error.message)
  process.exitCode = 1
}
lines.close()
await device?.close()
