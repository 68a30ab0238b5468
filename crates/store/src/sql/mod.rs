//! The store on disk: SQLite, encrypted by SQLCipher, written by one thread.
//!
//! Beside the database `x` lie `x.key` (its key, wrapped under the caller's), `x.lock` (who owns it), `x.mark`
//! (how far the database once was) and, while it is open, SQLite's `x-wal` and `x-shm`. A backup is `x` and
//! `x.key` of a closed store.
//!
//! # What deleting promises
//!
//! A deleted value is overwritten in the database's pages (`secure_delete`), and the write-ahead log that
//! still holds it is moved into the database and cut off: when the store is closed, at
//! [`SqlStore::checkpoint`], when the log has grown to 16 MB and, by [`Options::idle_checkpoint`], a moment
//! after the last write. From then on no file of the store holds the value, not even encrypted.
//!
//! What no program can promise: that the disk does not. Flash memory and journaling or copying file systems
//! write elsewhere than where they were told and keep the old blocks for a while; snapshots and backups keep
//! them on purpose; the blocks of a log that was cut off are free, not overwritten; memory may have been
//! swapped out or dumped, and SQLite's page cache is not wiped when it is freed: `cipher_memory_security`
//! would, at nearly half the steps a second and nine times the cost of reading a large value. (Keys are wiped
//! and locked either way.) All of those hold only ciphertext, except for swap and dumps, so that whoever finds
//! an old block also needs the database key. [`Rekey::Reencrypt`] takes that key's worth away: old blocks
//! and old key files then open nothing that is stored now.
//!
//! # What encryption promises
//!
//! Without the key a file gives away its size, and when it is watched, which pages change. Any flipped bit
//! of a page is found when the page is read. What is not found: a page at the very place where it once stood,
//! replaced by an older version of itself. In the log of a store that was not closed, damage is found as such
//! unless it hits the last transaction, which cannot be told from one that a power failure cut short.
//!
//! # What a restored backup is
//!
//! Whole and right, but older than it was, so that the keys in it may have been used since. The mark beside the
//! database notices that, and the loss of an acknowledged last transaction as well; such a store opens and says so by
//! [`Store::restorations`]. What must not be used any more is the business of the layers above.

mod connection;
mod entries;
mod files;
mod key;
mod key_file;
mod log;
mod mark;
mod open;
mod readers;
mod rekey;
mod schema;
#[cfg(test)]
#[path = "../../tests/support/seeded.rs"]
mod testing;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use coterie_crypto::Entropy;

pub use key::{Argon2Parameters, Key};

use self::key::DatabaseKey;
use self::key_file::Seal;
use self::readers::Readers;
use self::writer::{Counters, Reply, Request};
use crate::{Entry, Space, Step, Store, StoreError};

/// Requests waiting for the writer. Each is a thread that waits for its answer, so the bound is not about
/// memory: whoever finds the queue full waits a little earlier.
const QUEUE: usize = 1024;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a store that is not there is made. True unless said otherwise.
    pub create: bool,
    /// What guessing a passphrase has to cost. A store that was wrapped with less is wrapped again when it is
    /// opened.
    pub argon2: Argon2Parameters,
    /// The most reads at one time; each is a connection with a cache of 4 MB once it was needed. Four unless
    /// said otherwise, because more than the usual number of cores cannot decrypt at the same time.
    pub readers: NonZeroUsize,
    /// How long another program that looks into the database, such as a backup, is waited for: five seconds
    /// unless said otherwise.
    pub busy_timeout: Duration,
    /// How long after the last write the log is moved into the database, which ends what was deleted. One
    /// second unless said otherwise; never for `None`.
    pub idle_checkpoint: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            argon2: Argon2Parameters::RECOMMENDED,
            readers: NonZeroUsize::MIN.saturating_add(3),
            busy_timeout: Duration::from_secs(5),
            idle_checkpoint: Some(Duration::from_secs(1)),
        }
    }
}

/// How far a change of the key goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rekey {
    /// Wrap the same database key under the new key. Costs one small file; a copy of the old key file still
    /// opens with the old key.
    Rewrap,
    /// Encrypt the whole database under a new database key as well. Needs room for a second copy meanwhile,
    /// and writes wait for it.
    Reencrypt,
}

/// What a store did since it was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Statistics {
    /// Steps stored.
    pub steps: u64,
    /// Transactions they shared; each was one sync of the log.
    pub transactions: u64,
    /// Times the log was moved into the database.
    pub checkpoints: u64,
}

/// An encrypted store in a file that one handle at a time may own.
///
/// Closed by [`Self::close`], or when dropped, which then tells nobody how it went.
pub struct SqlStore {
    requests: SyncSender<Request>,
    readers: Arc<Readers>,
    counters: Arc<Counters>,
    argon2: Argon2Parameters,
    restorations: u64,
    closed: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqlStore {
    /// Opens the store at `path`, or makes it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when it is open elsewhere, [`StoreError::WrongKey`], [`StoreError::Damaged`],
    /// [`StoreError::Newer`], and what the system reports. A store of a newer format is left as it was.
    pub fn open(
        path: impl AsRef<Path>,
        key: &Key,
        entropy: &dyn Entropy,
        options: &Options,
    ) -> Result<Self, StoreError> {
        let writer = open::open(path.as_ref(), key, entropy, options)?;
        let (requests, queue) = sync_channel(QUEUE);
        let restorations = writer.position.restorations;
        let (readers, counters) = (Arc::clone(&writer.readers), Arc::clone(&writer.counters));
        let thread =
            std::thread::Builder::new().name("coterie-store".to_owned()).spawn(move || writer.run(&queue))?;
        Ok(Self {
            requests,
            readers,
            counters,
            argon2: options.argon2,
            restorations,
            closed: AtomicBool::new(false),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Makes `key` the one that opens this store. If the process dies meanwhile, the store opens with the old
    /// key or with the new one.
    ///
    /// # Errors
    /// The old key stays, unless it is [`StoreError::Io`]: then either may be the one.
    pub fn rekey(&self, key: &Key, how: Rekey, entropy: &dyn Entropy) -> Result<(), StoreError> {
        let seal = Box::new(Seal::new(key, self.argon2, entropy)?);
        match how {
            Rekey::Rewrap => self.request(|reply| Request::Rewrap(seal, reply)),
            Rekey::Reencrypt => {
                let database_key = DatabaseKey::generate(entropy)?;
                self.request(|reply| Request::Reencrypt(seal, database_key, reply))
            }
        }
    }

    /// Moves the log into the database and cuts it off; see the [module](self) on deletion.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another program was reading, or what the system reports.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.request(Request::Checkpoint)
    }

    /// Reads and checks every page. Writes wait for it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when anything is not as it was written.
    pub fn verify(&self) -> Result<(), StoreError> {
        self.request(Request::Verify)
    }

    /// Waits for the steps and reads under way, moves the log into the database and frees the store for its
    /// next owner. Every other call answers [`StoreError::Closed`] from then on.
    ///
    /// # Errors
    /// When the log could not be moved: every acknowledged step is in it and will be found there.
    pub fn close(&self) -> Result<(), StoreError> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let result = self.request(Request::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // That it panicked is what the request was answered with.
            let _ = thread.join();
        }
        result
    }

    /// What the store did since it was opened.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            steps: self.counters.steps.load(Ordering::Relaxed),
            transactions: self.counters.transactions.load(Ordering::Relaxed),
            checkpoints: self.counters.checkpoints.load(Ordering::Relaxed),
        }
    }

    fn request(&self, request: impl FnOnce(Reply<()>) -> Request) -> Result<(), StoreError> {
        let (reply, answer) = sync_channel(1);
        self.requests.send(request(reply)).map_err(|_| self.gone())?;
        answer.recv().map_err(|_| self.gone())?
    }

    /// Why the writer does not answer.
    fn gone(&self) -> StoreError {
        if self.closed.load(Ordering::SeqCst) {
            StoreError::Closed
        } else {
            StoreError::Internal("the writer thread ended")
        }
    }
}

impl Store for SqlStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        crate::step::check_key(key)?;
        self.readers.read(|connection| entries::get(connection, space, key))
    }

    fn scan_after(
        &self,
        space: Space,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.readers.read(|connection| entries::scan_after(connection, space, prefix, after, limit))
    }

    fn restorations(&self) -> u64 {
        self.restorations
    }

    fn commit(&self, step: Step) -> Result<(), StoreError> {
        self.request(|reply| Request::Commit(step, reply))
    }
}

impl Drop for SqlStore {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
