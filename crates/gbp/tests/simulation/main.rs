//! The control plane where everything goes wrong, from seeds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod world;

use coterie_testkit::Seed;

/// Seeds of every run of the tests.
const SEEDS: u64 = 500;

#[test]
fn no_group_parts_and_every_group_recovers() {
    let (mut epochs, mut frames, mut failed) = (0, 0, Vec::new());
    for number in 0..SEEDS {
        match world::run(Seed::quiet(number)) {
            Ok(summary) => {
                epochs += summary.epochs;
                frames += summary.frames;
            }
            Err(why) => {
                failed.push(format!("seed {number}: {why}\n  cargo xtask sim --start {number} --count 1"))
            }
        }
    }
    let held = SEEDS - failed.len() as u64;
    println!("{epochs} epochs, {frames} frames; {held}/{SEEDS} seeds held");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
