//! How long packets wait.
//!
//! A packet's transit is the time from its recording to its arrival, by two clocks that nobody compares: only its
//! changes mean anything. The base is the least transit of the last seconds, so that it follows clocks that drift and
//! ways through the network that change. On top comes what keeps nearly all packets in time.

use crate::clock::{Ticks, ticks};
use crate::limits::{BASE_WINDOW, FIRST_DELAY, IN_TIME_PERCENT, JITTER_MEMORY, MAX_DELAY, MIN_DELAY};

/// Width of the steps that jitter is counted in: 5 ms.
const STEP: Ticks = 240;
/// As many as make up [`MAX_DELAY`].
const STEPS: usize = 80;
/// Fewer packets than these say nothing about a network: a third of a second.
const ENOUGH: u32 = 16;
/// Packets between two looks at the measurements.
const LOOK_EVERY: u32 = 8;

/// What was measured of one source.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    base: Option<Base>,
    /// How many packets came how far above the base.
    counts: [u16; STEPS],
    total: u32,
    until_look: u32,
    target: Ticks,
}

/// The least transit of a window and of the one before.
#[derive(Clone, Copy, Debug)]
struct Base {
    begun: Ticks,
    now: Ticks,
    before: Ticks,
}

impl Default for Delay {
    fn default() -> Self {
        Self { base: None, counts: [0; STEPS], total: 0, until_look: ENOUGH, target: ticks(FIRST_DELAY) }
    }
}

impl Delay {
    /// Notes a packet's transit.
    pub(super) fn observe(&mut self, transit: Ticks, now: Ticks) {
        let base = self.base.get_or_insert(Base { begun: now, now: transit, before: transit });
        if now.saturating_sub(base.begun) >= ticks(BASE_WINDOW) {
            *base = Base { begun: now, now: transit, before: base.now };
        }
        base.now = base.now.min(transit);
        let above = transit.saturating_sub(base.least());
        self.count(above);
        self.until_look = self.until_look.saturating_sub(1);
        if self.until_look == 0 {
            self.until_look = LOOK_EVERY;
            self.target = self.in_time().clamp(ticks(MIN_DELAY), ticks(MAX_DELAY));
        }
    }

    /// The least transit, once there was any.
    pub(super) fn base(&self) -> Option<Ticks> {
        self.base.as_ref().map(Base::least)
    }

    /// How long to wait above the least transit.
    pub(super) fn target(&self) -> Ticks {
        self.target
    }

    /// From recording to playing.
    pub(super) fn wanted(&self) -> Ticks {
        self.base().unwrap_or_default().saturating_add(self.target)
    }

    fn count(&mut self, above: Ticks) {
        let step = usize::try_from(above.checked_div(STEP).unwrap_or_default()).unwrap_or_default();
        if let Some(count) = self.counts.get_mut(step.min(STEPS.saturating_sub(1))) {
            *count = count.saturating_add(1);
        }
        self.total = self.total.saturating_add(1);
        if self.total >= JITTER_MEMORY {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
        }
    }

    /// What keeps as many packets in time as should be.
    fn in_time(&self) -> Ticks {
        let needed = self.total.saturating_mul(IN_TIME_PERCENT).div_ceil(100);
        let mut reached = 0_u32;
        let mut delay = 0;
        for count in self.counts {
            delay = STEP.saturating_add(delay);
            reached = reached.saturating_add(count.into());
            if reached >= needed {
                break;
            }
        }
        delay
    }
}

impl Base {
    fn least(&self) -> Ticks {
        self.now.min(self.before)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    const PACKET: Ticks = 960;

    #[test]
    fn a_still_network_asks_for_the_shortest_delay_and_a_wild_one_for_what_it_needs() {
        let mut delay = Delay::default();
        assert_eq!(delay.target(), ticks(FIRST_DELAY));
        (0..600).for_each(|packet| delay.observe(5_000, packet * PACKET));
        assert_eq!((delay.wanted(), delay.target()), (5_000 + ticks(MIN_DELAY), ticks(MIN_DELAY)));
        (600..1_800).for_each(|packet| delay.observe(5_000 + packet % 10 * PACKET, packet * PACKET));
        assert!((180 * 48..=190 * 48).contains(&delay.target()), "{}", delay.target());
        (1_800..5_000).for_each(|packet| delay.observe(5_000 + packet % 2 * 100_000, packet * PACKET));
        assert_eq!(delay.target(), ticks(MAX_DELAY));
    }

    #[test]
    fn the_base_follows_a_longer_way_within_two_windows_and_a_shorter_one_at_once() {
        let mut delay = Delay::default();
        (0..100).for_each(|packet| delay.observe(5_000, packet * PACKET));
        (100..1_200).for_each(|packet| delay.observe(9_000, packet * PACKET));
        assert_eq!(delay.base(), Some(9_000));
        delay.observe(-3_000, 1_200 * PACKET);
        assert_eq!(delay.base(), Some(-3_000));
    }
}
