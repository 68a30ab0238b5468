//! Why a link failed. Holds no frame and no key, so all of it is safe to log.

use std::io;

use coterie_types::{Code, ErrorCode};

/// Why a link was not made, or carries nothing more.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// This side closed it.
    #[error("the link was closed")]
    Closed,
    /// A frame that the link does not carry. It was not sent, and the link stays usable.
    #[error("a frame of {length} bytes is longer than the {most} that the link carries")]
    TooLong {
        /// How long it is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// The peer does not keep to the link's format. Nothing more is read.
    #[error("the peer broke the link's format: {0}")]
    Malformed(&'static str),
    /// The peer, or the network, went away.
    #[error("the connection was lost")]
    Lost,
    /// Too many frames wait to be sent. This one was not.
    #[error("too many frames wait to be sent")]
    Busy,
    /// A frame that had begun stood still for [`crate::limits::STALL`], or one that is sent for
    /// [`crate::limits::PATIENCE`].
    #[error("the peer stood still in the middle of a frame")]
    Stalled,
    /// No address of ours: a host and a port.
    #[error("an address is a host and a port, like 127.0.0.1:4433")]
    Address,
    /// Nobody answered, or not in time; or the system does not let this side listen there.
    #[error("the address is out of reach: {0}")]
    Unreachable(io::ErrorKind),
    /// The peer is not whom it should be, refuses this side, or speaks another protocol.
    #[error("the peers did not agree on a secure connection")]
    Refused,
    /// A certificate or a key that cannot be used.
    #[error("{0} cannot be used")]
    Identity(&'static str),
}

impl ErrorCode for LinkError {
    fn code(&self) -> Code {
        match self {
            Self::Closed => Code::LINK_CLOSED,
            Self::Busy => Code::BUSY,
            Self::TooLong { .. } => Code::LINK_TOO_LONG,
            Self::Malformed(_) => Code::LINK_MALFORMED,
            Self::Lost => Code::LINK_LOST,
            Self::Stalled => Code::LINK_STALLED,
            Self::Unreachable(_) => Code::LINK_UNREACHABLE,
            Self::Refused => Code::LINK_REFUSED,
            Self::Address | Self::Identity(_) => Code::INVALID_ARGUMENT,
        }
    }
}

impl From<quinn::ConnectionError> for LinkError {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as Error;
        match error {
            Error::LocallyClosed => Self::Closed,
            Error::TimedOut => Self::Unreachable(io::ErrorKind::TimedOut),
            Error::VersionMismatch | Error::TransportError(_) => Self::Refused,
            Error::ConnectionClosed(closed) if is_of_tls(closed.error_code) => Self::Refused,
            _ => Self::Lost,
        }
    }
}

/// Whether the peer's TLS said no (RFC 9001, section 4.8).
fn is_of_tls(code: quinn::TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}

/// Of a connection that stood: what failed under it means that it is gone.
pub(crate) fn lost(error: &io::Error) -> LinkError {
    let cause = error.get_ref();
    let read = cause.and_then(|cause| cause.downcast_ref::<quinn::ReadError>());
    let written = cause.and_then(|cause| cause.downcast_ref::<quinn::WriteError>());
    match (read, written) {
        (Some(quinn::ReadError::ConnectionLost(why)), _)
        | (_, Some(quinn::WriteError::ConnectionLost(why))) => gone(why),
        _ => LinkError::Lost,
    }
}

/// Why a connection that stood does so no more.
pub(crate) const fn gone(why: &quinn::ConnectionError) -> LinkError {
    match why {
        quinn::ConnectionError::LocallyClosed => LinkError::Closed,
        _ => LinkError::Lost,
    }
}
