//! The tables, version by version. Forward only: a version that was released never changes, and
//! `tests/fixtures` holds a store of each.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::connection::store_error;
use crate::StoreError;

/// "COTR": what `file` and other programs know a decrypted store by.
const APPLICATION_ID: u32 = 0x434f_5452;

/// One step per version. SQLite's `user_version` says how many were taken.
const STEPS: &[M<'static>] = &[M::up(
    "CREATE TABLE entries (
        space INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (space, key)
    ) STRICT, WITHOUT ROWID;",
)];

/// The version this release writes.
pub(super) const VERSION: u32 = STEPS.len() as u32;

/// Brings the tables to [`VERSION`], or refuses a database from the future before anything in it is changed.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found = version(connection)?;
    if found > VERSION {
        return Err(StoreError::Newer { found, supported: VERSION });
    }
    if found == 0 {
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(store_error)?;
    }
    Migrations::from_slice(STEPS).to_latest(connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => store_error(err),
        _ => StoreError::Internal("a migration is not well-formed"),
    })
}

/// The version of a database; zero when it has no tables yet.
pub(super) fn version(connection: &Connection) -> Result<u32, StoreError> {
    let version: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(store_error)?;
    u32::try_from(version).map_err(|_| StoreError::Damaged("the schema version is negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_valid_sql() {
        Migrations::from_slice(STEPS).validate().unwrap();
    }
}
