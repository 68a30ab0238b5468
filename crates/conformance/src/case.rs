//! Files of cases, and what checks of cases are made of.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::{Map, Value};

use crate::report::Outcome;

/// What a check answers: why the case failed, if it did.
pub type Verdict = Result<(), String>;

/// One file of vectors.
pub(crate) struct File {
    /// The folders it lies in, below the one that is run.
    pub(crate) folder: String,
    stem: String,
    /// Its cases: an array's elements, Wycheproof's tests with their group, or a text's lines.
    pub(crate) cases: Vec<Value>,
    /// What Wycheproof's cases are about.
    pub(crate) algorithm: Option<String>,
}

impl File {
    pub(crate) fn read(root: &Path, path: &Path) -> Result<Self, String> {
        let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| fault(&error))?;
        let relative = path.strip_prefix(root).unwrap_or(path);
        let name = |part: Option<&Path>| part.map_or_else(String::new, |part| part.display().to_string());
        let (cases, algorithm) = if path.extension().is_some_and(|extension| extension == "txt") {
            (lines(&text), None)
        } else {
            cases(serde_json::from_str(&text).map_err(|error| fault(&error))?)
        };
        Ok(Self {
            folder: name(relative.parent()),
            stem: name(relative.file_stem().map(Path::new)),
            cases,
            algorithm,
        })
    }

    /// What it is called in the report.
    pub(crate) fn name(&self) -> String {
        if self.folder.is_empty() { self.stem.clone() } else { format!("{}/{}", self.folder, self.stem) }
    }

    /// The innermost folder's family, such as `mls` for `mls/interop-passive`.
    pub(crate) fn area(&self) -> &str {
        self.folder.split(['/', '\\']).next().unwrap_or_default()
    }

    /// The keys of the first case.
    pub(crate) fn keys(&self) -> BTreeSet<&str> {
        let first = self.cases.first().and_then(Value::as_object);
        first.into_iter().flat_map(|case| case.keys().map(String::as_str)).collect()
    }

    /// The same file with other cases.
    fn with(&self, cases: Vec<Value>) -> Self {
        let (folder, stem) = (self.folder.clone(), self.stem.clone());
        Self { folder, stem, cases, algorithm: self.algorithm.clone() }
    }

    /// Runs `check` on the cases that `runs` picks; the others are not run for `reason`.
    pub(crate) fn each_of(
        &self,
        runs: impl Fn(&Value) -> bool,
        reason: &str,
        check: impl Fn(&Value) -> Verdict,
    ) -> Outcome {
        let picked: Vec<Value> = self.cases.iter().filter(|case| runs(case)).cloned().collect();
        let others = self.cases.len().saturating_sub(picked.len());
        let mut outcome = self.with(picked).each(check);
        if others > 0 {
            outcome.not_run.insert(reason.to_owned(), others);
        }
        outcome
    }

    /// Runs `check` on every case. A panic is a failure of that case alone.
    pub(crate) fn each(&self, check: impl Fn(&Value) -> Verdict) -> Outcome {
        let mut outcome = Outcome::default();
        for (index, case) in self.cases.iter().enumerate() {
            match guarded(|| check(case)) {
                Ok(()) => outcome.passed = outcome.passed.saturating_add(1),
                Err(why) => outcome.failures.push(format!("{}: {why}", id(case, index))),
            }
        }
        outcome
    }
}

/// Runs `check`; a panic is its failure.
pub(crate) fn guarded(check: impl FnOnce() -> Verdict) -> Verdict {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panicked: {}", text.or_else(|| panic.downcast_ref().copied()).unwrap_or("?")))
    })
}

/// One case a line, or one case of `name = value` lines.
fn lines(text: &str) -> Vec<Value> {
    let fields: Option<Map<String, Value>> = text
        .lines()
        .map(|line| line.split_once(" = ").map(|(name, value)| (name.to_owned(), Value::from(value))))
        .collect();
    match fields {
        Some(fields) if !fields.is_empty() => vec![Value::Object(fields)],
        _ => text.lines().map(Value::from).collect(),
    }
}

fn cases(document: Value) -> (Vec<Value>, Option<String>) {
    match document {
        Value::Array(cases) => (cases.iter().flat_map(|case| with_group(case, "vectors")).collect(), None),
        Value::Object(mut object) if object.contains_key("testGroups") => {
            let algorithm = object.get("algorithm").and_then(Value::as_str).map(ToOwned::to_owned);
            let groups = object.remove("testGroups").unwrap_or_default();
            (
                groups
                    .as_array()
                    .into_iter()
                    .flatten()
                    .flat_map(|group| with_group(group, "tests"))
                    .collect(),
                algorithm,
            )
        }
        object => (vec![object], None),
    }
}

/// The cases under `name`, each with what they share; a case without such a list stands for itself.
fn with_group(case: &Value, name: &str) -> Vec<Value> {
    let mut shared = case.clone();
    let Some(Value::Array(cases)) = shared.as_object_mut().and_then(|group| group.remove(name)) else {
        return vec![case.clone()];
    };
    let with_group = |mut case: Value| {
        if let Some(case) = case.as_object_mut() {
            case.insert("group".to_owned(), shared.clone());
        }
        case
    };
    cases.into_iter().map(with_group).collect()
}

fn id(case: &Value, index: usize) -> String {
    let named = ["id", "tcId", "number", "name"].iter().find_map(|field| case.get(field));
    named.map_or_else(|| format!("case {index} of the file"), |id| format!("case {id}"))
}

/// A field that may be missing.
pub(crate) fn field<'a>(case: &'a Value, name: &str) -> Option<&'a Value> {
    case.get(name).filter(|value| !value.is_null())
}

/// The elements of a list that may be missing.
pub(crate) fn list<'a>(case: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    field(case, name).and_then(Value::as_array).into_iter().flatten()
}

/// The bytes of a hex field.
pub(crate) fn bytes(case: &Value, name: &str) -> Result<Vec<u8>, String> {
    decode(field(case, name).ok_or_else(|| format!("{name} is missing"))?)
        .map_err(|why| format!("{name}: {why}"))
}

/// The bytes of a hex field that may be missing or empty.
pub(crate) fn optional(case: &Value, name: &str) -> Result<Option<Vec<u8>>, String> {
    let value = field(case, name).map(decode).transpose().map_err(|why| format!("{name}: {why}"))?;
    Ok(value.filter(|bytes| !bytes.is_empty()))
}

/// The bytes of a hex string.
pub(crate) fn decode(value: &Value) -> Result<Vec<u8>, String> {
    let text = value.as_str().ok_or("not a string")?;
    hex::decode(text).map_err(|_| "not hex".to_owned())
}

/// A number field.
pub(crate) fn number(case: &Value, name: &str) -> Result<u64, String> {
    let value = field(case, name).ok_or_else(|| format!("{name} is missing"))?;
    let decimal = value.as_str().and_then(|text| text.parse().ok());
    value.as_u64().or(decimal).ok_or_else(|| format!("{name} is not a number"))
}

/// Passes if both are the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, expected: &T) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("{what}: got {got:?}, expected {expected:?}")) }
}

/// Passes if both are the same bytes.
pub(crate) fn same_bytes(what: &str, got: &[u8], expected: &[u8]) -> Verdict {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what}: got {}, expected {}", hex::encode(got), hex::encode(expected)))
}
