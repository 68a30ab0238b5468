//! Messages of the control plane: what a frame of class 0 holds.
//!
//! [`ControlMessage`] is the shape that every peer reads. What its arguments say is a second step,
//! [`ControlMessage::arguments`], because deployed peers send several opcodes with arguments of no fixed form, and
//! report them to the application all the same.

mod arguments;
mod capabilities;
mod digest;

use coterie_types::{Code, ErrorCode, MemberId, RequestId, TransitionId};

pub use arguments::{Arguments, InvalidCommit};
pub use capabilities::Capabilities;
pub use digest::{DigestRequest, LogEntry, StateDigest, member_set};

use crate::cbor::{Reader, Writer};
use crate::limits::MAX_FRAME;
use crate::{ErrorNumber, Flags, Malformed};

const KEYS: &[&str] = &["op", "rid", "sid", "tid", "alen", "args"];

/// What a control message asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Opcode {
    /// The coordinator has a commit and wants to know who is ready for it.
    Prepare,
    /// A member has processed the commit.
    Ready,
    /// Everybody moves to the new epoch.
    Execute,
    /// Nobody does.
    Abort,
    /// Asks for the state of the group as another member sees it.
    DigestRequest,
    /// That state.
    DigestResponse,
    /// A member could not process a commit.
    ReportInvalidCommit,
    /// What a member can do; also how the coordinator's role is claimed.
    Capabilities,
    /// A request was carried out.
    Ack,
    /// A request was refused.
    Nack,
}

/// A control message. `sender` is a claim: the group's keys prove membership, not identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ControlMessage {
    opcode: Opcode,
    /// Connects a request with its answer.
    pub request: RequestId,
    /// Who says to have sent it.
    pub sender: MemberId,
    /// The transition that it is about.
    pub transition: TransitionId,
    arguments: Vec<u8>,
}

/// Why the plaintext of a control frame was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Not the shape of a control message.
    #[error("not a control message: {0}")]
    Malformed(#[from] Malformed),
    /// The length field and the arguments differ.
    #[error("the arguments have another length than announced")]
    ArgumentsLength,
    /// An opcode that does not exist.
    #[error("opcode {0:#06x} does not exist")]
    Opcode(u16),
}

impl ControlError {
    /// The number under which the protocol knows this refusal.
    #[must_use]
    pub fn number(&self) -> ErrorNumber {
        ErrorNumber::GBP_STREAM_POLICY_VIOLATION
    }
}

impl ErrorCode for ControlError {
    fn code(&self) -> Code {
        match self {
            Self::Malformed(cause) => cause.code(),
            Self::ArgumentsLength => Code::WIRE_MALFORMED,
            Self::Opcode(_) => self.number().code(),
        }
    }
}

impl Opcode {
    /// Every opcode, in the order of their numbers, which count from one.
    pub const ALL: [Self; 10] = [
        Self::Prepare,
        Self::Ready,
        Self::Execute,
        Self::Abort,
        Self::DigestRequest,
        Self::DigestResponse,
        Self::ReportInvalidCommit,
        Self::Capabilities,
        Self::Ack,
        Self::Nack,
    ];

    /// The opcode with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|opcode| opcode.number() == number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Prepare => 1,
            Self::Ready => 2,
            Self::Execute => 3,
            Self::Abort => 4,
            Self::DigestRequest => 5,
            Self::DigestResponse => 6,
            Self::ReportInvalidCommit => 7,
            Self::Capabilities => 8,
            Self::Ack => 9,
            Self::Nack => 10,
        }
    }

    /// The flags of a frame that carries it.
    #[must_use]
    pub const fn flags(self) -> Flags {
        match self {
            Self::Prepare | Self::Ready | Self::Execute => Flags::TRANSITION,
            _ => Flags::CONTROL,
        }
    }
}

impl ControlMessage {
    /// A message that says `arguments`.
    ///
    /// # Errors
    /// When they are above one of their limits.
    pub fn new(
        sender: MemberId,
        request: RequestId,
        transition: TransitionId,
        arguments: &Arguments,
    ) -> Result<Self, Malformed> {
        Self::raw(sender, request, transition, arguments.opcode(), &arguments.encode()?)
    }

    /// A message with arguments of the application's own form, as deployed peers send them.
    ///
    /// # Errors
    /// When no frame can carry them.
    pub fn raw(
        sender: MemberId,
        request: RequestId,
        transition: TransitionId,
        opcode: Opcode,
        arguments: &[u8],
    ) -> Result<Self, Malformed> {
        if arguments.len() > MAX_FRAME {
            return Err(Malformed::TooLong);
        }
        Ok(Self { opcode, request, sender, transition, arguments: arguments.to_vec() })
    }

    /// What it asks for.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The arguments as they came.
    #[must_use]
    pub fn raw_arguments(&self) -> &[u8] {
        &self.arguments
    }

    /// What the arguments say.
    ///
    /// # Errors
    /// When they are not of the form that the opcode has. The message itself stays valid.
    pub fn arguments(&self) -> Result<Arguments, Malformed> {
        Arguments::decode(self.opcode, &self.arguments)
    }

    /// The plaintext.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.arguments.len().saturating_add(64));
        writer.map(KEYS.len()).text("op").unsigned(self.opcode.number());
        writer.text("rid").unsigned(self.request.number()).text("sid").unsigned(self.sender.number());
        writer.text("tid").unsigned(self.transition.number());
        writer.text("alen").unsigned(self.arguments.len() as u64).text("args").bytes(&self.arguments);
        writer.finish()
    }

    /// The message in `plaintext`.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(plaintext: &[u8]) -> Result<Self, ControlError> {
        if plaintext.len() > MAX_FRAME {
            return Err(Malformed::TooLong.into());
        }
        let (mut opcode, mut length, mut arguments) = (0_u16, 0_u32, &[][..]);
        let (mut request, mut sender, mut transition) = (0, 0, 0);
        let mut reader = Reader::new(plaintext);
        reader.record(KEYS, KEYS.len(), |key, reader| {
            match key {
                "op" => opcode = reader.unsigned()?,
                "rid" => request = reader.unsigned()?,
                "sid" => sender = reader.unsigned()?,
                "tid" => transition = reader.unsigned()?,
                "alen" => length = reader.unsigned()?,
                _ => arguments = reader.bytes()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        if u32::try_from(arguments.len()) != Ok(length) {
            return Err(ControlError::ArgumentsLength);
        }
        let opcode = Opcode::from_number(opcode).ok_or(ControlError::Opcode(opcode))?;
        let (sender, request) = (MemberId::new(sender), RequestId::new(request));
        Ok(Self::raw(sender, request, TransitionId::new(transition), opcode, arguments)?)
    }
}
