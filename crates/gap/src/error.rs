//! Why a call was refused. Nothing here holds audio.

use coterie_types::{Code, ErrorCode};
use coterie_wire::ErrorNumber;
use coterie_wire::payload::PayloadError;

use crate::limits::{MAX_FRAME, MAX_OWN_SOURCES};

/// Why something could not be set up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A buffer for no packets, or for more than [`crate::limits::MAX_CAPACITY`].
    #[error("a jitter buffer holds between 1 and 4096 packets of a source")]
    Capacity,
    /// [`crate::limits::MAX_MUTED`] members are muted already.
    #[error("too many members are muted")]
    TooManyMuted,
}

/// Why a packet was not made. Nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// More audio than a packet holds.
    #[error("{0} bytes of audio are more than {MAX_FRAME}")]
    FrameTooLong(usize),
    /// More sources than one member has.
    #[error("one member sends at most {MAX_OWN_SOURCES} sources")]
    TooManySources,
}

/// Why a packet was refused. Nothing was changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Not a packet of audio.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// More audio than a packet holds.
    #[error("{0} bytes of audio are more than {MAX_FRAME}")]
    FrameTooLong(usize),
    /// Of an epoch whose overlap has ended.
    #[error("key phase {0} has expired")]
    PhaseExpired(u32),
    /// Of an epoch that was never known here.
    #[error("key phase {0} was never known here")]
    PhaseUnknown(u32),
    /// All places for sources are taken, over all or by this member.
    #[error("more sources than are remembered")]
    TooManySources,
    /// Everything that may wait is waiting.
    #[error("too much audio is waiting to be played")]
    BufferFull,
}

impl ReceiveError {
    /// The number under which the protocol knows this refusal, where it has one.
    #[must_use]
    pub fn number(&self) -> Option<ErrorNumber> {
        match self {
            Self::Payload(_) | Self::FrameTooLong(_) => Some(ErrorNumber::GAP_DECODE_FAILED),
            Self::PhaseExpired(_) => Some(ErrorNumber::GAP_EPOCH_STALE),
            Self::PhaseUnknown(_) => Some(ErrorNumber::GAP_KEY_PHASE_UNKNOWN),
            Self::TooManySources => Some(ErrorNumber::GAP_BAD_SOURCE_ID),
            Self::BufferFull => None,
        }
    }
}

impl ErrorCode for SetupError {
    fn code(&self) -> Code {
        Code::INVALID_ARGUMENT
    }
}

impl ErrorCode for SendError {
    fn code(&self) -> Code {
        match self {
            Self::FrameTooLong(_) => Code::WIRE_TOO_LARGE,
            Self::TooManySources => Code::GAP_TOO_MANY_SOURCES,
        }
    }
}

impl ErrorCode for ReceiveError {
    fn code(&self) -> Code {
        match self {
            Self::Payload(cause) => cause.code(),
            Self::FrameTooLong(_) => Code::WIRE_TOO_LARGE,
            Self::PhaseExpired(_) => Code::GAP_EPOCH_STALE,
            Self::PhaseUnknown(_) => Code::GAP_KEY_PHASE_UNKNOWN,
            Self::TooManySources => Code::GAP_TOO_MANY_SOURCES,
            Self::BufferFull => Code::GAP_BUFFER_FULL,
        }
    }
}
