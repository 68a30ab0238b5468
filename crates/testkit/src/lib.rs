//! What the tests of all crates share. Never a dependency of anything that ships.
//!
//! Everything here is deterministic: randomness comes from a [`Seed`] that is printed, time from a [`Clock`] that
//! is wound by hand, and third parties' data from [`vectors`].

pub mod certificates;
mod clock;
mod faulty;
mod seed;
pub mod vectors;

pub use clock::{Clock, T0};
pub use faulty::{Fault, FaultyStore};
pub use seed::{Seed, SeededEntropy};
