//! Randomness that can be had again.

use std::sync::{Mutex, PoisonError};

use coterie_crypto::{Entropy, EntropyError};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// What a test's randomness grows from. Printed when made, so that a failure can be repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seed(u64);

impl Seed {
    /// The seed with this number, or with the one that the environment variable `COTERIE_SEED` gives.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let number = std::env::var("COTERIE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(number);
        println!("seed {number} (COTERIE_SEED={number} repeats it)");
        Self(number)
    }

    /// The same without a word, for what runs thousands of times.
    #[must_use]
    pub const fn quiet(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// A generator of its own for each `stream`.
    #[must_use]
    pub fn rng(self, stream: u64) -> ChaCha20Rng {
        let mut rng = ChaCha20Rng::seed_from_u64(self.0);
        rng.set_stream(stream);
        rng
    }

    /// A source of key material of its own for each `stream`.
    #[must_use]
    pub fn entropy(self, stream: u64) -> SeededEntropy {
        SeededEntropy(Mutex::new(self.rng(stream)))
    }
}

/// Key material from a seed.
pub struct SeededEntropy(Mutex<ChaCha20Rng>);

impl Entropy for SeededEntropy {
    fn fill(&self, destination: &mut [u8]) -> Result<(), EntropyError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(destination);
        Ok(())
    }
}
