//! From files to a store that is ready to be written to.
//!
//! Order matters: ownership first, then the key, then the database; nothing is changed before it is certain
//! that this release may. The key file says `creating` until the database is complete and on the disk, so
//! that an empty database beside a finished key file is known for what it is: a loss.

use std::path::Path;
use std::sync::Arc;

use coterie_crypto::Entropy;
use rusqlite::Connection;

use super::Options;
use super::connection::{self, Role};
use super::files::{self, Files};
use super::key::{DatabaseKey, Derivation, Key};
use super::key_file::{KeyFile, Seal, State};
use super::log;
use super::mark::{self, Mark, Position};
use super::readers::Readers;
use super::schema;
use super::writer::{Counters, Writer};
use crate::StoreError;

/// Opens the store at `path`, or makes it, and hands over what the writer needs.
pub(super) fn open(
    path: &Path,
    key: &Key,
    entropy: &dyn Entropy,
    options: &Options,
) -> Result<Writer, StoreError> {
    let files = Files::at(path)?;
    let lock = files.lock()?;
    let (connection, database_key, log_in_use, position) = match files.read_key()? {
        Some(bytes) => match KeyFile::parse(&bytes)? {
            // Opening it never succeeded, so nothing in it was ever acknowledged.
            file if file.state == State::Creating => create(&files, key, entropy, options)?,
            file => open_existing(&files, &file, key, entropy, options)?,
        },
        None if !files::is_empty(&files.database)? => {
            return Err(StoreError::Damaged("the key file is missing"));
        }
        None => create(&files, key, entropy, options)?,
    };
    let readers =
        Readers::new(files.database.clone(), database_key.duplicate(), options.readers, options.busy_timeout);
    Ok(Writer {
        files,
        connection: Some(connection),
        key: database_key,
        readers: Arc::new(readers),
        counters: Arc::new(Counters::default()),
        busy_timeout: options.busy_timeout,
        idle_checkpoint: options.idle_checkpoint,
        stopped: None,
        log_in_use,
        position,
        mark: Mark::closed(),
        lock,
    })
}

type Opened = (Connection, DatabaseKey, bool, Position);

fn create(files: &Files, key: &Key, entropy: &dyn Entropy, options: &Options) -> Result<Opened, StoreError> {
    if !options.create {
        return Err(StoreError::Io(std::io::ErrorKind::NotFound));
    }
    let database_key = DatabaseKey::generate(entropy)?;
    let seal = Seal::new(key, options.argon2, entropy)?;
    files.write_key(&seal.under_way(State::Creating, &[&database_key])?)?;
    files::create_database(&files.database)?;
    let mut connection =
        connection::open(&files.database, &database_key, Role::Writer, options.busy_timeout)?;
    schema::migrate(&mut connection)?;
    let position = Position::first(entropy)?;
    Mark::closed().prepare(files, &position)?;
    position.write(&connection)?;
    connection::enter_wal(&connection)?;
    let moved = connection::checkpoint(&connection)?;
    files.sync_folder()?;
    files.write_key(&seal.ready(&database_key)?)?;
    Ok((connection, database_key, !moved, position))
}

fn open_existing(
    files: &Files,
    file: &KeyFile,
    key: &Key,
    entropy: &dyn Entropy,
    options: &Options,
) -> Result<Opened, StoreError> {
    let keys = file.open(key)?;
    if files::is_empty(&files.database)? {
        return Err(StoreError::Damaged("the database file is missing or empty"));
    }
    log::inspect(&files.log)?;
    files::make_private(&files.database)?;
    files::make_private(&files.key)?;
    let (mut connection, database_key) = try_keys(files, keys, options)?;
    if schema::version(&connection)? == 0 {
        // SQLite takes what is left of a file that was cut for a new one.
        return Err(StoreError::Damaged("the database is empty"));
    }
    schema::migrate(&mut connection)?;
    connection::enter_wal(&connection)?;
    let moved = settle(&connection).map_err(|error| connection::diagnose(&connection, error))?;
    let position = mark::locate(&connection, files, entropy)?;
    files.remove_drafts()?;
    if file.state != State::Ready || is_weaker(file.derivation, options) {
        let seal = Seal::new(key, options.argon2, entropy)?;
        match files.write_key(&seal.ready(&database_key)?) {
            // The file as it is opens the store; the next opening tries again.
            Ok(()) | Err(StoreError::Full) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((connection, database_key, !moved, position))
}

/// The key is right, so a database that does not open with it is not the one that was written.
fn try_keys(
    files: &Files,
    keys: Vec<DatabaseKey>,
    options: &Options,
) -> Result<(Connection, DatabaseKey), StoreError> {
    let mut refusal = StoreError::Internal("a key file holds a key");
    for key in keys {
        match connection::open(&files.database, &key, Role::Writer, options.busy_timeout) {
            Ok(connection) => return Ok((connection, key)),
            Err(error @ StoreError::Damaged(_)) => refusal = error,
            Err(error) => return Err(error),
        }
    }
    Err(refusal)
}

/// Moves what the last owner left in the log into the database.
///
/// If that owner stopped after a failed sync, the log may read well from the cache and not be on the disk.
/// Written into the database and synced, it is; only then does anything new depend on it.
fn settle(connection: &Connection) -> Result<bool, StoreError> {
    match connection::checkpoint(connection) {
        // A full disk must not keep a store from being read.
        Err(StoreError::Full) => Ok(false),
        result => result,
    }
}

fn is_weaker(derivation: Derivation, options: &Options) -> bool {
    matches!(derivation, Derivation::Argon2id(stored) if options.argon2.is_stronger_than(stored))
}
