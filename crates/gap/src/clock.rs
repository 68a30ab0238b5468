//! The caller's time, counted in samples of audio.
//!
//! A clock that is set back stands still for a moment here, and one that is set forward by years goes a day forward:
//! neither may end what is being played.

use coterie_types::{Duration, Timestamp};

/// A moment or a span, in samples at 48 kHz.
pub(crate) type Ticks = i64;

const PER_MILLISECOND: u64 = (crate::SAMPLE_RATE / 1_000) as u64;

/// The longest step that is believed.
const MAX_STEP: Duration = Duration::from_days(1);

/// A span of at most some days in samples.
#[allow(clippy::cast_possible_wrap, reason = "a day has fewer than 2^33 samples")]
pub(crate) const fn ticks(span: Duration) -> Ticks {
    let milliseconds = span.as_millis();
    let most = MAX_STEP.as_millis();
    (if milliseconds < most { milliseconds } else { most }).saturating_mul(PER_MILLISECOND) as Ticks
}

/// Samples in whole milliseconds, rounded up: a deadline must have passed when it is looked at.
pub(crate) fn span(ticks: Ticks) -> Duration {
    Duration::from_millis(u64::try_from(ticks).unwrap_or_default().div_ceil(PER_MILLISECOND))
}

/// Time that never goes back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    shown: Option<Timestamp>,
    passed: Ticks,
}

impl Clock {
    /// How much time has passed when the caller's clock shows `now`.
    pub(crate) fn at(&self, now: Timestamp) -> Ticks {
        let step = self.shown.map_or(0, |shown| ticks(now.since(shown)));
        self.passed.saturating_add(step)
    }

    /// The same, and remembers that the clock showed it.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Ticks {
        self.passed = self.at(now);
        self.shown = Some(now);
        self.passed
    }

    /// What the caller's clock shows at `moment`, if nobody sets it.
    pub(crate) fn shows(&self, moment: Ticks) -> Timestamp {
        self.shown.unwrap_or_default() + span(moment.saturating_sub(self.passed))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_stands_still_and_then_goes_on() {
        let at = Timestamp::from_millis;
        let mut clock = Clock::default();
        assert_eq!(clock.advance(at(1_000)), 0);
        assert_eq!(clock.advance(at(1_020)), 960);
        assert_eq!(clock.advance(at(5)), 960);
        assert_eq!(clock.advance(at(25)), 1_920);
        assert_eq!(clock.shows(2_880), at(45));
        assert_eq!(clock.shows(2_881), at(46));
        assert_eq!(clock.shows(0), at(25));
        assert_eq!(clock.advance(at(u64::MAX)), 1_920 + ticks(MAX_STEP));
    }
}
