import { CoterieError } from 'coterie'
import * as mls from 'coterie/mls'
import { SFrameSession } from 'coterie/sframe'

import story from './story.js'

await story(mls, SFrameSession)

try {
  await mls.Device.create({ identity: '' })
} catch (error) {
  if (!(error instanceof CoterieError)) throw error
  console.log(`refused: ${error.code}`)
}
