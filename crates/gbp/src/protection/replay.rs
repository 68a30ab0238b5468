//! Which frames of one epoch were seen.
//!
//! Every stream has a window: a frame is taken at most once, and one below the window is refused even if it was never
//! seen, because the two can no longer be told apart. A window holds the highest numbers that came, not the highest
//! numbers there are: senders may skip as many as they like, and members who share the number space do.
//!
//! In the `interop` profile stream and epoch are not authenticated: the same sealed bytes open under any header of their
//! class. There a frame under a number of ours is also known by its tag, within the last [`REMEMBERED_TAGS`] of its
//! class and key.
//!
//! Knows nothing of keys. Callers look before they open and record only what has authenticated, so that a forger can
//! use up neither numbers nor memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use coterie_types::{Sequence, StreamClass, StreamId};
use coterie_wire::Header;

use crate::error::OpenError;
use crate::limits::{REMEMBERED_TAGS, REPLAY_WINDOW};
use crate::protection::place;

/// The highest [`REPLAY_WINDOW`] numbers of one stream.
#[derive(Clone, Debug, Default)]
struct Window {
    /// Ascending.
    seen: VecDeque<u32>,
    /// The highest number that was forgotten: it and all below are closed.
    floor: u32,
}

impl Window {
    /// Whether a frame with `number` may still come.
    fn is_open(&self, number: u32) -> bool {
        number > self.floor && self.seen.binary_search(&number).is_err()
    }

    /// Notes that it came. What is not open stays closed.
    fn record(&mut self, number: u32) {
        if number <= self.floor {
            return;
        }
        let Err(index) = self.seen.binary_search(&number) else { return };
        self.seen.insert(index, number);
        if self.seen.len() > REPLAY_WINDOW {
            self.floor = self.seen.pop_front().unwrap_or(self.floor);
        }
    }
}

/// The streams of one epoch.
#[derive(Debug)]
pub(crate) struct Streams {
    windows: BTreeMap<(StreamClass, StreamId), Window>,
    /// How many are remembered at most.
    most: usize,
}

impl Streams {
    /// Remembers up to `most` streams.
    pub(crate) const fn new(most: usize) -> Self {
        Self { windows: BTreeMap::new(), most }
    }

    /// Whether a frame with this header may still come.
    pub(crate) fn check(&self, header: &Header) -> Result<(), OpenError> {
        let Header { class, stream, sequence, .. } = *header;
        match self.windows.get(&(class, stream)) {
            Some(window) if !window.is_open(sequence.number()) => Err(OpenError::Replay { stream, sequence }),
            _ => Ok(()),
        }
    }

    /// Whether there is room to remember a frame of this stream.
    pub(crate) fn has_room(&self, class: StreamClass, stream: StreamId) -> Result<(), OpenError> {
        if self.windows.len() < self.most || self.windows.contains_key(&(class, stream)) {
            return Ok(());
        }
        Err(OpenError::TooManyStreams)
    }

    /// Remembers a frame that has authenticated, for which there is room.
    pub(crate) fn record(&mut self, class: StreamClass, stream: StreamId, sequence: Sequence) {
        if self.has_room(class, stream).is_ok() {
            self.windows.entry((class, stream)).or_default().record(sequence.number());
        }
    }

    /// How many streams are remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.windows.len()
    }
}

/// What a sealed payload of the `interop` profile is known by: its number and a part of its tag.
type Fingerprint = (u32, u64);

/// The last [`REMEMBERED_TAGS`] of one class.
#[derive(Debug, Default)]
struct ClassTags {
    order: VecDeque<Fingerprint>,
    known: BTreeSet<Fingerprint>,
}

impl ClassTags {
    fn record(&mut self, tag: Fingerprint) {
        if !self.known.insert(tag) {
            return;
        }
        self.order.push_back(tag);
        if self.order.len() > REMEMBERED_TAGS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// What was opened under the keys of one MLS epoch, whatever headers it came under.
#[derive(Debug, Default)]
pub(crate) struct Tags([ClassTags; StreamClass::ALL.len()]);

impl Tags {
    /// Whether the sealed bytes have not come under another header.
    pub(crate) fn check(&self, header: &Header, tag: u64) -> Result<(), OpenError> {
        let Header { class, stream, sequence, .. } = *header;
        let known =
            self.0.get(place(class)).is_some_and(|tags| tags.known.contains(&(sequence.number(), tag)));
        if known { Err(OpenError::Replay { stream, sequence }) } else { Ok(()) }
    }

    /// Remembers the sealed bytes of a frame that has authenticated.
    pub(crate) fn record(&mut self, header: &Header, tag: u64) {
        if let Some(tags) = self.0.get_mut(place(header.class)) {
            tags.record((header.sequence.number(), tag));
        }
    }

    /// How many tags are remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.0.iter().map(|tags| tags.known.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    /// The rule itself: never twice, and not below the highest number that no longer fits.
    #[derive(Default)]
    struct Model(BTreeSet<u32>);

    impl Model {
        fn is_open(&self, number: u32) -> bool {
            let forgotten = self.0.iter().rev().nth(REPLAY_WINDOW);
            !self.0.contains(&number) && forgotten.is_none_or(|forgotten| number > *forgotten)
        }
    }

    fn numbers() -> impl Strategy<Value = Vec<u32>> {
        let number =
            prop_oneof![1_u32..200, 1_u32..5_000, any::<u32>().prop_filter("zero is none", |n| *n > 0)];
        proptest::collection::vec(number, 0..400)
    }

    proptest! {
        #[test]
        fn a_window_answers_as_the_rule_says(numbers in numbers()) {
            let (mut window, mut model) = (Window::default(), Model::default());
            for number in numbers {
                prop_assert_eq!(window.is_open(number), model.is_open(number), "{}", number);
                if window.is_open(number) {
                    model.0.insert(number);
                }
                window.record(number);
                prop_assert!(!window.is_open(number));
                prop_assert!(window.seen.len() <= REPLAY_WINDOW && window.seen.iter().is_sorted());
            }
        }

        #[test]
        fn what_is_sent_in_order_with_any_gaps_and_swapped_by_less_than_a_window_all_comes(
            gaps in proptest::collection::vec(1_u32..1_000_000, 1..300),
            seed in any::<u64>(),
        ) {
            let mut number = 0_u32;
            let mut sent: Vec<u32> = gaps.iter().map(|gap| { number += gap; number }).collect();
            let block = 2 + usize::try_from(seed % 60).unwrap();
            sent.chunks_mut(block).for_each(<[u32]>::reverse);
            let mut window = Window::default();
            for number in sent {
                prop_assert!(window.is_open(number));
                window.record(number);
            }
        }
    }

    #[test]
    fn sixteen_frames_behind_is_taken_however_far_apart_their_numbers_are() {
        for step in [1, 1_024, 65_536, 30_000_000] {
            let mut window = Window::default();
            let sent: Vec<u32> = (1..=100).map_while(|count: u32| count.checked_mul(step)).collect();
            let late = sent.len() - 17;
            sent.iter()
                .enumerate()
                .filter(|(at, _)| *at != late)
                .for_each(|(_, number)| window.record(*number));
            assert!(window.is_open(sent[late]), "step {step}");
        }
    }

    #[test]
    fn zero_never_comes_and_the_last_number_does_not_close_the_stream() {
        let mut window = Window::default();
        assert!(!window.is_open(0));
        window.record(u32::MAX);
        assert!(!window.is_open(u32::MAX) && window.is_open(1));
        window.record(1);
        assert!(!window.is_open(1) && window.is_open(2));
    }

    #[test]
    fn streams_and_tags_end_at_their_bounds() {
        let (mut streams, mut tags) = (Streams::new(1_000), ClassTags::default());
        let text = StreamClass::Text;
        for number in 0..u32::try_from(2 * REMEMBERED_TAGS).unwrap() {
            streams.record(text, StreamId::new(number), Sequence::FIRST);
            tags.record((number, u64::from(number)));
        }
        assert_eq!((streams.remembered(), tags.known.len()), (1_000, REMEMBERED_TAGS));
        assert_eq!(streams.has_room(text, StreamId::new(7)), Ok(()));
        assert_eq!(streams.has_room(StreamClass::Audio, StreamId::new(7)), Err(OpenError::TooManyStreams));
    }
}
