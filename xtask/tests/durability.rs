//! Of each chore on durability a share, in every run of the tests. `docs/ledger.md` has the long forms.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::Command;

fn holds(words: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(words).output().expect("xtask was built");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "cargo xtask {}", words.join(" "));
}

#[test]
fn a_few_rounds_of_random_kills_leave_nothing_lost_or_torn() {
    holds(&["kill", "mls", "--seed", "7", "--rounds", "4"]);
}

#[test]
fn two_hundred_kill_points_over_all_scenarios_hold() {
    holds(&["kill", "points", "--seed", "7", "--count", "200"]);
}

#[test]
fn two_thousand_crash_images_open_with_all_that_was_acknowledged() {
    holds(&["images", "--seed", "7", "--count", "2000"]);
}

#[test]
fn no_call_is_answered_before_its_sync() {
    holds(&["acknowledgements", "--seed", "7", "--count", "2000"]);
}

#[test]
fn a_failing_disk_gives_typed_errors_and_a_retry_succeeds() {
    holds(&["errors", "--seed", "7", "--count", "60"]);
}

#[test]
fn altered_files_are_detected_or_harmless() {
    holds(&["flips", "--seed", "7", "--count", "1000"]);
}

#[test]
fn no_key_seals_twice_over_restarts_and_restored_backups() {
    holds(&["nonces", "--seed", "7", "--seals", "20000", "--restarts", "200", "--restores", "12"]);
}
