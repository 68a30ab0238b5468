//! What came of a run, and how it is printed.

use std::collections::BTreeMap;
use std::fmt;

use crate::case::File;

/// Failures that are shown of one family. The first few tell what is wrong; the rest would hide them.
const SHOWN: usize = 8;

/// What came of one file.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Cases that passed.
    pub passed: usize,
    /// Why each of the others failed.
    pub failures: Vec<String>,
    /// Why cases were not run, and how many for each reason.
    pub not_run: BTreeMap<String, usize>,
}

/// What came of a whole folder, by family.
#[derive(Clone, Debug, Default)]
pub struct Report {
    families: BTreeMap<String, Outcome>,
}

impl Outcome {
    pub(crate) fn unknown(file: &File) -> Self {
        Self { failures: vec![format!("{}: the format is not recognised", file.name())], ..Self::default() }
    }

    pub(crate) fn not_run(file: &File, reason: &str) -> Self {
        Self { not_run: BTreeMap::from([(reason.to_owned(), file.cases.len())]), ..Self::default() }
    }

    /// All cases there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.run().saturating_add(self.not_run.values().sum())
    }

    fn run(&self) -> usize {
        self.passed.saturating_add(self.failures.len())
    }
}

impl Report {
    pub(crate) fn add(&mut self, family: &str, outcome: Outcome) {
        self.families.insert(family.to_owned(), outcome);
    }

    /// Each family with what came of it.
    pub fn families(&self) -> impl Iterator<Item = (&str, &Outcome)> {
        self.families.iter().map(|(name, outcome)| (name.as_str(), outcome))
    }

    /// How many cases passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.families.values().map(|outcome| outcome.passed).sum()
    }

    /// How many failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.families.values().map(|outcome| outcome.failures.len()).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.families {
            for failure in outcome.failures.iter().take(SHOWN) {
                writeln!(f, "  FAILED {name}: {failure}")?;
            }
            for (reason, count) in &outcome.not_run {
                writeln!(f, "  not run: {name}: {count} ({reason})")?;
            }
        }
        for (name, outcome) in self.families.iter().filter(|(_, outcome)| outcome.run() > 0) {
            writeln!(f, "{name}: {}/{}", outcome.passed, outcome.run())?;
        }
        writeln!(f, "{} passed, {} failed", self.passed(), self.failed())
    }
}
