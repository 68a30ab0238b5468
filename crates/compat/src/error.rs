//! Why a call was refused.

use coterie_crypto::{CryptoError, EntropyError};
use coterie_gbp::{SealError, SetupError};
use coterie_mls::MlsError;
use coterie_sframe::{OpenError, SealError as MediaSealError, SetupError as MediaSetupError};
use coterie_store::StoreError;
use coterie_types::{Code, ErrorCode};
use coterie_wire::FrameError;
use coterie_wire::payload::PayloadError;

/// Why a call was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompatError {
    /// An argument that cannot be.
    #[error("{0}")]
    Argument(&'static str),
    /// The node is in a state that does not send or start.
    #[error("the node is {0}")]
    State(&'static str),
    /// A transition that every receiver would refuse.
    #[error("transition {0} is stale or not the one under way")]
    Transition(u32),
    /// An exported state that is cut off, altered or of something else.
    #[error("not an exported state of this package, or a damaged one")]
    Exported,
    /// A message of this member itself, which needs nothing more.
    #[error("the message is this member's own")]
    Own,
    /// Another commit waits.
    #[error("a commit is staged or pending already: finalize or clear it first")]
    Pending,
    /// MLS refused.
    #[error(transparent)]
    Mls(#[from] MlsError),
    /// Frame keys or numbers could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A frame was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A frame cannot be written.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A payload cannot be written.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Media keys or counters could not be set up.
    #[error(transparent)]
    MediaSetup(#[from] MediaSetupError),
    /// A media frame was not sealed.
    #[error(transparent)]
    MediaSeal(#[from] MediaSealError),
    /// A media frame was refused.
    #[error(transparent)]
    MediaOpen(#[from] OpenError),
    /// The rows in memory could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The library below failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl ErrorCode for CompatError {
    fn code(&self) -> Code {
        match self {
            Self::Argument(_) => Code::INVALID_ARGUMENT,
            Self::State(_) => Code::GBP_NOT_ACTIVE,
            Self::Transition(_) => Code::GBP_TRANSITION_MISMATCH,
            Self::Exported => Code::GBP_STATE_INVALID,
            Self::Own => Code::MLS_ALREADY_PROCESSED,
            Self::Pending => Code::MLS_COMMIT_PENDING,
            Self::Mls(cause) => cause.code(),
            Self::Setup(cause) => cause.code(),
            Self::Seal(cause) => cause.code(),
            Self::Frame(cause) => cause.code(),
            Self::Payload(cause) => cause.code(),
            Self::MediaSetup(cause) => cause.code(),
            Self::MediaSeal(cause) => cause.code(),
            Self::MediaOpen(cause) => cause.code(),
            Self::Store(cause) => cause.code(),
            Self::Crypto(cause) => cause.code(),
            Self::Entropy(_) => Code::RANDOMNESS_UNAVAILABLE,
        }
    }
}
