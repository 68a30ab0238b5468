//! The published peers, each built or installed below `target/` when it is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

const HERE: &str = env!("CARGO_MANIFEST_DIR");
/// The version of the crates, as `peer-rust/Cargo.lock` has it.
const CRATES: &str = "1.9.2-rc2";

/// The Python of an environment that has the package, and what it is to run.
pub(crate) fn python() -> anyhow::Result<Command> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "it needs x86-64 Linux");
    let (peer, folder) = (Path::new(HERE).join("peer"), below_target("gbp-stack"));
    let (python, installed) = (folder.join("bin/python"), folder.join("installed"));
    if !installed.exists() {
        run(Command::new("python3.11").args(["-m", "venv"]).arg(&folder)).context("it needs CPython 3.11")?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        run(Command::new(&python).args(install).arg(peer.join("requirements.txt")))
            .context("installing it")?;
        std::fs::write(installed, "")?;
    }
    let mut command = Command::new(python);
    command.arg(peer.join("peer.py"));
    Ok(command)
}

/// The program over the crates.
pub(crate) fn crates() -> anyhow::Result<Command> {
    let manifest = Path::new(HERE).join("peer-rust/Cargo.toml");
    let arguments = ["build", "--quiet", "--locked", "--manifest-path"];
    run(cargo().args(arguments).arg(manifest)).context("building a program over them")?;
    Ok(Command::new(program(&below_target("gbp-crates").join("debug"), "coterie-gbp-interop-peer")))
}

/// The crates' own program.
pub(crate) fn node_program() -> anyhow::Result<PathBuf> {
    let folder = below_target(&format!("gbp-cli-{CRATES}"));
    let program = program(&folder.join("bin"), "gbp-node");
    if !program.exists() {
        let what = ["install", "gbp-cli", "--version", CRATES, "--locked", "--quiet", "--debug"];
        run(cargo().args(what).arg("--root").arg(&folder)).context("installing gbp-cli")?;
    }
    Ok(program)
}

/// Cargo, to build what is as little to do with the workspace as another project.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What a build script looks at is to be the same, whoever started this.
    for (name, _) in std::env::vars_os() {
        let of_package = ["CARGO_MANIFEST_", "CARGO_PKG_"];
        if name.to_str().is_some_and(|name| of_package.iter().any(|start| name.starts_with(start))) {
            command.env_remove(name);
        }
    }
    // Both programs have one lock file, so what they share is built once: quickly, but with the checks that users get.
    command.env("CARGO_TARGET_DIR", below_target("gbp-crates"));
    for check in ["DEBUG", "DEBUG_ASSERTIONS", "OVERFLOW_CHECKS"] {
        command.env(format!("CARGO_PROFILE_DEV_{check}"), "false");
    }
    command
}

fn program(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

fn below_target(name: &str) -> PathBuf {
    Path::new(HERE).join("../../target/peers").join(name)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}
