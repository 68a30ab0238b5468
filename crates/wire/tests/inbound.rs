//! Frames that a deployed peer was fed: which of them are frames here too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use coterie_testkit::vectors;
use coterie_wire::{Envelope, Frame};
use serde_json::Value;

/// Frames that the peer delivers and we refuse on purpose: only one form is taken.
const STRICTER: &[&str] = &[
    "unknown byte-string key",
    "ep in 8 bytes",
    "v in 2 bytes",
    "tagged ep",
    "bignum ep",
    "bignum ep, leading zero",
    "gid as array",
    "pl as array",
    "gid in two chunks",
    "indefinite map",
    "tag before the map",
    "bytes after the map",
    "gid longer than 16",
];

/// What the peer knows of a frame before it opens it, that a codec can know too.
const SHAPE: [u64; 2] = [1, 8];

#[test]
fn a_frame_is_one_here_where_the_peer_takes_it_for_one() {
    let Some(Value::Array(cases)) = vectors::document("gbp-stack/inbound.json").unwrap() else { return };
    assert_eq!(cases.len(), 133);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let frame = hex::decode(step["frame"].as_str().unwrap()).unwrap();
            let event = &step["events"][0];
            let refused =
                event["kind"] == "error" && event["code"].as_u64().is_some_and(|code| SHAPE.contains(&code));
            // The peer opens these and refuses what is inside; a frame they are.
            let inside = name.starts_with("control ") && refused;
            let shape = Envelope::decode(&frame).is_ok() && Frame::decode(&frame).is_ok();
            let number_zero = name == "number 0";
            let foreign = event["code"] == 2 || event["code"] == 3;
            if foreign {
                assert!(Envelope::decode(&frame).is_ok(), "{name}, step {index}");
                continue;
            }
            let expected = (!refused || inside) && !number_zero && !STRICTER.contains(&name);
            assert_eq!(shape, expected, "{name}, step {index}: {:?}", Frame::decode(&frame));
        }
    }
}
