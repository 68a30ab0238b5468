//! `cargo xtask sim`: the control plane and the whole stack where everything goes wrong, from seeds.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// Runs `count` seeds from `start` on; with `away` those of the control plane alone, where a minority of the members does
/// not come back.
pub(crate) fn run(root: &Path, start: u64, count: u64, away: bool) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["run", "--quiet", "--release", "--package", "coterie-stack", "--example", "sim", "--"])
        .args([format!("--start={start}"), format!("--count={count}")])
        .args(away.then_some("--away"))
        .status()
        .context("starting cargo")?;
    if !status.success() {
        // The sum is to stay the last line, so no error is printed behind it.
        std::process::exit(1);
    }
    Ok(())
}
