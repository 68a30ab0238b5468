/**
 * The cipher suites that groups may use, by Coterie's own names.
 *
 * The first is safe against a later quantum computer; its code point on the wire is provisional, so it is stored by
 * name and version. The others are suites 1, 3 and 2 of RFC 9420.
 */
export const CIPHER_SUITES = [
  'mlkem768x25519-aes256gcm-sha384-ed25519-v1',
  'x25519-aes128gcm-sha256-ed25519',
  'x25519-chacha20poly1305-sha256-ed25519',
  'p256-aes128gcm-sha256-p256',
] as const

/** The name of a cipher suite. */
export type CipherSuite = (typeof CIPHER_SUITES)[number]

/** What devices use where nothing else is said: the suite that every implementation of RFC 9420 speaks. */
export const DEFAULT_CIPHER_SUITE = 'x25519-aes128gcm-sha256-ed25519' satisfies CipherSuite
