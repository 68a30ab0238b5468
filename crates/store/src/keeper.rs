//! Counters whose records a store keeps.
//!
//! A key that seals many messages counts them, and no counter may come up twice. Whoever seals takes its counters from
//! the keeper of its store: under one name there is one set of counters in the process, however often it is asked for,
//! and every reservation is a step of its own that reads the record, writes the next and is durable before a counter of
//! it is used.
//!
//! Records are never deleted: whether somebody can still come by a key, this module cannot know, and a record is smaller
//! than what a commit writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coterie_crypto::counters::{CounterId, CounterRecord, Counters, ReserveError};

use crate::limits::MAX_IDLE_COUNTERS;
use crate::{Space, Step, Store, StoreError};

/// Why no counters were reserved.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeepError {
    /// The counters themselves: their record is damaged, or there are no more.
    #[error(transparent)]
    Reserve(#[from] ReserveError),
    /// The record could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Hands out counters and keeps their records. There must be one for each store.
pub struct CounterKeeper {
    store: Arc<dyn Store>,
    known: Mutex<BTreeMap<CounterId, Arc<Counters>>>,
    /// Held from reading a record to using what it promises.
    reserving: Mutex<()>,
}

impl CounterKeeper {
    /// The keeper of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Mutex::default(), reserving: Mutex::default() }
    }

    /// The counters named `id`: those that were handed out before, or what `make` makes of the name.
    #[must_use]
    pub fn counters(&self, id: CounterId, make: impl FnOnce(CounterId) -> Counters) -> Arc<Counters> {
        let mut known = lock(&self.known);
        if let Some(counters) = known.get(&id) {
            return Arc::clone(counters);
        }
        drop_idle(&mut known);
        let counters = Arc::new(make(id));
        known.insert(id, Arc::clone(&counters));
        counters
    }

    /// Sees to it that at least `needed` of `counters` can be taken. Where fewer are left, `count` more are reserved, or
    /// `needed` if that is more. Blocks the thread as [`Store::commit`] does.
    ///
    /// # Errors
    /// When the record is damaged, when there are no more counters, or when the store fails: what was promised then is
    /// never used.
    pub fn reserve(&self, counters: &Arc<Counters>, needed: u64, count: u64) -> Result<(), KeepError> {
        let _alone = lock(&self.reserving);
        if counters.remaining() >= needed {
            return Ok(());
        }
        let id = counters.id();
        let stored = self.store.get(Space::Counter, id.as_bytes())?;
        let stored = stored.as_deref().map(CounterRecord::from_bytes).transpose();
        let stored = stored.map_err(ReserveError::from)?;
        let reservation = counters.reserve(stored, count.max(needed))?;
        let mut step = Step::new();
        step.put(Space::Counter, id.as_bytes(), reservation.record().to_bytes().to_vec())?;
        self.store.commit(step)?;
        reservation.stored();
        Ok(())
    }

    /// Whether the records end with this object.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.store.is_volatile()
    }

    /// Whether a key that was not made in this very store may be counted here: records outlive the process, and none was
    /// ever put back to an earlier state.
    #[must_use]
    pub fn vouches_for_foreign_keys(&self) -> bool {
        !self.store.is_volatile() && self.store.restorations() == 0
    }
}

impl fmt::Debug for CounterKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterKeeper").field("known", &lock(&self.known).len()).finish_non_exhaustive()
    }
}

/// Forgets those that nobody uses once they are too many: their records are stored.
fn drop_idle(known: &mut BTreeMap<CounterId, Arc<Counters>>) {
    let is_idle = |counters: &Arc<Counters>| Arc::strong_count(counters) == 1;
    if known.values().filter(|counters| is_idle(counters)).count() >= MAX_IDLE_COUNTERS {
        known.retain(|_, counters| !is_idle(counters));
    }
}

/// Nothing panics while it holds one of these.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use coterie_crypto::counters::END;

    use super::*;
    use crate::MemoryStore;

    fn id(number: u8) -> CounterId {
        CounterId::new([number; CounterId::LENGTH])
    }

    fn made(id: CounterId) -> Counters {
        Counters::new(id, END, 4)
    }

    fn record(store: &dyn Store, number: u8) -> Option<u64> {
        let row = store.get(Space::Counter, id(number).as_bytes()).unwrap()?;
        Some(CounterRecord::from_bytes(&row).unwrap().last())
    }

    #[test]
    fn one_name_is_one_set_of_counters_and_another_keeper_goes_on_behind_the_record() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let keeper = CounterKeeper::new(Arc::clone(&store));
        let counters = keeper.counters(id(1), made);
        keeper.reserve(&counters, 1, 10).unwrap();
        assert_eq!((counters.take(3), record(&*store, 1)), (Ok(0), Some(9)));
        drop(counters);
        let again = keeper.counters(id(1), made);
        keeper.reserve(&again, 1, 10).unwrap();
        assert_eq!((again.take(1), record(&*store, 1)), (Ok(3), Some(9)), "no gap, and nothing written");
        let later = CounterKeeper::new(Arc::clone(&store));
        let counters = later.counters(id(1), made);
        later.reserve(&counters, 1, 10).unwrap();
        assert_eq!((counters.take(1), record(&*store, 1)), (Ok(10), Some(19)));
    }

    #[test]
    fn a_reservation_is_as_large_as_what_is_needed_at_once() {
        let keeper = CounterKeeper::new(Arc::new(MemoryStore::new()));
        let counters = keeper.counters(id(1), made);
        keeper.reserve(&counters, 25, 10).unwrap();
        assert_eq!(counters.take(25), Ok(0));
    }

    #[test]
    fn a_damaged_record_reserves_nothing() {
        let store = Arc::new(MemoryStore::new());
        let mut step = Step::new();
        step.put(Space::Counter, id(1).as_bytes(), vec![1, 2, 3]).unwrap();
        store.commit(step).unwrap();
        let keeper = CounterKeeper::new(store);
        let counters = keeper.counters(id(1), made);
        assert!(matches!(keeper.reserve(&counters, 1, 10), Err(KeepError::Reserve(_))));
        assert_eq!(counters.remaining(), 0);
    }

    #[test]
    fn counters_that_nobody_uses_are_not_remembered_without_end() {
        let keeper = CounterKeeper::new(Arc::new(MemoryStore::new()));
        let used = keeper.counters(CounterId::new([255; 16]), made);
        for number in 0..10_000_u32 {
            let mut name = [0; 16];
            name[..4].copy_from_slice(&number.to_be_bytes());
            drop(keeper.counters(CounterId::new(name), made));
        }
        assert!(lock(&keeper.known).len() <= MAX_IDLE_COUNTERS + 1);
        assert!(Arc::ptr_eq(&used, &keeper.counters(CounterId::new([255; 16]), made)));
    }

    #[test]
    fn a_store_in_memory_vouches_for_its_own_keys_alone() {
        let keeper = CounterKeeper::new(Arc::new(MemoryStore::new()));
        assert!(keeper.is_volatile() && !keeper.vouches_for_foreign_keys());
    }
}
