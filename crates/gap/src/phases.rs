//! Which epochs a packet may be of.
//!
//! A packet carries the low half of its sender's epoch. Members change epochs at different moments, so that those who
//! hear it take packets of ended epochs for a while: what is said while somebody joins is heard.

use coterie_types::{Duration, Epoch};

use crate::clock::{Ticks, ticks};
use crate::error::ReceiveError;
use crate::limits::{MAX_ENDED_EPOCHS, MAX_KEY_OVERLAP};
use crate::serial::ahead32;

#[derive(Clone, Debug)]
pub(crate) struct Phases {
    current: Epoch,
    /// The ended epochs and until when each is taken, the latest last.
    ended: Vec<(Epoch, Ticks)>,
    /// The lowest epoch that was ever present here: what lies before it was never known.
    first: Epoch,
    overlap: Ticks,
}

impl Phases {
    pub(crate) fn new(current: Epoch, overlap: Duration) -> Self {
        let overlap = ticks(overlap.min(MAX_KEY_OVERLAP));
        Self {
            current,
            ended: Vec::with_capacity(MAX_ENDED_EPOCHS.saturating_add(1)),
            first: current,
            overlap,
        }
    }

    pub(crate) fn current(&self) -> Epoch {
        self.current
    }

    /// Goes on to `epoch`; false when it is the present one.
    pub(crate) fn advance(&mut self, epoch: Epoch, now: Ticks) -> bool {
        if epoch == self.current {
            return false;
        }
        self.ended.retain(|(ended, until)| *until > now && *ended != epoch);
        self.ended.push((self.current, now.saturating_add(self.overlap)));
        if self.ended.len() > MAX_ENDED_EPOCHS {
            self.ended.remove(0);
        }
        self.current = epoch;
        self.first = self.first.min(epoch);
        true
    }

    /// The epoch of a packet.
    pub(crate) fn epoch_of(&self, phase: u32, now: Ticks) -> Result<Epoch, ReceiveError> {
        if phase_of(self.current) == phase {
            return Ok(self.current);
        }
        let mut ended = self.ended.iter().rev().filter(|(_, until)| now < *until).map(|(epoch, _)| *epoch);
        ended.find(|epoch| phase_of(*epoch) == phase).ok_or_else(|| self.refusal(phase))
    }

    /// Whether packets of `epoch` may still come.
    pub(crate) fn holds(&self, epoch: Epoch, now: Ticks) -> bool {
        epoch == self.current || self.ended.iter().any(|(ended, until)| *ended == epoch && now < *until)
    }

    /// When the next ended epoch expires.
    pub(crate) fn next_expiry(&self) -> Option<Ticks> {
        self.ended.iter().map(|(_, until)| *until).min()
    }

    /// Forgets what has expired.
    pub(crate) fn expire(&mut self, now: Ticks) {
        self.ended.retain(|(_, until)| now < *until);
    }

    fn refusal(&self, phase: u32) -> ReceiveError {
        let behind = u64::from(ahead32(phase_of(self.current), phase).min(0).unsigned_abs());
        let was_known =
            self.current.number().checked_sub(behind).is_some_and(|epoch| epoch >= self.first.number());
        if behind > 0 && was_known {
            ReceiveError::PhaseExpired(phase)
        } else {
            ReceiveError::PhaseUnknown(phase)
        }
    }
}

/// The low half of an epoch's number.
#[allow(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
pub(crate) const fn phase_of(epoch: Epoch) -> u32 {
    epoch.number() as u32
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::limits::KEY_OVERLAP;

    fn phases(epoch: u64) -> Phases {
        Phases::new(Epoch::new(epoch), KEY_OVERLAP)
    }

    #[test]
    fn an_ended_epoch_is_taken_until_its_overlap_ends_and_not_a_moment_longer() {
        let mut phases = phases(5);
        assert!(phases.advance(Epoch::new(6), 100) && !phases.advance(Epoch::new(6), 200));
        let end = 100 + ticks(KEY_OVERLAP);
        assert_eq!(phases.epoch_of(5, end - 1), Ok(Epoch::new(5)));
        assert_eq!(phases.epoch_of(5, end), Err(ReceiveError::PhaseExpired(5)));
        assert_eq!(phases.next_expiry(), Some(end));
    }

    #[test]
    fn never_known_is_told_from_expired_also_where_the_low_half_wraps() {
        let mut phases = phases((1 << 32) - 2);
        phases.advance(Epoch::new((1 << 32) + 1), 0);
        let late = ticks(MAX_KEY_OVERLAP);
        for (phase, expected) in [
            (2, ReceiveError::PhaseUnknown(2)),
            (0, ReceiveError::PhaseExpired(0)),
            (u32::MAX, ReceiveError::PhaseExpired(u32::MAX)),
            (u32::MAX - 1, ReceiveError::PhaseExpired(u32::MAX - 1)),
            (u32::MAX - 2, ReceiveError::PhaseUnknown(u32::MAX - 2)),
        ] {
            assert_eq!(phases.epoch_of(phase, late), Err(expected));
        }
        assert_eq!(phases.epoch_of(1, late), Ok(Epoch::new((1 << 32) + 1)));
    }

    #[test]
    fn a_storm_of_epochs_keeps_the_latest() {
        let mut phases = phases(0);
        (1..=100).for_each(|epoch| assert!(phases.advance(Epoch::new(epoch), 0)));
        assert_eq!(phases.epoch_of(92, 1), Ok(Epoch::new(92)));
        assert_eq!(phases.epoch_of(91, 1), Err(ReceiveError::PhaseExpired(91)));
        assert_eq!(phases.ended.len(), MAX_ENDED_EPOCHS);
    }
}
