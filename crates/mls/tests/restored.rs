//! A store that was put back to an earlier state, and stores that earlier versions wrote.
//!
//! After a change of what the engine stores, write a new fixture, once, and commit it:
//! `cargo test -p coterie-mls --test restored -- --ignored`. Fixtures of earlier versions are never written again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test program fails by panicking"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::LONG;
use coterie_mls::{
    Changes, Device, DeviceOptions, ExternalJoin, Group, GroupOptions, KeyPackageOptions, Received, Suite,
};
use coterie_store::{Key, MemoryStore, Options, Space, SqlStore, Store};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, ErrorCode};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("coterie-restored-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.0.join(format!("store.db{suffix}"))
    }

    fn open(&self) -> Arc<SqlStore> {
        let options = Options { idle_checkpoint: None, ..Options::default() };
        let entropy = Seed::quiet(1).entropy(9);
        Arc::new(SqlStore::open(self.file(""), &KEY(), &entropy, &options).unwrap())
    }

    /// What the documentation calls a backup: of a closed store, the database and its key.
    fn backup(&self) -> [Vec<u8>; 2] {
        ["", ".key"].map(|suffix| fs::read(self.file(suffix)).unwrap())
    }

    fn restore(&self, backup: &[Vec<u8>; 2]) {
        for (suffix, content) in ["", ".key"].iter().zip(backup) {
            fs::write(self.file(suffix), content).unwrap();
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const KEY: fn() -> Key = || Key::raw(&[7; 32]);

fn device(name: &str, store: Arc<dyn Store>, seed: u64) -> Device {
    let entropy = Arc::new(Seed::quiet(seed).entropy(0));
    let options = DeviceOptions { identity: name.into(), suite: Suite::X25519Aes128 };
    Device::open_or_create(Some(options.identity), options.suite, store, entropy).unwrap()
}

fn package(device: &Device) -> Vec<u8> {
    device.key_package(KeyPackageOptions { lifetime: Some(LONG), ..Default::default() }, T0).unwrap()
}

fn reopen(folder: &Folder, seed: u64) -> (Arc<SqlStore>, Device, Group) {
    let store = folder.open();
    let device = device("alice", Arc::clone(&store) as _, seed);
    let group = device.open_group(&device.groups().unwrap()[0]).unwrap().unwrap();
    (store, device, group)
}

#[test]
fn a_group_of_a_restored_store_reads_but_sends_nothing_until_it_has_joined_anew() {
    let folder = Folder::new();
    let bob = device("bob", Arc::new(MemoryStore::new()), 2);
    let mut at_bob = {
        let alice = device("alice", folder.open() as _, 1);
        let mut group = alice.create_group(GroupOptions::default(), T0).unwrap();
        let add = group.commit(Changes { add: &[package(&bob)], ..Default::default() }, T0).unwrap();
        group.merge_pending().unwrap();
        package(&alice);
        bob.join(&add.welcome.unwrap(), None, T0).unwrap()
    };
    let backup = folder.backup();
    {
        let (store, _, mut group) = reopen(&folder, 3);
        assert_eq!(store.restorations(), 0);
        group.encrypt(b"sent after the backup", b"").unwrap();
    }
    folder.restore(&backup);

    // The same however often it is opened before anything is done about it.
    for _ in 0..2 {
        let (store, alice, mut group) = reopen(&folder, 4);
        assert_eq!(store.restorations(), 1);
        assert!(group.is_restored().unwrap());
        assert_eq!(alice.key_package_count(T0).unwrap(), 0, "one of them may have been used");
        let sealed = at_bob.encrypt(b"still to be read", b"").unwrap();
        assert!(matches!(group.receive(&sealed, T0).unwrap(), Received::Message { .. }));
        let code = |outcome: Result<Vec<u8>, coterie_mls::MlsError>| outcome.unwrap_err().code();
        assert_eq!(code(group.encrypt(b"no", b"")), Code::MLS_RESTORED);
        assert_eq!(code(group.propose_update()), Code::MLS_RESTORED);
        assert_eq!(code(group.propose_leave()), Code::MLS_RESTORED);
        let commit = group.commit(Changes { update: true, ..Default::default() }, T0);
        assert_eq!(commit.unwrap_err().code(), Code::MLS_RESTORED);
    }

    // A commit of somebody else is no way back: this member may have sent in that epoch, too.
    let (store, alice, mut group) = reopen(&folder, 5);
    let commit = at_bob.commit(Changes { update: true, ..Default::default() }, T0).unwrap().commit;
    at_bob.merge_pending().unwrap();
    group.receive(&commit, T0).unwrap();
    assert_eq!(group.encrypt(b"no", b"").unwrap_err().code(), Code::MLS_RESTORED);
    drop(group);

    let info = at_bob.group_info(true).unwrap();
    let options = ExternalJoin { resync: true, ..ExternalJoin::default() };
    let (mut group, commit) = alice.join_external(&info, options, T0).unwrap();
    at_bob.receive(&commit, T0).unwrap();
    let sealed = group.encrypt(b"back again", b"").unwrap();
    assert!(matches!(at_bob.receive(&sealed, T0).unwrap(), Received::Message { .. }));
    let fresh = package(&alice);
    drop((store, alice, group));

    // That lasts, until the same backup comes back once more.
    let (store, alice, mut group) = reopen(&folder, 6);
    assert!(!group.is_restored().unwrap());
    assert_eq!(store.restorations(), 1);
    assert_eq!(alice.key_package_count(T0).unwrap(), 1);
    alice.inspect_key_package(&fresh, T0).unwrap();
    group.encrypt(b"and again", b"").unwrap();
    drop((store, alice, group));
    folder.restore(&backup);
    let (_store, _, mut group) = reopen(&folder, 7);
    assert_eq!(group.encrypt(b"no", b"").unwrap_err().code(), Code::MLS_RESTORED);
}

#[test]
fn a_store_that_is_copied_whole_is_another_store_and_one_that_is_moved_is_not() {
    let folder = Folder::new();
    device("alice", folder.open() as _, 1).create_group(GroupOptions::default(), T0).unwrap();
    let copy = Folder::new();
    for suffix in ["", ".key", ".mark"] {
        fs::copy(folder.file(suffix), copy.file(suffix)).unwrap();
    }
    // Where the file system does not say when a file was made, a copy cannot be told from what was copied.
    let tells = fs::metadata(folder.file(".mark")).unwrap().created().is_ok();
    assert_eq!(copy.open().restorations(), u64::from(tells));
    let moved = Folder::new();
    for suffix in ["", ".key", ".mark"] {
        fs::rename(folder.file(suffix), moved.file(suffix)).unwrap();
    }
    assert_eq!(moved.open().restorations(), 0);
    fs::remove_file(moved.file(".mark")).unwrap();
    assert_eq!(moved.open().restorations(), 1);
}

// What every later version must be able to read.

/// The newest version that has a fixture.
const VERSION: u32 = 1;

const SUITES: [Suite; 2] = [Suite::X25519Aes128, Suite::P256Aes128];

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}"))
}

/// The messages that lie beside the store: for each group, in order, one of a past epoch, one of the present, a
/// proposal, and a commit.
fn messages(version: u32, group: usize) -> [Vec<u8>; 4] {
    ["past", "present", "proposal", "commit"]
        .map(|name| fs::read(fixture(version).join(format!("{group}-{name}.mls"))).unwrap())
}

#[test]
fn a_store_of_every_version_opens_and_its_groups_go_on() {
    for version in 1..=VERSION {
        let folder = Folder::new();
        folder.restore(
            &["store.db", "store.db.key"].map(|name| fs::read(fixture(version).join(name)).unwrap()),
        );
        let store = folder.open();
        store.verify().unwrap();
        let alice = device("alice", Arc::clone(&store) as _, 20);
        assert_eq!(alice.identity(), b"alice");
        assert_eq!(store.get(Space::Application, b"cursor").unwrap(), Some(vec![42]));
        let mut groups: Vec<Group> =
            alice.groups().unwrap().iter().map(|id| alice.open_group(id).unwrap().unwrap()).collect();
        groups.sort_by_key(|group| SUITES.iter().position(|suite| *suite == group.suite()));
        assert_eq!(groups.len(), SUITES.len());
        for (number, group) in groups.iter_mut().enumerate() {
            assert_eq!(group.epoch().number(), 2);
            assert_eq!(group.members().unwrap().len(), 2);
            let [past, present, proposal, commit] = messages(version, number);
            for (message, text) in [(past, "said in the past epoch"), (present, "said in the present epoch")]
            {
                let Received::Message { plaintext, .. } = group.receive(&message, T0).unwrap() else {
                    panic!("a message")
                };
                assert_eq!(plaintext, text.as_bytes());
            }
            assert!(matches!(group.receive(&proposal, T0).unwrap(), Received::Proposal { .. }));
            assert!(matches!(group.receive(&commit, T0).unwrap(), Received::Commit { .. }));
            assert_eq!(group.epoch().number(), 3);
            // The fixture is a copy, and a copy must not send.
            assert_eq!(group.encrypt(b"no", b"").unwrap_err().code(), Code::MLS_RESTORED);
        }
    }
}

#[test]
#[ignore = "writes the fixture of the current version"]
fn write_the_fixture_of_the_current_version() {
    let target = fixture(VERSION);
    assert!(!target.exists(), "{target:?} was released: a stored format never changes");
    fs::create_dir_all(&target).unwrap();
    let folder = Folder::new();
    let store = folder.open();
    let alice = device("alice", Arc::clone(&store) as _, 10);
    package(&alice);
    for (number, suite) in SUITES.into_iter().enumerate() {
        let bob = device("bob", Arc::new(MemoryStore::new()), 11 + number as u64);
        let options = KeyPackageOptions { lifetime: Some(LONG), suite: Some(suite), ..Default::default() };
        let package = bob.key_package(options, T0).unwrap();
        let mut group = alice.create_group(GroupOptions { id: None, suite: Some(suite) }, T0).unwrap();
        let add = group.commit(Changes { add: &[package], ..Default::default() }, T0).unwrap();
        group.merge_pending().unwrap();
        let mut at_bob = bob.join(&add.welcome.unwrap(), None, T0).unwrap();
        let past = at_bob.encrypt(b"said in the past epoch", b"").unwrap();
        let update = group.commit(Changes { update: true, ..Default::default() }, T0).unwrap().commit;
        at_bob.receive(&update, T0).unwrap();
        group.merge_pending().unwrap();
        group.encrypt_with(b"a ratchet under way", b"", |_, rows| rows.put(b"cursor", vec![42])).unwrap();
        let present = at_bob.encrypt(b"said in the present epoch", b"").unwrap();
        let proposal = at_bob.propose_update().unwrap();
        at_bob.clear_proposals().unwrap();
        let commit = at_bob.commit(Changes { update: true, ..Default::default() }, T0).unwrap().commit;
        for (name, bytes) in
            [("past", past), ("present", present), ("proposal", proposal), ("commit", commit)]
        {
            fs::write(target.join(format!("{number}-{name}.mls")), bytes).unwrap();
        }
    }
    store.close().unwrap();
    for suffix in ["", ".key"] {
        fs::copy(folder.file(suffix), target.join(format!("store.db{suffix}"))).unwrap();
    }
}
