/** Text frames: by the published package's calls, and by a node that owns its group: one a call, 50 calls at once, 50 a call. */
import { GroupNode as CompatNode, GtpClient, MlsContext } from 'coterie/compat'
import { GroupNode } from 'coterie/gbp'
import { Device } from 'coterie/mls'

import { ensure, range, report } from './samples.mjs'

const BATCH = 50

function compatMember(number, mls) {
  const node = CompatNode.create(number, mls.groupId)
  node.bootstrapAsCreator(mls.epoch)
  node.drainEvents()
  return { mls, node, client: GtpClient.create() }
}

function compatPair() {
  const [alice, bob] = ['alice', 'bob'].map((name) => MlsContext.create(name))
  bob.acceptWelcome(alice.invite(bob.exportKeyPackage()))
  return [compatMember(1, alice), compatMember(2, bob)]
}

/** What a user does with a frame that came. */
function opened({ mls, node, client }, wire) {
  const event = node.onWire(mls, wire).find(({ kind }) => kind === 'payload_received')
  return client.accept(event.plaintext, mls.epoch, event.codec)
}

function compat(samples, { messages, length }) {
  const [near, far] = compatPair()
  const text = 'x'.repeat(length)
  for (let first = 1; first <= messages; first += BATCH) {
    const { wires, heard } = { wires: [], heard: [] }
    samples.timeSync('compatSeal', BATCH, () => {
      for (const number of range(BATCH, first)) {
        wires.push(near.client.send(near.node, near.mls, 0, BigInt(number), text).wire)
      }
    })
    samples.timeSync('compatOpen', BATCH, () => {
      for (const wire of wires) heard.push(opened(far, wire))
    })
    ensure(
      heard.every((each) => each.status === 'new' && each.text === text),
      'another text came out',
    )
  }
  for (const { mls, node, client } of [near, far]) for (const each of [client, node, mls]) each.close()
}

async function nodes(profile) {
  const [alice, bob] = await Promise.all(['alice', 'bob'].map((identity) => Device.create({ identity })))
  const near = await GroupNode.create(alice, { member: 1, profile, history: false })
  const parcels = near.frames()
  await near.invite([await bob.keyPackage()])
  for await (const parcel of parcels) {
    if (parcel.type !== 'admission') continue
    const far = await GroupNode.join(bob, parcel.bytes, { profile, history: false })
    return { near, far, close: () => Promise.all([near, far, alice, bob].map((each) => each.close())) }
  }
  throw new Error('nobody was admitted')
}

/** Frames of text that come out, as many as were said. */
async function take(iterator, count, is, convert) {
  const taken = []
  while (taken.length < count) {
    const { value } = await iterator.next()
    if (is(value)) taken.push(convert(value))
  }
  return taken
}

const isText = (parcel) => parcel.streamClass === 'text'
const isSaid = (event) => event.type === 'text'

/** How many at a time, and how they are given: by calls that are awaited together, or by one. */
const FORMS = [
  { suffix: '', batch: 1 },
  { suffix: 'Batch', batch: BATCH },
  { suffix: 'All', batch: BATCH, together: true },
]

async function say(node, texts, together) {
  if (together) await node.text.sendAll(texts)
  else await Promise.all(texts.map((text) => node.text.send(text)))
}

async function hear(node, frames, together) {
  if (!together) await Promise.all(frames.map((frame) => node.receive(frame)))
  else ensure((await node.receiveAll(frames)) === frames.length, 'not all were taken in')
}

async function owned(samples, { messages, length }, profile) {
  const { near, far, close } = await nodes(profile)
  const text = 'x'.repeat(length)
  const [parcels, events] = [near.frames(), far.events()]
  for (const { suffix, batch, together } of FORMS) {
    const texts = range(batch).map(() => text)
    for (let done = 0; done < messages; done += BATCH) {
      const frames = await samples.time(`${profile}Seal${suffix}`, BATCH, async () => {
        for (let said = 0; said < BATCH; said += batch) await say(near, texts, together)
        return take(parcels, BATCH, isText, ({ bytes }) => bytes)
      })
      const heard = await samples.time(`${profile}Open${suffix}`, BATCH, async () => {
        for (let taken = 0; taken < BATCH; taken += batch) {
          await hear(far, frames.slice(taken, taken + batch), together)
        }
        return take(events, BATCH, isSaid, ({ message }) => message.text)
      })
      ensure(
        heard.every((each) => each === text),
        'another text came out',
      )
    }
  }
  await Promise.all([parcels.return(), events.return()])
  await close()
}

await report(async (options, samples) => {
  for (let batch = 0; batch < Math.max(1, options.batches); batch += 1) {
    compat(samples, options)
    await owned(samples, options, 'interop')
    await owned(samples, options, 'sealed')
  }
})
