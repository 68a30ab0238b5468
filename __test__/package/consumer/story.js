/** What both programs do with the module they loaded: two devices, one group, one message each way. */
module.exports = async function story({ Device }) {
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
  for (const handle of [hers, his, alice, bob]) handle.close()
}
