//! Time that passes when a test says so.

use std::sync::atomic::{AtomicU64, Ordering};

use coterie_types::{Duration, Timestamp};

/// When tests begin: 14 November 2023. In the past of every machine, so that what begins to be valid at `T0` is
/// valid for a library that asks the system for the time.
pub const T0: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A clock that is wound by hand.
#[derive(Debug)]
pub struct Clock(AtomicU64);

impl Default for Clock {
    fn default() -> Self {
        Self(AtomicU64::new(T0.as_millis()))
    }
}

impl Clock {
    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Lets `span` pass.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(span.as_millis(), Ordering::Relaxed);
    }
}
