//! Counters that no two frames share, whatever happens to the process between them.
//!
//! A counter is used only after it was reserved, and counts as reserved only once the record that says so is stored.
//! The caller's store is the one truth: every reservation begins behind the record that is stored now, so it does not
//! matter how often an encryptor is made anew, for how many handles, or where the process was killed. What was
//! reserved and not used is skipped; 2^64 counters outlast that.
//!
//! Records are kept under a name that is derived from the key itself: whoever shares the key shares the record,
//! whatever it calls its groups, labels and sessions.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{SealError, SetupError};
use crate::header::KeyId;
use crate::limits::{LOW_WATER, MAX_RESERVATION};

/// One more than the last counter.
const END: u128 = 1 << 64;

/// The name under which a key's record is stored. It says nothing about the key.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CounterId([u8; Self::LENGTH]);

impl CounterId {
    /// Its length in bytes.
    pub const LENGTH: usize = 16;

    pub(crate) const fn new(bytes: [u8; Self::LENGTH]) -> Self {
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
    /// [`SetupError::WrongRecord`] for bytes of any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SetupError> {
        let (id, last) = bytes.split_first_chunk().ok_or(SetupError::WrongRecord)?;
        let last = last.try_into().map_err(|_| SetupError::WrongRecord)?;
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
pub(crate) struct Counters {
    id: CounterId,
    key_id: KeyId,
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
    pub(crate) fn new(id: CounterId, key_id: KeyId) -> Self {
        Self { id, key_id, state: Mutex::default() }
    }

    pub(crate) const fn id(&self) -> CounterId {
        self.id
    }

    /// The first of `count` counters, which are used from here on; or none are.
    pub(crate) fn take(&self, count: usize) -> Result<u64, SealError> {
        let mut state = self.lock();
        let after = u128::try_from(count).ok().and_then(|count| state.next.checked_add(count));
        let first = u64::try_from(state.next).map_err(|_| SealError::Exhausted(self.key_id))?;
        match after {
            Some(after) if after <= state.end => state.next = after,
            Some(after) if after <= END => return Err(SealError::NotReserved),
            _ => return Err(SealError::Exhausted(self.key_id)),
        }
        Ok(first)
    }

    pub(crate) fn next(&self) -> Option<u64> {
        let state = self.lock();
        (state.next < state.end).then_some(state.next).and_then(|next| u64::try_from(next).ok())
    }

    pub(crate) fn remaining(&self) -> u64 {
        let state = self.lock();
        u64::try_from(state.end.saturating_sub(state.next)).unwrap_or(u64::MAX)
    }

    pub(crate) fn runs_low(&self) -> bool {
        let state = self.lock();
        state.end < END && state.end.saturating_sub(state.next) < u128::from(LOW_WATER)
    }

    pub(crate) fn reserve(
        self: &Arc<Self>,
        stored: Option<CounterRecord>,
        count: u64,
    ) -> Result<Reservation, SetupError> {
        if !(1..=MAX_RESERVATION).contains(&count) {
            return Err(SetupError::ReservationSize);
        }
        if stored.is_some_and(|stored| stored.id != self.id) {
            return Err(SetupError::WrongRecord);
        }
        let mut state = self.lock();
        if state.pending {
            return Err(SetupError::ReservationPending);
        }
        let taken = stored.map_or(0, |stored| u128::from(stored.last).saturating_add(1));
        let first = taken.max(state.promised);
        let end = first.saturating_add(u128::from(count)).min(END);
        let last = u64::try_from(end.saturating_sub(1)).map_err(|_| SetupError::Exhausted(self.key_id))?;
        if first >= end {
            return Err(SetupError::Exhausted(self.key_id));
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
            // Counters in between belong to others. What is left of the last reservation is given up.
            state.next = self.first;
        }
        state.end = self.end;
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
    const KEY: KeyId = KeyId::new(1);

    fn counters() -> Arc<Counters> {
        Arc::new(Counters::new(ID, KEY))
    }

    fn record(last: u64) -> Option<CounterRecord> {
        Some(CounterRecord { id: ID, last })
    }

    #[test]
    fn nothing_is_used_before_its_record_is_stored() {
        let counters = counters();
        assert_eq!(counters.take(1), Err(SealError::NotReserved));
        let reservation = counters.reserve(None, 10).unwrap();
        assert_eq!((reservation.record().last(), counters.take(1)), (9, Err(SealError::NotReserved)));
        reservation.stored();
        assert_eq!((counters.next(), counters.remaining()), (Some(0), 10));
        assert_eq!((counters.take(10), counters.take(1)), (Ok(0), Err(SealError::NotReserved)));
    }

    #[test]
    fn a_batch_takes_all_its_counters_or_none() {
        let counters = counters();
        counters.reserve(None, 10).unwrap().stored();
        assert_eq!((counters.take(11), counters.take(7)), (Err(SealError::NotReserved), Ok(0)));
        assert_eq!((counters.take(4), counters.take(3)), (Err(SealError::NotReserved), Ok(7)));
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
        assert_eq!(counters.reserve(None, 10).err(), Some(SetupError::ReservationPending));
        reservation.stored();
        assert!(counters.reserve(record(9), 10).is_ok());
    }

    #[test]
    fn a_record_of_another_key_and_a_senseless_size_are_refused() {
        let counters = counters();
        let other = CounterRecord { id: CounterId::new([8; 16]), last: 1 };
        assert_eq!(counters.reserve(Some(other), 1).err(), Some(SetupError::WrongRecord));
        for size in [0, MAX_RESERVATION + 1, u64::MAX] {
            assert_eq!(counters.reserve(None, size).err(), Some(SetupError::ReservationSize));
        }
    }

    #[test]
    fn the_last_counter_is_used_and_then_the_key_is_exhausted_for_good() {
        let counters = counters();
        counters.reserve(record(u64::MAX - 2), 10).unwrap().stored();
        assert_eq!((counters.take(3), counters.take(1)), (Err(SealError::Exhausted(KEY)), Ok(u64::MAX - 1)));
        assert!(!counters.runs_low(), "there is nothing to reserve");
        assert_eq!((counters.take(1), counters.take(1)), (Ok(u64::MAX), Err(SealError::Exhausted(KEY))));
        for stored in [None, record(3), record(u64::MAX)] {
            assert_eq!(counters.reserve(stored, 1).err(), Some(SetupError::Exhausted(KEY)));
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_in_no_other_length() {
        let record = CounterRecord { id: ID, last: 0x0102_0304 };
        assert_eq!(CounterRecord::from_bytes(&record.to_bytes()), Ok(record));
        for length in (0..40).filter(|length| *length != CounterRecord::LENGTH) {
            assert_eq!(CounterRecord::from_bytes(&vec![1; length]), Err(SetupError::WrongRecord));
        }
    }
}
