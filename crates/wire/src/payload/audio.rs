//! Audio payloads.

use super::flat::Slot::{self, Bytes, U32, U64};
use super::{Fields, PayloadError, decode, encode, flat_root};
use crate::cbor::{Reader, Writer};
use crate::generated::flat_buffers::stack as flat;
use crate::generated::protobuf as fields;
use crate::{Codec, Malformed, PayloadFormat};

/// One packet of audio.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AudioPayload {
    /// Whose audio it is.
    pub source: MediaSource,
    /// The place in the source's stream, counted modulo 2^16.
    pub sequence: u16,
    /// When it was recorded, in samples at 48 kHz.
    pub timestamp: u64,
    /// The low half of the sender's epoch.
    pub key_phase: u32,
    /// An Opus frame, or an SFrame payload around one.
    pub frame: Vec<u8>,
}

/// A source of audio. It must be unique in the group: receivers tell streams apart by nothing else.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MediaSource(u32);

impl MediaSource {
    /// The source with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl AudioPayload {
    /// The payload.
    ///
    /// # Errors
    /// When it is above the limit.
    pub fn encode(&self, codec: Codec) -> Result<Vec<u8>, PayloadError> {
        let fields = fields::AudioPayload {
            media_source_id: self.source.0,
            rtp_sequence: self.sequence.into(),
            rtp_timestamp: self.timestamp,
            key_phase: self.key_phase,
            opus_frame: Vec::new(),
        };
        encode(codec, fields, &self.frame)
    }

    /// The packet in a payload.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(format: PayloadFormat, payload: &[u8]) -> Result<Self, PayloadError> {
        let fields: fields::AudioPayload = decode(format, payload)?;
        Ok(Self {
            source: MediaSource(fields.media_source_id),
            sequence: u16::try_from(fields.rtp_sequence).map_err(|_| Malformed::OutOfRange)?,
            timestamp: fields.rtp_timestamp,
            key_phase: fields.key_phase,
            frame: fields.opus_frame,
        })
    }
}

const KEYS: &[&str] = &["msid", "seq", "ts", "kp", "opus"];

impl Fields for fields::AudioPayload {
    const SLOTS: &'static [Slot] = &[U32, U32, U64, U32, Bytes];

    fn read_cbor(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        reader.record(KEYS, KEYS.len(), |key, reader| {
            match key {
                "msid" => fields.media_source_id = reader.unsigned()?,
                "seq" => fields.rtp_sequence = reader.unsigned()?,
                "ts" => fields.rtp_timestamp = reader.unsigned()?,
                "kp" => fields.key_phase = reader.unsigned()?,
                _ => fields.opus_frame = reader.bytes()?.to_vec(),
            }
            Ok(())
        })?;
        Ok(fields)
    }

    fn write_cbor(&self, body: u32, writer: &mut Writer) {
        writer.map(KEYS.len()).text("msid").unsigned(self.media_source_id);
        writer.text("seq").unsigned(self.rtp_sequence).text("ts").unsigned(self.rtp_timestamp);
        writer.text("kp").unsigned(self.key_phase).text("opus").bytes_ahead(body);
    }

    fn body(&mut self) -> &mut Vec<u8> {
        &mut self.opus_frame
    }

    fn read_flat(bytes: &[u8]) -> planus::Result<Self> {
        let table = <flat::AudioPayloadRef<'_> as planus::ReadAsRoot>::read_as_root(bytes)?;
        Ok(Self {
            media_source_id: table.media_source_id()?,
            rtp_sequence: table.rtp_sequence()?,
            rtp_timestamp: table.rtp_timestamp()?,
            key_phase: table.key_phase()?,
            opus_frame: table.opus_frame()?.unwrap_or_default().to_vec(),
        })
    }

    fn write_flat(self) -> Vec<u8> {
        flat_root(flat::AudioPayload {
            media_source_id: self.media_source_id,
            rtp_sequence: self.rtp_sequence,
            rtp_timestamp: self.rtp_timestamp,
            key_phase: self.key_phase,
            opus_frame: Some(self.opus_frame),
        })
    }
}
