import type { AbortOptions } from '../internal/abort.js'
import * as check from '../internal/arguments.js'
import type { NativeSframeOptions } from '../native.js'
import { SFRAME_SUITES, SUITE_NAMES, type SFrameSuite } from './suites.js'

/** What a session and its peers have agreed on, and how this member uses it. */
export interface SFrameOptions extends AbortOptions {
  /** The suite; `aes128gcm-sha256` where none is named. It is not on the wire. */
  readonly suite?: SFrameSuite
  /**
   * `gbp`, which is meant where nothing is said, are the frames of the Group Protocol Stack from 1.9 on; `rfc9605` are
   * those of RFC 9605 to the letter.
   */
  readonly dialect?: SFrameDialect
  /** The exporter's label, where the members have agreed on another than the dialect's own. */
  readonly label?: string
  /**
   * For how many milliseconds frames of the epoch before are still taken: 2,000 where nothing is said, 30,000 at most.
   * It is counted from the first call on the session after the epoch has changed.
   */
  readonly grace?: number
  /** Whether the session goes on when its group does, as it does where nothing is said; else it stays in its epoch. */
  readonly follow?: boolean
  /** Where the time comes from, in milliseconds since 1970; the group's or device's own clock where none is given. */
  readonly clock?: () => number
  /** What weakens a guarantee. */
  readonly danger?: {
    /**
     * Accepts suites whose tags can be guessed. A receiver stops after 1,024 frames that failed in an epoch, so whoever
     * can send it bytes can silence it until the next.
     */
    readonly shortTags?: boolean
  }
}

/** What RFC 9605 and the Group Protocol Stack differ in: where keys come from, and in which order what is authenticated. */
export type SFrameDialect = 'gbp' | 'rfc9605'

/** What is authenticated with a frame and not sent with it. */
export interface MetadataOptions {
  /** Both sides must have the same. */
  readonly metadata?: Uint8Array
}

const DIALECTS: readonly SFrameDialect[] = ['gbp', 'rfc9605']
const GRACE = 2_000
const MAX_GRACE = 30_000

/** @internal What `options` say, checked. */
export function checked(given: SFrameOptions | undefined): {
  readonly options: NativeSframeOptions
  readonly suite: SFrameSuite
  readonly clock: (() => number) | undefined
} {
  const { suite, dialect, label, grace, follow, clock, danger } = check.options(given)
  const name = check.oneOf(suite ?? 'aes128gcm-sha256', SUITE_NAMES, 'suite')
  const options = {
    suite: SFRAME_SUITES[name],
    isRfc9605: check.oneOf(dialect ?? 'gbp', DIALECTS, 'dialect') === 'rfc9605',
    shortTags: check.options(danger, 'danger').shortTags === true,
    grace: check.upTo(MAX_GRACE, grace ?? GRACE, 'grace'),
    follows: follow !== false,
    ...(label === undefined ? {} : { label: check.text(label, 'label') }),
  }
  return { options, suite: name, clock: clock === undefined ? undefined : check.clock(clock) }
}

/** @internal The metadata of an options object, if there is any. */
export function metadataOf(options: MetadataOptions | undefined): Uint8Array | undefined {
  if (options === undefined) return undefined
  const { metadata } = check.options(options)
  return metadata === undefined ? undefined : check.bytes(metadata, 'metadata')
}
