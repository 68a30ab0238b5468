/** Extensions of a group, and those outside whom they let propose. */
import { describe, expect, it } from 'vitest'

import {
  CIPHER_SUITES,
  Device,
  ExternalSigner,
  readGroupInfo,
  type Group,
  type GroupExtension,
} from '../../dist/mls/index.js'
import { code, exactly, names, pair, team } from './members.js'

const PROFILE: GroupExtension = { type: 'other', number: 0xf0c0, data: Uint8Array.of(1, 2, 3) }
const REQUIRED: GroupExtension = {
  type: 'required-capabilities',
  extensions: [0xf0c0],
  proposals: [0x000a],
  credentials: [1],
}

async function agree(alice: Group, bob: Group, extensions: readonly GroupExtension[]): Promise<void> {
  const { commit } = await alice.commit({ extensions })
  await bob.receive(commit)
  await alice.mergePending()
}

describe('extensions', () => {
  it('are committed all at once and read the same by every member', async () => {
    const { alice, bob } = await pair()
    await agree(alice, bob, [REQUIRED, PROFILE])
    for (const group of [alice, bob]) expect(await group.extensions()).toEqual([REQUIRED, PROFILE])
    await agree(bob, alice, [])
    for (const group of [alice, bob]) expect(await group.extensions()).toEqual([])
  })

  it('stay as they are where a commit says nothing of them', async () => {
    const { alice, bob } = await pair()
    await agree(alice, bob, [REQUIRED, PROFILE])
    await bob.receive((await alice.commit({ update: true })).commit)
    await alice.mergePending()
    expect(await bob.extensions()).toEqual([REQUIRED, PROFILE])
  })

  it('are proposed by one member and committed by another, over a channel too', async () => {
    const { alice, bob } = await pair()
    await alice.receive(await bob.proposeExtensions([REQUIRED, PROFILE]))
    expect(await alice.pendingProposals()).toEqual([{ type: 'group-context-extensions' }])
    await bob.receive((await alice.commit()).commit)
    expect(await bob.extensions()).toEqual([REQUIRED, PROFILE])

    const { sessions } = await team(['alice', 'bob'])
    const [first, second] = exactly(sessions)
    const sees = first.events()
    await second.proposeExtensions([REQUIRED, PROFILE])
    await sees.next()
    await first.commit()
    expect(await first.group.extensions()).toEqual([REQUIRED, PROFILE])
  })

  it('that some member cannot follow are refused, and so are broken ones', async () => {
    const { alice } = await pair()
    const refused = [
      // Of a type that is not required of everybody.
      [PROFILE],
      [{ type: 'other', number: 0xff99, data: new Uint8Array() }],
      [PROFILE, PROFILE],
      [{ type: 'required-capabilities', extensions: [0xff99], proposals: [], credentials: [] }],
      [{ type: 'other', number: 3, data: new Uint8Array(7).fill(0xff) }],
      [{ type: 'other', number: 0xf0c0, data: new Uint8Array(64 * 1024 + 1) }],
      Array.from({ length: 65 }, (_, index) => ({
        type: 'other',
        number: 0xf000 + index,
        data: Uint8Array.of(),
      })),
    ] as GroupExtension[][]
    for (const extensions of refused) {
      await expect(alice.commit({ extensions })).rejects.toMatchObject({
        code: expect.stringMatching(/^MLS_(INVALID|UNSUPPORTED|MALFORMED|TOO_LARGE)/) as string,
      })
    }
    expect(await alice.pendingCommit()).toBeUndefined()
    expect(await alice.pendingProposals()).toEqual([])
  })

  it('of the wrong shape are refused by name', async () => {
    const { alice } = await pair()
    for (const [wrong, name] of [
      [{ type: 'other', number: 65_536, data: Uint8Array.of() }, 'extensions[0].number'],
      [{ type: 'other', number: 1 }, 'extensions[0].data'],
      [{ type: 'unknown' }, 'extensions[0].type'],
      [{ type: 'external-senders', senders: [{}] }, 'extensions[0].senders[0].identity'],
      [{ type: 'required-capabilities', extensions: ['x'] }, 'extensions[0].extensions[0]'],
      [7, 'extensions[0]'],
    ] as const) {
      const extensions = [wrong] as unknown as GroupExtension[]
      await expect(alice.commit({ extensions })).rejects.toThrow(code('INVALID_ARGUMENT'))
      await expect(alice.commit({ extensions })).rejects.toThrow(name)
    }
  })
})

describe('an external signer', () => {
  async function admitted(suite = CIPHER_SUITES[1] as (typeof CIPHER_SUITES)[number]) {
    const met = await pair(suite)
    const admin = await ExternalSigner.create({ identity: 'admin', suite })
    const senders = [
      { identity: new TextEncoder().encode('other'), signatureKey: new Uint8Array(32) },
      admin.sender,
    ]
    await agree(met.alice, met.bob, [{ type: 'external-senders', senders }])
    return { ...met, admin, senders, info: await readGroupInfo(await met.alice.groupInfo()) }
  }

  it.each(CIPHER_SUITES)('proposes to add, to remove and to change extensions: %s', async (suite) => {
    const { alice, bob, admin, senders, info } = await admitted(suite)
    expect(info).toMatchObject({ epoch: 2n, suite, groupId: alice.id })
    const carol = await Device.create({ identity: 'carol', suite })
    const extensions: GroupExtension[] = [{ type: 'external-senders', senders }, REQUIRED]
    const proposals = [
      await admin.proposeAdd(await carol.keyPackage(), info),
      await admin.proposeRemove(bob.ownLeaf, info),
      await admin.proposeExtensions(extensions, info),
    ]
    for (const proposal of proposals) {
      expect(await alice.receive(proposal)).toMatchObject({ type: 'proposal', sender: { type: 'outsider' } })
    }
    const { welcome, summary } = await alice.commit()
    expect(summary).toMatchObject({ added: [{ name: 'carol' }], removed: [{ name: 'bob' }] })
    await alice.mergePending()
    if (welcome === undefined) throw new Error('nobody was added')
    const carols = await carol.join(welcome)
    expect(await names(carols)).toEqual(['alice', 'carol'])
    expect(await carols.extensions()).toEqual(extensions)
  })

  it('is the same after it was kept as bytes, and damaged bytes are none', async () => {
    const { alice, bob, admin, info } = await admitted()
    const bytes = admin.toBytes()
    admin.close()
    admin.close()
    expect(() => admin.toBytes()).toThrow(code('HANDLE_CLOSED'))
    await expect(admin.proposeRemove(0, info)).rejects.toThrow(code('HANDLE_CLOSED'))
    const again = ExternalSigner.fromBytes(bytes)
    expect(again.suite).toBe(CIPHER_SUITES[1])
    expect((await alice.receive(await again.proposeRemove(bob.ownLeaf, info))).type).toBe('proposal')
    expect(() => ExternalSigner.fromBytes(bytes.subarray(1))).toThrow(code('MLS_MALFORMED'))
    expect(() => ExternalSigner.fromBytes(new Uint8Array())).toThrow(code('MLS_MALFORMED'))
  })

  it('that the group does not list can propose nothing', async () => {
    const { alice, info, bob } = await admitted()
    const stranger = await ExternalSigner.create({ identity: 'admin' })
    await expect(stranger.proposeRemove(bob.ownLeaf, info)).rejects.toThrow(code('INVALID_ARGUMENT'))
    // Whoever claims to be listed is not believed either.
    const lie = { ...info, extensions: [{ type: 'external-senders', senders: [stranger.sender] }] } as const
    await expect(alice.receive(await stranger.proposeRemove(bob.ownLeaf, lie))).rejects.toMatchObject({
      name: 'CoterieError',
    })
  })

  it('judges key packages by its own clock', async () => {
    const { admin, info } = await admitted()
    const later = ExternalSigner.fromBytes(admin.toBytes(), { clock: () => Date.UTC(2126, 0, 1) })
    const carol = await Device.create({ identity: 'carol' })
    await expect(later.proposeAdd(await carol.keyPackage(), info)).rejects.toThrow(
      code('MLS_INVALID_KEY_PACKAGE'),
    )
  })
})
