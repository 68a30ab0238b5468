//! Hostile inputs: an error from every entry point, never a panic, and a group that goes on as before.

use std::sync::Arc;

use coterie_mls::interop::{Structure, recode};
use coterie_mls::{Device, DeviceOptions, ExternalJoin, Group, GroupOptions, Suite, read_group_info};
use coterie_store::MemoryStore;
use coterie_testkit::{Seed, T0};
use serde_json::Value;

use crate::case::{File, Verdict, decode, list, same};
use crate::report::Outcome;

/// No input is longer: a case that asks for more is wrong about itself.
const LONGEST: usize = 64 * 1024 * 1024;

/// All files here have the same keys; what they attack shows in the words of their cases.
pub(super) fn run(file: &File) -> Outcome {
    let mentions = |case: &Value| {
        let why = case.get("why").and_then(Value::as_str).unwrap_or_default();
        why.contains("wire format") || why.contains("welcome") || why.contains("MLS")
    };
    if !file.cases.iter().any(mentions) {
        return Outcome::not_run(file, "no decoder of this format yet");
    }
    file.each(|case| refused(&input(case)?))
}

/// Pairs of hex and how often it is repeated, joined.
fn input(case: &Value) -> Result<Vec<u8>, String> {
    let mut joined = Vec::new();
    for part in list(case, "parts") {
        let bytes = decode(part.get(0).ok_or("a part has no bytes")?)?;
        let times = part.get(1).and_then(Value::as_u64).ok_or("a part has no count")?;
        let times = usize::try_from(times).map_err(|error| error.to_string())?;
        let length = bytes.len().saturating_mul(times).saturating_add(joined.len());
        if length > LONGEST {
            return Err(format!("{length} bytes are too long for a test"));
        }
        joined.extend(bytes.repeat(times));
    }
    Ok(joined)
}

fn refused(input: &[u8]) -> Verdict {
    let (device, mut group) = member()?;
    let before = group.epoch_authenticator().map_err(|error| error.to_string())?;
    let join = ExternalJoin::default();
    // Two bytes and a vector are a proposal of an unknown type, so that only a panic would be wrong.
    let _ = recode(Structure::Proposal, input);
    let answers = [
        ("a message", recode(Structure::Message, input).is_ok()),
        ("a vector", recode(Structure::Vector, input).is_ok()),
        ("a ratchet tree", recode(Structure::RatchetTree, input).is_ok()),
        ("a Welcome", device.join(input, None, T0).is_ok()),
        ("a key package", device.inspect_key_package(input, T0).is_ok()),
        ("a GroupInfo", read_group_info(input).is_ok() || device.join_external(input, join, T0).is_ok()),
        ("a message of a group", group.receive(input, T0).is_ok() || group.stage(input, T0).is_ok()),
    ];
    if let Some((what, _)) = answers.into_iter().find(|(_, accepted)| *accepted) {
        return Err(format!("accepted as {what}"));
    }
    let after = group.epoch_authenticator().map_err(|error| error.to_string())?;
    same("the group afterwards", &after, &before)
}

fn member() -> Result<(Device, Group), String> {
    let options = DeviceOptions { identity: b"target".to_vec(), suite: Suite::X25519Aes128 };
    let entropy = Arc::new(Seed::quiet(2).entropy(0));
    let device = Device::create(options, Arc::new(MemoryStore::default()), entropy);
    let device = device.map_err(|error| error.to_string())?;
    let group = device.create_group(GroupOptions::default(), T0).map_err(|error| error.to_string())?;
    Ok((device, group))
}
