//! The core's values in the shape in which they cross the boundary.

use coterie_mls::{Committed, Descent, GroupEvent, KeyPackageInfo, ProposalSummary, Received, Succession};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::bytes::{Latin1String, Uint8Array};
use crate::identity::NativeCertificateInfo;
use crate::roster;

/// One proposal, in words.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_from_js = false)]
pub enum NativeProposal {
    /// Add the holder of a key package.
    Add {
        /// Whom its credential names.
        identity: Uint8Array,
        /// The key its messages would be verified with.
        signature_key: Uint8Array,
    },
    /// Replace the sender's leaf keys.
    Update,
    /// Remove a member.
    Remove {
        /// Which: a member, as `roster.rs` writes it.
        member: Latin1String,
    },
    /// Mix in a pre-shared key.
    PreSharedKey,
    /// Change the group's extensions.
    GroupContextExtensions,
    /// Another kind.
    Other {
        /// Its number.
        number: u32,
    },
}

/// Which group succeeds another.
#[napi(object, object_from_js = false)]
pub struct NativeSuccession {
    /// The successor's name.
    pub group_id: Uint8Array,
    /// Its suite.
    pub suite: String,
}

/// Which group another one succeeds.
#[napi(object, object_from_js = false)]
pub struct NativeDescent {
    /// The name of the old group.
    pub group_id: Uint8Array,
    /// Its last epoch.
    pub epoch: BigInt,
}

/// Something that happened in a group, and what a message turned out to be.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_from_js = false)]
pub enum NativeGroupEvent {
    /// A member said something.
    Message {
        /// Who: a member, as `roster.rs` writes it.
        sender: Latin1String,
        /// In which epoch.
        epoch: BigInt,
        /// What.
        plaintext: Uint8Array,
        /// What travelled beside it.
        associated_data: Uint8Array,
    },
    /// A proposal waits.
    Proposal {
        /// Whose: a sender, as `roster.rs` writes it.
        sender: Latin1String,
        /// What is proposed.
        proposal: NativeProposal,
    },
    /// A commit waits.
    CommitStaged {
        /// What it would do: a summary, as `roster.rs` writes it.
        commit: Latin1String,
    },
    /// A commit was merged.
    EpochChanged {
        /// What it did: a summary, as `roster.rs` writes it.
        commit: Latin1String,
        /// Whether a pending commit of this member was dropped.
        superseded_own: bool,
    },
    /// The group has ended in favour of another.
    Succeeded {
        /// Which one.
        succession: NativeSuccession,
        /// The last epoch here.
        epoch: BigInt,
    },
    /// Something this member sent itself came back; of no interest to subscribers.
    OwnEcho,
}

/// A commit that waits for its acceptance.
#[napi(object, object_from_js = false)]
pub struct NativeCommitted {
    /// For everybody in the group.
    pub commit: Uint8Array,
    /// For those it adds.
    pub welcome: Option<Uint8Array>,
    /// The tree that the Welcome's readers need where it does not travel inside.
    pub ratchet_tree: Option<Uint8Array>,
    /// What it does: a summary, as `roster.rs` writes it.
    pub summary: Latin1String,
    /// Those it adds whose leaves expire soon, as `roster.rs` writes members, where there are any.
    pub expiring: Option<Latin1String>,
}

/// What a key package says about its owner.
#[napi(object, object_from_js = false)]
pub struct NativeKeyPackageInfo {
    /// Whom its credential names.
    pub identity: Uint8Array,
    /// What its certificates say; none for a Basic credential.
    pub certificate: Option<NativeCertificateInfo>,
    /// The key its owner's messages are verified with.
    pub signature_key: Uint8Array,
    /// The suite it is for.
    pub suite: String,
    /// Whether it may be used more than once.
    pub last_resort: bool,
    /// When it becomes invalid, in milliseconds since 1970.
    pub expires: f64,
    /// What names it.
    pub reference: Uint8Array,
}

/// Milliseconds as JavaScript counts them; exact until the year 287396.
#[allow(clippy::cast_precision_loss, reason = "dates beyond 2^53 milliseconds have no meaning in JavaScript")]
pub(crate) fn milliseconds(time: coterie_types::Timestamp) -> f64 {
    time.as_millis() as f64
}

impl From<ProposalSummary> for NativeProposal {
    fn from(proposal: ProposalSummary) -> Self {
        match proposal {
            ProposalSummary::Add { identity, signature_key } => {
                Self::Add { identity: identity.into(), signature_key: signature_key.into() }
            }
            ProposalSummary::Update => Self::Update,
            ProposalSummary::Remove(member) => Self::Remove { member: roster::member(&member) },
            ProposalSummary::PreSharedKey => Self::PreSharedKey,
            ProposalSummary::GroupContextExtensions => Self::GroupContextExtensions,
            ProposalSummary::Other(number) => Self::Other { number: number.into() },
        }
    }
}

impl From<Succession> for NativeSuccession {
    fn from(succession: Succession) -> Self {
        let Succession { group_id, suite } = succession;
        Self { group_id: group_id.as_bytes().to_vec().into(), suite: suite.name().to_owned() }
    }
}

impl From<Descent> for NativeDescent {
    fn from(Descent { group_id, epoch }: Descent) -> Self {
        Self { group_id: group_id.as_bytes().to_vec().into(), epoch: epoch.number().into() }
    }
}

impl From<Received> for NativeGroupEvent {
    fn from(received: Received) -> Self {
        match received {
            Received::Message { sender, epoch, plaintext, associated_data } => {
                GroupEvent::Message { sender, epoch, plaintext, associated_data }.into()
            }
            Received::Proposal { sender, proposal } => GroupEvent::Proposal { sender, proposal }.into(),
            Received::Commit { commit, superseded_own } => {
                GroupEvent::EpochChanged { commit, superseded_own }.into()
            }
            Received::Staged(commit) => GroupEvent::CommitStaged { commit }.into(),
            Received::OwnEcho => Self::OwnEcho,
        }
    }
}

impl From<GroupEvent> for NativeGroupEvent {
    fn from(event: GroupEvent) -> Self {
        match event {
            GroupEvent::Message { sender, epoch, plaintext, associated_data } => Self::Message {
                sender: roster::member(&sender),
                epoch: epoch.number().into(),
                plaintext: plaintext.into(),
                associated_data: associated_data.into(),
            },
            GroupEvent::Proposal { sender, proposal } => {
                Self::Proposal { sender: roster::sender(&sender), proposal: proposal.into() }
            }
            GroupEvent::CommitStaged { commit } => Self::CommitStaged { commit: roster::summary(&commit) },
            GroupEvent::EpochChanged { commit, superseded_own } => {
                Self::EpochChanged { commit: roster::summary(&commit), superseded_own }
            }
            GroupEvent::Succeeded { succession, epoch } => {
                Self::Succeeded { succession: succession.into(), epoch: epoch.number().into() }
            }
        }
    }
}

impl From<Committed> for NativeCommitted {
    fn from(committed: Committed) -> Self {
        Self {
            commit: committed.commit.into(),
            welcome: committed.welcome.map(Uint8Array::from),
            ratchet_tree: committed.ratchet_tree.map(Uint8Array::from),
            summary: roster::summary(&committed.summary),
            expiring: (!committed.expiring.is_empty()).then(|| roster::members(&committed.expiring)),
        }
    }
}

impl From<KeyPackageInfo> for NativeKeyPackageInfo {
    fn from(info: KeyPackageInfo) -> Self {
        Self {
            identity: info.identity.into(),
            certificate: info.certificate.map(NativeCertificateInfo::from),
            signature_key: info.signature_key.into(),
            suite: info.suite.name().to_owned(),
            last_resort: info.last_resort,
            expires: milliseconds(info.expires),
            reference: info.reference.into(),
        }
    }
}
