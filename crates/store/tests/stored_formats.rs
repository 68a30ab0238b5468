//! Stores written by each version of the format open today.
//!
//! After adding a step to `sql/schema.rs` or a version to the key file, write the new fixture, once, and
//! commit it: `cargo test -p coterie-store --features sqlcipher --test stored_formats -- --ignored`.
//! Fixtures of earlier versions are never written again.
#![cfg(feature = "sqlcipher")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test program fails by panicking"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use coterie_store::{Key, Rekey, Space, SqlStore, Step, Store};

use self::support::seeded::Seeded;
use self::support::{Folder, key, open_with, options};

/// The newest version that has a fixture.
const VERSION: u32 = 1;

const PASSPHRASE: &str = "fixture";
const RAW: [u8; 32] = [0x46; 32];

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}"))
}

fn value(space: Space, number: u8) -> Vec<u8> {
    vec![space.number() ^ number; usize::from(number) * 700]
}

#[test]
fn every_version_opens_with_passphrase_and_raw_key_and_holds_what_was_stored() {
    for version in 1..=VERSION {
        for (key_file, key) in [("store.db.key", key(PASSPHRASE)), ("raw.key", Key::raw(&RAW))] {
            let folder = Folder::new();
            fs::copy(fixture(version).join("store.db"), folder.store()).unwrap();
            fs::copy(fixture(version).join(key_file), folder.beside(".key")).unwrap();
            let store = open_with(&folder, &key).unwrap();
            store.verify().unwrap();
            for space in Space::ALL {
                let entries = store.scan(*space, b"", 10).unwrap();
                let expected = (0..3).map(|number| (vec![b'k', number], value(*space, number)));
                assert!(entries.into_iter().eq(expected), "version {version}, {space:?}");
            }
        }
    }
}

#[test]
#[ignore = "writes the fixture of the current version"]
fn write_the_fixture_of_the_current_version() {
    let target = fixture(VERSION);
    assert!(!target.exists(), "{target:?} was released: a stored format never changes");
    let folder = Folder::new();
    let store =
        SqlStore::open(folder.store(), &key(PASSPHRASE), &Seeded::new(u64::from(VERSION)), &options())
            .unwrap();
    let mut step = Step::new();
    for space in Space::ALL {
        (0..3).for_each(|number| step.put(*space, &[b'k', number], value(*space, number)).unwrap());
    }
    store.commit(step).unwrap();
    fs::create_dir_all(&target).unwrap();
    fs::copy(folder.beside(".key"), target.join("store.db.key")).unwrap();
    store.rekey(&Key::raw(&RAW), Rekey::Rewrap, &Seeded::new(100)).unwrap();
    fs::copy(folder.beside(".key"), target.join("raw.key")).unwrap();
    store.close().unwrap();
    fs::copy(folder.store(), target.join("store.db")).unwrap();
}
