/** What a device holds: groups, and key packages that wait to be used. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { CIPHER_SUITES, Device, MemoryDirectory } from '../../dist/mls/index.js'
import { code } from './members.js'

const DAY = 86_400_000

let folder: string
let now: number
let device: Device

const open = (identity = 'alice') =>
  Device.open({
    store: join(folder, `${identity}.db`),
    key: new Uint8Array(32).fill(7),
    identity,
    clock: () => now,
  })

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coterie-'))
  now = Date.UTC(2026, 0, 1)
  device = await open()
})

afterEach(async () => {
  await device.close()
  rmSync(folder, { recursive: true, force: true })
})

test('groups are listed until they are forgotten', async () => {
  expect(await device.groups()).toEqual([])
  const ids = [Uint8Array.of(2), Uint8Array.of(1, 9), new Uint8Array(255).fill(3)]
  for (const id of ids) await device.createGroup({ id })
  const listed = await device.groups()
  expect(listed.map(String).toSorted()).toEqual(ids.map(String).toSorted())
  await device.close()
  device = await open()
  expect(await device.groups()).toEqual(listed)

  const [first, ...others] = listed
  if (first === undefined) throw new Error('no group')
  expect(await device.forgetGroup(first)).toBe(true)
  expect(await device.forgetGroup(first)).toBe(false)
  expect(await device.groups()).toEqual(others)
  expect(await device.openGroup(first)).toBeUndefined()
  await expect(device.forgetGroup(new Uint8Array())).rejects.toThrow(code('INVALID_ARGUMENT'))
})

test('the stock says what to publish, and is content once that was done', async () => {
  const directory = new MemoryDirectory()
  expect(await device.keyPackageStock()).toEqual({
    usable: 0,
    lastResort: 0,
    ending: 0,
    expired: 0,
    wanted: 50,
    wantsLastResort: true,
  })
  const { wanted } = await device.keyPackageStock()
  await device.publish(directory, wanted)
  await device.publish(directory, 1, { lastResort: true })
  expect(await device.keyPackageStock()).toMatchObject({
    usable: 50,
    lastResort: 1,
    wanted: 0,
    wantsLastResort: false,
  })
  expect(await device.keyPackageCount()).toBe(51)
  expect(await device.keyPackageStock({ suite: CIPHER_SUITES[3] })).toMatchObject({ usable: 0, wanted: 50 })
})

test('key packages end, expire and are forgotten by the clock that was given', async () => {
  await device.keyPackages(3)
  now += 75 * DAY
  expect(await device.keyPackageStock()).toMatchObject({ usable: 0, ending: 3, expired: 0, wanted: 50 })
  now += 10 * DAY
  expect(await device.keyPackageStock()).toMatchObject({ ending: 0, expired: 3 })
  expect(await device.keyPackageCount()).toBe(0)
  expect(await device.forgetExpiredKeyPackages()).toBe(0)
  now += 30 * DAY
  expect(await device.forgetExpiredKeyPackages()).toBe(3)
  expect(await device.keyPackageStock()).toMatchObject({ expired: 0 })
})

test('a device that is in a group does not join it from outside but to come back', async () => {
  const group = await device.createGroup()
  const groupInfo = await group.groupInfo()
  await expect(device.joinExternal(groupInfo)).rejects.toThrow(code('MLS_GROUP_EXISTS'))
  expect(group.epoch).toBe(0n)
  group.close()
  const again = await device.joinExternal(groupInfo, { resync: true })
  expect(again.group.epoch).toBe(1n)
  expect(await again.group.members()).toHaveLength(1)
})

test('a key package of last resort joins more than one group, another only one', async () => {
  // Adding still asks the system for the time as well.
  now = Date.now()
  const bob = await open('bob')
  try {
    for (const lastResort of [true, false]) {
      const keyPackage = await bob.keyPackage({ lastResort })
      expect(bob.inspectKeyPackage(keyPackage).lastResort).toBe(lastResort)
      const joins = []
      for (let round = 0; round < 2; round += 1) {
        const group = await device.createGroup()
        const { welcome } = await group.commit({ add: [keyPackage] })
        await group.mergePending()
        if (welcome === undefined) throw new Error('nobody was added')
        joins.push(
          await bob.join(welcome).then(
            () => 'joined',
            (error: { code: string }) => error.code,
          ),
        )
      }
      expect(joins).toEqual(['joined', lastResort ? 'joined' : 'MLS_KEY_PACKAGE_NOT_FOUND'])
    }
  } finally {
    await bob.close()
  }
})

test('what is asked of a closed device is refused, and what was aborted is not begun', async () => {
  const signal = AbortSignal.abort('stop')
  for (const call of [
    () => device.groups({ signal }),
    () => device.forgetGroup(Uint8Array.of(1), { signal }),
    () => device.keyPackageStock({ signal }),
    () => device.keyPackageCount({ signal }),
    () => device.forgetExpiredKeyPackages({ signal }),
    () => device.storePsk('x', Uint8Array.of(1), { signal }),
    () => device.forgetPsk('x', { signal }),
  ]) {
    await expect(call()).rejects.toBe('stop')
  }
  await device.close()
  for (const call of [
    () => device.groups(),
    () => device.keyPackageStock(),
    () => device.keyPackageCount(),
    () => device.forgetExpiredKeyPackages(),
    () => device.storePsk('x', Uint8Array.of(1)),
    () => device.joinExternal(Uint8Array.of(1)),
    () => device.proposeSelf(Uint8Array.of(1)),
  ]) {
    await expect(call()).rejects.toThrow(code('HANDLE_CLOSED'))
  }
})
