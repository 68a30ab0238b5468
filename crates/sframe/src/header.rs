//! The header of a frame (RFC 9605, section 4.3) and the key id in it (section 5.2).
//!
//! One byte says how key id and counter follow: a value below eight stands in it, a larger one takes one to eight
//! bytes. Headers are written in the shortest form and read in any: what is authenticated is what was received.

use std::fmt;

use coterie_types::{Epoch, LeafIndex};

use crate::error::SetupError;
use crate::limits::MAX_HEADER;

/// Values below this stand in the first byte.
const INLINE: u64 = 8;

/// Set where a value follows the first byte.
const EXTENDED: u8 = 0b1000;

/// Bits of a key id that hold the epoch, and as many that hold the leaf.
const FIELD_BITS: u32 = 16;

/// Which key a frame is sealed with.
///
/// From the low end: 16 bits of the epoch, 16 bits of the sender's leaf, 32 bits of context. The context tells apart
/// keys that one leaf sends under; it is zero except after a restored backup.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(u64);

impl KeyId {
    /// Any key id, as it came in a header.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The key id under which the member at `leaf` sends in `epoch`.
    ///
    /// # Errors
    /// [`SetupError::LeafTooLarge`] above 65,535: the id would be another member's.
    pub fn of_member(epoch: Epoch, leaf: LeafIndex) -> Result<Self, SetupError> {
        let leaf = u16::try_from(leaf.number()).map_err(|_| SetupError::LeafTooLarge(leaf))?;
        Ok(Self(u64::from(leaf) << FIELD_BITS | u64::from(Self::low_bits(epoch))))
    }

    /// The same member and epoch in another context, which has another key.
    #[must_use]
    pub const fn in_context(self, context: u32) -> Self {
        Self((self.0 & 0xffff_ffff) | (context as u64) << 32)
    }

    /// As it stands in a header.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The leaf that it claims.
    #[must_use]
    pub const fn leaf(self) -> LeafIndex {
        LeafIndex::new((self.0 >> FIELD_BITS) as u32 & 0xffff)
    }

    /// The context that it claims.
    #[must_use]
    pub const fn context(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether it may belong to `epoch`: only the low bits are there.
    #[must_use]
    pub const fn is_of(self, epoch: Epoch) -> bool {
        self.0 as u16 == Self::low_bits(epoch)
    }

    /// What a key id says of an epoch.
    pub(crate) const fn low_bits(epoch: Epoch) -> u16 {
        epoch.number() as u16
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What stands at the beginning of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// The key.
    pub key_id: KeyId,
    /// The frame's number under that key.
    pub counter: u64,
}

impl Header {
    /// Reads the header at the beginning of `frame` and answers how long it is; none where `frame` is shorter than it
    /// announces.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<(Self, usize)> {
        let (first, rest) = frame.split_first()?;
        let (key_id, rest) = read_field(first >> 4, rest)?;
        let (counter, rest) = read_field(first & 0b1111, rest)?;
        let length = frame.len().checked_sub(rest.len())?;
        Some((Self { key_id: KeyId(key_id), counter }, length))
    }

    /// The header in its shortest form.
    #[must_use]
    pub fn write(self) -> Written {
        Prefix::new(self.key_id).with(self.counter)
    }
}

/// A value of four bits, or the bytes that they announce.
fn read_field(bits: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    if bits & EXTENDED == 0 {
        return Some((u64::from(bits), rest));
    }
    let (bytes, rest) = rest.split_at_checked(usize::from(bits & 0b111).checked_add(1)?)?;
    Some((bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)), rest))
}

/// The four bits of a value, and how many bytes follow.
const fn field_bits(value: u64) -> (u8, usize) {
    if value < INLINE {
        return (value as u8, 0);
    }
    let length = value.ilog2() / 8;
    (EXTENDED | length as u8, (length as usize).saturating_add(1))
}

/// A header as bytes.
#[derive(Clone, Copy)]
pub struct Written {
    bytes: [u8; MAX_HEADER],
    length: usize,
}

impl Written {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The part of a header that is the same for every frame of a key.
#[derive(Clone, Copy)]
pub(crate) struct Prefix {
    written: Written,
}

impl Prefix {
    pub(crate) fn new(key_id: KeyId) -> Self {
        let (bits, follow) = field_bits(key_id.0);
        let mut bytes = [0; MAX_HEADER];
        bytes[0] = bits << 4;
        let length = append(&mut bytes, 1, key_id.0, follow);
        Self { written: Written { bytes, length } }
    }

    /// Longest header with this prefix.
    pub(crate) const fn max_length(&self) -> usize {
        self.written.length.saturating_add(8)
    }

    pub(crate) fn with(&self, counter: u64) -> Written {
        let (bits, follow) = field_bits(counter);
        let mut bytes = self.written.bytes;
        bytes[0] |= bits;
        let length = append(&mut bytes, self.written.length, counter, follow);
        Written { bytes, length }
    }
}

/// Writes the last `follow` bytes of `value` at `at` and answers where they end. What follows them is zero.
fn append(bytes: &mut [u8; MAX_HEADER], at: usize, value: u64, follow: usize) -> usize {
    let unused = 8_usize.saturating_sub(follow).saturating_mul(8);
    let target = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
    if let (Some(target), Some(value)) = (target, value.checked_shl(unused as u32)) {
        *target = value.to_be_bytes();
    }
    at.saturating_add(follow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_read_and_write() {
        for (key_id, counter, bytes) in [
            (0, 0, &[0x00][..]),
            (7, 7, &[0x77]),
            (8, 0, &[0x80, 0x08]),
            (0x1_0001, 8, &[0xa8, 1, 0, 1, 8]),
            (0x3_0005, 0, &[0xa0, 3, 0, 5]),
            (0xffff_ffff, u64::MAX, &[0xbf, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            let header = Header { key_id: KeyId(key_id), counter };
            assert_eq!(header.write().as_bytes(), bytes);
            assert_eq!(Header::read(bytes), Some((header, bytes.len())));
            assert_eq!(Header::read(&[bytes, b"more"].concat()), Some((header, bytes.len())));
        }
    }

    #[test]
    fn a_header_cut_anywhere_is_none() {
        for first in 0..=u8::MAX {
            let whole = [&[first][..], &[0xab; 16]].concat();
            let (_, length) = Header::read(&whole).unwrap();
            for cut in 0..length {
                assert_eq!(Header::read(&whole[..cut]), None, "{first:02x}, {cut}");
            }
            assert_eq!(Header::read(&whole[..length]), Header::read(&whole));
        }
    }

    #[test]
    fn longer_forms_of_a_number_mean_the_same_number() {
        let header = Header { key_id: KeyId(5), counter: 6 };
        assert_eq!(Header::read(&[0x99, 0, 5, 0, 6]), Some((header, 5)));
        assert_eq!(header.write().as_bytes(), [0x56]);
    }

    #[test]
    fn a_key_id_holds_leaf_above_epoch_and_context_above_both() {
        let key_id = KeyId::of_member(Epoch::new(0x0009_0005), LeafIndex::new(3)).unwrap();
        assert_eq!(key_id.number(), 0x0003_0005);
        assert_eq!((key_id.leaf(), key_id.context()), (LeafIndex::new(3), 0));
        assert!(key_id.is_of(Epoch::new(5)) && !key_id.is_of(Epoch::new(6)));
        let other = key_id.in_context(7).in_context(9);
        assert_eq!((other.number(), other.leaf()), (0x9_0003_0005, LeafIndex::new(3)));
        let last = KeyId::of_member(Epoch::new(0), LeafIndex::new(0xffff)).unwrap();
        assert_eq!(last.number(), 0xffff_0000);
    }

    #[test]
    fn a_leaf_that_would_be_taken_for_another_is_refused() {
        let leaf = LeafIndex::new(0x1_0000);
        assert_eq!(KeyId::of_member(Epoch::new(1), leaf), Err(SetupError::LeafTooLarge(leaf)));
    }
}
