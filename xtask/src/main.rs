//! Chores of the workspace: what a shell script would do. A bare `cargo xtask` lists them.

mod check_deps;
mod durability;
mod generate;
mod interop;
mod mls_interop;
mod sim;
mod vectors;
mod vendor;

use std::path::Path;

use anyhow::Context;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the workspace", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Checks the direction of dependencies, the versions in the lock file, and that cores do no I/O
    CheckDeps,
    /// Random histories of groups whose members are half ours and half mls-rs's
    Differential {
        /// The first seed
        #[arg(long, default_value_t = 0)]
        start: u64,
        /// How many histories
        #[arg(long, default_value_t = 200)]
        count: u64,
    },
    /// Writes the files that are made from the error registry
    Generate {
        /// Writes nothing; a difference is an error
        #[arg(long)]
        check: bool,
    },
    /// The checklist of a protocol against a published peer
    Interop {
        /// Which one
        #[command(subcommand)]
        peer: interop::Peer,
    },
    #[command(flatten)]
    Durability(durability::Chore),
    /// Serves the MLS working group's test interface on a port of the loopback interface
    MlsInterop {
        /// The port; 0 takes a free one, which is printed
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Random histories of the control plane and of the whole stack: loss, partitions, crashes, hostile members
    Sim {
        /// The first seed
        #[arg(long, default_value_t = 0)]
        start: u64,
        /// How many seeds
        #[arg(long, default_value_t = 500)]
        count: u64,
        /// Whether a minority of the members does not come back
        #[arg(long)]
        away: bool,
    },
    /// Runs every published vector in a folder laid out like shared/vectors
    Vectors {
        /// The folder
        folder: std::path::PathBuf,
    },
    /// Makes vendor/openmls from the published crate and vendor/openmls.patch
    Vendor {
        /// Writes nothing; a difference is an error
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    match arguments.chore {
        Chore::CheckDeps => check_deps::run(root),
        Chore::Differential { start, count } => mls_interop::differential(root, start, count),
        Chore::Generate { check } => generate::run(root, check),
        Chore::Durability(chore) => durability::run(root, &chore),
        Chore::Interop { peer } => interop::run(root, &peer),
        Chore::MlsInterop { port } => mls_interop::serve(root, port),
        Chore::Sim { start, count, away } => sim::run(root, start, count, away),
        Chore::Vectors { folder } => vectors::run(root, &folder),
        Chore::Vendor { check } => vendor::run(root, check),
    }
}
