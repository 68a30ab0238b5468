//! Why text was refused.

use coterie_types::{Code, ErrorCode, MemberId};
use coterie_wire::ErrorNumber;
use coterie_wire::payload::PayloadError;

/// Why a received payload was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Not a text message.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It names somebody else than who sent it.
    #[error("{sender} sent a message in the name of {claimed}")]
    WrongSender {
        /// Who it names.
        claimed: MemberId,
        /// Who sent it.
        sender: MemberId,
    },
    /// The group does not take content of this type.
    #[error("content of type {0} is not taken")]
    ContentType(u8),
    /// An answer to a request that was not made, or not to this member.
    #[error("{0} answers what it was not asked")]
    NotAsked(MemberId),
    /// A manifest or a piece was refused.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
}

/// Why something about an attachment was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// No such attachment is being received.
    #[error("no such attachment is being received")]
    Unknown,
    /// Pieces, sizes, digests or manifests do not fit together.
    #[error("the pieces do not fit the manifest")]
    Integrity,
    /// Larger than this member takes, or in more pieces.
    #[error("the attachment is larger than is taken here")]
    TooLarge,
    /// No room until pieces or attachments are taken out.
    #[error("there is no room for it now")]
    Full,
    /// Pieces are missing.
    #[error("{received} of {total} pieces are there")]
    Incomplete {
        /// Pieces that are there.
        received: u32,
        /// Pieces of the whole.
        total: u32,
    },
    /// Pieces were taken out and must be handed in by whoever has them.
    #[error("piece {0} was taken out")]
    TakenOut(u32),
    /// An argument of ours is out of range.
    #[error("a piece of this length, or at this place, cannot be cut")]
    Cut,
    /// The bytes are above a limit.
    #[error(transparent)]
    Payload(PayloadError),
}

/// Why nothing was sent. Nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message is above a limit.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The highest number there is was used.
    #[error("every message number is used")]
    NoNumber,
    /// This member asks somebody already.
    #[error("{0} is being asked already")]
    Asking(MemberId),
    /// The group has not agreed on catching up.
    #[error("not every member can answer")]
    NotAgreed,
}

impl ReceiveError {
    /// The number under which the protocol knows it, where it has one.
    #[must_use]
    pub fn number(&self) -> Option<ErrorNumber> {
        match self {
            Self::Payload(cause) => cause.number(),
            Self::WrongSender { .. } | Self::NotAsked(_) => Some(ErrorNumber::GTP_POLICY_REJECTED),
            Self::ContentType(_) => Some(ErrorNumber::GTP_UNSUPPORTED_CONTENT_TYPE),
            Self::Attachment(cause) => cause.number(),
        }
    }
}

impl AttachmentError {
    /// The number under which the protocol knows it, where it has one.
    #[must_use]
    pub fn number(&self) -> Option<ErrorNumber> {
        match self {
            Self::Unknown | Self::Integrity => Some(ErrorNumber::GTP_ATTACHMENT_INTEGRITY),
            Self::TooLarge | Self::Full => Some(ErrorNumber::GTP_POLICY_REJECTED),
            Self::Incomplete { .. } | Self::TakenOut(_) | Self::Cut => None,
            Self::Payload(cause) => cause.number(),
        }
    }
}

impl ErrorCode for ReceiveError {
    fn code(&self) -> Code {
        match self {
            Self::Payload(cause) => cause.code(),
            Self::WrongSender { .. } => Code::GTP_WRONG_SENDER,
            Self::ContentType(_) => Code::GTP_UNSUPPORTED_CONTENT_TYPE,
            Self::NotAsked(_) => Code::GTP_POLICY_REJECTED,
            Self::Attachment(cause) => cause.code(),
        }
    }
}

impl ErrorCode for AttachmentError {
    fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::GTP_ATTACHMENT_UNKNOWN,
            Self::Integrity => Code::GTP_ATTACHMENT_INTEGRITY,
            Self::TooLarge => Code::GTP_POLICY_REJECTED,
            Self::Full => Code::GTP_ATTACHMENT_FULL,
            Self::Incomplete { .. } | Self::TakenOut(_) => Code::GTP_ATTACHMENT_INCOMPLETE,
            Self::Cut => Code::INVALID_ARGUMENT,
            Self::Payload(cause) => cause.code(),
        }
    }
}

impl ErrorCode for SendError {
    fn code(&self) -> Code {
        match self {
            Self::Payload(cause) => cause.code(),
            Self::Asking(_) => Code::BUSY,
            Self::NoNumber | Self::NotAgreed => Code::INVALID_ARGUMENT,
        }
    }
}
