//! Seeds of the simulations, as many as wanted: the control plane alone, with hostile members in it, and the whole stack.
//! `cargo xtask sim` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    missing_docs,
    dead_code,
    reason = "a test outside of the test runner"
)]

#[path = "../../gbp/tests/simulation/world.rs"]
mod control;
#[path = "../tests/simulation/group.rs"]
mod group;
#[path = "../tests/support/mod.rs"]
mod support;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Parser, ValueEnum};
use coterie_testkit::Seed;

#[derive(Parser)]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How many
    #[arg(long, default_value_t = 500)]
    count: u64,
    /// Whether a minority does not come back, in the control plane
    #[arg(long)]
    away: bool,
    /// What is simulated; everything where nothing is named
    #[arg(long)]
    only: Option<Part>,
    /// How many seeds run at a time
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Part {
    /// The control plane, up to twenty nodes, with hostile members
    Control,
    /// The whole stack with real keys, up to twenty members
    Stack,
}

/// What the seeds that held add up to. The traces are added, so that the order of the seeds does not matter.
#[derive(Default)]
struct Sum {
    held: u64,
    epochs: u64,
    texts: u64,
    operations: u64,
    /// Seeds in which a majority stayed away, so that only safety was judged.
    stranded: u64,
    trace: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Sum::default()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| work(&arguments, &next, &sum));
        }
    });
    let Sum { held, epochs, texts, operations, stranded, trace } = sum.into_inner().unwrap();
    println!("{epochs} epochs, {texts} texts, {operations} operations, trace {trace:016x}");
    if arguments.away {
        println!("{stranded} of them without a majority, where only nothing may break");
    }
    println!("{held}/{} seeds held", arguments.count);
    if held == arguments.count { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn work(arguments: &Arguments, next: &AtomicU64, sum: &Mutex<Sum>) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= arguments.count {
            return;
        }
        let number = arguments.start + index;
        let run = catch_unwind(AssertUnwindSafe(|| seed(number, arguments)));
        match run.unwrap_or_else(|_| Err("panicked".to_owned())) {
            Ok(one) => add(&mut sum.lock().unwrap(), &one),
            Err(why) => println!("{}", report(number, arguments, &why)),
        }
        if (index + 1).is_multiple_of(1_000) {
            let sum = sum.lock().unwrap();
            eprintln!(
                "{} of {} seeds begun, {} held, {} operations",
                index + 1,
                arguments.count,
                sum.held,
                sum.operations
            );
        }
    }
}

fn seed(number: u64, arguments: &Arguments) -> Result<Sum, String> {
    let mut sum = Sum { held: 1, ..Sum::default() };
    let mut trace = DefaultHasher::new();
    if arguments.only != Some(Part::Stack) {
        let control = control::run(Seed::quiet(number), arguments.away)?;
        (sum.epochs, sum.operations) = (control.epochs, control.operations);
        sum.stranded = control.stranded.into();
        control.trace.hash(&mut trace);
    }
    if arguments.only != Some(Part::Control) && !arguments.away {
        let group = group::run(number)?;
        sum.epochs += group.epochs;
        sum.operations += group.operations;
        sum.texts = group.texts;
        group.trace.hash(&mut trace);
    }
    sum.trace = trace.finish();
    Ok(sum)
}

fn add(sum: &mut Sum, one: &Sum) {
    sum.held += one.held;
    sum.epochs += one.epochs;
    sum.texts += one.texts;
    sum.operations += one.operations;
    sum.stranded += one.stranded;
    sum.trace = sum.trace.wrapping_add(one.trace);
}

fn report(number: u64, arguments: &Arguments, why: &str) -> String {
    let away = if arguments.away { " --away" } else { "" };
    format!("seed {number}: {why}\n  cargo xtask sim --start {number} --count 1{away}")
}
