//! The smallest parts of an item, and the one form that each has.

use minicbor::Decoder;
use minicbor::data::Type;

use super::Writer;
use crate::Malformed;

/// A head, with its bytes where it is a string.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// An unsigned integer.
    Unsigned(u64),
    /// The negative integer -1-n.
    Negative(u64),
    /// A byte string.
    Bytes(&'a [u8]),
    /// A text string.
    Text(&'a str),
    /// The beginning of an array of so many items.
    Array(u64),
    /// The beginning of a map of so many pairs.
    Map(u64),
    /// A tag; its item follows.
    Tag(u64),
    /// A simple value; 20 to 23 are false, true, null and undefined.
    Simple(u8),
    /// A floating-point number.
    Float(f64),
}

/// False, as a simple value.
pub(super) const FALSE: u8 = 20;
/// True, as a simple value.
pub(super) const TRUE: u8 = 21;
/// Null, as a simple value.
pub(super) const NULL: u8 = 22;
/// Undefined, as a simple value.
pub(super) const UNDEFINED: u8 = 23;
/// The lowest simple value that has two bytes.
const LONG_SIMPLE: u8 = 32;

impl<'a> Token<'a> {
    /// The next token, if it is in its one form.
    pub(super) fn read(decoder: &mut Decoder<'a>) -> Result<Self, Malformed> {
        let start = decoder.position();
        let token = Self::any(decoder)?;
        let end = decoder.position();
        let written = decoder.input().get(start..end).ok_or(Malformed::Truncated)?;
        if !token.is_written_as(written) {
            return Err(Malformed::NotShortest);
        }
        token.fits(decoder.input().len().saturating_sub(end))
    }

    /// The next token in whatever form.
    fn any(decoder: &mut Decoder<'a>) -> Result<Self, Malformed> {
        let token = match decoder.datatype().map_err(refused)? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Self::Unsigned(decoder.u64().map_err(refused)?),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                let value = i128::from(decoder.int().map_err(refused)?);
                // -1-n and its complement are the same bits.
                Self::Negative(u64::try_from(!value).map_err(|_| Malformed::NotWellFormed)?)
            }
            Type::Bytes => Self::Bytes(decoder.bytes().map_err(refused)?),
            Type::String => Self::Text(decoder.str().map_err(refused)?),
            Type::Array => Self::Array(decoder.array().map_err(refused)?.ok_or(Malformed::Indefinite)?),
            Type::Map => Self::Map(decoder.map().map_err(refused)?.ok_or(Malformed::Indefinite)?),
            Type::Tag => Self::Tag(decoder.tag().map_err(refused)?.into()),
            Type::Bool => Self::Simple(if decoder.bool().map_err(refused)? { TRUE } else { FALSE }),
            Type::Null => decoder.null().map(|()| Self::Simple(NULL)).map_err(refused)?,
            Type::Undefined => decoder.undefined().map(|()| Self::Simple(UNDEFINED)).map_err(refused)?,
            Type::Simple => Self::Simple(decoder.simple().map_err(refused)?),
            Type::F16 => Self::Float(decoder.f16().map_err(refused)?.into()),
            Type::F32 => Self::Float(decoder.f32().map_err(refused)?.into()),
            Type::F64 => Self::Float(decoder.f64().map_err(refused)?),
            Type::ArrayIndef | Type::MapIndef | Type::BytesIndef | Type::StringIndef => {
                return Err(Malformed::Indefinite);
            }
            Type::Break | Type::Unknown(_) => return Err(Malformed::NotWellFormed),
        };
        Ok(token)
    }

    /// Whether `written` has the length of the token's shortest form; for numbers of several widths that decides it.
    fn is_written_as(self, written: &[u8]) -> bool {
        let (argument, content) = match self {
            Self::Unsigned(number) | Self::Negative(number) | Self::Tag(number) => (number, 0),
            Self::Array(count) | Self::Map(count) => (count, 0),
            Self::Bytes(bytes) => (bytes.len() as u64, bytes.len()),
            Self::Text(text) => (text.len() as u64, text.len()),
            Self::Simple(value) => return written.len() == 1 || value >= LONG_SIMPLE,
            Self::Float(value) => return Writer::default().float(value).finish() == written,
        };
        written.len().checked_sub(content) == Some(head_length(argument))
    }

    /// Refuses a count of items that the `left` bytes cannot hold.
    fn fits(self, left: usize) -> Result<Self, Malformed> {
        let least = match self {
            Self::Array(count) => count,
            Self::Map(count) => count.checked_mul(2).ok_or(Malformed::Truncated)?,
            _ => return Ok(self),
        };
        if least > left as u64 { Err(Malformed::Truncated) } else { Ok(self) }
    }
}

/// Bytes of a head with this argument in its shortest form.
const fn head_length(argument: u64) -> usize {
    match argument {
        0..=0x17 => 1,
        0x18..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// What the decoder says, in our words.
pub(super) fn refused(error: minicbor::decode::Error) -> Malformed {
    if error.is_end_of_input() { Malformed::Truncated } else { Malformed::NotWellFormed }
}
