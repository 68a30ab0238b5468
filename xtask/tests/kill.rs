//! A small dose of `cargo xtask kill`, in every run of the tests.

use std::process::Command;

#[test]
fn a_few_rounds_of_kills_leave_nothing_lost_or_torn() {
    let status = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["kill", "mls", "--seed", "7", "--rounds", "4"])
        .status()
        .expect("xtask was built");
    assert!(status.success());
}
