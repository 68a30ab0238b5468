//! The core's values in the shape in which they cross the boundary.

use coterie_mls::{
    CommitSummary, Committed, Descent, GroupEvent, KeyPackageInfo, Member, ProposalSummary, Received, Sender,
    Succession,
};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::bytes::Uint8Array;
use crate::identity::NativeCertificateInfo;

/// One member of a group.
#[napi(object, object_from_js = false)]
pub struct NativeMember {
    /// Its place in the tree.
    pub leaf: u32,
    /// Whom its credential names.
    pub identity: Uint8Array,
    /// The key that its messages are verified with.
    pub signature_key: Uint8Array,
    /// Until when its leaf is valid, in milliseconds since 1970.
    pub expires: Option<f64>,
    /// What its certificates say; none for a Basic credential.
    pub certificate: Option<NativeCertificateInfo>,
}

/// Who sent a proposal or commit.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_from_js = false)]
pub enum NativeSender {
    /// A member.
    Member {
        /// Which.
        member: NativeMember,
    },
    /// Somebody outside.
    Outsider,
}

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
        /// Which.
        member: NativeMember,
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

/// What a commit does, and to whom.
#[napi(object, object_from_js = false)]
pub struct NativeCommitSummary {
    /// The epoch that it begins.
    pub epoch: BigInt,
    /// Who committed.
    pub committer: NativeSender,
    /// Whether that was this device.
    pub own: bool,
    /// Members it adds.
    pub added: Vec<NativeMember>,
    /// Members it removes.
    pub removed: Vec<NativeMember>,
    /// Members whose leaf keys it replaces.
    pub updated: Vec<NativeMember>,
    /// Whether this device is among the removed.
    pub removes_self: bool,
    /// The group that takes this one's place.
    pub succession: Option<NativeSuccession>,
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
        /// Who.
        sender: NativeMember,
        /// In which epoch.
        epoch: BigInt,
        /// What.
        plaintext: Uint8Array,
        /// What travelled beside it.
        associated_data: Uint8Array,
    },
    /// A proposal waits.
    Proposal {
        /// Whose.
        sender: NativeSender,
        /// What is proposed.
        proposal: NativeProposal,
    },
    /// A commit waits.
    CommitStaged {
        /// What it would do.
        commit: NativeCommitSummary,
    },
    /// A commit was merged.
    EpochChanged {
        /// What it did.
        commit: NativeCommitSummary,
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
    /// What it does.
    pub summary: NativeCommitSummary,
    /// Those it adds whose leaves expire soon.
    pub expiring: Vec<NativeMember>,
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

impl From<Member> for NativeMember {
    fn from(member: Member) -> Self {
        Self {
            leaf: member.leaf.number(),
            identity: member.identity.into(),
            signature_key: member.signature_key.into(),
            expires: member.expires.map(milliseconds),
            certificate: member.certificate.map(NativeCertificateInfo::from),
        }
    }
}

impl From<Sender> for NativeSender {
    fn from(sender: Sender) -> Self {
        match sender {
            Sender::Member(member) => Self::Member { member: member.into() },
            Sender::Outsider => Self::Outsider,
        }
    }
}

impl From<ProposalSummary> for NativeProposal {
    fn from(proposal: ProposalSummary) -> Self {
        match proposal {
            ProposalSummary::Add { identity, signature_key } => {
                Self::Add { identity: identity.into(), signature_key: signature_key.into() }
            }
            ProposalSummary::Update => Self::Update,
            ProposalSummary::Remove(member) => Self::Remove { member: member.into() },
            ProposalSummary::PreSharedKey => Self::PreSharedKey,
            ProposalSummary::GroupContextExtensions => Self::GroupContextExtensions,
            ProposalSummary::Other(number) => Self::Other { number: number.into() },
        }
    }
}

pub(crate) fn members(members: Vec<Member>) -> Vec<NativeMember> {
    members.into_iter().map(NativeMember::from).collect()
}

impl From<CommitSummary> for NativeCommitSummary {
    fn from(summary: CommitSummary) -> Self {
        Self {
            epoch: summary.epoch.number().into(),
            committer: summary.committer.into(),
            own: summary.own,
            added: members(summary.added),
            removed: members(summary.removed),
            updated: members(summary.updated),
            removes_self: summary.removes_self,
            succession: summary.succession.map(NativeSuccession::from),
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
                sender: sender.into(),
                epoch: epoch.number().into(),
                plaintext: plaintext.into(),
                associated_data: associated_data.into(),
            },
            GroupEvent::Proposal { sender, proposal } => {
                Self::Proposal { sender: sender.into(), proposal: proposal.into() }
            }
            GroupEvent::CommitStaged { commit } => Self::CommitStaged { commit: commit.into() },
            GroupEvent::EpochChanged { commit, superseded_own } => {
                Self::EpochChanged { commit: commit.into(), superseded_own }
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
            summary: committed.summary.into(),
            expiring: members(committed.expiring),
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
