//! The control plane where everything goes wrong, from seeds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod world;

use coterie_testkit::Seed;

/// Seeds of every run of the tests.
const SEEDS: u64 = 500;

/// What failed of all seeds.
fn failures(some_stay_away: bool) -> Vec<String> {
    let (mut epochs, mut frames, mut operations, mut stranded, mut failed) = (0, 0, 0, 0, Vec::new());
    for number in 0..SEEDS {
        match world::run(Seed::quiet(number), some_stay_away) {
            Ok(summary) => {
                epochs += summary.epochs;
                frames += summary.frames;
                operations += summary.operations;
                stranded += u64::from(summary.stranded);
            }
            Err(why) => failed.push(world::report(number, some_stay_away, &why)),
        }
    }
    let held = SEEDS - failed.len() as u64;
    println!(
        "{epochs} epochs, {frames} frames, {operations} operations; {held}/{SEEDS} seeds held\n{}",
        failed.join("\n")
    );
    assert!(stranded <= if some_stay_away { SEEDS / 50 } else { 0 }, "{stranded} seeds show nothing");
    failed
}

#[test]
fn no_group_parts_and_everybody_comes_to_one_epoch() {
    let failed = failures(false);
    assert!(failed.is_empty(), "{} seeds failed", failed.len());
}

#[test]
fn a_group_goes_on_without_a_minority() {
    let failed = failures(true);
    assert!(failed.is_empty(), "{} seeds failed", failed.len());
}

#[test]
fn the_same_seed_is_the_same_run() {
    let traces = [7, 7, 8].map(|number| world::run(Seed::quiet(number), false).unwrap().trace);
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}
