import { describe, expectTypeOf, it } from 'vitest'

import {
  type DurableEvent,
  GroupNode,
  type GroupNodeEvent,
  type GroupText,
  MemoryNetwork,
  type Parcel,
} from '../../ts/gbp/index.js'
import type { Played } from '../../ts/gap/index.js'
import type { Signal } from '../../ts/gsp/index.js'
import type { CoterieError } from '../../ts/index.js'
import type { Device } from '../../ts/mls/index.js'

type EventOf<Type extends GroupNodeEvent['type']> = Extract<GroupNodeEvent, { type: Type }>

declare const device: Device
declare const node: GroupNode

describe('a node', () => {
  it('is made by functions, by somebody with a number', () => {
    // @ts-expect-error the constructor is private
    expectTypeOf(new GroupNode()).toBeObject()
    expectTypeOf(GroupNode.create).toBeCallableWith(device, { member: 1 })
    expectTypeOf(GroupNode.create).toBeCallableWith(device, { member: 1, profile: 'interop', history: false })
    // @ts-expect-error a founder has a number
    expectTypeOf(GroupNode.create).toBeCallableWith(device, {})
    // @ts-expect-error there is no such profile
    expectTypeOf(GroupNode.create).toBeCallableWith(device, { member: 1, profile: 'open' })
    expectTypeOf(GroupNode.join).returns.resolves.toEqualTypeOf<GroupNode>()
    expectTypeOf(GroupNode.open).returns.resolves.toEqualTypeOf<GroupNode | undefined>()
    expectTypeOf(node.epoch).toEqualTypeOf<bigint>()
    expectTypeOf(node.coordinator).toEqualTypeOf<number | undefined>()
    expectTypeOf(new MemoryNetwork()).toEqualTypeOf<MemoryNetwork>()
  })

  it('gives out parcels that say what they are', () => {
    expectTypeOf(node.frames()).toEqualTypeOf<AsyncIterableIterator<Parcel, undefined>>()
    expectTypeOf<Extract<Parcel, { type: 'admission' }>['to']>().toEqualTypeOf<number>()
    expectTypeOf<Extract<Parcel, { type: 'frame' }>['to']>().toEqualTypeOf<'all' | number>()
    expectTypeOf<Extract<Parcel, { type: 'admission' }>>().not.toHaveProperty('streamClass')
  })

  it('tells events that say what they are', () => {
    expectTypeOf(node.events()).toEqualTypeOf<AsyncIterableIterator<GroupNodeEvent, undefined>>()
    expectTypeOf<DurableEvent['type']>().toEqualTypeOf<
      'text' | 'signal' | 'attachment' | 'joined' | 'left' | 'epoch' | 'removed' | 'lost'
    >()
    expectTypeOf<EventOf<'text'>['message']['id']>().toEqualTypeOf<bigint>()
    expectTypeOf<EventOf<'text'>['relayedBy']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<EventOf<'signal'>['message']['signal']>().toEqualTypeOf<Signal>()
    expectTypeOf<EventOf<'refused'>['error']>().toEqualTypeOf<CoterieError>()
    expectTypeOf<EventOf<'missed'>['count']>().toEqualTypeOf<bigint>()
    expectTypeOf<EventOf<'audio'>['frame']>().toEqualTypeOf<Uint8Array>()
    expectTypeOf<Extract<EventOf<'coordinator'>, { change: 'silent' | 'became' }>>().not.toHaveProperty(
      'member',
    )
  })

  it('sends text, audio at once, and typed signals', () => {
    expectTypeOf(node.text).toEqualTypeOf<GroupText>()
    expectTypeOf(node.text.send).toBeCallableWith('hello')
    expectTypeOf(node.text.send).toBeCallableWith({ text: 'hello', codec: 'protobuf' }, { to: 2 })
    // @ts-expect-error nothing is said
    expectTypeOf(node.text.send).toBeCallableWith({})
    expectTypeOf(node.text.send('hello')).resolves.toEqualTypeOf<bigint>()
    expectTypeOf(node.text.sendAll(['hello', { text: 'again' }])).resolves.toEqualTypeOf<bigint[]>()
    expectTypeOf(node.receiveAll([new Uint8Array()])).resolves.toEqualTypeOf<number>()
    expectTypeOf(node.audio.send).returns.toEqualTypeOf<boolean>()
    expectTypeOf(node.audio.play()).toEqualTypeOf<Played[]>()
    expectTypeOf(node.signals.send).toBeCallableWith({ type: 'mute', target: 3 }, { awaited: [3] })
    // @ts-expect-error whom?
    expectTypeOf(node.signals.send).toBeCallableWith({ type: 'mute' })
  })
})
