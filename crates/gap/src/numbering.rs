//! The numbers of one source in one epoch: which were seen, and whether the sender began anew.
//!
//! Numbers count modulo 2^16 and are extended to ones that never wrap. One from somewhere else altogether is a stray;
//! when another one near it follows, the sender has begun anew there (as in RFC 3550 appendix A.1). A number seen before is
//! told from one that merely comes late as long as the window reaches.

use crate::limits::{MAX_BEHIND, MAX_DROPOUT, NUMBER_WINDOW, STRAY_DISTANCE};
use crate::serial::ahead16;

const WORD: i64 = 64;
const WORDS: usize = (NUMBER_WINDOW as usize) / 64;

/// What a number is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Judged {
    /// Ahead of all.
    Ahead(i64),
    /// Behind, and seen for the first time.
    Behind(i64),
    Duplicate,
    Stray,
    /// The first of a new count; the stray before it is lost.
    Anew(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Numbering {
    highest: i64,
    /// One bit for each number, at its remainder.
    seen: [u64; WORDS],
    /// The last stray, which another one near it would confirm.
    stray: Option<u16>,
    /// Numbers in a row that were not ahead.
    behind: u16,
    /// Where the count before this one ended, and how many of its stragglers may still come.
    left: Option<(u16, u16)>,
    /// How often the sender began anew.
    count: u32,
}

impl Numbering {
    /// A count in which `first` was seen.
    pub(crate) fn new(first: u16) -> Self {
        let mut numbering =
            Self { highest: first.into(), seen: [0; WORDS], stray: None, behind: 0, left: None, count: 0 };
        numbering.mark(first.into());
        numbering
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// What `number` is. Changes nothing.
    pub(crate) fn judge(&self, number: u16) -> Judged {
        let step = ahead16(low(self.highest), number);
        let index = self.highest.saturating_add(step.into());
        match step {
            1.. if step.unsigned_abs() <= MAX_DROPOUT => Judged::Ahead(index),
            ..=0 if step.unsigned_abs() < NUMBER_WINDOW => {
                if self.behind >= MAX_BEHIND {
                    Judged::Anew(number.into())
                } else if self.is_marked(index) {
                    Judged::Duplicate
                } else {
                    Judged::Behind(index)
                }
            }
            _ if self.is_straggler(number) => Judged::Stray,
            _ if self.stray.is_some_and(|stray| is_near(stray, number)) => Judged::Anew(number.into()),
            _ => Judged::Stray,
        }
    }

    /// Notes that `number` came, and answers what it was.
    pub(crate) fn record(&mut self, number: u16) -> Judged {
        let judged = self.judge(number);
        self.behind = self.behind.saturating_add(1);
        match judged {
            Judged::Ahead(index) => {
                self.forget(index);
                self.highest = index;
                (self.stray, self.behind) = (None, 0);
                self.mark(index);
            }
            Judged::Behind(index) => self.mark(index),
            Judged::Duplicate => {}
            Judged::Stray => self.note_stray(number),
            Judged::Anew(_) => {
                let left = Some((low(self.highest), STRAY_DISTANCE));
                *self = Self { count: self.count.saturating_add(1), left, ..Self::new(number) };
            }
        }
        judged
    }

    /// Whether a number is left over from the count before: two of them do not mean that the sender went back.
    fn is_straggler(&self, number: u16) -> bool {
        self.left.is_some_and(|(last, more)| {
            more > 0 && ahead16(last, number).unsigned_abs() <= STRAY_DISTANCE.saturating_mul(2)
        })
    }

    fn note_stray(&mut self, number: u16) {
        if self.is_straggler(number) {
            self.left = self.left.map(|(last, more)| (last, more.saturating_sub(1)));
        } else {
            self.stray = Some(number);
        }
    }

    /// Clears the places that the numbers up to `index` take over.
    fn forget(&mut self, index: i64) {
        let ahead = index.saturating_sub(self.highest);
        if ahead >= NUMBER_WINDOW.into() {
            self.seen = [0; WORDS];
            return;
        }
        for offset in 1..=ahead {
            let (word, bit) = place(self.highest.saturating_add(offset));
            if let Some(word) = self.seen.get_mut(word) {
                *word &= !bit;
            }
        }
    }

    fn mark(&mut self, index: i64) {
        let (word, bit) = place(index);
        if let Some(word) = self.seen.get_mut(word) {
            *word |= bit;
        }
    }

    fn is_marked(&self, index: i64) -> bool {
        let (word, bit) = place(index);
        self.seen.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// Whether two numbers are different ones of the same moment.
pub(crate) fn is_near(one: u16, other: u16) -> bool {
    (1..=STRAY_DISTANCE).contains(&ahead16(one, other).unsigned_abs())
}

#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
const fn low(index: i64) -> u16 {
    index as u16
}

#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "a remainder of 512 is small")]
const fn place(index: i64) -> (usize, u64) {
    let place = index.rem_euclid(NUMBER_WINDOW as i64);
    ((place / WORD) as usize, 1 << (place % WORD))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_go_on_over_the_wrap_and_old_ones_stay_seen() {
        let mut numbering = Numbering::new(65_534);
        assert_eq!(numbering.record(65_535), Judged::Ahead(65_535));
        assert_eq!(numbering.record(0), Judged::Ahead(65_536));
        assert_eq!(numbering.record(65_535), Judged::Duplicate);
        assert_eq!(numbering.record(65_533), Judged::Behind(65_533));
        assert_eq!(numbering.record(1), Judged::Ahead(65_537));
    }

    #[test]
    fn one_stray_changes_nothing_and_two_near_each_other_begin_a_new_count() {
        let mut numbering = Numbering::new(30_000);
        assert_eq!(numbering.record(1), Judged::Stray);
        assert_eq!(numbering.record(30_001), Judged::Ahead(30_001));
        assert_eq!(numbering.record(2), Judged::Stray);
        assert_eq!(numbering.record(3), Judged::Anew(3));
        assert_eq!((numbering.record(4), numbering.count()), (Judged::Ahead(4), 1));
        assert_eq!([30_003, 30_002].map(|left| numbering.record(left)), [Judged::Stray, Judged::Stray]);
        assert_eq!(numbering.record(5), Judged::Ahead(5));
    }

    #[test]
    fn a_jump_ahead_of_more_than_a_minute_is_a_new_count_as_well() {
        let mut numbering = Numbering::new(10);
        assert_eq!(numbering.judge(10 + MAX_DROPOUT), Judged::Ahead(i64::from(10 + MAX_DROPOUT)));
        assert_eq!(numbering.record(11 + MAX_DROPOUT), Judged::Stray);
        assert_eq!(numbering.record(12 + MAX_DROPOUT), Judged::Anew(i64::from(12 + MAX_DROPOUT)));
    }

    #[test]
    fn a_count_that_begins_anew_among_numbers_that_were_seen_is_followed_after_half_a_second() {
        let mut numbering = Numbering::new(1);
        (2..=300).for_each(|number| assert_eq!(numbering.record(number), Judged::Ahead(number.into())));
        (1..=MAX_BEHIND).for_each(|number| assert_eq!(numbering.record(number), Judged::Duplicate));
        assert_eq!(numbering.record(MAX_BEHIND + 1), Judged::Anew(i64::from(MAX_BEHIND) + 1));
        assert_eq!(numbering.record(MAX_BEHIND + 2), Judged::Ahead(i64::from(MAX_BEHIND) + 2));
    }

    proptest! {
        #[test]
        fn the_window_answers_as_a_set_of_all_numbers_would(
            steps in prop::collection::vec(-600_i64..1_200, 1..300), start in any::<u16>(),
        ) {
            let mut numbering = Numbering::new(start);
            let mut seen = BTreeSet::from([i64::from(start)]);
            for step in steps {
                let highest = *seen.last().unwrap();
                let index = highest + step;
                let expected = match step {
                    1.. => Judged::Ahead(index),
                    -511..=0 if seen.contains(&index) => Judged::Duplicate,
                    -511..=0 => Judged::Behind(index),
                    _ => continue,
                };
                let number = u16::try_from(index.rem_euclid(65_536)).unwrap();
                prop_assert_eq!(numbering.judge(number), expected);
                prop_assert_eq!(numbering.record(number), expected);
                seen.insert(index);
            }
        }
    }
}
