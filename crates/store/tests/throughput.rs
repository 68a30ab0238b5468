//! How many steps a second become durable. Not a check: numbers, for whoever asks.
//!
//! `cargo test --release -p coterie-store --features sqlcipher --test throughput -- --ignored --nocapture`
#![cfg(feature = "sqlcipher")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test program fails by panicking"
)]

mod support;

use std::time::Instant;

use coterie_store::{Argon2Parameters, Key, Space, SqlStore, Store};

use self::support::seeded::Seeded;
use self::support::{Folder, open, options, put};

#[test]
#[ignore = "measures; run it alone, in a release build"]
fn durable_steps_a_second() {
    for (threads, each) in [(1, 1_500), (8, 1_000), (64, 500)] {
        let folder = Folder::new();
        let store = open(&folder);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let store = &store;
                scope.spawn(move || {
                    for number in 0..each {
                        put(store, format!("{thread}/{number}").as_bytes(), &[7; 200]).unwrap();
                    }
                });
            }
        });
        let seconds = start.elapsed().as_secs_f64();
        let syncs = store.statistics().transactions;
        let steps = threads * each;
        println!(
            "{threads:>2} threads: {:>6.0} steps/s, {:>5.0} syncs/s",
            steps as f64 / seconds,
            syncs as f64 / seconds
        );
    }
}

#[test]
#[ignore = "measures; run it alone, in a release build"]
fn reads_and_large_values() {
    let folder = Folder::new();
    let store = open(&folder);
    put(&store, b"small", &[7; 200]).unwrap();
    time("get 200 bytes", 20_000, || drop(store.get(Space::Application, b"small").unwrap()));
    let large = vec![7; 4 << 20];
    time("put 4 MiB", 20, || put(&store, b"large", &large).unwrap());
    time("get 4 MiB", 20, || drop(store.get(Space::Application, b"large").unwrap()));
    store.close().unwrap();
    time("open and close, raw key", 50, || {
        let folder = Folder::new();
        drop(SqlStore::open(folder.store(), &Key::raw(&[1; 32]), &Seeded::new(1), &options()).unwrap());
    });
    let recommended = coterie_store::Options { argon2: Argon2Parameters::RECOMMENDED, ..options() };
    time("create with a passphrase", 5, || {
        let folder = Folder::new();
        drop(SqlStore::open(folder.store(), &support::key("x"), &Seeded::new(1), &recommended).unwrap());
    });
}

fn time(what: &str, count: u32, mut work: impl FnMut()) {
    let start = Instant::now();
    (0..count).for_each(|_| work());
    println!("{what}: {:?} each", start.elapsed() / count);
}
