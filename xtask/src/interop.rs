//! `cargo xtask interop`: checklists against published peers, in processes of their own.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::Subcommand;

/// The peers.
#[derive(Subcommand)]
pub(crate) enum Peer {
    /// The published Group Protocol Stack: the Python package 1.9.1 and the crates 1.9.2-rc2, which are installed below
    /// target/. Ends with 3 where nothing failed and one of them is not to be had
    GbpStack,
}

/// Runs a peer's checklist.
pub(crate) fn run(root: &Path, peer: &Peer) -> anyhow::Result<()> {
    let package = match peer {
        Peer::GbpStack => "coterie-gbp-interop",
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["run", "--quiet", "--package", package])
        .status()
        .context("starting cargo")?;
    if !status.success() {
        // The sum is to stay the last line, so no error is printed behind it.
        std::process::exit(status.code().unwrap_or(1));
    }
    Ok(())
}
