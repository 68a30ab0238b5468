//! Storage of Coterie: one trait, a store in memory and an encrypted one on disk.
//!
//! Promises three things. A [`Step`] is stored whole or not at all. [`Store::commit`] returns only when the
//! step would survive a power failure, so whatever is announced afterwards is true. And what went wrong is a
//! typed [`StoreError`] that tells a wrong key from a damaged file from a second owner.
//!
//! A store knows names and bytes. What they mean, which steps belong together and that two steps about one
//! group do not overlap is left to the layers above; so is wiping the copies that reads hand out.

mod error;
mod keeper;
pub mod limits;
mod memory;
mod space;
#[cfg(feature = "sqlcipher")]
pub mod sql;
mod step;

pub use error::StoreError;
pub use keeper::{CounterKeeper, KeepError};
pub use memory::MemoryStore;
pub use space::Space;
#[cfg(feature = "sqlcipher")]
pub use sql::{Argon2Parameters, Key, Options, Rekey, SqlStore, Statistics};
pub use step::Step;

/// An entry's name within its space, and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Where durable state lives. Used as `Arc<dyn Store>` by everything that has any.
///
/// Reads see every committed step and nothing of a step that is not.
pub trait Store: Send + Sync {
    /// The value stored under `key`. It may be a secret: whoever reads it wipes it.
    ///
    /// # Errors
    /// When the store cannot be read, or `key` could not have been stored.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` entries whose keys begin with `prefix` and are greater than `after`, in the order of
    /// their keys' bytes. No key is empty, so an empty `after` begins at the first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan_after(
        &self,
        space: Space,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// The first `limit` entries whose keys begin with `prefix`, in the order of their keys' bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, space: Space, prefix: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.scan_after(space, prefix, &[], limit)
    }

    /// Whether everything stored ends with this object, so that rows which only a later start would read need not
    /// be written at all.
    fn is_volatile(&self) -> bool {
        false
    }

    /// How often this store was found to be older than it once was: a backup put back, or steps that the disk lost. It
    /// does not change while the store is open. What was a secret of one use before such a moment may have been used.
    fn restorations(&self) -> u64 {
        0
    }

    /// Applies every write of `step`, or none, and returns once they are as durable as the store can make
    /// them. Blocks the thread meanwhile.
    ///
    /// # Errors
    /// When nothing of the step was acknowledged. After [`StoreError::Io`] alone it may be found stored once
    /// the store is opened again; after any other error it was not.
    fn commit(&self, step: Step) -> Result<(), StoreError>;
}
