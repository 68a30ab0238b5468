//! What the test programs share: folders that go away, quick stores, child processes.

#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod seeded;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use coterie_store::{Argon2Parameters, Key, Options, Space, SqlStore, Step, Store, StoreError};

use self::seeded::Seeded;

/// A folder for one test, removed with everything in it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("coterie-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }

    /// Another file of the store.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        self.0.join(format!("store.db{suffix}"))
    }

    /// Copies every file but the lock, as a crash at this moment would leave them.
    pub(crate) fn image(&self) -> Self {
        let image = Self::new();
        for entry in fs::read_dir(&self.0).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if !name.to_string_lossy().ends_with(".lock") {
                fs::copy(entry.path(), image.0.join(name)).unwrap();
            }
        }
        image
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Options that spend no time on passphrases and move the log only when told to.
pub(crate) fn options() -> Options {
    Options { argon2: Argon2Parameters::DANGER_WEAK, idle_checkpoint: None, ..Options::default() }
}

pub(crate) fn key(passphrase: &str) -> Key {
    Key::passphrase(passphrase.as_bytes()).unwrap()
}

pub(crate) fn open_with(folder: &Folder, key: &Key) -> Result<SqlStore, StoreError> {
    SqlStore::open(folder.store(), key, &Seeded::new(7), &options())
}

pub(crate) fn open(folder: &Folder) -> SqlStore {
    open_with(folder, &key("right")).unwrap()
}

pub(crate) fn put(store: &dyn Store, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let mut step = Step::new();
    step.put(Space::Application, key, value.to_vec())?;
    store.commit(step)
}

/// This test program again, running the one test `name` with `argument` in its environment.
pub(crate) fn child(name: &str, argument: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ARGUMENT, argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// What [`child`] passed on, if this is one.
pub(crate) fn argument() -> Option<PathBuf> {
    std::env::var_os(ARGUMENT).map(PathBuf::from)
}

const ARGUMENT: &str = "COTERIE_STORE_TEST_CHILD";
