//! The one error of this crate.
//!
//! Variants say which reaction fits, not which call failed. None holds a key, a plaintext or a peer's bytes,
//! so all of them are safe to log.

use coterie_types::{Code, ErrorCode};

use crate::entropy::EntropyError;

/// Why a cryptographic operation was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// A key, public, private or encapsulated, has the right length and is still no key of its algorithm.
    #[error("the key is not valid for its algorithm")]
    InvalidKey,
    /// A key, nonce or output is not of a length that the algorithm has.
    #[error("a key, nonce or output has a length that the algorithm does not have")]
    InvalidLength,
    /// A tag or signature did not verify. Deliberately says nothing about why.
    #[error("the message did not authenticate")]
    NotAuthentic,
    /// The combination of algorithms exists, but not here.
    #[error("the combination of algorithms is not supported")]
    Unsupported,
    /// There was no randomness to work with.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Something that cannot fail failed: a defect of ours or of the library below. Names the invariant.
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl ErrorCode for CryptoError {
    fn code(&self) -> Code {
        match self {
            Self::InvalidKey | Self::InvalidLength => Code::INVALID_ARGUMENT,
            Self::NotAuthentic => Code::MLS_NOT_AUTHENTIC,
            Self::Unsupported => Code::MLS_UNSUPPORTED,
            Self::Entropy(cause) => cause.code(),
            Self::Internal(_) => Code::INTERNAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_the_code_of_the_reaction_that_fits() {
        let codes = [
            (CryptoError::InvalidKey, Code::INVALID_ARGUMENT),
            (CryptoError::InvalidLength, Code::INVALID_ARGUMENT),
            (CryptoError::NotAuthentic, Code::MLS_NOT_AUTHENTIC),
            (CryptoError::Unsupported, Code::MLS_UNSUPPORTED),
            (CryptoError::Entropy(EntropyError), Code::RANDOMNESS_UNAVAILABLE),
            (CryptoError::Internal("invariant"), Code::INTERNAL),
        ];
        for (error, code) in codes {
            assert_eq!(error.code(), code, "{error}");
        }
    }
}
