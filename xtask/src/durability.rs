//! What a power cut, a full disk, a failing disk, flipped bits and old backups may do to the engine's stores.
//!
//! The program that suffers is [`life`]: four members and a delivery service, each with a store of its own. Between it
//! and the C library stands [`shim`], which kills it at a chosen write or sync, lets calls fail, or records them. Each
//! chore prints what it did last, in figures; `docs/ledger.md` says what the long forms found.
//!
//! All of it is behind the feature `durability`, because SQLCipher takes minutes to build. Without it a chore calls
//! itself again with it.

#[cfg(feature = "durability")]
mod disk;
#[cfg(feature = "durability")]
mod errors;
#[cfg(feature = "durability")]
mod flips;
#[cfg(feature = "durability")]
mod images;
#[cfg(feature = "durability")]
mod life;
#[cfg(feature = "durability")]
mod nonces;
#[cfg(feature = "durability")]
mod pair;
#[cfg(feature = "durability")]
mod points;
#[cfg(feature = "durability")]
mod rounds;
#[cfg(feature = "durability")]
mod scenarios;
#[cfg(feature = "durability")]
mod shim;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

/// The chores of this module.
#[derive(Subcommand)]
pub(crate) enum Chore {
    /// Kills programs at random moments or at every write and sync, and checks what they leave
    Kill(Kill),
    /// Builds what power failures may leave of recorded writes, and opens it
    Images {
        /// What the recorded histories and the losses follow from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many images
        #[arg(long, default_value_t = 2_000)]
        count: u64,
    },
    /// Checks that no call is answered before the sync of what it wrote
    Acknowledgements {
        /// What the recorded history follows from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many answers
        #[arg(long, default_value_t = 2_000)]
        count: u64,
    },
    /// Lets the disk fill up or fail from every n-th call of each scenario on, and recover
    Errors {
        /// What the scripts follow from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many points, spread over the scenarios and faults; every one where none is given
        #[arg(long)]
        count: Option<u64>,
    },
    /// Alters bits, sectors and lengths of a store's files, and opens them
    Flips {
        /// What the alterations follow from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many
        #[arg(long, default_value_t = 10_000)]
        count: u64,
    },
    /// Seals over restarts and restored backups, and looks for a key that was used twice
    Nonces {
        /// What the moments follow from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many messages
        #[arg(long, default_value_t = 10_000_000)]
        seals: u64,
        /// How often the store is closed and opened
        #[arg(long, default_value_t = 10_000)]
        restarts: u64,
        /// How often a backup is put back
        #[arg(long, default_value_t = 100)]
        restores: u64,
    },
    /// The program that suffers
    #[command(hide = true)]
    Life {
        /// Where its stores are
        #[arg(long)]
        folder: PathBuf,
        /// What its script follows from
        #[arg(long)]
        seed: u64,
        /// What it does
        #[command(subcommand)]
        part: Part,
    },
}

/// What to kill, and when.
#[derive(Args)]
pub(crate) struct Kill {
    #[command(subcommand)]
    when: When,
}

#[derive(Subcommand)]
enum When {
    /// The engine in random histories, at random moments and calls
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
    /// The engine in twelve scenarios, at each write, sync, cut, rename and unlink
    Points {
        /// What the scripts follow from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many points, spread over the scenarios; every one where none is given
        #[arg(long)]
        count: Option<u64>,
    },
}

/// One life of the program.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Part {
    /// Do random things
    Act {
        /// How many
        #[arg(long, default_value_t = 400)]
        actions: usize,
    },
    /// Say something over and over
    Talk {
        /// How often
        #[arg(long)]
        count: u64,
    },
    /// Finish what is under way and check everything
    Check,
    /// Check everything, then play a scenario
    Play {
        /// Which
        scenario: String,
    },
    /// Play a scenario while the disk fails, then recover
    Suffer {
        /// Which
        scenario: String,
    },
    /// Try to open a store that somebody else has open
    Intrude,
}

/// Runs a chore.
#[cfg(feature = "durability")]
pub(crate) fn run(_: &Path, chore: &Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Kill(Kill { when: When::Mls { seed, rounds, first } }) => rounds::run(*seed, *first, *rounds),
        Chore::Kill(Kill { when: When::Points { seed, count } }) => points::run(*seed, *count),
        Chore::Images { seed, count } => images::run(*seed, *count),
        Chore::Acknowledgements { seed, count } => images::acknowledgements(*seed, *count),
        Chore::Errors { seed, count } => errors::run(*seed, *count),
        Chore::Flips { seed, count } => flips::run(*seed, *count),
        Chore::Nonces { seed, seals, restarts, restores } => nonces::run(*seed, *seals, *restarts, *restores),
        Chore::Life { folder, seed, part } => life::run(folder, *seed, part),
    }
}

/// Builds this program with what the chore needs, and runs that.
#[cfg(not(feature = "durability"))]
pub(crate) fn run(root: &Path, _: &Chore) -> anyhow::Result<()> {
    let status = std::process::Command::new("cargo")
        .current_dir(root)
        .args(["run", "--quiet", "--package", "xtask", "--features", "durability", "--"])
        .args(std::env::args_os().skip(1))
        .status()?;
    anyhow::ensure!(status.success(), "it did not hold");
    Ok(())
}
