//! CBOR items, through the strict layer.

use coterie_wire::cbor::{Reader, Token, Writer, check};
use serde_json::{Map, Value, json};

use crate::case::{File, bytes, field, same, same_bytes};
use crate::report::Outcome;

/// What is not in its one form is refused; the rest keeps its value and its bytes.
pub(super) fn appendix(file: &File) -> Outcome {
    file.each(|case| {
        let item = bytes(case, "hex")?;
        let canonical = field(case, "roundtrip").and_then(Value::as_bool).ok_or("roundtrip is missing")?;
        same("accepted", &check(&item).is_ok(), &canonical)?;
        if !canonical {
            return Ok(());
        }
        same_bytes("encoded again", &recode(&item)?, &item)?;
        field(case, "decoded").map_or(Ok(()), |decoded| same("value", &value(&item)?, decoded))
    })
}

/// The same item, token by token.
pub(super) fn recode(item: &[u8]) -> Result<Vec<u8>, String> {
    let (mut reader, mut writer) = (Reader::new(item), Writer::default());
    while !reader.is_at_end() {
        writer.token(reader.token().map_err(|why| why.to_string())?);
    }
    Ok(writer.finish())
}

fn value(item: &[u8]) -> Result<Value, String> {
    next(&mut Reader::new(item))
}

/// The next value as JSON. Published cases are nested a few levels only.
fn next(reader: &mut Reader<'_>) -> Result<Value, String> {
    Ok(match reader.token().map_err(|why| why.to_string())? {
        Token::Unsigned(number) => json!(number),
        Token::Negative(number) => negative(number),
        Token::Text(text) => json!(text),
        Token::Float(number) => json!(number),
        Token::Simple(20) => json!(false),
        Token::Simple(21) => json!(true),
        Token::Simple(22) => Value::Null,
        Token::Array(count) => (0..count).map(|_| next(reader)).collect::<Result<_, _>>()?,
        Token::Map(count) => {
            let mut map = Map::new();
            for _ in 0..count {
                let key = next(reader)?;
                let name = key.as_str().map_or_else(|| key.to_string(), ToOwned::to_owned);
                map.insert(name, next(reader)?);
            }
            Value::Object(map)
        }
        other => return Err(format!("{other:?} has no JSON value")),
    })
}

/// JSON has no integer below -2^63: the published file gives the nearest number.
#[expect(clippy::cast_precision_loss, reason = "as in the file")]
fn negative(number: u64) -> Value {
    i64::try_from(number).map_or_else(|_| json!(-1.0 - number as f64), |number| json!(!number))
}
