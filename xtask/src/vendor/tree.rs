//! The text files of a crate.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use anyhow::Context as _;

/// What of the published archive is copied.
const COPIED: &[&str] = &["Cargo.toml", "README.md", "src"];
/// Modules that are compiled for openmls's own tests only. Declared where they were, they are never looked for.
const TESTS: &[&str] = &["tests", "tests_and_kats", "test_utils", "prelude_test"];
const KNOWN_ANSWERS: &str = "kat";
/// Tables of the manifest that name programs which are not copied, and what only those need.
const PROGRAMS: &[&str] = &["[[example]]", "[[test]]", "[[bench]]", "[dev-dependencies", "[target."];

/// Paths below the crate's folder, and what is there.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<PathBuf, String>);

impl Tree {
    /// The part of a published crate that is copied.
    pub(super) fn published(folder: &Path) -> anyhow::Result<Self> {
        let mut tree = Self::read(folder)?;
        tree.0.retain(|path, _| is_copied(path));
        if let Some(manifest) = tree.0.get_mut(Path::new("Cargo.toml")) {
            *manifest = without_programs(manifest);
        }
        Ok(tree)
    }

    /// Every file below `folder` that is text; nothing where there is no such folder.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut tree = Self::default();
        tree.read_below(folder, Path::new(""))?;
        Ok(tree)
    }

    fn read_below(&mut self, folder: &Path, below: &Path) -> anyhow::Result<()> {
        let entries = match fs::read_dir(folder.join(below)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.with_context(|| format!("listing {}", folder.join(below).display()))?,
        };
        for entry in entries {
            let path = below.join(entry?.file_name());
            let file = folder.join(&path);
            if file.is_dir() {
                self.read_below(folder, &path)?;
            } else if let Ok(text) = fs::read_to_string(&file) {
                self.0.insert(path, text);
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, path: &Path) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    pub(super) fn set(&mut self, path: PathBuf, text: String) {
        self.0.insert(path, text);
    }

    /// Files that are in only one of the two, or not the same in both.
    pub(super) fn differing(&self, other: &Self) -> Vec<PathBuf> {
        let missing = other.0.keys().filter(|path| !self.0.contains_key(*path));
        let changed = self.0.iter().filter(|(path, text)| other.0.get(*path) != Some(*text));
        changed.map(|(path, _)| path).chain(missing).cloned().collect()
    }

    /// Makes what lies in `folder` the same as this.
    pub(super) fn write_to(&self, folder: &Path) -> anyhow::Result<()> {
        for path in self.differing(&Self::read(folder)?) {
            let file = folder.join(&path);
            let result = match self.get(&path) {
                None => fs::remove_file(&file),
                Some(text) => {
                    file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, text))
                }
            };
            result.with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(())
    }
}

fn is_copied(path: &Path) -> bool {
    let names: Vec<&OsStr> = path
        .components()
        .filter_map(|part| if let Component::Normal(name) = part { Some(name) } else { None })
        .collect();
    let stems = names.iter().map(|name| Path::new(name).file_stem().unwrap_or(name).to_string_lossy());
    let is_test = |stem: &str| {
        TESTS.contains(&stem) || stem == KNOWN_ANSWERS || stem.starts_with(&format!("{KNOWN_ANSWERS}_"))
    };
    names.first().is_some_and(|first| COPIED.iter().any(|copied| first == copied))
        && !stems.into_iter().any(|stem| is_test(&stem))
}

/// The published form of a manifest has one table after another, each under its own heading.
fn without_programs(manifest: &str) -> String {
    let mut kept = String::new();
    let mut keeps = true;
    for line in manifest.lines() {
        if line.starts_with('[') {
            keeps = !PROGRAMS.iter().any(|heading| line.starts_with(heading));
        }
        if keeps {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    format!("{}\n", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_programs_stay_behind() {
        for (path, expected) in [
            ("Cargo.toml", true),
            ("Cargo.lock", false),
            ("benches/benchmark.rs", false),
            ("src/lib.rs", true),
            ("src/framing/tests.rs", false),
            ("src/tree/tests_and_kats/kats.rs", false),
            ("src/kat_vl.rs", false),
            ("src/targeted_messages/kat.rs", false),
            ("src/katalogue.rs", true),
        ] {
            assert_eq!(is_copied(Path::new(path)), expected, "{path}");
        }
        let manifest = "[package]\nname = \"a\"\n\n[[test]]\nname = \"b\"\n\n[features]\nc = []\n\n[dev-dependencies.d]\nversion = \"1\"\n";
        assert_eq!(without_programs(manifest), "[package]\nname = \"a\"\n\n[features]\nc = []\n");
    }

    #[test]
    fn a_changed_a_missing_and_a_surplus_file_all_differ() {
        let tree = |files: &[(&str, &str)]| {
            Tree(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect())
        };
        let wanted = tree(&[("same", "1"), ("changed", "2"), ("missing", "3")]);
        let found = tree(&[("same", "1"), ("changed", "4"), ("surplus", "5")]);
        let names = ["changed", "missing", "surplus"].map(PathBuf::from);
        assert_eq!(wanted.differing(&found), names);
    }
}
