//! The vectors beside the checkout, counted against their manifest.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use coterie_conformance::{count, run};
use coterie_testkit::vectors;
use serde_json::Value;

/// The manifest's own counts; none where the folder is missing, which `folder` says loudly.
fn manifest() -> Option<(PathBuf, BTreeMap<String, usize>)> {
    let folder = vectors::folder()?;
    let Value::Array(entries) = vectors::document("MANIFEST.json").unwrap()? else { panic!("a list") };
    let counts = entries.iter().map(|entry| {
        let file = PathBuf::from(entry["file"].as_str().unwrap()).with_extension("");
        (file.display().to_string(), usize::try_from(entry["cases"].as_u64().unwrap()).unwrap())
    });
    Some((folder, counts.collect()))
}

#[test]
fn every_file_has_as_many_cases_as_its_manifest_says() {
    let Some((folder, announced)) = manifest() else { return };
    let counted = count(&folder).unwrap();
    for (file, cases) in &announced {
        assert_eq!(counted.get(file), Some(cases), "{file}");
    }
}

#[test]
fn every_case_is_counted_and_every_one_that_is_run_passes() {
    let Some((folder, announced)) = manifest() else { return };
    let report = run(&folder).unwrap();
    println!("{report}");
    for (family, outcome) in report.families() {
        if let Some(cases) = announced.get(family) {
            assert_eq!(outcome.total(), *cases, "{family}");
        }
        assert!(outcome.failures.is_empty(), "{family}: {:#?}", outcome.failures);
    }
}

#[test]
fn what_is_not_recognised_is_a_failure_and_so_is_a_case_that_panics() {
    let folder = std::env::temp_dir().join(format!("coterie-vectors-{}", std::process::id()));
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("mls/unheard-of.json", r#"[{"colour": "blue"}]"#);
    write("hpke/broken.json", r#"[{"kem_id": "x", "encryptions": [], "exports": []}]"#);
    write("mls/under-another-name.json", r#"[{"vlbytes_header": "36", "length": 54}]"#);
    let report = run(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!((report.passed(), report.failed()), (1, 2), "{report}");
    assert!(report.to_string().ends_with("1 passed, 2 failed\n"));
}
