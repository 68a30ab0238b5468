//! Messages that are kept, in the order in which they came.
//!
//! Each has a position, which is never used again and is the cursor to read on from. With a store, contents stand in
//! its rows and the index here; without one, contents stand here too.

use std::collections::BTreeMap;

use coterie_types::{Epoch, MemberId, MessageId};
use coterie_wire::payload::TextMessage;

use crate::limits::{
    DEFAULT_HISTORY, DEFAULT_HISTORY_BYTES, MAX_HISTORY, MAX_HISTORY_BYTES, MESSAGE_OVERHEAD,
};
use crate::watermark::Watermark;

/// How much a history keeps, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HistoryLimits {
    /// Messages, at least one and at most [`MAX_HISTORY`].
    pub messages: usize,
    /// Bytes of all messages, at most [`MAX_HISTORY_BYTES`]. One message stays whatever its length.
    pub bytes: usize,
    /// Whether contents stay in memory. Without, only the rows have them.
    pub in_memory: bool,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { messages: DEFAULT_HISTORY, bytes: DEFAULT_HISTORY_BYTES, in_memory: true }
    }
}

/// Positions that can be reached before a stored one is nonsense.
const POSITIONS: u64 = 1 << 62;

/// A bounded log of messages.
#[derive(Clone, Debug)]
pub struct History {
    limits: HistoryLimits,
    entries: BTreeMap<u64, Entry>,
    positions: BTreeMap<(MemberId, MessageId), u64>,
    bytes: usize,
    next: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    sender: MemberId,
    id: MessageId,
    size: usize,
    heard: Heard,
    message: Option<TextMessage>,
}

/// How a message came here, which decides to whom it is passed on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Heard {
    /// Whether only another member's word stands for it.
    pub(crate) relayed: bool,
    /// The epoch in which it was said, where that is known.
    pub(crate) epoch: Option<Epoch>,
}

/// One message of a history.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kept<'a> {
    /// Its place, and the cursor to read on from.
    pub position: u64,
    /// Who sent it.
    pub sender: MemberId,
    /// Its number among the sender's messages.
    pub id: MessageId,
    /// What it takes in a replay.
    pub size: usize,
    /// Whether another member passed it on, so that it is that member's word only.
    pub relayed: bool,
    /// The epoch in which it was said, where that is known.
    pub epoch: Option<Epoch>,
    /// The message, where contents stay in memory.
    pub message: Option<&'a TextMessage>,
}

/// What came of a message that was pushed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pushed {
    /// Its place.
    pub position: u64,
    /// Places of those that gave way, oldest first.
    pub dropped: Vec<u64>,
}

impl History {
    /// An empty history. None where it could keep nothing, or more than its bounds.
    #[must_use]
    pub fn new(limits: HistoryLimits) -> Option<Self> {
        let fits = (1..=MAX_HISTORY).contains(&limits.messages) && limits.bytes <= MAX_HISTORY_BYTES;
        let (entries, positions) = (BTreeMap::new(), BTreeMap::new());
        fits.then_some(Self { limits, entries, positions, bytes: 0, next: 0 })
    }

    /// Appends a message; nothing happens where its sender's number is there already.
    pub fn push(&mut self, message: &TextMessage) -> Option<Pushed> {
        self.push_as(message, Heard::default())
    }

    pub(crate) fn push_as(&mut self, message: &TextMessage, heard: Heard) -> Option<Pushed> {
        let position = self.next;
        self.put(position, message, heard).then(|| Pushed { position, dropped: self.trim() })
    }

    /// Puts back what a row holds; false, and no change, where its place or its number is taken.
    pub(crate) fn put(&mut self, position: u64, message: &TextMessage, heard: Heard) -> bool {
        let key = (message.sender, message.id);
        let next = position.saturating_add(1);
        if position >= POSITIONS || self.positions.contains_key(&key) || self.entries.contains_key(&position)
        {
            return false;
        }
        let size = message.content.len().saturating_add(MESSAGE_OVERHEAD);
        let kept = self.limits.in_memory.then(|| message.clone());
        let entry = Entry { sender: message.sender, id: message.id, size, heard, message: kept };
        self.entries.insert(position, entry);
        self.positions.insert(key, position);
        self.bytes = self.bytes.saturating_add(size);
        self.next = self.next.max(next);
        true
    }

    /// Drops the oldest until what is left is within the limits.
    pub(crate) fn trim(&mut self) -> Vec<u64> {
        let mut dropped = Vec::new();
        while self.entries.len() > self.limits.messages
            || (self.bytes > self.limits.bytes && self.entries.len() > 1)
        {
            let Some(oldest) = self.entries.keys().next().copied() else { break };
            self.remove(oldest);
            dropped.push(oldest);
        }
        dropped
    }

    /// Takes out the message at a position.
    pub fn remove(&mut self, position: u64) -> bool {
        let Some(entry) = self.entries.remove(&position) else { return false };
        self.positions.remove(&(entry.sender, entry.id));
        self.bytes = self.bytes.saturating_sub(entry.size);
        true
    }

    /// Takes note that the sender said himself what another member had passed on; where it stands, if that is news.
    pub(crate) fn confirm(&mut self, sender: MemberId, id: MessageId, heard: Heard) -> Option<u64> {
        let position = self.position(sender, id)?;
        let entry = self.entries.get_mut(&position).filter(|entry| entry.heard.relayed)?;
        entry.heard = heard;
        Some(position)
    }

    /// Forgets everything. Positions go on.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.positions.clear();
        self.bytes = 0;
    }

    /// Whether a sender's message is there.
    #[must_use]
    pub fn contains(&self, sender: MemberId, id: MessageId) -> bool {
        self.position(sender, id).is_some()
    }

    /// Where a sender's message stands.
    #[must_use]
    pub fn position(&self, sender: MemberId, id: MessageId) -> Option<u64> {
        self.positions.get(&(sender, id)).copied()
    }

    /// A sender's message.
    #[must_use]
    pub fn find(&self, sender: MemberId, id: MessageId) -> Option<Kept<'_>> {
        self.at(self.position(sender, id)?)
    }

    /// The message at a position.
    #[must_use]
    pub fn at(&self, position: u64) -> Option<Kept<'_>> {
        self.entries.get(&position).map(|entry| entry.kept(position))
    }

    /// Everything, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Kept<'_>> {
        self.entries.iter().map(|(position, entry)| entry.kept(*position))
    }

    /// Everything behind a position, oldest first: what a reader continues with, and backwards what it scrolls to.
    pub fn after(&self, position: Option<u64>) -> impl DoubleEndedIterator<Item = Kept<'_>> {
        let start = position.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let range = self.entries.range((start, std::ops::Bound::Unbounded));
        range.map(|(position, entry)| entry.kept(*position))
    }

    /// Everything that `seen` does not reach, oldest first.
    pub fn since<'a>(&'a self, seen: &'a Watermark) -> impl Iterator<Item = Kept<'a>> {
        self.iter().filter(|kept| seen.last_seen(kept.sender).is_none_or(|last| kept.id > last))
    }

    /// Messages of one sender above a number, oldest first.
    pub fn since_for_sender(&self, sender: MemberId, id: MessageId) -> impl Iterator<Item = Kept<'_>> {
        self.iter().filter(move |kept| kept.sender == sender && kept.id > id)
    }

    /// How many messages are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all messages, as far as the limits count them.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Kept<'_> {
    pub(crate) fn heard(&self) -> Heard {
        Heard { relayed: self.relayed, epoch: self.epoch }
    }
}

impl Entry {
    fn kept(&self, position: u64) -> Kept<'_> {
        let Self { sender, id, size, heard: Heard { relayed, epoch }, ref message } = *self;
        Kept { position, sender, id, size, relayed, epoch, message: message.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::Draft;

    fn message(sender: u32, id: u64) -> TextMessage {
        Draft::text("x").message(MemberId::new(sender), MessageId::new(id))
    }

    fn history(messages: usize) -> History {
        History::new(HistoryLimits { messages, ..Default::default() }).unwrap()
    }

    fn ids<'a>(kept: impl Iterator<Item = Kept<'a>>) -> Vec<u64> {
        kept.map(|kept| kept.id.number()).collect()
    }

    #[test]
    fn a_history_of_nothing_cannot_be_made() {
        for messages in [0, MAX_HISTORY + 1] {
            assert!(History::new(HistoryLimits { messages, ..Default::default() }).is_none());
        }
    }

    #[test]
    fn the_oldest_gives_way_and_a_repetition_changes_nothing() {
        let mut history = history(2);
        assert_eq!(history.push(&message(1, 1)), Some(Pushed { position: 0, dropped: vec![] }));
        assert_eq!(history.push(&message(1, 1)), None);
        history.push(&message(2, 1));
        assert_eq!(history.push(&message(1, 9)), Some(Pushed { position: 2, dropped: vec![0] }));
        assert!(!history.contains(MemberId::new(1), MessageId::new(1)));
        assert_eq!(history.len(), 2);
    }

    #[test]
    fn what_is_above_a_watermark_comes_in_the_order_of_arrival() {
        let mut history = history(10);
        for (sender, id) in [(1, 2), (2, 7), (1, 1), (1, 3)] {
            history.push(&message(sender, id));
        }
        let mut seen = Watermark::default();
        assert_eq!(ids(history.since(&seen)), [2, 7, 1, 3]);
        seen.observe(MemberId::new(1), MessageId::new(2));
        assert_eq!(ids(history.since(&seen)), [7, 3]);
        assert_eq!(ids(history.since_for_sender(MemberId::new(1), MessageId::new(1))), [2, 3]);
        assert_eq!(ids(history.after(Some(1))), [1, 3]);
        assert_eq!(ids(history.after(None).rev().take(2)), [3, 1]);
    }

    #[test]
    fn bytes_are_bounded_and_one_message_always_stays() {
        let limits = HistoryLimits { messages: 100, bytes: 3 * MESSAGE_OVERHEAD, in_memory: false };
        let mut history = History::new(limits).unwrap();
        (0..50).for_each(|id| drop(history.push(&message(1, id))));
        assert_eq!((history.len(), history.bytes() <= limits.bytes), (2, true));
        let large = TextMessage { content: vec![0; 10_000], ..message(1, 99) };
        history.push(&large);
        assert_eq!((history.len(), history.iter().next().unwrap().message), (1, None));
    }
}
