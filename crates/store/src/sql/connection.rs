//! Keyed connections to the database, and what SQLite's errors mean here.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::ffi::{self, ErrorCode};
use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

use super::key::DatabaseKey;
use crate::StoreError;
use crate::limits::{MAX_KEY_LENGTH, MAX_VALUE_LENGTH};

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// The only one that writes.
    Writer,
    /// One of those that cannot.
    Reader,
}

/// Statements kept prepared: more than the store has.
const STATEMENTS: usize = 16;

/// Bytes of a row beyond its key and value: the record's header and the space number.
const ROW_OVERHEAD: usize = 1024;

/// Opens the existing file at `path`, proves that `key` opens it and sets the connection up.
///
/// A file of no bytes is a database that nothing was written to yet; every key opens it.
pub(super) fn open(
    path: &Path,
    key: &DatabaseKey,
    role: Role,
    busy_timeout: Duration,
) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(store_error)?;
    unlock(&connection, key)?;
    connection.busy_timeout(busy_timeout).map_err(store_error)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let longest = MAX_KEY_LENGTH.saturating_add(MAX_VALUE_LENGTH).saturating_add(ROW_OVERHEAD);
    connection
        .set_limit(rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH, i32::try_from(longest).unwrap_or(i32::MAX))
        .map_err(store_error)?;
    connection
        .execute_batch(match role {
            Role::Writer => WRITER,
            Role::Reader => READER,
        })
        .map_err(store_error)?;
    Ok(connection)
}

/// Turns on the write-ahead log. Not part of [`open`], because it writes: a database of a newer version
/// must be refused as it was found.
pub(super) fn enter_wal(connection: &Connection) -> Result<(), StoreError> {
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(store_error)?;
    if mode == "wal" { Ok(()) } else { Err(StoreError::Internal("the database takes no write-ahead log")) }
}

/// Copies the log into the database, syncs it and cuts the log to nothing. Answers whether it got that far;
/// a reader of another program may be in the way.
pub(super) fn checkpoint(connection: &Connection) -> Result<bool, StoreError> {
    let busy: i64 = connection
        .prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(store_error)?;
    Ok(busy == 0)
}

/// Reads the whole database: every page against its MAC, then every tree against SQLite's rules.
pub(super) fn verify(connection: &Connection) -> Result<(), StoreError> {
    let faulty: Option<String> = first_row(connection, "PRAGMA cipher_integrity_check")?;
    if faulty.is_some() {
        return Err(StoreError::Damaged("a page does not match its MAC"));
    }
    match first_row(connection, "PRAGMA integrity_check(1)")?.as_deref() {
        Some("ok") => Ok(()),
        _ => Err(StoreError::Damaged("the database contradicts itself")),
    }
}

fn first_row(connection: &Connection, pragma: &str) -> Result<Option<String>, StoreError> {
    let mut statement = connection.prepare(pragma).map_err(store_error)?;
    let mut rows = statement.query([]).map_err(store_error)?;
    rows.next().and_then(|row| row.map(|row| row.get(0)).transpose()).map_err(store_error)
}

/// What SQLite reported, as the caller has to react to it.
///
/// Every statement here is fixed, so the "SQL logic error" that SQLCipher reports for a page whose MAC does
/// not match can mean nothing else.
pub(super) fn store_error(error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return StoreError::Internal("SQLite answered in another shape than it was asked in");
    };
    match (failure.code, failure.extended_code) {
        (ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown, _) => DAMAGED_PAGE,
        // The log's index could not grow. It is not durable state, so nothing is in doubt.
        (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => StoreError::Full,
        (_, ffi::SQLITE_IOERR_CORRUPTFS) => DAMAGED_PAGE,
        (_, ffi::SQLITE_IOERR_NOMEM) | (ErrorCode::OutOfMemory, _) => NO_MEMORY,
        (ErrorCode::SystemIoFailure, _) => StoreError::Io(io::ErrorKind::Other),
        (ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly, _) => {
            StoreError::Io(io::ErrorKind::PermissionDenied)
        }
        // The last is what SQLite says after it has waited ten seconds for a lock of the log's index.
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed, _) => {
            StoreError::Busy
        }
        (ErrorCode::TooBig, _) => StoreError::InvalidArgument("a value is longer than a store takes"),
        _ => StoreError::Internal("SQLite refused a statement"),
    }
}

/// What `error` on `connection` was in truth.
///
/// On some paths SQLite takes a page that SQLCipher refused for a lack of memory. The two differ in what comes
/// next: SQLCipher refuses everything on that connection from then on, while memory comes back.
pub(super) fn diagnose(connection: &Connection, error: StoreError) -> StoreError {
    if error == NO_MEMORY && query_and_ignore(connection, FIRST_PAGE).is_err() { DAMAGED_PAGE } else { error }
}

const DAMAGED_PAGE: StoreError = StoreError::Damaged("a page failed its integrity check");
const NO_MEMORY: StoreError = StoreError::Internal("no memory");

/// Reads the first page, whatever is cached.
const FIRST_PAGE: &str = "SELECT count(*) FROM sqlite_schema";

/// Hands over the key before anything else touches the file, then reads the first page to try it.
fn unlock(connection: &Connection, key: &DatabaseKey) -> Result<(), StoreError> {
    // SQLCipher would otherwise report every page that fails on the process's standard error.
    query_and_ignore(connection, "PRAGMA cipher_log_level = NONE")?;
    query_and_ignore(connection, &key_statement(key))?;
    // The format must not follow the defaults of a later SQLCipher.
    query_and_ignore(connection, "PRAGMA cipher_compatibility = 4")?;
    match first_row(connection, "PRAGMA cipher_version")? {
        Some(_) => query_and_ignore(connection, FIRST_PAGE),
        None => Err(StoreError::Internal("this build's SQLite does not encrypt")),
    }
}

fn query_and_ignore(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.execute_batch(sql).map_err(store_error)
}

/// `x'…'` hands SQLCipher the key itself; anything else would be a passphrase to it.
fn key_statement(key: &DatabaseKey) -> Zeroizing<String> {
    const FRAME: &str = "PRAGMA key = \"x''\"";
    // Long enough from the start: growing would leave a copy of the key behind.
    let length = FRAME.len().saturating_add(key.expose().len().saturating_mul(2));
    let mut statement = Zeroizing::new(String::with_capacity(length));
    statement.push_str("PRAGMA key = \"x'");
    for byte in key.expose() {
        // Writing to a string cannot fail.
        let _ = write!(statement, "{byte:02x}");
    }
    statement.push_str("'\"");
    statement
}

/// `synchronous` and the two `fullfsync` settings (they matter on Apple systems) are what "durable" rests on.
/// The writer decides itself when to checkpoint, because SQLite's own way swallows the errors of it.
const WRITER: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA secure_delete = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16000;
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF;
";

const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -4000;
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_statement_is_built_without_growing() {
        let statement = key_statement(&DatabaseKey::from_bytes(&[0xab; 32]));
        assert_eq!(*statement, format!("PRAGMA key = \"x'{}'\"", "ab".repeat(32)));
        assert_eq!(statement.capacity(), statement.len());
    }
}
