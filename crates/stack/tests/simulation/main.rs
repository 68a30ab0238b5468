//! Groups of the whole stack where everything goes wrong, from seeds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic"
)]

mod group;
#[path = "../support/mod.rs"]
mod support;

/// Seeds of every run of the tests; `cargo xtask sim` runs more.
const SEEDS: u64 = 500;

#[test]
fn nothing_is_lost_or_doubled_whatever_goes_wrong() {
    let run = |number| (number, group::run(number));
    let halves = std::thread::scope(|scope| {
        let threads = [0, 1].map(|half| {
            scope.spawn(move || (0..SEEDS).filter(|number| number % 2 == half).map(run).collect::<Vec<_>>())
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let (mut epochs, mut texts, mut operations, mut failed) = (0, 0, 0, Vec::new());
    for (number, run) in halves.into_iter().flatten() {
        match run {
            Ok(summary) => {
                epochs += summary.epochs;
                texts += summary.texts;
                operations += summary.operations;
            }
            Err(why) => {
                failed.push(format!("seed {number}: {why}\n  cargo xtask sim --start {number} --count 1"))
            }
        }
    }
    let held = SEEDS - failed.len() as u64;
    println!("{epochs} epochs, {texts} texts, {operations} operations; {held}/{SEEDS} seeds held");
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let traces = [7, 7, 8].map(|number| group::run(number).unwrap().trace);
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}
