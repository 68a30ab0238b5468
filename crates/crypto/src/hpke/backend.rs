//! The cryptography under hpke-rs: aws-lc, and RustCrypto for the post-quantum KEMs.
//!
//! hpke-rs is the RFC; this file is what it computes with. X25519, P-256, HKDF and the AEADs are aws-lc's.
//! X-Wing and ML-KEM come from the RustCrypto crates that stand behind hpke-rs's own provider, called
//! directly: that provider takes randomness for encapsulating from the operating system only, and aws-lc-rs
//! neither takes randomness for it nor the short seeds that X-Wing keys are.
//!
//! Low-order X25519 points are refused everywhere, in X-Wing too: their shared secret is zero whatever the
//! private key, and a sender who uses one contributes nothing.

use aws_lc_rs::agreement::{self, ECDH_P256, UnparsedPublicKey, X25519};
use hpke_rs_crypto::HpkeCrypto;
use hpke_rs_crypto::error::Error;
use hpke_rs_crypto::types::{AeadAlgorithm as AeadId, KdfAlgorithm, KemAlgorithm};

use super::post_quantum;
use super::randomness::{ScopedRng, check_fed};
use super::shared_info;
use crate::aead::{AeadAlgorithm, AeadKey};
use crate::error::CryptoError;
use crate::hash::{self, HashAlgorithm};
use crate::secret::Secret;

/// Length of a P-256 public key: uncompressed, the only form RFC 9180 knows.
const P256_PUBLIC_KEY_LENGTH: usize = 65;

/// The first byte of an uncompressed SEC1 point.
const SEC1_UNCOMPRESSED: u8 = 4;

/// Marks hpke-rs calls that run on this crate's primitives.
#[derive(Debug)]
pub(super) struct Backend;

impl HpkeCrypto for Backend {
    type HpkePrng = ScopedRng;

    fn name() -> String {
        "coterie-crypto".to_owned()
    }

    fn supports_kdf(_: KdfAlgorithm) -> Result<(), Error> {
        Ok(())
    }

    fn supports_kem(kem: KemAlgorithm) -> Result<(), Error> {
        match kem {
            KemAlgorithm::DhKem25519
            | KemAlgorithm::DhKemP256
            | KemAlgorithm::XWingDraft06
            | KemAlgorithm::MlKem768 => Ok(()),
            _ => Err(Error::UnknownKemAlgorithm),
        }
    }

    fn supports_aead(aead: AeadId) -> Result<(), Error> {
        aead_algorithm(aead).map(|_| ())
    }

    fn prng() -> ScopedRng {
        ScopedRng
    }

    fn kdf_extract(kdf: KdfAlgorithm, salt: &[u8], input: &[u8]) -> Result<Vec<u8>, Error> {
        shared_info::extract(kdf, salt, input, || {
            let extracted = hash::hkdf_extract(hash_algorithm(kdf), salt, input);
            extracted.map(Secret::into_bytes).map_err(library_error)
        })
    }

    fn kdf_expand(kdf: KdfAlgorithm, key: &[u8], info: &[u8], length: usize) -> Result<Vec<u8>, Error> {
        hash::hkdf_expand(hash_algorithm(kdf), key, info, length)
            .map(Secret::into_bytes)
            .map_err(|_| Error::HpkeInvalidOutputLength)
    }

    fn dh(kem: KemAlgorithm, public_key: &[u8], private_key: &[u8]) -> Result<Vec<u8>, Error> {
        check_fed().map_err(|_| Error::InsufficientRandomness)?;
        let private_key = prepare(kem, private_key)?;
        if kem == KemAlgorithm::DhKemP256 && !is_uncompressed(public_key) {
            return Err(Error::KemInvalidPublicKey);
        }
        // aws-lc refuses points off the curve, and X25519 points that lead to the all-zero secret.
        let peer = UnparsedPublicKey::new(private_key.algorithm(), public_key);
        agreement::agree(&private_key, peer, Error::KemInvalidPublicKey, |shared| Ok(shared.to_vec()))
    }

    fn secret_to_public(kem: KemAlgorithm, private_key: &[u8]) -> Result<Vec<u8>, Error> {
        check_fed().map_err(|_| Error::InsufficientRandomness)?;
        let public_key = prepare(kem, private_key)?.compute_public_key();
        public_key.map(|key| key.as_ref().to_vec()).map_err(|_| Error::KemInvalidSecretKey)
    }

    fn dh_validate_sk(kem: KemAlgorithm, private_key: &[u8]) -> Result<Vec<u8>, Error> {
        prepare(kem, private_key).map(|_| private_key.to_vec())
    }

    /// hpke-rs makes key pairs of the Diffie-Hellman KEMs by drawing a private key; nothing of ours asks for it.
    fn kem_key_gen(_: KemAlgorithm, _: &mut ScopedRng) -> Result<(Vec<u8>, Vec<u8>), Error> {
        Err(Error::UnsupportedKemOperation)
    }

    fn kem_key_gen_derand(kem: KemAlgorithm, seed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        post_quantum::key_pair(kem, seed)
    }

    fn kem_encaps(
        kem: KemAlgorithm,
        public_key: &[u8],
        rng: &mut ScopedRng,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let encapsulated = post_quantum::encapsulate(kem, public_key, rng)?;
        check_fed().map_err(|_| Error::InsufficientRandomness)?;
        Ok(encapsulated)
    }

    fn kem_decaps(kem: KemAlgorithm, encapsulated: &[u8], private_key: &[u8]) -> Result<Vec<u8>, Error> {
        post_quantum::decapsulate(kem, encapsulated, private_key)
    }

    fn aead_seal(
        aead: AeadId,
        key: &[u8],
        nonce: &[u8],
        associated_data: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let key = AeadKey::new(aead_algorithm(aead)?, key).map_err(library_error)?;
        key.seal(nonce, associated_data, plaintext).map_err(|_| Error::AeadInvalidNonce)
    }

    fn aead_open(
        aead: AeadId,
        key: &[u8],
        nonce: &[u8],
        associated_data: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let key = AeadKey::new(aead_algorithm(aead)?, key).map_err(library_error)?;
        key.open(nonce, associated_data, sealed).map_err(|_| Error::AeadOpenError)
    }
}

/// A private key ready for agreement. aws-lc checks its length, and for P-256 its range.
fn prepare(kem: KemAlgorithm, private_key: &[u8]) -> Result<agreement::PrivateKey, Error> {
    let algorithm = match kem {
        KemAlgorithm::DhKem25519 => &X25519,
        KemAlgorithm::DhKemP256 => &ECDH_P256,
        _ => return Err(Error::UnknownKemAlgorithm),
    };
    agreement::PrivateKey::from_private_key(algorithm, private_key).map_err(|_| Error::KemInvalidSecretKey)
}

fn is_uncompressed(public_key: &[u8]) -> bool {
    public_key.len() == P256_PUBLIC_KEY_LENGTH && public_key.first() == Some(&SEC1_UNCOMPRESSED)
}

fn hash_algorithm(kdf: KdfAlgorithm) -> HashAlgorithm {
    match kdf {
        KdfAlgorithm::HkdfSha256 => HashAlgorithm::Sha256,
        KdfAlgorithm::HkdfSha384 => HashAlgorithm::Sha384,
        KdfAlgorithm::HkdfSha512 => HashAlgorithm::Sha512,
    }
}

fn aead_algorithm(aead: AeadId) -> Result<AeadAlgorithm, Error> {
    match aead {
        AeadId::Aes128Gcm => Ok(AeadAlgorithm::Aes128Gcm),
        AeadId::Aes256Gcm => Ok(AeadAlgorithm::Aes256Gcm),
        AeadId::ChaCha20Poly1305 => Ok(AeadAlgorithm::ChaCha20Poly1305),
        AeadId::HpkeExport => Err(Error::UnknownAeadAlgorithm),
    }
}

/// Our own errors hold no secrets, so their text may pass through hpke-rs.
fn library_error(error: CryptoError) -> Error {
    Error::CryptoLibraryError(error.to_string())
}
