//! The application's own rows in a protocol step.
//!
//! A message must not be consumed without its plaintext stored, nor be sealed without being in an outbox (one
//! protocol step is one transaction). So whoever keeps history, cursors and outboxes writes them in the very step
//! that moves the ratchet: every call that changes a group has a form that ends in `_with` and takes a closure,
//! which sees the outcome before anybody else and writes beside it.

use coterie_store::{Entry, Space, StoreError};

use crate::provider::StepStorage;

/// What a closure may write and read: the rows of [`Space::Application`], as they will be once the step is stored.
pub struct Rows<'a, 'b> {
    storage: &'a StepStorage<'b>,
}

impl<'a, 'b> Rows<'a, 'b> {
    pub(crate) fn of(storage: &'a StepStorage<'b>) -> Self {
        Self { storage }
    }

    /// Stores `value` under `key`.
    ///
    /// # Errors
    /// When one of them is too long.
    pub fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        self.storage.with_step(|step, _| step.put(Space::Application, key, value))
    }

    /// Deletes `key`, whether or not it is stored.
    ///
    /// # Errors
    /// When it is too long.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.storage.with_step(|step, _| step.delete(Space::Application, key))
    }

    /// Deletes every key that begins with `prefix`.
    ///
    /// # Errors
    /// When it is too long.
    pub fn delete_prefix(&mut self, prefix: &[u8]) -> Result<(), StoreError> {
        self.storage.with_step(|step, _| step.delete_prefix(Space::Application, prefix))
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.storage.with_step(|step, store| step.get(store, Space::Application, key))
    }

    /// At most `limit` entries whose keys begin with `prefix` and are greater than `after`, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scan_after(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.storage.with_step(|step, store| step.scan_after(store, Space::Application, prefix, after, limit))
    }
}

impl std::fmt::Debug for Rows<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rows { .. }")
    }
}
