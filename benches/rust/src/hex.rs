//! Bytes in JSON.

use anyhow::{Context, Result};
use serde_json::Value;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &Value) -> Result<Vec<u8>> {
    let text = text.as_str().context("hex")?;
    (0..text.len() / 2).map(|index| Ok(u8::from_str_radix(&text[2 * index..2 * index + 2], 16)?)).collect()
}
