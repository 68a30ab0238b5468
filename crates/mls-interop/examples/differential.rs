//! `cargo xtask differential --start S --count N`: random histories of groups that are half ours and half mls-rs's.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "test code shared with a test")]

#[path = "../tests/histories/mod.rs"]
mod histories;

use std::process::ExitCode;

use clap::Parser;
use coterie_testkit::Seed;

/// Random histories of groups that are half ours and half mls-rs's
#[derive(Parser)]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How many histories; suites take turns
    #[arg(long, default_value_t = 200)]
    count: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut held = 0_u64;
    for number in arguments.start..arguments.start.saturating_add(arguments.count) {
        let suite = histories::SUITES[usize::from(!number.is_multiple_of(2))];
        match histories::run(Seed::quiet(number), suite) {
            Ok(()) => held += 1,
            Err(error) => println!("seed {number}, suite {suite}: {error}"),
        }
    }
    println!("{held}/{} histories held", arguments.count);
    if held == arguments.count { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
