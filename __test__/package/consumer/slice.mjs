import { CoterieError } from 'coterie'
import * as mls from 'coterie/mls'

import story from './story.js'

await story(mls)

try {
  await mls.Device.create({ identity: '' })
} catch (error) {
  if (!(error instanceof CoterieError)) throw error
  console.log(`refused: ${error.code}`)
}
