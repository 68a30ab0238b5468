//! What `cargo metadata` says, as far as the rules ask.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// The packages of the lock file and their declared dependencies.
pub(crate) struct Metadata(Value);

/// A package of the lock file.
#[derive(Clone, Copy)]
pub(crate) struct Package<'a>(&'a Value);

/// One line of a manifest's dependencies.
#[derive(Clone, Copy)]
pub(crate) struct Dependency<'a>(&'a Value);

impl Metadata {
    /// Asks cargo about the workspace at `root`, for one target or for all that there are.
    pub(crate) fn read(root: &Path, target: Option<&str>) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(root).args(["metadata", "--format-version=1", "--locked", "--all-features"]);
        command.args(target.map(|target| format!("--filter-platform={target}")));
        let output = command.output().context("running cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(Self(serde_json::from_slice(&output.stdout).context("reading cargo metadata")?))
    }

    /// Every package.
    pub(crate) fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        array(&self.0, "packages").map(Package)
    }

    /// The crates of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = Package<'_>> {
        let members: BTreeSet<_> = array(&self.0, "workspace_members").filter_map(Value::as_str).collect();
        self.packages().filter(move |package| members.contains(text(package.0, "id")))
    }

    /// The ids of the packages that are really built: with a target, those that target needs.
    pub(crate) fn resolved(&self) -> BTreeSet<&str> {
        let nodes = self.0.get("resolve").map(|resolve| array(resolve, "nodes"));
        nodes.into_iter().flatten().map(|node| text(node, "id")).collect()
    }
}

impl<'a> Package<'a> {
    pub(crate) fn id(self) -> &'a str {
        text(self.0, "id")
    }

    pub(crate) fn name(self) -> &'a str {
        text(self.0, "name")
    }

    pub(crate) fn version(self) -> &'a str {
        text(self.0, "version")
    }

    /// What it needs to be used, as opposed to tested.
    pub(crate) fn dependencies(self) -> impl Iterator<Item = Dependency<'a>> {
        array(self.0, "dependencies").filter(|entry| text(entry, "kind") != "dev").map(Dependency)
    }
}

impl<'a> Dependency<'a> {
    pub(crate) fn name(self) -> &'a str {
        text(self.0, "name")
    }

    pub(crate) fn features(self) -> impl Iterator<Item = &'a str> {
        array(self.0, "features").filter_map(Value::as_str)
    }
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The string under `key`; empty where there is none, as for the kind of an ordinary dependency.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
