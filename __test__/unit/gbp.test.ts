/** Frames and the registry of errors. */
import { describe, expect, it } from 'vitest'

import * as gbp from '../../dist/gbp/index.js'
import { ERROR_CODES } from '../../dist/index.js'
import { code, hex, unhex } from './members.js'

/** What a deployed member sent as its first text frame, and what the frame says. */
const DEPLOYED =
  'aa6176016367696450a0a1a2a3a4a5a6a7a8a9aaabacadaeaf6265700163746964006273740263736964186562666c07637365710163' +
  '70737a1562706c553094d76810746cf6111be8c2e0f5aca130848d1ebc'

const frame = {
  profile: 'interop',
  groupId: unhex('a0a1a2a3a4a5a6a7a8a9aaabacadaeaf'),
  epoch: 1n,
  transitionId: 0,
  streamClass: 'text',
  streamId: 101,
  flags: gbp.FrameFlags.ORDERED | gbp.FrameFlags.RELIABLE | gbp.FrameFlags.ACK_REQUESTED,
  sequence: 1,
  codec: 'cbor',
  payload: unhex('3094d76810746cf6111be8c2e0f5aca130848d1ebc'),
} as const

describe('a frame', () => {
  it('has the bytes of the published stack, and is read back from them', () => {
    expect(hex(gbp.encodeFrame(frame))).toBe(DEPLOYED)
    expect(gbp.decodeFrame(unhex(DEPLOYED))).toEqual(frame)
    expect(gbp.standardStream(1, 'text')).toBe(frame.streamId)
    expect(gbp.standardStream(1_000_000, 'text')).toBeUndefined()
  })

  it('keeps numbers of 64 bits, codecs nobody knows, and payloads of any size up to the limit', () => {
    for (const other of [
      { ...frame, epoch: 2n ** 64n - 1n, sequence: 2 ** 32 - 1, transitionId: 2 ** 32 - 1 },
      { ...frame, codec: 'flatbuffers', streamClass: 'audio' },
      { ...frame, codec: 77, flags: 0xffff },
      { ...frame, profile: 'sealed', groupId: new Uint8Array(255), payload: new Uint8Array() },
      { ...frame, payload: new Uint8Array(1_000_000).fill(7) },
    ] as const) {
      expect(gbp.decodeFrame(gbp.encodeFrame(other))).toEqual(other)
    }
    const tooLong = { ...frame, payload: new Uint8Array(1 << 20) }
    expect(() => gbp.encodeFrame(tooLong)).toThrow(code('WIRE_TOO_LARGE'))
  })

  it('of the sealed profile is bound to all of its header', () => {
    const bound = hex(gbp.authenticatedData({ ...frame, profile: 'sealed' }))
    for (const other of [{ epoch: 2n }, { sequence: 2 }, { flags: 0 }, { codec: 'protobuf' }] as const) {
      expect(hex(gbp.authenticatedData({ ...frame, profile: 'sealed', ...other }))).not.toBe(bound)
    }
  })

  it('that is not in the one form is refused with its reason', () => {
    const wrong = (offset: number, value: number) => {
      const bytes = unhex(DEPLOYED)
      bytes[offset] = value
      return () => gbp.decodeFrame(bytes)
    }
    expect(wrong(3, 2)).toThrow(code('GBP_UNSUPPORTED_VERSION'))
    expect(wrong(0, 0xab)).toThrow(code('WIRE_MALFORMED'))
    expect(() => gbp.decodeFrame(new Uint8Array())).toThrow(code('WIRE_MALFORMED'))
    expect(() => gbp.decodeFrame(unhex(`${DEPLOYED}00`))).toThrow(code('WIRE_MALFORMED'))
    expect(() => gbp.encodeFrame({ ...frame, groupId: new Uint8Array(15) })).toThrow(
      code('GBP_UNKNOWN_GROUP'),
    )
  })

  it('takes nothing that its fields do not say', () => {
    for (const other of [
      { epoch: 1 },
      { epoch: -1n },
      { sequence: 0 },
      { sequence: 1.5 },
      { flags: 0x1_0000 },
      { streamClass: 'video' },
      { codec: 'json' },
      { codec: 256 },
      { payload: 'text' },
      { profile: 'plain' },
    ]) {
      expect(() => gbp.encodeFrame({ ...frame, ...other } as never)).toThrow(code('INVALID_ARGUMENT'))
    }
  })
})

describe('the registry', () => {
  it('answers what each number means, under a code of the package', () => {
    expect(gbp.lookupError(0x0003)).toMatchObject({
      number: 3,
      name: 'ERR_EPOCH_MISMATCH',
      class: 'state',
      retryable: true,
      fatal: false,
      code: 'GBP_EPOCH_MISMATCH',
    })
    expect(gbp.lookupError(0x000a)).toBeUndefined()
    const all = gbp.registeredErrors()
    expect(all).toHaveLength(32)
    for (const { number, code: name, retryable } of all) {
      expect(gbp.lookupError(number)?.code).toBe(name)
      expect(ERROR_CODES[name].retryable).toBe(retryable)
    }
  })

  it('overrides what a sender claims of a registered number, and believes it of others', () => {
    const claimed = { number: 0x0003, class: 'crypto', retryable: false, fatal: true, reason: 'x' } as const
    expect(gbp.decodeError(gbp.encodeError(claimed))).toMatchObject({ class: 'state', retryable: true })
    const own = { ...claimed, number: 0xf000, details: Uint8Array.of(1) }
    expect(gbp.decodeError(gbp.encodeError(own))).toEqual(own)
    expect(gbp.decodeError(gbp.encodeError({ number: 0x2005 })).reason).toBe('ERR_GTP_ATTACHMENT_INTEGRITY')
    expect(() => gbp.decodeError(Uint8Array.of(0xa0))).toThrow(code('WIRE_MALFORMED'))
    expect(() => gbp.encodeError({ ...own, reason: 'x'.repeat(1_025) })).toThrow(code('WIRE_TOO_LARGE'))
  })
})
