//! The numbers of one source in one epoch: which were seen, and whether the sender began anew.
//!
//! Numbers count modulo 2^16 and are extended to ones that never wrap. What follows one another within the window is
//! one count. A packet from elsewhere is a stray; when another one near it follows, the sender has begun anew there (as
//! in RFC 3550 appendix A.1). Where timestamps have gone on with the numbers and the clock for a while, a packet among
//! the old numbers with a time of its own is from elsewhere too. What still comes of the count that was left is told by
//! where that ended, and never begins a count: nobody goes back.

use crate::clock::{Ticks, ticks};
use crate::limits::{
    MAX_AHEAD, MAX_BEHIND, MAX_DROPOUT, MAX_SILENCE, MAX_STRAGGLERS, MAX_STRAGGLING, NUMBER_WINDOW,
    STRAY_DISTANCE,
};
use crate::serial::{ahead16, samples_between};

const WORD: i64 = 64;
const WORDS: usize = (NUMBER_WINDOW as usize) / 64;

/// The shortest Opus packet, 2.5 ms. Every length is a multiple of it.
pub(crate) const SHORTEST: Ticks = 120;

/// What a packet says of its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) number: u16,
    pub(crate) timestamp: u64,
    pub(crate) arrived: Ticks,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Judged {
    /// Ahead of all.
    Ahead(i64),
    /// Behind, and seen for the first time.
    Behind(i64),
    Duplicate,
    Stray,
    /// Of the count before this one.
    Straggler,
    /// The first of a new count; the stray before it is lost.
    Anew(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Numbering {
    highest: i64,
    /// The label of the highest.
    last: Label,
    /// One bit for each number, at its remainder.
    seen: [u64; WORDS],
    /// The last stray, which another one near it would confirm.
    stray: Option<Label>,
    /// Packets in a row that could be of a sender that began anew among its old numbers.
    behind: u16,
    /// The number of the last of them.
    back: u16,
    /// Packets in a row whose timestamps went on with their numbers and their arrival.
    steady: u16,
    /// Where the count before this one ended.
    left: Option<Left>,
}

/// The end of a count.
#[derive(Clone, Copy, Debug)]
struct Left {
    last: Label,
    /// Packets, and stragglers among them, that may come before nothing more of it does.
    packets: u16,
    stragglers: u16,
}

impl Label {
    fn packets_to(self, next: Self) -> i16 {
        ahead16(self.number, next.number)
    }

    fn samples_to(self, next: Self) -> i64 {
        samples_between(self.timestamp, next.timestamp)
    }

    /// Whether two packets can be of one count by all that they say.
    fn agrees_with(self, next: Self) -> bool {
        let samples = self.samples_to(next);
        let longer = next.arrived.saturating_sub(self.arrived).saturating_sub(samples);
        agree(self.packets_to(next).into(), samples) && longer.saturating_abs() <= ticks(MAX_AHEAD)
    }

    /// Whether two packets are different ones of the same moment.
    fn is_near(self, other: Self) -> bool {
        is_near(self.number, other.number)
    }
}

impl Numbering {
    /// A count in which `first` was seen.
    pub(crate) fn new(first: Label) -> Self {
        let mut numbering = Self {
            highest: first.number.into(),
            last: first,
            seen: [0; WORDS],
            stray: None,
            behind: 0,
            back: first.number,
            steady: 0,
            left: None,
        };
        numbering.mark(first.number.into());
        numbering
    }

    /// What a packet is. Changes nothing.
    pub(crate) fn judge(&self, label: Label) -> Judged {
        if self.left.is_some_and(|left| left.is_nearer_than(self.last, label)) {
            return Judged::Straggler;
        }
        let step = self.last.packets_to(label);
        let index = self.highest.saturating_add(step.into());
        match step {
            1.. if step.unsigned_abs() <= MAX_DROPOUT => Judged::Ahead(index),
            ..=0 if step.unsigned_abs() < NUMBER_WINDOW => self.judge_behind(label, index),
            _ if self.stray.is_some_and(|stray| stray.is_near(label)) => Judged::Anew(label.number.into()),
            _ => Judged::Stray,
        }
    }

    /// Notes that a packet came, and answers what it was.
    pub(crate) fn record(&mut self, label: Label) -> Judged {
        let judged = self.judge(label);
        self.left = self.left.and_then(|left| left.after(judged));
        match judged {
            Judged::Ahead(index) => self.go_on(index, label),
            Judged::Behind(index) => {
                self.mark(index);
                if !self.is_steady() {
                    self.count_behind(label);
                }
            }
            Judged::Duplicate => self.count_behind(label),
            Judged::Stray => {
                self.stray = Some(label);
                self.count_behind(label);
            }
            Judged::Straggler => {}
            Judged::Anew(_) => *self = Self { left: Some(Left::at(self.last)), ..Self::new(label) },
        }
        judged
    }

    /// A number in the window that is not ahead: overtaken, seen, or of a sender that began anew there.
    fn judge_behind(&self, label: Label, index: i64) -> Judged {
        let is_elsewhere = self.is_steady() && !self.last.agrees_with(label);
        let is_confirmed = self.stray.is_some_and(|stray| stray.is_near(label) && stray.agrees_with(label));
        let is_back = self.behind >= MAX_BEHIND && is_near(self.back, label.number);
        if is_back || (is_elsewhere && is_confirmed) {
            Judged::Anew(label.number.into())
        } else if is_elsewhere {
            Judged::Stray
        } else if self.is_marked(index) {
            Judged::Duplicate
        } else {
            Judged::Behind(index)
        }
    }

    fn go_on(&mut self, index: i64, label: Label) {
        self.steady = if self.last.agrees_with(label) { self.steady.saturating_add(1) } else { 0 };
        self.forget(index);
        (self.highest, self.last) = (index, label);
        (self.stray, self.behind) = (None, 0);
        self.mark(index);
    }

    /// Whether timestamps have told as long as anything of before may come.
    fn is_steady(&self) -> bool {
        self.steady >= MAX_STRAGGLING
    }

    fn count_behind(&mut self, label: Label) {
        (self.behind, self.back) = (self.behind.saturating_add(1), label.number);
    }

    /// Clears the places that the numbers up to `index` take over.
    fn forget(&mut self, index: i64) {
        let ahead = index.saturating_sub(self.highest);
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

impl Left {
    fn at(last: Label) -> Self {
        Self { last, packets: MAX_STRAGGLING, stragglers: MAX_STRAGGLERS }
    }

    /// Whether a packet belongs here rather than behind `other`, by its timestamp if that tells and else by its number.
    fn is_nearer_than(self, other: Label, label: Label) -> bool {
        let distance = self.last.packets_to(label).unsigned_abs();
        let step = other.packets_to(label).unsigned_abs();
        let samples = |from: Label| from.samples_to(label).unsigned_abs();
        let by_number = distance < step && step > MAX_STRAGGLERS;
        // A clock that stands still tells nothing; a number of the new count must not be taken for the old one's last.
        let tells = samples(self.last) > 0 || samples(other) > 0;
        distance <= MAX_STRAGGLERS
            && match (self.last.agrees_with(label), other.agrees_with(label)) {
                _ if !tells => by_number,
                (true, true) => samples(self.last) < samples(other),
                (false, false) => by_number,
                (here, _) => here,
            }
    }

    /// What is left after another packet was judged.
    fn after(self, judged: Judged) -> Option<Self> {
        let packets = self.packets.saturating_sub(1);
        let stragglers = self.stragglers.saturating_sub((judged == Judged::Straggler).into());
        (packets > 0 && stragglers > 0).then_some(Self { packets, stragglers, ..self })
    }
}

/// Whether two numbers are different ones of the same moment.
pub(crate) fn is_near(one: u16, other: u16) -> bool {
    (1..=STRAY_DISTANCE).contains(&ahead16(one, other).unsigned_abs())
}

/// Whether as many samples may lie between the timestamps of packets that are `packets` numbers apart: the shortest
/// packets at least, and a silence at most.
pub(crate) fn agree(packets: i64, samples: i64) -> bool {
    let least = packets.saturating_abs().saturating_mul(SHORTEST);
    packets.signum() == samples.signum() && (least..=ticks(MAX_SILENCE)).contains(&samples.saturating_abs())
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

    /// A packet with the constant timestamp that deployed peers write.
    fn bare(number: u16) -> Label {
        Label { number, timestamp: 960, arrived: 0 }
    }

    /// A sender's process: its first number, that one's timestamp, and when it came.
    #[derive(Clone, Copy)]
    struct Process(u16, u64, Ticks);

    impl Process {
        fn packet(self, number: u16) -> Label {
            let since = number.wrapping_sub(self.0);
            Label {
                number,
                timestamp: self.1 + u64::from(since) * 960,
                arrived: self.2 + Ticks::from(since) * 960,
            }
        }
    }

    /// What each of `labels` is, in this order.
    fn judged<const N: usize>(numbering: &mut Numbering, labels: [Label; N]) -> [Judged; N] {
        labels.map(|label| numbering.record(label))
    }

    #[test]
    fn numbers_go_on_over_the_wrap_and_old_ones_stay_seen() {
        let mut numbering = Numbering::new(bare(65_534));
        assert_eq!(
            judged(&mut numbering, [65_535, 0, 65_535, 65_533, 1].map(bare)),
            [
                Judged::Ahead(65_535),
                Judged::Ahead(65_536),
                Judged::Duplicate,
                Judged::Behind(65_533),
                Judged::Ahead(65_537)
            ]
        );
    }

    #[test]
    fn one_stray_changes_nothing_and_two_near_each_other_begin_a_new_count() {
        let mut numbering = Numbering::new(bare(30_000));
        assert_eq!(
            judged(&mut numbering, [1, 30_001, 2, 3, 4].map(bare)),
            [Judged::Stray, Judged::Ahead(30_001), Judged::Stray, Judged::Anew(3), Judged::Ahead(4)]
        );
        assert_eq!(judged(&mut numbering, [30_003, 30_002].map(bare)), [Judged::Straggler; 2]);
        assert_eq!(numbering.record(bare(5)), Judged::Ahead(5));
    }

    #[test]
    fn a_leap_ahead_of_nine_seconds_is_believed_the_second_time() {
        let mut numbering = Numbering::new(bare(10));
        let far = MAX_DROPOUT + 10;
        assert_eq!(numbering.judge(bare(far)), Judged::Ahead(far.into()));
        assert_eq!(
            judged(&mut numbering, [far + 1, far + 2].map(bare)),
            [Judged::Stray, Judged::Anew(i64::from(far) + 2)]
        );
    }

    #[test]
    fn a_count_that_begins_anew_among_numbers_that_were_seen_is_followed_after_half_a_second() {
        let mut numbering = Numbering::new(bare(1));
        (2..=300).for_each(|number| assert_eq!(numbering.record(bare(number)), Judged::Ahead(number.into())));
        (1..=MAX_BEHIND).for_each(|number| assert_eq!(numbering.record(bare(number)), Judged::Duplicate));
        assert_eq!(numbering.record(bare(MAX_BEHIND + 1)), Judged::Anew(i64::from(MAX_BEHIND) + 1));
        assert_eq!(numbering.record(bare(MAX_BEHIND + 2)), Judged::Ahead(i64::from(MAX_BEHIND) + 2));
    }

    #[test]
    fn timestamps_tell_a_new_count_among_old_numbers_by_its_second_packet_and_the_stragglers_after_it() {
        for begun in [0, 7_000_000 + 300 * 960, 1 << 31, u64::MAX >> 8] {
            let (old, new) = (Process(1, 7_000_000, 0), Process(290, begun, 300 * 960));
            let mut numbering = Numbering::new(old.packet(1));
            for number in 2..=300 {
                assert_eq!(numbering.record(old.packet(number)), Judged::Ahead(number.into()));
            }
            let labels = [(new, 290), (old, 298), (new, 291), (old, 301), (new, 292), (old, 299), (new, 301)];
            assert_eq!(
                judged(&mut numbering, labels.map(|(process, number)| process.packet(number))),
                [
                    Judged::Stray,
                    Judged::Duplicate,
                    Judged::Anew(291),
                    Judged::Straggler,
                    Judged::Ahead(292),
                    Judged::Straggler,
                    Judged::Ahead(301)
                ],
                "begun at {begun}"
            );
        }
    }

    #[test]
    fn what_was_overtaken_by_half_a_second_is_no_new_count() {
        let process = Process(1, 0, 0);
        let mut numbering = Numbering::new(process.packet(1));
        for number in (2..=100).chain([140]) {
            assert_eq!(numbering.record(process.packet(number)), Judged::Ahead(number.into()));
        }
        for number in 101..140 {
            let label = Label { arrived: 140 * 960, ..process.packet(number) };
            assert_eq!(numbering.record(label), Judged::Behind(number.into()));
        }
    }

    #[test]
    fn without_timestamps_a_new_count_passes_the_end_of_the_old_one() {
        let mut numbering = Numbering::new(bare(0));
        for number in 1..300 {
            assert_eq!(numbering.record(bare(number)), Judged::Ahead(number.into()));
        }
        let judged: Vec<_> = (217..320).map(|number| numbering.record(bare(number))).collect();
        assert_eq!(judged.iter().filter(|judged| matches!(judged, Judged::Anew(_))).count(), 1);
        assert!(judged[60..].iter().all(|judged| matches!(judged, Judged::Ahead(_))), "{judged:?}");
    }

    proptest! {
        #[test]
        fn a_sender_that_begins_anew_is_followed_and_never_left_for_its_stragglers(
            first in any::<u16>(), gap in any::<u16>(), begun in 0..u64::MAX >> 1, constant in any::<bool>(),
            late in prop::collection::btree_map(1_u16..30, 1_u16..20, 0..10),
        ) {
            let last = first.wrapping_add(299);
            let next = last.wrapping_add(gap);
            let (old, new) = (Process(first, 5_000, 0), Process(next, begun, 300 * 960));
            let label = |process: Process, number| if constant { bare(number) } else { process.packet(number) };
            let mut numbering = Numbering::new(label(old, first));
            for step in 1..300 {
                let index = i64::from(first) + i64::from(step);
                prop_assert_eq!(numbering.record(label(old, first.wrapping_add(step))), Judged::Ahead(index));
            }
            let mut anew = 0;
            for step in 0..100 {
                let packet = label(new, next.wrapping_add(step));
                let judged = numbering.record(packet);
                anew += u32::from(matches!(judged, Judged::Anew(_)));
                prop_assert!(step <= 60 || matches!(judged, Judged::Ahead(_)), "{judged:?} at {step}");
                if let Some(behind) = late.get(&step) {
                    let straggler = label(old, last.wrapping_sub(*behind));
                    let judged = numbering.record(Label { arrived: packet.arrived, ..straggler });
                    // Without timestamps it may pass for one of the new numbers near it, and be the one that confirms them.
                    prop_assert!(constant || !matches!(judged, Judged::Anew(_)), "{judged:?} at {step}");
                    let goes_back = anew > 0 && matches!(judged, Judged::Ahead(_));
                    prop_assert!(constant || !goes_back, "{judged:?} at {step}");
                }
            }
            prop_assert!(anew <= 1 + u32::from(constant));
        }

        #[test]
        fn the_window_answers_as_a_set_of_all_numbers_would(
            steps in prop::collection::vec(-600_i64..500, 1..300), start in any::<u16>(),
        ) {
            let mut numbering = Numbering::new(bare(start));
            let mut seen = BTreeSet::from([i64::from(start)]);
            let mut behind = 0;
            for step in steps {
                let highest = *seen.last().unwrap();
                let index = highest + step;
                let expected = match step {
                    1..=448 => Judged::Ahead(index),
                    -511..=0 if behind >= 25 => continue,
                    -511..=0 if seen.contains(&index) => Judged::Duplicate,
                    -511..=0 => Judged::Behind(index),
                    _ => continue,
                };
                behind = if step > 0 { 0 } else { behind + 1 };
                let number = bare(u16::try_from(index.rem_euclid(65_536)).unwrap());
                prop_assert_eq!(numbering.judge(number), expected);
                prop_assert_eq!(numbering.record(number), expected);
                seen.insert(index);
            }
        }
    }
}
