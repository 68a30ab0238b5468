//! Media frame encryption: RFC 9605, and its dialect in the Group Protocol Stack.
//!
//! An [`EpochKey`] grows from what a group's exporter gives for one epoch. Its [`Encryptor`]s seal under counters that
//! are reserved and stored before they are used; a [`Session`] opens what all members send, each frame once.
//!
//! [`Media`] is both for a member of a group: it goes on from epoch to epoch, and its [`Sender`]s have their counters from
//! the keeper of the device's store.
//!
//! A core: no clock, no randomness, no I/O of its own. It knows nothing of groups but epochs and leaves. Every member can
//! derive every sender's key, so the sender of a frame is a claim that members make about each other; who needs more
//! signs above this layer.

pub mod danger;
mod encryptor;
mod error;
mod header;
mod key;
pub mod limits;
mod media;
mod sender;
mod session;
mod suite;
#[cfg(feature = "vectors")]
pub mod vectors;
mod window;

pub use coterie_crypto::counters;
pub use encryptor::{Counted, Encryptor, Outgoing};
pub use error::{MediaError, OpenError, SealError, SetupError};
pub use header::{Header, KeyId, Written};
pub use key::EpochKey;
pub use media::{Media, MediaOptions};
pub use sender::{Sender, SenderOptions};
pub use session::{Incoming, Opened, Session};
pub use suite::{Dialect, Exporter, Protection, Suite};

/// The exporter's label where the peers of the Group Protocol Stack have agreed on no other.
pub const DEFAULT_LABEL: &str = "gbp/sframe v1";
