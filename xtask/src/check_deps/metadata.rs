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
    /// Asks cargo about the workspace at `root`.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let output = cargo(root, &["metadata", "--format-version=1", "--locked", "--all-features"])?;
        Ok(Self(serde_json::from_slice(&output).context("reading cargo metadata")?))
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
}

/// The names of the packages that are really built for `target`. `cargo metadata` counts those too that are only named by
/// features which nobody chose.
pub(crate) fn built(root: &Path, target: &str) -> anyhow::Result<BTreeSet<String>> {
    let arguments = ["tree", "--workspace", "--locked", "--all-features", "--prefix=none", "--format={p}"];
    let output = cargo(root, &[&arguments[..], &["--target", target]].concat())?;
    let lines = String::from_utf8(output).context("reading cargo tree")?;
    let names = lines.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    Ok(names.collect())
}

fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(env!("CARGO")).current_dir(root).args(arguments).output();
    let output = output.with_context(|| format!("running cargo {arguments:?}"))?;
    if !output.status.success() {
        bail!("cargo {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

impl<'a> Package<'a> {
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
