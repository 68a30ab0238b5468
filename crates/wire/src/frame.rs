//! The frame around every payload: whose group, epoch and stream it is, its number, and sealed bytes.
//!
//! Reading has two steps, because the protocol fixes the order in which a doubly wrong frame is refused:
//! [`Envelope::decode`] is the shape and the version; then the caller compares group and epoch; then
//! [`Envelope::into_frame`] checks size, class and number. Nothing of a frame is authenticated by reading it.
//!
//! Both protection profiles share the map. `interop` is what deployed peers write, byte for byte; `sealed` adds one
//! text key that names the profile, and the header without its payload is what the payload is bound to.

use coterie_types::{Code, Epoch, ErrorCode, GroupId, Sequence, StreamClass, StreamId, TransitionId};

use crate::cbor::{Reader, Writer};
use crate::limits::MAX_FRAME;
use crate::{ErrorNumber, Malformed, PayloadFormat, Template};

/// The only version there is. A peer stops for good at another one.
const VERSION: u8 = 1;

/// Keys in the order in which they are written; the last two are optional.
const KEYS: &[&str] = &["v", "gid", "ep", "tid", "st", "sid", "fl", "seq", "psz", "pl", "pf", "prof"];
const REQUIRED: usize = 10;

/// How a frame's payload is protected.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Profile {
    /// As the deployed stack does it; the header is not authenticated.
    Interop,
    /// Sender authentication, and the header bound to the payload.
    Sealed,
}

/// Hints about a frame, and whether its transition matters.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Flags(u16);

/// Everything about a frame but its payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// How the payload is protected.
    pub profile: Profile,
    /// Whose it is. The `interop` profile knows ids of exactly [`Header::INTEROP_GROUP`] bytes.
    pub group: GroupId,
    /// The sender's epoch.
    pub epoch: Epoch,
    /// The last transition that the sender has applied.
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
}

/// A well-formed frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    /// Everything but the payload.
    pub header: Header,
    /// The protected payload.
    pub payload: &'a [u8],
}

/// A frame of which only the shape and the version are checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Envelope<'a> {
    profile: Profile,
    group: &'a [u8],
    epoch: Epoch,
    transition: TransitionId,
    class: u8,
    stream: StreamId,
    flags: Flags,
    sequence: u32,
    size: u32,
    payload: &'a [u8],
    format: PayloadFormat,
}

/// Why a frame was refused, or cannot be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Not the shape of a frame.
    #[error("not a frame: {0}")]
    Malformed(#[from] Malformed),
    /// Another version of the protocol.
    #[error("version {0} of the protocol is not supported")]
    Version(u8),
    /// A protection profile that is not known here.
    #[error("protection profile {0} is not supported")]
    Profile(u64),
    /// A group id that no group of this profile can have.
    #[error("the group id has {0} bytes")]
    GroupLength(usize),
    /// The size field and the payload differ.
    #[error("the payload has another size than announced")]
    PayloadSize,
    /// A stream class that does not exist.
    #[error("stream class {0} does not exist")]
    Class(u8),
    /// Number zero, which comes before the first.
    #[error("a frame numbered zero")]
    Sequence,
    /// Longer than the limit.
    #[error("a frame of {0} bytes, above the limit of {MAX_FRAME}")]
    TooLarge(usize),
}

impl FrameError {
    /// The number under which the protocol knows this refusal.
    #[must_use]
    pub fn number(&self) -> ErrorNumber {
        match self {
            Self::Version(_) | Self::Profile(_) => ErrorNumber::GBP_UNSUPPORTED_VERSION,
            Self::GroupLength(_) => ErrorNumber::GBP_UNKNOWN_GROUP,
            Self::Sequence => ErrorNumber::GBP_REPLAY_DETECTED,
            Self::Malformed(_) | Self::PayloadSize | Self::Class(_) | Self::TooLarge(_) => {
                ErrorNumber::GBP_STREAM_POLICY_VIOLATION
            }
        }
    }
}

impl ErrorCode for FrameError {
    fn code(&self) -> Code {
        match self {
            Self::Malformed(cause) => cause.code(),
            Self::PayloadSize => Code::WIRE_MALFORMED,
            Self::TooLarge(_) => Code::WIRE_TOO_LARGE,
            _ => self.number().code(),
        }
    }
}

impl Profile {
    const SEALED: u64 = 1;

    /// The value of the key that names it; `interop` has none.
    const fn number(self) -> Option<u64> {
        match self {
            Self::Interop => None,
            Self::Sealed => Some(Self::SEALED),
        }
    }
}

impl Flags {
    /// Keep the order inside the stream.
    pub const ORDERED: Self = Self(0x0001);
    /// Repeat until it arrives.
    pub const RELIABLE: Self = Self(0x0002);
    /// An acknowledgement is wanted.
    pub const ACK_REQUESTED: Self = Self(0x0004);
    /// Control plane: to be handled before application data.
    pub const SYSTEM: Self = Self(0x0008);
    /// The frame's transition must be the receiver's last one.
    pub const CRITICAL: Self = Self(0x0010);

    /// What deployed senders set on audio.
    pub const AUDIO: Self = Self::ORDERED;
    /// What deployed senders set on text and signals.
    pub const MESSAGE: Self = Self(0x0007);
    /// What deployed senders set on PREPARE, READY and EXECUTE.
    pub const TRANSITION: Self = Self(0x001b);
    /// What deployed senders set on every other control message.
    pub const CONTROL: Self = Self(0x000b);

    /// The flags with these bits. Reserved ones are kept, and mean nothing.
    #[must_use]
    pub const fn new(bits: u16) -> Self {
        Self(bits)
    }

    /// All bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Header {
    /// Bytes of a group id in the `interop` profile.
    pub const INTEROP_GROUP: usize = 16;

    /// What a payload of the `sealed` profile is bound to: the header in its one form, without size and payload.
    #[must_use]
    pub fn authenticated_data(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(128);
        self.front(&mut writer, 0);
        writer.unsigned(self.sequence.number());
        self.back(&mut writer);
        writer.finish()
    }

    /// The map's head and everything up to the key of the number, in a map that has `more` pairs.
    pub(crate) fn front(&self, writer: &mut Writer, more: usize) {
        let format = usize::from(self.format.number() != 0);
        let profile = usize::from(self.profile.number().is_some());
        writer.map([8, format, profile, more].into_iter().sum());
        writer.text("v").unsigned(VERSION).text("gid").bytes(self.group.as_bytes());
        writer.text("ep").unsigned(self.epoch.number()).text("tid").unsigned(self.transition.number());
        writer.text("st").unsigned(self.class.number()).text("sid").unsigned(self.stream.number());
        writer.text("fl").unsigned(self.flags.bits()).text("seq");
    }

    /// The keys after the payload.
    pub(crate) fn back(&self, writer: &mut Writer) {
        if self.format.number() != 0 {
            writer.text("pf").unsigned(self.format.number());
        }
        if let Some(profile) = self.profile.number() {
            writer.text("prof").unsigned(profile);
        }
    }
}

impl<'a> Frame<'a> {
    /// The frame in `bytes`.
    ///
    /// # Errors
    /// When it is not one that could have been sent.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        Envelope::decode(bytes)?.into_frame()
    }

    /// The bytes on the wire.
    ///
    /// # Errors
    /// When the group id does not fit the profile, or the frame is above [`MAX_FRAME`].
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let template = Template::new(&self.header)?;
        let (sequence, size) = (self.header.sequence, self.payload.len());
        let mut bytes = vec![0; template.length(sequence, size)?];
        let place = template.write(sequence, size, &mut bytes);
        if let Some(place) = place.and_then(|place| bytes.get_mut(place)) {
            place.copy_from_slice(self.payload);
        }
        Ok(bytes)
    }
}

impl<'a> Envelope<'a> {
    /// The frame in `bytes`, as far as its shape and version go.
    ///
    /// # Errors
    /// When it is too long, not a frame, or of another version or profile.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLarge(bytes.len()));
        }
        let mut envelope = Self::EMPTY;
        let (mut version, mut profile) = (VERSION, None);
        let mut reader = Reader::new(bytes);
        reader.record(KEYS, REQUIRED, |key, reader| {
            match key {
                "v" => version = reader.unsigned()?,
                "prof" => profile = Some(reader.unsigned()?),
                _ => envelope.field(key, reader)?,
            }
            Ok(())
        })?;
        reader.finish()?;
        envelope.profile = match (version, profile) {
            (VERSION, None) => Profile::Interop,
            (VERSION, Some(Profile::SEALED)) => Profile::Sealed,
            (VERSION, Some(other)) => return Err(FrameError::Profile(other)),
            (other, _) => return Err(FrameError::Version(other)),
        };
        Ok(envelope)
    }

    const EMPTY: Self = Self {
        profile: Profile::Interop,
        group: &[],
        epoch: Epoch::new(0),
        transition: TransitionId::new(0),
        class: 0,
        stream: StreamId::new(0),
        flags: Flags(0),
        sequence: 0,
        size: 0,
        payload: &[],
        format: PayloadFormat::new(0),
    };

    fn field(&mut self, key: &str, reader: &mut Reader<'a>) -> Result<(), Malformed> {
        match key {
            "gid" => self.group = reader.bytes()?,
            "ep" => self.epoch = Epoch::new(reader.unsigned()?),
            "tid" => self.transition = TransitionId::new(reader.unsigned()?),
            "st" => self.class = reader.unsigned()?,
            "sid" => self.stream = StreamId::new(reader.unsigned()?),
            "fl" => self.flags = Flags(reader.unsigned()?),
            "seq" => self.sequence = reader.unsigned()?,
            "psz" => self.size = reader.unsigned()?,
            "pl" => self.payload = reader.bytes()?,
            _ => self.format = PayloadFormat::new(reader.unsigned()?),
        }
        Ok(())
    }

    /// The frame, if the rest of it can be one's.
    ///
    /// # Errors
    /// When the size, the class, the number or the group id cannot be.
    pub fn into_frame(self) -> Result<Frame<'a>, FrameError> {
        if u32::try_from(self.payload.len()) != Ok(self.size) {
            return Err(FrameError::PayloadSize);
        }
        let class = StreamClass::from_number(self.class).ok_or(FrameError::Class(self.class))?;
        let sequence = Sequence::new(self.sequence).ok_or(FrameError::Sequence)?;
        let length = FrameError::GroupLength(self.group.len());
        if self.profile == Profile::Interop && self.group.len() != Header::INTEROP_GROUP {
            return Err(length);
        }
        let header = Header {
            profile: self.profile,
            group: GroupId::new(self.group).map_err(|_| length)?,
            epoch: self.epoch,
            transition: self.transition,
            class,
            stream: self.stream,
            flags: self.flags,
            sequence,
            format: self.format,
        };
        Ok(Frame { header, payload: self.payload })
    }

    /// How the payload is said to be protected.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether it is for this group.
    #[must_use]
    pub fn is_for(&self, group: &GroupId) -> bool {
        self.group == group.as_bytes()
    }

    /// The sender's epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether it is an application's frame that counts in `transition` alone, and is of another one.
    #[must_use]
    pub fn misses(&self, transition: TransitionId) -> bool {
        self.flags.contains(Flags::CRITICAL)
            && self.class != StreamClass::Control.number()
            && self.transition != transition
    }
}
