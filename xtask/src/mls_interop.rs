//! `cargo xtask mls-interop`, the MLS working group's test interface, and `cargo xtask differential`, random histories
//! beside another MLS.
//!
//! Both run in a process of their own, so that the other chores need not wait for gRPC and a cryptography library.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

const PACKAGE: &str = "coterie-mls-interop";

/// Serves the interface on a port of the loopback interface until it is interrupted.
pub(crate) fn serve(root: &Path, port: u16) -> anyhow::Result<()> {
    run(root, &["--bin", PACKAGE], &[format!("--port={port}")])
}

/// Runs `count` histories from the seed `start` on.
pub(crate) fn differential(root: &Path, start: u64, count: u64) -> anyhow::Result<()> {
    run(root, &["--example", "differential"], &[format!("--start={start}"), format!("--count={count}")])
}

fn run(root: &Path, program: &[&str], arguments: &[String]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["run", "--quiet", "--package", PACKAGE])
        .args(program)
        .arg("--")
        .args(arguments)
        .status()
        .context("starting cargo")?;
    if !status.success() {
        // The sum is to stay the last line, so no error is printed behind it.
        std::process::exit(1);
    }
    Ok(())
}
