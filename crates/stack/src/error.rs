//! Why a call was refused. Holds no payload and no key, so it is safe to log.

use coterie_gbp::node::Refusal;
use coterie_gbp::{MlsFailure, ProfileError, SealError, SetupError};
use coterie_mls::MlsError;
use coterie_store::StoreError;
use coterie_types::{Code, ErrorCode, LeafIndex, MemberId, StreamClass};
use coterie_wire::payload::PayloadError;
use coterie_wire::{FrameError, Malformed};

use crate::limits::MAX_SAID;

/// Why a call was refused. Nothing was changed, and nothing left.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The caller misused this function.
    #[error("{0}")]
    InvalidArgument(&'static str),
    /// Too much waits to be sent, or to be read by the application.
    #[error("{0} wait to be taken")]
    Busy(&'static str),
    /// This member is in the group no more, or never came in.
    #[error("the node takes no part in the group")]
    NotActive,
    /// Nobody of this number belongs to the group.
    #[error("{0} does not belong to the group")]
    NotAMember(MemberId),
    /// By the group's roles this member may not send that, or it is muted.
    #[error("this member may not send {0:?} frames")]
    NotAllowed(StreamClass),
    /// A text or a signal's arguments that no frame has room for.
    #[error("{0} bytes to say, above the limit of {MAX_SAID}")]
    TooLarge(usize),
    /// What a joiner is told about the group does not fit the group.
    #[error("the admission does not fit the group")]
    Admission,
    /// An admission that cannot be read.
    #[error("the admission is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// What is stored of the group is damaged or of another version.
    #[error("the stored state of the group is not one of this version")]
    BadState,
    /// The control plane refused it.
    #[error(transparent)]
    Control(#[from] Refusal),
    /// The group engine refused it, or the store did.
    #[error(transparent)]
    Mls(#[from] MlsError),
    /// Keys or numbers could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A frame was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A frame cannot be written.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The group's profile is not what was agreed on.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A payload cannot be written.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Text was not sent.
    #[error(transparent)]
    Text(#[from] coterie_gtp::SendError),
    /// An attachment is not what was announced, or not there.
    #[error(transparent)]
    Attachment(#[from] coterie_gtp::AttachmentError),
    /// A signal was not given.
    #[error(transparent)]
    Signal(#[from] coterie_gsp::GiveError),
    /// A role stays as it is.
    #[error(transparent)]
    Role(#[from] coterie_gsp::RoleError),
    /// Audio was not sent.
    #[error(transparent)]
    Audio(#[from] coterie_gap::SendError),
    /// Audio cannot be set up so.
    #[error(transparent)]
    AudioSetup(#[from] coterie_gap::SetupError),
    /// An invariant did not hold.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl From<StoreError> for StackError {
    fn from(error: StoreError) -> Self {
        Self::Mls(error.into())
    }
}

impl From<coterie_crypto::EntropyError> for StackError {
    fn from(error: coterie_crypto::EntropyError) -> Self {
        Self::Mls(error.into())
    }
}

impl From<MlsFailure<SealError, MlsError>> for StackError {
    fn from(error: MlsFailure<SealError, MlsError>) -> Self {
        match error {
            MlsFailure::Refused(cause) => Self::Seal(cause),
            MlsFailure::Mls(cause) => Self::Mls(cause),
        }
    }
}

impl ErrorCode for StackError {
    fn code(&self) -> Code {
        match self {
            Self::InvalidArgument(_) => Code::INVALID_ARGUMENT,
            Self::Busy(_) => Code::BUSY,
            Self::NotActive => Code::GBP_NOT_ACTIVE,
            Self::NotAMember(_) => Code::GBP_NOT_A_MEMBER,
            Self::NotAllowed(_) => Code::GSP_UNAUTHORIZED,
            Self::TooLarge(_) => Code::WIRE_TOO_LARGE,
            Self::Admission => Code::GBP_ADMISSION_INVALID,
            Self::Malformed(cause) => cause.code(),
            Self::BadState => Code::GBP_STATE_INVALID,
            Self::Control(cause) => cause.code(),
            Self::Mls(cause) => cause.code(),
            Self::Setup(cause) => cause.code(),
            Self::Seal(cause) => cause.code(),
            Self::Frame(cause) => cause.code(),
            Self::Profile(cause) => cause.code(),
            Self::Payload(cause) => cause.code(),
            Self::Text(cause) => cause.code(),
            Self::Attachment(cause) => cause.code(),
            Self::Signal(cause) => cause.code(),
            Self::Role(cause) => cause.code(),
            Self::Audio(cause) => cause.code(),
            Self::AudioSetup(cause) => cause.code(),
            Self::Internal(_) => Code::INTERNAL,
        }
    }

    fn offender(&self) -> Option<LeafIndex> {
        match self {
            Self::Mls(cause) => cause.offender(),
            _ => None,
        }
    }
}
