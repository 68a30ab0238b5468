//! Signals with typed arguments.

use coterie_types::{MemberId, RequestId, StreamClass};

use super::flat::Slot::{self, Bytes, U32};
use super::{Fields, PayloadError, decode, encode, flat_root, length};
use crate::cbor::{Key, Reader, Writer};
use crate::generated::flat_buffers::stack as flat;
use crate::generated::protobuf as fields;
use crate::{Codec, Malformed, PayloadFormat};

/// A signal and who gives it. `sender` and `role_claim` are claims.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SignalMessage {
    /// What it is about.
    pub signal: Signal,
    /// Names it, so that a repetition is known as one.
    pub request: RequestId,
    /// Who says to have sent it.
    pub sender: MemberId,
    /// The role that the sender says to act in.
    pub role_claim: Role,
}

/// What a signal says, and about what.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Signal {
    /// The sender joins.
    Join,
    /// The sender leaves.
    Leave,
    /// A member gets a role.
    RoleChange {
        /// The member.
        target: MemberId,
        /// The role.
        role: Role,
    },
    /// A member is muted.
    Mute {
        /// The member, who need not be the sender.
        target: MemberId,
    },
    /// A member is no longer muted.
    Unmute {
        /// The member.
        target: MemberId,
    },
    /// The sender begins to publish.
    StreamStart {
        /// What it publishes.
        class: StreamClass,
    },
    /// The sender ends publishing.
    StreamStop {
        /// What it published.
        class: StreamClass,
    },
    /// The sender changes its codec.
    CodecUpdate {
        /// The codec, by a number that the application gives it.
        codec: u32,
    },
}

/// A role, by the number that the group gives it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Role(u32);

impl Role {
    /// The role with this number.
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

impl Signal {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Join => 100,
            Self::Leave => 101,
            Self::RoleChange { .. } => 102,
            Self::Mute { .. } => 200,
            Self::Unmute { .. } => 201,
            Self::StreamStart { .. } => 300,
            Self::StreamStop { .. } => 301,
            Self::CodecUpdate { .. } => 400,
        }
    }

    /// The arguments as the signal carries them: CBOR in every codec.
    #[must_use]
    pub fn arguments(self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Self::Join | Self::Leave => return Vec::new(),
            Self::RoleChange { target, role } => {
                writer.map(2).unsigned(0_u8).unsigned(target.number()).unsigned(1_u8).unsigned(role.0);
            }
            Self::Mute { target } | Self::Unmute { target } => {
                writer.map(1).unsigned(0_u8).unsigned(target.number());
            }
            Self::StreamStart { class } | Self::StreamStop { class } => {
                writer.map(1).unsigned(0_u8).unsigned(class.number());
            }
            Self::CodecUpdate { codec } => {
                writer.map(1).unsigned(0_u8).unsigned(codec);
            }
        }
        writer.finish()
    }

    /// The signal with this number and these arguments, whatever else they hold.
    ///
    /// # Errors
    /// When there is no such signal, or the arguments are not of its form.
    pub fn from_parts(number: u32, arguments: &[u8]) -> Result<Self, PayloadError> {
        match number {
            // Deployed receivers take any arguments here and look at none.
            100 => return Ok(Self::Join),
            101 => return Ok(Self::Leave),
            102 | 200 | 201 | 300 | 301 | 400 => {}
            other => return Err(PayloadError::Signal(other)),
        }
        let values = Values::read(arguments).map_err(PayloadError::Arguments)?;
        values.signal(number).map_err(PayloadError::Arguments)
    }
}

/// The two arguments that signals have.
#[derive(Default)]
struct Values {
    first: Option<u32>,
    second: Option<u32>,
}

impl Values {
    /// Keys must be unsigned integers; those that this version does not know may hold anything.
    fn read(arguments: &[u8]) -> Result<Self, Malformed> {
        let definite = definite(arguments)?;
        let mut reader = Reader::new(definite.as_deref().unwrap_or(arguments));
        let mut values = Self::default();
        reader.entries(|key, reader| {
            match key {
                Key::Unsigned(0) => values.first = Some(reader.unsigned()?),
                // Only a change of role has a second argument; elsewhere the key is anybody's.
                Key::Unsigned(1) => values.second = Reader::new(reader.item()?).unsigned().ok(),
                Key::Unsigned(_) => reader.skip()?,
                _ => return Err(Malformed::WrongType),
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(values)
    }

    fn signal(&self, number: u32) -> Result<Signal, Malformed> {
        let first = self.first.ok_or(Malformed::MissingKey("0"))?;
        let target = MemberId::new(first);
        let class = || {
            let class = u8::try_from(first).ok().and_then(StreamClass::from_number);
            class.ok_or(Malformed::OutOfRange)
        };
        Ok(match number {
            102 => {
                let role = self.second.ok_or(Malformed::MissingKey("1"))?;
                Signal::RoleChange { target, role: Role(role) }
            }
            200 => Signal::Mute { target },
            201 => Signal::Unmute { target },
            300 => Signal::StreamStart { class: class()? },
            301 => Signal::StreamStop { class: class()? },
            _ => Signal::CodecUpdate { codec: first },
        })
    }
}

const INDEFINITE_MAP: u8 = 0xbf;
const BREAK: u8 = 0xff;

/// The same arguments as a map of definite length, where they are one of indefinite length: the one place where the
/// protocol asks receivers to take both. What lies inside the map is as strict as elsewhere.
fn definite(arguments: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let [INDEFINITE_MAP, pairs @ .., BREAK] = arguments else { return Ok(None) };
    let mut reader = Reader::new(pairs);
    let mut items = 0_usize;
    while !reader.is_at_end() {
        reader.skip()?;
        items = items.saturating_add(1);
    }
    if !items.is_multiple_of(2) {
        return Err(Malformed::NotWellFormed);
    }
    let mut map = Writer::default().map(items / 2).finish();
    map.extend_from_slice(pairs);
    Ok(Some(map))
}

impl SignalMessage {
    /// The payload.
    ///
    /// # Errors
    /// None that a signal can have today; the limit is the payload's.
    pub fn encode(&self, codec: Codec) -> Result<Vec<u8>, PayloadError> {
        self.encode_arguments(codec, &self.signal.arguments())
    }

    /// The payload with arguments as they are given, which may hold more than the signal knows.
    ///
    /// # Errors
    /// When they are not arguments of this signal, or the payload is above the limit.
    pub fn encode_with(&self, codec: Codec, arguments: &[u8]) -> Result<Vec<u8>, PayloadError> {
        if Signal::from_parts(self.signal.number().into(), arguments)? != self.signal {
            return Err(PayloadError::Arguments(Malformed::OutOfRange));
        }
        self.encode_arguments(codec, arguments)
    }

    fn encode_arguments(&self, codec: Codec, arguments: &[u8]) -> Result<Vec<u8>, PayloadError> {
        let fields = fields::Signal {
            signal_type: self.signal.number().into(),
            request_id: self.request.number(),
            sender_id: self.sender.number(),
            role_claim: self.role_claim.0,
            args_length: length(arguments),
            args: Vec::new(),
        };
        encode(codec, fields, arguments)
    }

    /// The signal in a payload.
    ///
    /// # Errors
    /// When it is none, or its arguments are not of its form.
    pub fn decode(format: PayloadFormat, payload: &[u8]) -> Result<Self, PayloadError> {
        Self::decode_with(format, payload).map(|(message, _)| message)
    }

    /// The signal in a payload, and its arguments as they stand there.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_with(format: PayloadFormat, payload: &[u8]) -> Result<(Self, Vec<u8>), PayloadError> {
        let fields: fields::Signal = decode(format, payload)?;
        if length(&fields.args) != fields.args_length {
            return Err(PayloadError::ArgumentsLength);
        }
        let message = Self {
            signal: Signal::from_parts(fields.signal_type, &fields.args)?,
            request: RequestId::new(fields.request_id),
            sender: MemberId::new(fields.sender_id),
            role_claim: Role(fields.role_claim),
        };
        Ok((message, fields.args))
    }
}

const KEYS: &[&str] = &["t", "rid", "sid", "rc", "alen", "args"];

impl Fields for fields::Signal {
    const SLOTS: &'static [Slot] = &[U32, U32, U32, U32, U32, Bytes];

    fn read_cbor(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        reader.record(KEYS, KEYS.len(), |key, reader| {
            match key {
                "t" => fields.signal_type = reader.unsigned()?,
                "rid" => fields.request_id = reader.unsigned()?,
                "sid" => fields.sender_id = reader.unsigned()?,
                "rc" => fields.role_claim = reader.unsigned()?,
                "alen" => fields.args_length = reader.unsigned()?,
                _ => fields.args = reader.bytes()?.to_vec(),
            }
            Ok(())
        })?;
        Ok(fields)
    }

    fn write_cbor(&self, body: u32, writer: &mut Writer) {
        writer.map(KEYS.len()).text("t").unsigned(self.signal_type).text("rid").unsigned(self.request_id);
        writer.text("sid").unsigned(self.sender_id).text("rc").unsigned(self.role_claim);
        writer.text("alen").unsigned(self.args_length).text("args").bytes_ahead(body);
    }

    fn body(&mut self) -> &mut Vec<u8> {
        &mut self.args
    }

    fn read_flat(bytes: &[u8]) -> planus::Result<Self> {
        let table = <flat::SignalRef<'_> as planus::ReadAsRoot>::read_as_root(bytes)?;
        Ok(Self {
            signal_type: table.signal_type()?,
            request_id: table.request_id()?,
            sender_id: table.sender_id()?,
            role_claim: table.role_claim()?,
            args_length: table.args_length()?,
            args: table.args()?.unwrap_or_default().to_vec(),
        })
    }

    fn write_flat(self) -> Vec<u8> {
        flat_root(flat::Signal {
            signal_type: self.signal_type,
            request_id: self.request_id,
            sender_id: self.sender_id,
            role_claim: self.role_claim,
            args_length: self.args_length,
            // Unlike the content of text and audio, absent where it is empty.
            args: Some(self.args).filter(|args| !args.is_empty()),
        })
    }
}
