//! New keys for a store: a new wrapping of the same database key, or a database encrypted anew.
//!
//! SQLCipher's own `PRAGMA rekey` is not used: it answers success when it failed, and goes on writing under
//! the new key after its transaction was rolled back. Here the entries are copied into a second database,
//! which takes the first one's place by a rename once it is complete and on the disk. The key file names both
//! keys around that rename, so whichever database is found afterwards, its key is there.

use super::connection::{self, Role};
use super::files::{self, Files};
use super::key::DatabaseKey;
use super::key_file::{Seal, State};
use super::writer::Writer;
use super::{entries, schema};
use crate::StoreError;

/// Moments of a key change between which the process may die.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Point {
    /// The second database is complete; nothing refers to it.
    Copied,
    /// The old database stands alone, its log moved into it; every connection is closed.
    Quiet,
    /// The key file opens with the new key only and holds both database keys.
    Announced,
    /// The second database has taken the first one's place.
    Replaced,
    /// The key file holds the new database key alone.
    Done,
}

/// Wraps the same database key under another key.
///
/// The old key stops opening this store, but a copy of the old key file still opens with it: only
/// [`reencrypt`] shuts out somebody who has both.
pub(super) fn rewrap(files: &Files, seal: &Seal, key: &DatabaseKey) -> Result<(), StoreError> {
    files.write_key(&seal.ready(key)?)
}

/// Encrypts the database under `fresh_key` and wraps that. `observe` is told when each point was reached.
pub(super) fn reencrypt(
    writer: &mut Writer,
    seal: &Seal,
    fresh_key: DatabaseKey,
    observe: &mut dyn FnMut(Point),
) -> Result<(), StoreError> {
    if let Some(error) = &writer.stopped {
        return Err(error.clone());
    }
    if let Err(error) = copy(writer, &fresh_key) {
        // What was copied takes up space that may be just what is missing.
        let _ = writer.files.remove_drafts();
        if matches!(error, StoreError::Damaged(_)) {
            writer.judge(&error);
        }
        return Err(error);
    }
    observe(Point::Copied);
    writer.readers.pause();
    let result = exchange(writer, seal, &fresh_key, observe);
    reopen(writer, fresh_key);
    if let Err(error) = &result {
        writer.judge(error);
    }
    result
}

/// Fills a second database with the first one's entries. Whatever goes wrong, the first is untouched.
fn copy(writer: &Writer, fresh_key: &DatabaseKey) -> Result<(), StoreError> {
    let path = &writer.files.fresh;
    files::create_database(path)?;
    let mut fresh = connection::open(path, fresh_key, Role::Writer, writer.busy_timeout)?;
    schema::migrate(&mut fresh)?;
    // Before there is a log, so that everything is written once.
    entries::copy_all(writer.connection()?, &mut fresh)?;
    connection::enter_wal(&fresh)?;
    if !connection::checkpoint(&fresh)? {
        return Err(StoreError::Busy);
    }
    fresh.close().map_err(|(_, error)| connection::store_error(error))?;
    writer.files.sync_folder()
}

/// Puts the second database into the first one's place.
fn exchange(
    writer: &mut Writer,
    seal: &Seal,
    fresh_key: &DatabaseKey,
    observe: &mut dyn FnMut(Point),
) -> Result<(), StoreError> {
    // A log left beside the new database would be replayed into it.
    if !writer.checkpoint()? {
        return Err(StoreError::Busy);
    }
    if let Some(connection) = writer.connection.take() {
        connection.close().map_err(|(_, error)| connection::store_error(error))?;
    }
    if !files::is_empty(&writer.files.log)? {
        return Err(StoreError::Busy);
    }
    observe(Point::Quiet);
    writer.files.write_key(&seal.under_way(State::Reencrypting, &[&writer.key, fresh_key])?)?;
    observe(Point::Announced);
    writer.files.adopt_fresh()?;
    observe(Point::Replaced);
    match writer.files.write_key(&seal.ready(fresh_key)?) {
        // The file with both keys opens the store just as well; the next opening replaces it.
        Ok(()) | Err(StoreError::Full) => observe(Point::Done),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Connects again to whichever database is in place. If even that fails, the store is stopped.
fn reopen(writer: &mut Writer, fresh_key: DatabaseKey) {
    let open =
        |key: &DatabaseKey| connection::open(&writer.files.database, key, Role::Writer, writer.busy_timeout);
    let opened = match open(&fresh_key) {
        Ok(connection) => Ok((connection, Some(fresh_key))),
        Err(_) => open(&writer.key).map(|connection| (connection, None)),
    };
    match opened {
        Ok((connection, fresh_key)) => {
            writer.connection = Some(connection);
            writer.key = fresh_key.unwrap_or_else(|| writer.key.duplicate());
            writer.readers.resume(writer.key.duplicate());
        }
        Err(error) => {
            writer.stopped = Some(error);
            writer.readers.close();
        }
    }
}
