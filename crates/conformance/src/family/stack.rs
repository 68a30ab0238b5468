//! The Group Protocol Stack's bytes: frames, payloads, control messages and error objects.

use std::sync::Arc;

use coterie_gbp::protection::interop::{Opener, seal_as};
use coterie_gsp::{Authority, SignalClient};
use coterie_gtp::{Origin, TextClient, TextOptions};
use coterie_testkit::T0;
use coterie_types::{Epoch, MemberId, StreamClass};
use coterie_wire::control::ControlMessage;
use coterie_wire::payload::{AudioPayload, PayloadError, SignalMessage, TextMessage};
use coterie_wire::{Codec, ErrorNumber, ErrorObject, Frame, Header, PayloadFormat, Profile};
use serde_json::{Value, json};

use super::audio;
use super::protection;
use crate::case::{File, Verdict, bytes, field, list, number, same, same_bytes};
use crate::report::Outcome;

/// Frames that a peer sent: opened with the recorded key, read, written and sealed again to the same bytes.
pub(super) fn frames(file: &File) -> Outcome {
    file.each(frame)
}

pub(super) fn frame(case: &Value) -> Verdict {
    let recorded = bytes(case, "frame")?;
    let frame = Frame::decode(&recorded).map_err(|why| why.to_string())?;
    same("profile", &frame.header.profile, &Profile::Interop)?;
    header(&frame, field(case, "header").ok_or("header is missing")?)?;
    let keys = protection::keys(case)?;
    let Header { group, epoch, transition, .. } = frame.header.clone();
    let mut opener =
        Opener::new(group, epoch, transition, Arc::clone(&keys)).map_err(|why| why.to_string())?;
    let (_, plaintext) = opener.open(&recorded, protection::NOW).map_err(|why| why.to_string())?;
    same_bytes("plaintext", &plaintext, &bytes(case, "plaintext")?)?;
    let (message, written) = recode(&frame, &plaintext)?;
    same("message", &message, field(case, "message").ok_or("message is missing")?)?;
    same_bytes("payload", &written, &plaintext)?;
    let again = seal_as(&keys, &frame.header, &written).map_err(|why| why.to_string())?;
    same_bytes("frame", &again, &recorded)
}

fn header(frame: &Frame<'_>, recorded: &Value) -> Verdict {
    let header = &frame.header;
    same_bytes("gid", header.group.as_bytes(), &bytes(recorded, "gid")?)?;
    let format = number(recorded, "pf").unwrap_or_default();
    for (name, got, expected) in [
        ("ep", header.epoch.number(), number(recorded, "ep")?),
        ("tid", header.transition.number().into(), number(recorded, "tid")?),
        ("st", header.class.number().into(), number(recorded, "st")?),
        ("sid", header.stream.number().into(), number(recorded, "sid")?),
        ("fl", header.flags.bits().into(), number(recorded, "fl")?),
        ("seq", header.sequence.number().into(), number(recorded, "seq")?),
        ("psz", frame.payload.len() as u64, number(recorded, "psz")?),
        ("pf", header.format.number().into(), format),
    ] {
        same(name, &got, &expected)?;
    }
    Ok(())
}

/// A frame's plaintext in the words of the recordings, and written again.
fn recode(frame: &Frame<'_>, plaintext: &[u8]) -> Result<(Value, Vec<u8>), String> {
    let codec = frame.header.format.codec().ok_or("an unknown codec")?;
    let layer = match frame.header.class {
        StreamClass::Control => return control(plaintext),
        StreamClass::Audio => "gap",
        StreamClass::Text => "gtp",
        StreamClass::Signal => "gsp",
    };
    let payload = Payload::decode(layer, codec.into(), plaintext).map_err(|why| why.to_string())?;
    Ok((payload.recorded(), payload.encode(codec).map_err(|why| why.to_string())?))
}

fn control(plaintext: &[u8]) -> Result<(Value, Vec<u8>), String> {
    let message = ControlMessage::decode(plaintext).map_err(|why| why.to_string())?;
    Ok((recorded_control(&message), message.encode()))
}

/// A control message in the words of the recordings.
pub(super) fn recorded_control(message: &ControlMessage) -> Value {
    json!({
        "opcode": message.opcode().number(),
        "request_id": message.request.number(),
        "sender_id": message.sender.number(),
        "transition_id": message.transition.number(),
        "args": hex::encode(message.raw_arguments()),
    })
}

/// A payload of any layer.
#[derive(Debug, PartialEq)]
pub(super) enum Payload {
    Text(TextMessage),
    Audio(AudioPayload),
    Signal(SignalMessage),
}

impl Payload {
    pub(super) const LAYERS: [&'static str; 3] = ["gtp", "gap", "gsp"];

    pub(super) fn decode(layer: &str, format: PayloadFormat, bytes: &[u8]) -> Result<Self, PayloadError> {
        match layer {
            "gtp" => TextMessage::decode(format, bytes).map(Self::Text),
            "gap" => AudioPayload::decode(format, bytes).map(Self::Audio),
            _ => SignalMessage::decode(format, bytes).map(Self::Signal),
        }
    }

    pub(super) fn encode(&self, codec: Codec) -> Result<Vec<u8>, PayloadError> {
        match self {
            Self::Text(message) => message.encode(codec),
            Self::Audio(payload) => payload.encode(codec),
            Self::Signal(message) => message.encode(codec),
        }
    }

    /// Field by field, as the recordings of frames name them. Numbers of 64 bits are strings there.
    fn recorded(&self) -> Value {
        match self {
            Self::Text(message) => json!({
                "message_id": message.id.number().to_string(),
                "sender_id": message.sender.number(),
                "timestamp_ms": message.sent_at.as_millis().to_string(),
                "request_id": message.request.number(),
                "flags": message.flags.bits(),
                "content_type": message.content_type.number(),
                "content_length": message.content.len(),
                "content": hex::encode(&message.content),
            }),
            Self::Audio(payload) => json!({
                "media_source_id": payload.source.number(),
                "rtp_sequence": payload.sequence,
                "rtp_timestamp": payload.timestamp.to_string(),
                "key_phase": payload.key_phase,
                "opus_frame": hex::encode(&payload.frame),
            }),
            Self::Signal(message) => {
                let arguments = message.signal.arguments();
                json!({
                    "signal_type": message.signal.number(),
                    "request_id": message.request.number(),
                    "sender_id": message.sender.number(),
                    "role_claim": message.role_claim.number(),
                    "args_length": arguments.len(),
                    "args": hex::encode(arguments),
                })
            }
        }
    }

    /// What a peer's client reports of it, as far as it says anything.
    pub(super) fn agrees_with(&self, result: &Value) -> Verdict {
        let says = |name: &str, got: Value| field(result, name).map_or(Ok(()), |said| same(name, &got, said));
        match self {
            Self::Text(message) => {
                says("sender", json!(message.sender.number()))?;
                says("message_id", json!(message.id.number().to_string()))?;
                // What is no text is shown as this word.
                let text = std::str::from_utf8(&message.content).unwrap_or("<binary>");
                says("text", json!(text))
            }
            Self::Audio(payload) => {
                says("source", json!(payload.source.number()))?;
                says("seq", json!(payload.sequence))?;
                says("bytes", json!(payload.frame.len()))
            }
            Self::Signal(message) => {
                says("sender", json!(message.sender.number()))?;
                says("signal_code", json!(message.signal.number()))?;
                says("role_claim", json!(message.role_claim.number()))?;
                says("request_id", json!(message.request.number()))
            }
        }
    }
}

/// Which steps of a recorded case are refused here on purpose, although the peer takes them.
const STRICTER: &[(&str, &[usize])] = &[
    // Open lengths, and bytes behind the end.
    ("gtp cbor indefinite map", &[0]),
    ("gap cbor indefinite map", &[0]),
    ("gsp cbor indefinite map", &[0]),
    ("gtp cbor bytes after", &[0]),
    ("gap cbor bytes after", &[0]),
    ("gsp cbor bytes after", &[0]),
    // Byte strings for keys, and arrays of numbers for byte strings.
    ("gtp cbor byte-string keys", &[0]),
    ("gap cbor byte-string keys", &[0]),
    ("gsp cbor byte-string keys", &[0]),
    ("gtp cbor body as array", &[0]),
    ("gap cbor opus as array", &[0]),
    ("gsp cbor args as array", &[0]),
    // Codecs that nobody knows, which the peer takes for CBOR.
    ("gtp 3 codec 3", &[0]),
    ("gap 3 codec 3", &[0]),
    ("gsp 3 codec 3", &[0]),
    ("gtp 255 codec 255", &[0]),
    ("gap 255 codec 255", &[0]),
    ("gsp 255 codec 255", &[0]),
    // Arguments with bytes behind the end, numbers of 64 bits, a key twice, a bignum and a long head.
    ("gsp args of 200", &[10, 12, 13, 16, 17]),
    ("gsp args of 300", &[10, 12, 13, 16, 17]),
    ("gsp args of 400", &[10, 12, 13, 16, 17]),
];

/// Steps of recorded cases that have another status here on purpose. Request ids are each sender's own; and a refused
/// payload changes nothing, not even the epoch that was seen last, so that coming back to the one before is no change.
const OWN_ANSWERS: &[(&str, usize, &str)] = &[
    ("gsp duplicates cbor", 3, "new"),
    ("gsp duplicates protobuf", 3, "new"),
    ("gsp duplicates flatbuffers", 3, "new"),
    ("gtp duplicates cbor", 7, "duplicate"),
    ("gtp duplicates protobuf", 7, "duplicate"),
    ("gtp duplicates flatbuffers", 7, "duplicate"),
];

/// What a peer's clients answer to payloads, in the order of the steps.
pub(super) fn payloads(file: &File) -> Outcome {
    file.each(|case| {
        let name = field(case, "name").and_then(Value::as_str).unwrap_or_default();
        let stricter = STRICTER.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, steps)| steps);
        if audio::is_of(case) {
            return audio::received(case, stricter);
        }
        let own = |index| {
            let pinned = OWN_ANSWERS.iter().find(|(known, step, _)| *known == name && *step == index);
            pinned.map(|(_, _, status)| *status)
        };
        let mut receiver = Receiver::new(field(case, "layer").and_then(Value::as_str))?;
        for (index, step) in list(case, "steps").enumerate() {
            receiver
                .answered(step, (stricter.contains(&index), own(index)))
                .map_err(|why| format!("step {index}: {why}"))?;
        }
        Ok(())
    })
}

/// The client that the recordings of a layer exercise.
enum Receiver {
    Text(Box<TextClient>),
    Signal(Box<SignalClient>),
}

/// What a client made of a payload: the payload, and the peer's word for its status.
type Taken = (Payload, &'static str);

impl Receiver {
    fn new(layer: Option<&str>) -> Result<Self, String> {
        let member = MemberId::new(1);
        match layer {
            Some("gtp") => TextClient::new(member, TextOptions::deployed())
                .map(|client| Self::Text(Box::new(client)))
                .ok_or_else(|| "no text client".to_owned()),
            Some("gsp") => Ok(Self::Signal(Box::new(SignalClient::new(member, Authority::Open)))),
            _ => Err("no client of this layer".to_owned()),
        }
    }

    /// Compares the client's answer to a step with the peer's, but for what is pinned: refused here, or of another status.
    fn answered(&mut self, step: &Value, (stricter, own): (bool, Option<&str>)) -> Verdict {
        let result = field(step, "result").ok_or("result is missing")?;
        let status = field(result, "status").and_then(Value::as_str).ok_or("status is missing")?;
        let taken = self.take(step)?;
        same("accepted", &taken.is_some(), &(status != "error" && !stricter))?;
        let Some((payload, ours)) = taken else { return Ok(()) };
        same("status", &ours, &own.unwrap_or(status))?;
        payload.agrees_with(result)
    }

    fn take(&mut self, step: &Value) -> Result<Option<Taken>, String> {
        let bytes = bytes(step, "payload")?;
        let (epoch, format) = (Epoch::new(number(step, "epoch")?), format(step)?);
        let (payload, origin, now) = (bytes.as_slice(), Origin::Unknown, T0);
        Ok(match self {
            Self::Text(client) => {
                let incoming = coterie_gtp::Incoming { payload, format, origin, epoch, now };
                let status = |verdict| if verdict == coterie_gtp::Verdict::New { "new" } else { "duplicate" };
                let received = client.receive(&incoming).ok();
                received.map(|received| (Payload::Text(received.message), status(received.verdict)))
            }
            Self::Signal(client) => {
                let incoming = coterie_gsp::Incoming { payload, format, origin, epoch };
                let status = |verdict| if verdict == coterie_gsp::Verdict::New { "new" } else { "duplicate" };
                let received = client.receive(&incoming).ok();
                received.map(|received| (Payload::Signal(received.message), status(received.verdict)))
            }
        })
    }
}

fn format(step: &Value) -> Result<PayloadFormat, String> {
    u8::try_from(number(step, "codec")?).map(PayloadFormat::new).map_err(|why| why.to_string())
}

/// The registry, entry by entry.
pub(super) fn errors(file: &File) -> Outcome {
    file.each(|case| {
        let recorded = bytes(case, "error_object")?;
        let wire_number = u16::try_from(number(case, "code")?).map_err(|why| why.to_string())?;
        let registered = ErrorNumber::registered(wire_number).ok_or("not in the registry")?;
        let traits = registered.traits();
        same("name", &json!(registered.name()), field(case, "name").ok_or("name is missing")?)?;
        same("class", &u64::from(traits.class.number()), &number(case, "class")?)?;
        same("retryable", &Some(&json!(traits.retryable)), &field(case, "retryable"))?;
        same("fatal", &Some(&json!(traits.fatal)), &field(case, "fatal"))?;
        let object = ErrorObject::registered(registered);
        same_bytes("error object", &object.encode(), &recorded)?;
        same("decoded", &ErrorObject::decode(&recorded), &Ok(object))
    })
}
