//! What text and signals share: who sent something, why saved states are refused, and what was received before, a
//! bounded set in which no sender takes the room of another.
//!
//! Text and signals both know a repetition by its sender and number, and both remember at most [`CAPACITY`] of them.
//! When that many are held, the sender who takes the most room gives up its oldest: with one sender that is first in,
//! first out, as the protocol says, and somebody who floods the group only makes us forget what he sent himself.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry as Slot};

use coterie_types::{Code, ErrorCode, MemberId};
use coterie_wire::Malformed;

/// Entries that are remembered: the protocol's number.
pub const CAPACITY: usize = 10_000;

/// Who sent a payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// This member, as the frame layer knows: in the sealed profile by a signature, in the interop profile by the
    /// stream's number, which any member could have written.
    Member(MemberId),
    /// Nobody knows: what the payload says is taken for it.
    Unknown,
}

impl Origin {
    /// Who really sent what names `claimed` as its sender, if that is somebody else.
    #[must_use]
    pub fn other_than(self, claimed: MemberId) -> Option<MemberId> {
        match self {
            Self::Member(sender) if sender != claimed => Some(sender),
            _ => None,
        }
    }
}

/// Why bytes are no saved state.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not of this version.
    #[error("the state is of version {0}")]
    Version(u64),
    /// Not well-formed.
    #[error("not a saved state: {0}")]
    Malformed(#[from] Malformed),
    /// Its parts contradict each other, or a bound.
    #[error("the parts of the state contradict each other")]
    Contradiction,
}

impl ErrorCode for StateError {
    fn code(&self) -> Code {
        Code::STATE_INVALID
    }
}

/// Arrivals that can be counted before a stored place is nonsense.
const PLACES: u64 = 1 << 62;

/// What was received, by sender and number, with what is known of each.
#[derive(Clone, Debug)]
pub struct Seen<I, V> {
    senders: BTreeMap<MemberId, Sender<I, V>>,
    /// The same senders by how much room each takes.
    room: BTreeSet<(usize, MemberId)>,
    held: usize,
    /// The place of the next arrival.
    next: u64,
}

#[derive(Clone, Debug)]
struct Sender<I, V> {
    entries: BTreeMap<I, (u64, V)>,
    arrivals: BTreeMap<u64, I>,
}

/// One entry: whose, its number, its place among all arrivals, and what is known of it.
pub type Entry<'a, I, V> = (MemberId, I, u64, &'a V);

impl<I, V> Default for Seen<I, V> {
    fn default() -> Self {
        Self { senders: BTreeMap::new(), room: BTreeSet::new(), held: 0, next: 0 }
    }
}

impl<I, V> Default for Sender<I, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), arrivals: BTreeMap::new() }
    }
}

impl<I: Copy + Ord, V> Seen<I, V> {
    /// Remembers what is not held yet, and answers what was given up for it. What is held stays as it is.
    pub fn insert(&mut self, sender: MemberId, number: I, value: V) -> Option<(MemberId, I)> {
        let place = self.next;
        self.put(place, sender, number, value);
        if self.held <= CAPACITY { None } else { self.give_up(sender) }
    }

    /// Puts back what [`Self::iter`] showed; false, and no change, where the number, the place or the room is taken.
    pub fn insert_at(&mut self, place: u64, sender: MemberId, number: I, value: V) -> bool {
        place < PLACES && self.held < CAPACITY && self.put(place, sender, number, value)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is known of an entry, if it is held.
    #[must_use]
    pub fn get(&self, sender: MemberId, number: I) -> Option<&V> {
        self.entry(sender, number).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, sender: MemberId, number: I) -> Option<&mut V> {
        self.senders.get_mut(&sender)?.entries.get_mut(&number).map(|(_, value)| value)
    }

    /// The place of an entry among all arrivals.
    #[must_use]
    pub fn place(&self, sender: MemberId, number: I) -> Option<u64> {
        self.entry(sender, number).map(|(place, _)| *place)
    }

    /// Whether an entry is held.
    #[must_use]
    pub fn contains(&self, sender: MemberId, number: I) -> bool {
        self.entry(sender, number).is_some()
    }

    /// How many entries are held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether none is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Every entry, by sender and number.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_, I, V>> {
        self.senders.iter().flat_map(|(sender, held)| {
            held.entries.iter().map(|(number, (place, value))| (*sender, *number, *place, value))
        })
    }

    fn entry(&self, sender: MemberId, number: I) -> Option<&(u64, V)> {
        self.senders.get(&sender)?.entries.get(&number)
    }

    fn put(&mut self, place: u64, sender: MemberId, number: I, value: V) -> bool {
        let held = self.senders.entry(sender).or_default();
        let room = held.entries.len();
        // A sender who is new here has neither: none is left behind without an entry.
        let (Slot::Vacant(arrival), Slot::Vacant(entry)) =
            (held.arrivals.entry(place), held.entries.entry(number))
        else {
            return false;
        };
        arrival.insert(number);
        entry.insert((place, value));
        self.room.remove(&(room, sender));
        self.room.insert((held.entries.len(), sender));
        self.held = self.held.saturating_add(1);
        self.next = self.next.max(place.saturating_add(1));
        true
    }

    /// The oldest of whoever takes the most room; never the only one of whom `spared` names.
    fn give_up(&mut self, spared: MemberId) -> Option<(MemberId, I)> {
        let mut largest = self.room.iter().rev();
        let (room, sender) = *largest.find(|(room, sender)| *room > 1 || *sender != spared)?;
        self.room.remove(&(room, sender));
        let held = self.senders.get_mut(&sender)?;
        let (_, number) = held.arrivals.pop_first()?;
        held.entries.remove(&number);
        self.held = self.held.saturating_sub(1);
        match room.saturating_sub(1) {
            0 => self.senders.remove(&sender).is_some(),
            left => self.room.insert((left, sender)),
        };
        Some((sender, number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALICE: MemberId = MemberId::new(1);
    const BOB: MemberId = MemberId::new(2);

    #[test]
    fn one_sender_loses_its_oldest_first_and_a_repetition_does_not_refresh_it() {
        let mut seen = Seen::default();
        for number in 0..CAPACITY as u64 {
            assert_eq!(seen.insert(ALICE, number, ()), None);
        }
        assert_eq!(seen.insert(ALICE, 0, ()), None);
        assert_eq!(seen.insert(ALICE, CAPACITY as u64, ()), Some((ALICE, 0)));
        assert_eq!((seen.len(), seen.contains(ALICE, 1)), (CAPACITY, true));
    }

    #[test]
    fn who_floods_forgets_only_his_own() {
        let mut seen = Seen::default();
        for number in 0..10_u64 {
            seen.insert(ALICE, number, ());
        }
        for number in 0..3 * CAPACITY as u64 {
            assert!(seen.insert(BOB, number, ()).is_none_or(|(who, _)| who == BOB));
        }
        assert!((0..10).all(|number| seen.contains(ALICE, number)));
        assert_eq!(seen.len(), CAPACITY);
    }

    #[test]
    fn many_senders_share_the_room_and_a_new_one_finds_some() {
        let mut seen = Seen::default();
        for number in 0..CAPACITY as u64 {
            seen.insert(MemberId::new(u32::try_from(number % 100).unwrap()), number, ());
        }
        let late = MemberId::new(500);
        assert!(seen.insert(late, 1, ()).is_some_and(|(who, _)| who != late));
        assert!(seen.contains(late, 1));
    }

    #[test]
    fn where_everybody_has_one_a_newcomer_is_still_remembered() {
        let mut seen = Seen::default();
        for sender in 0..=CAPACITY as u32 {
            seen.insert(MemberId::new(sender), 1_u64, ());
        }
        assert!(seen.contains(MemberId::new(CAPACITY as u32), 1));
        assert_eq!(seen.len(), CAPACITY);
    }

    proptest! {
        #[test]
        fn the_books_balance_and_what_is_shown_can_be_put_back(numbers in prop::collection::vec((0_u32..5, 0_u64..40), 0..200)) {
            let mut seen = Seen::default();
            for (sender, number) in &numbers {
                seen.insert(MemberId::new(*sender), *number, number ^ 1);
            }
            let mut again = Seen::default();
            for (sender, number, place, value) in seen.iter() {
                prop_assert!(again.insert_at(place, sender, number, *value));
                prop_assert!(!again.insert_at(place, sender, number, *value));
            }
            prop_assert_eq!(seen.iter().collect::<Vec<_>>(), again.iter().collect::<Vec<_>>());
            prop_assert_eq!(seen.room.iter().map(|(room, _)| room).sum::<usize>(), seen.len());
            prop_assert_eq!(seen.next, again.next);
        }
    }
}
