//! `cargo xtask errors`: calls of the system fail, from each n-th on, until they no longer do.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

use super::points::{shares, spread};
use super::scenarios::{self, is_from_start};
use super::shim::{Fault, Folder, Shim, in_parallel, lines, met};

/// Lets calls fail at `count` points, or at every one.
pub(super) fn run(seed: u64, count: Option<u64>) -> anyhow::Result<()> {
    let Some(shim) = Shim::build()? else { return Ok(()) };
    let pairs: Vec<(&str, Fault)> = scenarios::ALL
        .into_iter()
        .flat_map(|scenario| Fault::ERRORS.map(|fault| (scenario, fault)))
        .collect();
    let totals = in_parallel(shares(count, &pairs), |((scenario, fault), share)| {
        sweep(&shim, seed, (scenario, fault), share).with_context(|| format!("{scenario}, {fault:?}"))
    })?;
    let mut all = BTreeMap::new();
    for (outcome, number) in totals.into_iter().flatten() {
        let total: &mut u64 = all.entry(outcome).or_default();
        *total = total.saturating_add(number);
    }
    let points: u64 = all.values().sum();
    println!("{all:?}");
    println!("errors: {points}/{points} points typed or without effect, and well on retry");
    Ok(())
}

fn sweep(
    shim: &Shim,
    seed: u64,
    (scenario, fault): (&str, Fault),
    share: Option<u64>,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let folder = Folder::new()?;
    let from_start = is_from_start(scenario);
    let live = |at: u64| {
        let mut command = shim.faulty(folder.path(), seed.wrapping_add(at), (fault, at), from_start)?;
        let output = command.args(["suffer", scenario]).stderr(std::process::Stdio::inherit()).output()?;
        ensure!(output.status.success(), "call {at} did not hold; the stores are in {:?}", folder.path());
        let outcome = |line: &String| line == "clean" || line.starts_with("typed ");
        lines(&output.stdout).into_iter().find(outcome).context("an outcome")
    };
    live(0)?;
    live(0)?;
    let calls = met(folder.path())?;
    let mut outcomes = BTreeMap::new();
    for at in spread(calls, share) {
        let number: &mut u64 = outcomes.entry(live(at)?).or_default();
        *number = number.saturating_add(1);
    }
    folder.remove()?;
    Ok(outcomes)
}
