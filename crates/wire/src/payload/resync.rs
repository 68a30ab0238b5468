//! Catching up on text: what a member has seen, and what it is sent again.
//!
//! The protocol names such an exchange and defines no message for it. This one is ours. It travels as binary content of a
//! text message, in CBOR, and only in groups all of whose members advertise [`Resync::CAPABILITY`].

use std::collections::BTreeMap;

use coterie_types::{Epoch, MemberId, MessageId};

use super::{PayloadError, TextMessage};
use crate::cbor::{Reader, Writer};
use crate::limits::{MAX_PAYLOAD, MAX_REPLAYED, MAX_WATERMARKS};
use crate::{Codec, Malformed, PayloadFormat};

/// One side of the exchange.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Resync {
    /// Asks for what came after these.
    Request {
        /// The highest message seen of each sender.
        seen: BTreeMap<MemberId, MessageId>,
    },
    /// Messages again, with their own senders and ids, in the order in which they were kept. Whoever answers can
    /// have made them up: they are as trustworthy as that member.
    Replay {
        /// The messages, each with the epoch in which it was said where that is known.
        messages: Vec<(Option<Epoch>, TextMessage)>,
        /// Whether others follow.
        more: bool,
    },
}

const KEYS: &[&str] = &["resync", "seen", "messages", "more"];
const REQUEST: u8 = 1;
const REPLAY: u8 = 2;

impl Resync {
    /// The capability token that says that a member understands it.
    pub const CAPABILITY: &'static str = "coterie/resync-1";

    /// The content of the text message that carries it.
    ///
    /// # Errors
    /// When it is above a limit.
    pub fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        let mut writer = Writer::default();
        match self {
            Self::Request { seen } => {
                within(seen.len(), MAX_WATERMARKS)?;
                writer.map(2).text("resync").unsigned(REQUEST).text("seen").array(seen.len());
                for (sender, id) in seen {
                    writer.array(2).unsigned(sender.number()).unsigned(id.number());
                }
            }
            Self::Replay { messages, more } => {
                within(messages.len(), MAX_REPLAYED)?;
                writer.map(3).text("resync").unsigned(REPLAY).text("messages").array(messages.len());
                for (epoch, message) in messages {
                    writer.array(2).optional_unsigned(epoch.map(Epoch::number));
                    writer.bytes(&message.encode(Codec::Cbor)?);
                }
                writer.text("more").boolean(*more);
            }
        }
        let bytes = writer.finish();
        within(bytes.len(), MAX_PAYLOAD)?;
        Ok(bytes)
    }

    /// The exchange's side in `content`.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(content: &[u8]) -> Result<Self, PayloadError> {
        within(content.len(), MAX_PAYLOAD)?;
        let (mut kind, mut seen, mut payloads, mut more) = (0_u8, None, None, None);
        let mut reader = Reader::new(content);
        reader.record(KEYS, 1, |key, reader| {
            match key {
                "resync" => kind = reader.unsigned()?,
                "seen" => seen = Some(watermarks(reader)?),
                "messages" => payloads = Some(payloads_of(reader)?),
                _ => more = Some(reader.boolean()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        match (kind, seen, payloads, more) {
            (REQUEST, Some(seen), None, None) => Ok(Self::Request { seen }),
            (REPLAY, None, Some(payloads), Some(more)) => {
                let cbor = PayloadFormat::from(Codec::Cbor);
                let message = |(epoch, payload)| Ok((epoch, TextMessage::decode(cbor, payload)?));
                let messages = payloads.into_iter().map(message);
                Ok(Self::Replay { messages: messages.collect::<Result<_, PayloadError>>()?, more })
            }
            _ => Err(Malformed::OutOfRange.into()),
        }
    }
}

fn within(count: usize, most: usize) -> Result<(), Malformed> {
    if count > most { Err(Malformed::TooMany) } else { Ok(()) }
}

/// Pairs of a sender and a message, senders ascending: one form for one watermark.
fn watermarks(reader: &mut Reader<'_>) -> Result<BTreeMap<MemberId, MessageId>, Malformed> {
    let mut seen = BTreeMap::new();
    for _ in 0..reader.array(MAX_WATERMARKS)? {
        reader.tuple(2)?;
        let (sender, id) = (MemberId::new(reader.unsigned()?), MessageId::new(reader.unsigned()?));
        if seen.last_key_value().is_some_and(|(last, _)| *last >= sender) {
            return Err(Malformed::DuplicateKey);
        }
        seen.insert(sender, id);
    }
    Ok(seen)
}

/// A message's bytes, with the epoch in which it was said.
type Said<'a> = (Option<Epoch>, &'a [u8]);

fn payloads_of<'a>(reader: &mut Reader<'a>) -> Result<Vec<Said<'a>>, Malformed> {
    let payload = |reader: &mut Reader<'a>| {
        reader.tuple(2)?;
        Ok((reader.optional_unsigned()?.map(Epoch::new), reader.bytes()?))
    };
    (0..reader.array(MAX_REPLAYED)?).map(|_| payload(reader)).collect()
}
