const { CoterieError } = require('coterie')
const mls = require('coterie/mls')
const { SFrameSession } = require('coterie/sframe')

const story = require('./story.js')

async function run() {
  await story(mls, SFrameSession)
  const error = await mls.Device.create({ identity: '' }).catch((thrown) => thrown)
  if (!(error instanceof CoterieError)) throw error
  console.log(`refused: ${error.code}`)
}

run().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
