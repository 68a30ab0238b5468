//! Frames of the Group Protocol Stack as a receiver takes them: which open, which are refused, and with which number.
//!
//! What a node makes of a control message that has opened is not looked at here.

use std::collections::BTreeMap;
use std::sync::Arc;

use coterie_crypto::Secret;
use coterie_gbp::protection::interop::{ClassKeys, Opener};
use coterie_types::{Duration, Epoch, GroupId, StreamClass, Timestamp, TransitionId};
use coterie_wire::Frame;
use serde_json::Value;

use super::stack;
use crate::case::{File, Verdict, bytes, field, list, number, same, same_bytes};
use crate::report::Outcome;

/// Nothing here depends on the time.
pub(super) const NOW: Timestamp = Timestamp::from_secs(0);

const NEEDS_A_NODE: &str = "control messages, which a node takes; only frames of applications are run here";

/// What a peer's node does with frames of application classes, and what is done here where that differs.
pub(super) fn inbound(file: &File) -> Outcome {
    file.each_of(
        |case| !list(case, "steps").any(is_control),
        NEEDS_A_NODE,
        |case| {
            let name = field(case, "name").and_then(Value::as_str).unwrap_or_default();
            let node = field(case, "node").ok_or("node is missing")?;
            let is_started = field(node, "start").is_some();
            let epoch = if is_started { number(node, "epoch")? } else { 0 };
            let mut opener = opener(case, &bytes(node, "group_id")?, epoch, number(node, "first_tid")?)?;
            for (index, step) in list(case, "steps").enumerate() {
                let recorded = Answer::recorded(step)?;
                let expected = OTHERWISE.iter().find(|(known, step, _)| *known == name && *step == index);
                let expected = expected.map_or(recorded, |(_, _, otherwise)| otherwise.to_answer(step));
                let answer = match opener.open(&bytes(step, "frame")?, NOW) {
                    Ok((_, plaintext)) => Answer::Plaintext(Some(hex::encode(plaintext))),
                    Err(refused) => Answer::Error(refused.number().number().into()),
                };
                same(&format!("step {index}"), &answer.like(&expected), &expected)?;
            }
            Ok(())
        },
    )
}

/// What is delivered or refused otherwise than the peer does, on purpose.
enum Otherwise {
    /// Refused with this number.
    Refused(u64),
    /// Delivered, whatever it holds.
    Delivered,
}

impl Otherwise {
    fn to_answer(&self, step: &Value) -> Answer {
        match self {
            Self::Refused(number) => Answer::Error(*number),
            Self::Delivered => Answer::Plaintext(plaintext(step)),
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
];

/// What came of a frame.
#[derive(Debug, PartialEq)]
enum Answer {
    /// Delivered, with this plaintext where it is known.
    Plaintext(Option<String>),
    /// Refused with this number.
    Error(u64),
}

impl Answer {
    fn recorded(step: &Value) -> Result<Self, String> {
        let error = list(step, "events").find(|event| is_kind(event, "error"));
        match error {
            Some(error) => Ok(Self::Error(number(error, "code")?)),
            None => Ok(Self::Plaintext(Some(plaintext(step).ok_or("neither payload nor error")?))),
        }
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
    let payload = list(step, "events").find(|event| is_kind(event, "payload_received"))?;
    field(payload, "plaintext")?.as_str().map(ToOwned::to_owned)
}

fn is_kind(event: &Value, kind: &str) -> bool {
    field(event, "kind").and_then(Value::as_str) == Some(kind)
}

fn is_control(step: &Value) -> bool {
    let frame = bytes(step, "frame").unwrap_or_default();
    Frame::decode(&frame).is_ok_and(|frame| frame.header.class == StreamClass::Control)
}

/// A whole change of members: every frame is checked as one of [`stack::frames`] and opens at everybody who got it.
pub(super) fn transition(file: &File) -> Outcome {
    file.each(|case| {
        let mut members = BTreeMap::new();
        let next = keys_of(&bytes(case, "exporter_secret_epoch_2")?)?;
        // The third is the joiner: it has the next keys and waits in the first epoch of the node.
        for (member, secret) in [(1, 1), (2, 1), (3, 2)] {
            let keys = keys_of(&bytes(case, &format!("exporter_secret_epoch_{secret}"))?)?;
            let group = GroupId::new(&bytes(case, "group_id")?).map_err(|why| why.to_string())?;
            let opener = Opener::new(group, Epoch::new(1), TransitionId::new(0), keys);
            members.insert(member, opener.map_err(|why| why.to_string())?);
        }
        for (index, step) in list(case, "steps").enumerate() {
            step_of_transition(step, &mut members, &next).map_err(|why| format!("step {index}: {why}"))?;
        }
        Ok(())
    })
}

fn step_of_transition(step: &Value, members: &mut BTreeMap<u64, Opener>, next: &Arc<ClassKeys>) -> Verdict {
    stack::frame(step)?;
    let header = field(step, "header").ok_or("header is missing")?;
    let sender = number(step, "sender_member")?;
    go_on(members, sender, number(header, "ep")?, next)?;
    for received in list(step, "received") {
        let member = number(received, "by_member")?;
        let opener = members.get_mut(&member).ok_or("an unknown member")?;
        let (_, plaintext) =
            opener.open(&bytes(step, "frame")?, NOW).map_err(|why| format!("member {member}: {why}"))?;
        same_bytes("plaintext", &plaintext, &bytes(step, "plaintext")?)?;
        for event in list(received, "events").filter(|event| is_kind(event, "epoch_advanced")) {
            go_on(members, member, number(event, "epoch")?, next)?;
        }
    }
    Ok(())
}

/// Lets a member follow to the epoch, with the next keys, if it is not there.
fn go_on(members: &mut BTreeMap<u64, Opener>, member: u64, epoch: u64, next: &Arc<ClassKeys>) -> Verdict {
    let opener = members.get_mut(&member).ok_or("an unknown member")?;
    if opener.epoch() < Epoch::new(epoch) {
        let grace = Duration::from_secs(10);
        opener.advance(Epoch::new(epoch), TransitionId::new(1), Arc::clone(next), NOW, grace);
    }
    Ok(())
}

fn opener(case: &Value, group: &[u8], epoch: u64, transition: u64) -> Result<Opener, String> {
    let group = GroupId::new(group).map_err(|why| why.to_string())?;
    let transition = TransitionId::new(u32::try_from(transition).map_err(|why| why.to_string())?);
    Opener::new(group, Epoch::new(epoch), transition, keys(case)?).map_err(|why| why.to_string())
}

/// The class keys of a case, by its exporter secret.
pub(super) fn keys(case: &Value) -> Result<Arc<ClassKeys>, String> {
    keys_of(&bytes(case, "exporter_secret")?)
}

fn keys_of(exporter_secret: &[u8]) -> Result<Arc<ClassKeys>, String> {
    let keys = ClassKeys::from_exporter_secret(&Secret::copy_from(exporter_secret));
    keys.map(Arc::new).map_err(|why| why.to_string())
}
