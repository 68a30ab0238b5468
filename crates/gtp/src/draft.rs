//! What is said, before it has a number.

use coterie_types::{MemberId, MessageId, RequestId, Timestamp};
use coterie_wire::Codec;
use coterie_wire::payload::{ContentType, MessageFlags, TextMessage};

use crate::row::RowChange;

/// A message that is to be sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Draft {
    /// Its number; the next one where nobody cares. A number of one's own must be new.
    pub id: Option<MessageId>,
    /// When it was written.
    pub sent_at: Timestamp,
    /// The request that it answers, or begins.
    pub request: RequestId,
    /// Hints.
    pub flags: MessageFlags,
    /// What the content is.
    pub content_type: ContentType,
    /// The content.
    pub content: Vec<u8>,
    /// How it is encoded.
    pub codec: Codec,
}

/// A message that is ready to be sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// The message.
    pub message: TextMessage,
    /// How its payload begins.
    pub(crate) head: Vec<u8>,
    /// Whether its content follows as it is.
    pub(crate) is_apart: bool,
    /// The payload's codec.
    pub codec: Codec,
    /// Rows to be written in the step that seals it.
    pub changes: Vec<RowChange>,
}

impl Outgoing {
    /// Its payload, for a frame of the text stream, in two parts that follow each other.
    #[must_use]
    pub fn parts(&self) -> (&[u8], &[u8]) {
        (&self.head, if self.is_apart { &self.message.content } else { &[] })
    }

    /// Its payload in one piece.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        <[&[u8]; 2]>::from(self.parts()).concat()
    }
}

impl Draft {
    /// Plain text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { content: text.as_bytes().to_vec(), ..Self::default() }
    }

    /// Plain text as deployed peers send it: no time, and always marked urgent.
    #[must_use]
    pub fn as_deployed(id: MessageId, text: &str, codec: Codec) -> Self {
        Self { id: Some(id), flags: MessageFlags::URGENT, codec, ..Self::text(text) }
    }

    /// Content of a type.
    #[must_use]
    pub fn content(content_type: ContentType, content: Vec<u8>) -> Self {
        Self { content_type, content, ..Self::default() }
    }

    pub(crate) fn message(self, sender: MemberId, id: MessageId) -> TextMessage {
        let Self { sent_at, request, flags, content_type, content, .. } = self;
        TextMessage { id, sender, sent_at, request, flags, content_type, content }
    }
}
