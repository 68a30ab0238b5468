//! What a receiver of audio answers to recorded payloads, in their order.

use coterie_gap::{Arrival, Inbound};
use coterie_testkit::T0;
use coterie_types::{Epoch, MemberId};
use coterie_wire::PayloadFormat;
use serde_json::Value;

use super::stack::Payload;
use crate::case::{Verdict, bytes, field, list, number, same};

/// Steps of recordings about order that are answered otherwise here on purpose: the first packet of a source is new
/// whatever its number, and after the wrap nothing that was seen or overtaken is new again.
const OTHERWISE: &[(usize, &str)] =
    &[(0, "new"), (5, "late"), (6, "late"), (7, "late"), (8, "late"), (9, "late")];

/// Whether a case is about audio.
pub(super) fn is_of(case: &Value) -> bool {
    case.get("layer").and_then(Value::as_str) == Some("gap")
}

/// Runs a case's steps through one receiver, which refuses the `stricter` ones although the peer takes them.
pub(super) fn received(case: &Value, stricter: &[usize]) -> Verdict {
    let about_order =
        field(case, "name").and_then(Value::as_str).is_some_and(|name| name.starts_with("gap order"));
    let mut receiver = None;
    for (index, step) in list(case, "steps").enumerate() {
        let epoch = Epoch::new(number(step, "epoch")?);
        let receiver = receiver.get_or_insert_with(|| Inbound::new(epoch));
        receiver.advance(epoch, T0);
        let ours =
            OTHERWISE.iter().find(|(other, _)| about_order && *other == index).map(|(_, status)| *status);
        let expected = if stricter.contains(&index) { Some("error") } else { ours };
        answered(receiver, step, expected).map_err(|why| format!("step {index}: {why}"))?;
    }
    Ok(())
}

/// One step; `expected` is our answer where it is not the peer's.
fn answered(receiver: &mut Inbound, step: &Value, expected: Option<&str>) -> Verdict {
    let result = field(step, "result").ok_or("result is missing")?;
    let recorded = field(result, "status").and_then(Value::as_str).ok_or("status is missing")?;
    let format = u8::try_from(number(step, "codec")?).map_err(|why| why.to_string())?;
    let payload = bytes(step, "payload")?;
    let accepted = receiver.receive(MemberId::EVERYBODY, PayloadFormat::new(format), &payload, T0);
    let status = match &accepted {
        Ok(accepted) if accepted.arrival == Arrival::New => "new",
        Ok(_) => "late",
        Err(_) => "error",
    };
    same("status", &status, &expected.unwrap_or(recorded))?;
    accepted.map_or(Ok(()), |accepted| Payload::Audio(accepted.payload).agrees_with(result))
}
