//! Randomness that repeats itself: splitmix64 behind the `Entropy` trait.

use std::sync::atomic::{AtomicU64, Ordering};

use coterie_crypto::{Entropy, EntropyError};

/// Bytes that follow from a seed.
pub(crate) struct Seeded(AtomicU64);

#[allow(dead_code, reason = "each test program uses a part")]
impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    pub(crate) fn bytes(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes).unwrap();
        bytes
    }
}

impl Entropy for Seeded {
    fn fill(&self, destination: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in destination.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
