//! The interop checklist of the Group Protocol Stack against the published Python package.
//!
//! Each point runs in groups of their members and ours, both directions, ours as whoever leads and as whoever follows. What
//! the package cannot show is said to be not tested, never counted as held.

mod members;
mod package;
mod points;

use std::process::ExitCode;

fn main() -> ExitCode {
    let missing = match package::Package::start() {
        Ok(package) => return points::run(&package),
        Err(error) => format!("{error:#}"),
    };
    eprintln!("NOT TESTED: the published package is not to be had: {missing}");
    points::none(&missing)
}
