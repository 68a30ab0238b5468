/** Media frames: one member speaks, another listens; and fifty speak at once. */
import { Device } from 'coterie/mls'
import { SFrameSession } from 'coterie/sframe'

import { ensure, equal, range, report } from './samples.mjs'

const BATCH = 50
const SPEAKERS = 50
const PER_SECOND = 50

/** Sessions of all members of one group. */
async function sessions(size) {
  const devices = await Promise.all(
    range(size).map((index) => Device.create({ identity: `member-${index}` })),
  )
  const group = await devices[0].createGroup()
  const add = await Promise.all(devices.slice(1).map((device) => device.keyPackage()))
  const { welcome } = await group.commit({ add })
  await group.mergePending()
  const groups = [group, ...(await Promise.all(devices.slice(1).map((device) => device.join(welcome))))]
  return Promise.all(groups.map((each) => SFrameSession.open(each)))
}

/** Frames that are held at once: what a call holds, and little enough to stay near the processor. */
const HELD = 1_000

function singles(samples, { messages, length }, encryptor, listener) {
  const plaintext = new Uint8Array(length).fill(7)
  const frames = range(HELD).map(() => new Uint8Array(length + encryptor.overhead))
  const [out, opened] = [new Uint8Array(length + encryptor.overhead), new Uint8Array(length)]
  samples.timeSync('seal', messages, () => {
    for (let index = 0; index < messages; index += 1) encryptor.encryptInto(plaintext, out)
  })
  for (let done = 0; done < messages; done += HELD) {
    const exact = frames.map((frame) => frame.subarray(0, encryptor.encryptInto(plaintext, frame)))
    samples.timeSync('open', HELD, () => {
      for (let index = 0; index < HELD; index += 1) listener.decryptInto(exact[index], opened)
    })
  }
  ensure(equal(opened, plaintext), 'another plaintext came out')
  samples.timeSync('sealNew', messages, () => {
    for (let index = 0; index < messages; index += 1) encryptor.encrypt(plaintext)
  })
}

function batches(samples, { messages, length }, encryptor, listener) {
  const plaintexts = new Uint8Array(BATCH * length).fill(7)
  const lengths = new Uint32Array(BATCH).fill(length)
  const room = BATCH * (length + encryptor.overhead)
  const sealed = range(HELD / BATCH).map(() => ({
    out: new Uint8Array(room),
    outLengths: new Uint32Array(BATCH),
    made: 0,
  }))
  const [out, outLengths, leaves] = [new Uint8Array(room), new Uint32Array(BATCH), new Int32Array(BATCH)]
  for (let done = 0; done < messages; done += HELD) {
    samples.timeSync('sealBatch', HELD, () => {
      for (const each of sealed) {
        each.made = encryptor.encryptBatch({
          plaintexts,
          lengths,
          out: each.out,
          outLengths: each.outLengths,
        })
      }
    })
    const frames = sealed.map((each) => ({
      payloads: each.out.subarray(0, each.made),
      lengths: each.outLengths,
    }))
    samples.timeSync('openBatch', HELD, () => {
      for (const { payloads, lengths: sizes } of frames) {
        listener.decryptBatch({ payloads, lengths: sizes, out, outLengths, leaves })
      }
    })
    ensure(
      leaves.every((leaf) => leaf === 0),
      'refused',
    )
  }
  ensure(equal(out.subarray(0, plaintexts.length), plaintexts), 'another plaintext came out')
}

/** One second of a call in which everybody speaks, as one member hears it. */
async function conference(samples, { length, seconds }) {
  const [listener, ...speakers] = await sessions(SPEAKERS + 1)
  const encryptors = await Promise.all(speakers.map((speaker) => speaker.encryptor()))
  const plaintext = new Uint8Array(length).fill(7)
  const opened = new Uint8Array(length)
  for (let second = 0; second < seconds; second += 1) {
    const frames = range(PER_SECOND).flatMap(() => encryptors.map((each) => each.encrypt(plaintext)))
    samples.timeSync('conference', 1, () => {
      for (const frame of frames) listener.decryptInto(frame, opened)
    })
  }
}

await report(async (options, samples) => {
  const [speaker, listener] = await sessions(2)
  const encryptor = await speaker.encryptor()
  for (let batch = 0; batch < options.batches; batch += 1) {
    singles(samples, options, encryptor, listener)
    batches(samples, options, encryptor, listener)
  }
  if (options.seconds) await conference(samples, options)
})
