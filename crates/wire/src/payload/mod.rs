//! Payloads of text, audio and signals, each one value in three codecs.
//!
//! A codec knows fields; what the fields may hold is decided in one place for all three, when the fields become the
//! value. The fields are the generated Protobuf message, because it is the plainest of the three.

mod attachment;
mod audio;
mod flat;
mod protobuf;
mod resync;
mod signal;
mod text;

use coterie_types::{Code, ErrorCode};

pub use attachment::{AttachmentId, Chunk, Digest, Manifest};
pub use audio::{AudioPayload, MediaSource};
pub use resync::Resync;
pub use signal::{Role, Signal, SignalMessage};
pub use text::{ContentType, MessageFlags, TextMessage};

use crate::cbor::{Reader, Writer};
use crate::limits::MAX_PAYLOAD;
use crate::{Codec, ErrorNumber, Malformed, PayloadFormat};
use flat::Slot;

/// Why a payload was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Not the shape of such a payload in its codec.
    #[error("not such a payload: {0}")]
    Malformed(#[from] Malformed),
    /// A codec that is not known here.
    #[error("payload codec {0} is not known")]
    Codec(u8),
    /// A text message's length field and its content differ.
    #[error("the content has another length than announced")]
    ContentLength,
    /// A signal's length field and its arguments differ.
    #[error("the arguments have another length than announced")]
    ArgumentsLength,
    /// A signal that does not exist.
    #[error("signal {0} does not exist")]
    Signal(u32),
    /// A signal's arguments are not of its form.
    #[error("the signal's arguments are refused: {0}")]
    Arguments(Malformed),
    /// A manifest or a chunk contradicts itself.
    #[error("the attachment's numbers contradict each other")]
    Attachment,
}

impl PayloadError {
    /// The number under which the protocol knows this refusal, where it has one.
    #[must_use]
    pub fn number(&self) -> Option<ErrorNumber> {
        match self {
            Self::Malformed(_) | Self::Codec(_) => None,
            Self::ContentLength => Some(ErrorNumber::GTP_BAD_LENGTH),
            Self::ArgumentsLength | Self::Arguments(_) => Some(ErrorNumber::GSP_BAD_SCHEMA),
            Self::Signal(_) => Some(ErrorNumber::GSP_UNKNOWN_SIGNAL),
            Self::Attachment => Some(ErrorNumber::GTP_ATTACHMENT_INTEGRITY),
        }
    }
}

impl ErrorCode for PayloadError {
    fn code(&self) -> Code {
        match self {
            Self::Malformed(cause) => cause.code(),
            Self::Codec(_) => Code::WIRE_UNSUPPORTED_CODEC,
            _ => self.number().map_or(Code::WIRE_MALFORMED, ErrorNumber::code),
        }
    }
}

/// The fields of a payload, whatever they hold, in each of the codecs.
trait Fields: prost::Message + Default {
    /// What stands in each slot of the FlatBuffers table.
    const SLOTS: &'static [Slot];

    fn read_cbor(reader: &mut Reader<'_>) -> Result<Self, Malformed>;
    /// Everything up to the body, which is the last field, of this length, and follows.
    fn write_cbor(&self, body: u32, writer: &mut Writer);
    /// The field that may be large. It is kept apart, so that nothing is copied where the codec does not ask for it.
    fn body(&mut self) -> &mut Vec<u8>;
    /// Called on a table that was verified against [`Self::SLOTS`].
    fn read_flat(bytes: &[u8]) -> planus::Result<Self>;
    fn write_flat(self) -> Vec<u8>;
}

fn decode<F: Fields>(format: PayloadFormat, bytes: &[u8]) -> Result<F, PayloadError> {
    if bytes.len() > MAX_PAYLOAD {
        return Err(Malformed::TooLong.into());
    }
    match format.codec().ok_or(PayloadError::Codec(format.number()))? {
        Codec::Cbor => {
            let mut reader = Reader::new(bytes);
            let fields = F::read_cbor(&mut reader)?;
            reader.finish()?;
            Ok(fields)
        }
        Codec::Protobuf => {
            protobuf::check(bytes)?;
            Ok(F::decode(bytes).map_err(|_| Malformed::NotWellFormed)?)
        }
        Codec::FlatBuffers => {
            flat::check(bytes, F::SLOTS)?;
            Ok(F::read_flat(bytes).map_err(|_| Malformed::NotWellFormed)?)
        }
    }
}

/// `fields` and their body, which they do not hold yet.
fn encode<F: Fields>(codec: Codec, fields: F, body: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let room = fields.encoded_len().saturating_add(body.len());
    let (mut bytes, rest) = encode_apart(codec, fields, body, room)?;
    bytes.extend_from_slice(rest);
    Ok(bytes)
}

/// The same in two parts that follow each other: the second is the body, where the codec has it as it is at the end.
/// The first has `room` for more than it holds.
fn encode_apart<F: Fields>(
    codec: Codec,
    mut fields: F,
    body: &[u8],
    room: usize,
) -> Result<(Vec<u8>, &[u8]), PayloadError> {
    if codec != Codec::Cbor {
        *fields.body() = body.to_vec();
    }
    let (bytes, rest) = match codec {
        Codec::Cbor => {
            let mut writer = Writer::with_capacity(room.saturating_add(KEYS_ROOM));
            fields.write_cbor(length(body), &mut writer);
            (writer.finish(), body)
        }
        Codec::Protobuf => (fields.encode_to_vec(), NO_BYTES),
        Codec::FlatBuffers => (fields.write_flat(), NO_BYTES),
    };
    let whole = bytes.len().saturating_add(rest.len());
    if whole > MAX_PAYLOAD { Err(Malformed::TooLong.into()) } else { Ok((bytes, rest)) }
}

const NO_BYTES: &[u8] = &[];

/// More than the keys of any payload take in CBOR.
const KEYS_ROOM: usize = 64;

/// A table as the root of a buffer of its own.
fn flat_root<T>(table: impl planus::WriteAsOffset<T>) -> Vec<u8> {
    planus::Builder::new().finish(table, None).to_vec()
}

/// The length of a part that was refused above [`MAX_PAYLOAD`] already, or will be.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
