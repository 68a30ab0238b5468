//! Processes that are killed, disks that fill up, and many who commit at once.
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
use std::io::{BufRead, BufReader};
use std::process::Command;

use coterie_store::{Rekey, Space, SqlStore, Statistics, Step, Store, StoreError};

use self::support::seeded::Seeded;
use self::support::{Folder, argument, child, key, open, open_with, options, put};

/// Fixed, so that a failure can be repeated; printed, so that it can be changed.
const SEED: u64 = 0x00c0_7e71_e001;

#[test]
fn a_killed_process_loses_nothing_it_acknowledged_and_leaves_no_torn_step() {
    if let Some(path) = argument() {
        write_until_killed(&SqlStore::open(path, &key("right"), &Seeded::new(1), &options()).unwrap());
    }
    let name = "a_killed_process_loses_nothing_it_acknowledged_and_leaves_no_torn_step";
    let random = Seeded::new(SEED);
    let folder = Folder::new();
    let mut acknowledged = 0;
    println!("seed {SEED:#x}");
    for round in 0..12 {
        let mut process = child(name, &folder.store()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        for _ in 0..random.below(150) {
            note(&mut acknowledged, &lines.next().unwrap().unwrap());
        }
        process.kill().unwrap();
        process.wait().unwrap();
        // What stood in the pipe was acknowledged as well; the last line may have been cut.
        lines.for_each(|line| note(&mut acknowledged, &line.unwrap_or_default()));

        let store = open(&folder);
        store.verify().unwrap();
        let left = counter(&store, b"left");
        assert_eq!(left, counter(&store, b"right"), "round {round}: a torn step");
        assert!(left >= acknowledged, "round {round}: {acknowledged} was acknowledged, {left} is there");
        for number in 1..=left {
            assert!(store.get(Space::Group, &number.to_be_bytes()).unwrap().is_some(), "{number} is lost");
        }
    }
    println!("{acknowledged} steps acknowledged over 12 kills, none lost");
}

fn write_until_killed(store: &SqlStore) -> ! {
    let random = Seeded::new(counter(store, b"left"));
    let mut number = counter(store, b"left");
    loop {
        number += 1;
        let mut step = Step::new();
        let value = number.to_be_bytes();
        step.put(Space::Application, b"left", value.to_vec()).unwrap();
        let length = usize::try_from(random.below(20_000)).unwrap();
        step.put(Space::Group, &value, random.bytes(length)).unwrap();
        step.put(Space::Application, b"right", value.to_vec()).unwrap();
        store.commit(step).unwrap();
        println!("\nacknowledged {number} .");
        if number.is_multiple_of(40) {
            store.checkpoint().unwrap();
        }
    }
}

fn note(acknowledged: &mut u64, line: &str) {
    if let Some(number) = line.strip_prefix("acknowledged ").and_then(|rest| rest.strip_suffix(" .")) {
        *acknowledged = number.parse().unwrap();
    }
}

fn counter(store: &SqlStore, name: &[u8]) -> u64 {
    let value = store.get(Space::Application, name).unwrap();
    value.map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()))
}

#[test]
fn a_process_killed_while_it_changes_keys_leaves_a_store_that_one_of_them_opens() {
    if let Some(path) = argument() {
        change_keys_until_killed(&path);
    }
    let name = "a_process_killed_while_it_changes_keys_leaves_a_store_that_one_of_them_opens";
    let random = Seeded::new(SEED);
    let folder = Folder::new();
    let store = open_with(&folder, &key("0")).unwrap();
    for number in 0..100_u8 {
        put(&store, &[number], &[number; 3000]).unwrap();
    }
    store.close().unwrap();
    println!("seed {SEED:#x}");
    for round in 0..12 {
        let mut process = child(name, &folder.store()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let wanted = 1 + random.below(12);
        let mut seen = 0;
        while seen < wanted {
            seen += u64::from(lines.next().unwrap().unwrap().starts_with("now "));
        }
        process.kill().unwrap();
        process.wait().unwrap();

        // Each store is closed again before the next key is tried.
        let opens = |name: &str| open_with(&folder, &key(name)).map(drop);
        let name = match (opens("0"), opens("1")) {
            (Ok(()), Err(StoreError::WrongKey)) => "0",
            (Err(StoreError::WrongKey), Ok(())) => "1",
            other => panic!("round {round}: {other:?}"),
        };
        let store = open_with(&folder, &key(name)).unwrap();
        store.verify().unwrap();
        let entries = store.scan(Space::Application, b"", 200).unwrap();
        assert!(entries.len() == 100 && entries.iter().all(|(key, value)| *value == [key[0]; 3000]));
    }
}

fn change_keys_until_killed(path: &std::path::Path) -> ! {
    let random = Seeded::new(u64::from(std::process::id()));
    let store = ["0", "1"].iter().find_map(|name| SqlStore::open(path, &key(name), &random, &options()).ok());
    let store = store.unwrap();
    for number in 0_u64.. {
        let how = if number.is_multiple_of(3) { Rekey::Rewrap } else { Rekey::Reencrypt };
        store.rekey(&key(["0", "1"][usize::from(number.is_multiple_of(2))]), how, &random).unwrap();
        println!("\nnow {number}");
    }
    unreachable!()
}

#[test]
fn steps_that_arrive_together_share_syncs_and_each_is_there() {
    let folder = Folder::new();
    let store = open(&folder);
    std::thread::scope(|scope| {
        for thread in 0..32_u8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..20_u8 {
                    put(store, &[thread, number], &[number; 100]).unwrap();
                    let read = store.get(Space::Application, &[thread, number]).unwrap();
                    assert_eq!(read, Some(vec![number; 100]), "acknowledged and not there");
                }
            });
        }
    });
    let Statistics { steps, transactions, .. } = store.statistics();
    println!("{steps} steps in {transactions} transactions");
    assert_eq!(steps, 640);
    assert!(transactions < 320, "{transactions} syncs for 640 steps");
    assert_eq!(store.scan(Space::Application, b"", 1000).unwrap().len(), 640);
}

#[test]
fn the_log_is_moved_into_the_database_before_it_grows_without_end() {
    let folder = Folder::new();
    let store = open(&folder);
    for number in 0..60_u8 {
        put(&store, &[number % 4], &vec![number; 1 << 20]).unwrap();
    }
    assert!(store.statistics().checkpoints >= 2, "{:?}", store.statistics());
    assert!(fs::metadata(folder.beside("-wal")).unwrap().len() < 40 << 20);
    store.verify().unwrap();
}

/// A small file system of its own, for as long as this lives.
struct SmallDisk(Folder);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = Folder::new();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "coterie-store-test"])
            .arg(folder.path())
            .status();
        matches!(mounted, Ok(status) if status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_steps_are_refused_whole_reads_go_on_and_space_heals_it() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: cannot mount a tmpfs here (it takes root); the full disk was not tested");
        return;
    };
    let folder = &disk.0;
    let filler = folder.path().join("filler");
    fs::write(&filler, vec![0; 3 << 20]).unwrap();
    let store = open(folder);
    let mut stored = 0_u8;
    let refusal = loop {
        match put(&store, &[stored], &[stored; 60_000]) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refusal, StoreError::Full);
    assert!(stored > 2);
    for _ in 0..5 {
        assert_eq!(put(&store, b"more", &[1; 200_000]), Err(StoreError::Full));
    }
    assert_eq!(store.get(Space::Application, b"more"), Ok(None));
    for number in 0..stored {
        assert_eq!(store.get(Space::Application, &[number]), Ok(Some(vec![number; 60_000])));
    }
    let rekeyed = store.rekey(&key("new"), Rekey::Reencrypt, &Seeded::new(5));
    assert_eq!(rekeyed, Err(StoreError::Full));

    // Even the log cannot be moved now. It keeps what was acknowledged, and the store can be opened and read.
    assert_eq!(store.close(), Err(StoreError::Full));
    let store = open(folder);
    assert_eq!(store.scan(Space::Application, b"", 100).unwrap().len(), usize::from(stored));

    fs::remove_file(&filler).unwrap();
    put(&store, b"more", &[1; 200_000]).unwrap();
    store.verify().unwrap();
    store.close().unwrap();
    let store = open(folder);
    assert_eq!(store.scan(Space::Application, b"", 100).unwrap().len(), usize::from(stored) + 1);
}

#[test]
fn a_large_step_on_a_full_disk_does_not_take_small_ones_with_it() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: cannot mount a tmpfs here (it takes root); the full disk was not tested");
        return;
    };
    let store = open(&disk.0);
    put(&store, b"warm", b"1").unwrap();
    std::thread::scope(|scope| {
        let large = scope.spawn(|| put(&store, b"large", &vec![1; 6 << 20]));
        let small: Vec<_> = (0..16_u8)
            .map(|number| {
                scope.spawn({
                    let store = &store;
                    move || put(store, &[number], &[1; 100])
                })
            })
            .collect();
        assert_eq!(large.join().unwrap(), Err(StoreError::Full));
        for small in small {
            assert_eq!(small.join().unwrap(), Ok(()));
        }
    });
    assert_eq!(store.scan(Space::Application, b"", 100).unwrap().len(), 17);
}
