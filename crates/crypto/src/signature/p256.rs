//! ECDSA over P-256.
//!
//! Public keys are accepted in one form only, uncompressed, so that a key has one encoding and comparing keys
//! by their bytes is sound. Signatures are not required to be low-S: the MLS and X.509 worlds emit both.

use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, ParsedPublicKey,
};
use zeroize::Zeroizing;

use super::PRIVATE_KEY_LENGTH;
use crate::entropy::{Entropy, EntropyError};
use crate::error::CryptoError;

/// Length of an uncompressed SEC1 point.
pub(super) const PUBLIC_KEY_LENGTH: usize = 65;

/// The first byte of an uncompressed point. aws-lc also takes the hybrid form, which has the same length.
const UNCOMPRESSED: u8 = 4;

/// How often a scalar is drawn before the source is declared broken. A sound source fails to give a valid
/// scalar once in 2^32 draws; one that fails 16 times in a row is stuck.
const DRAWS: usize = 16;

/// Draws scalars until one is valid, so that keys are uniform and no bias is introduced by reducing.
pub(super) fn generate(entropy: &dyn Entropy) -> Result<EcdsaKeyPair, CryptoError> {
    let mut scalar = Zeroizing::new([0; PRIVATE_KEY_LENGTH]);
    for _ in 0..DRAWS {
        entropy.fill(scalar.as_mut_slice())?;
        match prepare(scalar.as_slice()) {
            Err(CryptoError::InvalidKey) => {}
            prepared => return prepared,
        }
    }
    Err(EntropyError.into())
}

/// aws-lc takes a private key only along with its public key, so that one is computed first.
pub(super) fn prepare(scalar: &[u8]) -> Result<EcdsaKeyPair, CryptoError> {
    let public = agreement::PrivateKey::from_private_key(&ECDH_P256, scalar)
        .map_err(|_| CryptoError::InvalidKey)?
        .compute_public_key()
        .map_err(|_| CryptoError::InvalidKey)?;
    EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_ASN1_SIGNING, scalar, public.as_ref())
        .map_err(|_| CryptoError::InvalidKey)
}

/// Verifies a DER signature.
pub(super) fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    if public_key.len() != PUBLIC_KEY_LENGTH {
        return Err(CryptoError::InvalidLength);
    }
    if public_key.first() != Some(&UNCOMPRESSED) {
        return Err(CryptoError::InvalidKey);
    }
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key)
        .map_err(|_| CryptoError::InvalidKey)?
        .verify_sig(message, signature)
        .map_err(|_| CryptoError::NotAuthentic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6979, appendix A.2.5, with SHA-256 and the message "sample".
    const PRIVATE: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    const PUBLIC: &str = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
                          7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
    const SIGNATURE: &str = "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                             022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

    #[test]
    fn a_published_signature_verifies_and_its_key_has_the_published_public_key() {
        use aws_lc_rs::signature::KeyPair;

        let [private, public, signature] = [PRIVATE, PUBLIC, SIGNATURE].map(|hex| hex::decode(hex).unwrap());
        assert_eq!(verify(&public, b"sample", &signature), Ok(()));
        assert_eq!(verify(&public, b"simple", &signature), Err(CryptoError::NotAuthentic));
        assert_eq!(prepare(&private).unwrap().public_key().as_ref(), public);
    }

    #[test]
    fn a_public_key_has_one_encoding() {
        let public = hex::decode(PUBLIC).unwrap();
        let signature = hex::decode(SIGNATURE).unwrap();
        for prefix in [0x00, 0x02, 0x03, 0x05, 0x06, 0x07] {
            let mut other = public.clone();
            other[0] = prefix;
            assert_eq!(verify(&other, b"sample", &signature), Err(CryptoError::InvalidKey), "{prefix}");
        }
        let compressed = [&[0x03], &public[1..33]].concat();
        assert_eq!(verify(&compressed, b"sample", &signature), Err(CryptoError::InvalidLength));
        assert_eq!(verify(&[0], b"sample", &signature), Err(CryptoError::InvalidLength));
    }

    #[test]
    fn a_point_off_the_curve_is_no_key() {
        let mut public = hex::decode(PUBLIC).unwrap();
        public[64] ^= 1;
        assert_eq!(verify(&public, b"", b""), Err(CryptoError::InvalidKey));
    }
}
