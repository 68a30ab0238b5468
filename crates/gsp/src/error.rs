//! Why signals were refused.

use coterie_types::{Code, ErrorCode, MemberId, RequestId};
use coterie_wire::ErrorNumber;
use coterie_wire::payload::{PayloadError, Role};

/// Why a received signal was refused. Nothing was changed, and its request id was not used up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{cause}")]
pub struct Refused {
    /// Which request of whom, where the payload could be read: what a negative answer names.
    pub request: Option<(MemberId, RequestId)>,
    /// Why.
    pub cause: Refusal,
}

/// The reason of a [`Refused`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a signal, not a known one, or its arguments are not of its form.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It names somebody else than who sent it.
    #[error("{sender} sent a signal in the name of {claimed}")]
    WrongSender {
        /// Who it names.
        claimed: MemberId,
        /// Who sent it.
        sender: MemberId,
    },
    /// The sender may not give it.
    #[error("{0} may not give this signal")]
    Unauthorized(MemberId),
    /// It is about somebody who is not in the group.
    #[error("{0} is not in the group")]
    NotAMember(MemberId),
    /// It gives a role that is not defined.
    #[error("no role has the number {}", .0.number())]
    RoleUnknown(Role),
    /// The sender is muted and would begin to send.
    #[error("{0} is muted")]
    Muted(MemberId),
    /// As many members are remembered as the bound allows.
    #[error("no more members are remembered")]
    TooMany,
}

/// Why a signal of ours was not given. Nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GiveError {
    /// It cannot be encoded.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The others would refuse it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A signal with this request id waits already, or the id is the one that says none.
    #[error("{0} is in use")]
    RequestTaken(RequestId),
    /// As many signals wait for answers as the bound allows.
    #[error("too many signals wait for answers")]
    TooManyWaiting,
}

/// Why roles stay as they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleError {
    /// No such role.
    #[error("no role has the number {}", .0.number())]
    Unknown(Role),
    /// The name is too long.
    #[error("a role's name has at most {} bytes", crate::limits::MAX_ROLE_NAME)]
    Name,
    /// As many as the bound allows.
    #[error("no more roles or members are remembered")]
    TooMany,
    /// A member lacks permissions.
    #[error("{member} lacks 0x{needed:08X}")]
    Unauthorized {
        /// The member.
        member: MemberId,
        /// What is needed, as bits.
        needed: u32,
    },
}

impl Refusal {
    /// The number under which the protocol knows it, where it has one: what a negative answer says.
    #[must_use]
    pub fn number(&self) -> Option<ErrorNumber> {
        match self {
            Self::Payload(cause) => cause.number(),
            Self::WrongSender { .. } | Self::Unauthorized(_) => Some(ErrorNumber::GSP_UNAUTHORIZED),
            Self::NotAMember(_) | Self::RoleUnknown(_) => Some(ErrorNumber::GSP_PRECONDITION_FAILED),
            Self::Muted(_) | Self::TooMany => Some(ErrorNumber::GSP_STATE_CONFLICT),
        }
    }
}

impl ErrorCode for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Payload(cause) => cause.code(),
            Self::WrongSender { .. } => Code::GSP_WRONG_SENDER,
            Self::RoleUnknown(_) => Code::GSP_ROLE_UNKNOWN,
            _ => self.number().map_or(Code::GSP_BAD_SCHEMA, ErrorNumber::code),
        }
    }
}

impl ErrorCode for Refused {
    fn code(&self) -> Code {
        self.cause.code()
    }
}

impl ErrorCode for GiveError {
    fn code(&self) -> Code {
        match self {
            Self::Payload(cause) => cause.code(),
            Self::Refused(cause) => cause.code(),
            Self::RequestTaken(_) => Code::GSP_DUPLICATE_REQUEST,
            Self::TooManyWaiting => Code::BUSY,
        }
    }
}

impl ErrorCode for RoleError {
    fn code(&self) -> Code {
        match self {
            Self::Unknown(_) => Code::GSP_ROLE_UNKNOWN,
            Self::Name | Self::TooMany => Code::INVALID_ARGUMENT,
            Self::Unauthorized { .. } => Code::GSP_UNAUTHORIZED,
        }
    }
}
