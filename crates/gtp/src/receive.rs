//! What is received, and what came of it.

use coterie_seen::Origin;
use coterie_types::{Epoch, Timestamp};
use coterie_wire::payload::{Chunk, ContentType, Manifest, Resync, TextMessage};
use coterie_wire::{Codec, PayloadFormat};

use crate::attachment::Progress;
use crate::catch_up::{Asked, CaughtUp};
use crate::row::RowChange;

/// A payload from the text stream, with what the frame layer knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The opened payload.
    pub payload: &'a [u8],
    /// Its codec, as the frame says.
    pub format: PayloadFormat,
    /// Who sent it.
    pub origin: Origin,
    /// The group's epoch.
    pub epoch: Epoch,
    /// Now.
    pub now: Timestamp,
}

/// How a message relates to what was received before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It was never seen.
    New,
    /// It was seen before, the same in all its fields.
    Duplicate,
    /// Another message was seen under its sender's number. That one stays.
    Conflicting,
    /// Another member had replayed something under this number that is not, or no longer known to be, the same; this is
    /// the sender's own word and takes its place.
    Corrected,
}

/// A message that was received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// The message, with all its fields.
    pub message: TextMessage,
    /// Whether it is new.
    pub verdict: Verdict,
    /// What it is to us.
    pub content: Content,
    /// Rows to be written in the step that received it.
    pub changes: Vec<RowChange>,
}

/// What a message is to us. Only a new one is anything else than a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// Something for the application.
    Message,
    /// A manifest or a piece of an attachment, which was taken in.
    Attachment(Progress),
    /// A member asks for what it is missing.
    Asked(Asked),
    /// A page of what was missing here.
    CaughtUp(CaughtUp),
}

/// What a message's content turns out to be, before anything is made of it.
pub(crate) enum Meaning {
    Message,
    Manifest(Manifest),
    Piece(Chunk),
    Resync(Resync),
}

impl Meaning {
    /// Pieces come under both types, since the protocol names none; manifests under one.
    pub(crate) fn of(message: &TextMessage, attachments: bool, resync: bool) -> Self {
        let (content, cbor) = (message.content.as_slice(), PayloadFormat::from(Codec::Cbor));
        let piece = || Chunk::decode(cbor, content).ok().filter(|_| attachments).map(Self::Piece);
        let found = match message.content_type {
            ContentType::Attachment if attachments => {
                Manifest::decode(cbor, content).ok().map(Self::Manifest).or_else(piece)
            }
            ContentType::Binary => {
                let exchange = Resync::decode(content).ok().filter(|_| resync).map(Self::Resync);
                exchange.or_else(piece)
            }
            _ => None,
        };
        found.unwrap_or(Self::Message)
    }
}
