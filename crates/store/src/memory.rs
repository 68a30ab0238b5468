//! The store that forgets everything when dropped, and wipes it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::RwLock;

use crate::step::{Secret, below, check_key};
use crate::{Entry, Space, Step, Store, StoreError};

/// A store in memory. Durable for as long as the process.
#[derive(Default)]
pub struct MemoryStore {
    entries: RwLock<BTreeMap<Space, BTreeMap<Vec<u8>, Secret>>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn is_volatile(&self) -> bool {
        true
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        let entries = self.entries.read().map_err(|_| POISONED)?;
        Ok(entries.get(&space).and_then(|keys| keys.get(key)).map(|value| value.to_vec()))
    }

    fn scan_after(
        &self,
        space: Space,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let entries = self.entries.read().map_err(|_| POISONED)?;
        let found = entries.get(&space).into_iter().flat_map(|keys| below(keys, prefix, after));
        Ok(found.take(limit).map(|(key, value)| (key.clone(), value.to_vec())).collect())
    }

    fn commit(&self, step: Step) -> Result<(), StoreError> {
        let mut entries = self.entries.write().map_err(|_| POISONED)?;
        let (cleared, writes) = step.into_parts();
        for (space, prefix) in cleared {
            entries.entry(space).or_default().retain(|key, _| !key.starts_with(&prefix));
        }
        for (space, written) in writes {
            let keys = entries.entry(space).or_default();
            for (key, value) in written {
                match value {
                    Some(value) => keys.insert(key, value),
                    None => keys.remove(&key),
                };
            }
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore { .. }")
    }
}

const POISONED: StoreError = StoreError::Internal("a thread panicked while it held the entries");
