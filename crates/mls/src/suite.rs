//! The cipher suites that groups may use.

use coterie_crypto::signature::SignatureAlgorithm;
use coterie_types::{Code, ErrorCode};
use openmls::prelude::Ciphersuite;

/// A cipher suite under Coterie's own name. Stored by that name, because the code point of the hybrid one is
/// provisional.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Suite {
    /// X25519, AES-128-GCM, SHA-256, Ed25519: the mandatory suite of RFC 9420 (0x0001).
    X25519Aes128,
    /// P-256 for agreement and signatures, AES-128-GCM, SHA-256 (0x0002).
    P256Aes128,
    /// X25519, ChaCha20-Poly1305, SHA-256, Ed25519 (0x0003).
    X25519ChaCha20,
    /// ML-KEM-768 with X25519, AES-256-GCM, SHA-384, Ed25519: safe against a later quantum computer.
    HybridMlKem768V1,
}

/// A suite name or code point that this version does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the cipher suite is not supported")]
pub struct UnknownSuite;

impl ErrorCode for UnknownSuite {
    fn code(&self) -> Code {
        Code::MLS_UNSUPPORTED
    }
}

impl Suite {
    /// Every suite, the preferred one first.
    pub const ALL: [Self; 4] =
        [Self::HybridMlKem768V1, Self::X25519Aes128, Self::X25519ChaCha20, Self::P256Aes128];

    /// The name that crosses every boundary and is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X25519Aes128 => "x25519-aes128gcm-sha256-ed25519",
            Self::P256Aes128 => "p256-aes128gcm-sha256-p256",
            Self::X25519ChaCha20 => "x25519-chacha20poly1305-sha256-ed25519",
            Self::HybridMlKem768V1 => "mlkem768x25519-aes256gcm-sha384-ed25519-v1",
        }
    }

    /// The suite of this name.
    ///
    /// # Errors
    /// When no suite has it.
    pub fn from_name(name: &str) -> Result<Self, UnknownSuite> {
        Self::ALL.into_iter().find(|suite| suite.name() == name).ok_or(UnknownSuite)
    }

    /// The code point on the wire.
    #[must_use]
    pub fn code_point(self) -> u16 {
        u16::from(self.ciphersuite())
    }

    /// The suite of this code point.
    ///
    /// # Errors
    /// When this version does not speak it.
    pub fn from_code_point(code_point: u16) -> Result<Self, UnknownSuite> {
        Self::ALL.into_iter().find(|suite| suite.code_point() == code_point).ok_or(UnknownSuite)
    }

    pub(crate) const fn ciphersuite(self) -> Ciphersuite {
        match self {
            Self::X25519Aes128 => Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
            Self::P256Aes128 => Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256,
            Self::X25519ChaCha20 => Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519,
            Self::HybridMlKem768V1 => Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519,
        }
    }

    /// What members of its groups sign with.
    pub(crate) fn signature_algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::P256Aes128 => SignatureAlgorithm::EcdsaP256Sha256,
            Self::X25519Aes128 | Self::X25519ChaCha20 | Self::HybridMlKem768V1 => SignatureAlgorithm::Ed25519,
        }
    }

    /// Whether its public-key operations take microseconds rather than most of a millisecond.
    pub(crate) const fn is_quick(self) -> bool {
        matches!(self, Self::X25519Aes128 | Self::X25519ChaCha20)
    }

    /// Whether devices of both suites can use one signature key.
    #[must_use]
    pub fn signs_like(self, other: Self) -> bool {
        self.ciphersuite().signature_algorithm() == other.ciphersuite().signature_algorithm()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_by_its_name_and_by_its_code_point() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name()), Ok(suite));
            assert_eq!(Suite::from_code_point(suite.code_point()), Ok(suite));
        }
        assert_eq!(Suite::from_name("rot13"), Err(UnknownSuite));
        assert_eq!(Suite::from_code_point(0x0a0a), Err(UnknownSuite));
    }
}
