//! Notices a database that is older than it once was: a backup that was put back, or a last step that the disk
//! lost after it had been acknowledged.
//!
//! Every transaction counts itself in a row of the database. After it has been synced, and not before, the same
//! number goes into the mark, a small file beside the database that a backup of the store does not contain. A mark
//! that is ahead of the database, of another lineage, or missing, says that something was taken back. The mark is
//! not synced with every step: an older mark raises no alarm, it only notices less.
//!
//! A folder that was copied as a whole has a mark that fits. But the copy is another file, made at another time, and
//! a mark says when its file was made. What this cannot notice stands in ADR 8.
//!
//! Layout of version 1, numbers big-endian, 74 bytes and so within one sector of any disk:
//!
//! ```text
//!  0  8  "COTERIEM"
//!  8  2  version
//! 10 16  lineage
//! 26  8  transactions
//! 34  8  when the file was made, in nanoseconds since 1970; 0 where the file system does not say
//! 42 32  SHA-256 of everything before
//! ```

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use coterie_crypto::Entropy;
use coterie_crypto::hash::{HashAlgorithm, digest};
use rusqlite::{Connection, params};

use super::connection::store_error;
use super::entries;
use super::files::Files;
use crate::StoreError;

const MAGIC: &[u8; 8] = b"COTERIEM";
const VERSION: u16 = 1;
const CONTENT_LENGTH: usize = 42;
const DIGEST_LENGTH: usize = 32;
const LINEAGE_LENGTH: usize = 16;

/// The store's own rows: a space that no caller can name.
const OWN_SPACE: u8 = 0;
const POSITION_ROW: &[u8] = b"position";

/// Where in its life a database is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Position {
    /// Drawn when the store was made, and anew whenever it was found to have been put back.
    lineage: [u8; LINEAGE_LENGTH],
    /// How often it was found to have been put back.
    pub(super) restorations: u64,
    /// Transactions so far.
    transactions: u64,
}

impl Position {
    /// Of a store that nothing was written to.
    pub(super) fn first(entropy: &dyn Entropy) -> Result<Self, StoreError> {
        Ok(Self { lineage: draw(entropy)?, restorations: 0, transactions: 0 })
    }

    /// After one more transaction.
    pub(super) fn next(&self) -> Self {
        Self { transactions: self.transactions.saturating_add(1), ..self.clone() }
    }

    /// Where the database says it is; none for one that was written before there were marks.
    fn read(connection: &Connection) -> Result<Option<Self>, StoreError> {
        match entries::get_own(connection, OWN_SPACE, POSITION_ROW)? {
            Some(row) => Self::decode(&row).map(Some),
            None => Ok(None),
        }
    }

    /// Writes it into the transaction that is open.
    pub(super) fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        let row =
            [&self.lineage[..], &self.restorations.to_be_bytes(), &self.transactions.to_be_bytes()].concat();
        connection
            .prepare_cached("REPLACE INTO entries (space, key, value) VALUES (?1, ?2, ?3)")
            .and_then(|mut statement| statement.execute(params![OWN_SPACE, POSITION_ROW, row]))
            .map(drop)
            .map_err(store_error)
    }

    fn decode(row: &[u8]) -> Result<Self, StoreError> {
        const DAMAGED: StoreError = StoreError::Damaged("the store's own row is not what was written");
        let (lineage, rest) = row.split_first_chunk().ok_or(DAMAGED)?;
        let (restorations, rest) = rest.split_first_chunk().ok_or(DAMAGED)?;
        let transactions = rest.try_into().map_err(|_| DAMAGED)?;
        Ok(Self {
            lineage: *lineage,
            restorations: u64::from_be_bytes(*restorations),
            transactions: u64::from_be_bytes(transactions),
        })
    }
}

/// The mark's file. Nothing is written to it before the first transaction.
pub(super) struct Mark(Option<File>);

impl Mark {
    /// A mark that is not open yet.
    pub(super) const fn closed() -> Self {
        Self(None)
    }

    /// Makes sure that there is a durable mark of this lineage before the database first says that there is one.
    pub(super) fn prepare(&mut self, files: &Files, position: &Position) -> Result<(), StoreError> {
        if self.0.is_none() {
            let mut file = files.open_mark()?;
            write(&mut file, position)?;
            file.sync_all()?;
            files.sync_folder()?;
            self.0 = Some(file);
        }
        Ok(())
    }

    /// Follows a transaction that is on the disk. A failure is nobody's: the mark then notices less.
    pub(super) fn follow(&mut self, position: &Position) {
        if let Some(file) = &mut self.0 {
            let _ = write(file, position);
        }
    }

    /// Makes what was followed durable.
    pub(super) fn sync(&self) {
        if let Some(file) = &self.0 {
            let _ = file.sync_data();
        }
    }
}

/// Where the store is that `connection` is to, judged by its mark. Changes nothing: what was found out becomes
/// durable with the first transaction.
pub(super) fn locate(
    connection: &Connection,
    files: &Files,
    entropy: &dyn Entropy,
) -> Result<Position, StoreError> {
    let position = Position::read(connection)?;
    let found = read(&files.mark)?;
    match (position, found) {
        (None, Found::Nothing) => Position::first(entropy),
        (Some(position), Found::Mark { lineage, transactions })
            if lineage == position.lineage && transactions <= position.transactions =>
        {
            Ok(position)
        }
        (position, _) => {
            let (restorations, transactions) =
                position.map_or((0, 0), |position| (position.restorations, position.transactions));
            Ok(Position {
                lineage: draw(entropy)?,
                restorations: restorations.saturating_add(1),
                transactions,
            })
        }
    }
}

/// What lies where the mark belongs.
enum Found {
    Nothing,
    Mark {
        lineage: [u8; LINEAGE_LENGTH],
        transactions: u64,
    },
    /// Damaged, of a later version, or a copy.
    Other,
}

fn read(path: &Path) -> Result<Found, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(4096).read_to_end(&mut bytes)?;
    Ok(parse(&bytes, made(&file)).unwrap_or(Found::Other))
}

fn parse(bytes: &[u8], made: u64) -> Option<Found> {
    let (content, stored) = bytes.split_last_chunk::<DIGEST_LENGTH>()?;
    if digest(HashAlgorithm::Sha256, content).as_bytes() != stored || content.len() != CONTENT_LENGTH {
        return None;
    }
    let content = content.strip_prefix(MAGIC)?.strip_prefix(&VERSION.to_be_bytes())?;
    let (lineage, rest) = content.split_first_chunk()?;
    let (transactions, rest) = rest.split_first_chunk()?;
    let said = u64::from_be_bytes(rest.try_into().ok()?);
    let is_copy = said != 0 && made != 0 && said != made;
    (!is_copy).then_some(Found::Mark { lineage: *lineage, transactions: u64::from_be_bytes(*transactions) })
}

fn write(file: &mut File, position: &Position) -> io::Result<()> {
    let mut bytes = [
        &MAGIC[..],
        &VERSION.to_be_bytes(),
        &position.lineage,
        &position.transactions.to_be_bytes(),
        &made(file).to_be_bytes(),
    ]
    .concat();
    let digest = digest(HashAlgorithm::Sha256, &bytes);
    bytes.extend_from_slice(digest.as_bytes());
    file.rewind()?;
    file.write_all(&bytes)
}

/// When a file was made: no tool for copying files on Linux can choose it. Zero where nobody knows.
fn made(file: &File) -> u64 {
    let made = file.metadata().and_then(|metadata| metadata.created()).ok();
    let since = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

fn draw(entropy: &dyn Entropy) -> Result<[u8; LINEAGE_LENGTH], StoreError> {
    let mut lineage = [0; LINEAGE_LENGTH];
    entropy.fill(&mut lineage).map_err(|_| StoreError::NoRandomness)?;
    Ok(lineage)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Seeded;
    use super::*;

    #[test]
    fn a_mark_that_was_altered_cut_or_copied_is_none() {
        let path = std::env::temp_dir().join(format!("coterie-mark-{}", std::process::id()));
        let mut file = File::create(&path).unwrap();
        let position = Position::first(&Seeded::new(1)).unwrap().next();
        write(&mut file, &position).unwrap();
        let made = made(&file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(bytes.len(), CONTENT_LENGTH + DIGEST_LENGTH);
        assert!(
            matches!(parse(&bytes, made), Some(Found::Mark { lineage, transactions: 1 }) if lineage == position.lineage)
        );
        assert_eq!(made == 0, parse(&bytes, made.wrapping_add(1)).is_some());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&flipped, made).is_none());
        }
        assert!((0..bytes.len()).all(|length| parse(&bytes[..length], made).is_none()));
    }
}
