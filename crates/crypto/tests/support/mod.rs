//! Reading the published test vectors and counting what passed.
//!
//! The vectors lie in `shared/vectors` beside the checkout and are never copied into it. Where they are
//! missing, a test says `SKIPPED` on stderr, past the test harness's capture, and checks nothing.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test support: each test binary uses a part of it, and a broken vector file may panic"
)]

use std::io::Write;
use std::path::{Path, PathBuf};

use coterie_crypto::vectors::{Format, check, number};
use serde_json::Value;

/// Checks every case of `file`, prints `name: passed/total` and fails unless all passed.
pub fn family(name: &str, file: &str, format: Format) {
    let Some(folder) = vectors() else {
        let _ = writeln!(std::io::stderr(), "SKIPPED {name}: no shared/vectors beside the checkout");
        return;
    };
    let cases = cases(&folder.join(file));
    assert_eq!(cases.len(), announced(&folder, file), "{file} has not as many cases as its manifest says");

    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(format, case).err().map(|why| format!("{}: {why}", id(case))))
        .collect();
    let passed = cases.len() - failures.len();
    let _ = writeln!(std::io::stdout(), "{name}: {passed}/{}", cases.len());
    assert!(failures.is_empty(), "{name}: {failures:#?}");
}

/// The sibling `shared/vectors` of any folder above this crate.
fn vectors() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/vectors"))
        .find(|folder| folder.join("MANIFEST.json").is_file())
}

/// The cases of a file: an array's elements, Wycheproof's tests with their group, or a text's lines.
fn cases(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    if path.extension().is_some_and(|extension| extension == "txt") {
        return text.lines().map(Value::from).collect();
    }
    match serde_json::from_str(&text).unwrap() {
        Value::Array(cases) => cases,
        object => object["testGroups"].as_array().unwrap().iter().flat_map(with_group).collect(),
    }
}

fn with_group(group: &Value) -> Vec<Value> {
    let mut shared = group.clone();
    let tests = shared.as_object_mut().unwrap().remove("tests").unwrap();
    let with_group = |test: &Value| {
        let mut test = test.clone();
        test["group"] = shared.clone();
        test
    };
    tests.as_array().unwrap().iter().map(with_group).collect()
}

fn announced(folder: &Path, file: &str) -> usize {
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let entry = manifest.as_array().unwrap().iter().find(|entry| entry["file"] == file);
    number(entry.unwrap_or_else(|| panic!("{file} is not in the manifest")), "cases")
}

fn id(case: &Value) -> String {
    ["tcId", "number", "id"]
        .iter()
        .find_map(|field| case.get(field))
        .map_or_else(|| "case".to_owned(), |id| format!("case {id}"))
}
