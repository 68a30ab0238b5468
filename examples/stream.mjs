/**
 * An encrypted audio stream: two members talk, a third one joins in the middle. One process, no network, and noise in place
 * of Opus.
 *
 * Run it with `node examples/stream.mjs` after `npm run build`.
 */
import { CoterieError, Device, GroupSession, MemoryChannel } from 'coterie/mls'
import { SFrameSession } from 'coterie/sframe'

/** A frame of 20 milliseconds takes about 120 bytes at 48 kbit/s. */
const FRAME = 120
const FRAMES = 50

const tell = (who, what) => console.log(`${who.padEnd(6)} ${what}`)

/** What an encoder would make: bytes of which nobody knows what they say, but how many they are. */
function encoded(sequence) {
  const frame = new Uint8Array(FRAME)
  for (let index = 0; index < FRAME; index += 1) frame[index] = (sequence * 31 + index * 7) & 0xff
  return frame
}

/** What would go over the network: everybody hears everything, if they can. */
const listeners = new Map()
function broadcast(sender, payload) {
  for (const [name, hear] of listeners) if (name !== sender) hear(payload)
}

/** A member's side of the call. */
async function join(name, session) {
  const media = await SFrameSession.open(session.group, { grace: 1_000 })
  const encryptor = await media.encryptor()
  const [sealed, opened] = [
    new Uint8Array(FRAME + encryptor.overhead),
    new Uint8Array(FRAME + encryptor.overhead),
  ]
  const heard = { frames: 0, refused: 0 }
  listeners.set(name, (payload) => {
    try {
      media.decryptInto(payload, opened)
      heard.frames += 1
    } catch (error) {
      if (!CoterieError.is(error)) throw error
      heard.refused += 1
    }
  })
  return {
    heard,
    media,
    speak(first) {
      for (let sequence = first; sequence < first + FRAMES; sequence += 1) {
        const length = encryptor.encryptInto(encoded(sequence), sealed)
        broadcast(name, sealed.slice(0, length))
      }
      tell(
        name,
        `says ${FRAMES} frames under key ${encryptor.keyId.toString(16)}, up to number ${encryptor.counter}`,
      )
    },
  }
}

/** Until a member is in the epoch of another. */
async function meet(events, epoch) {
  for await (const event of events) if (event.type === 'epoch-changed' && event.commit.epoch >= epoch) return
}

const channel = new MemoryChannel()
const [alice, bob, carol] = await Promise.all(
  ['alice', 'bob', 'carol'].map((identity) => Device.create({ identity })),
)
const team = await GroupSession.connect(await alice.createGroup(), channel)
const bobs = await GroupSession.join(bob, await team.add([await bob.keyPackage()]), channel)
const bobHears = bobs.events()

const atAlice = await join('alice', team)
const atBob = await join('bob', bobs)
atAlice.speak(0)
atBob.speak(0)

const carols = await GroupSession.join(carol, await team.add([await carol.keyPackage()]), channel)
await meet(bobHears, team.group.epoch)
const atCarol = await join('carol', carols)
tell('carol', `joins in epoch ${atCarol.media.epoch}; nobody did anything about keys`)
atAlice.speak(FRAMES)
atCarol.speak(0)

for (const [name, { heard }] of Object.entries({ alice: atAlice, bob: atBob, carol: atCarol })) {
  tell(name, `has heard ${heard.frames} frames, ${heard.refused} refused`)
}
for (const { media } of [atAlice, atBob, atCarol]) media.close()
for (const session of [team, bobs, carols]) await session.close()
for (const device of [alice, bob, carol]) await device.close()
channel.close()
