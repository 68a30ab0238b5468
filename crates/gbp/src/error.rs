//! Why a call was refused. Nothing here holds a key, a plaintext or a peer's bytes, so all of it is safe to log.

use coterie_crypto::CryptoError;
use coterie_crypto::counters::ReserveError;
use coterie_types::{Code, Epoch, ErrorCode, LeafIndex, Sequence, StreamClass, StreamId, TransitionId};
use coterie_wire::{ErrorNumber, FrameError};

/// Why keys or numbers could not be set up.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The member's leaf is not in a tree of that width, or the tree is wider than numbers can be shared.
    #[error("{0} has no part in the numbers of this tree")]
    Leaf(LeafIndex),
    /// More members than a group has leaves.
    #[error("{0} members are more than a group has")]
    TooManyMembers(usize),
    /// A group id that no group of this profile can have, or a secret of the wrong length.
    #[error("{0} is of the wrong length")]
    Length(&'static str),
    /// An epoch that is not ahead of the present one.
    #[error("{named} is not ahead of {current}")]
    Epoch {
        /// Where this side is.
        current: Epoch,
        /// Where it was told to go.
        named: Epoch,
    },
    /// Numbers could not be reserved.
    #[error("{0:?} frames: {1}")]
    Numbers(StreamClass, ReserveError),
    /// The media keys could not be set up.
    #[error(transparent)]
    Media(#[from] coterie_sframe::SetupError),
    /// The library below failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Why a frame was not sealed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Too few numbers are reserved. None was used.
    #[error("no numbers are reserved for {0:?} frames: reserve, store the record, then seal")]
    NotReserved(StreamClass),
    /// Every number that this member has was used: the epoch must change.
    #[error("every number for {0:?} frames of this epoch is used up")]
    Exhausted(StreamClass),
    /// Audio is not sealed by MLS, and nothing else by SFrame.
    #[error("{0:?} frames are sealed in another way")]
    Class(StreamClass),
    /// The stream is not this member's.
    #[error("{0} is not a stream of this member")]
    Stream(StreamId),
    /// The frame cannot be written. No number was used.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The caller's buffer does not hold the frame. No number was used.
    #[error("the buffer is too small: {needed} bytes are needed")]
    BufferTooSmall {
        /// How many bytes would do.
        needed: usize,
    },
    /// Media encryption failed.
    #[error(transparent)]
    Media(#[from] coterie_sframe::SealError),
    /// The library below failed. The number was used.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Why an inbound frame was refused. Nothing was changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not a frame, of another version, or one that nobody could have sent.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Protected in another way than the group has agreed on.
    #[error("the frame is not of the group's profile")]
    Profile,
    /// For another group.
    #[error("the frame belongs to another group")]
    UnknownGroup,
    /// Of an epoch that has not come, or is over.
    #[error("the frame is for {0}, which is not the current epoch")]
    Epoch(Epoch),
    /// It counts in one transition alone, which is not the last one.
    #[error("the frame counts in another transition than {0}")]
    Transition(TransitionId),
    /// Seen before, or too old to tell.
    #[error("{sequence} of {stream} was seen before or is too old")]
    Replay {
        /// Its stream.
        stream: StreamId,
        /// Its number.
        sequence: Sequence,
    },
    /// It did not verify. Deliberately says nothing about why.
    #[error("the frame did not authenticate")]
    NotAuthentic,
    /// It is on a stream that is not its sender's.
    #[error("{stream} is not a stream of the frame's sender")]
    Sender {
        /// Which.
        stream: StreamId,
        /// Whose signature verified on it, where there is one.
        signer: Option<LeafIndex>,
    },
    /// In the `interop` profile: it is authentic, but [`crate::limits::MAX_STREAMS`] streams are remembered already.
    #[error("more streams than are remembered")]
    TooManyStreams,
    /// The caller's buffer does not hold the plaintext.
    #[error("the buffer is too small: {needed} bytes are needed")]
    BufferTooSmall {
        /// How many bytes would do.
        needed: usize,
    },
    /// Media encryption refused it.
    #[error(transparent)]
    Media(coterie_sframe::OpenError),
    /// The library below failed.
    #[error(transparent)]
    Crypto(CryptoError),
}

/// Why what a group says about its profile was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Not of the form of an agreement, or of a later version of it.
    #[error("the group's agreement about its profile cannot be read")]
    Unreadable,
    /// A profile that is not known here.
    #[error("protection profile {0} is not known")]
    Unknown(u8),
    /// Another profile than the group had, or was expected to have.
    #[error("the group's profile is not the one that was agreed on")]
    Changed,
}

/// What came of a call that also went through MLS.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MlsFailure<R, E> {
    /// This layer refused.
    #[error(transparent)]
    Refused(R),
    /// MLS refused.
    #[error(transparent)]
    Mls(E),
}

impl OpenError {
    /// The number under which the protocol knows this refusal.
    #[must_use]
    pub fn number(&self) -> ErrorNumber {
        use coterie_sframe::OpenError as Media;
        match self {
            Self::Frame(cause) => cause.number(),
            Self::Profile => ErrorNumber::GBP_UNSUPPORTED_VERSION,
            Self::UnknownGroup => ErrorNumber::GBP_UNKNOWN_GROUP,
            Self::Epoch(_) => ErrorNumber::GBP_EPOCH_MISMATCH,
            Self::Transition(_) => ErrorNumber::GBP_TRANSITION_MISMATCH,
            Self::Replay { .. } | Self::Media(Media::Replay { .. }) => ErrorNumber::GBP_REPLAY_DETECTED,
            Self::Media(Media::UnknownKeyId(_)) => ErrorNumber::GBP_EPOCH_MISMATCH,
            Self::NotAuthentic | Self::Crypto(_) | Self::Media(_) => ErrorNumber::GBP_DECRYPT_FAILED,
            Self::Sender { .. } | Self::TooManyStreams | Self::BufferTooSmall { .. } => {
                ErrorNumber::GBP_STREAM_POLICY_VIOLATION
            }
        }
    }
}

impl<E> MlsFailure<OpenError, E> {
    /// The number under which the protocol knows this refusal.
    #[must_use]
    pub fn number(&self) -> ErrorNumber {
        match self {
            Self::Refused(refused) => refused.number(),
            Self::Mls(_) => ErrorNumber::GBP_DECRYPT_FAILED,
        }
    }
}

impl From<CryptoError> for OpenError {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::NotAuthentic => Self::NotAuthentic,
            other => Self::Crypto(other),
        }
    }
}

impl From<coterie_sframe::OpenError> for OpenError {
    fn from(error: coterie_sframe::OpenError) -> Self {
        match error {
            coterie_sframe::OpenError::NotAuthentic => Self::NotAuthentic,
            coterie_sframe::OpenError::BufferTooSmall { needed } => Self::BufferTooSmall { needed },
            other => Self::Media(other),
        }
    }
}

impl ErrorCode for SetupError {
    fn code(&self) -> Code {
        match self {
            Self::Leaf(_) | Self::TooManyMembers(_) | Self::Length(_) | Self::Epoch { .. } => {
                Code::INVALID_ARGUMENT
            }
            Self::Numbers(_, ReserveError::Pending) => Code::BUSY,
            Self::Numbers(_, ReserveError::Exhausted) => Code::GBP_NUMBERS_EXHAUSTED,
            Self::Numbers(..) => Code::INVALID_ARGUMENT,
            Self::Media(cause) => cause.code(),
            Self::Crypto(cause) => cause.code(),
        }
    }
}

impl ErrorCode for SealError {
    fn code(&self) -> Code {
        match self {
            Self::NotReserved(_) => Code::GBP_NOT_RESERVED,
            Self::Exhausted(_) => Code::GBP_NUMBERS_EXHAUSTED,
            Self::Stream(_) => Code::GBP_SENDER_MISMATCH,
            Self::Class(_) | Self::BufferTooSmall { .. } => Code::INVALID_ARGUMENT,
            Self::Frame(cause) => cause.code(),
            Self::Media(cause) => cause.code(),
            Self::Crypto(cause) => cause.code(),
        }
    }
}

impl ErrorCode for OpenError {
    fn code(&self) -> Code {
        match self {
            Self::Frame(cause) => cause.code(),
            Self::Profile => Code::GBP_PROFILE_MISMATCH,
            Self::Sender { .. } => Code::GBP_SENDER_MISMATCH,
            Self::TooManyStreams => Code::GBP_TOO_MANY_STREAMS,
            Self::BufferTooSmall { .. } => Code::INVALID_ARGUMENT,
            Self::Media(cause) => cause.code(),
            Self::Crypto(cause) => cause.code(),
            _ => self.number().code(),
        }
    }

    fn offender(&self) -> Option<LeafIndex> {
        match self {
            Self::Sender { signer, .. } => *signer,
            _ => None,
        }
    }
}

impl ErrorCode for ProfileError {
    fn code(&self) -> Code {
        match self {
            Self::Unreadable | Self::Changed => Code::GBP_PROFILE_MISMATCH,
            Self::Unknown(_) => Code::GBP_UNSUPPORTED_VERSION,
        }
    }
}

impl<R: ErrorCode + 'static, E: ErrorCode + 'static> ErrorCode for MlsFailure<R, E> {
    fn code(&self) -> Code {
        match self {
            Self::Refused(cause) => cause.code(),
            Self::Mls(cause) => cause.code(),
        }
    }

    fn offender(&self) -> Option<LeafIndex> {
        match self {
            Self::Refused(cause) => cause.offender(),
            Self::Mls(cause) => cause.offender(),
        }
    }
}
