//! The interop checklist of the Group Protocol Stack against the published Python package and the published crates.
//!
//! Each point runs in groups of their members and ours, both directions, ours as whoever leads and as whoever follows. What
//! the package cannot show, the crates do; where a peer is not to be had, what only it shows is said to be not tested and never
//! counted as held.

mod install;
mod members;
mod package;
mod points;

use std::process::ExitCode;

use package::Package;
use points::Peers;

fn main() -> ExitCode {
    let peers = Peers {
        python: had("the Python package gbp-stack", Package::python()),
        crates: had("the crates gbp-node, gbp-sframe, gbp-transport and gbp-cli", Package::crates()),
    };
    points::run(&peers)
}

/// The peer, or why there is none, which is said loudly.
fn had(name: &str, package: anyhow::Result<Package>) -> Result<Package, String> {
    package.map_err(|error| {
        eprintln!("NOT TESTED: the published peer is not to be had: {name}: {error:#}");
        format!("{name}: {error:#}")
    })
}
