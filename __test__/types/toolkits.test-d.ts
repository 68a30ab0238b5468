import { describe, expectTypeOf, it } from 'vitest'

import { encodeFrame, type Frame, type lookupError, type PayloadCodec } from '../../ts/gbp/index.js'
import { type Inbound, type Played, Playout } from '../../ts/gap/index.js'
import {
  encodeSignal,
  type GroupView,
  type ReceivedSignal,
  Roles,
  type Signal,
  type SignalClient,
} from '../../ts/gsp/index.js'
import type { CoterieError, ErrorCode } from '../../ts/index.js'
import { type Cut, type Kept, type ReceivedText, type RowChange, TextClient } from '../../ts/gtp/index.js'

describe('codecs and frames', () => {
  it('have one name each, and numbers of 64 bits are bigints', () => {
    expectTypeOf<PayloadCodec>().toEqualTypeOf<'cbor' | 'protobuf' | 'flatbuffers'>()
    expectTypeOf<Frame['epoch']>().toEqualTypeOf<bigint>()
    expectTypeOf<Frame['payload']>().toEqualTypeOf<Uint8Array>()
    expectTypeOf<NonNullable<ReturnType<typeof lookupError>>['code']>().toEqualTypeOf<ErrorCode>()
    const frame = { groupId: new Uint8Array(16), epoch: 1n, streamId: 1, payload: new Uint8Array() }
    expectTypeOf(encodeFrame).toBeCallableWith({ ...frame, streamClass: 'text' })
    // @ts-expect-error a number is no epoch
    expectTypeOf(encodeFrame).toBeCallableWith({ ...frame, streamClass: 'text', epoch: 1 })
    // @ts-expect-error there is no such class
    expectTypeOf(encodeFrame).toBeCallableWith({ ...frame, streamClass: 'video' })
  })
})

describe('text', () => {
  it('comes in as one of four, by type', () => {
    expectTypeOf<ReceivedText['type']>().toEqualTypeOf<'message' | 'attachment' | 'asked' | 'caught-up'>()
    expectTypeOf<Extract<ReceivedText, { type: 'attachment' }>['progress']['bytes']>().toEqualTypeOf<bigint>()
    expectTypeOf<Extract<ReceivedText, { type: 'caught-up' }>['more']>().toEqualTypeOf<boolean>()
    expectTypeOf<Extract<ReceivedText, { type: 'message' }>>().not.toHaveProperty('progress')
    expectTypeOf<ReceivedText['verdict']>().toEqualTypeOf<'new' | 'duplicate' | 'conflicting' | 'corrected'>()
    expectTypeOf<RowChange['type']>().toEqualTypeOf<'put' | 'remove' | 'remove-all'>()
    expectTypeOf<Kept['position']>().toEqualTypeOf<bigint>()
  })

  it('is text or content, not both and not neither', () => {
    expectTypeOf<TextClient['send']>().toBeCallableWith({ text: 'x' })
    expectTypeOf<TextClient['send']>().toBeCallableWith({ content: new Uint8Array(), contentType: 9 })
    // @ts-expect-error content needs a type
    expectTypeOf<TextClient['send']>().toBeCallableWith({ content: new Uint8Array() })
    // @ts-expect-error nothing is said
    expectTypeOf<TextClient['send']>().toBeCallableWith({})
    // @ts-expect-error who sent it must be said, if only that nobody knows
    expectTypeOf<TextClient['receive']>().toBeCallableWith({ payload: new Uint8Array(), epoch: 1n })
  })

  it('is made by functions, not by constructors, and cannot be made from another', () => {
    // @ts-expect-error the constructor is private
    expectTypeOf(new TextClient()).toBeObject()
    expectTypeOf<TextClient>().not.toExtend<SignalClient>()
    expectTypeOf<Awaited<ReturnType<typeof Cut.of>>>().toEqualTypeOf<Cut>()
  })
})

describe('signals', () => {
  it('have the arguments of their type, and no others', () => {
    expectTypeOf<Extract<Signal, { type: 'mute' }>['target']>().toEqualTypeOf<number>()
    expectTypeOf<Extract<Signal, { type: 'join' }>>().toEqualTypeOf<{ readonly type: 'join' }>()
    expectTypeOf(encodeSignal).toBeCallableWith({
      signal: { type: 'role-change', target: 8, role: 2 },
      requestId: 1,
      sender: 7,
    })
    // @ts-expect-error whom?
    expectTypeOf(encodeSignal).toBeCallableWith({ signal: { type: 'mute' }, requestId: 1, sender: 7 })
  })

  it('are taken, in conflict or refused', () => {
    expectTypeOf<ReceivedSignal['type']>().toEqualTypeOf<'new' | 'duplicate' | 'conflicting' | 'refused'>()
    expectTypeOf<Extract<ReceivedSignal, { type: 'refused' }>['error']>().toEqualTypeOf<CoterieError>()
    expectTypeOf<Extract<ReceivedSignal, { type: 'refused' }>>().not.toHaveProperty('message')
    expectTypeOf<GroupView['muted']>().toEqualTypeOf<readonly number[]>()
    expectTypeOf(new Roles()).toEqualTypeOf<Roles>()
  })
})

describe('audio', () => {
  it('is played by type, and judged with everything of the packet', () => {
    expectTypeOf<Played['type']>().toEqualTypeOf<'packet' | 'missing' | 'silent'>()
    expectTypeOf<Extract<Played, { type: 'packet' }>['frame']>().toEqualTypeOf<Uint8Array>()
    expectTypeOf<ReturnType<Inbound['receive']>['arrival']>().toEqualTypeOf<
      'new' | 'reordered' | 'duplicate' | 'stray'
    >()
    expectTypeOf(new Playout({ clock: Date.now })).toEqualTypeOf<Playout>()
  })
})
