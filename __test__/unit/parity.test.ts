/**
 * Everything that users of the published bindings can do, by the 51 rows of the list that was made of it, and where it is here:
 * in the package's own modules, and in `coterie/compat` as far as the published Node package has it. What is named must be there;
 * what each does is tested where it is at home.
 */
import { existsSync, readdirSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import * as compat from '../../dist/compat/index.js'
import * as gap from '../../dist/gap/index.js'
import * as gbp from '../../dist/gbp/index.js'
import * as gsp from '../../dist/gsp/index.js'
import * as gtp from '../../dist/gtp/index.js'
import * as coterie from '../../dist/index.js'
import * as mls from '../../dist/mls/index.js'
import * as sframe from '../../dist/sframe/index.js'
import { at } from '../../scripts/lib/workspace.mjs'

const { Device, Group } = mls
const { GroupNode, GroupText, GroupAudio, GroupSignals, GroupRoles } = gbp
const { MlsContext } = compat

/** The class whose objects have these, whether they are called or read. */
type Has = readonly [of: { readonly prototype: object; readonly name: string }, ...members: string[]]

interface Row {
  readonly what: string
  /** Values and functions of modules, and static members. */
  readonly values?: readonly unknown[]
  /** What objects have. */
  readonly own?: readonly Has[]
  /** The same of `coterie/compat`. */
  readonly compat?: readonly Has[]
  /** Files of the repository. */
  readonly files?: readonly string[]
  /** Why it is not there. */
  readonly missing?: string
}

const ROWS: readonly Row[] = [
  {
    what: 'create an identity and a group of one member',
    values: [Device.create, GroupNode.create, MlsContext.create],
    own: [[Device, 'createGroup']],
  },
  {
    what: 'read the epoch and the group id, members and the own leaf',
    own: [
      [Group, 'epoch', 'id', 'members', 'ownLeaf'],
      [GroupNode, 'epoch', 'groupId', 'members'],
    ],
    compat: [[MlsContext, 'epoch', 'groupId']],
  },
  {
    what: 'export key packages, several, and after a restart',
    values: [Device.open],
    own: [[Device, 'keyPackage', 'keyPackages']],
    compat: [[MlsContext, 'exportKeyPackage']],
  },
  {
    what: 'invite and merge at once, with the commit',
    own: [
      [Group, 'commit', 'mergePending'],
      [GroupNode, 'invite'],
    ],
    compat: [[MlsContext, 'invite']],
  },
  {
    what: 'invite several in one commit',
    own: [
      [Group, 'commit'],
      [GroupNode, 'invite'],
    ],
  },
  {
    what: 'invite in two phases',
    own: [[Group, 'commit', 'mergePending', 'discardPending']],
    compat: [[MlsContext, 'inviteFull', 'finalizeCommit']],
  },
  {
    what: 'remove by leaf, and by member number',
    own: [
      [Group, 'commit'],
      [GroupNode, 'remove'],
    ],
    compat: [[MlsContext, 'removeMember']],
  },
  {
    what: 'process a message of MLS, with its kind',
    own: [[Group, 'receive', 'stage']],
    compat: [[MlsContext, 'processMessage']],
  },
  {
    what: 'finalize or clear a commit',
    own: [[Group, 'mergePending', 'discardPending', 'mergeStaged', 'discardStaged']],
    compat: [[MlsContext, 'finalizeCommit', 'clearPendingCommit']],
  },
  {
    what: 'accept a Welcome',
    values: [GroupNode.join, gbp.makeAdmission],
    own: [[Device, 'join']],
    compat: [[MlsContext, 'acceptWelcome']],
  },
  {
    what: 'export and restore the state of MLS, encrypted',
    values: [Device.open, GroupNode.open, MlsContext.restoreState],
    own: [[Device, 'openGroup', 'rekey']],
    compat: [[MlsContext, 'exportState']],
  },
  {
    what: 'the labelled exporter',
    own: [
      [Group, 'exportSecret'],
      [GroupNode, 'exportSecret'],
    ],
  },
  {
    what: 'create a node and start it as creator or joiner, with the first transition',
    values: [GroupNode.create, GroupNode.join, gbp.readAdmission, compat.GroupNode.create],
    compat: [[compat.GroupNode, 'bootstrapAsCreator', 'bootstrapAsJoiner']],
  },
  {
    what: "a node's state, epoch, last transition and group id",
    own: [[GroupNode, 'state', 'epoch', 'transitionId', 'pendingTransitionId', 'groupId']],
    compat: [[compat.GroupNode, 'state', 'epoch', 'lastTransitionId', 'groupId']],
  },
  {
    what: 'apply a transition by hand: only there, because a node here has its group’s epoch',
    compat: [[compat.GroupNode, 'applyTransition', 'setEpochForTesting']],
  },
  {
    what: 'send control messages',
    own: [
      [GroupNode, 'invite', 'remove', 'update', 'leave', 'handOver', 'claim', 'abort', 'resync', 'advertise'],
    ],
    compat: [[compat.GroupNode, 'sendControl']],
  },
  {
    what: 'feed bytes, get events',
    own: [[GroupNode, 'receive', 'events']],
    compat: [[compat.GroupNode, 'onWire']],
  },
  {
    what: 'drain queued events',
    own: [[GroupNode, 'events', 'acknowledge']],
    compat: [[compat.GroupNode, 'drainEvents']],
  },
  { what: 'control events with arguments and request id', own: [[GroupNode, 'events', 'pendingCommit']] },
  { what: 'events of state, errors, epochs and claims', own: [[GroupNode, 'events']] },
  { what: 'timeouts, and that an election is needed', own: [[GroupNode, 'nextWake', 'wake']] },
  { what: 'claim the coordinator’s role', own: [[GroupNode, 'claim', 'coordinator']] },
  {
    what: 'save and restore outbound numbers',
    values: [GroupNode.open, MlsContext.restoreState],
    own: [[gap.Outbound, 'counts', 'resume']],
    compat: [[MlsContext, 'exportState']],
  },
  {
    what: 'send text in three codecs',
    values: [gbp.PAYLOAD_CODECS],
    own: [
      [GroupText, 'send'],
      [gtp.TextClient, 'send'],
    ],
    compat: [[compat.GtpClient, 'send']],
  },
  {
    what: 'text of other content types, with flags, time and request id',
    values: [gtp.CONTENT_TYPES, gtp.MessageFlags, gtp.encodeText, gtp.decodeText],
    own: [[GroupText, 'send']],
  },
  {
    what: 'take text in without duplicates',
    own: [
      [gtp.TextClient, 'receive'],
      [GroupNode, 'events'],
    ],
    compat: [[compat.GtpClient, 'accept']],
  },
  {
    what: 'attachments',
    values: [gtp.Cut, gtp.encodeManifest, gtp.decodeManifest, gtp.encodeChunk, gtp.decodeChunk],
    own: [
      [GroupText, 'sendAttachment', 'attachment', 'manifest', 'forgetAttachment'],
      [gtp.TextClient, 'sendManifest', 'sendPiece', 'assemble', 'takeOut'],
    ],
  },
  {
    what: 'history and watermark',
    own: [
      [GroupText, 'history', 'watermark', 'catchUp'],
      [gtp.History, 'push', 'contains', 'since'],
      [gtp.Watermark, 'observe', 'lastSeen'],
    ],
    compat: [
      [compat.MessageHistory, 'length', 'push', 'contains', 'since', 'sinceForSender', 'clear'],
      [compat.Watermark, 'observe', 'lastSeen', 'snapshot', 'size', 'clear'],
    ],
  },
  {
    what: 'send Opus in three codecs',
    values: [gap.encodeAudio, gap.ownSource],
    own: [
      [GroupAudio, 'send'],
      [gap.Outbound, 'packet'],
    ],
    compat: [[compat.GapClient, 'send']],
  },
  {
    what: 'take Opus in, with verdict and number',
    own: [[gap.Inbound, 'receive']],
    compat: [[compat.GapClient, 'accept']],
  },
  {
    what: 'the bytes and the time of what was heard',
    values: [gap.decodeAudio],
    own: [[GroupAudio, 'play', 'playout', 'nextPlay']],
    compat: [[compat.GapClient, 'accept']],
  },
  {
    what: 'the jitter buffer',
    own: [
      [gap.JitterBuffer, 'push', 'popInOrder', 'popForce', 'lengthFor', 'clear'],
      [gap.Playout, 'play', 'statistics'],
    ],
    compat: [[compat.JitterBuffer, 'push', 'popInOrder', 'popForce', 'lengthFor', 'clear']],
  },
  {
    what: 'send signals, with typed arguments',
    values: [gsp.encodeSignal, gsp.SIGNAL_NUMBERS],
    own: [
      [GroupSignals, 'send'],
      [gsp.SignalClient, 'give'],
    ],
    compat: [[compat.GspClient, 'send', 'sendWithArgs']],
  },
  {
    what: 'take signals in, with sender, role and request id',
    own: [[gsp.SignalClient, 'receive', 'handleAnswer']],
    compat: [[compat.GspClient, 'accept']],
  },
  {
    what: 'the arguments of what was signalled',
    values: [gsp.decodeSignal],
    compat: [[compat.GspClient, 'accept']],
  },
  {
    what: 'who is in, and who is muted',
    own: [
      [GroupSignals, 'view'],
      [gsp.SignalClient, 'view', 'isMuted', 'publishing'],
    ],
  },
  {
    what: 'roles and permissions',
    values: [gsp.Permissions, compat.Permissions, compat.RoleError],
    own: [
      [GroupRoles, 'define', 'assign', 'all', 'assignments'],
      [gsp.Roles, 'define', 'assign', 'permissionsOf', 'require'],
    ],
    compat: [
      [compat.RoleRegistry, 'define', 'defineRole', 'role', 'allRoles', 'assign', 'roleOf'],
      [compat.RoleRegistry, 'permissionsOf', 'require', 'has'],
    ],
  },
  {
    what: 'capabilities',
    own: [
      [GroupNode, 'advertise'],
      [GroupSignals, 'capabilities', 'negotiator'],
      [gsp.Negotiator, 'advertise', 'forget', 'intersection', 'union', 'groupSupports', 'missing', 'size'],
    ],
    compat: [
      [compat.CapabilitiesNegotiator, 'advertise', 'forget', 'capabilitiesOf', 'groupSupports'],
      [compat.CapabilitiesNegotiator, 'intersection', 'union', 'missing', 'size'],
    ],
  },
  {
    what: 'conformance classes, and forgetting them with the epoch',
    values: [gsp.CONFORMANCE_CLASSES, gsp.classTokens],
    own: [[gsp.Negotiator, 'declareClass', 'groupClass', 'resetForEpoch']],
  },
  {
    what: 'SFrame of a group, in both suites',
    values: [sframe.SFrameSession.open, compat.SFrameSession.create, compat.AES_256_GCM],
    own: [
      [GroupNode, 'media'],
      [sframe.SFrameSession, 'encryptor', 'decrypt'],
      [sframe.SFrameEncryptor, 'encrypt'],
    ],
    compat: [[compat.SFrameSession, 'createEncryptor', 'decrypt']],
  },
  {
    what: 'SFrame from a base key, with counter and key id',
    values: [sframe.SFrameSession.fromKey],
    own: [[sframe.SFrameEncryptor, 'counter', 'keyId']],
  },
  {
    what: 'reset a client',
    own: [
      [gtp.TextClient, 'reset'],
      [gap.Inbound, 'reset'],
      [gsp.SignalClient, 'reset'],
    ],
    compat: [
      [compat.GtpClient, 'reset'],
      [compat.GapClient, 'reset'],
      [compat.GspClient, 'reset'],
    ],
  },
  { what: 'encode and decode raw frames', values: [gbp.encodeFrame, gbp.decodeFrame, compat.encodeGbpFrame] },
  {
    what: 'look up errors, as objects and in CBOR',
    values: [gbp.lookupError, gbp.registeredErrors, gbp.encodeError, gbp.decodeError, compat.lookupError],
  },
  { what: 'version and last error', values: [coterie.version, compat.version, compat.lastError] },
  {
    what: 'choose a codec, and see it in events',
    values: [gbp.PAYLOAD_CODECS, compat.PayloadCodec.FlatBuffers],
  },
  {
    what: 'let go of native memory at a known moment',
    own: [
      [GroupNode, 'close'],
      [Device, 'close'],
      [Group, 'close'],
    ],
    compat: [
      [MlsContext, 'close'],
      [compat.GroupNode, 'close'],
    ],
  },
  { what: 'transports', files: ['crates/transport/src/tcp.rs', 'crates/transport/src/quic.rs'] },
  { what: 'a command-line tool', missing: 'it comes with the client' },
  { what: 'samples that run', files: ['examples/chat.mjs', 'examples/stream.mjs', 'docs/stack.md'] },
  { what: 'prebuilt binaries', files: ['npm/linux-x64-musl', 'npm/win32-arm64-msvc', 'npm/darwin-arm64'] },
]

const PLATFORMS = 8

describe('everything that the published bindings can do', () => {
  it('is listed', () => {
    expect(ROWS).toHaveLength(51)
    expect(ROWS.flatMap(({ missing }) => missing ?? [])).toEqual(['it comes with the client'])
    expect(readdirSync(at('npm'))).toHaveLength(PLATFORMS)
  })

  it.each(ROWS.map((row, index) => ({ row, number: index + 1 })))('row $number: $row.what', ({ row }) => {
    for (const value of row.values ?? []) expect(value).toBeDefined()
    const has = [...(row.own ?? []), ...(row.compat ?? [])]
    const lacking = has.flatMap(([of, ...members]) =>
      members.filter((member) => !(member in of.prototype)).map((member) => `${of.name}.${member}`),
    )
    expect(lacking).toEqual([])
    expect((row.files ?? []).filter((file) => !existsSync(at(file)))).toEqual([])
    const named = [row.values, row.own, row.compat, row.files, row.missing].some(
      (given) => given !== undefined,
    )
    expect(named).toBe(true)
  })
})
