//! What the frames of one stream have in common, written once.
//!
//! Between two frames of a stream only the number, the size and the payload change. Whoever seals many of them keeps a
//! template and has the payload's place in the caller's buffer, so that nothing is copied or allocated for a frame.

use std::ops::Range;

use coterie_types::Sequence;

use crate::cbor::Writer;
use crate::cbor::head::{BYTES, Head, UNSIGNED};
use crate::frame::{FrameError, Header, Profile};
use crate::limits::MAX_FRAME;

const SIZE_KEY: &[u8] = b"\x63psz";
const PAYLOAD_KEY: &[u8] = b"\x62pl";

/// Everything of a frame but its number and payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    /// Up to the key of the number.
    front: Vec<u8>,
    /// What follows the payload.
    back: Vec<u8>,
}

impl Template {
    /// The template of frames that differ from `header` in their number alone.
    ///
    /// # Errors
    /// When the group id does not fit the profile.
    pub fn new(header: &Header) -> Result<Self, FrameError> {
        let group = header.group.as_bytes().len();
        if header.profile == Profile::Interop && group != Header::INTEROP_GROUP {
            return Err(FrameError::GroupLength(group));
        }
        let (mut front, mut back) = (Writer::with_capacity(96), Writer::default());
        header.front(&mut front, 2);
        header.back(&mut back);
        Ok(Self { front: front.finish(), back: back.finish() })
    }

    /// How long the frame with this number and so many bytes of payload is.
    ///
    /// # Errors
    /// When that is above [`MAX_FRAME`].
    pub fn length(&self, sequence: Sequence, payload: usize) -> Result<usize, FrameError> {
        let size = u32::try_from(payload).map_err(|_| FrameError::TooLarge(payload))?;
        let (number, size) = (Head::new(UNSIGNED, sequence.number()), Head::new(UNSIGNED, size));
        let parts = [number.len(), size.len(), size.len(), SIZE_KEY.len(), PAYLOAD_KEY.len(), payload];
        let constant = self.front.len().saturating_add(self.back.len());
        let length = parts.into_iter().fold(constant, usize::saturating_add);
        if length > MAX_FRAME { Err(FrameError::TooLarge(length)) } else { Ok(length) }
    }

    /// Writes the frame to the front of `out`, which is as long as [`Self::length`] says, and answers where the payload
    /// belongs; nothing where `out` is too short.
    #[must_use]
    pub fn write(&self, sequence: Sequence, payload: usize, out: &mut [u8]) -> Option<Range<usize>> {
        let length = u32::try_from(payload).ok()?;
        let number = Head::new(UNSIGNED, sequence.number());
        let (size, head) = (Head::new(UNSIGNED, length), Head::new(BYTES, length));
        let before = [&self.front, number.bytes(), SIZE_KEY, size.bytes(), PAYLOAD_KEY, head.bytes()];
        let mut start = 0_usize;
        for part in before {
            start = put(out, start, part)?;
        }
        let end = start.checked_add(payload)?;
        put(out, end, &self.back)?;
        Some(start..end)
    }
}

/// Copies `part` to `start` and answers where it ends.
fn put(out: &mut [u8], start: usize, part: &[u8]) -> Option<usize> {
    let end = start.checked_add(part.len())?;
    out.get_mut(start..end)?.copy_from_slice(part);
    Some(end)
}
