//! Hostile inputs: an error from every entry point, never a panic, and a group that goes on as before.

use std::sync::Arc;

use coterie_mls::interop::{Structure, recode};
use coterie_mls::{Device, DeviceOptions, ExternalJoin, Group, GroupOptions, Suite, read_group_info};
use coterie_sframe::vectors as sframe;
use coterie_store::MemoryStore;
use coterie_testkit::{Seed, T0};
use coterie_wire::cbor::check;
use coterie_wire::control::ControlMessage;
use coterie_wire::payload::{Chunk, Manifest, Resync};
use coterie_wire::{Codec, ErrorObject, Frame};
use serde_json::Value;

use super::cbor;
use super::stack::Payload;
use crate::case::{File, Verdict, decode, list, same, same_bytes};
use crate::report::Outcome;

/// No input is longer: a case that asks for more is wrong about itself.
const LONGEST: usize = 64 * 1024 * 1024;

/// Checks a case's input.
type Check = fn(&Value, &[u8]) -> Verdict;

/// All files here have the same keys; what they attack shows in the words of their cases.
const FORMATS: &[(&[&str], Check)] = &[
    (&["wire format", "welcome", "MLS"], |_, input| refused(input)),
    (&["key id or counter"], |_, input| sframe::malformed(input)),
    (&["vtable"], |case, input| payloads(case, Codec::FlatBuffers, input)),
    (&["wire type"], |case, input| payloads(case, Codec::Protobuf, input)),
    (&["shortest form", "indefinite"], items),
];

pub(super) fn run(file: &File) -> Outcome {
    let mentions = |case: &Value, words: &[&str]| {
        let why = case.get("why").and_then(Value::as_str).unwrap_or_default();
        words.iter().any(|word| why.contains(word))
    };
    let found = FORMATS.iter().find(|(words, _)| file.cases.iter().any(|case| mentions(case, words)));
    match found {
        Some((_, check)) => file.each(|case| check(case, &input(case)?)),
        None => Outcome::not_run(file, "no decoder of this format yet"),
    }
}

/// Whether the case leaves it open that the input is accepted, if its encoding is then defined and stable.
fn may_be_accepted(case: &Value) -> bool {
    case.get("expect").and_then(Value::as_str) == Some("error-or-canonical")
}

fn items(case: &Value, input: &[u8]) -> Verdict {
    if check(input).is_ok() {
        same("accepted", &true, &may_be_accepted(case))?;
        same_bytes("encoded again", &cbor::recode(input)?, input)?;
    }
    let messages = [
        ("a frame", Frame::decode(input).is_ok()),
        ("a control message", ControlMessage::decode(input).is_ok()),
        ("an error object", ErrorObject::decode(input).is_ok()),
        ("a resynchronisation", Resync::decode(input).is_ok()),
    ];
    if let Some((what, _)) = messages.into_iter().find(|(_, accepted)| *accepted) {
        return Err(format!("accepted as {what}"));
    }
    payloads(case, Codec::Cbor, input)
}

fn payloads(case: &Value, codec: Codec, input: &[u8]) -> Verdict {
    for layer in Payload::LAYERS {
        let Ok(payload) = Payload::decode(layer, codec.into(), input) else { continue };
        same(layer, &may_be_accepted(case), &true)?;
        let written = payload.encode(codec).map_err(|why| why.to_string())?;
        same("decoded again", &Payload::decode(layer, codec.into(), &written), &Ok(payload))?;
    }
    let attachments = [
        ("a manifest", Manifest::decode(codec.into(), input).is_ok()),
        ("a chunk", Chunk::decode(codec.into(), input).is_ok()),
    ];
    match attachments.into_iter().find(|(_, accepted)| *accepted) {
        Some((what, _)) => Err(format!("accepted as {what}")),
        None => Ok(()),
    }
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
