//! Runs published test vectors through the crates of Coterie, and counts. Never a dependency of anything that ships.
//!
//! [`run`] takes any folder laid out like `shared/vectors` and follows the rules at the end of its README: what a
//! file is follows from its folder and the keys of its first case, never from its name; what is not recognised is an
//! error; a family whose code does not exist, or that the engine does not give access to, is named and counted as
//! not run, never as passed.

mod case;
mod family;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use case::Verdict;
pub use report::{Outcome, Report};

use case::File;

/// Runs every file under `folder`.
///
/// # Errors
/// When the folder or a file cannot be read. A file that is not understood is a failure in the report instead.
pub fn run(folder: &Path) -> Result<Report, String> {
    let mut report = Report::default();
    for path in files(folder)? {
        let file = File::read(folder, &path)?;
        report.add(&file.name(), outcome(&file));
    }
    Ok(report)
}

fn outcome(file: &File) -> Outcome {
    match family::of(file) {
        Some(family) => family.run(file),
        None => Outcome::unknown(file),
    }
}

/// How many cases each file of `folder` has, as this crate counts them.
///
/// # Errors
/// As [`run`].
pub fn count(folder: &Path) -> Result<BTreeMap<String, usize>, String> {
    files(folder)?
        .into_iter()
        .map(|path| {
            let file = File::read(folder, &path)?;
            Ok((file.name(), file.cases.len()))
        })
        .collect()
}

/// The data files under `folder`, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
            if path.is_dir() {
                waiting.push(path);
            } else if is_data(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The manifest and the explanations are not data.
fn is_data(path: &Path) -> bool {
    let is_manifest = path.file_name().is_some_and(|name| name == "MANIFEST.json");
    path.extension().is_some_and(|extension| extension == "json" || extension == "txt") && !is_manifest
}
