//! Files that were altered: found, named, and never read as something else.
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

use coterie_store::{Entry, Space, Store, StoreError};

use self::support::seeded::Seeded;
use self::support::{Folder, key, open, open_with, put};

const PAGE: usize = 4096;
const FRAME: usize = PAGE + 24;

/// A closed store of a few dozen pages, some values in pages of their own.
fn filled() -> (Folder, Vec<Entry>) {
    let folder = Folder::new();
    let store = open(&folder);
    let random = Seeded::new(1);
    for number in 0..60_u64 {
        let length = if number % 10 == 0 { 12_000 } else { 700 };
        put(&store, &number.to_be_bytes(), &random.bytes(length)).unwrap();
    }
    let entries = store.scan(Space::Application, b"", 100).unwrap();
    store.close().unwrap();
    (folder, entries)
}

/// Opens the store and reads everything one by one; whatever is answered must be what was stored.
fn read_all(folder: &Folder, expected: &[Entry]) -> Result<(), StoreError> {
    let store = open_with(folder, &key("right"))?;
    let mut worst = store.verify();
    for (key, value) in expected {
        match store.get(Space::Application, key) {
            Ok(found) => assert!(found.as_ref() == Some(value), "garbage was read"),
            Err(error) => worst = Err(error),
        }
    }
    worst
}

#[test]
fn a_flipped_bit_in_any_page_is_damage_and_the_other_pages_stay_readable() {
    let (folder, expected) = filled();
    let whole = fs::read(folder.store()).unwrap();
    let random = Seeded::new(2);
    let (mut readable, mut flips) = (0, 0);
    for page in 0..whole.len() / PAGE {
        for _ in 0..4 {
            let image = folder.image();
            let mut flipped = whole.clone();
            let at = page * PAGE + usize::try_from(random.below(4096)).unwrap();
            flipped[at] ^= 1 << random.below(8);
            fs::write(image.store(), &flipped).unwrap();
            let result = read_all(&image, &expected);
            assert!(matches!(result, Err(StoreError::Damaged(_))), "byte {at}: {result:?}");
            flips += 1;
            readable += u64::from(open_with(&image, &key("right")).is_ok());
        }
    }
    assert!(readable > flips / 2, "one bad page must not take the store with it: {readable} of {flips}");
}

#[test]
fn a_bad_page_does_not_stop_writes_elsewhere() {
    let (folder, expected) = filled();
    let mut whole = fs::read(folder.store()).unwrap();
    let last = whole.len() - PAGE / 2;
    whole[last] ^= 1;
    fs::write(folder.store(), &whole).unwrap();
    let store = open(&folder);
    let results: Vec<_> = expected.iter().map(|(key, _)| put(&store, key, b"new")).collect();
    let bad = results.iter().filter(|result| result.is_err()).count();
    assert!(
        results.iter().all(|result| matches!(result, Ok(()) | Err(StoreError::Damaged(_)))),
        "{results:?}"
    );
    assert!(bad < results.len() / 4, "{bad} of {} refused", results.len());
    for ((key, old), result) in expected.iter().zip(results) {
        if let Ok(found) = store.get(Space::Application, key) {
            let new = if result.is_ok() { b"new" } else { &old[..] };
            assert_eq!(found.as_deref(), Some(new));
        }
    }
}

#[test]
fn a_file_that_was_cut_or_emptied_or_lost_is_damage() {
    let (folder, expected) = filled();
    let whole = fs::read(folder.store()).unwrap();
    for length in [0, 1, 100, PAGE - 1, PAGE, PAGE + 1, whole.len() / 2, whole.len() - PAGE, whole.len() - 1]
    {
        let image = folder.image();
        fs::write(image.store(), &whole[..length]).unwrap();
        let result = read_all(&image, &expected);
        assert!(matches!(result, Err(StoreError::Damaged(_))), "{length} bytes: {result:?}");
    }
    for lost in ["", ".key"] {
        let image = folder.image();
        fs::remove_file(image.beside(lost)).unwrap();
        let result = read_all(&image, &expected);
        assert!(matches!(result, Err(StoreError::Damaged(_))), "without {lost:?}: {result:?}");
    }
}

#[test]
fn a_key_file_of_another_store_is_damage_or_a_wrong_key() {
    let (folder, expected) = filled();
    for (passphrase, wrong) in [("right", false), ("other", true)] {
        let stranger = Folder::new();
        let random = Seeded::new(99);
        let store =
            coterie_store::SqlStore::open(stranger.store(), &key(passphrase), &random, &support::options());
        store.unwrap().close().unwrap();
        let image = folder.image();
        fs::copy(stranger.beside(".key"), image.beside(".key")).unwrap();
        match read_all(&image, &expected) {
            Err(StoreError::WrongKey) => assert!(wrong),
            Err(StoreError::Damaged(_)) => assert!(!wrong),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn damage_in_the_log_is_found_unless_it_hits_the_last_step_which_then_is_as_if_it_never_was() {
    let folder = Folder::new();
    let store = open(&folder);
    for number in 0..12_u8 {
        put(&store, b"counter", &[number]).unwrap();
    }
    let crashed = folder.image();
    drop(store);
    let log = fs::read(crashed.beside("-wal")).unwrap();
    assert_eq!((log.len() - 32) % FRAME, 0);
    assert!(log.len() > 12 * FRAME);
    let random = Seeded::new(3);
    let (mut found, mut rolled_back) = (0, 0);
    for _ in 0..400 {
        let image = crashed.image();
        let mut flipped = log.clone();
        let at = usize::try_from(random.below(log.len() as u64)).unwrap();
        flipped[at] ^= 1 << random.below(8);
        fs::write(image.beside("-wal"), &flipped).unwrap();
        match open_with(&image, &key("right")) {
            Err(StoreError::Damaged(_)) => found += 1,
            Ok(store) => {
                let counter = store.get(Space::Application, b"counter").unwrap().unwrap();
                store.verify().unwrap();
                assert!(
                    counter == [11] || (counter == [10] && at >= log.len() - FRAME),
                    "byte {at}: {counter:?}"
                );
                rolled_back += u32::from(counter == [10]);
            }
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
    println!("log damage: {found} found, {rolled_back} taken for a power failure, of 400");
    assert!(found > 300);
}

#[test]
fn a_log_cut_anywhere_gives_the_last_step_that_is_whole() {
    let folder = Folder::new();
    let store = open(&folder);
    for number in 0..12_u8 {
        put(&store, b"counter", &[number]).unwrap();
    }
    let crashed = folder.image();
    drop(store);
    let log = fs::read(crashed.beside("-wal")).unwrap();
    let random = Seeded::new(4);
    for _ in 0..60 {
        let image = crashed.image();
        let length = usize::try_from(random.below(log.len() as u64)).unwrap();
        fs::write(image.beside("-wal"), &log[..length]).unwrap();
        let store = open(&image);
        store.verify().unwrap();
        // A commit of one row is one frame here, but for those of the first.
        let counter = store.get(Space::Application, b"counter").unwrap();
        assert!(counter.is_none_or(|counter| counter[0] < 12));
    }
}

#[test]
fn a_secret_is_never_in_a_file_in_the_clear_and_its_ciphertext_goes_when_it_is_deleted() {
    let folder = Folder::new();
    let store = open(&folder);
    let canary = b"canary: do not write me anywhere in the clear";
    put(&store, canary, &canary.repeat(200)).unwrap();
    let search = |when: &str| {
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(16).any(|window| window == &canary[..16]), "{when}: in {path:?}");
        }
    };
    search("in the log");
    store.checkpoint().unwrap();
    assert_eq!(fs::metadata(folder.beside("-wal")).unwrap().len(), 0);
    search("in the database");
    let before = fs::read(folder.store()).unwrap();

    let mut step = coterie_store::Step::new();
    step.delete(Space::Application, canary).unwrap();
    store.commit(step).unwrap();
    store.checkpoint().unwrap();
    store.close().unwrap();
    assert!(!folder.beside("-wal").exists());
    let after = fs::read(folder.store()).unwrap();
    let kept = before.chunks(PAGE).filter(|page| after.chunks(PAGE).any(|now| now == *page)).count();
    // The value took three pages; the rest may stay as it was.
    assert!(before.len() / PAGE - kept >= 3, "{kept} of {} pages were not written over", before.len() / PAGE);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    drop(open(&folder));
    fs::set_permissions(folder.store(), fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&folder);
    put(&store, b"a", b"1").unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}
