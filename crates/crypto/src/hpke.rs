//! Hybrid public key encryption (RFC 9180), base mode.
//!
//! Sealing to a public key, and exporting secrets shared with its owner. The RFC itself is hpke-rs; the
//! primitives under it are this crate's (`backend`), and the randomness is the caller's (`randomness`).
//! Keys are bytes here, as they are in MLS, where they lie serialised in trees and stores.
//!
//! Says nothing about who sealed: base mode has no sender authentication. That is the caller's protocol.

mod backend;
mod post_quantum;
mod randomness;
mod shared_info;
#[cfg(feature = "vectors")]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test support: a broken vector may panic")]
pub(crate) mod vectors;

pub use shared_info::with_shared_info;

use hpke_rs::{Hpke, HpkeError, HpkePrivateKey, HpkePublicKey, Mode};
use hpke_rs_crypto::types as ids;

use self::backend::Backend;
use self::randomness::with_randomness;
use crate::aead::AeadAlgorithm;
use crate::entropy::{Entropy, EntropyError};
use crate::error::CryptoError;
use crate::hash::HashAlgorithm;
use crate::secret::Secret;

/// The key encapsulation mechanisms that Coterie uses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kem {
    /// DHKEM(X25519, HKDF-SHA256).
    X25519,
    /// DHKEM(P-256, HKDF-SHA256).
    P256,
    /// X-Wing, draft 06 and later: ML-KEM-768 with X25519.
    XWing,
    /// ML-KEM-768 alone.
    MlKem768,
}

impl Kem {
    /// Every mechanism, for tables and tests.
    pub const ALL: [Self; 4] = [Self::X25519, Self::P256, Self::XWing, Self::MlKem768];

    /// Length of a public key in bytes.
    #[must_use]
    pub const fn public_key_length(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::P256 => 65,
            Self::XWing => 1216,
            Self::MlKem768 => 1184,
        }
    }

    /// Length of a private key in bytes; for [`Kem::XWing`] and [`Kem::MlKem768`] it is a seed.
    #[must_use]
    pub const fn private_key_length(self) -> usize {
        self.id().private_key_len()
    }

    /// Length of an encapsulated secret in bytes.
    #[must_use]
    pub const fn encapsulated_length(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::P256 => 65,
            Self::XWing => 1120,
            Self::MlKem768 => 1088,
        }
    }

    /// How much randomness one encapsulation takes, in bytes.
    const fn randomness_length(self) -> usize {
        match self {
            Self::X25519 | Self::P256 | Self::MlKem768 => 32,
            Self::XWing => 64,
        }
    }

    const fn id(self) -> ids::KemAlgorithm {
        match self {
            Self::X25519 => ids::KemAlgorithm::DhKem25519,
            Self::P256 => ids::KemAlgorithm::DhKemP256,
            Self::XWing => ids::KemAlgorithm::XWingDraft06,
            Self::MlKem768 => ids::KemAlgorithm::MlKem768,
        }
    }
}

/// Which algorithms work together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct HpkeSuite {
    /// How the secret gets to the owner of the public key.
    pub kem: Kem,
    /// The hash whose HKDF makes keys of it.
    pub kdf: HashAlgorithm,
    /// The cipher that uses the keys.
    pub aead: AeadAlgorithm,
}

/// What [`seal`] made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    /// Lets the owner of the public key derive the secret.
    pub encapsulated: Vec<u8>,
    /// The sealed plaintext.
    pub ciphertext: Vec<u8>,
}

/// What [`send_export`] made.
#[derive(Debug, Eq, PartialEq)]
pub struct Exported {
    /// Lets the owner of the public key derive the secret.
    pub encapsulated: Vec<u8>,
    /// The exported secret.
    pub secret: Secret,
}

/// A KEM's key pair.
#[derive(Debug, Eq, PartialEq)]
pub struct KeyPair {
    /// The private key, or its seed.
    pub private: Secret,
    /// The public key.
    pub public: Vec<u8>,
}

/// Seals `plaintext` to the owner of `public_key`.
///
/// # Errors
///
/// [`CryptoError::InvalidLength`] or [`CryptoError::InvalidKey`] when `public_key` is none of the KEM,
/// [`CryptoError::Entropy`] when the source fails.
pub fn seal(
    suite: HpkeSuite,
    public_key: &[u8],
    info: &[u8],
    associated_data: &[u8],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Sealed, CryptoError> {
    check_length(public_key, suite.kem.public_key_length())?;
    let public_key = HpkePublicKey::from(public_key);
    with_randomness(entropy, suite.kem.randomness_length(), || {
        suite
            .base_mode()
            .seal(&public_key, info, associated_data, plaintext, None, None, None)
            .map(|(encapsulated, ciphertext)| Sealed { encapsulated, ciphertext })
            .map_err(refusal)
    })
}

/// Opens what [`seal`] made, for the owner of `private_key`.
///
/// # Errors
///
/// [`CryptoError::NotAuthentic`] if anything was altered, [`CryptoError::InvalidLength`] or
/// [`CryptoError::InvalidKey`] when a key or `encapsulated` is none of the KEM.
pub fn open(
    suite: HpkeSuite,
    private_key: &[u8],
    encapsulated: &[u8],
    info: &[u8],
    associated_data: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let private_key = suite.receiver_key(private_key, encapsulated)?;
    suite
        .base_mode()
        .open(encapsulated, &private_key, info, associated_data, ciphertext, None, None, None)
        .map_err(refusal)
}

/// Agrees on a secret of `length` bytes with the owner of `public_key`, without sealing anything.
///
/// # Errors
///
/// As [`seal`]; [`CryptoError::InvalidLength`] also for a `length` that the KDF cannot give.
pub fn send_export(
    suite: HpkeSuite,
    public_key: &[u8],
    info: &[u8],
    exporter_context: &[u8],
    length: usize,
    entropy: &dyn Entropy,
) -> Result<Exported, CryptoError> {
    check_length(public_key, suite.kem.public_key_length())?;
    suite.check_export_length(length)?;
    let public_key = HpkePublicKey::from(public_key);
    with_randomness(entropy, suite.kem.randomness_length(), || {
        suite
            .base_mode()
            .send_export(&public_key, info, None, None, None, exporter_context, length)
            .map(|(encapsulated, secret)| Exported { encapsulated, secret: Secret::new(secret) })
            .map_err(refusal)
    })
}

/// Derives the secret that [`send_export`] agreed on, for the owner of `private_key`.
///
/// # Errors
///
/// As [`open`], except that nothing here can fail to authenticate: a wrong `encapsulated` of a right form
/// gives another secret.
pub fn receive_export(
    suite: HpkeSuite,
    private_key: &[u8],
    encapsulated: &[u8],
    info: &[u8],
    exporter_context: &[u8],
    length: usize,
) -> Result<Secret, CryptoError> {
    suite.check_export_length(length)?;
    let private_key = suite.receiver_key(private_key, encapsulated)?;
    suite
        .base_mode()
        .receiver_export(encapsulated, &private_key, info, None, None, None, exporter_context, length)
        .map(Secret::new)
        .map_err(refusal)
}

/// The key pair that follows from `input` (RFC 9180, section 7.1.3), which must be secret and uniform.
///
/// # Errors
///
/// [`CryptoError::InvalidKey`] if no valid key follows from `input`, which does not happen by chance.
pub fn derive_key_pair(suite: HpkeSuite, input: &[u8]) -> Result<KeyPair, CryptoError> {
    let pair = suite.base_mode().derive_key_pair(input).map_err(refusal)?;
    let (private, public) = pair.into_keys();
    Ok(KeyPair { private: Secret::copy_from(private.as_slice()), public: public.as_slice().to_vec() })
}

impl HpkeSuite {
    fn base_mode(self) -> Hpke<Backend> {
        let kdf = match self.kdf {
            HashAlgorithm::Sha256 => ids::KdfAlgorithm::HkdfSha256,
            HashAlgorithm::Sha384 => ids::KdfAlgorithm::HkdfSha384,
            HashAlgorithm::Sha512 => ids::KdfAlgorithm::HkdfSha512,
        };
        let aead = match self.aead {
            AeadAlgorithm::Aes128Gcm => ids::AeadAlgorithm::Aes128Gcm,
            AeadAlgorithm::Aes256Gcm => ids::AeadAlgorithm::Aes256Gcm,
            AeadAlgorithm::ChaCha20Poly1305 => ids::AeadAlgorithm::ChaCha20Poly1305,
        };
        Hpke::new(Mode::Base, self.kem.id(), kdf, aead)
    }

    /// What a receiver needs, checked before anything is computed with it.
    fn receiver_key(self, private_key: &[u8], encapsulated: &[u8]) -> Result<HpkePrivateKey, CryptoError> {
        check_length(private_key, self.kem.private_key_length())?;
        check_length(encapsulated, self.kem.encapsulated_length())?;
        Ok(HpkePrivateKey::from(private_key))
    }

    fn check_export_length(self, length: usize) -> Result<(), CryptoError> {
        if length > self.kdf.max_expand_length() {
            return Err(CryptoError::InvalidLength);
        }
        Ok(())
    }
}

fn check_length(bytes: &[u8], expected: usize) -> Result<(), CryptoError> {
    if bytes.len() == expected { Ok(()) } else { Err(CryptoError::InvalidLength) }
}

/// hpke-rs reports what our backend refused as text. Lengths were checked before the call and suites hold
/// only what is supported, so that what is left is a key that is none.
fn refusal(error: HpkeError) -> CryptoError {
    match error {
        HpkeError::OpenError => CryptoError::NotAuthentic,
        HpkeError::InsufficientRandomness => EntropyError.into(),
        HpkeError::CryptoError(_) => CryptoError::InvalidKey,
        HpkeError::InvalidInput => CryptoError::InvalidLength,
        _ => CryptoError::Internal("base mode asks for nothing that was not given"),
    }
}
