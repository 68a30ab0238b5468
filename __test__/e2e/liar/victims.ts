/** Members of Coterie among a liar's, and how they are to take what they are told. */
import type * as mls from 'ts-mls'
import { encodeRequiredCapabilities, type RequiredCapabilities } from 'ts-mls/requiredCapabilities.js'
import { expect, it, onTestFinished } from 'vitest'

import { Device, type Group } from '../../../dist/mls/index.js'
import { Liar, type Told } from './liar.js'
import { add, type Sent } from './proposals.js'
import { keyPackageOf } from './world.js'

export interface Victim {
  readonly group: Group
  readonly device: Device
}

/** What is told to a victim. */
export interface Story {
  /** What it refuses. */
  readonly lies: readonly { readonly message: Uint8Array }[]
  /** What it believes afterwards; a commit of nothing where nothing is said. */
  readonly truth?: Told
}

/** A device, closed at the end of the test, whose suite is the liar's. */
export async function victimDevice(identity: string): Promise<Device> {
  const device = await Device.create({ identity, suite: 'x25519-aes128gcm-sha256-ed25519' })
  onTestFinished(() => device.close())
  return device
}

/** `others` of the liar's beside the one at leaf 0, and behind them one member that is not. */
export async function among(
  others: number,
  seed: string,
  extensions?: mls.Extension[],
): Promise<{ liar: Liar; victim: Victim }> {
  let liar = await Liar.found(seed, extensions)
  for (let index = 1; index <= others; index += 1) {
    liar = (await liar.commit([add(await liar.keyPackage(`liar-${index}`))], { path: false })).after
  }
  const device = await victimDevice('victim')
  const keyPackage = keyPackageOf(await device.keyPackage())
  const { after } = await liar.commit([add(keyPackage)], { path: false })
  const group = await device.join(await after.welcome(keyPackage))
  onTestFinished(() => {
    group.close()
  })
  return { liar: after, victim: { group, device } }
}

/**
 * A test of lies about one rule: all are refused with that code and for that reason, without a trace, and the truth is
 * believed afterwards. The liar sits at the leaves 0, 1 and 2, the victim at 3.
 */
export function refused(
  name: string,
  code: string,
  reason: RegExp,
  tell: (liar: Liar, victim: Victim) => Promise<Story>,
  extensions?: mls.Extension[],
) {
  // oxlint-disable-next-line vitest/valid-title -- callers name it
  it(name, async () => {
    const { liar, victim } = await among(2, name, extensions)
    const { lies, truth } = await tell(liar, victim)
    for (const { message } of lies) await expectRefused(victim.group, message, code, reason)
    await expectBelieved(victim.group, truth ?? (await liar.commit([])))
  })
}

/** Refused for that reason, and nothing changed by it. */
export async function expectRefused(group: Group, message: Uint8Array, code: string, reason: RegExp) {
  const before = await view(group)
  await expect(group.receive(message)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(reason) as unknown,
  })
  expect(await view(group)).toEqual(before)
}

/** Taken in, and understood as it was meant. */
export async function expectBelieved(group: Group, { message, after }: Told) {
  expect((await group.receive(message)).type).toBe('commit')
  expect(await group.epochAuthenticator()).toEqual(after.epoch.schedule.epochAuthenticator)
}

/** The member at `sender` proposes it, and the victim keeps it: a commit may refer to it. */
export async function proposed(
  liar: Liar,
  { group }: Victim,
  proposal: mls.Proposal,
  sender: number,
): Promise<Sent> {
  const sent = await liar.propose(proposal, sender)
  expect((await group.receive(sent.message)).type).toBe('proposal')
  return sent
}

export const required = (what: Partial<RequiredCapabilities>): mls.Extension => ({
  extensionType: 'required_capabilities',
  extensionData: encodeRequiredCapabilities({
    extensionTypes: [],
    proposalTypes: [],
    credentialTypes: [],
    ...what,
  }),
})

async function view(group: Group) {
  return {
    epoch: group.epoch,
    authenticator: await group.epochAuthenticator(),
    members: await group.members(),
    proposals: await group.pendingProposals(),
  }
}
