//! When packets were recorded.
//!
//! A position is a moment of recording, in samples, that goes on over everything: wraps, epochs, restarts. Timestamps
//! say it where they make sense. Deployed peers may write one constant, and a count that begins anew may begin with
//! another time; then the numbers say it, one packet's length each.

use coterie_types::Epoch;

use crate::clock::{Ticks, ticks};
use crate::limits::{MAX_FIRST_NUMBER, MAX_SILENCE};
use crate::numbering::{SHORTEST, agree};
use crate::serial::samples_between;

/// The longest Opus packet, 120 ms.
const LONGEST: Ticks = 5_760;

/// What says where a packet belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) epoch: Epoch,
    pub(super) count: u64,
    pub(super) index: i64,
    pub(super) timestamp: u64,
}

/// What comes earlier is less.
pub(super) type Order = (Epoch, u64, i64);

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    At(Ticks),
    /// Here at the earliest: how many packets were missed before a new count is not known.
    From(Ticks),
}

/// The recording of one source.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    /// The furthest packet of each count, the latest count last.
    runs: Vec<Run>,
    packet: Ticks,
    /// A length that was seen once.
    other: Ticks,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    mark: Mark,
    position: Ticks,
    /// Where it begins: nothing of an earlier count belongs behind that.
    first: Ticks,
}

/// As many counts as can mix on the way: more were never under way at once.
const MAX_RUNS: usize = 4;

impl Default for Timeline {
    fn default() -> Self {
        let packet = Ticks::from(crate::PACKET_SAMPLES);
        Self { runs: Vec::with_capacity(MAX_RUNS), packet, other: packet }
    }
}

impl Timeline {
    /// The length of a packet.
    pub(super) fn packet(&self) -> Ticks {
        self.packet
    }

    /// Where a packet belongs; none where nothing tells, because it is the first or of a count that came before all.
    pub(super) fn place(&self, mark: Mark) -> Option<Place> {
        match self.index_of(mark).and_then(|index| Some((index, self.runs.get(index)?))) {
            Some((index, run)) => {
                let position = run.position.saturating_add(self.step(run.mark, mark));
                let next = self.runs.get(index.saturating_add(1));
                next.is_none_or(|next| position < next.first).then_some(Place::At(position))
            }
            None => self.runs.last().and_then(|last| self.continued(*last, mark)),
        }
    }

    /// Whether nothing of this source is further in its count.
    pub(super) fn is_furthest(&self, mark: Mark) -> bool {
        match self.run(mark) {
            Some(run) => mark.index > run.mark.index,
            None => self.runs.last().is_none_or(|last| follows(last.mark, mark)),
        }
    }

    /// Notes that a packet was put at `position`.
    pub(super) fn note(&mut self, mark: Mark, position: Ticks) {
        if let Some(index) = self.index_of(mark) {
            let Some(run) = self.runs.get(index).copied() else { return };
            self.learn_length(run.mark, mark);
            let Some(kept) = self.runs.get_mut(index) else { return };
            kept.first = run.first.min(position);
            if mark.index > run.mark.index {
                (kept.mark, kept.position) = (mark, position);
            }
            return;
        }
        if self.runs.len() >= MAX_RUNS {
            self.runs.remove(0);
        }
        let place = self.runs.iter().rposition(|run| follows(run.mark, mark));
        let place = place.map_or(0, |place| place.saturating_add(1));
        self.runs.insert(place, Run { mark, position, first: position });
    }

    fn run(&self, mark: Mark) -> Option<&Run> {
        self.index_of(mark).and_then(|index| self.runs.get(index))
    }

    fn index_of(&self, mark: Mark) -> Option<usize> {
        self.runs.iter().rposition(|run| (run.mark.epoch, run.mark.count) == (mark.epoch, mark.count))
    }

    /// Samples from one packet of a count to another.
    fn step(&self, from: Mark, to: Mark) -> Ticks {
        let packets = to.index.saturating_sub(from.index);
        let samples = samples_between(from.timestamp, to.timestamp);
        if agree(packets, samples) { samples } else { packets.saturating_mul(self.packet) }
    }

    /// The place of the first packet of a count that is heard, behind or before the last count.
    fn continued(&self, last: Run, mark: Mark) -> Option<Place> {
        let samples = samples_between(last.mark.timestamp, mark.timestamp);
        let is_plausible = (SHORTEST..=ticks(MAX_SILENCE)).contains(&samples.saturating_abs());
        let does_follow = follows(last.mark, mark);
        if is_plausible && does_follow == (samples > 0) {
            return Some(Place::At(last.position.saturating_add(samples)));
        }
        if !does_follow {
            return None;
        }
        let packets = if (1..=MAX_FIRST_NUMBER).contains(&mark.index) { mark.index } else { 1 };
        Some(Place::From(last.position.saturating_add(packets.saturating_mul(self.packet))))
    }

    /// Two packets of another length in a row are believed.
    fn learn_length(&mut self, from: Mark, to: Mark) {
        let length = samples_between(from.timestamp, to.timestamp);
        let is_length = (SHORTEST..=LONGEST).contains(&length) && length.rem_euclid(SHORTEST) == 0;
        if to.index.saturating_sub(from.index) != 1 || !is_length {
            return;
        }
        if length == self.other {
            self.packet = length;
        }
        self.other = length;
    }
}

/// Whether `next` is of a later count than `mark`.
fn follows(mark: Mark, next: Mark) -> bool {
    (mark.epoch, mark.count) < (next.epoch, next.count)
}

impl Mark {
    /// The order in which packets were recorded, as far as it is known.
    pub(super) fn order(&self) -> Order {
        (self.epoch, self.count, self.index)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    fn mark(epoch: u64, index: i64, timestamp: u64) -> Mark {
        Mark { epoch: Epoch::new(epoch), count: 0, index, timestamp }
    }

    fn after(marks: &[(Mark, Ticks)]) -> Timeline {
        let mut timeline = Timeline::default();
        marks.iter().for_each(|(mark, position)| timeline.note(*mark, *position));
        timeline
    }

    #[test]
    fn timestamps_count_where_they_make_sense_and_numbers_where_they_do_not() {
        let timeline = after(&[(mark(1, 10, 96_000), 500)]);
        for (next, expected) in [
            (mark(1, 11, 96_960), 1_460),
            (mark(1, 9, 95_040), -460),
            (mark(1, 11, 96_000 + 480_000), 480_500),
            (mark(1, 12, 96_000), 2_420),
            (mark(1, 12, 0), 2_420),
            (mark(1, 12, u64::MAX), 2_420),
            (mark(1, 9, 96_960), -460),
        ] {
            assert_eq!(timeline.place(next), Some(Place::At(expected)), "{next:?}");
        }
        assert_eq!(Timeline::default().place(mark(1, 1, 0)), None);
    }

    #[test]
    fn an_epoch_goes_on_where_the_last_one_ended() {
        let timeline = after(&[(mark(1, 10, 9_600), 500)]);
        assert_eq!(
            timeline.place(mark(2, 1, 12_480)),
            Some(Place::At(500 + 2_880)),
            "three packets later by its timestamp"
        );
        assert_eq!(timeline.place(mark(2, 2, 9_600)), Some(Place::From(500 + 1_920)), "by its number");
        assert_eq!(timeline.place(mark(2, 900, 9_600)), Some(Place::From(500 + 960)), "by nothing");
        let timeline = after(&[(mark(2, 1, 9_600), 500)]);
        assert_eq!(timeline.place(mark(1, 77, 8_640)), Some(Place::At(-460)));
        assert_eq!(timeline.place(mark(1, 77, 9_600)), None, "nothing tells");
    }

    #[test]
    fn two_packets_of_another_length_in_a_row_change_the_length() {
        let mut timeline = after(&[(mark(1, 1, 0), 0), (mark(1, 2, 2_880), 2_880)]);
        assert_eq!(timeline.packet(), 960);
        timeline.note(mark(1, 3, 5_760), 5_760);
        assert_eq!(timeline.packet(), 2_880);
        timeline.note(mark(1, 4, 5_761), 5_761);
        timeline.note(mark(1, 5, 5_762), 5_762);
        assert_eq!(timeline.packet(), 2_880);
    }

    #[test]
    fn counts_that_are_remembered_are_bounded() {
        let timeline = after(&(0..100).map(|epoch| (mark(epoch, 1, 0), 0)).collect::<Vec<_>>());
        assert_eq!(timeline.runs.len(), MAX_RUNS);
        assert_eq!(timeline.runs.capacity(), MAX_RUNS);
    }
}
