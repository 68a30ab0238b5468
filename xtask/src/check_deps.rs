//! The rules about what may depend on what, tested rather than remembered.
//!
//! Each rule is a table in a file of its own and answers with the lines that break it. All are shown at once.

mod layers;
mod metadata;
mod sources;
mod versions;

use std::path::Path;

use anyhow::bail;

use metadata::Metadata;

/// Checks the workspace at `root`.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let metadata = Metadata::read(root)?;
    let mut broken = layers::broken(&metadata);
    broken.extend(versions::broken(&metadata));
    broken.extend(versions::reaching_a_target(root)?);
    broken.extend(sources::broken(root)?);
    broken.extend(sources::opening_sockets(root)?);
    broken.extend(sources::reading_a_clock(root)?);
    if broken.is_empty() {
        let (ours, all) = (metadata.members().count(), metadata.packages().count());
        println!("check-deps: {ours} crates of ours and {all} in the lock file keep the rules");
        return Ok(());
    }
    for line in &broken {
        eprintln!("  - {line}");
    }
    bail!("check-deps: {} broken", broken.len())
}
