//! Why a store refused.

use std::io;

use coterie_types::{Code, ErrorCode};

/// Why a store could not be opened, read or written. Holds no key, value or path, so it is safe to log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An argument is empty, too long or out of range.
    #[error("{0}")]
    InvalidArgument(&'static str),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Another process, or another handle in this one, owns the store.
    #[error("the store is open elsewhere")]
    Locked,
    /// The key does not unwrap the store's own key.
    #[error("the passphrase or key does not open this store")]
    WrongKey,
    /// The key is right, or there is none to be wrong, and the files are not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(&'static str),
    /// A later release wrote the store.
    #[error("the store has format {found}; this release knows formats up to {supported}")]
    Newer {
        /// The format found.
        found: u32,
        /// The newest one known here.
        supported: u32,
    },
    /// No space is left on the disk. Nothing of the step was stored.
    #[error("the disk is full")]
    Full,
    /// The operating system failed a read, write or sync. What it did to the step is unknown.
    #[error("I/O error ({0:?})")]
    Io(io::ErrorKind),
    /// An earlier write failed in a way that leaves open what is on the disk. Reads go on; writes are
    /// refused until the store is opened again.
    #[error("an earlier I/O error stopped all writes until the store is opened again")]
    Stopped,
    /// Another program holds a lock on the database file.
    #[error("the database file is locked by another program")]
    Busy,
    /// The operating system gave no randomness.
    #[error("no randomness for a new key")]
    NoRandomness,
    /// Something that cannot happen did.
    #[error("broken invariant of the store: {0}")]
    Internal(&'static str),
}

impl ErrorCode for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::InvalidArgument(_) => Code::INVALID_ARGUMENT,
            Self::Closed => Code::HANDLE_CLOSED,
            Self::Locked => Code::STORE_LOCKED,
            Self::WrongKey => Code::STORE_WRONG_KEY,
            Self::Damaged(_) => Code::STORE_DAMAGED,
            Self::Newer { .. } => Code::STORE_NEWER,
            Self::Full => Code::STORE_FULL,
            Self::Io(_) | Self::Stopped => Code::STORE_IO,
            Self::Busy => Code::STORE_BUSY,
            Self::NoRandomness => Code::RANDOMNESS_UNAVAILABLE,
            Self::Internal(_) => Code::INTERNAL,
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            kind => Self::Io(kind),
        }
    }
}
