//! The published Group Protocol Stack's crates behind lines of JSON on standard input and output.
//!
//! The lines are those of `../peer/peer.py`, and calls that the Python package has too have its names, so that the same
//! checks run against both. What else is here is what the package hides: timers, the coordinator's flag, invitations of
//! several members, media sessions, links.

mod links;
mod media;
mod objects;
mod stack;
mod values;

use std::io::Write as _;

use serde_json::{Value, json};

use crate::objects::Objects;

fn main() -> anyhow::Result<()> {
    let mut objects = Objects::new()?;
    let mut answers = std::io::stdout().lock();
    for line in std::io::stdin().lines() {
        let reply = match answer(&mut objects, &line?) {
            Ok(value) => json!({ "value": value }),
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        writeln!(answers, "{reply}")?;
        answers.flush()?;
    }
    Ok(())
}

/// A property is read like a call without arguments.
fn answer(objects: &mut Objects, line: &str) -> anyhow::Result<Value> {
    let order: Value = serde_json::from_str(line)?;
    let name = order.get("call").or_else(|| order.get("get")).and_then(Value::as_str).unwrap_or_default();
    let arguments = order.get("args").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    objects.call(order.get("of").unwrap_or(&Value::Null), name, values::Arguments(arguments))
}
