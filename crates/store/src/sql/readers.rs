//! Connections for reading, opened as they are needed.
//!
//! Readers never wait for the writer: the write-ahead log shows each the last commit. A connection that met
//! an error is not used again, because SQLCipher keeps a failed page as the state of the whole connection.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::connection::{self, Role};
use super::key::DatabaseKey;
use crate::StoreError;

/// The store's read connections.
pub(super) struct Readers {
    database: PathBuf,
    busy_timeout: Duration,
    most: NonZeroUsize,
    pool: Mutex<Pool>,
    changed: Condvar,
}

struct Pool {
    idle: Vec<Connection>,
    /// Connections in existence, idle or not.
    open: usize,
    mode: Mode,
}

enum Mode {
    Open(DatabaseKey),
    /// The writer is replacing the database; reads wait.
    Paused,
    Closed,
}

impl Readers {
    pub(super) fn new(
        database: PathBuf,
        key: DatabaseKey,
        most: NonZeroUsize,
        busy_timeout: Duration,
    ) -> Self {
        let pool = Pool { idle: Vec::new(), open: 0, mode: Mode::Open(key) };
        Self { database, busy_timeout, most, pool: Mutex::new(pool), changed: Condvar::new() }
    }

    /// Reads something.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut lease = self.lease()?;
        let connection = lease.connection.as_ref().ok_or(StoreError::Internal("a lease has a connection"))?;
        let result = read(connection).map_err(|error| connection::diagnose(connection, error));
        if result.is_err() {
            lease.connection = None;
        }
        result
    }

    /// Waits for the reads under way, then closes every connection. Reads that begin now wait.
    pub(super) fn pause(&self) {
        self.retire(Mode::Paused);
    }

    /// Lets reads begin again.
    pub(super) fn resume(&self, key: DatabaseKey) {
        self.pool().mode = Mode::Open(key);
        self.changed.notify_all();
    }

    /// Waits for the reads under way, then closes every connection for good.
    pub(super) fn close(&self) {
        self.retire(Mode::Closed);
    }

    fn retire(&self, mode: Mode) {
        let mut pool = self.pool();
        pool.mode = mode;
        self.changed.notify_all();
        while pool.open > pool.idle.len() {
            pool = self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        pool.idle.clear();
        pool.open = 0;
    }

    fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let mut pool = self.pool();
        loop {
            match &pool.mode {
                Mode::Closed => return Err(StoreError::Closed),
                Mode::Open(key) => {
                    let key = key.duplicate();
                    if let Some(connection) = pool.idle.pop() {
                        return Ok(Lease { readers: self, connection: Some(connection) });
                    }
                    if pool.open < self.most.get() {
                        pool.open = pool.open.saturating_add(1);
                        drop(pool);
                        return self.open(&key);
                    }
                }
                Mode::Paused => {}
            }
            pool = self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Opens one more; it has been counted already.
    fn open(&self, key: &DatabaseKey) -> Result<Lease<'_>, StoreError> {
        let mut lease = Lease { readers: self, connection: None };
        lease.connection = Some(connection::open(&self.database, key, Role::Reader, self.busy_timeout)?);
        Ok(lease)
    }

    /// A panic elsewhere leaves the pool whole: every change to it is a single assignment or push.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection while it is read from. Goes back to the pool, or is only counted off if there is none to
/// give back.
struct Lease<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool();
        match self.connection.take() {
            Some(connection) => pool.idle.push(connection),
            None => pool.open = pool.open.saturating_sub(1),
        }
        drop(pool);
        self.readers.changed.notify_all();
    }
}
