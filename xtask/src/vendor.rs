//! The copy of openmls that is carried until a release has its mends (docs/adr/0007).
//!
//! `vendor/openmls` is the published crate without its tests, and with `vendor/openmls.patch` applied. This chore makes
//! it anew from those two, or says where the tree differs from what they make. It leaves the copy without the patch in
//! `target/vendor/openmls`, so that a changed copy becomes a patch by:
//! `git diff --no-index target/vendor/openmls vendor/openmls`.

mod patch;
mod tree;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use tree::Tree;

const NAME: &str = "openmls";
const VERSION: &str = "0.9.2";
/// What the registry says of the published archive; cargo refuses one that is not it.
const CHECKSUM: &str = "ce4173f914cbc2dd28d9499f19e92f3e1bfebd9eea1607889924a77ca63d3ffc";

/// Writes the copy under `root`, or with `check` only compares.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<()> {
    let mut wanted = Tree::published(&published(root)?)?;
    wanted.write_to(&root.join("target/vendor/openmls"))?;
    let patch =
        fs::read_to_string(root.join("vendor/openmls.patch")).context("reading vendor/openmls.patch")?;
    patch::apply(&patch, &mut wanted)?;
    let copy = root.join("vendor").join(NAME);
    let differing = wanted.differing(&Tree::read(&copy)?);
    if differing.is_empty() {
        println!("vendor: {NAME} {VERSION} with its patch, {} files", wanted.len());
        return Ok(());
    }
    if check {
        let names: Vec<String> = differing.iter().map(|path| format!("  - {}", path.display())).collect();
        bail!(
            "vendor/{NAME} is not the published crate with the patch; run: cargo xtask vendor\n{}",
            names.join("\n")
        );
    }
    wanted.write_to(&copy)?;
    println!("vendor: wrote {} files", differing.len());
    Ok(())
}

/// Where cargo keeps the published source. A project of its own asks for it, since the workspace has it patched.
fn published(root: &Path) -> anyhow::Result<PathBuf> {
    let project = root.join("target").join("vendor");
    fs::create_dir_all(project.join("src")).context("making target/vendor")?;
    fs::write(project.join("src/lib.rs"), "").context("writing target/vendor/src/lib.rs")?;
    let stand_in = root.join("vendor/openmls_sqlite_storage");
    fs::write(project.join("Cargo.toml"), manifest(&stand_in)).context("writing target/vendor/Cargo.toml")?;
    let metadata = metadata(&project)?;
    let lock = fs::read_to_string(project.join("Cargo.lock")).context("reading target/vendor/Cargo.lock")?;
    ensure!(
        lock.contains(&format!("checksum = \"{CHECKSUM}\"")),
        "the published {NAME} {VERSION} is not the one that was copied"
    );
    let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
    let mut named = packages.filter(|package| package.get("name").and_then(Value::as_str) == Some(NAME));
    let manifest = named.next().and_then(|package| package.get("manifest_path")).and_then(Value::as_str);
    let manifest = PathBuf::from(manifest.with_context(|| format!("cargo knows no {NAME}"))?);
    manifest.parent().map(Path::to_path_buf).context("a manifest lies in a folder")
}

fn manifest(stand_in: &Path) -> String {
    let stand_in = toml_string(&stand_in.display().to_string());
    format!(
        "[workspace]\n\n[package]\nname = \"published\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{NAME} = {{ version = \"={VERSION}\", default-features = false }}\n\n\
         [patch.crates-io]\nopenmls_sqlite_storage = {{ path = {stand_in} }}\n"
    )
}

/// A literal string has no escapes, which suits paths; only a quote would end it.
fn toml_string(text: &str) -> String {
    if text.contains('\'') { format!("{text:?}") } else { format!("'{text}'") }
}

/// From what is on this machine, or else from the registry.
fn metadata(project: &Path) -> anyhow::Result<Value> {
    let ask = |arguments: &[&str]| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(project).args(["metadata", "--format-version=1"]).args(arguments);
        command.output().context("running cargo metadata")
    };
    let mut output = ask(&["--offline"])?;
    if !output.status.success() {
        output = ask(&[])?;
    }
    if !output.status.success() {
        bail!("cargo cannot fetch {NAME} {VERSION}: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("reading cargo metadata")
}
