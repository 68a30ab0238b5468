//! Why a call was refused. Nothing here holds a key, a plaintext or a peer's bytes.

use coterie_crypto::CryptoError;
use coterie_crypto::counters::{ReserveError, WrongRecord};
use coterie_store::{KeepError, StoreError};
use coterie_types::{Code, ErrorCode, LeafIndex};

use crate::header::KeyId;

/// Why keys or counters could not be set up.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The suite's tags can be guessed, and nobody said that this is accepted.
    #[error("the suite has short tags, which are to be had from sframe::danger only")]
    ShortTags,
    /// A key id has 16 bits for the leaf.
    #[error("{0} does not fit into a key id")]
    LeafTooLarge(LeafIndex),
    /// A base key of fewer bytes than the shortest cipher's key.
    #[error("the base key has fewer than 16 bytes")]
    BaseKeyTooShort,
    /// A stored record is not one, or belongs to another key.
    #[error("the stored record of counters is damaged or of another key")]
    WrongRecord,
    /// Nothing, or more than [`crate::limits::MAX_RESERVATION`], was to be reserved.
    #[error("a reservation is of 1 to 2^32 counters")]
    ReservationSize,
    /// The last reservation was neither stored nor dropped.
    #[error("another reservation for this key is under way")]
    ReservationPending,
    /// Every counter of the key was used or reserved.
    #[error("every counter of key {0} is used up")]
    Exhausted(KeyId),
    /// The library below failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Why a frame was not sealed. No counter was used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Too few counters are reserved.
    #[error("too few counters are reserved: reserve more, store the record, then seal")]
    NotReserved,
    /// Every counter of the key was used.
    #[error("every counter of key {0} is used up")]
    Exhausted(KeyId),
    /// The caller's buffer does not hold what sealing may write.
    #[error("the buffer is too small: {needed} bytes are needed")]
    BufferTooSmall {
        /// How many bytes would do.
        needed: usize,
    },
    /// The library below failed. The counters were used.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Why an inbound frame was refused. Nothing was changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The frame is shorter than its header and a tag.
    #[error("the frame is shorter than its header and tag")]
    Header,
    /// No epoch whose keys are held has this key id.
    #[error("key {0} is of no epoch that is held")]
    UnknownKeyId(KeyId),
    /// Seen before, or too old to tell.
    #[error("frame {counter} of key {key_id} was seen before or is too old")]
    Replay {
        /// The key.
        key_id: KeyId,
        /// The frame's number.
        counter: u64,
    },
    /// The tag did not verify. Deliberately says nothing about why.
    #[error("the frame did not authenticate")]
    NotAuthentic,
    /// The frame is authentic, but [`crate::limits::MAX_KEY_IDS`] senders are remembered already.
    #[error("more senders than are remembered")]
    TooManyKeyIds,
    /// [`crate::limits::MAX_FORGERIES`] frames failed under a short tag; the epoch's keys take no more.
    #[error("too many frames failed to open under short tags")]
    TooManyForgeries,
    /// The caller's buffer does not hold the plaintext.
    #[error("the buffer is too small: {needed} bytes are needed")]
    BufferTooSmall {
        /// How many bytes would do.
        needed: usize,
    },
    /// The library below failed.
    #[error(transparent)]
    Crypto(CryptoError),
}

/// Why a member's media could not be set up, or a frame of it not be sealed or opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// Keys or counters could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The frame was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The frame was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store did not keep the record of the counters; none of them is used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody knows what was sealed under the key before: its records are in memory, or were put back.
    #[error(
        "this store cannot know what a key from outside has sealed: say from which counter on it is unused"
    )]
    CountersUnknown,
    /// The group's store was put back to an earlier state, so its keys may have been used.
    #[error("the group's store was put back: its media keys may have been used")]
    Restored,
    /// This member was removed from the group.
    #[error("this member was removed from the group")]
    Removed,
    /// It was closed.
    #[error("it was closed")]
    Closed,
}

impl MediaError {
    pub(crate) fn of(error: KeepError, key_id: KeyId) -> Self {
        match error {
            KeepError::Reserve(error) => Self::Setup(SetupError::of(error, key_id)),
            KeepError::Store(error) => Self::Store(error),
        }
    }
}

impl ErrorCode for MediaError {
    fn code(&self) -> Code {
        match self {
            Self::Setup(cause) => cause.code(),
            Self::Seal(cause) => cause.code(),
            Self::Open(cause) => cause.code(),
            Self::Store(cause) => cause.code(),
            Self::CountersUnknown => Code::INVALID_ARGUMENT,
            Self::Restored => Code::MLS_RESTORED,
            Self::Removed => Code::MLS_REMOVED,
            Self::Closed => Code::HANDLE_CLOSED,
        }
    }
}

impl SetupError {
    pub(crate) fn of(error: ReserveError, key_id: KeyId) -> Self {
        match error {
            ReserveError::WrongRecord(_) => Self::WrongRecord,
            ReserveError::Size => Self::ReservationSize,
            ReserveError::Pending => Self::ReservationPending,
            ReserveError::Exhausted => Self::Exhausted(key_id),
        }
    }
}

impl From<WrongRecord> for SetupError {
    fn from(_: WrongRecord) -> Self {
        Self::WrongRecord
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

impl ErrorCode for SetupError {
    fn code(&self) -> Code {
        match self {
            Self::ShortTags
            | Self::LeafTooLarge(_)
            | Self::BaseKeyTooShort
            | Self::WrongRecord
            | Self::ReservationSize => Code::INVALID_ARGUMENT,
            Self::ReservationPending => Code::BUSY,
            Self::Exhausted(_) => Code::SFRAME_COUNTER_EXHAUSTED,
            Self::Crypto(cause) => cause.code(),
        }
    }
}

impl ErrorCode for SealError {
    fn code(&self) -> Code {
        match self {
            Self::NotReserved => Code::SFRAME_NOT_RESERVED,
            Self::Exhausted(_) => Code::SFRAME_COUNTER_EXHAUSTED,
            Self::BufferTooSmall { .. } => Code::INVALID_ARGUMENT,
            Self::Crypto(cause) => cause.code(),
        }
    }
}

impl ErrorCode for OpenError {
    fn code(&self) -> Code {
        match self {
            Self::Header => Code::SFRAME_MALFORMED,
            Self::UnknownKeyId(_) => Code::SFRAME_UNKNOWN_KEY_ID,
            Self::Replay { .. } => Code::SFRAME_REPLAY,
            Self::NotAuthentic => Code::SFRAME_NOT_AUTHENTIC,
            Self::TooManyKeyIds => Code::SFRAME_TOO_MANY_SENDERS,
            Self::TooManyForgeries => Code::SFRAME_TOO_MANY_FORGERIES,
            Self::BufferTooSmall { .. } => Code::INVALID_ARGUMENT,
            Self::Crypto(cause) => cause.code(),
        }
    }
}
