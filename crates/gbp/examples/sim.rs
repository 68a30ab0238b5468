//! Seeds of the control plane's simulation, as many as wanted. `cargo xtask sim` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs,
    reason = "a test outside of the test runner"
)]

#[path = "../tests/simulation/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use coterie_testkit::Seed;

#[derive(Parser)]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How many
    #[arg(long, default_value_t = 500)]
    count: u64,
    /// Whether a minority does not come back
    #[arg(long)]
    away: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (mut held, mut epochs, mut frames) = (0_u64, 0_u64, 0_usize);
    for number in arguments.start..arguments.start.saturating_add(arguments.count) {
        let run = catch_unwind(AssertUnwindSafe(|| world::run(Seed::quiet(number), arguments.away)));
        match run.unwrap_or_else(|_| Err("panicked".to_owned())) {
            Ok(summary) => {
                held += 1;
                epochs += summary.epochs;
                frames += summary.frames;
            }
            Err(why) => println!("{}", world::report(number, arguments.away, &why)),
        }
    }
    println!("{epochs} epochs, {frames} frames");
    println!("{held}/{} seeds held", arguments.count);
    if held == arguments.count { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
