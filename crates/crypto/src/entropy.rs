//! Where randomness comes from.
//!
//! One trait, so that the same code runs on the operating system's randomness in production and on a seeded
//! generator in the simulation. A source either fills the whole buffer or fails: there is no partial answer,
//! and nobody in this crate goes on without one.

use coterie_types::{Code, ErrorCode};

/// A source of bytes that nobody else can predict.
pub trait Entropy: Send + Sync {
    /// Fills `destination` completely, or fails and leaves it in an unspecified state.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] when the source cannot answer now; asking again may succeed.
    fn fill(&self, destination: &mut [u8]) -> Result<(), EntropyError>;
}

/// The source of randomness gave none, or gave bytes that no working source would give.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the source of randomness failed")]
pub struct EntropyError;

impl ErrorCode for EntropyError {
    fn code(&self) -> Code {
        Code::RANDOMNESS_UNAVAILABLE
    }
}

/// The operating system's randomness.
///
/// Behind the feature `os-entropy`, which only binaries and the addon choose: a core that could reach for it
/// could no longer be replayed from a seed.
#[cfg(feature = "os-entropy")]
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

#[cfg(feature = "os-entropy")]
impl Entropy for OsEntropy {
    fn fill(&self, destination: &mut [u8]) -> Result<(), EntropyError> {
        use aws_lc_rs::rand::{SecureRandom, SystemRandom};

        SystemRandom::new().fill(destination).map_err(|_| EntropyError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_source_is_reported_as_missing_randomness() {
        assert_eq!(EntropyError.code(), Code::RANDOMNESS_UNAVAILABLE);
        assert_eq!(EntropyError.to_string(), "the source of randomness failed");
    }

    #[cfg(feature = "os-entropy")]
    #[test]
    fn the_operating_system_does_not_repeat_itself() {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        OsEntropy.fill(&mut first).unwrap();
        OsEntropy.fill(&mut second).unwrap();
        assert_ne!(first, second);
    }
}
