//! What this layer does with what published peers sent, against what they did with it.

use std::sync::Arc;

use coterie_crypto::Secret;
use coterie_gbp::protection::interop::ClassKeys;
use coterie_testkit::{T0, vectors};
use coterie_types::{Epoch, MemberId, TransitionId};
use coterie_wire::PayloadFormat;
use serde_json::{Value, json};

use crate::{
    AudioClient, AudioStatus, GroupNode, NodeEvent, NodeState, SignalClient, TextClient, lookup_error,
    opcode_name, signal_name,
};

fn cases(file: &str) -> Vec<Value> {
    let document = vectors::document(&format!("gbp-stack/{file}")).unwrap();
    document.map_or_else(Vec::new, |cases| cases.as_array().unwrap().clone())
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode(value[name].as_str().unwrap()).unwrap()
}

/// A number, or the text of one.
fn number(value: &Value, name: &str) -> u64 {
    let field = &value[name];
    field.as_u64().unwrap_or_else(|| field.as_str().unwrap().parse().unwrap())
}

fn small(value: &Value, name: &str) -> u32 {
    number(value, name).try_into().unwrap()
}

/// An event in the words of the recordings, without the text of errors.
fn said(event: &NodeEvent) -> Value {
    match event {
        NodeEvent::StateChanged { from, to } => {
            json!({ "kind": "state_changed", "from": from.name(), "to": to.name() })
        }
        NodeEvent::Payload { opened, plaintext } => json!({
            "kind": "payload_received",
            "stream_type_code": opened.class.number(),
            "stream_id": opened.stream.number(),
            "sequence_no": opened.sequence.number(),
            "flags": opened.flags.bits(),
            "codec": opened.format.number(),
            "plaintext": hex::encode(plaintext),
        }),
        NodeEvent::Control(message) => json!({
            "kind": "control",
            "from": message.sender.number(),
            "opcode": opcode_name(message.opcode()),
            "opcode_code": message.opcode().number(),
            "transition_id": message.transition.number(),
            "request_id": message.request.number(),
            "args": hex::encode(message.raw_arguments()),
        }),
        NodeEvent::Error { number, .. } => {
            let traits = number.traits();
            json!({
                "kind": "error",
                "code": number.number(),
                "code_hex": format!("0x{:04x}", number.number()),
                "class": traits.class.number(),
                "retryable": traits.retryable,
                "fatal": traits.fatal,
            })
        }
        NodeEvent::EpochAdvanced { epoch, transition } => json!({
            "kind": "epoch_advanced",
            "epoch": epoch.number().to_string(),
            "transition_id": transition.number(),
        }),
        NodeEvent::CoordinatorClaim { claimant } => {
            json!({ "kind": "coordinator_claim", "claimant": claimant.number() })
        }
    }
}

/// A recorded event without what only names a number, and none for changes of state, which a frame makes none of here.
fn recorded(event: &Value) -> Option<Value> {
    let mut event = event.as_object().unwrap().clone();
    event.remove("stream_type");
    (event["kind"] != "state_changed").then_some(Value::Object(event))
}

/// Cases whose step ends otherwise here on purpose, with the number that refuses it or none where it is delivered.
const OTHERWISE: &[(&str, usize, Option<u64>)] = &[
    ("unknown byte-string key", 0, Some(8)),
    ("ep in 8 bytes", 0, Some(8)),
    ("v in 2 bytes", 0, Some(8)),
    ("tagged ep", 0, Some(8)),
    ("bignum ep", 0, Some(8)),
    ("bignum ep, leading zero", 0, Some(8)),
    ("gid as array", 0, Some(8)),
    ("pl as array", 0, Some(8)),
    ("gid in two chunks", 0, Some(8)),
    ("indefinite map", 0, Some(8)),
    ("tag before the map", 0, Some(8)),
    ("bytes after the map", 0, Some(8)),
    ("gid longer than 16", 0, Some(2)),
    ("forged frame uses the number up", 1, None),
    ("forged frame with the highest number silences the stream", 1, None),
    ("forged frame with the highest number silences the stream", 2, None),
    ("stale number and bad tag", 1, Some(6)),
    ("starts high, skips, then goes back", 4, None),
    ("control bytes after", 0, Some(8)),
    ("control args as array", 0, Some(8)),
    ("control on another stream id", 0, Some(8)),
];

/// Cases about what a claim is: a map with key 0, in one form, or the text key.
const CLAIMS: &[(&str, bool)] = &[
    ("capabilities bytes 00 f5 inside", false),
    ("capabilities key 0 in two bytes", false),
    ("capabilities text key", true),
];

#[test]
fn frames_are_taken_as_peers_take_them_or_as_is_pinned() {
    for case in cases("inbound.json") {
        let name = case["name"].as_str().unwrap();
        let secret = Secret::copy_from(&bytes(&case, "exporter_secret"));
        let keys = Arc::new(ClassKeys::from_exporter_secret(&secret).unwrap());
        let start = &case["node"];
        let mut node =
            GroupNode::new(MemberId::new(small(start, "member")), &bytes(start, "group_id")).unwrap();
        if !start["start"].is_null() {
            let expected = TransitionId::new(small(start, "first_tid"));
            node.start(Epoch::new(number(start, "epoch")), expected, T0).unwrap();
        }
        let state = node.state();
        node.drain();
        for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let events = node.receive_under((&keys, node.epoch()), &bytes(step, "frame"), T0);
            let ours: Vec<Value> = events.iter().map(said).collect();
            compare(name, index, &ours, step);
            assert_eq!(node.state(), state, "{name}, step {index}");
            assert_eq!(node.epoch().number(), number(step, "epoch"), "{name}, step {index}");
            assert_eq!(u64::from(node.last_transition().number()), number(step, "last_tid"), "{name}");
        }
    }
}

fn compare(name: &str, index: usize, ours: &[Value], step: &Value) {
    let theirs: Vec<Value> = step["events"].as_array().unwrap().iter().filter_map(recorded).collect();
    let otherwise = OTHERWISE.iter().find(|(known, step, _)| *known == name && *step == index);
    let claim = CLAIMS.iter().find(|(known, _)| *known == name);
    match (otherwise, claim) {
        (Some((_, _, Some(refused))), _) => {
            assert_eq!(ours.len(), 1, "{name}, step {index}: {ours:?}");
            assert_eq!(ours[0]["code"], json!(refused), "{name}, step {index}");
        }
        (Some(_), _) => assert_eq!(ours[0]["kind"], "payload_received", "{name}, step {index}: {ours:?}"),
        (_, Some((_, claims))) => {
            assert_eq!(ours[0]["kind"] == "coordinator_claim", *claims, "{name}: {ours:?}");
            assert_eq!(ours.last().unwrap()["kind"], "control", "{name}: {ours:?}");
        }
        // The peer takes an unknown codec for CBOR; here the payload says what its frame says, and clients refuse it.
        _ if ours[0]["codec"].as_u64() > Some(2) => assert_eq!(ours[0]["plaintext"], theirs[0]["plaintext"]),
        _ => assert_eq!(ours, theirs, "{name}, step {index}"),
    }
}

#[test]
fn a_node_that_starts_reports_three_changes_of_state_and_starts_once() {
    let mut node = GroupNode::new(MemberId::new(1), &[7; 16]).unwrap();
    assert_eq!(
        (node.state(), node.start(Epoch::new(4), TransitionId::new(0), T0).is_ok()),
        (NodeState::Idle, true)
    );
    let names: Vec<Value> = node.drain().iter().map(said).map(|event| event["to"].clone()).collect();
    assert_eq!(names, [json!("CONNECTING"), json!("ESTABLISHING_GROUP"), json!("ACTIVE")]);
    assert!(node.start(Epoch::new(4), TransitionId::new(0), T0).is_err() && node.drain().is_empty());
    assert!(GroupNode::new(MemberId::new(1), &[7; 15]).is_err());
    assert!(GroupNode::new(MemberId::new(1_000_000), &[7; 16]).is_err());
}

/// Payloads that are refused here on purpose although the peers take them, by case and step.
const STRICTER: &[(&str, &[usize])] = &[
    ("cbor indefinite map", &[0]),
    ("cbor bytes after", &[0]),
    ("cbor byte-string keys", &[0]),
    ("cbor body as array", &[0]),
    ("cbor opus as array", &[0]),
    ("cbor args as array", &[0]),
    ("3 codec 3", &[0]),
    ("255 codec 255", &[0]),
    ("args of 200", &[10, 12, 13, 16, 17]),
    ("args of 300", &[10, 12, 13, 16, 17]),
    ("args of 400", &[10, 12, 13, 16, 17]),
];

/// Other answers on purpose: request ids are each sender's own, what is refused changes nothing, and audio is ordered
/// across the wrap and from any first number.
const OWN: &[(&str, usize, &str)] = &[
    ("gsp duplicates", 3, "new"),
    ("gtp duplicates", 7, "duplicate"),
    ("gap order", 0, "new"),
    ("gap order", 5, "late"),
    ("gap order", 6, "late"),
    ("gap order", 7, "late"),
    ("gap order", 8, "late"),
    ("gap order", 9, "late"),
];

#[derive(Default)]
struct Clients {
    text: Option<TextClient>,
    audio: AudioClient,
    signal: SignalClient,
}

impl Clients {
    fn take(&mut self, layer: &str, step: &Value) -> Value {
        let payload = bytes(step, "payload");
        let epoch = Epoch::new(number(step, "epoch"));
        let format = PayloadFormat::new(number(step, "codec").try_into().unwrap());
        let taken = match layer {
            "gtp" => self.take_text(&payload, epoch, format),
            "gap" => self.audio.accept(&payload, epoch, format, T0).ok().map(|heard| {
                let status = if heard.status == AudioStatus::New { "new" } else { "late" };
                let packet = heard.payload;
                json!({ "status": status, "source": packet.source.number(), "seq": packet.sequence, "bytes": packet.frame.len() })
            }),
            _ => self.signal.accept(&payload, epoch, format).ok().map(|heard| {
                let message = heard.message;
                json!({
                    "status": if heard.is_new { "new" } else { "duplicate" },
                    "signal": signal_name(message.signal),
                    "signal_code": message.signal.number(),
                    "sender": message.sender.number(),
                    "role_claim": message.role_claim.number(),
                    "request_id": message.request.number(),
                })
            }),
        };
        taken.unwrap_or_else(|| json!({ "status": "error" }))
    }

    fn take_text(&mut self, payload: &[u8], epoch: Epoch, format: PayloadFormat) -> Option<Value> {
        let client = self.text.get_or_insert_default();
        client.accept(payload, epoch, format).ok().map(|heard| {
            let text = String::from_utf8(heard.message.content).unwrap_or_else(|_| "<binary>".to_owned());
            json!({
                "status": if heard.is_new { "new" } else { "duplicate" },
                "sender": heard.message.sender.number(),
                "message_id": heard.message.id.number().to_string(),
                "text": text,
            })
        })
    }
}

#[test]
fn payloads_are_answered_as_peers_answer_them_or_as_is_pinned() {
    for case in cases("payloads.json") {
        let (name, layer) = (case["name"].as_str().unwrap(), case["layer"].as_str().unwrap());
        let stricter = STRICTER.iter().find(|(known, _)| name == format!("{layer} {known}"));
        let mut clients = Clients::default();
        for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let ours = clients.take(layer, step);
            let own = OWN.iter().find(|(known, step, _)| name.starts_with(known) && *step == index);
            let status = match own {
                _ if stricter.is_some_and(|(_, steps)| steps.contains(&index)) => json!("error"),
                Some((_, _, status)) => json!(status),
                None => step["result"]["status"].clone(),
            };
            assert_eq!(ours["status"], status, "{name}, step {index}");
            for (field, theirs) in step["result"].as_object().unwrap() {
                let is_said = field != "status" && ours["status"] != "error";
                assert!(!is_said || ours[field] == *theirs, "{name}, step {index}: {field} of {ours}");
            }
        }
    }
}

#[test]
fn every_registered_error_is_looked_up_and_no_other() {
    for case in cases("errors.json") {
        let number = u16::try_from(number(&case, "code")).unwrap();
        assert_eq!(lookup_error(number), Some(bytes(&case, "error_object")));
    }
    assert_eq!(lookup_error(0x000a), None);
}
