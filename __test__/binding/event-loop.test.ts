import { describe, expect, it } from 'vitest'

import { Device } from '../../dist/mls/index.js'

const MEMBERS = 300
const MINUTES = 60_000

/** More than a promise needs that waits for nothing. */
const MICROTASKS = 100

/** What `work` answers, whether it was left to another thread, and how many turns the event loop made meanwhile. */
async function turnsDuring<Value>(
  work: () => Promise<Value>,
): Promise<{ value: Value; turns: number; elsewhere: boolean }> {
  let turns = 0
  let running = true
  const turn = () => {
    turns += 1
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  const under = work().finally(() => {
    running = false
  })
  for (let count = 0; count < MICROTASKS; count += 1) await Promise.resolve()
  // What another thread answers comes with a turn of the loop, however long this one was held up.
  const elsewhere = running
  return { value: await under, turns, elsewhere }
}

describe(`in a group of ${MEMBERS}`, () => {
  it(
    'the event loop goes on while members are added, join, commit and are read',
    async () => {
      using founder = await Device.create({ identity: 'founder' })
      using joiner = await Device.create({ identity: 'joiner' })
      using others = await Device.create({ identity: 'others' })
      const devices = await Promise.all(
        Array.from({ length: MEMBERS - 2 }, (_, index) => Device.create({ identity: `member ${index}` })),
      )
      const packages = await Promise.all([joiner, ...devices].map((device) => device.keyPackage()))
      using group = await founder.createGroup()

      const adding = await turnsDuring(() => group.commit({ add: packages }))
      const merging = await turnsDuring(() => group.mergePending())
      const { welcome = new Uint8Array() } = adding.value
      const joining = await turnsDuring(() => joiner.join(welcome))
      using joined = joining.value
      const committing = await turnsDuring(() => joined.commit({ update: true }))
      const receiving = await turnsDuring(() => group.receive(committing.value.commit))
      const listing = await turnsDuring(() => group.members())
      const making = await turnsDuring(() => others.keyPackages(200))
      const sealing = await turnsDuring(() => group.encrypt(new Uint8Array(8 << 20)))

      expect(receiving.value).toMatchObject({ type: 'commit', commit: { epoch: 2n } })
      expect(listing.value).toHaveLength(MEMBERS)
      const all = { adding, merging, joining, committing, receiving, listing, making, sealing }
      const turns = Object.fromEntries(Object.entries(all).map(([name, during]) => [name, during.turns]))
      console.log('turns of the event loop:', turns)
      for (const each of [adding, joining, committing, receiving, listing, making, sealing])
        expect(each.elsewhere).toBe(true)
      expect(merging.elsewhere).toBe(false)
      for (const device of devices) await device.close()
    },
    3 * MINUTES,
  )

  it('what is quick is done at once, in the order of the calls, behind what is not', async () => {
    using device = await Device.create({ identity: 'alice' })
    using group = await device.createGroup()
    const done: string[] = []
    const say = (word: string) => () => done.push(word)
    await Promise.all([
      group.encryptAll([new Uint8Array(1 << 20)]).then(say('slow')),
      group.encrypt('x').then(say('quick, behind it')),
      group.members().then(say('slow again')),
    ])
    expect(done).toEqual(['slow', 'quick, behind it', 'slow again'])
  })
})
