//! Text as the published client sends and takes it.

use coterie_gbp::protection::Plaintext;
use coterie_seen::Seen;
use coterie_types::{Epoch, MemberId, MessageId, RequestId, StreamClass, Timestamp};
use coterie_wire::payload::{ContentType, MessageFlags, PayloadError, TextMessage};
use coterie_wire::{Codec, PayloadFormat};

use crate::error::CompatError;
use crate::mls::MlsContext;
use crate::node::{GroupNode, OutboundFrame};

/// Sends text and tells new from duplicate, by sender and number alone: after a change of the epoch every message is new.
#[derive(Debug, Default)]
pub struct TextClient {
    epoch: Option<Epoch>,
    seen: Seen<MessageId, ()>,
}

/// A message that was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeardText {
    /// Whether its sender's number was not seen in this epoch.
    pub is_new: bool,
    /// The message.
    pub message: TextMessage,
}

impl TextClient {
    /// Seals a text.
    ///
    /// # Errors
    /// When it is too long or the node does not send.
    pub fn send(
        &self,
        (node, mls): (&mut GroupNode, &mut MlsContext),
        target: MemberId,
        id: MessageId,
        text: &str,
        codec: Codec,
    ) -> Result<OutboundFrame, CompatError> {
        let message = message(node.member(), id, text.as_bytes().to_vec());
        let (head, body) = message.encode_apart(codec)?;
        node.send(mls, target, (StreamClass::Text, codec), Plaintext::new(&head, body))
    }

    /// The same into the front of `out`; answers the frame's length. The content is text in UTF-8.
    ///
    /// # Errors
    /// As [`Self::send`], and when `out` is too short.
    pub fn send_into(
        (node, mls): (&mut GroupNode, &mut MlsContext),
        id: MessageId,
        content: Vec<u8>,
        codec: Codec,
        out: &mut [u8],
    ) -> Result<usize, CompatError> {
        let message = message(node.member(), id, content);
        let (head, body) = message.encode_apart(codec)?;
        node.send_into(mls, (StreamClass::Text, codec), Plaintext::new(&head, body), out)
    }

    /// Takes a payload.
    ///
    /// # Errors
    /// When it is none; nothing was changed.
    pub fn accept(
        &mut self,
        payload: &[u8],
        epoch: Epoch,
        format: PayloadFormat,
    ) -> Result<HeardText, PayloadError> {
        let message = TextMessage::decode(format, payload)?;
        if self.epoch != Some(epoch) {
            self.reset();
            self.epoch = Some(epoch);
        }
        let is_new = !self.seen.contains(message.sender, message.id);
        if is_new {
            self.seen.insert(message.sender, message.id, ());
        }
        Ok(HeardText { is_new, message })
    }

    /// Forgets what was seen.
    pub fn reset(&mut self) {
        self.epoch = None;
        self.seen.clear();
    }
}

/// Everything but number and text is what the deployed client writes.
fn message(sender: MemberId, id: MessageId, content: Vec<u8>) -> TextMessage {
    TextMessage {
        id,
        sender,
        sent_at: Timestamp::from_millis(0),
        request: RequestId::new(0),
        flags: MessageFlags::URGENT,
        content_type: ContentType::Plain,
        content,
    }
}
