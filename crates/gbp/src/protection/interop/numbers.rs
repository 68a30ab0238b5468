//! Numbers that no two members of ours share under one key.
//!
//! A frame's number is its nonce, and everybody seals under the same key. Receivers only need numbers that rise on each
//! stream, so the upper half of them is divided: with a tree of `L` leaves, the member at leaf `i` takes those that are
//! `i` modulo `L`. One count for each key, whatever the streams. The lower half is for peers that count from 1.
//!
//! What is stored is how far the numbers themselves are taken, in rounds of `L`, not how many frames there were: a
//! member that takes its key in again with another width repeats none.

use std::sync::Arc;

use coterie_crypto::counters::{CounterId, CounterRecord, Counters, Reservation};
use coterie_types::{LeafIndex, Sequence, StreamClass};

use super::ClassKeys;
use crate::error::{SealError, SetupError};
use crate::limits::{LOW_WATER, MAX_LEAVES, RESERVED_SHARE};
use crate::protection::sealing::not_taken;

/// Where the upper half begins.
const UPPER_HALF: u32 = 1 << 31;

/// Whether members of ours number so.
pub(super) const fn is_of_ours(sequence: Sequence) -> bool {
    sequence.number() >= UPPER_HALF
}

/// A member's part of the numbers in one MLS epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    leaf: LeafIndex,
    /// Leaves of the tree: a power of two.
    width: u32,
}

impl Place {
    /// The part of the member at `leaf` in a tree whose highest occupied leaf is `highest`.
    ///
    /// # Errors
    /// [`SetupError::Leaf`] when the leaf is not in the tree, or the tree has more than [`MAX_LEAVES`] leaves.
    pub fn new(leaf: LeafIndex, highest: LeafIndex) -> Result<Self, SetupError> {
        if leaf > highest || highest.number() >= MAX_LEAVES {
            return Err(SetupError::Leaf(leaf));
        }
        let width = highest.number().saturating_add(1).next_power_of_two();
        Ok(Self { leaf, width })
    }

    /// Its leaf.
    #[must_use]
    pub const fn leaf(self) -> LeafIndex {
        self.leaf
    }

    /// How many numbers it has, for each class.
    #[must_use]
    pub const fn capacity(self) -> u64 {
        (UPPER_HALF >> self.width.ilog2()) as u64
    }

    /// Whose part a number is in, among the members of this epoch; none in the half of peers that count from 1.
    /// Since the number is authenticated, only a member of the group can have sealed under it.
    #[must_use]
    pub const fn owner(self, sequence: Sequence) -> Option<LeafIndex> {
        match sequence.number().checked_sub(UPPER_HALF) {
            Some(number) => Some(LeafIndex::new(number & self.width.wrapping_sub(1))),
            None => None,
        }
    }

    /// The member's number in the round that begins at `start`, counted from the upper half on.
    fn sequence(self, start: u64) -> Option<Sequence> {
        let number = start.checked_add(self.leaf.number().into())?.checked_add(UPPER_HALF.into())?;
        Sequence::new(u32::try_from(number).ok()?)
    }

    /// The beginning of the first round at or behind `number`.
    fn round_from(self, number: u64) -> u64 {
        let width = u64::from(self.width);
        number.checked_next_multiple_of(width).unwrap_or(u64::MAX)
    }
}

/// One member's numbers under the key of one class.
#[derive(Debug)]
pub(super) struct Numbers {
    class: StreamClass,
    place: Place,
    /// Of numbers, counted from the upper half on; each frame takes a round.
    counters: Arc<Counters>,
}

impl Numbers {
    /// The numbers above `highest`.
    pub(super) fn new(
        keys: &ClassKeys,
        class: StreamClass,
        place: Place,
        highest: u32,
    ) -> Result<Self, SetupError> {
        let id = keys.counter_id(class, place.leaf)?;
        let low_water = LOW_WATER.min(share(place).div_ceil(4)).saturating_mul(place.width.into());
        let counters = Counters::new(id, UPPER_HALF.into(), low_water);
        if let Some(taken) = highest.checked_sub(UPPER_HALF) {
            counters.skip_below(place.round_from(u64::from(taken).saturating_add(1)));
        }
        Ok(Self { class, place, counters: Arc::new(counters) })
    }

    pub(super) const fn class(&self) -> StreamClass {
        self.class
    }

    /// A number that none is above which may have been used, as far as it is known here.
    pub(super) fn highest(&self) -> u32 {
        let last = self.counters.last_promised().and_then(|last| u32::try_from(last).ok());
        last.map_or(0, |last| last.saturating_add(UPPER_HALF))
    }

    pub(super) fn id(&self) -> CounterId {
        self.counters.id()
    }

    /// Promises `count` numbers, or the share of a reservation if that is less.
    pub(super) fn reserve(
        &self,
        stored: Option<CounterRecord>,
        count: u64,
    ) -> Result<Reservation, SetupError> {
        let taken = stored.filter(|stored| stored.id() == self.id());
        let begin = taken.map_or(0, |taken| taken.last().saturating_add(1));
        if self.place.round_from(begin) != begin {
            // Written by a tree of another width.
            self.counters.skip_below(self.place.round_from(begin));
        }
        let numbers = count.min(share(self.place)).saturating_mul(self.place.width.into());
        self.counters.reserve(stored, numbers).map_err(|error| SetupError::Numbers(self.class, error))
    }

    pub(super) fn take(&self) -> Result<Sequence, SealError> {
        let round = usize::try_from(self.place.width).map_err(|_| SealError::Exhausted(self.class))?;
        let start = self.counters.take(round).map_err(|error| not_taken(self.class, error))?;
        self.place.sequence(start).ok_or(SealError::Exhausted(self.class))
    }

    /// How many frames can be sealed before numbers must be reserved.
    pub(super) fn remaining(&self) -> u64 {
        self.counters.remaining() >> self.place.width.ilog2()
    }

    /// How many frames there are numbers for.
    pub(super) fn left(&self) -> u64 {
        self.counters.left() >> self.place.width.ilog2()
    }

    /// Whether it is time to reserve more.
    pub(super) fn runs_low(&self) -> bool {
        self.counters.runs_low()
    }
}

/// What one reservation may take.
fn share(place: Place) -> u64 {
    (place.capacity() / RESERVED_SHARE).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "a test may panic")]

    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn place(leaf: u32, highest: u32) -> Place {
        Place::new(LeafIndex::new(leaf), LeafIndex::new(highest)).unwrap()
    }

    #[test]
    fn the_width_is_the_smallest_power_of_two_above_the_highest_leaf() {
        for (highest, width) in [(0, 1), (1, 2), (2, 4), (3, 4), (4, 8), (1_000, 1_024), (65_535, 65_536)] {
            let place = place(0, highest);
            assert_eq!((place.width, place.capacity()), (width, u64::from((1_u32 << 31) / width)));
        }
        let refused = |leaf, highest| Place::new(LeafIndex::new(leaf), LeafIndex::new(highest)).is_err();
        assert!(refused(2, 1) && refused(0, 65_536) && refused(0, u32::MAX));
    }

    #[test]
    fn the_first_and_the_last_number_are_those_of_the_formula() {
        let numbers = |leaf, highest, count: u64| {
            let place = place(leaf, highest);
            place.sequence(count.checked_mul(place.width.into())?).map(Sequence::number)
        };
        assert_eq!(numbers(0, 0, 0), Some(0x8000_0000));
        assert_eq!(numbers(3, 5, 0), Some(0x8000_0003));
        assert_eq!(numbers(3, 5, 2), Some(0x8000_0013));
        assert_eq!(numbers(0, 0, (1 << 31) - 1), Some(u32::MAX));
        assert_eq!(numbers(0, 0, 1 << 31), None);
        assert_eq!(numbers(7, 7, (1 << 28) - 1), Some(u32::MAX));
        assert_eq!(numbers(0, 0, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn members_of_one_epoch_never_meet(highest in 0_u32..3_000, counts in proptest::collection::vec(0_u64..10_000, 1..20)) {
            let mut all = HashSet::new();
            for leaf in 0..=highest {
                for count in counts.iter().collect::<HashSet<_>>() {
                    let place = place(leaf, highest);
                    let sequence = place.sequence(count * u64::from(place.width)).unwrap();
                    prop_assert!(all.insert(sequence));
                    prop_assert_eq!(place.owner(sequence), Some(LeafIndex::new(leaf)));
                }
            }
        }

        #[test]
        fn a_round_behind_a_number_gives_a_higher_number_and_no_gap_of_a_whole_round(
            highest in 0_u32..65_536, leaf in any::<u32>(), number in 0_u32..UPPER_HALF,
        ) {
            let place = place(leaf % (highest + 1), highest);
            let start = place.round_from(u64::from(number) + 1);
            if let Some(sequence) = place.sequence(start) {
                let above = u64::from(sequence.number() - UPPER_HALF);
                prop_assert!(above > u64::from(number));
                prop_assert!(above <= u64::from(number) + 2 * u64::from(place.width));
            }
        }
    }

    #[test]
    fn a_number_that_counts_from_one_is_nobodys() {
        assert_eq!(place(0, 9).owner(Sequence::FIRST), None);
        assert_eq!(place(0, 9).owner(Sequence::new(UPPER_HALF - 1).unwrap()), None);
    }
}
