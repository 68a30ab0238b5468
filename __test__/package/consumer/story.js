/** What both programs do with the module they loaded: two devices, one group, one message each way and a media frame. */
module.exports = async function story({ Device }, SFrameSession) {
  const alice = await Device.create({ identity: 'alice' })
  const bob = await Device.create({ identity: 'bob' })

  const hers = await alice.createGroup()
  const { welcome } = await hers.commit({ add: [await bob.keyPackage()] })
  await hers.mergePending()
  const his = await bob.join(welcome)

  for (const [sender, receiver, name, text] of [
    [hers, his, 'bob', 'hello'],
    [his, hers, 'alice', 'hello yourself'],
  ]) {
    const received = await receiver.receive(await sender.encrypt(text))
    console.log(`${name} reads: ${new TextDecoder().decode(received.plaintext)}`)
  }
  const speaks = await SFrameSession.open(hers)
  const hears = await SFrameSession.open(his)
  const { leaf, plaintext } = hears.decrypt((await speaks.encryptor()).encrypt(new Uint8Array(3)))
  console.log(`bob hears: ${plaintext.length} bytes from leaf ${leaf}`)
  for (const handle of [speaks, hears, hers, his, alice, bob]) handle.close()
}
