/** The published enums. All of them exist at run time, in either direction; numbers are taken wherever they are. */

function both<const Values extends Readonly<Record<string, number>>>(
  values: Values,
): Values & Readonly<Record<number, string>> {
  const names = Object.entries(values).map(([name, value]) => [String(value), name])
  return Object.freeze({ ...values, ...(Object.fromEntries(names) as Record<number, string>) })
}

/** How a payload is encoded. */
export const PayloadCodec = both({ Cbor: 0, Protobuf: 1, FlatBuffers: 2 })
/** How a payload is encoded. */
export type PayloadCodec = number

/** What a stream carries. */
export const StreamType = both({ Control: 0, Audio: 1, Text: 2, Signal: 3 })
/** What a stream carries. */
export type StreamType = number

/** Where a node is in its life. Here a node is idle or active. */
export const NodeState = both({
  Idle: 0,
  Connecting: 1,
  EstablishingGroup: 2,
  Active: 3,
  Resyncing: 4,
  Failed: 5,
  Closed: 6,
})
/** Where a node is in its life. */
export type NodeState = number

/** What a control message asks for. */
export const ControlOpcode = both({
  PrepareTransition: 1,
  ReadyForTransition: 2,
  ExecuteTransition: 3,
  AbortTransition: 4,
  GroupStateDigestRequest: 5,
  GroupStateDigestResponse: 6,
  ReportInvalidCommit: 7,
  CapabilitiesAdvertise: 8,
  Ack: 9,
  Nack: 10,
})
/** What a control message asks for. */
export type ControlOpcode = number

/** What a signal says. */
export const SignalType = both({
  Join: 100,
  Leave: 101,
  RoleChange: 102,
  Mute: 200,
  Unmute: 201,
  StreamStart: 300,
  StreamStop: 301,
  CodecUpdate: 400,
})
/** What a signal says. */
export type SignalType = number

/** Media frames under AES-128-GCM. */
export const AES_128_GCM = 0
/** Media frames under AES-256-GCM. */
export const AES_256_GCM = 1
/** How media frames are sealed. */
export type SFrameCipherSuite = 0 | 1

/** What a role allows: bits. */
export const Permissions = Object.freeze({
  None: 0,
  SendText: 1,
  SendAudio: 2,
  SendSignal: 4,
  MuteOthers: 8,
  AssignRoles: 16,
  Invite: 32,
  RemoveMembers: 64,
  CloseGroup: 128,
} as const)
/** What a role allows: bits. */
export type Permissions = number
