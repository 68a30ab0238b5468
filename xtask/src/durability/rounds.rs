//! `cargo xtask kill mls`: lives that end at random moments and calls.
//!
//! A round is some lives on the same stores, each ended by SIGKILL, and a last one that finishes its work and checks:
//! every store opens and holds its integrity, whatever was acknowledged is there once, nothing was sealed twice under
//! one key, all members agree on the epoch, and the group goes on.

use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::shim::{self, Fault, Folder, Shim, lines};

/// Lives that end by SIGKILL in each round.
const LIVES: u64 = 3;

/// How a life ends.
#[derive(Clone, Copy, Debug)]
enum End {
    After(Duration),
    /// At the n-th call that changes a file or makes it durable.
    At(u64),
}

/// Runs rounds and says how many held.
pub(super) fn run(seed: u64, first: u64, rounds: u64) -> anyhow::Result<()> {
    let shim = Shim::build()?;
    let mut total = Total::default();
    let mut held = 0_u64;
    for number in first..first.saturating_add(rounds) {
        match round(seed, number, shim.as_ref(), &mut total) {
            Ok(()) => held = held.saturating_add(1),
            Err(error) => eprintln!(
                "round {number}: {error:#}\n  repeat: cargo xtask kill mls --seed {seed} --first {number} --rounds 1"
            ),
        }
    }
    println!(
        "{} lives killed, {} of them at a chosen call; {} acknowledgements, {} messages checked",
        total.killed, total.at_calls, total.acknowledged, total.checked
    );
    println!("{held}/{rounds} rounds held");
    ensure!(held == rounds, "kill: {} of {rounds} rounds failed", rounds.saturating_sub(held));
    Ok(())
}

#[derive(Default)]
struct Total {
    killed: u64,
    at_calls: u64,
    acknowledged: u64,
    checked: u64,
}

fn round(seed: u64, number: u64, shim: Option<&Shim>, total: &mut Total) -> anyhow::Result<()> {
    let mut rng = SmallRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let folder = Folder::new()?;
    let mut acknowledged = Vec::new();
    for life in 0..LIVES {
        let end = if shim.is_some() && life % 2 == number % 2 {
            End::At(rng.random_range(1..900))
        } else {
            End::After(Duration::from_micros(rng.random_range(0..600_000)))
        };
        let script = rng.random();
        let (lines, was_killed) =
            live(shim, folder.path(), script, end).with_context(|| format!("life {life}, {end:?}"))?;
        total.killed = total.killed.saturating_add(u64::from(was_killed));
        total.at_calls = total.at_calls.saturating_add(u64::from(was_killed && matches!(end, End::At(..))));
        acknowledged.extend(lines);
    }
    let seen = check(folder.path(), rng.random()).context("the check")?;
    for line in &acknowledged {
        ensure!(seen.iter().any(|seen| seen == line), "acknowledged and lost: {line}");
    }
    let count = |lines: &[String]| u64::try_from(lines.len()).unwrap_or(u64::MAX);
    total.acknowledged = total.acknowledged.saturating_add(count(&acknowledged));
    total.checked = total.checked.saturating_add(count(&seen));
    folder.remove()
}

/// One life: what it acknowledged, and whether it was killed.
fn live(shim: Option<&Shim>, folder: &Path, script: u64, end: End) -> anyhow::Result<(Vec<String>, bool)> {
    let mut command = match (end, shim) {
        (End::At(at), Some(shim)) => shim.faulty(folder, script, (Fault::Kill, at), true)?,
        _ => shim::life(folder, script)?,
    };
    let mut child = command.arg("act").spawn()?;
    let output = child.stdout.take().context("a pipe")?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = BufReader::new(output).read_to_end(&mut bytes);
        read.map(|_| lines(&bytes))
    });
    if let End::After(time) = end {
        std::thread::sleep(time);
        child.kill()?;
    }
    let status = child.wait()?;
    let lines = reader.join().map_err(|_| anyhow::anyhow!("the reader of the pipe panicked"))??;
    if let Some(code) = status.code().filter(|code| *code != 0) {
        bail!("the program failed by itself with {code}");
    }
    Ok((lines, !status.success()))
}

/// The last life: everything that is stored, in the words of the acknowledgements.
fn check(folder: &Path, script: u64) -> anyhow::Result<Vec<String>> {
    let mut command = shim::life(folder, script)?;
    let output = command.arg("check").stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "it failed; its stores are in {folder:?}");
    Ok(lines(&output.stdout))
}
