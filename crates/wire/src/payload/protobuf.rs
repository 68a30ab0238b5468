//! What a Protobuf message of ours may consist of, before prost reads it.

use prost::encoding::{WireType, decode_key, decode_varint};

use crate::Malformed;
use crate::limits::MAX_FIELDS;

/// Passes over the fields of one message without entering them: none is a group, which proto3 does not have and which
/// could nest, and there are at most [`MAX_FIELDS`]. That fields repeat, are unknown or are missing is proto3's way.
pub(super) fn check(bytes: &[u8]) -> Result<(), Malformed> {
    let mut left = bytes;
    let mut fields = 0_usize;
    while !left.is_empty() {
        fields = fields.saturating_add(1);
        if fields > MAX_FIELDS {
            return Err(Malformed::TooMany);
        }
        let (_, kind) = decode_key(&mut left).map_err(|_| Malformed::NotWellFormed)?;
        let length = match kind {
            WireType::Varint => {
                varint(&mut left)?;
                0
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => {
                usize::try_from(varint(&mut left)?).map_err(|_| Malformed::Truncated)?
            }
            WireType::StartGroup | WireType::EndGroup => return Err(Malformed::NotWellFormed),
        };
        left = left.get(length..).ok_or(Malformed::Truncated)?;
    }
    Ok(())
}

fn varint(left: &mut &[u8]) -> Result<u64, Malformed> {
    decode_varint(left).map_err(|_| Malformed::NotWellFormed)
}
