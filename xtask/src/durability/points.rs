//! `cargo xtask kill points`: each scenario is killed at its first call, its second, and so on.
//!
//! One world lives through all points of a scenario: every life first proves what the killed one left, then plays the
//! scenario again, so that each kill also meets the state that kills before it made.

use std::collections::BTreeSet;

use anyhow::{Context, bail, ensure};

use super::scenarios::{self, is_from_start};
use super::shim::{Fault, Folder, Shim, in_parallel, lines, met};

/// Kills at `count` points, or at every one.
pub(super) fn run(seed: u64, count: Option<u64>) -> anyhow::Result<()> {
    let Some(shim) = Shim::build()? else { return Ok(()) };
    let shares = shares(count, &scenarios::ALL);
    let totals = in_parallel(shares, |(scenario, share)| {
        scenario_points(&shim, seed, scenario, share).with_context(|| format!("scenario {scenario}"))
    })?;
    let killed: u64 = totals.iter().map(|total| total.killed).sum();
    let acknowledged: usize = totals.iter().map(|total| total.acknowledged).sum();
    println!("{} scenarios, {acknowledged} acknowledgements, none lost", scenarios::ALL.len());
    println!("kill: {killed}/{killed} points held");
    Ok(())
}

/// How many of `count` fall to each.
pub(super) fn shares<T: Copy>(count: Option<u64>, all: &[T]) -> Vec<(T, Option<u64>)> {
    let among = u64::try_from(all.len()).unwrap_or(u64::MAX).max(1);
    let share = |index: u64| {
        count.map(|count| {
            let rest = count.checked_rem(among).unwrap_or(0);
            count.checked_div(among).unwrap_or(0).saturating_add(u64::from(index < rest))
        })
    };
    (0..).zip(all).map(|(index, item)| (*item, share(index))).collect()
}

/// The points to try among `total`: evenly spread, or all.
pub(super) fn spread(total: u64, share: Option<u64>) -> Vec<u64> {
    let Some(share) = share.filter(|share| *share < total) else { return (1..=total).collect() };
    let place = |index: u64| index.saturating_mul(total).checked_div(share.max(1)).unwrap_or(0);
    (0..share).map(|index| place(index).saturating_add(1)).collect()
}

#[derive(Default)]
struct Total {
    killed: u64,
    acknowledged: usize,
}

fn scenario_points(shim: &Shim, seed: u64, scenario: &str, share: Option<u64>) -> anyhow::Result<Total> {
    let folder = Folder::new()?;
    let mut world = World { shim, seed, scenario, folder: &folder, acknowledged: BTreeSet::new() };
    // The first life makes the world, the second is like all that follow.
    world.live(0)?;
    ensure!(!world.live(0)?, "nobody kills at call 0");
    let calls = met(folder.path())?;
    let mut total = Total::default();
    for at in spread(calls, share) {
        // Where a life has fewer calls than the one that was counted, an earlier one stands in for the last.
        let killed = world.live(at).with_context(|| format!("call {at}"))?
            || (share.is_some() && world.live(at.div_ceil(2)).with_context(|| format!("call {at}/2"))?);
        total.killed = total.killed.saturating_add(u64::from(killed));
    }
    world.live(0).context("the last life")?;
    total.acknowledged = world.acknowledged.len();
    folder.remove()?;
    Ok(total)
}

struct World<'a> {
    shim: &'a Shim,
    seed: u64,
    scenario: &'a str,
    folder: &'a Folder,
    acknowledged: BTreeSet<String>,
}

impl World<'_> {
    /// One life that is killed at a call. Answers whether it came to that.
    fn live(&mut self, at: u64) -> anyhow::Result<bool> {
        let path = self.folder.path();
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(at);
        let mut command = self.shim.faulty(path, seed, (Fault::Kill, at), is_from_start(self.scenario))?;
        let output = command.args(["play", self.scenario]).stderr(std::process::Stdio::inherit()).output()?;
        let said = lines(&output.stdout);
        let killed = match output.status.code() {
            Some(0) => false,
            // No code: a signal ended it.
            None => true,
            Some(code) => bail!("the program failed by itself with {code}; its stores are in {path:?}"),
        };
        let checked = said.iter().position(|line| line == "checked");
        if let Some(checked) = checked {
            let seen: BTreeSet<&str> = said.iter().take(checked).map(String::as_str).collect();
            for line in &self.acknowledged {
                ensure!(seen.contains(line.as_str()), "acknowledged and lost: {line}");
            }
        } else {
            ensure!(killed && is_from_start(self.scenario), "killed before it was armed");
        }
        self.acknowledged.extend(said.into_iter().filter(|line| line != "checked"));
        Ok(killed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_spread_and_none_is_beyond_the_end() {
        assert_eq!(spread(3, None), [1, 2, 3]);
        assert_eq!(spread(3, Some(9)), [1, 2, 3]);
        assert_eq!(spread(10, Some(4)), [1, 3, 6, 8]);
        let shares = shares(Some(200), &scenarios::ALL);
        assert_eq!(shares.iter().filter_map(|(_, share)| *share).sum::<u64>(), 200);
    }
}
