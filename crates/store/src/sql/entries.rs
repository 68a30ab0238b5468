//! The statements: entries read and written, on whatever connection.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, params};

use super::connection::store_error;
use crate::{Entry, Space, Step, StoreError};

/// The value under `key`.
pub(super) fn get(connection: &Connection, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    get_own(connection, space.number(), key)
}

/// The same for a space by its number, which may be one of the store's own.
pub(super) fn get_own(connection: &Connection, space: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT value FROM entries WHERE space = ?1 AND key = ?2")
        .map_err(store_error)?;
    let mut rows = statement.query(params![space, key]).map_err(store_error)?;
    match rows.next().map_err(store_error)? {
        Some(row) => row.get(0).map(Some).map_err(store_error),
        None => Ok(None),
    }
}

/// As [`crate::Store::scan_after`]. Rows are read one by one, so what lies beyond the prefix or the limit
/// costs nothing.
pub(super) fn scan_after(
    connection: &Connection,
    space: Space,
    prefix: &[u8],
    after: &[u8],
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let (sql, start) = if after < prefix { (SCAN_FROM, prefix) } else { (SCAN_AFTER, after) };
    let mut statement = connection.prepare_cached(sql).map_err(store_error)?;
    let mut rows = statement.query(params![space.number(), start]).map_err(store_error)?;
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(row) = rows.next().map_err(store_error)? else { break };
        let key: Vec<u8> = row.get(0).map_err(store_error)?;
        if !key.starts_with(prefix) {
            break;
        }
        found.push((key, row.get(1).map_err(store_error)?));
    }
    Ok(found)
}

/// Writes everything of `step` into the transaction that is open.
pub(super) fn apply(connection: &Connection, step: &Step) -> Result<(), StoreError> {
    for (space, prefix) in step.cleared() {
        delete_prefix(connection, space, prefix).map_err(store_error)?;
    }
    for (space, key, value) in step.writes() {
        match value {
            Some(value) => connection
                .prepare_cached("REPLACE INTO entries (space, key, value) VALUES (?1, ?2, ?3)")
                .and_then(|mut statement| statement.execute(params![space.number(), key, value.as_slice()])),
            None => connection
                .prepare_cached("DELETE FROM entries WHERE space = ?1 AND key = ?2")
                .and_then(|mut statement| statement.execute(params![space.number(), key])),
        }
        .map_err(store_error)?;
    }
    Ok(())
}

/// Copies every entry of one database into another, which has none, in one transaction.
pub(super) fn copy_all(from: &Connection, to: &mut Connection) -> Result<(), StoreError> {
    let transaction = to.transaction().map_err(store_error)?;
    {
        let mut source =
            from.prepare("SELECT space, key, value FROM entries ORDER BY space, key").map_err(store_error)?;
        let mut target = transaction
            .prepare("INSERT INTO entries (space, key, value) VALUES (?1, ?2, ?3)")
            .map_err(store_error)?;
        let mut rows = source.query([]).map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let field = |index| row.get_ref(index).map(ToSqlOutput::Borrowed).map_err(store_error);
            target.execute(params![field(0)?, field(1)?, field(2)?]).map_err(store_error)?;
        }
    }
    transaction.commit().map_err(store_error)
}

fn delete_prefix(connection: &Connection, space: Space, prefix: &[u8]) -> rusqlite::Result<usize> {
    match beyond(prefix) {
        Some(end) => connection
            .prepare_cached("DELETE FROM entries WHERE space = ?1 AND key >= ?2 AND key < ?3")?
            .execute(params![space.number(), prefix, end]),
        None => connection
            .prepare_cached("DELETE FROM entries WHERE space = ?1 AND key >= ?2")?
            .execute(params![space.number(), prefix]),
    }
}

/// The least key that is greater than every key beginning with `prefix`, if there is one.
fn beyond(prefix: &[u8]) -> Option<Vec<u8>> {
    let end = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut key = prefix.get(..=end)?.to_vec();
    let last = key.last_mut()?;
    *last = last.saturating_add(1);
    Some(key)
}

const SCAN_FROM: &str = "SELECT key, value FROM entries WHERE space = ?1 AND key >= ?2 ORDER BY key";
const SCAN_AFTER: &str = "SELECT key, value FROM entries WHERE space = ?1 AND key > ?2 ORDER BY key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_carries_over_full_bytes() {
        assert_eq!(beyond(b"a"), Some(b"b".to_vec()));
        assert_eq!(beyond(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(beyond(&[0xff, 0xff]), None);
        assert_eq!(beyond(&[]), None);
    }
}
