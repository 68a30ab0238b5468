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

/// Of those in which a minority stays away, so many may stall: two conflicting locks may wait for a preparer, and the model may
/// leave no majority, or ask a coordinator that is away for the last change. It must only become less.
const STALLED_WITHOUT_A_MINORITY: usize = 4;

/// What failed of all seeds.
fn failures(some_stay_away: bool) -> Vec<String> {
    let (mut epochs, mut frames, mut failed) = (0, 0, Vec::new());
    for number in 0..SEEDS {
        match world::run(Seed::quiet(number), some_stay_away) {
            Ok(summary) => {
                epochs += summary.epochs;
                frames += summary.frames;
            }
            Err(why) => failed.push(world::report(number, some_stay_away, &why)),
        }
    }
    let held = SEEDS - failed.len() as u64;
    println!("{epochs} epochs, {frames} frames; {held}/{SEEDS} seeds held\n{}", failed.join("\n"));
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
    let parted: Vec<&String> = failed.iter().filter(|why| why.contains(world::UNSAFE)).collect();
    assert!(parted.is_empty(), "{parted:#?}");
    assert!(failed.len() <= STALLED_WITHOUT_A_MINORITY, "{} seeds failed", failed.len());
}
