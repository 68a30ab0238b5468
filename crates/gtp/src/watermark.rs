//! How far each sender's messages have been seen.

use std::collections::BTreeMap;

use coterie_types::{MemberId, MessageId};
use coterie_wire::limits::MAX_WATERMARKS;

/// The highest message of each sender, and below it the one up to which nothing is missing.
///
/// The second is what is asked for again: a message that was lost while later ones arrived would otherwise stay lost.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Watermark(BTreeMap<MemberId, Mark>);

/// What is known of one sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    pub(crate) highest: MessageId,
    pub(crate) whole: MessageId,
}

impl Watermark {
    /// Takes note of a message, the one numbered zero included. False where there are too many senders, or it is not
    /// the highest.
    pub fn observe(&mut self, sender: MemberId, id: MessageId) -> bool {
        let room = self.0.len() < MAX_WATERMARKS;
        match self.0.get_mut(&sender) {
            None if room => drop(self.0.insert(sender, Mark { highest: id, whole: id })),
            Some(mark) if mark.highest < id => mark.highest = id,
            _ => return false,
        }
        true
    }

    /// Moves up to where nothing is missing, as far as `has` knows the messages. True if it moved.
    pub(crate) fn close(&mut self, sender: MemberId, has: impl Fn(MessageId) -> bool) -> bool {
        let Some(mark) = self.0.get_mut(&sender) else { return false };
        let before = mark.whole;
        while mark.whole < mark.highest {
            let next = MessageId::new(mark.whole.number().saturating_add(1));
            if !has(next) {
                break;
            }
            mark.whole = next;
        }
        mark.whole != before
    }

    /// Gives up what is missing of a sender: it was asked for it and does not have it any more. True if the mark moved.
    pub(crate) fn give_up_gap(&mut self, sender: MemberId) -> bool {
        let open = self.0.get_mut(&sender).filter(|mark| mark.whole != mark.highest);
        open.map(|mark| mark.whole = mark.highest).is_some()
    }

    pub(crate) fn put(&mut self, sender: MemberId, mark: Mark) -> bool {
        mark.whole <= mark.highest && self.0.len() < MAX_WATERMARKS && self.0.insert(sender, mark).is_none()
    }

    pub(crate) fn mark(&self, sender: MemberId) -> Option<Mark> {
        self.0.get(&sender).copied()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The highest message of a sender.
    #[must_use]
    pub fn last_seen(&self, sender: MemberId) -> Option<MessageId> {
        self.mark(sender).map(|mark| mark.highest)
    }

    /// The highest message of each sender.
    pub fn iter(&self) -> impl Iterator<Item = (MemberId, MessageId)> {
        self.0.iter().map(|(sender, mark)| (*sender, mark.highest))
    }

    /// What to ask for: everything above these.
    #[must_use]
    pub fn missing_above(&self) -> BTreeMap<MemberId, MessageId> {
        self.0.iter().map(|(sender, mark)| (*sender, mark.whole)).collect()
    }

    /// How many senders are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: MemberId = MemberId::new(1);

    #[test]
    fn the_highest_counts_and_a_first_zero_is_kept() {
        let mut marks = Watermark::default();
        assert!(marks.observe(ALICE, MessageId::new(0)));
        assert_eq!((marks.last_seen(ALICE), marks.len()), (Some(MessageId::new(0)), 1));
        assert!(marks.observe(ALICE, MessageId::new(u64::MAX)));
        assert!(!marks.observe(ALICE, MessageId::new(7)));
        assert_eq!(marks.last_seen(ALICE), Some(MessageId::new(u64::MAX)));
    }

    #[test]
    fn a_gap_is_asked_for_until_it_is_closed_or_given_up() {
        let mut marks = Watermark::default();
        assert_eq!([3, 5].map(|id| marks.observe(ALICE, MessageId::new(id))), [true; 2]);
        assert!(!marks.close(ALICE, |id| id.number() == 5));
        assert_eq!(marks.missing_above()[&ALICE], MessageId::new(3));
        assert!(marks.close(ALICE, |_| true));
        assert_eq!(marks.missing_above()[&ALICE], MessageId::new(5));
        marks.observe(ALICE, MessageId::new(9));
        assert_eq!((marks.give_up_gap(ALICE), marks.give_up_gap(ALICE)), (true, false));
        assert_eq!(marks.missing_above()[&ALICE], MessageId::new(9));
    }

    #[test]
    fn more_senders_than_the_bound_are_not_kept() {
        let mut marks = Watermark::default();
        let kept = (0..=10_000).filter(|number| marks.observe(MemberId::new(*number), MessageId::new(1)));
        assert_eq!((kept.count(), marks.len()), (MAX_WATERMARKS, MAX_WATERMARKS));
    }
}
