//! What a FlatBuffers table of ours may consist of, before planus reads it.
//!
//! FlatBuffers are read in place: a reader follows offsets, and what no offset leads to is never seen. Here every byte is
//! accounted for: it belongs to the root offset, the table, its vtable or one vector, parts do not overlap, and what
//! lies between them is zero and no longer than padding can be.

use crate::Malformed;
use crate::limits::MAX_SLOTS;

/// What stands in a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Slot {
    /// An unsigned number of 32 bits.
    U32,
    /// An unsigned number of 64 bits.
    U64,
    /// A vector of bytes.
    Bytes,
    /// A string, with the zero byte that ends each in this format.
    Text,
}

/// The size of an offset and of a vector's length.
const OFFSET: usize = 4;
/// The sizes of the vtable and of the table, before the slots.
const VTABLE_HEAD: usize = 4;
/// Alignment to 8 bytes leaves at most 7 between two parts.
const PADDING: usize = 7;

/// Bytes that belong to one part.
type Part = (usize, usize);

/// Refuses anything but one table with these slots, every byte of it accounted for.
pub(super) fn check(bytes: &[u8], slots: &[Slot]) -> Result<(), Malformed> {
    let table = at::<u32>(bytes, 0)?;
    let table = usize::try_from(table).map_err(|_| Malformed::Truncated)?;
    let vtable = vtable(bytes, table)?;
    let size = usize::from(at::<u16>(bytes, vtable)?);
    let table_size = usize::from(at::<u16>(bytes, sum(vtable, 2)?)?);
    let count = size.checked_sub(VTABLE_HEAD).filter(|slots| slots.is_multiple_of(2)).map(|slots| slots / 2);
    let count = count.ok_or(Malformed::NotWellFormed)?;
    if count > MAX_SLOTS {
        return Err(Malformed::TooMany);
    }
    let mut parts = vec![(0, OFFSET), (table, sum(table, OFFSET)?), (vtable, sum(vtable, size)?)];
    for index in 0..count {
        let entry = sum(vtable, index.saturating_mul(2).saturating_add(VTABLE_HEAD))?;
        let offset = usize::from(at::<u16>(bytes, entry)?);
        if offset != 0 {
            let slot = slots.get(index).ok_or(Malformed::Trailing)?;
            field(bytes, (table, table_size), offset, *slot, &mut parts)?;
        }
    }
    all_accounted(bytes, parts)
}

fn vtable(bytes: &[u8], table: usize) -> Result<usize, Malformed> {
    let back = i64::from(at::<i32>(bytes, table)?);
    let table = i64::try_from(table).map_err(|_| Malformed::Truncated)?;
    let vtable = table.checked_sub(back).and_then(|offset| usize::try_from(offset).ok());
    vtable.ok_or(Malformed::Truncated)
}

/// The parts of one field: its place in the table, and the vector that it points to.
fn field(
    bytes: &[u8],
    (table, size): Part,
    offset: usize,
    slot: Slot,
    parts: &mut Vec<Part>,
) -> Result<(), Malformed> {
    let width = if slot == Slot::U64 { 8 } else { OFFSET };
    if sum(offset, width)? > size {
        return Err(Malformed::NotWellFormed);
    }
    let place = sum(table, offset)?;
    parts.push((place, sum(place, width)?));
    let terminator = match slot {
        Slot::U32 | Slot::U64 => None,
        Slot::Bytes => Some(0),
        Slot::Text => Some(1),
    };
    if let Some(terminator) = terminator {
        let forward = usize::try_from(at::<u32>(bytes, place)?).map_err(|_| Malformed::Truncated)?;
        let vector = sum(place, forward)?;
        let length = usize::try_from(at::<u32>(bytes, vector)?).map_err(|_| Malformed::Truncated)?;
        let end = sum(sum(vector, OFFSET)?, length)?;
        padding(bytes, end, terminator)?;
        parts.push((vector, sum(end, terminator)?));
    }
    Ok(())
}

fn all_accounted(bytes: &[u8], mut parts: Vec<Part>) -> Result<(), Malformed> {
    parts.sort_unstable();
    let mut end = 0;
    for (start, stop) in parts {
        let between = start.checked_sub(end).ok_or(Malformed::NotWellFormed)?;
        padding(bytes, end, between)?;
        end = stop;
    }
    let rest = bytes.len().checked_sub(end).ok_or(Malformed::Truncated)?;
    // Writers that build from the back round the whole up; ours and the deployed ones end with the last part.
    if rest > 0 && !bytes.len().is_multiple_of(OFFSET) {
        return Err(Malformed::Trailing);
    }
    padding(bytes, end, rest)
}

fn padding(bytes: &[u8], start: usize, length: usize) -> Result<(), Malformed> {
    let between = bytes.get(start..sum(start, length)?).ok_or(Malformed::Truncated)?;
    let is_padding = length <= PADDING && between.iter().all(|byte| *byte == 0);
    if is_padding { Ok(()) } else { Err(Malformed::Trailing) }
}

/// A little-endian number.
fn at<T: Little>(bytes: &[u8], offset: usize) -> Result<T, Malformed> {
    bytes.get(offset..).and_then(T::first).ok_or(Malformed::Truncated)
}

trait Little: Sized {
    fn first(bytes: &[u8]) -> Option<Self>;
}

macro_rules! little {
    ($($number:ty)+) => {
        $(impl Little for $number {
            fn first(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().copied().map(Self::from_le_bytes)
            }
        })+
    };
}

little! { u16 u32 i32 }

fn sum(left: usize, right: usize) -> Result<usize, Malformed> {
    left.checked_add(right).ok_or(Malformed::Truncated)
}
