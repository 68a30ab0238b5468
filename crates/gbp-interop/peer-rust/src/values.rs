//! Values of calls: bytes are `{"hex": text}`, objects `{"ref": number}`, integers beyond 2^53 `{"int": text}`.

use anyhow::Context as _;
use serde_json::{Value, json};

/// What a call is given.
#[derive(Clone, Copy)]
pub struct Arguments<'a>(pub &'a [Value]);

impl<'a> Arguments<'a> {
    fn at(self, index: usize) -> anyhow::Result<&'a Value> {
        self.0.get(index).with_context(|| format!("argument {index} is missing"))
    }

    pub fn bytes(self, index: usize) -> anyhow::Result<Vec<u8>> {
        to_bytes(self.at(index)?)
    }

    /// Every argument, as bytes.
    pub fn all_bytes(self) -> anyhow::Result<Vec<Vec<u8>>> {
        self.0.iter().map(to_bytes).collect()
    }

    pub fn text(self, index: usize) -> anyhow::Result<&'a str> {
        self.at(index)?.as_str().with_context(|| format!("argument {index} is a text"))
    }

    pub fn number<T: TryFrom<u64>>(self, index: usize) -> anyhow::Result<T> {
        let value = self.at(index)?;
        let large = value.get("int").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let number = value.as_u64().or(large).and_then(|number| T::try_from(number).ok());
        number.with_context(|| format!("argument {index} is a number that fits"))
    }

    pub fn object(self, index: usize) -> anyhow::Result<usize> {
        reference(self.at(index)?).with_context(|| format!("argument {index} is an object"))
    }
}

pub fn reference(value: &Value) -> Option<usize> {
    value.get("ref")?.as_u64()?.try_into().ok()
}

pub fn bytes(bytes: &[u8]) -> Value {
    json!({ "hex": hex::encode(bytes) })
}

fn to_bytes(value: &Value) -> anyhow::Result<Vec<u8>> {
    Ok(hex::decode(value.get("hex").and_then(Value::as_str).context("bytes were expected")?)?)
}
