import { describe, expectTypeOf, it } from 'vitest'

import {
  type AttachedLink,
  generateLinkIdentity,
  type GroupNode,
  Link,
  type LinkIdentity,
  type LinkKind,
  type LinkListener,
  LinkNetwork,
  type ReceivedFrame,
  type StreamClass,
} from '../../ts/gbp/index.js'
import type { CoterieError } from '../../ts/index.js'

declare const node: GroupNode
declare const link: Link
declare const identity: LinkIdentity
declare const trust: Uint8Array
declare const signal: AbortSignal
const address = '127.0.0.1:0'

describe('a link', () => {
  it('is made by connecting to a peer that must be somebody, but over TCP', () => {
    expectTypeOf(Link.connect).toBeCallableWith({ kind: 'tcp', address })
    expectTypeOf(Link.connect).toBeCallableWith({ kind: 'published', address, trust, name: 'friends' })
    expectTypeOf(Link.connect).toBeCallableWith({ kind: 'quic', address, trust: [trust], identity, signal })
    // @ts-expect-error nobody is trusted
    expectTypeOf(Link.connect).toBeCallableWith({ kind: 'quic', address })
    // @ts-expect-error there is no such kind
    expectTypeOf(Link.connect).toBeCallableWith({ kind: 'udp', address, trust })
    expectTypeOf(Link.connect).returns.resolves.toEqualTypeOf<Link>()
    expectTypeOf<LinkKind>().toEqualTypeOf<'tcp' | 'published' | 'quic'>()
  })

  it('comes from a listener that is somebody', () => {
    expectTypeOf(Link.listen).toBeCallableWith({ kind: 'quic', address, identity, trust })
    expectTypeOf(Link.listen).toBeCallableWith({ kind: 'tcp', address })
    // @ts-expect-error a server has a certificate
    expectTypeOf(Link.listen).toBeCallableWith({ kind: 'published', address })
    expectTypeOf(Link.listen).returns.resolves.toEqualTypeOf<LinkListener>()
    expectTypeOf<LinkListener['links']>().returns.toEqualTypeOf<AsyncIterableIterator<Link, undefined>>()
    expectTypeOf(generateLinkIdentity({ name: 'friends' })).toEqualTypeOf<LinkIdentity>()
  })

  it('carries bytes with a class', () => {
    expectTypeOf(link.send).toBeCallableWith(new Uint8Array(), 'audio', { signal })
    // @ts-expect-error a frame has a class
    expectTypeOf(link.send).toBeCallableWith(new Uint8Array())
    expectTypeOf(link.frames()).toEqualTypeOf<AsyncIterableIterator<ReceivedFrame, undefined>>()
    expectTypeOf<ReceivedFrame['streamClass']>().toEqualTypeOf<StreamClass | undefined>()
    expectTypeOf(link.peer).toEqualTypeOf<Uint8Array | undefined>()
    expectTypeOf(link).toExtend<AsyncDisposable>()
  })
})

describe('a network over links', () => {
  it('is of a node, and says who is at the other end', () => {
    const network = LinkNetwork.of(node, { forward: true })
    // @ts-expect-error the constructor is private
    expectTypeOf(new LinkNetwork(node)).toBeObject()
    expectTypeOf(network.attach).toBeCallableWith(link, { member: 2, signal })
    expectTypeOf(network.attach).returns.resolves.toEqualTypeOf<AttachedLink>()
    expectTypeOf<AttachedLink['ended']>().resolves.toEqualTypeOf<CoterieError | undefined>()
    expectTypeOf(network.members).toEqualTypeOf<number[]>()
  })
})
