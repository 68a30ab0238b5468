//! How far the numbers of each key were used: by this context, by whoever it was exported from, and in this process.
//!
//! A number that seals twice under one key gives both plaintexts away. The published package starts anew with every
//! node, session and restored context. Here the record of a key's numbers is a row of the context, which its export
//! carries. An export may be older than what was sent after it, so a restored context skips a share of each key's
//! numbers; and within one process nothing is ever promised twice, whatever is restored how often.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coterie_crypto::counters::{CounterId, CounterRecord, Reservation};
use coterie_store::{Space, Step, Store};

use crate::error::CompatError;
use crate::limits::{REMEMBERED_KEYS, RESERVATION};
use crate::state::Vault;

/// Where the records of numbers stand, each behind the name of its key.
const PREFIX: &[u8] = b"numbers/";

/// The highest promises of this process.
static PROMISED: Mutex<Option<Promised>> = Mutex::new(None);

/// What this process has promised, whichever context did.
#[derive(Default)]
struct Promised {
    last: HashMap<CounterId, CounterRecord>,
    order: VecDeque<CounterId>,
}

impl Promised {
    fn note(&mut self, record: CounterRecord) {
        if self.last.insert(record.id(), record).is_none() {
            self.order.push_back(record.id());
        }
        if self.order.len() > REMEMBERED_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.last.remove(&oldest);
        }
    }
}

/// The records of one context.
#[derive(Debug)]
pub(crate) struct Numbers {
    vault: Arc<Vault>,
    /// The keys of which a restored context has skipped its share already; none where it was not restored.
    skipped: Option<Mutex<BTreeSet<CounterId>>>,
}

impl Numbers {
    pub(crate) fn new(vault: Arc<Vault>, restored: bool) -> Arc<Self> {
        Arc::new(Self { vault, skipped: restored.then(Mutex::default) })
    }

    /// Reserves the next numbers of the key `id`, by what `reserve` makes of the record so far. `skip` is what a restored
    /// context gives up first.
    pub(crate) fn reserve<E>(
        &self,
        id: CounterId,
        skip: u64,
        mut reserve: impl FnMut(Option<CounterRecord>, u64) -> Result<Reservation, E>,
    ) -> Result<(), CompatError>
    where
        CompatError: From<E>,
    {
        let mut promised = locked(&PROMISED);
        let promised = promised.get_or_insert_with(Promised::default);
        let known = [self.stored(id)?, promised.last.get(&id).copied()];
        let mut known = known.into_iter().flatten().max_by_key(|record| record.last());
        if self.must_skip(id) {
            let given_up = reserve(known, skip.max(1))?;
            known = Some(given_up.record());
        }
        let reservation = reserve(known, RESERVATION)?;
        self.put(reservation.record())?;
        promised.note(reservation.record());
        reservation.stored();
        self.has_skipped(id);
        Ok(())
    }

    /// Forgets all records: their keys are of an epoch that no export of this context leads back to.
    pub(crate) fn clear(&self) -> Result<(), CompatError> {
        let mut step = Step::new();
        step.delete_prefix(Space::Application, PREFIX)?;
        self.vault.commit(step)?;
        if let Some(skipped) = &self.skipped {
            locked(skipped).clear();
        }
        Ok(())
    }

    fn must_skip(&self, id: CounterId) -> bool {
        self.skipped.as_ref().is_some_and(|skipped| !locked(skipped).contains(&id))
    }

    fn has_skipped(&self, id: CounterId) {
        if let Some(skipped) = &self.skipped {
            locked(skipped).insert(id);
        }
    }

    fn stored(&self, id: CounterId) -> Result<Option<CounterRecord>, CompatError> {
        let stored = self.vault.get(Space::Application, &row(id))?;
        stored.map(|bytes| CounterRecord::from_bytes(&bytes).map_err(|_| CompatError::Exported)).transpose()
    }

    fn put(&self, record: CounterRecord) -> Result<(), CompatError> {
        self.vault.put(&row(record.id()), record.to_bytes().to_vec())
    }
}

fn row(id: CounterId) -> Vec<u8> {
    [PREFIX, id.as_bytes()].concat()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
