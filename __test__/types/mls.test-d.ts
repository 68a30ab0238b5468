import { describe, expectTypeOf, it } from 'vitest'

import type { ERROR_CODES } from '../../ts/index.js'
import {
  CoterieError,
  Device,
  type ExternalSigner,
  type readGroupInfo,
  type Accepted,
  type Committed,
  type Entrance,
  type ExternalSender,
  type Framing,
  type GroupExtension,
  type GroupInfoSummary,
  type JoinedExternally,
  type KeyPackageStock,
  type MessageHead,
  type PskId,
  type GroupSession,
  type MemoryChannel,
  type MemoryDirectory,
  type AbortOptions,
  type Changes,
  type CipherSuite,
  type CommitSummary,
  type Delivery,
  type Directory,
  type EncryptOptions,
  type ErrorCode,
  type Group,
  type GroupChannel,
  type GroupEvent,
  type Invitation,
  type Member,
  type Proposal,
  type Received,
  type Sender,
  type SessionEvent,
  type Succession,
} from '../../ts/mls/index.js'

/** True where a property of `T` can be assigned to. */
type IsWritable<T, Key extends keyof T> =
  (<U>() => U extends { [K in Key]: T[Key] } ? 1 : 2) extends <U>() => U extends {
    -readonly [K in Key]: T[Key]
  }
    ? 1
    : 2
    ? (<U>() => U extends Pick<T, Key> ? 1 : 2) extends <U>() => U extends { -readonly [K in Key]: T[Key] }
        ? 1
        : 2
      ? true
      : false
    : false
type WritableKeys<T> = { [Key in keyof T]-?: IsWritable<T, Key> extends true ? Key : never }[keyof T]
type Each<Union> = Union extends unknown ? WritableKeys<Union> : never

/** True where `any` hides in a property of `T`. */
type IsAny<T> = 0 extends 1 & T ? true : false
type AnyKeys<T> = { [Key in keyof T]-?: IsAny<T[Key]> extends true ? Key : never }[keyof T]
/** Methods that take or give `any`. */
type AnyMethods<T> = {
  [Key in keyof T]-?: T[Key] extends (...args: infer Args) => infer Result
    ? true extends IsAny<Args[number]> | IsAny<Result> | IsAny<Awaited<Result>>
      ? Key
      : never
    : never
}[keyof T]

describe('the helpers of this file', () => {
  it('see what may be written and what is any', () => {
    expectTypeOf<WritableKeys<{ a: 1; readonly b: 2 }>>().toEqualTypeOf<'a'>()
    expectTypeOf<AnyKeys<{ a: 1; b: ReturnType<typeof JSON.parse> }>>().toEqualTypeOf<'b'>()
    expectTypeOf<AnyMethods<{ a(): void; b(): ReturnType<typeof JSON.parse> }>>().toEqualTypeOf<'b'>()
  })
})

describe('events', () => {
  it('narrow by their type, and a switch over them is exhaustive', () => {
    const see = (event: SessionEvent): string => {
      switch (event.type) {
        case 'message':
          expectTypeOf(event.plaintext).toEqualTypeOf<Uint8Array>()
          expectTypeOf(event.sender).toEqualTypeOf<Member>()
          return event.type
        case 'proposal':
          expectTypeOf(event.proposal).toEqualTypeOf<Proposal>()
          return event.type
        case 'epoch-changed':
          expectTypeOf(event.commit).toEqualTypeOf<CommitSummary>()
          return event.type
        case 'succeeded':
          expectTypeOf(event.succession).toEqualTypeOf<Succession>()
          return event.type
        case 'refused':
          expectTypeOf(event.error).toEqualTypeOf<CoterieError>()
          expectTypeOf(event.position).toEqualTypeOf<bigint>()
          return event.type
      }
    }
    expectTypeOf(see).returns.toEqualTypeOf<string>()
  })

  it('of a group, what was received, proposals and senders have just these types', () => {
    expectTypeOf<GroupEvent['type']>().toEqualTypeOf<
      'message' | 'proposal' | 'commit-staged' | 'epoch-changed' | 'succeeded'
    >()
    expectTypeOf<Received['type']>().toEqualTypeOf<
      'message' | 'proposal' | 'commit' | 'staged' | 'own-echo'
    >()
    expectTypeOf<Proposal['type']>().toEqualTypeOf<
      'add' | 'update' | 'remove' | 'pre-shared-key' | 'group-context-extensions' | 'other'
    >()
    expectTypeOf<Sender['type']>().toEqualTypeOf<'member' | 'outsider'>()
  })

  it('that are unions narrow by their type: extensions and pre-shared keys', () => {
    const seeExtension = (extension: GroupExtension): string => {
      switch (extension.type) {
        case 'required-capabilities':
          expectTypeOf(extension.proposals).toEqualTypeOf<readonly number[]>()
          return extension.type
        case 'external-senders':
          expectTypeOf(extension.senders).toEqualTypeOf<readonly ExternalSender[]>()
          return extension.type
        case 'other':
          expectTypeOf(extension.data).toEqualTypeOf<Uint8Array>()
          return extension.type
      }
    }
    expectTypeOf(seeExtension).returns.toEqualTypeOf<string>()
    expectTypeOf<PskId['type']>().toEqualTypeOf<'external' | 'resumption'>()
    expectTypeOf<{ type: 'resumption'; epoch: bigint }>().toExtend<PskId>()
    expectTypeOf<{ type: 'resumption'; epoch: number }>().not.toExtend<PskId>()
    expectTypeOf<{ type: 'external'; id: string }>().toExtend<PskId>()
    expectTypeOf<MessageHead['content']>().toEqualTypeOf<'application' | 'proposal' | 'commit'>()
    expectTypeOf<Framing['handshake']>().toEqualTypeOf<'encrypted' | 'public'>()
  })

  it('do not offer what belongs to another type', () => {
    const see = (event: GroupEvent) => {
      // @ts-expect-error -- only messages have one
      void event.plaintext
      if (event.type === 'message') return event.plaintext
      return undefined
    }
    expectTypeOf(see).returns.toEqualTypeOf<Uint8Array | undefined>()
  })

  it('cannot be written to', () => {
    expectTypeOf<Each<GroupEvent | SessionEvent | Received | Proposal | Sender>>().toEqualTypeOf<never>()
    expectTypeOf<Each<CommitSummary | Member | Delivery | Invitation>>().toEqualTypeOf<never>()
    expectTypeOf<Each<GroupExtension | ExternalSender | PskId | Framing>>().toEqualTypeOf<never>()
    expectTypeOf<Each<GroupInfoSummary | MessageHead | KeyPackageStock>>().toEqualTypeOf<never>()
    expectTypeOf<Each<Accepted | Committed | Entrance | JoinedExternally>>().toEqualTypeOf<never>()
    expectTypeOf<CommitSummary['added']>().toEqualTypeOf<readonly Member[]>()
  })

  it('are iterated over and disposed of', () => {
    expectTypeOf<Group['events']>().returns.toEqualTypeOf<AsyncIterableIterator<GroupEvent, undefined>>()
    expectTypeOf<GroupSession['events']>().returns.toEqualTypeOf<
      AsyncIterableIterator<SessionEvent, undefined>
    >()
    expectTypeOf<MemoryChannel['read']>().returns.toEqualTypeOf<AsyncIterableIterator<Delivery, undefined>>()
  })
})

describe('errors', () => {
  it('have a code out of the list, and nothing else', () => {
    expectTypeOf<ErrorCode>().toEqualTypeOf<keyof typeof ERROR_CODES>()
    expectTypeOf<CoterieError['code']>().toEqualTypeOf<ErrorCode>()
    expectTypeOf<Each<Pick<CoterieError, 'code' | 'retryable' | 'name'>>>().toEqualTypeOf<never>()
    const error = {} as unknown
    if (CoterieError.is(error)) {
      expectTypeOf(error).toEqualTypeOf<CoterieError>()
      // @ts-expect-error -- a misspelt code is no code
      void (error.code === 'MLS_REMOVD')
    }
  })
})

describe('options', () => {
  it('take a signal wherever something waits, and may be undefined', () => {
    expectTypeOf<{ signal: undefined }>().toExtend<AbortOptions>()
    for (const _ of [] as const) {
      expectTypeOf<Parameters<Group['commit']>[1]>().toEqualTypeOf<AbortOptions | undefined>()
      expectTypeOf<Parameters<Group['encrypt']>[1]>().toEqualTypeOf<EncryptOptions | undefined>()
    }
    expectTypeOf<EncryptOptions>().toExtend<AbortOptions>()
  })

  it('accept what they are for and nothing more', () => {
    expectTypeOf<Parameters<typeof Device.create>[0]>()
      .toHaveProperty('identity')
      .toEqualTypeOf<string | Uint8Array | undefined>()
    expectTypeOf<{ identity: string; suite: 'x25519-aes128gcm-sha256-ed25519' }>().toExtend<
      Parameters<typeof Device.create>[0]
    >()
    // @ts-expect-error -- a certificate comes with its key
    void (() => Device.create({ certificate: { chain: [] } }))
    // @ts-expect-error -- not a suite
    void (() => Device.create({ identity: 'alice', suite: 'rot13' }))
    // @ts-expect-error -- nowhere else
    expectTypeOf<Changes>().toEqualTypeOf({ tree: 'elsewhere' })
    // @ts-expect-error -- both are needed: an absent one would mean to keep or to reset
    void ((group: Group) => group.setFraming({ padding: 1 }))
    // @ts-expect-error -- leaves are numbers
    expectTypeOf<Changes>().toEqualTypeOf({ remove: ['bob'] })
    expectTypeOf<Changes['add']>().toEqualTypeOf<readonly Uint8Array[] | undefined>()
    expectTypeOf<CipherSuite>().not.toEqualTypeOf<string>()
  })

  it('take a Buffer wherever bytes are taken', () => {
    expectTypeOf<Buffer>().toExtend<Parameters<Group['receive']>[0]>()
    expectTypeOf<Buffer[]>().toExtend<Parameters<Group['receiveAll']>[0]>()
  })
})

describe('classes', () => {
  it('hide no any', () => {
    expectTypeOf<AnyKeys<Group> | AnyKeys<GroupSession> | AnyKeys<Device>>().toEqualTypeOf<never>()
    expectTypeOf<AnyMethods<Group> | AnyMethods<GroupSession> | AnyMethods<Device>>().toEqualTypeOf<never>()
    expectTypeOf<AnyKeys<ExternalSigner> | AnyMethods<ExternalSigner>>().toEqualTypeOf<never>()
    expectTypeOf<AnyMethods<{ readGroupInfo: typeof readGroupInfo }>>().toEqualTypeOf<never>()
    expectTypeOf<AnyKeys<GroupExtension> | AnyKeys<GroupInfoSummary>>().toEqualTypeOf<never>()
    expectTypeOf<AnyMethods<MemoryChannel> | AnyMethods<MemoryDirectory>>().toEqualTypeOf<never>()
    expectTypeOf<AnyKeys<GroupEvent> | AnyKeys<CommitSummary> | AnyKeys<Member>>().toEqualTypeOf<never>()
  })

  it('that hold native memory can be held by a block', () => {
    expectTypeOf<Group>().toExtend<Disposable & AsyncDisposable>()
    expectTypeOf<Device>().toExtend<Disposable & AsyncDisposable>()
    expectTypeOf<ExternalSigner>().toExtend<Disposable>()
    expectTypeOf<GroupSession>().toExtend<AsyncDisposable>()
    expectTypeOf<MemoryChannel>().toExtend<Disposable & AsyncDisposable>()
  })

  it('in memory are what the interfaces ask for', () => {
    expectTypeOf<MemoryChannel>().toExtend<GroupChannel>()
    expectTypeOf<MemoryDirectory>().toExtend<Directory>()
  })

  it('are only made by their makers', () => {
    // A private constructor is none that this could be asked of.
    expectTypeOf<typeof Device>().not.toExtend<new (...args: never[]) => unknown>()
    expectTypeOf<typeof ExternalSigner>().not.toExtend<new (...args: never[]) => unknown>()
    expectTypeOf<typeof GroupSession>().not.toExtend<new (...args: never[]) => unknown>()
  })
})
