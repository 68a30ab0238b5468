//! Text as the published client sends and takes it.

use coterie_gtp::{Incoming, ReceiveError, TextOptions, Verdict};
use coterie_seen::Origin;
use coterie_types::{Epoch, MemberId, MessageId, RequestId, StreamClass, Timestamp};
use coterie_wire::payload::{ContentType, MessageFlags, TextMessage};
use coterie_wire::{Codec, PayloadFormat};

use crate::error::CompatError;
use crate::mls::MlsContext;
use crate::node::{GroupNode, OutboundFrame};

/// Sends text and tells new from duplicate.
#[derive(Debug)]
pub struct TextClient(coterie_gtp::TextClient);

/// A message that was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeardText {
    /// Whether its sender's number was not seen in this epoch.
    pub is_new: bool,
    /// The message.
    pub message: TextMessage,
}

impl TextClient {
    /// A client that has seen nothing.
    ///
    /// # Errors
    /// Never; what it stands on can refuse limits of a history, and has none here.
    pub fn new() -> Result<Self, CompatError> {
        let client = coterie_gtp::TextClient::new(MemberId::EVERYBODY, TextOptions::deployed());
        client.map(Self).ok_or(CompatError::Argument("the client's options"))
    }

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
        let message = TextMessage {
            id,
            sender: node.member(),
            sent_at: Timestamp::from_millis(0),
            request: RequestId::new(0),
            flags: MessageFlags::URGENT,
            content_type: ContentType::Plain,
            content: text.as_bytes().to_vec(),
        };
        node.send(mls, target, (StreamClass::Text, codec), &message.encode(codec)?)
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
        now: Timestamp,
    ) -> Result<HeardText, ReceiveError> {
        let incoming = Incoming { payload, format, origin: Origin::Unknown, epoch, now };
        let received = self.0.receive(&incoming)?;
        Ok(HeardText { is_new: received.verdict == Verdict::New, message: received.message })
    }

    /// Forgets what was seen.
    pub fn reset(&mut self) {
        let _ = self.0.reset();
    }
}
