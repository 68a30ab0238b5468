//! How injected randomness reaches hpke-rs.
//!
//! hpke-rs makes its generator with a static function, so there is nowhere to pass one in, and its trait says
//! that a generator cannot fail. So a call draws all the randomness it may need beforehand, where failing is
//! possible and typed, and [`with_randomness`] lays it out in a thread-local for as long as the call runs.
//! [`ScopedRng`], which holds nothing itself, hands it out from there, each byte once.
//!
//! There is no fallback. A generator used outside a scope, or for more than was drawn, marks the thread as
//! starved and gives zeros; the backend asks [`check_fed`] before it makes anything of them, and the scope
//! checks again at its end, so the call fails with [`CryptoError::Entropy`] and nothing computed from zeros
//! gets out. Scopes nest: an inner one sees only its own bytes, and the outer one is restored when the inner
//! ends, by returning or by unwinding.

use std::cell::RefCell;
use std::convert::Infallible;

use hpke_rs_crypto::{HpkeTestRng, TryCryptoRng, TryRng};
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::{Entropy, EntropyError};
use crate::error::CryptoError;

/// What the running call has to draw from.
#[derive(Default)]
struct Pool {
    unused: Zeroizing<Vec<u8>>,
    starved: bool,
}

impl Pool {
    /// Moves the next bytes to `destination`, all of them or none.
    fn draw(&mut self, destination: &mut [u8]) {
        let kept = self.unused.len().checked_sub(destination.len());
        match kept.and_then(|kept| self.unused.split_at_mut_checked(kept)) {
            Some((kept, drawn)) => {
                destination.copy_from_slice(drawn);
                drawn.zeroize();
                let kept = kept.len();
                self.unused.truncate(kept);
            }
            None => {
                destination.fill(0);
                self.starved = true;
            }
        }
    }
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Runs `call` with `length` bytes of `entropy` for hpke-rs to draw from.
///
/// # Errors
///
/// [`CryptoError::Entropy`] if the source fails or the call drew more than `length`; otherwise what `call` says.
pub(super) fn with_randomness<T>(
    entropy: &dyn Entropy,
    length: usize,
    call: impl FnOnce() -> Result<T, CryptoError>,
) -> Result<T, CryptoError> {
    let mut unused = Zeroizing::new(vec![0; length]);
    entropy.fill(&mut unused)?;
    // Bytes are drawn from the end, so that drawing is a truncation.
    unused.reverse();

    let _scope = Scope::enter(Pool { unused, starved: false });
    let outcome = call();
    check_fed()?;
    outcome
}

/// Refuses to go on after randomness was asked for that was not there.
pub(super) fn check_fed() -> Result<(), EntropyError> {
    let starved = POOL.with_borrow_mut(|pool| std::mem::take(&mut pool.starved));
    if starved { Err(EntropyError) } else { Ok(()) }
}

/// Keeps the outer pool while an inner one is in place.
struct Scope {
    outer: Pool,
}

impl Scope {
    fn enter(pool: Pool) -> Self {
        Self { outer: POOL.replace(pool) }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        POOL.set(std::mem::take(&mut self.outer));
    }
}

/// The generator that hpke-rs makes for itself: a handle on the running call's randomness.
#[derive(Debug)]
pub(super) struct ScopedRng;

impl TryRng for ScopedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        POOL.with_borrow_mut(|pool| {
            // Bytes lie in the pool in reverse order; see `with_randomness`.
            pool.draw(destination);
            destination.reverse();
        });
        Ok(())
    }
}

impl TryCryptoRng for ScopedRng {}

impl HpkeTestRng for ScopedRng {
    type Error = EntropyError;

    /// Another crate in the build may switch hpke-rs's test generator on; it draws from the same scope.
    fn try_fill_test_bytes(&mut self, destination: &mut [u8]) -> Result<(), EntropyError> {
        let Ok(()) = self.try_fill_bytes(destination);
        check_fed()
    }

    fn seed(&mut self, _: &[u8]) {}
}

impl Zeroize for ScopedRng {
    /// Nothing is held here; the pool wipes itself.
    fn zeroize(&mut self) {}
}
