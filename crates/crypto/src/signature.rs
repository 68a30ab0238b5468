//! Signatures: Ed25519 and ECDSA over P-256.
//!
//! A [`SigningKey`] holds aws-lc's prepared key, so that signing parses nothing. Public keys are raw: 32
//! bytes for Ed25519, an uncompressed SEC1 point of 65 bytes for P-256; ECDSA signatures are DER, as in MLS.
//!
//! Ed25519 verification follows one strict rule, stated in `signature/ed25519.rs`, whichever way a signature
//! comes in. P-256 signing draws its per-signature nonce inside aws-lc, from its own generator mixed with the
//! key and the message: an injected weak nonce would give the private key away, so there is deliberately no
//! way to pass one. Ed25519 signatures are deterministic.

mod ed25519;
mod p256;

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::CryptoError;
use crate::secret::Secret;

/// Length of a private key in bytes, for either algorithm: a seed for Ed25519, a scalar for P-256.
pub const PRIVATE_KEY_LENGTH: usize = 32;

/// The signature schemes that Coterie uses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SignatureAlgorithm {
    /// Ed25519 as in RFC 8032, verified strictly.
    Ed25519,
    /// ECDSA over P-256 with SHA-256, signatures in DER.
    EcdsaP256Sha256,
}

impl SignatureAlgorithm {
    /// Every scheme, for tables and tests.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::EcdsaP256Sha256];

    /// Length of a public key in bytes.
    #[must_use]
    pub const fn public_key_length(self) -> usize {
        match self {
            Self::Ed25519 => ed25519::PUBLIC_KEY_LENGTH,
            Self::EcdsaP256Sha256 => p256::PUBLIC_KEY_LENGTH,
        }
    }
}

/// A private key that signs.
///
/// aws-lc wipes the key when it is freed; no second copy of the private bytes is kept.
pub struct SigningKey(Prepared);

enum Prepared {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl SigningKey {
    /// Makes a new key from `entropy`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Entropy`] if the source fails, or keeps giving bytes that are no key.
    pub fn generate(algorithm: SignatureAlgorithm, entropy: &dyn Entropy) -> Result<Self, CryptoError> {
        match algorithm {
            SignatureAlgorithm::Ed25519 => {
                let mut seed = Zeroizing::new([0; PRIVATE_KEY_LENGTH]);
                entropy.fill(seed.as_mut_slice())?;
                ed25519::prepare(seed.as_slice()).map(|key| Self(Prepared::Ed25519(key)))
            }
            SignatureAlgorithm::EcdsaP256Sha256 => {
                p256::generate(entropy).map(|key| Self(Prepared::P256(key)))
            }
        }
    }

    /// Prepares a stored key: the 32-byte seed for Ed25519, the 32-byte big-endian scalar for P-256.
    ///
    /// # Errors
    ///
    /// [`CryptoError::InvalidLength`] unless there are 32 bytes, [`CryptoError::InvalidKey`] for a scalar that
    /// is zero or not below the group order.
    pub fn from_private_bytes(algorithm: SignatureAlgorithm, private: &[u8]) -> Result<Self, CryptoError> {
        if private.len() != PRIVATE_KEY_LENGTH {
            return Err(CryptoError::InvalidLength);
        }
        Ok(Self(match algorithm {
            SignatureAlgorithm::Ed25519 => Prepared::Ed25519(ed25519::prepare(private)?),
            SignatureAlgorithm::EcdsaP256Sha256 => Prepared::P256(p256::prepare(private)?),
        }))
    }

    /// Takes over a key from its PKCS#8 form in DER.
    ///
    /// # Errors
    ///
    /// [`CryptoError::InvalidKey`] unless it is a key of `algorithm` whose public part, where it brings one, fits.
    pub fn from_pkcs8(algorithm: SignatureAlgorithm, der: &[u8]) -> Result<Self, CryptoError> {
        let key = match algorithm {
            SignatureAlgorithm::Ed25519 => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Prepared::Ed25519)
            }
            SignatureAlgorithm::EcdsaP256Sha256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map(Prepared::P256)
            }
        };
        key.map(Self).map_err(|_| CryptoError::InvalidKey)
    }

    /// Signs `message`: 64 bytes for Ed25519, DER for ECDSA.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] only: nothing about a message makes it unfit for signing.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signature = match &self.0 {
            Prepared::Ed25519(key) => key.try_sign(message),
            Prepared::P256(key) => key.sign(&SystemRandom::new(), message),
        };
        let signature = signature.map_err(|_| CryptoError::Internal("a prepared key signs any message"))?;
        Ok(signature.as_ref().to_vec())
    }

    /// The scheme this key is for.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        match self.0 {
            Prepared::Ed25519(_) => SignatureAlgorithm::Ed25519,
            Prepared::P256(_) => SignatureAlgorithm::EcdsaP256Sha256,
        }
    }

    /// The public key that verifies what this key signs.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        match &self.0 {
            Prepared::Ed25519(key) => key.public_key().as_ref(),
            Prepared::P256(key) => key.public_key().as_ref(),
        }
    }

    /// The private key as [`SigningKey::from_private_bytes`] takes it, for storing it sealed.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] if aws-lc does not give its own key back.
    pub fn private_bytes(&self) -> Result<Secret, CryptoError> {
        const INVARIANT: CryptoError = CryptoError::Internal("a prepared key gives its bytes back");
        match &self.0 {
            Prepared::Ed25519(key) => {
                let seed = key.seed().map_err(|_| INVARIANT)?;
                let bytes: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(|_| INVARIANT)?;
                Ok(Secret::copy_from(bytes.as_ref()))
            }
            Prepared::P256(key) => {
                let bytes: EcPrivateKeyBin<'_> = key.private_key().as_be_bytes().map_err(|_| INVARIANT)?;
                Ok(Secret::copy_from(bytes.as_ref()))
            }
        }
    }
}

/// Verifies `signature` over `message` with the raw `public_key`.
///
/// # Errors
///
/// [`CryptoError::InvalidLength`] or [`CryptoError::InvalidKey`] when `public_key` is no public key of the
/// scheme, [`CryptoError::NotAuthentic`] for every signature that does not verify, whatever its length.
pub fn verify(
    algorithm: SignatureAlgorithm,
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    match algorithm {
        SignatureAlgorithm::Ed25519 => ed25519::verify(public_key, message, signature),
        SignatureAlgorithm::EcdsaP256Sha256 => p256::verify(public_key, message, signature),
    }
}

impl PartialEq for SigningKey {
    /// In constant time; keys whose bytes cannot be read back are equal to none.
    fn eq(&self, other: &Self) -> bool {
        self.algorithm() == other.algorithm()
            && match (self.private_bytes(), other.private_bytes()) {
                (Ok(ours), Ok(theirs)) => ours.expose().ct_eq(theirs.expose()).into(),
                _ => false,
            }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}
