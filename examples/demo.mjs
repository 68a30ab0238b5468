/**
 * The demo: three members, one process, no network. Each scene is one of the flows of RFC 9420, section 3.2.
 *
 * Run it with `npm run demo`.
 */
import { CoterieError, Device, GroupSession, MemoryChannel, MemoryDirectory } from 'coterie/mls'

const color = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code) => (text) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
const [bold, dim, green, red] = [paint(1), paint(2), paint(32), paint(31)]

let scenes = 0
const scene = (title) => console.log(`\n${bold(`${(scenes += 1)}. ${title}`)}`)
const tell = (who, what) => console.log(`   ${who.padEnd(6)} ${what}`)
const size = (bytes) => dim(`(${bytes.length.toLocaleString('en')} bytes)`)
const names = (members) => members.map((member) => member.name).join(', ')
const text = (bytes) => new TextDecoder().decode(bytes)

/** The next event of a member's stream, which must be of the expected type. */
async function expect(events, type) {
  const { value } = await events.next()
  if (value?.type !== type) throw new Error(`expected ${type}, got ${value?.type}`)
  return value
}

async function say(who, speaker, words, listeners) {
  await speaker.send(words)
  tell(who, `says "${words}"`)
  for (const [name, events] of Object.entries(listeners)) {
    const { sender, plaintext } = await expect(events, 'message')
    tell(name, `reads ${green(`"${text(plaintext)}"`)} from ${sender.name}`)
  }
}

/** Two members are in one epoch when they derive the same secret. */
async function sameEpoch(...sessions) {
  const seen = await Promise.all(sessions.map(({ group }) => group.epochAuthenticator()))
  if (!seen.every((value) => Buffer.compare(value, seen[0]) === 0)) throw new Error('the members disagree')
  console.log(
    dim(`          epoch ${sessions[0].group.epoch}: ${sessions.length} members derive the same secrets`),
  )
}

console.log(
  'Three people, a directory that hands out key packages, and a channel that delivers everything to everyone.',
)

scene('Initialising: everyone publishes a key package')
const directory = new MemoryDirectory()
const channel = new MemoryChannel()
const [alice, bob, carol] = await Promise.all(
  ['alice', 'bob', 'carol'].map((identity) => Device.create({ identity })),
)
for (const [name, device] of Object.entries({ alice, bob, carol })) {
  await device.publish(directory)
  tell(name, 'publishes a key package to the directory')
}

scene('Adding: alice founds a group, adds bob, then carol')
const team = await GroupSession.connect(await alice.createGroup(), channel)
tell('alice', `founds a group ${dim(`(${team.group.suite})`)}`)
const forBob = await team.add([await directory.take('bob')])
tell('alice', `adds bob: the commit goes to the channel, a Welcome to bob ${size(forBob.welcome)}`)
const bobs = await GroupSession.join(bob, forBob, channel)
const bobHears = bobs.events()
tell('bob', `opens the Welcome and sees: ${names(await bobs.members())}`)
await sameEpoch(team, bobs)

const forCarol = await team.add([await directory.take('carol')])
tell('alice', 'adds carol the same way')
const { commit } = await expect(bobHears, 'epoch-changed')
tell('bob', `processes the commit and learns of: ${names(commit.added)}`)
const carols = await GroupSession.join(carol, forCarol, channel)
const aliceHears = team.events()
const carolHears = carols.events()
await sameEpoch(team, bobs, carols)
await say('carol', carols, 'Hello, both of you!', { alice: aliceHears, bob: bobHears })

scene('Updating a leaf: by an own commit, and by a proposal that somebody else commits')
await bobs.update()
tell('bob', 'replaces his keys by a commit of his own')
for (const events of [aliceHears, bobHears, carolHears]) await expect(events, 'epoch-changed')
await sameEpoch(team, bobs, carols)
await carols.proposeUpdate()
tell('carol', 'proposes new keys of hers')
for (const events of [aliceHears, bobHears]) await expect(events, 'proposal')
const { summary: renewed } = await team.commit()
tell('alice', `commits the proposal; new keys: ${names(renewed.updated)}`)
for (const events of [aliceHears, bobHears, carolHears]) await expect(events, 'epoch-changed')
await sameEpoch(team, bobs, carols)

scene('Removing: carol removes bob')
const bobsLeaf = bobs.group.ownLeaf
await carols.remove([bobsLeaf])
tell('carol', 'removes bob')
for (const events of [aliceHears, carolHears]) await expect(events, 'epoch-changed')
const farewell = await expect(bobHears, 'epoch-changed')
tell('bob', `learns that he was removed: ${farewell.commit.removesSelf}`)
await sameEpoch(team, carols)
await say('alice', team, 'Now it is the two of us.', { carol: carolHears })
try {
  await bobs.send('May I still?')
  throw new Error('bob is not locked out')
} catch (error) {
  if (!CoterieError.is(error)) throw error
  tell('bob', `cannot speak any more: ${red(error.code)}`)
}

for (const session of [team, bobs, carols]) await session.close()
for (const device of [alice, bob, carol]) device.close()
channel.close()

console.log(
  `\n${green('Done.')} Every message was sealed for exactly those who were in the group when it was said.`,
)
