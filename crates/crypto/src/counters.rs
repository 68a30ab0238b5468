//! Counters that no two frames share, whatever happens to the process between them.
//!
//! A counter is used only after it was reserved, and counts as reserved only once the record that says so is stored.
//! The caller's store is the one truth: every reservation begins behind the record that is stored now, so it does not
//! matter how often a sealing side is made anew, for how many handles, or where the process was killed. What was
//! reserved and not used is skipped.
//!
//! Records are kept under a name that is derived from the key itself: whoever shares the key shares the record,
//! whatever it calls its groups, labels and sessions.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{CryptoError, Secret};

/// A reservation of more at once is a mistake: a thousand restarts must not use up what a key has.
pub const MAX_RESERVATION: u64 = 1 << 32;

/// One more than the last counter that there can be.
pub const END: u128 = 1 << 64;

/// A stored record is not one, or belongs to another key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the stored record of counters is damaged or of another key")]
pub struct WrongRecord;

/// Why no counters were promised.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReserveError {
    /// The record is of another key.
    #[error(transparent)]
    WrongRecord(#[from] WrongRecord),
    /// Nothing, or more than [`MAX_RESERVATION`], was to be reserved.
    #[error("a reservation is of 1 to 2^32 counters")]
    Size,
    /// The last reservation was neither stored nor dropped.
    #[error("another reservation for this key is under way")]
    Pending,
    /// Every counter of the key was used or reserved.
    #[error("every counter of the key is used up")]
    Exhausted,
}

/// Why no counter was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TakeError {
    /// Too few are reserved.
    #[error("too few counters are reserved")]
    NotReserved,
    /// Every counter of the key was used.
    #[error("every counter of the key is used up")]
    Exhausted,
}

/// The name under which a key's record is stored. It says nothing about the key.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CounterId([u8; Self::LENGTH]);

impl CounterId {
    /// Its length in bytes.
    pub const LENGTH: usize = 16;

    /// The name that `expand` derives from the key, under a label of its own, when it is asked for so many bytes.
    ///
    /// # Errors
    /// Those of `expand`, and [`CryptoError::Internal`] when it gives another length.
    pub fn derive(expand: impl FnOnce(usize) -> Result<Secret, CryptoError>) -> Result<Self, CryptoError> {
        let bytes = expand(Self::LENGTH)?;
        let bytes = bytes.expose().try_into();
        bytes.map(Self).map_err(|_| CryptoError::Internal("as long as was asked for"))
    }

    /// The name with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The key of the store's row.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for CounterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CounterId(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// What is stored of a key's counters: up to where they are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CounterRecord {
    id: CounterId,
    last: u64,
}

impl CounterRecord {
    /// Its length in bytes.
    pub const LENGTH: usize = CounterId::LENGTH + 8;

    /// Reads a stored record.
    ///
    /// # Errors
    /// For bytes of any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WrongRecord> {
        let (id, last) = bytes.split_first_chunk().ok_or(WrongRecord)?;
        let last = last.try_into().map_err(|_| WrongRecord)?;
        Ok(Self { id: CounterId(*id), last: u64::from_be_bytes(last) })
    }

    /// The row to store.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let parts = self.id.0.into_iter().chain(self.last.to_be_bytes());
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        bytes
    }

    /// The name to store it under.
    #[must_use]
    pub const fn id(self) -> CounterId {
        self.id
    }

    /// The last counter that is taken.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.last
    }
}

/// The counters of one key in this process.
#[derive(Debug)]
pub struct Counters {
    id: CounterId,
    end: u128,
    low_water: u64,
    state: Mutex<State>,
}

/// `next..end` may be used; nothing below `promised` is ever reserved again.
#[derive(Debug, Default)]
struct State {
    next: u128,
    end: u128,
    promised: u128,
    pending: bool,
}

impl Counters {
    /// The counters below `end`, which is no more than [`END`]. Once fewer than `low_water` are left of a
    /// reservation, it is time for another.
    #[must_use]
    pub fn new(id: CounterId, end: u128, low_water: u64) -> Self {
        Self { id, end: end.min(END), low_water, state: Mutex::default() }
    }

    /// The name of their record.
    #[must_use]
    pub const fn id(&self) -> CounterId {
        self.id
    }

    /// Gives up every counter below `floor`, reserved or not.
    pub fn skip_below(&self, floor: u64) {
        let mut state = self.lock();
        let floor = u128::from(floor).min(self.end);
        state.promised = state.promised.max(floor);
        state.next = state.next.max(floor);
        state.end = state.end.max(state.next);
    }

    /// The first of `count` counters, which are used from here on; or none are.
    ///
    /// # Errors
    /// When fewer are reserved, or there are no more.
    pub fn take(&self, count: usize) -> Result<u64, TakeError> {
        let mut state = self.lock();
        let after = u128::try_from(count).ok().and_then(|count| state.next.checked_add(count));
        let first = u64::try_from(state.next).map_err(|_| TakeError::Exhausted)?;
        match after {
            Some(after) if after <= state.end => state.next = after,
            Some(after) if after <= self.end => return Err(TakeError::NotReserved),
            _ => return Err(TakeError::Exhausted),
        }
        Ok(first)
    }

    /// The counter that is taken next; none before counters are reserved, or when they are used up.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let state = self.lock();
        (state.next < state.end).then_some(state.next).and_then(|next| u64::try_from(next).ok())
    }

    /// How many can be taken before more must be reserved.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        let state = self.lock();
        u64::try_from(state.end.saturating_sub(state.next)).unwrap_or(u64::MAX)
    }

    /// How many there are that were neither used nor given up.
    #[must_use]
    pub fn left(&self) -> u64 {
        let state = self.lock();
        u64::try_from(self.end.saturating_sub(state.next)).unwrap_or(u64::MAX)
    }

    /// The last counter that was used, reserved or given up; none before the first.
    #[must_use]
    pub fn last_promised(&self) -> Option<u64> {
        let state = self.lock();
        state.promised.checked_sub(1).and_then(|last| u64::try_from(last).ok())
    }

    /// Whether it is time to reserve more, so that nothing waits for the store.
    #[must_use]
    pub fn runs_low(&self) -> bool {
        let state = self.lock();
        state.end < self.end && state.end.saturating_sub(state.next) < u128::from(self.low_water)
    }

    /// Promises the next `count` counters behind `stored`, the record that the caller's store holds for
    /// [`Self::id`] now. Reading, storing the new record and [`Reservation::stored`] are one step of the caller's, in
    /// which nobody else writes the record.
    ///
    /// # Errors
    /// Every [`ReserveError`].
    pub fn reserve(
        self: &Arc<Self>,
        stored: Option<CounterRecord>,
        count: u64,
    ) -> Result<Reservation, ReserveError> {
        if !(1..=MAX_RESERVATION).contains(&count) {
            return Err(ReserveError::Size);
        }
        if stored.is_some_and(|stored| stored.id != self.id) {
            return Err(WrongRecord.into());
        }
        let mut state = self.lock();
        if state.pending {
            return Err(ReserveError::Pending);
        }
        let taken = stored.map_or(0, |stored| u128::from(stored.last).saturating_add(1));
        let first = taken.max(state.promised);
        let end = first.saturating_add(u128::from(count)).min(self.end);
        let last = u64::try_from(end.saturating_sub(1)).map_err(|_| ReserveError::Exhausted)?;
        if first >= end {
            return Err(ReserveError::Exhausted);
        }
        state.promised = end;
        state.pending = true;
        let record = CounterRecord { id: self.id, last };
        Ok(Reservation { counters: Arc::clone(self), first, end, record })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counters that may be used once their record is stored.
///
/// Dropped without [`Reservation::stored`], its counters are never used: nobody knows whether the record was written.
#[derive(Debug)]
#[must_use = "counters may be used only after the record was stored and `stored` was called"]
pub struct Reservation {
    counters: Arc<Counters>,
    first: u128,
    end: u128,
    record: CounterRecord,
}

impl Reservation {
    /// What to store, durably, in place of the record that the reservation was made from.
    #[must_use]
    pub const fn record(&self) -> CounterRecord {
        self.record
    }

    /// The record is stored: its counters may be used.
    pub fn stored(self) {
        let mut state = self.counters.lock();
        if state.end != self.first {
            // Counters in between belong to others, or were given up meanwhile. What is left of the last reservation is
            // given up too.
            state.next = state.next.max(self.first);
        }
        state.end = self.end.max(state.next);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.counters.lock().pending = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: CounterId = CounterId::new([7; 16]);

    fn counters() -> Arc<Counters> {
        Arc::new(Counters::new(ID, END, 5))
    }

    fn record(last: u64) -> Option<CounterRecord> {
        Some(CounterRecord { id: ID, last })
    }

    #[test]
    fn nothing_is_used_before_its_record_is_stored() {
        let counters = counters();
        assert_eq!(counters.take(1), Err(TakeError::NotReserved));
        let reservation = counters.reserve(None, 10).unwrap();
        assert_eq!((reservation.record().last(), counters.take(1)), (9, Err(TakeError::NotReserved)));
        reservation.stored();
        assert_eq!((counters.next(), counters.remaining()), (Some(0), 10));
        assert_eq!((counters.take(10), counters.take(1)), (Ok(0), Err(TakeError::NotReserved)));
    }

    #[test]
    fn a_batch_takes_all_its_counters_or_none() {
        let counters = counters();
        counters.reserve(None, 10).unwrap().stored();
        assert_eq!((counters.take(11), counters.take(7)), (Err(TakeError::NotReserved), Ok(0)));
        assert_eq!((counters.take(4), counters.take(3)), (Err(TakeError::NotReserved), Ok(7)));
    }

    #[test]
    fn reservations_in_a_row_continue_without_a_gap() {
        let counters = counters();
        counters.reserve(None, 10).unwrap().stored();
        assert_eq!(counters.take(4), Ok(0));
        counters.reserve(record(9), 10).unwrap().stored();
        assert_eq!((counters.take(16), counters.remaining()), (Ok(4), 0));
    }

    #[test]
    fn a_second_encryptor_begins_behind_the_stored_record() {
        let (first, second) = (counters(), counters());
        let mut stored = None;
        let mut reserve = |counters: &Arc<Counters>| {
            let reservation = counters.reserve(stored, 10).unwrap();
            stored = Some(reservation.record());
            reservation.stored();
        };
        reserve(&first);
        reserve(&second);
        assert_eq!((first.take(5), second.take(5)), (Ok(0), Ok(10)));
        reserve(&first);
        assert_eq!((first.take(5), second.take(5)), (Ok(20), Ok(15)));
    }

    #[test]
    fn what_was_promised_and_not_stored_is_never_used() {
        let counters = counters();
        drop(counters.reserve(None, 10).unwrap());
        counters.reserve(None, 10).unwrap().stored();
        assert_eq!(counters.take(1), Ok(10));
    }

    #[test]
    fn one_reservation_is_under_way_at_a_time() {
        let counters = counters();
        let reservation = counters.reserve(None, 10).unwrap();
        assert_eq!(counters.reserve(None, 10).err(), Some(ReserveError::Pending));
        reservation.stored();
        assert!(counters.reserve(record(9), 10).is_ok());
    }

    #[test]
    fn a_record_of_another_key_and_a_senseless_size_are_refused() {
        let counters = counters();
        let other = CounterRecord { id: CounterId::new([8; 16]), last: 1 };
        assert_eq!(counters.reserve(Some(other), 1).err(), Some(ReserveError::WrongRecord(WrongRecord)));
        for size in [0, MAX_RESERVATION + 1, u64::MAX] {
            assert_eq!(counters.reserve(None, size).err(), Some(ReserveError::Size));
        }
    }

    #[test]
    fn the_last_counter_is_used_and_then_the_key_is_exhausted_for_good() {
        let counters = counters();
        counters.reserve(record(u64::MAX - 2), 10).unwrap().stored();
        assert_eq!((counters.take(3), counters.take(1)), (Err(TakeError::Exhausted), Ok(u64::MAX - 1)));
        assert!(!counters.runs_low(), "there is nothing to reserve");
        assert_eq!((counters.take(1), counters.take(1)), (Ok(u64::MAX), Err(TakeError::Exhausted)));
        for stored in [None, record(3), record(u64::MAX)] {
            assert_eq!(counters.reserve(stored, 1).err(), Some(ReserveError::Exhausted));
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_in_no_other_length() {
        let record = CounterRecord { id: ID, last: 0x0102_0304 };
        assert_eq!(CounterRecord::from_bytes(&record.to_bytes()), Ok(record));
        for length in (0..40).filter(|length| *length != CounterRecord::LENGTH) {
            assert_eq!(CounterRecord::from_bytes(&vec![1; length]), Err(WrongRecord));
        }
    }

    #[test]
    fn counters_end_where_they_were_told_to() {
        let counters = Arc::new(Counters::new(ID, 8, 5));
        counters.reserve(None, 6).unwrap().stored();
        assert_eq!((counters.left(), counters.take(2), counters.runs_low()), (8, Ok(0), true));
        counters.reserve(record(5), 100).unwrap().stored();
        assert_eq!((counters.take(6), counters.runs_low(), counters.left()), (Ok(2), false, 0));
        assert_eq!(counters.take(1), Err(TakeError::Exhausted));
        assert_eq!(counters.reserve(record(7), 1).err(), Some(ReserveError::Exhausted));
    }

    #[test]
    fn what_is_given_up_is_neither_used_nor_reserved() {
        let counters = counters();
        counters.reserve(None, 10).unwrap().stored();
        counters.skip_below(7);
        assert_eq!((counters.remaining(), counters.take(1)), (3, Ok(7)));
        counters.skip_below(100);
        assert_eq!(counters.take(1), Err(TakeError::NotReserved));
        counters.reserve(record(9), 10).unwrap().stored();
        assert_eq!(counters.take(1), Ok(100));
    }

    #[test]
    fn what_is_given_up_while_a_reservation_is_under_way_stays_given_up() {
        for (floor, next, remaining) in [(3, 3, 7), (10, 10, 0), (50, 50, 0)] {
            let counters = counters();
            let reservation = counters.reserve(None, 10).unwrap();
            counters.skip_below(floor);
            reservation.stored();
            assert_eq!(counters.remaining(), remaining, "below {floor}");
            counters.reserve(record(9), 10).unwrap().stored();
            assert_eq!(counters.take(1), Ok(next), "below {floor}");
        }
    }
}
