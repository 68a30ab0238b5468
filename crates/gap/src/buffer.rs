//! The jitter buffer of the published bindings: packets in order, without a clock.
//!
//! Numbers are compared modulo 2^16, so that it goes on over the wrap; the published one compares them plainly and takes
//! every packet after number 65,535 for late. Two packets near each other from somewhere else begin a new order.

use std::collections::VecDeque;

use coterie_types::Timestamp;
use coterie_wire::payload::MediaSource;

use crate::clock::Clock;
use crate::error::{ReceiveError, SetupError};
use crate::limits::{MAX_CAPACITY, MAX_FRAME, NUMBER_WINDOW};
use crate::numbering::is_near;
use crate::serial::ahead16;
use crate::track::{TrackId, Tracks};

/// Packets of several sources, each in order.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    capacity: usize,
    sources: Tracks<Order>,
    clock: Clock,
}

/// What became of a packet that was pushed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pushed {
    /// It waits, or a packet with its number does already.
    Accepted,
    /// Its turn is over.
    Late,
    /// It waits, and the packet that is first in order no longer does; that may be the same one.
    Evicted {
        /// The number of the packet that gave way.
        sequence: u16,
        /// Its audio.
        frame: Vec<u8>,
    },
}

#[derive(Clone, Debug, Default)]
struct Order {
    /// By number, the next first.
    waiting: VecDeque<(u16, Vec<u8>)>,
    /// The number whose turn it is, once something was popped.
    next: Option<u16>,
    /// A number from elsewhere; another one near it shows that the sender began anew.
    stray: Option<u16>,
}

impl JitterBuffer {
    /// A buffer for up to `capacity` packets of each source.
    ///
    /// # Errors
    /// [`SetupError::Capacity`] for none, or more than [`MAX_CAPACITY`].
    pub fn new(capacity: usize) -> Result<Self, SetupError> {
        if !(1..=MAX_CAPACITY).contains(&capacity) {
            return Err(SetupError::Capacity);
        }
        Ok(Self { capacity, sources: Tracks::default(), clock: Clock::default() })
    }

    /// Takes a packet. The time serves only to find sources that were silent for long when all places are taken.
    ///
    /// # Errors
    /// [`ReceiveError::FrameTooLong`] and [`ReceiveError::TooManySources`]; nothing was changed.
    pub fn push(
        &mut self,
        source: MediaSource,
        sequence: u16,
        frame: Vec<u8>,
        now: Timestamp,
    ) -> Result<Pushed, ReceiveError> {
        if frame.len() > MAX_FRAME {
            return Err(ReceiveError::FrameTooLong(frame.len()));
        }
        let track = TrackId::anonymous(source);
        if !self.sources.has_room(track, self.clock.at(now)) {
            return Err(ReceiveError::TooManySources);
        }
        let now = self.clock.advance(now);
        let order = self.sources.enter(track, now, Order::default).ok_or(ReceiveError::TooManySources)?;
        Ok(order.push(sequence, frame, self.capacity))
    }

    /// The next packet of a source, if it is the one whose turn it is. The first is whatever comes first.
    pub fn pop_in_order(&mut self, source: MediaSource) -> Option<(u16, Vec<u8>)> {
        self.sources.get_mut(TrackId::anonymous(source))?.pop(true)
    }

    /// The next packet of a source, whatever is missing before it.
    pub fn pop_force(&mut self, source: MediaSource) -> Option<(u16, Vec<u8>)> {
        self.sources.get_mut(TrackId::anonymous(source))?.pop(false)
    }

    /// How many packets of a source wait.
    #[must_use]
    pub fn length_for(&self, source: MediaSource) -> usize {
        self.sources.get(TrackId::anonymous(source)).map_or(0, |order| order.waiting.len())
    }

    /// Forgets every source.
    pub fn clear(&mut self) {
        self.sources.clear();
    }
}

impl Order {
    fn push(&mut self, sequence: u16, frame: Vec<u8>, capacity: usize) -> Pushed {
        if self.is_elsewhere(sequence) {
            let stray = self.stray.replace(sequence);
            if !stray.is_some_and(|stray| is_near(stray, sequence)) {
                return Pushed::Late;
            }
            *self = Self::default();
        }
        self.stray = None;
        if self.next.is_some_and(|next| ahead16(next, sequence) < 0) {
            return Pushed::Late;
        }
        let Err(place) = self.place(sequence) else { return Pushed::Accepted };
        self.waiting.insert(place, (sequence, frame));
        if self.waiting.len() <= capacity {
            return Pushed::Accepted;
        }
        let first = self.waiting.pop_front();
        first.map_or(Pushed::Accepted, |(sequence, frame)| Pushed::Evicted { sequence, frame })
    }

    /// Where a number stands, or would stand.
    fn place(&self, sequence: u16) -> Result<usize, usize> {
        let after = self.waiting.iter().rposition(|(other, _)| ahead16(*other, sequence) >= 0);
        match after.and_then(|index| Some((index, self.waiting.get(index)?))) {
            Some((index, (other, _))) if *other == sequence => Ok(index),
            Some((index, _)) => Err(index.saturating_add(1)),
            None => Err(0),
        }
    }

    /// Whether a number is too far behind to have been overtaken on the way. A jump ahead is none: a packet further
    /// ahead can wait.
    fn is_elsewhere(&self, sequence: u16) -> bool {
        let reference = self.next.or_else(|| self.waiting.front().map(|(first, _)| *first));
        reference.is_some_and(|reference| {
            let step = ahead16(reference, sequence);
            step < 0 && step.unsigned_abs() >= NUMBER_WINDOW
        })
    }

    fn pop(&mut self, in_order: bool) -> Option<(u16, Vec<u8>)> {
        let (first, _) = self.waiting.front()?;
        if in_order && self.next.is_some_and(|next| next != *first) {
            return None;
        }
        self.next = Some(first.wrapping_add(1));
        self.waiting.pop_front()
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_secs(1_000);
    const SOURCE: MediaSource = MediaSource::new(1);

    fn push(buffer: &mut JitterBuffer, sequence: u16) -> Pushed {
        buffer.push(SOURCE, sequence, vec![1], T0).unwrap()
    }

    fn evicted(sequence: u16) -> Pushed {
        Pushed::Evicted { sequence, frame: vec![1] }
    }

    fn number(popped: Option<(u16, Vec<u8>)>) -> Option<u16> {
        popped.map(|(sequence, _)| sequence)
    }

    #[test]
    fn it_answers_as_the_published_one_does() {
        let mut buffer = JitterBuffer::new(2).unwrap();
        assert_eq!([0, 1, 2].map(|n| push(&mut buffer, n)), [Pushed::Accepted, Pushed::Accepted, evicted(0)]);
        assert_eq!(number(buffer.pop_in_order(SOURCE)), Some(1));
        assert_eq!([1, 2].map(|n| push(&mut buffer, n)), [Pushed::Late, Pushed::Accepted]);
        assert_eq!(number(buffer.pop_in_order(SOURCE)), Some(2));
        assert_eq!(push(&mut buffer, 5), Pushed::Accepted);
        assert_eq!((buffer.pop_in_order(SOURCE), buffer.length_for(SOURCE)), (None, 1));
        assert_eq!(number(buffer.pop_force(SOURCE)), Some(5));
        assert_eq!(push(&mut buffer, 5), Pushed::Late);
        let mut single = JitterBuffer::new(1).unwrap();
        assert_eq!([4, 3].map(|n| push(&mut single, n)), [Pushed::Accepted, evicted(3)]);
    }

    #[test]
    fn it_goes_on_over_a_hundred_wraps() {
        let mut buffer = JitterBuffer::new(4).unwrap();
        for number in 0..6_553_600_u32 {
            let sequence = u16::try_from(number % 65_536).unwrap();
            assert_eq!(push(&mut buffer, sequence), Pushed::Accepted);
            assert_eq!(buffer.pop_in_order(SOURCE), Some((sequence, vec![1])));
        }
    }

    #[test]
    fn a_sender_that_begins_anew_is_followed_from_its_second_packet() {
        let mut buffer = JitterBuffer::new(4).unwrap();
        push(&mut buffer, 30_000);
        buffer.pop_force(SOURCE).unwrap();
        assert_eq!(
            [1, 30_001, 1].map(|n| push(&mut buffer, n)),
            [Pushed::Late, Pushed::Accepted, Pushed::Late]
        );
        assert_eq!(push(&mut buffer, 2), Pushed::Accepted);
        assert_eq!(number(buffer.pop_in_order(SOURCE)), Some(2));
    }

    #[test]
    fn sources_and_capacity_are_bounded() {
        assert_eq!(JitterBuffer::new(0).unwrap_err(), SetupError::Capacity);
        assert_eq!(JitterBuffer::new(MAX_CAPACITY + 1).unwrap_err(), SetupError::Capacity);
        let mut buffer = JitterBuffer::new(1).unwrap();
        for source in 0..300 {
            let _ = buffer.push(MediaSource::new(source), 0, Vec::new(), T0);
        }
        assert_eq!(buffer.sources.len(), crate::limits::MAX_SOURCES);
        assert_eq!(
            buffer.push(SOURCE, 0, vec![0; MAX_FRAME + 1], T0),
            Err(ReceiveError::FrameTooLong(MAX_FRAME + 1))
        );
        buffer.clear();
        assert_eq!(buffer.length_for(SOURCE), 0);
    }
}
