//! The Group Protocol Stack's bytes, as far as codecs go: frames, payloads, control messages and error objects.

use coterie_crypto::aead::{AeadAlgorithm, AeadKey};
use coterie_types::StreamClass;
use coterie_wire::control::ControlMessage;
use coterie_wire::payload::{AudioPayload, PayloadError, SignalMessage, TextMessage};
use coterie_wire::{Codec, ErrorNumber, ErrorObject, Frame, PayloadFormat, Profile};
use serde_json::{Value, json};

use super::audio;
use crate::case::{File, Verdict, bytes, field, list, number, same, same_bytes};
use crate::report::Outcome;

/// Frames that a peer sent: opened with the recorded key, read, written and sealed again to the same bytes.
pub(super) fn frames(file: &File) -> Outcome {
    file.each(frame)
}

fn frame(case: &Value) -> Verdict {
    let recorded = bytes(case, "frame")?;
    let frame = Frame::decode(&recorded).map_err(|why| why.to_string())?;
    same("profile", &frame.header.profile, &Profile::Interop)?;
    header(&frame, field(case, "header").ok_or("header is missing")?)?;
    let key = AeadKey::new(AeadAlgorithm::ChaCha20Poly1305, &bytes(case, "key")?);
    let key = key.map_err(|why| why.to_string())?;
    let nonce = [frame.header.sequence.number().to_be_bytes().as_slice(), &[0; 8]].concat();
    let plaintext = key.open(&nonce, &[], frame.payload).map_err(|why| why.to_string())?;
    same_bytes("plaintext", &plaintext, &bytes(case, "plaintext")?)?;
    let (message, written) = recode(&frame, &plaintext)?;
    same("message", &message, field(case, "message").ok_or("message is missing")?)?;
    same_bytes("payload", &written, &plaintext)?;
    let sealed = key.seal(&nonce, &[], &written).map_err(|why| why.to_string())?;
    let again = Frame { header: frame.header.clone(), payload: &sealed };
    same_bytes("frame", &again.encode().map_err(|why| why.to_string())?, &recorded)
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
    let recorded = json!({
        "opcode": message.opcode().number(),
        "request_id": message.request.number(),
        "sender_id": message.sender.number(),
        "transition_id": message.transition.number(),
        "args": hex::encode(message.raw_arguments()),
    });
    Ok((recorded, message.encode()))
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

const NEEDS_A_RECEIVER: &str = "a receiver's state (duplicates, order, epochs), which has no code yet";

/// What a peer's clients answer to payloads: audio in its order, the rest where the payload alone decides.
pub(super) fn payloads(file: &File) -> Outcome {
    file.each_of(
        |case| audio::is_of(case) || list(case, "steps").all(is_stateless),
        NEEDS_A_RECEIVER,
        |case| {
            let name = field(case, "name").and_then(Value::as_str).unwrap_or_default();
            let stricter =
                STRICTER.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, steps)| steps);
            if audio::is_of(case) {
                return audio::received(case, stricter);
            }
            for (index, step) in list(case, "steps").enumerate() {
                answered(case, step, stricter.contains(&index))
                    .map_err(|why| format!("step {index}: {why}"))?;
            }
            Ok(())
        },
    )
}

fn answered(case: &Value, step: &Value, stricter: bool) -> Verdict {
    let result = field(step, "result").ok_or("result is missing")?;
    let accepted = result.get("status") != Some(&json!("error"));
    let decoded = payload(case, step)?;
    same("accepted", &decoded.is_ok(), &(accepted && !stricter))?;
    decoded.map_or(Ok(()), |payload| payload.agrees_with(result))
}

fn is_stateless(step: &Value) -> bool {
    let status = step.get("result").and_then(|result| result.get("status")).and_then(Value::as_str);
    matches!(status, Some("new" | "error"))
}

fn payload(case: &Value, step: &Value) -> Result<Result<Payload, PayloadError>, String> {
    let layer = field(case, "layer").and_then(Value::as_str).ok_or("layer is missing")?;
    let format = u8::try_from(number(step, "codec")?).map_err(|why| why.to_string())?;
    Ok(Payload::decode(layer, PayloadFormat::new(format), &bytes(step, "payload")?))
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
