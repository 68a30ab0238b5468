//! `cargo xtask kill mls`: a program that uses the engine on encrypted stores is killed, at random moments and, where
//! `strace` is installed, at a chosen write or sync; what it left must be whole.
//!
//! A round is some lives of that program on the same stores, each ended by SIGKILL, and a last one that finishes its
//! work and checks: every store opens and holds its integrity, whatever was acknowledged is there once, nothing was
//! sealed twice under one key, all members agree on the epoch, and the group goes on.
//!
//! The program and what it needs are behind the feature `kill`, because SQLCipher takes minutes to build. Without it
//! this chore calls itself again with it.

#[cfg(feature = "kill")]
mod life;
#[cfg(feature = "kill")]
mod rounds;

use std::path::{Path, PathBuf};

use clap::Subcommand;

/// What to kill.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand)]
enum Program {
    /// The MLS engine on stores on disk
    Mls {
        /// What the rounds' scripts and moments follow from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many rounds
        #[arg(long, default_value_t = 20)]
        rounds: u64,
        /// The first round, to repeat one that failed
        #[arg(long, default_value_t = 0)]
        first: u64,
    },
    /// What is killed
    #[command(hide = true)]
    MlsLife {
        /// Where its stores are
        #[arg(long)]
        folder: PathBuf,
        /// What its script follows from
        #[arg(long)]
        seed: u64,
        /// Finish what is under way and check everything
        #[arg(long)]
        check: bool,
    },
}

/// Runs the chore for the workspace at `root`.
#[cfg(feature = "kill")]
pub(crate) fn run(_: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.program {
        Program::Mls { seed, rounds, first } => rounds::run(*seed, *first, *rounds),
        Program::MlsLife { folder, seed, check } => life::run(folder, *seed, *check),
    }
}

/// Runs the chore for the workspace at `root`.
#[cfg(not(feature = "kill"))]
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let Program::Mls { seed, rounds, first } = &arguments.program else {
        anyhow::bail!("this build of xtask has no program to kill")
    };
    let status = std::process::Command::new("cargo")
        .current_dir(root)
        .args(["run", "--quiet", "--package", "xtask", "--features", "kill", "--", "kill", "mls"])
        .args([format!("--seed={seed}"), format!("--rounds={rounds}"), format!("--first={first}")])
        .status()?;
    anyhow::ensure!(status.success(), "kill: a round failed");
    Ok(())
}
