import { CoterieError, type ErrorCode } from 'coterie'
import { Device, type Group } from 'coterie/mls'

export async function start(): Promise<ErrorCode | Group> {
  try {
    const device: Device = await Device.create({ identity: 'alice' })
    return await device.createGroup()
  } catch (error) {
    if (CoterieError.is(error)) return error.code
    throw error
  }
}
