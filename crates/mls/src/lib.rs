//! Membership and group keys: RFC 9420 as the rest of the stack wants to use it.
//!
//! A [`Device`] is one installation of one user: an identity, signature keys, the key packages it has published
//! and the groups it is in. A [`Group`] is one member's view of one group. Both are synchronous and do no I/O of
//! their own: the time is an argument, randomness and the store are handed in, and what is to be sent comes out
//! as bytes.
//!
//! Every call that changes something is one step: its writes reach the store together or not at all, and
//! nothing is handed out before they have. A refused call leaves the group as it was.
//!
//! The only crate that names openmls. Delivery, ordering and retries are left to the layers above.

mod authentication;
mod credential;
mod device;
mod error;
mod events;
mod extension;
mod external;
mod group;
mod head;
mod held;
#[cfg(feature = "interop")]
pub mod interop;
mod inventory;
mod invitation;
mod key_package;
pub mod limits;
mod provider;
mod psk;
mod refusal;
mod restored;
mod roster;
mod rows;
mod succession;
mod suite;

pub use authentication::{Authentication, Candidate, Entry, Policy, Refusal};
pub use coterie_crypto::certificate;
pub use credential::CertificateInfo;
pub use device::{CertifiedOptions, Device, DeviceOptions, GroupOptions};
pub use error::{CredentialError, MlsError};
pub use events::{Events, GroupEvent, Subscription};
pub use extension::{ExternalSenderInfo, GroupExtension, PROFILE_EXTENSION, RequiredCapabilities};
pub use external::{ExternalJoin, ExternalSigner, GroupInfoSummary, read_group_info};
pub use group::{
    CertifiedKey, Changes, Committed, Encrypted, Framing, Group, HandshakeFraming, Pace, Received, Together,
    TreePlacement, UpdateReason, Wish,
};
pub use head::{MessageContent, MessageHead, read_message_head};
pub use inventory::KeyPackageStock;
pub use invitation::SuiteChoice;
pub use key_package::{KeyPackageInfo, KeyPackageOptions};
pub use psk::PskId;
pub use roster::{CommitSummary, Member, ProposalSummary, Sender};
pub use rows::Rows;
pub use succession::{Descent, SUCCESSION_EXTENSION, Succession};
pub use suite::{Suite, UnknownSuite};
