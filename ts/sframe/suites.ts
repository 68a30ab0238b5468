/**
 * The suites that frames are sealed with, by their names, and their numbers in the SFrame registry.
 *
 * The first two have full tags. Those of the others have 80, 64 or 32 bits and can be guessed, so they are to be had only
 * where {@link SFrameOptions.danger} says so.
 */
export const SFRAME_SUITES = {
  'aes128gcm-sha256': 4,
  'aes256gcm-sha512': 5,
  'aes128ctr-hmac-sha256-80': 1,
  'aes128ctr-hmac-sha256-64': 2,
  'aes128ctr-hmac-sha256-32': 3,
  'aes256ctr-hmac-sha512-80': 6,
  'aes256ctr-hmac-sha512-64': 7,
  'aes256ctr-hmac-sha512-32': 8,
} as const

/** The name of a suite. */
export type SFrameSuite = keyof typeof SFRAME_SUITES

/** @internal */
export const SUITE_NAMES = Object.keys(SFRAME_SUITES) as SFrameSuite[]
