//! Sources of randomness that repeat from run to run, and ones that fail.
#![allow(dead_code, unreachable_pub, reason = "test support: each test binary uses a part of it")]

use std::sync::atomic::{AtomicU64, Ordering};

use coterie_crypto::{Entropy, EntropyError};

/// SplitMix64 from a seed: good enough to make keys differ, the same in every run.
pub struct Seeded(AtomicU64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut word = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

impl Entropy for Seeded {
    fn fill(&self, destination: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in destination.chunks_mut(8) {
            for (target, source) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *target = source;
            }
        }
        Ok(())
    }
}

/// Never has any.
pub struct Failing;

impl Entropy for Failing {
    fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
}

/// Gives the same byte for ever, as a broken generator might.
pub struct Stuck(pub u8);

impl Entropy for Stuck {
    fn fill(&self, destination: &mut [u8]) -> Result<(), EntropyError> {
        destination.fill(self.0);
        Ok(())
    }
}
