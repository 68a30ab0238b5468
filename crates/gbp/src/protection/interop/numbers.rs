//! Numbers that no two members of ours share under one key.
//!
//! A frame's number is its nonce, and everybody seals under the same key. Receivers only need numbers that rise on each
//! stream, so the upper half of them is divided: with a tree of `L` leaves, the member at leaf `i` takes those that are
//! `i` modulo `L`. One count for each key, whatever the streams. The lower half is for peers that count from 1.

use std::sync::Arc;

use coterie_crypto::counters::{CounterRecord, Counters, Reservation};
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

    /// The number of a count.
    fn sequence(self, count: u64) -> Option<Sequence> {
        let number = count.checked_mul(self.width.into())?.checked_add(self.leaf.number().into())?;
        Sequence::new(u32::try_from(number.checked_add(UPPER_HALF.into())?).ok()?)
    }

    /// The first count whose number is above `highest`.
    fn count_above(self, highest: u32) -> u64 {
        highest
            .checked_sub(UPPER_HALF)
            .map_or(0, |number| u64::from(number >> self.width.ilog2()).saturating_add(1))
    }
}

/// One member's numbers under the key of one class.
#[derive(Debug)]
pub(super) struct Numbers {
    class: StreamClass,
    place: Place,
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
        let low_water = LOW_WATER.min(share(place).div_ceil(4));
        let counters = Counters::new(id, place.capacity().into(), low_water);
        counters.skip_below(place.count_above(highest));
        Ok(Self { class, place, counters: Arc::new(counters) })
    }

    pub(super) const fn class(&self) -> StreamClass {
        self.class
    }

    /// The highest number that may have been used, as far as it is known here.
    pub(super) fn highest(&self) -> u32 {
        let last = self.counters.last_promised().and_then(|last| self.place.sequence(last));
        last.map_or(0, Sequence::number)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Promises `count` numbers, or the share of a reservation if that is less.
    pub(super) fn reserve(
        &self,
        stored: Option<CounterRecord>,
        count: u64,
    ) -> Result<Reservation, SetupError> {
        let count = count.min(share(self.place));
        self.counters.reserve(stored, count).map_err(|error| SetupError::Numbers(self.class, error))
    }

    pub(super) fn take(&self) -> Result<Sequence, SealError> {
        let count = self.counters.take(1).map_err(|error| not_taken(self.class, error))?;
        self.place.sequence(count).ok_or(SealError::Exhausted(self.class))
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
        let numbers = |leaf, highest, count| place(leaf, highest).sequence(count).map(Sequence::number);
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
                    let sequence = place.sequence(*count).unwrap();
                    prop_assert!(all.insert(sequence));
                    prop_assert_eq!(place.owner(sequence), Some(LeafIndex::new(leaf)));
                }
            }
        }

        #[test]
        fn a_count_above_a_number_gives_a_higher_number_and_no_gap_of_a_whole_round(
            highest in 0_u32..70_000, leaf in any::<u32>(), number in any::<u32>(),
        ) {
            let highest = highest.min(65_535);
            let place = place(leaf % (highest + 1), highest);
            let count = place.count_above(number);
            if let Some(sequence) = place.sequence(count) {
                prop_assert!(sequence.number() > number);
                prop_assert!(u64::from(sequence.number()) <= u64::from(number.max(UPPER_HALF)) + 2 * u64::from(place.width));
            }
        }
    }

    #[test]
    fn a_number_that_counts_from_one_is_nobodys() {
        assert_eq!(place(0, 9).owner(Sequence::FIRST), None);
        assert_eq!(place(0, 9).owner(Sequence::new(UPPER_HALF - 1).unwrap()), None);
    }
}
