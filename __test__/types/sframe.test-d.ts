import { describe, expectTypeOf, it } from 'vitest'

import type { Device, Group } from '../../ts/mls/index.js'
import {
  type SFRAME_SUITES,
  SFrameSession,
  type BaseKey,
  type DecryptBatch,
  type DecryptResult,
  type EncryptBatch,
  type EncryptorOptions,
  type ErrorCode,
  type MetadataOptions,
  type OpenedFrame,
  type OpenedInto,
  type refusalOf,
  type SFrameEncryptor,
  type SFrameOptions,
  type SFrameSuite,
} from '../../ts/sframe/index.js'

declare const session: SFrameSession
declare const encryptor: SFrameEncryptor
declare const group: Group
declare const device: Device

describe('coterie/sframe', () => {
  it('opens sessions for groups and for keys', () => {
    expectTypeOf(SFrameSession.open).parameter(0).toEqualTypeOf<Group>()
    expectTypeOf(SFrameSession.open).parameter(1).toEqualTypeOf<SFrameOptions | undefined>()
    expectTypeOf(SFrameSession.open(group)).resolves.toEqualTypeOf<SFrameSession>()
    expectTypeOf(SFrameSession.fromKey).parameter(0).toEqualTypeOf<Device>()
    expectTypeOf(SFrameSession.fromKey).parameter(1).toEqualTypeOf<BaseKey>()
    // @ts-expect-error a key of the caller's has no label
    void SFrameSession.fromKey(device, { baseKey: new Uint8Array(16), epoch: 1n }, { label: 'x' })
    // @ts-expect-error an epoch is a bigint
    void SFrameSession.fromKey(device, { baseKey: new Uint8Array(16), epoch: 1 })
    // @ts-expect-error sessions are opened
    void new SFrameSession()
  })

  it('answers at once where frames are concerned, and with bigints where numbers have 64 bits', () => {
    expectTypeOf(session.encryptor).returns.resolves.toEqualTypeOf<SFrameEncryptor>()
    expectTypeOf(session.encryptor).parameter(0).toEqualTypeOf<EncryptorOptions | undefined>()
    expectTypeOf(session.epoch).toEqualTypeOf<bigint>()
    expectTypeOf(session.suite).toEqualTypeOf<SFrameSuite>()
    expectTypeOf(session.decrypt).returns.toEqualTypeOf<OpenedFrame>()
    expectTypeOf(session.decrypt).parameter(1).toEqualTypeOf<MetadataOptions | undefined>()
    expectTypeOf(session.decryptInto).returns.toEqualTypeOf<OpenedInto>()
    expectTypeOf(session.decryptBatch).parameter(0).toEqualTypeOf<DecryptBatch>()
    expectTypeOf(session.decryptBatch).returns.toBeNumber()
    expectTypeOf(session.forgetPast).returns.toBeVoid()
    expectTypeOf(encryptor.keyId).toEqualTypeOf<bigint>()
    expectTypeOf(encryptor.counter).toEqualTypeOf<bigint | undefined>()
    expectTypeOf(encryptor.remaining).toEqualTypeOf<bigint>()
    expectTypeOf(encryptor.leaf).toBeNumber()
    expectTypeOf(encryptor.overhead).toBeNumber()
    expectTypeOf(encryptor.encrypt).returns.toEqualTypeOf<Uint8Array>()
    expectTypeOf(encryptor.encryptInto).returns.toBeNumber()
    expectTypeOf(encryptor.encryptAll).returns.toEqualTypeOf<Uint8Array[]>()
    expectTypeOf(encryptor.encryptBatch).parameter(0).toEqualTypeOf<EncryptBatch>()
    expectTypeOf(session).toExtend<Disposable>()
    expectTypeOf(encryptor).toExtend<Disposable>()
  })

  it('tells what was opened from what was refused', () => {
    const [result] = session.decryptAll([])
    expectTypeOf(result).toEqualTypeOf<DecryptResult | undefined>()
    if (result?.type === 'opened') expectTypeOf(result.plaintext).toEqualTypeOf<Uint8Array>()
    if (result?.type === 'refused') expectTypeOf(result.error.code).toEqualTypeOf<ErrorCode>()
    expectTypeOf<ReturnType<typeof refusalOf>>().toEqualTypeOf<ErrorCode | undefined>()
    expectTypeOf<SFrameSuite>().toEqualTypeOf<keyof typeof SFRAME_SUITES>()
  })
})
