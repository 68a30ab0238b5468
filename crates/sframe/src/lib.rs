//! Media frame encryption: RFC 9605, and its dialect in the Group Protocol Stack.
//!
//! An [`EpochKey`] grows from what a group's exporter gives for one epoch. Its [`Encryptor`]s seal under counters that
//! are reserved and stored before they are used; a [`Session`] opens what all members send, each frame once.
//!
//! A pure core: no clock, no randomness, no I/O. It knows nothing of groups but epochs and leaves. Every member can
//! derive every sender's key, so the sender of a frame is a claim that members make about each other; who needs more
//! signs above this layer.

pub mod danger;
mod encryptor;
mod error;
mod header;
mod key;
pub mod limits;
mod session;
mod suite;
#[cfg(feature = "vectors")]
pub mod vectors;
mod window;

pub use coterie_crypto::counters;
pub use encryptor::{Counted, Encryptor, Outgoing};
pub use error::{OpenError, SealError, SetupError};
pub use header::{Header, KeyId, Written};
pub use key::EpochKey;
pub use session::{Incoming, Opened, Session};
pub use suite::{Dialect, Exporter, Protection, Suite};

/// The exporter's label where the peers of the Group Protocol Stack have agreed on no other.
pub const DEFAULT_LABEL: &str = "gbp/sframe v1";
