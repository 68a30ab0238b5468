import { CoterieError, type ErrorCode } from 'coterie'
import { GroupNode, type MlsContext, type NodeEvent, PayloadCodec } from 'coterie/compat'
import { Device, type Group, type GroupEvent } from 'coterie/mls'
import { SFrameSession, type OpenedFrame } from 'coterie/sframe'

export async function read(group: Group, signal: AbortSignal): Promise<string[]> {
  const lines: string[] = []
  for await (const event of group.events({ signal })) lines.push(describe(event))
  return lines
}

function describe(event: GroupEvent): string {
  switch (event.type) {
    case 'message':
      return `${event.sender.name ?? '?'}: ${event.plaintext.byteLength} bytes in epoch ${event.epoch satisfies bigint}`
    case 'proposal':
    case 'commit-staged':
    case 'epoch-changed':
    case 'succeeded':
      return event.type
  }
}

export async function start(): Promise<ErrorCode | Group> {
  try {
    const device = await Device.create({ identity: 'alice' })
    return await device.createGroup()
  } catch (error) {
    if (CoterieError.is(error)) return error.code
    throw error
  }
}

// @ts-expect-error a device has an identity
export const incomplete = Device.create({})

export async function hear(group: Group, payload: Uint8Array): Promise<OpenedFrame> {
  const session = await SFrameSession.open(group, { suite: 'aes256gcm-sha512' })
  return session.decrypt(payload)
}

export const codec: PayloadCodec = PayloadCodec.FlatBuffers

export function take(mls: MlsContext, wire: Buffer): NodeEvent[] {
  const node = GroupNode.create(1, mls.groupId)
  node.bootstrapAsCreator(mls.epoch)
  return node.onWire(mls, wire)
}
