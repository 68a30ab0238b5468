/** Every call of the published package's API, as its users write it. */
import { describe, expectTypeOf, it } from 'vitest'

import {
  AES_128_GCM,
  AES_256_GCM,
  CapabilitiesNegotiator,
  ControlOpcode,
  encodeGbpFrame,
  GapClient,
  GroupNode,
  GspClient,
  GtpClient,
  JitterBuffer,
  lastError,
  lookupError,
  MessageHistory,
  MlsContext,
  NodeState,
  PayloadCodec,
  Permissions,
  RoleError,
  RoleRegistry,
  type SFrameEncryptor,
  SFrameSession,
  SignalType,
  StreamType,
  version,
  Watermark,
  type AudioFrame,
  type GapAcceptResult,
  type GspAcceptResult,
  type GtpAcceptResult,
  type JitterPushOutcome,
  type JitterPushResult,
  type MessageEntry,
  type NodeEvent,
  type OutboundFrame,
  type RoleSpec,
  type SFrameCipherSuite,
  type SFrameDecryptResult,
} from '../../ts/compat/index.js'

declare const mls: MlsContext
declare const node: GroupNode
declare const some: Buffer

describe('the published API', () => {
  it('functions and constants', () => {
    expectTypeOf(version()).toEqualTypeOf<string>()
    expectTypeOf(lastError()).toEqualTypeOf<string>()
    expectTypeOf(encodeGbpFrame(1, some, 1n, 0, StreamType.Text, 101, 7, 1, some)).toEqualTypeOf<Buffer>()
    expectTypeOf(encodeGbpFrame(1, some, 1, 0, 2, 101, 7, 1, some)).toEqualTypeOf<Buffer>()
    expectTypeOf(lookupError(3)).toEqualTypeOf<Buffer | null>()
    expectTypeOf(PayloadCodec.FlatBuffers).toEqualTypeOf<2>()
    const codec: PayloadCodec = PayloadCodec.Protobuf
    const state: NodeState = NodeState.EstablishingGroup
    const opcode: ControlOpcode = ControlOpcode.Nack
    const signal: SignalType = SignalType.CodecUpdate
    const stream: StreamType = StreamType.Signal
    const suites: SFrameCipherSuite[] = [AES_128_GCM, AES_256_GCM]
    const mask: Permissions = Permissions.SendText | Permissions.CloseGroup
    expectTypeOf([codec, state, opcode, signal, stream, mask]).toEqualTypeOf<number[]>()
    expectTypeOf(suites).toEqualTypeOf<(0 | 1)[]>()
    expectTypeOf(NodeState[node.state]).toEqualTypeOf<string | undefined>()
  })

  it('MlsContext', () => {
    using context = MlsContext.create('alice')
    expectTypeOf(context.identity).toEqualTypeOf<string>()
    expectTypeOf(context.epoch).toEqualTypeOf<bigint>()
    expectTypeOf(context.groupId).toEqualTypeOf<Buffer>()
    expectTypeOf(context.exportKeyPackage()).toEqualTypeOf<Buffer>()
    expectTypeOf(context.invite(some)).toEqualTypeOf<Buffer>()
    expectTypeOf(context.inviteFull(some)).toEqualTypeOf<{ commit: Buffer; welcome: Buffer }>()
    expectTypeOf(context.removeMember(1)).toEqualTypeOf<Buffer>()
    expectTypeOf(context.processMessage(some)).toEqualTypeOf<
      'commit' | 'application' | 'proposal' | 'external'
    >()
    expectTypeOf(context.finalizeCommit()).toEqualTypeOf<void>()
    expectTypeOf(context.clearPendingCommit()).toEqualTypeOf<void>()
    expectTypeOf(context.acceptWelcome(some)).toEqualTypeOf<void>()
    expectTypeOf(context.exportState()).toEqualTypeOf<Buffer>()
    expectTypeOf(MlsContext.restoreState(some)).toEqualTypeOf<MlsContext>()
    expectTypeOf(MlsContext.restoreState(some, 'alice')).toEqualTypeOf<MlsContext>()
    expectTypeOf(context.close()).toEqualTypeOf<void>()
  })

  it('GroupNode and its events', () => {
    using made = GroupNode.create(1, some)
    expectTypeOf(made.memberId).toEqualTypeOf<number>()
    expectTypeOf(made.groupId).toEqualTypeOf<Buffer>()
    expectTypeOf(made.state).toEqualTypeOf<NodeState>()
    expectTypeOf(made.epoch).toEqualTypeOf<bigint>()
    expectTypeOf(made.lastTransitionId).toEqualTypeOf<number>()
    made.bootstrapAsCreator(0n)
    made.bootstrapAsCreator(0)
    made.bootstrapAsJoiner(1n)
    made.bootstrapAsJoiner(1, 7)
    made.setEpochForTesting(2)
    made.setEpochForTesting(2n)
    made.applyTransition(1)
    expectTypeOf(made.sendControl(mls, 0, ControlOpcode.Ack, 1, 2)).toEqualTypeOf<OutboundFrame>()
    expectTypeOf(made.sendControl(mls, 0, 1, 1, 2, some)).toEqualTypeOf<OutboundFrame>()
    expectTypeOf(made.onWire(mls, some)).toEqualTypeOf<NodeEvent[]>()
    expectTypeOf(made.drainEvents()).toEqualTypeOf<NodeEvent[]>()
    made.close()
    expectTypeOf(made.handle).toEqualTypeOf<number>()
    expectTypeOf<OutboundFrame>().toEqualTypeOf<{ target: number; wire: Buffer }>()
    expectTypeOf<NodeEvent['kind']>().toEqualTypeOf<string>()
    type Text = 'fromState' | 'toState' | 'streamTypeName' | 'opcode' | 'codeHex' | 'reason'
    type Whole = 'streamType' | 'streamId' | 'sequenceNo' | 'flags' | 'codec' | 'sender' | 'opcodeCode'
    type More = 'transitionId' | 'requestId' | 'code' | 'classCode' | 'claimant'
    expectTypeOf<NodeEvent[Text]>().toEqualTypeOf<string | undefined>()
    expectTypeOf<NodeEvent[Whole | More]>().toEqualTypeOf<number | undefined>()
    expectTypeOf<NodeEvent['retryable' | 'fatal']>().toEqualTypeOf<boolean | undefined>()
    expectTypeOf<NodeEvent['plaintext' | 'args']>().toEqualTypeOf<Buffer | undefined>()
    expectTypeOf<NodeEvent['epoch']>().toEqualTypeOf<bigint | undefined>()
  })

  it('the three clients', () => {
    using text = GtpClient.create()
    expectTypeOf(text.send(node, mls, 2, 1n, 'hello')).toEqualTypeOf<OutboundFrame>()
    text.send(node, mls, 2, 1n, 'hello', PayloadCodec.Cbor)
    expectTypeOf(text.accept(some, 1n)).toEqualTypeOf<GtpAcceptResult>()
    text.accept(some, 1, PayloadCodec.Protobuf)
    text.reset()
    using audio = GapClient.create()
    expectTypeOf(audio.send(node, mls, 0, 1, 960n, some)).toEqualTypeOf<OutboundFrame>()
    audio.send(node, mls, 0, 1, 960n, some, PayloadCodec.FlatBuffers)
    expectTypeOf(audio.accept(some, 1n)).toEqualTypeOf<GapAcceptResult>()
    audio.accept(some, 1, 2)
    audio.reset()
    using signals = GspClient.create()
    expectTypeOf(signals.send(node, mls, 0, SignalType.Join, 0, 1)).toEqualTypeOf<OutboundFrame>()
    signals.send(node, mls, 0, 100, 0, 1, PayloadCodec.Cbor)
    expectTypeOf(
      signals.sendWithArgs(node, mls, 0, SignalType.Mute, 0, 1, some),
    ).toEqualTypeOf<OutboundFrame>()
    signals.sendWithArgs(node, mls, 0, SignalType.Mute, 0, 1, some, PayloadCodec.Cbor)
    expectTypeOf(signals.accept(some, 1n)).toEqualTypeOf<GspAcceptResult>()
    signals.accept(some, 1, PayloadCodec.Cbor)
    signals.reset()
    expectTypeOf<GtpAcceptResult['status' & keyof GapAcceptResult]>().toEqualTypeOf<string>()
    expectTypeOf<GtpAcceptResult['messageId']>().toEqualTypeOf<bigint | undefined>()
    expectTypeOf<GapAcceptResult['opus']>().toEqualTypeOf<Buffer | undefined>()
    expectTypeOf<GapAcceptResult['bytes']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<GapAcceptResult['rtpTimestamp']>().toEqualTypeOf<bigint | undefined>()
    expectTypeOf<GspAcceptResult['args']>().toEqualTypeOf<Buffer | undefined>()
    type Ids = GspAcceptResult['sender' | 'signalCode' | 'roleClaim' | 'requestId']
    expectTypeOf<Ids>().toEqualTypeOf<number | undefined>()
  })

  it('SFrame', () => {
    using session = SFrameSession.create(mls)
    SFrameSession.create(mls, 'label')
    SFrameSession.create(mls, 'label', AES_256_GCM)
    expectTypeOf(session.createEncryptor(mls, 0)).toEqualTypeOf<SFrameEncryptor>()
    session.createEncryptor(mls, 0, 'label')
    using encryptor = session.createEncryptor(mls, 0, 'label', AES_128_GCM)
    expectTypeOf(encryptor.encrypt(some)).toEqualTypeOf<Buffer>()
    expectTypeOf(encryptor.encrypt(some, some)).toEqualTypeOf<Buffer>()
    expectTypeOf(session.decrypt(some)).toEqualTypeOf<SFrameDecryptResult>()
    expectTypeOf(session.decrypt(some, some)).toEqualTypeOf<{ plaintext: Buffer; senderLeaf: number }>()
  })

  it('the helpers', () => {
    const entry: MessageEntry = { senderId: 1, messageId: 2n, text: 'x' }
    const history = new MessageHistory(10)
    const watermark = new Watermark()
    expectTypeOf(history.length).toEqualTypeOf<number>()
    expectTypeOf(history.push(entry)).toEqualTypeOf<boolean>()
    expectTypeOf(history.contains(1, 2n)).toEqualTypeOf<boolean>()
    for (const one of history.since(watermark)) expectTypeOf(one).toEqualTypeOf<MessageEntry>()
    for (const one of history.sinceForSender(1, 2n)) expectTypeOf(one).toEqualTypeOf<MessageEntry>()
    history.clear()
    expectTypeOf(watermark.observe(1, 2n)).toEqualTypeOf<void>()
    expectTypeOf(watermark.lastSeen(1)).toEqualTypeOf<bigint | null>()
    expectTypeOf(watermark.snapshot()).toEqualTypeOf<Map<number, bigint>>()
    expectTypeOf(watermark.size).toEqualTypeOf<number>()
    watermark.clear()
    const frame: AudioFrame = { mediaSourceId: 1, rtpSequence: 2, plaintext: some }
    const jitter = new JitterBuffer(8)
    expectTypeOf(jitter.push(frame)).toEqualTypeOf<JitterPushResult>()
    expectTypeOf<JitterPushOutcome>().toEqualTypeOf<'accepted' | 'late' | 'evicted'>()
    expectTypeOf(jitter.popInOrder(1)).toEqualTypeOf<AudioFrame | null>()
    expectTypeOf(jitter.popForce(1)).toEqualTypeOf<AudioFrame | null>()
    expectTypeOf(jitter.lengthFor(1)).toEqualTypeOf<number>()
    jitter.clear()
    const spec: RoleSpec = { id: 1, name: 'x', permissions: Permissions.Invite | Permissions.SendText }
    const roles = new RoleRegistry()
    roles.define(spec)
    roles.defineRole(1, 'x', Permissions.AssignRoles)
    expectTypeOf(roles.role(1)).toEqualTypeOf<RoleSpec | undefined>()
    for (const role of roles.allRoles()) expectTypeOf(role).toEqualTypeOf<RoleSpec>()
    roles.assign(1, 1)
    expectTypeOf(roles.roleOf(1)).toEqualTypeOf<RoleSpec | undefined>()
    expectTypeOf(roles.permissionsOf(1)).toEqualTypeOf<Permissions>()
    expectTypeOf(roles.require(1, Permissions.MuteOthers)).toEqualTypeOf<void>()
    expectTypeOf(roles.has(1, Permissions.RemoveMembers)).toEqualTypeOf<boolean>()
    expectTypeOf(new RoleError('x')).toExtend<Error>()
    const capabilities = new CapabilitiesNegotiator()
    capabilities.advertise(1, ['a'])
    capabilities.advertise(1, new Set(['a']))
    capabilities.forget(1)
    expectTypeOf(capabilities.capabilitiesOf(1)).toEqualTypeOf<Set<string> | null>()
    expectTypeOf(capabilities.groupSupports('a')).toEqualTypeOf<boolean>()
    expectTypeOf(capabilities.intersection()).toEqualTypeOf<Set<string>>()
    expectTypeOf(capabilities.union()).toEqualTypeOf<Set<string>>()
    expectTypeOf(capabilities.missing('a')).toEqualTypeOf<number[]>()
    expectTypeOf(capabilities.size).toEqualTypeOf<number>()
  })
})
