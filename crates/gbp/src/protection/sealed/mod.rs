//! The `sealed` profile: every message is its sender's, and its header cannot be changed.
//!
//! Text, signals and control messages are MLS PrivateMessages whose authenticated data is the frame's header in its
//! one form; audio is SFrame under the sender's key, with the header as metadata. A stream belongs to one member, and a
//! frame on it counts only if that member's leaf has sealed it. MLS itself is the caller's ([`PrivateMessages`]).
//!
//! Headers are compared before MLS sees a message: MLS uses up a message's key when it opens it, so a genuine message
//! under another header would otherwise silence the genuine frame.
//!
//! The node's epoch is the MLS epoch, always: patterns of the control plane in which they differ are of `interop`.
//! SFrame keys can be derived by every member, so for audio the sender is a claim that members make about each other.

mod keys;
mod message;
mod open;
mod seal;

use coterie_types::LeafIndex;

pub use keys::EpochKeys;
pub(super) use keys::{MEDIA_LABEL, NUMBERS_LABEL};
pub use open::{Opener, Screened};
pub use seal::{Draft, Sealer};

/// What this profile asks of the group's MLS state.
pub trait PrivateMessages {
    /// Why MLS refuses.
    type Error: std::error::Error;

    /// Seals an application message of the present epoch.
    ///
    /// # Errors
    /// When MLS refuses.
    fn seal(&mut self, plaintext: &[u8], authenticated_data: &[u8]) -> Result<Vec<u8>, Self::Error>;

    /// Opens an application message; nothing else may be taken in through this.
    ///
    /// # Errors
    /// When MLS refuses, with its state as it was.
    fn open(&mut self, message: &[u8]) -> Result<PrivateMessage, Self::Error>;
}

/// An application message that MLS has authenticated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrivateMessage {
    /// The leaf whose signature verified.
    pub sender: LeafIndex,
    /// What was said.
    pub plaintext: Vec<u8>,
    /// What travelled beside it.
    pub authenticated_data: Vec<u8>,
}
