//! Published vectors. What is checked of a case stands in `src/vectors.rs`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use coterie_sframe::vectors::{Verdict, frame, header, malformed, recorded};
use coterie_testkit::vectors;
use serde_json::Value;

/// Checks every case of `file`, and that there are as many as its manifest says.
fn family(file: &str, check: impl Fn(&Value) -> Verdict) {
    let Some(document) = vectors::document(file).unwrap() else { return };
    let manifest = vectors::document("MANIFEST.json").unwrap().unwrap();
    let entry = manifest.as_array().unwrap().iter().find(|entry| entry["file"] == file).unwrap();
    let cases = document.as_array().unwrap();
    assert_eq!(Some(cases.len() as u64), entry["cases"].as_u64(), "{file}");
    let failed: Vec<_> = cases.iter().filter_map(|case| check(case).err().map(|why| (case, why))).collect();
    println!("{file}: {}/{}", cases.len().saturating_sub(failed.len()), cases.len());
    assert!(failed.is_empty(), "{file}: {failed:#?}");
}

#[test]
fn headers_agree_with_rfc_9605() {
    family("sframe/header.json", header);
}

#[test]
fn frames_agree_with_rfc_9605_over_the_whole_range_and_damaged_ones_are_refused() {
    family("sframe/sframe.json", frame);
    family("sframe/whole-range.json", frame);
    family("sframe/negative.json", frame);
}

#[test]
fn frames_of_the_published_peer_are_made_and_opened_byte_for_byte() {
    family("gbp-stack/sframe.json", recorded);
}

#[test]
fn malformed_headers_are_refused_by_every_suite() {
    family("malformed/sframe-header.json", |case| malformed(&joined(case)));
}

/// Pairs of hex and how often it is repeated.
fn joined(case: &Value) -> Vec<u8> {
    let part = |part: &Value| {
        let bytes = part[0]
            .as_str()
            .unwrap()
            .as_bytes()
            .chunks(2)
            .map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
        bytes.collect::<Vec<_>>().repeat(usize::try_from(part[1].as_u64().unwrap()).unwrap())
    };
    case["parts"].as_array().unwrap().iter().flat_map(part).collect()
}
