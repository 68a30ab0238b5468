//! Text messages.

use coterie_types::{MemberId, MessageId, RequestId, Timestamp};

use super::flat::Slot::{self, Bytes, U32, U64};
use super::{Fields, PayloadError, decode, encode, encode_apart, flat_root, length};
use crate::cbor::{Reader, Writer};
use crate::generated::flat_buffers::stack as flat;
use crate::generated::protobuf as fields;
use crate::{Codec, Malformed, PayloadFormat};

/// A text message. `sender` is a claim until something authenticates it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TextMessage {
    /// Its number among all that its sender has sent.
    pub id: MessageId,
    /// Who says to have sent it.
    pub sender: MemberId,
    /// When, by the sender's clock. Deployed senders always write zero.
    pub sent_at: Timestamp,
    /// The request that it answers.
    pub request: RequestId,
    /// Hints.
    pub flags: MessageFlags,
    /// What the content is.
    pub content_type: ContentType,
    /// The content.
    pub content: Vec<u8>,
}

/// Hints about a text message. Unassigned bits are kept.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct MessageFlags(u8);

/// What a text message's content is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ContentType {
    /// UTF-8 text.
    #[default]
    Plain,
    /// Markdown.
    Markdown,
    /// Bytes that only the application knows.
    Binary,
    /// An attachment's manifest or a piece of it.
    Attachment,
    /// A type that this version does not know. It is handed on: refusing it is the group's policy.
    Other(u8),
}

impl MessageFlags {
    /// Urgent. Deployed senders set it on every message, so it says nothing.
    pub const URGENT: Self = Self(0x01);
    /// Not to be kept.
    pub const EPHEMERAL: Self = Self(0x02);
    /// To be kept.
    pub const PERSISTENT: Self = Self(0x04);

    /// The flags with these bits.
    #[must_use]
    pub const fn new(bits: u8) -> Self {
        Self(bits)
    }

    /// All bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl ContentType {
    /// The type with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Plain,
            1 => Self::Markdown,
            2 => Self::Binary,
            3 => Self::Attachment,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Markdown => 1,
            Self::Binary => 2,
            Self::Attachment => 3,
            Self::Other(number) => number,
        }
    }
}

impl TextMessage {
    /// The payload.
    ///
    /// # Errors
    /// When it is above the limit.
    pub fn encode(&self, codec: Codec) -> Result<Vec<u8>, PayloadError> {
        encode(codec, self.fields(), &self.content)
    }

    /// The payload in two parts that follow each other: the second is the content, where the codec has it as it is at the
    /// end, so that nobody has to copy it.
    ///
    /// # Errors
    /// When they are above the limit.
    pub fn encode_apart(&self, codec: Codec) -> Result<(Vec<u8>, &[u8]), PayloadError> {
        encode_apart(codec, self.fields(), &self.content, FIELDS_ROOM)
    }

    /// The message in a payload.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(format: PayloadFormat, payload: &[u8]) -> Result<Self, PayloadError> {
        let fields: fields::TextMessage = decode(format, payload)?;
        if length(&fields.content) != fields.content_length {
            return Err(PayloadError::ContentLength);
        }
        let narrow = |number| u8::try_from(number).map_err(|_| Malformed::OutOfRange);
        Ok(Self {
            id: MessageId::new(fields.message_id),
            sender: MemberId::new(fields.sender_id),
            sent_at: Timestamp::from_millis(fields.timestamp_ms),
            request: RequestId::new(fields.request_id),
            flags: MessageFlags(narrow(fields.flags)?),
            content_type: ContentType::from_number(narrow(fields.content_type)?),
            content: fields.content,
        })
    }

    fn fields(&self) -> fields::TextMessage {
        fields::TextMessage {
            message_id: self.id.number(),
            sender_id: self.sender.number(),
            timestamp_ms: self.sent_at.as_millis(),
            request_id: self.request.number(),
            flags: self.flags.0.into(),
            content_type: self.content_type.number().into(),
            content_length: length(&self.content),
            content: Vec::new(),
        }
    }
}

/// More than the values of all fields but the content take in CBOR.
const FIELDS_ROOM: usize = 48;

const KEYS: &[&str] = &["mid", "sid", "ts", "rid", "fl", "ct", "len", "body"];

impl Fields for fields::TextMessage {
    const SLOTS: &'static [Slot] = &[U64, U32, U64, U32, U32, U32, U32, Bytes];

    fn read_cbor(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        reader.record(KEYS, KEYS.len(), |key, reader| {
            match key {
                "mid" => fields.message_id = reader.unsigned()?,
                "sid" => fields.sender_id = reader.unsigned()?,
                "ts" => fields.timestamp_ms = reader.unsigned()?,
                "rid" => fields.request_id = reader.unsigned()?,
                "fl" => fields.flags = reader.unsigned()?,
                "ct" => fields.content_type = reader.unsigned()?,
                "len" => fields.content_length = reader.unsigned()?,
                _ => fields.content = reader.bytes()?.to_vec(),
            }
            Ok(())
        })?;
        Ok(fields)
    }

    fn write_cbor(&self, body: u32, writer: &mut Writer) {
        writer.map(KEYS.len()).text("mid").unsigned(self.message_id).text("sid").unsigned(self.sender_id);
        writer.text("ts").unsigned(self.timestamp_ms).text("rid").unsigned(self.request_id);
        writer.text("fl").unsigned(self.flags).text("ct").unsigned(self.content_type);
        writer.text("len").unsigned(self.content_length).text("body").bytes_ahead(body);
    }

    fn body(&mut self) -> &mut Vec<u8> {
        &mut self.content
    }

    fn read_flat(bytes: &[u8]) -> planus::Result<Self> {
        let table = <flat::TextMessageRef<'_> as planus::ReadAsRoot>::read_as_root(bytes)?;
        Ok(Self {
            message_id: table.message_id()?,
            sender_id: table.sender_id()?,
            timestamp_ms: table.timestamp_ms()?,
            request_id: table.request_id()?,
            flags: table.flags()?,
            content_type: table.content_type()?,
            content_length: table.content_length()?,
            content: table.content()?.unwrap_or_default().to_vec(),
        })
    }

    fn write_flat(self) -> Vec<u8> {
        flat_root(flat::TextMessage {
            message_id: self.message_id,
            sender_id: self.sender_id,
            timestamp_ms: self.timestamp_ms,
            request_id: self.request_id,
            flags: self.flags,
            content_type: self.content_type,
            content_length: self.content_length,
            content: Some(self.content),
        })
    }
}
