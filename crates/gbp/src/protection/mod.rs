//! How a frame's payload is protected, in the two profiles that a group can agree on.
//!
//! [`interop`] is what peers of the published stack do, byte for byte, with every defence that the format leaves room
//! for. [`sealed`] is for groups of our own: every message has its sender's signature and a key of its own, and the
//! header is part of what is authenticated. [`agreement`] is how a group says which of them it has.
//!
//! Nothing moves before a frame has authenticated: no window, no stream, no key.

pub mod agreement;
pub mod interop;
mod members;
mod replay;
mod screen;
pub mod sealed;
mod sealing;

use std::borrow::Cow;
use std::ops::Range;

use coterie_types::{Epoch, LeafIndex, MemberId, Sequence, StreamClass, StreamId, TransitionId};
use coterie_wire::{Flags, Frame, PayloadFormat};

pub use members::Members;

/// A payload to seal, and what its header says.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// What the stream carries.
    pub class: StreamClass,
    /// The stream.
    pub stream: StreamId,
    /// Hints.
    pub flags: Flags,
    /// The payload's codec.
    pub format: PayloadFormat,
    /// The payload in the clear.
    pub plaintext: Plaintext<'a>,
}

/// A payload in the clear. What is long in it may lie elsewhere, and is copied once, to where it is sealed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plaintext<'a> {
    head: &'a [u8],
    body: &'a [u8],
}

impl<'a> Plaintext<'a> {
    /// Two parts, one behind the other.
    #[must_use]
    pub const fn new(head: &'a [u8], body: &'a [u8]) -> Self {
        Self { head, body }
    }

    /// How long both are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.head.len().saturating_add(self.body.len())
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Both in one piece.
    fn whole(&self) -> Cow<'a, [u8]> {
        if self.body.is_empty() { self.head.into() } else { [self.head, self.body].concat().into() }
    }

    /// Writes both to `out`, which is as long as they are.
    fn write(&self, out: &mut [u8]) -> Option<()> {
        let (head, body) =
            out.split_at_mut_checked(self.head.len()).filter(|(_, body)| body.len() == self.body.len())?;
        head.copy_from_slice(self.head);
        body.copy_from_slice(self.body);
        Some(())
    }
}

impl<'a> From<&'a [u8]> for Plaintext<'a> {
    fn from(head: &'a [u8]) -> Self {
        Self { head, body: &[] }
    }
}

/// What is known of a frame that authenticated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// The epoch in its header.
    pub epoch: Epoch,
    /// The transition in its header.
    pub transition: TransitionId,
    /// What the stream carries.
    pub class: StreamClass,
    /// The stream.
    pub stream: StreamId,
    /// Hints.
    pub flags: Flags,
    /// The place in the stream.
    pub sequence: Sequence,
    /// The payload's codec.
    pub format: PayloadFormat,
    /// The leaf whose signature verified; none in the `interop` profile and for audio, where members can speak for
    /// each other.
    pub signer: Option<LeafIndex>,
    /// Where the plaintext lies in the buffer that was given.
    pub plaintext: Range<usize>,
}

impl Opened {
    fn new(frame: &Frame<'_>, signer: Option<LeafIndex>, plaintext: Range<usize>) -> Self {
        let header = &frame.header;
        Self {
            epoch: header.epoch,
            transition: header.transition,
            class: header.class,
            stream: header.stream,
            flags: header.flags,
            sequence: header.sequence,
            format: header.format,
            signer,
            plaintext,
        }
    }

    /// Whose stream it came on, where that is numbered in the standard way. In the `interop` profile it is a claim.
    #[must_use]
    pub fn member(&self) -> Option<MemberId> {
        self.stream.member(self.class)
    }

    /// Whether what a payload claims about its sender fits the stream that it came on. Payloads are not read in this
    /// layer, so whoever reads them asks.
    #[must_use]
    pub fn is_from(&self, claimed: MemberId) -> bool {
        self.member() == Some(claimed)
    }
}

/// Whether the keys of frames come from the group's exporter under this label, so that nothing else may.
#[must_use]
pub fn is_own_label(label: &str) -> bool {
    let of_class = StreamClass::ALL.into_iter().any(|class| interop::ClassKeys::label(class) == label);
    of_class || [sealed::NUMBERS_LABEL, sealed::MEDIA_LABEL].contains(&label)
}

/// The place of a class in a table of all.
const fn place(class: StreamClass) -> usize {
    class.number() as usize
}
