import * as check from '../internal/arguments.js'
import type { NativeCertified } from '../native.js'

/** A certificate with its private key. */
export interface Certified {
  /** The device's certificate in DER, then those of its issuers, each certifying the one before it. */
  readonly chain: readonly Uint8Array[]
  /** The certificate's private key: PKCS#8 in DER. */
  readonly privateKey: Uint8Array
}

/** @internal */
export function toNativeCertified(certificate: Certified): NativeCertified {
  const { chain, privateKey } = check.options(certificate, 'certificate')
  return {
    chain: check.bytesList(chain, 'certificate.chain'),
    privateKey: check.bytes(privateKey, 'certificate.privateKey'),
  }
}
