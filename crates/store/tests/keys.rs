//! Who may open a store, with what, and what happens when that changes.
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
use std::io::Read;

use coterie_store::{Argon2Parameters, Key, Options, Rekey, Space, SqlStore, Store, StoreError};
use coterie_types::{Code, ErrorCode};

use self::support::seeded::Seeded;
use self::support::{Folder, argument, child, key, open, open_with, options, put};

#[test]
fn a_store_opens_with_its_key_and_no_other() {
    for (right, wrong) in [
        (key("right"), [key("wrong"), key("right "), Key::raw(&[1; 32])]),
        (Key::raw(&[1; 32]), [Key::raw(&[2; 32]), Key::raw(&[0; 32]), key("right")]),
    ] {
        let folder = Folder::new();
        let store = open_with(&folder, &right).unwrap();
        put(&store, b"a", b"1").unwrap();
        store.close().unwrap();
        for wrong in wrong {
            let error = open_with(&folder, &wrong).unwrap_err();
            assert_eq!((error.code(), &error), (Code::STORE_WRONG_KEY, &StoreError::WrongKey));
        }
        let store = open_with(&folder, &right).unwrap();
        assert_eq!(store.get(Space::Application, b"a"), Ok(Some(b"1".to_vec())));
    }
}

#[test]
fn a_store_that_is_not_there_is_made_only_if_asked_for() {
    let folder = Folder::new();
    let never = Options { create: false, ..options() };
    let result = SqlStore::open(folder.store(), &key("right"), &Seeded::new(7), &never);
    assert_eq!(result.unwrap_err(), StoreError::Io(std::io::ErrorKind::NotFound));
    assert!(!folder.store().exists());
    let nowhere = folder.path().join("missing").join("store.db");
    assert!(matches!(
        SqlStore::open(nowhere, &key("right"), &Seeded::new(7), &options()),
        Err(StoreError::Io(_))
    ));
}

#[test]
fn a_second_handle_is_refused_until_the_first_is_closed() {
    let folder = Folder::new();
    let store = open(&folder);
    assert_eq!(open_with(&folder, &key("right")).unwrap_err(), StoreError::Locked);
    // The owner is known before the key: a second handle learns nothing about the key.
    assert_eq!(open_with(&folder, &key("wrong")).unwrap_err(), StoreError::Locked);
    store.close().unwrap();
    assert_eq!(store.close(), Ok(()));
    let second = open(&folder);
    assert_eq!(put(&store, b"a", b"1"), Err(StoreError::Closed));
    assert_eq!(store.get(Space::Application, b"a"), Err(StoreError::Closed));
    assert_eq!(store.checkpoint(), Err(StoreError::Closed));
    put(&second, b"a", b"2").unwrap();
}

#[cfg(unix)]
#[test]
fn another_name_of_the_same_store_is_the_same_store() {
    let folder = Folder::new();
    let _store = open(&folder);
    let alias = folder.path().join("alias");
    std::os::unix::fs::symlink(folder.path(), &alias).unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.store(), &link).unwrap();
    for path in [alias.join("store.db"), link] {
        let result = SqlStore::open(path, &key("right"), &Seeded::new(7), &options());
        assert_eq!(result.unwrap_err(), StoreError::Locked);
    }
}

#[test]
fn a_second_process_is_refused_and_the_death_of_the_first_frees_the_store() {
    if let Some(path) = argument() {
        let store = SqlStore::open(path, &key("right"), &Seeded::new(7), &options()).unwrap();
        put(&store, b"a", b"1").unwrap();
        println!("\nopen");
        std::thread::park();
        return;
    }
    let folder = Folder::new();
    let name = "a_second_process_is_refused_and_the_death_of_the_first_frees_the_store";
    let mut other = child(name, &folder.store()).spawn().unwrap();
    let mut output = other.stdout.take().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\nopen\n") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        seen.extend_from_slice(&byte);
    }
    assert_eq!(open_with(&folder, &key("right")).unwrap_err().code(), Code::STORE_LOCKED);
    other.kill().unwrap();
    other.wait().unwrap();
    let store = open(&folder);
    assert_eq!(store.get(Space::Application, b"a"), Ok(Some(b"1".to_vec())));
}

#[test]
fn after_a_change_of_key_the_new_one_opens_and_the_old_one_does_not() {
    for how in [Rekey::Rewrap, Rekey::Reencrypt] {
        let folder = Folder::new();
        let store = open(&folder);
        for number in 0..50_u8 {
            put(&store, &[number], &[number; 5000]).unwrap();
        }
        let before = folder.image();
        store.rekey(&key("second"), how, &Seeded::new(8)).unwrap();
        put(&store, b"after", b"1").unwrap();
        store.rekey(&Key::raw(&[3; 32]), how, &Seeded::new(9)).unwrap();
        store.verify().unwrap();
        assert_eq!(store.scan(Space::Application, b"", 100).unwrap().len(), 51);
        store.close().unwrap();

        assert_eq!(open_with(&folder, &key("right")).unwrap_err(), StoreError::WrongKey);
        assert_eq!(open_with(&folder, &key("second")).unwrap_err(), StoreError::WrongKey);
        let reopened = open_with(&folder, &Key::raw(&[3; 32])).unwrap();
        assert_eq!(reopened.scan(Space::Application, b"", 100).unwrap().len(), 51);
        reopened.close().unwrap();

        // Who kept the old key file and its passphrase gets in only if the database was not encrypted anew.
        fs::copy(before.beside(".key"), folder.beside(".key")).unwrap();
        let with_old_file = open_with(&folder, &key("right")).map(drop);
        match how {
            Rekey::Rewrap => assert_eq!(with_old_file, Ok(())),
            _ => assert!(matches!(with_old_file, Err(StoreError::Damaged(_)))),
        }
    }
}

#[test]
fn reads_and_writes_go_on_around_a_re_encryption() {
    let folder = Folder::new();
    let store = open(&folder);
    put(&store, b"k", &[0; 8]).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 1..=100_u64 {
                put(&store, b"k", &number.to_be_bytes()).unwrap();
            }
        });
        let reader = scope.spawn(|| {
            let mut last = 0;
            while last < 100 {
                let value = store.get(Space::Application, b"k").unwrap().unwrap();
                let now = u64::from_be_bytes(value.try_into().unwrap());
                assert!(now >= last, "went back from {last} to {now}");
                last = now;
            }
        });
        for round in 0..5 {
            store.rekey(&key("right"), Rekey::Reencrypt, &Seeded::new(20 + round)).unwrap();
        }
        writer.join().unwrap();
        reader.join().unwrap();
    });
    store.close().unwrap();
    assert_eq!(open(&folder).get(Space::Application, b"k"), Ok(Some(100_u64.to_be_bytes().to_vec())));
}

#[test]
fn a_store_wrapped_with_less_work_is_wrapped_again_when_opened_and_never_with_less() {
    let folder = Folder::new();
    drop(open(&folder));
    let parameters = || {
        let file = fs::read(folder.beside(".key")).unwrap();
        [12, 16, 20].map(|at| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()))
    };
    assert_eq!(parameters(), [8, 1, 1]);
    let strong = Options { argon2: Argon2Parameters::new(19 * 1024, 2, 1).unwrap(), ..options() };
    drop(SqlStore::open(folder.store(), &key("right"), &Seeded::new(8), &strong).unwrap());
    assert_eq!(parameters(), [19 * 1024, 2, 1]);
    drop(open(&folder));
    assert_eq!(parameters(), [19 * 1024, 2, 1], "weaker options must not weaken a store");
    assert_eq!(open_with(&folder, &key("wrong")).unwrap_err(), StoreError::WrongKey);
}

#[test]
fn without_randomness_no_store_is_made_and_no_key_is_changed() {
    struct Dry;
    impl coterie_crypto::Entropy for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), coterie_crypto::EntropyError> {
            Err(coterie_crypto::EntropyError)
        }
    }
    let folder = Folder::new();
    let result = SqlStore::open(folder.store(), &key("right"), &Dry, &options());
    assert_eq!(result.unwrap_err().code(), Code::RANDOMNESS_UNAVAILABLE);
    let store = open(&folder);
    for how in [Rekey::Rewrap, Rekey::Reencrypt] {
        assert_eq!(store.rekey(&key("new"), how, &Dry), Err(StoreError::NoRandomness));
    }
    drop(store);
    drop(open(&folder));
}
