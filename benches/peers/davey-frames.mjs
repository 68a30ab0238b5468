/** davey's media frames: two members, one of whom speaks. It has no form for several frames. */
import { ensure, equal, report } from './samples.mjs'
import { APPEND, gateway, groupId, hex, session } from './voice-server.mjs'

const AUDIO = 0
let channels = 0

function pair() {
  channels += 1
  const { sender } = gateway([])
  const [speaker, listener] = [session(1, channels), session(2, channels)]
  listener.setExternalSender(sender)
  const keyPackages = [hex(listener.getSerializedKeyPackage())]
  const { proposals } = gateway([{ id: groupId(channels), epoch: 0, keyPackages }])
  speaker.setExternalSender(sender)
  const { commit, welcome } = speaker.processProposals(APPEND, proposals[0])
  speaker.processCommit(commit)
  listener.processWelcome(welcome)
  ensure(speaker.ready && listener.ready, 'not ready')
  return { speaker, listener }
}

await report(async ({ messages, batches, length }, samples) => {
  const { speaker, listener } = pair()
  const plaintext = Buffer.alloc(length, 7)
  for (let batch = 0; batch < batches; batch += 1) {
    const frames = Array.from({ length: messages })
    samples.timeSync('seal', messages, () => {
      for (let index = 0; index < messages; index += 1) frames[index] = speaker.encryptOpus(plaintext)
    })
    let last
    samples.timeSync('open', messages, () => {
      for (let index = 0; index < messages; index += 1) last = listener.decrypt('1', AUDIO, frames[index])
    })
    ensure(equal(last, plaintext), 'another plaintext came out')
  }
})
