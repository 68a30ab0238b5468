//! The one thread that writes.
//!
//! Steps that arrive while a sync is under way wait and share the next one: whatever is in the queue goes
//! into one transaction, each step in a savepoint of its own, and nobody is answered before `COMMIT` has
//! returned. What a failure of the disk means for the steps to come is decided here and nowhere else.

use std::fs::{self, File};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::connection::{self, Role, store_error};
use super::entries;
use super::files::Files;
use super::key::DatabaseKey;
use super::key_file::Seal;
use super::mark::{Mark, Position};
use super::readers::Readers;
use super::rekey;
use crate::{Step, StoreError};

/// Steps in one transaction. Enough to share a sync among all who can wait for it; more would only make the
/// first wait for the last.
const MAX_BATCH_STEPS: usize = 256;

/// Bytes in one transaction, beyond the last step of it: the log then stays in the order of a checkpoint.
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Log bytes that call for a checkpoint: 4,000 pages. The first block of the log's index covers 4,062, so a
/// store on a full disk does not have to grow the index before it can commit a small step.
const CHECKPOINT_BYTES: u64 = 4_000 * (4096 + 24);

/// Where the answer to a request goes. It holds one, so that answering never blocks.
pub(super) type Reply<T> = SyncSender<Result<T, StoreError>>;

/// What the writer is asked to do.
pub(super) enum Request {
    Commit(Step, Reply<()>),
    Checkpoint(Reply<()>),
    Verify(Reply<()>),
    Rewrap(Box<Seal>, Reply<()>),
    Reencrypt(Box<Seal>, DatabaseKey, Reply<()>),
    Close(Reply<()>),
}

/// How often the writer did what it does.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) steps: AtomicU64,
    pub(super) transactions: AtomicU64,
    pub(super) checkpoints: AtomicU64,
}

/// Everything the thread owns.
pub(super) struct Writer {
    pub(super) files: Files,
    pub(super) connection: Option<Connection>,
    pub(super) key: DatabaseKey,
    pub(super) readers: Arc<Readers>,
    pub(super) counters: Arc<Counters>,
    pub(super) busy_timeout: Duration,
    pub(super) idle_checkpoint: Option<Duration>,
    /// Why no more writes are taken, once that is so.
    pub(super) stopped: Option<StoreError>,
    /// Whether the log holds anything that a checkpoint would move.
    pub(super) log_in_use: bool,
    /// Where the database is.
    pub(super) position: Position,
    /// What remembers it outside the database.
    pub(super) mark: Mark,
    /// Dropped last, with the thread: only then is the store free for another owner.
    pub(super) lock: File,
}

/// A step and who waits for it.
type Waiting = (Step, Reply<()>);

impl Writer {
    /// Serves requests until the store is closed or dropped.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        let mut next = None;
        loop {
            let request = match next.take() {
                Some(request) => request,
                None => match self.wait(requests) {
                    Some(request) => request,
                    None => break,
                },
            };
            match request {
                Request::Commit(step, reply) => {
                    let (batch, beyond) = drain((step, reply), requests);
                    next = beyond;
                    self.commit(batch);
                }
                Request::Checkpoint(reply) => answer(&reply, self.checkpoint_fully()),
                Request::Verify(reply) => answer(&reply, self.connection().and_then(connection::verify)),
                Request::Rewrap(seal, reply) => answer(&reply, rekey::rewrap(&self.files, &seal, &self.key)),
                Request::Reencrypt(seal, key, reply) => {
                    answer(&reply, rekey::reencrypt(&mut self, &seal, key, &mut |_| ()));
                }
                Request::Close(reply) => {
                    let result = self.close();
                    // The lock goes with the rest, so that whoever hears of the end can open the store.
                    drop(self);
                    answer(&reply, result);
                    return;
                }
            }
        }
        // Dropped without being closed: nobody is left to hear how it went.
        let _ = self.close();
    }

    /// The connection that writes.
    pub(super) fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or(StoreError::Stopped)
    }

    /// Decides what `error` means for the writes to come.
    ///
    /// After a failed write or sync nobody knows what the disk holds, and trying again would ask the page
    /// cache, which has forgotten the failure. So writing ends here; opening the store anew reads the log
    /// back and writes it into the database before it accepts anything.
    pub(super) fn judge(&mut self, error: &StoreError) {
        match error {
            StoreError::Io(_) => self.stopped = Some(StoreError::Stopped),
            StoreError::Damaged(_) => {
                // The connection keeps refusing after one bad page; a new one still writes to the good ones.
                self.connection = None;
                match connection::open(&self.files.database, &self.key, Role::Writer, self.busy_timeout) {
                    Ok(connection) => self.connection = Some(connection),
                    Err(error) => self.stopped = Some(error),
                }
            }
            _ => {}
        }
    }

    /// The next request; meanwhile, once nobody has asked for anything for a while, moves the log into the
    /// database, because until then it still holds what was deleted.
    fn wait(&mut self, requests: &Receiver<Request>) -> Option<Request> {
        if let Some(idle) = self.idle_checkpoint.filter(|_| self.log_in_use && self.stopped.is_none()) {
            match requests.recv_timeout(idle) {
                Ok(request) => return Some(request),
                Err(RecvTimeoutError::Timeout) => drop(self.checkpoint()),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        requests.recv().ok()
    }

    fn commit(&mut self, batch: Vec<Waiting>) {
        match self.transact(&batch) {
            Ok(results) => {
                for ((_, reply), result) in batch.iter().zip(results) {
                    answer(reply, result);
                }
            }
            // One step may have been too large for the disk, or have met the one bad page.
            Err(StoreError::Full | StoreError::Damaged(_)) if batch.len() > 1 => {
                batch.into_iter().for_each(|waiting| self.commit(vec![waiting]));
            }
            Err(error) => batch.iter().for_each(|(_, reply)| answer(reply, Err(error.clone()))),
        }
        self.checkpoint_when_due();
    }

    /// Writes and syncs a batch. `Err` when nothing of it was stored.
    fn transact(&mut self, batch: &[Waiting]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        self.mark.prepare(&self.files, &self.position)?;
        let connection = self.connection()?;
        let next = self.position.next();
        let result =
            in_transaction(connection, batch, &next).map_err(|error| connection::diagnose(connection, error));
        self.log_in_use = true;
        match &result {
            Ok(results) => {
                let stored = results.iter().filter(|result| result.is_ok()).count();
                add(&self.counters.steps, stored);
                add(&self.counters.transactions, 1);
                self.mark.follow(&next);
                self.position = next;
            }
            Err(error) => self.judge(error),
        }
        result
    }

    fn checkpoint_when_due(&mut self) {
        let length = fs::metadata(&self.files.log).map_or(0, |metadata| metadata.len());
        if length > CHECKPOINT_BYTES && self.stopped.is_none() {
            // Everybody was answered; if it failed for good, the next step is refused.
            drop(self.checkpoint());
        }
    }

    fn checkpoint_fully(&mut self) -> Result<(), StoreError> {
        match &self.stopped {
            Some(error) => Err(error.clone()),
            None => {
                if self.checkpoint()? {
                    Ok(())
                } else {
                    Err(StoreError::Busy)
                }
            }
        }
    }

    /// Moves the log into the database and cuts it off, if no reader is in the way.
    pub(super) fn checkpoint(&mut self) -> Result<bool, StoreError> {
        let connection = self.connection()?;
        let result =
            connection::checkpoint(connection).map_err(|error| connection::diagnose(connection, error));
        match &result {
            Ok(true) => {
                self.log_in_use = false;
                add(&self.counters.checkpoints, 1);
            }
            Ok(false) => {}
            Err(error) => self.judge(error),
        }
        result
    }

    /// Ends reading, moves the log into the database and lets go of every file but the lock.
    fn close(&mut self) -> Result<(), StoreError> {
        self.readers.close();
        self.mark.sync();
        let result = match &self.stopped {
            Some(error) => Err(error.clone()),
            None => self.checkpoint().map(drop),
        };
        if let Some(connection) = self.connection.take() {
            if result.is_err() {
                // SQLite would try once more on its own and tell nobody how it went.
                let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            }
            drop(connection);
        }
        result
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Also the way out of a panic: reads must not outlive the ownership of the files.
        self.readers.close();
        self.connection = None;
        let _ = self.lock.unlock();
    }
}

/// Takes what else is waiting to be committed, and the request after that if it came along.
fn drain(first: Waiting, requests: &Receiver<Request>) -> (Vec<Waiting>, Option<Request>) {
    let mut bytes = first.0.bytes();
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH_STEPS && bytes < MAX_BATCH_BYTES {
        match requests.try_recv() {
            Ok(Request::Commit(step, reply)) => {
                bytes = bytes.saturating_add(step.bytes());
                batch.push((step, reply));
            }
            Ok(other) => return (batch, Some(other)),
            Err(_) => break,
        }
    }
    (batch, None)
}

fn in_transaction(
    connection: &Connection,
    batch: &[Waiting],
    position: &Position,
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    run(connection, "BEGIN IMMEDIATE")?;
    let written: Result<Vec<_>, _> = batch.iter().map(|(step, _)| in_savepoint(connection, step)).collect();
    let counted = written.and_then(|results| position.write(connection).map(|()| results));
    let committed = counted.and_then(|results| run(connection, "COMMIT").map(|()| results));
    if committed.is_err() && !connection.is_autocommit() {
        // What failed is what gets reported; SQLite has rolled back by itself if this cannot.
        let _ = run(connection, "ROLLBACK");
    }
    committed
}

/// Writes one step of a batch. The outer error is the whole transaction's, the inner one the step's alone.
fn in_savepoint(connection: &Connection, step: &Step) -> Result<Result<(), StoreError>, StoreError> {
    run(connection, "SAVEPOINT step")?;
    let result = entries::apply(connection, step);
    if let Err(error) = &result {
        if connection.is_autocommit() || !is_of_the_step(error) {
            return Err(error.clone());
        }
        run(connection, "ROLLBACK TO step")?;
    }
    run(connection, "RELEASE step")?;
    Ok(result)
}

/// Whether an error says something about one step and nothing about the file.
fn is_of_the_step(error: &StoreError) -> bool {
    matches!(error, StoreError::InvalidArgument(_) | StoreError::Internal(_))
}

fn run(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(drop)
        .map_err(store_error)
}

/// Whoever stopped waiting for the answer does not get it.
fn answer(reply: &Reply<()>, result: Result<(), StoreError>) {
    let _ = reply.send(result);
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}
