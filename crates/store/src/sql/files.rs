//! The files of one store: their names, who may read them, who owns them, and replacing one as a whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::StoreError;

/// How long a lock is waited for, 100 ms in all. While this process starts another one, that one holds copies of all files
/// until it has become another program, and of the lock of a store that was just closed too.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Where everything of one store lies: beside the database, under its name.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// The database.
    pub(super) database: PathBuf,
    /// Its write-ahead log.
    pub(super) log: PathBuf,
    /// The wrapped database key.
    pub(super) key: PathBuf,
    /// A re-encrypted database before it takes the old one's place.
    pub(super) fresh: PathBuf,
    /// How far the database once was, see [`super::mark`].
    pub(super) mark: PathBuf,
    key_draft: PathBuf,
    lock: PathBuf,
}

impl Files {
    /// The files of the store at `path`, whatever links lead there: two names of one directory must not
    /// become two owners of one database.
    pub(super) fn at(path: &Path) -> Result<Self, StoreError> {
        let name = path.file_name().ok_or(StoreError::InvalidArgument("a store's path names a file"))?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let database = match fs::canonicalize(path) {
            Ok(database) => database,
            Err(_) => fs::canonicalize(folder)?.join(name),
        };
        Ok(Self {
            log: beside(&database, "-wal"),
            key: beside(&database, ".key"),
            fresh: beside(&database, ".new"),
            mark: beside(&database, ".mark"),
            key_draft: beside(&database, ".key.new"),
            lock: beside(&database, ".lock"),
            database,
        })
    }

    /// Takes the store for this handle. The operating system gives it back when the handle is dropped or the
    /// process ends, however it ends. The file stays: removing it would let two owners lock two files.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let file = private().write(true).create(true).truncate(false).open(&self.lock)?;
        for _ in 0..LOCK_ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        Err(StoreError::Locked)
    }

    /// The key file's bytes, if there is one.
    pub(super) fn read_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let file = match File::open(&self.key) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(super::key_file::MAX_LENGTH).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// The mark's file, made where there is none.
    pub(super) fn open_mark(&self) -> Result<File, StoreError> {
        Ok(private().write(true).create(true).truncate(false).open(&self.mark)?)
    }

    /// Replaces the key file. At every moment, and after a power failure at any of them, the old content or
    /// the new is there in full.
    pub(super) fn write_key(&self, content: &[u8]) -> Result<(), StoreError> {
        let mut draft = private().write(true).create(true).truncate(true).open(&self.key_draft)?;
        draft.write_all(content)?;
        draft.sync_all()?;
        drop(draft);
        fs::rename(&self.key_draft, &self.key)?;
        self.sync_folder()
    }

    /// Puts the re-encrypted database into the old one's place.
    pub(super) fn adopt_fresh(&self) -> Result<(), StoreError> {
        fs::rename(&self.fresh, &self.database)?;
        self.sync_folder()
    }

    /// Removes what an interrupted re-encryption or key change left behind.
    pub(super) fn remove_drafts(&self) -> Result<(), StoreError> {
        remove(&self.key_draft)?;
        remove_database(&self.fresh)
    }

    /// Makes renames and new names in the store's folder durable.
    pub(super) fn sync_folder(&self) -> Result<(), StoreError> {
        // Windows neither needs nor allows it.
        #[cfg(unix)]
        if let Some(folder) = self.database.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Makes an empty file at `path` that only its owner may read, in place of whatever database was there.
pub(super) fn create_database(path: &Path) -> Result<(), StoreError> {
    remove_database(path)?;
    private().write(true).create_new(true).open(path)?;
    Ok(())
}

/// Whether `path` has any bytes.
pub(super) fn is_empty(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Takes away what others may do with a file that a backup or an archive put here.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let permissions = fs::metadata(path)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn remove_database(path: &Path) -> Result<(), StoreError> {
    ["-wal", "-shm", "-journal"].iter().try_for_each(|suffix| remove(&beside(path, suffix)))?;
    remove(path)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Options for files that only their owner may read.
fn private() -> OpenOptions {
    #[cfg_attr(not(unix), allow(unused_mut, reason = "only unix has modes"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}
