/** Sender keys of libsignal: one sender, one recipient; how many more there are changes nothing for either. */
import { randomUUID } from 'node:crypto'

import {
  groupDecrypt,
  groupEncrypt,
  processSenderKeyDistributionMessage,
  ProtocolAddress,
  SenderKeyDistributionMessage,
  SenderKeyStore,
} from '@signalapp/libsignal-client'

import { ensure, equal, report } from './samples.mjs'

class MemoryStore extends SenderKeyStore {
  #records = new Map()

  async saveSenderKey(sender, distribution, record) {
    this.#records.set(`${sender.name()}.${sender.deviceId()}.${distribution}`, record)
  }

  async getSenderKey(sender, distribution) {
    return this.#records.get(`${sender.name()}.${sender.deviceId()}.${distribution}`) ?? null
  }
}

await report(async ({ batches, messages, length }, samples) => {
  const sender = ProtocolAddress.new(randomUUID(), 1)
  const distribution = randomUUID()
  const [theirs, reader] = [new MemoryStore(), new MemoryStore()]
  const announced = await SenderKeyDistributionMessage.create(sender, distribution, theirs)
  const received = SenderKeyDistributionMessage.deserialize(announced.serialize())
  await processSenderKeyDistributionMessage(sender, received, reader)
  const plaintext = new Uint8Array(length).fill(7)
  for (let turn = 0; turn < batches; turn += 1) {
    const sealed = await samples.time('encrypt', messages, async () => {
      const all = []
      for (let count = 0; count < messages; count += 1) {
        all.push((await groupEncrypt(sender, distribution, theirs, plaintext)).serialize())
      }
      return all
    })
    const opened = await samples.time('decrypt', messages, async () => {
      const all = []
      for (const message of sealed) all.push(await groupDecrypt(sender, reader, message))
      return all
    })
    for (const message of opened) ensure(equal(message, plaintext), 'another plaintext came out')
  }
})
