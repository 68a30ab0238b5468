//! Frames of the Group Protocol Stack as a receiver takes them: which open, which are refused, with which number, and what a
//! node makes of the control messages among them.

use std::sync::Arc;

use coterie_crypto::Secret;
use coterie_gbp::protection::interop::ClassKeys;
use coterie_types::Timestamp;
use serde_json::{Value, json};

use super::node::Seat;
use crate::case::{File, bytes, field, list, number, same};
use crate::report::Outcome;

/// Nothing here depends on the time.
pub(super) const NOW: Timestamp = Timestamp::from_secs(0);

/// What a peer's node does with the frames that it gets, and what is done here where that differs.
pub(super) fn inbound(file: &File) -> Outcome {
    file.each(|case| {
        let name = field(case, "name").and_then(Value::as_str).unwrap_or_default();
        let mut seat = Seat::recorded(case)?;
        for (index, step) in list(case, "steps").enumerate() {
            let recorded = Answer::recorded(step)?;
            let expected = OTHERWISE.iter().find(|(known, step, _)| *known == name && *step == index);
            let expected = match expected {
                Some((_, _, otherwise)) => otherwise.to_answer(recorded, step),
                None => recorded,
            };
            let answer = seat.take(&bytes(step, "frame")?);
            same(&format!("step {index}"), &answer.like(&expected), &expected)?;
            seat.stands_as(step).map_err(|why| format!("step {index}: {why}"))?;
        }
        Ok(())
    })
}

/// What is delivered or refused otherwise than the peer does, on purpose.
enum Otherwise {
    /// Refused with this number.
    Refused(u64),
    /// Delivered, whatever it holds.
    Delivered,
    /// Taken, and a claim of this member to be the coordinator, or none.
    Claimed(Option<u64>),
}

impl Otherwise {
    fn to_answer(&self, recorded: Answer, step: &Value) -> Answer {
        match (self, recorded) {
            (Self::Claimed(claimant), Answer::Control(control)) => {
                Answer::Control(Said { claimant: *claimant, ..control })
            }
            (Self::Claimed(_), other) => other,
            (Self::Refused(number), _) => Answer::Error(*number),
            (Self::Delivered, _) => Answer::Plaintext(plaintext(step)),
        }
    }
}

/// By case and step.
const OTHERWISE: &[(&str, usize, Otherwise)] = &[
    // One form of CBOR.
    ("unknown byte-string key", 0, Otherwise::Refused(8)),
    ("ep in 8 bytes", 0, Otherwise::Refused(8)),
    ("v in 2 bytes", 0, Otherwise::Refused(8)),
    ("tagged ep", 0, Otherwise::Refused(8)),
    ("bignum ep", 0, Otherwise::Refused(8)),
    ("bignum ep, leading zero", 0, Otherwise::Refused(8)),
    ("gid as array", 0, Otherwise::Refused(8)),
    ("pl as array", 0, Otherwise::Refused(8)),
    ("gid in two chunks", 0, Otherwise::Refused(8)),
    ("indefinite map", 0, Otherwise::Refused(8)),
    ("tag before the map", 0, Otherwise::Refused(8)),
    ("bytes after the map", 0, Otherwise::Refused(8)),
    // A group id is compared whole.
    ("gid longer than 16", 0, Otherwise::Refused(2)),
    // What does not open uses up no number.
    ("forged frame uses the number up", 1, Otherwise::Delivered),
    ("forged frame with the highest number silences the stream", 1, Otherwise::Delivered),
    ("forged frame with the highest number silences the stream", 2, Otherwise::Delivered),
    // A window, where the peer has the highest number alone: what is merely late is opened.
    ("stale number and bad tag", 1, Otherwise::Refused(6)),
    ("starts high, skips, then goes back", 4, Otherwise::Delivered),
    // Control messages have one form of CBOR too, and come on their sender's stream.
    ("control bytes after", 0, Otherwise::Refused(8)),
    ("control args as array", 0, Otherwise::Refused(8)),
    ("control on another stream id", 0, Otherwise::Refused(8)),
    // The peer searches two bytes; here a claim is the key 0 with true, in one form.
    ("capabilities bytes 00 f5 inside", 0, Otherwise::Claimed(None)),
    ("capabilities key 0 in two bytes", 0, Otherwise::Claimed(None)),
    // The form of the published documents, which the peer does not know.
    ("capabilities text key", 0, Otherwise::Claimed(Some(2))),
];

/// What came of a frame.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// Delivered, with this plaintext where it is known.
    Plaintext(Option<String>),
    /// A control message that the node took.
    Control(Said),
    /// Refused with this number.
    Error(u64),
}

/// A control message, and whom it made the coordinator.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    /// In the words of the recordings.
    pub(super) message: Value,
    pub(super) claimant: Option<u64>,
}

impl Answer {
    pub(super) fn recorded(step: &Value) -> Result<Self, String> {
        if let Some(error) = event(step, "error") {
            return Ok(Self::Error(number(error, "code")?));
        }
        if let Some(control) = event(step, "control") {
            let claimant =
                event(step, "coordinator_claim").map(|claim| number(claim, "claimant")).transpose()?;
            let message = json!({
                "opcode": number(control, "opcode_code")?,
                "request_id": number(control, "request_id")?,
                "sender_id": number(control, "from")?,
                "transition_id": number(control, "transition_id")?,
                "args": field(control, "args"),
            });
            return Ok(Self::Control(Said { message, claimant }));
        }
        Ok(Self::Plaintext(Some(plaintext(step).ok_or("neither payload, control message nor error")?)))
    }

    /// The same, without the plaintext where `other` does not know it.
    fn like(self, other: &Self) -> Self {
        if *other == Self::Plaintext(None) && matches!(self, Self::Plaintext(_)) {
            return Self::Plaintext(None);
        }
        self
    }
}

fn plaintext(step: &Value) -> Option<String> {
    field(event(step, "payload_received")?, "plaintext")?.as_str().map(ToOwned::to_owned)
}

/// The first event of this kind.
pub(super) fn event<'a>(step: &'a Value, kind: &str) -> Option<&'a Value> {
    list(step, "events").find(|event| field(event, "kind").and_then(Value::as_str) == Some(kind))
}

/// The class keys of a case, by its exporter secret.
pub(super) fn keys(case: &Value) -> Result<Arc<ClassKeys>, String> {
    keys_of(&bytes(case, "exporter_secret")?)
}

pub(super) fn keys_of(exporter_secret: &[u8]) -> Result<Arc<ClassKeys>, String> {
    let keys = ClassKeys::from_exporter_secret(&Secret::copy_from(exporter_secret));
    keys.map(Arc::new).map_err(|why| why.to_string())
}
