//! Who is in a group, and what a commit or proposal does to that.

use coterie_types::{Epoch, LeafIndex, Timestamp};
use openmls::group::{MlsGroup, QueuedProposal, StagedCommit};
use openmls::prelude::{LeafNode, LeafNodeIndex, Proposal};
use openmls::treesync::LeafNodeSource;

use crate::credential::{self, CertificateInfo};
use crate::error::MlsError;
use crate::succession::{self, Succession};

/// One member of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its place in the tree.
    pub leaf: LeafIndex,
    /// Whom its credential names. Several devices of one user share it. For a certified member it is the name in
    /// its certificate; for others it is their own word.
    pub identity: Vec<u8>,
    /// The key that its messages are verified with: what an application pins.
    pub signature_key: Vec<u8>,
    /// Until when its leaf is valid; none once it has updated its leaf.
    pub expires: Option<Timestamp>,
    /// What its certificates say; none for a Basic credential.
    pub certificate: Option<CertificateInfo>,
}

/// Who sent a proposal or commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sender {
    /// A member, as the roster stood when it sent.
    Member(Member),
    /// Somebody outside: one who joins by external commit or proposes its own addition, or a party that the
    /// group lets propose.
    Outsider,
}

/// One proposal, in words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProposalSummary {
    /// Add the holder of a key package.
    Add {
        /// Whom its credential names.
        identity: Vec<u8>,
        /// The key its messages would be verified with.
        signature_key: Vec<u8>,
    },
    /// Replace the sender's leaf keys.
    Update,
    /// Remove a member.
    Remove(Member),
    /// Mix a pre-shared key into the next epoch.
    PreSharedKey,
    /// Change the extensions of the group.
    GroupContextExtensions,
    /// A kind that this version does not act on, by its number.
    Other(u16),
}

/// What a commit does, and to whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitSummary {
    /// The epoch that it begins.
    pub epoch: Epoch,
    /// Who committed.
    pub committer: Sender,
    /// Whether that was this device.
    pub own: bool,
    /// Members it adds.
    pub added: Vec<Member>,
    /// Members it removes.
    pub removed: Vec<Member>,
    /// Members whose leaf keys it replaces, the committer's among them.
    pub updated: Vec<Member>,
    /// Whether this device is among the removed.
    pub removes_self: bool,
    /// The group that takes this one's place from here on, where it ends.
    pub succession: Option<Succession>,
}

pub(crate) fn member(leaf: LeafIndex, node: &LeafNode) -> Result<Member, MlsError> {
    let expires = match node.leaf_node_source() {
        LeafNodeSource::KeyPackage(lifetime) => Some(Timestamp::from_secs(lifetime.not_after())),
        LeafNodeSource::Update | LeafNodeSource::Commit(_) => None,
    };
    let shown = credential::presented(node.credential())?;
    Ok(Member {
        leaf,
        identity: shown.identity,
        signature_key: node.signature_key().as_slice().to_vec(),
        expires,
        certificate: shown.certificate,
    })
}

pub(crate) fn member_at(group: &MlsGroup, leaf: LeafIndex) -> Result<Member, MlsError> {
    let node =
        group.public_group().leaf(LeafNodeIndex::new(leaf.number())).ok_or(MlsError::MemberNotFound(leaf))?;
    member(leaf, node)
}

pub(crate) fn members(group: &MlsGroup) -> Result<Vec<Member>, MlsError> {
    group.treesync().full_leaves().map(|(leaf, node)| member(LeafIndex::new(leaf.u32()), node)).collect()
}

pub(crate) fn sender(group: &MlsGroup, sender: &openmls::prelude::Sender) -> Result<Sender, MlsError> {
    match sender {
        openmls::prelude::Sender::Member(leaf) => {
            member_at(group, LeafIndex::new(leaf.u32())).map(Sender::Member)
        }
        _ => Ok(Sender::Outsider),
    }
}

pub(crate) fn proposal(group: &MlsGroup, queued: &QueuedProposal) -> Result<ProposalSummary, MlsError> {
    if let Some(leaving) = self_removed(group, queued)? {
        return Ok(ProposalSummary::Remove(leaving));
    }
    Ok(match queued.proposal() {
        Proposal::Add(add) => {
            let node = add.key_package().leaf_node();
            ProposalSummary::Add {
                identity: credential::presented(node.credential())?.identity,
                signature_key: node.signature_key().as_slice().to_vec(),
            }
        }
        Proposal::Update(_) => ProposalSummary::Update,
        Proposal::Remove(remove) => {
            ProposalSummary::Remove(member_at(group, LeafIndex::new(remove.removed().u32()))?)
        }
        Proposal::PreSharedKey(_) => ProposalSummary::PreSharedKey,
        Proposal::GroupContextExtensions(_) => ProposalSummary::GroupContextExtensions,
        other => ProposalSummary::Other(u16::from(other.proposal_type())),
    })
}

/// Who leaves by a SelfRemove, which names nobody but its sender.
fn self_removed(group: &MlsGroup, queued: &QueuedProposal) -> Result<Option<Member>, MlsError> {
    match (queued.proposal(), sender(group, queued.sender())?) {
        (Proposal::SelfRemove, Sender::Member(member)) => Ok(Some(member)),
        _ => Ok(None),
    }
}

/// What `staged` would do to `group`, which it has not been merged into yet.
pub(crate) fn summary(
    group: &MlsGroup,
    staged: &StagedCommit,
    committer: &openmls::prelude::Sender,
) -> Result<CommitSummary, MlsError> {
    let committer = sender(group, committer)?;
    let mut removed = staged
        .remove_proposals()
        .map(|remove| member_at(group, LeafIndex::new(remove.remove_proposal().removed().u32())))
        .collect::<Result<Vec<_>, _>>()?;
    for queued in staged.queued_proposals() {
        removed.extend(self_removed(group, queued)?);
    }
    let mut updated = Vec::new();
    for update in staged.update_proposals() {
        if let Sender::Member(member) = sender(group, update.sender())? {
            updated.push(member);
        }
    }
    if let (Some(_), Sender::Member(member)) = (staged.update_path_leaf_node(), &committer) {
        updated.push(member.clone());
    }
    Ok(CommitSummary {
        epoch: Epoch::new(staged.epoch().as_u64()),
        own: matches!(&committer, Sender::Member(member) if member.leaf.number() == group.own_leaf_index().u32()),
        committer,
        added: added(group, staged, &removed)?,
        removed,
        updated,
        removes_self: staged.self_removed(),
        succession: succession::named_by(staged)?,
    })
}

/// The joiners with the leaves that they will take: the leftmost blank ones once the removals are done, in the
/// order of the proposals (RFC 9420 section 12.1.1).
fn added(group: &MlsGroup, staged: &StagedCommit, removed: &[Member]) -> Result<Vec<Member>, MlsError> {
    let mut joiners = staged.add_proposals().peekable();
    if joiners.peek().is_none() {
        return Ok(Vec::new());
    }
    let mut blank: Vec<u32> = group.treesync().blank_leaves().map(|leaf| leaf.u32()).collect();
    blank.extend(removed.iter().map(|member| member.leaf.number()));
    blank.sort_unstable();
    let end = group.treesync().full_leaves().map(|(leaf, _)| leaf.u32()).max().unwrap_or(0);
    let free = blank.into_iter().filter(|leaf| *leaf <= end).chain(end.saturating_add(1)..);
    joiners
        .zip(free)
        .map(|(add, leaf)| member(LeafIndex::new(leaf), add.add_proposal().key_package().leaf_node()))
        .collect()
}
