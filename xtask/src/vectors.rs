//! Published test vectors, run by the crate that knows the formats.
//!
//! A process of its own, so that the other chores need not wait for a cryptography library to be built.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// Runs every file under `folder`, as seen from where the chore was called.
pub(crate) fn run(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let folder = folder.canonicalize().with_context(|| format!("{} is not a folder", folder.display()))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["run", "--quiet", "--package", "coterie-conformance", "--"])
        .arg(&folder)
        .status()
        .context("starting cargo")?;
    if !status.success() {
        // The sum is to stay the last line, so no error is printed behind it.
        std::process::exit(1);
    }
    Ok(())
}
