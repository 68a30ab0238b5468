//! Whom a change would bring into the group: judged before the group makes it, or takes it in.

use std::sync::Arc;

use coterie_types::{GroupId, LeafIndex, Timestamp};
use openmls::group::{QueuedProposal, QueuedRemoveProposal};
use openmls::prelude::{KeyPackage, LeafNode, LeafNodeIndex, Proposal, Sender as MlsSender, StagedCommit};

use super::commit::is_timely;
use super::receive::Staged;
use super::{Group, Live};
use crate::authentication::{Authentication, Candidate, Entry, differs};
use crate::credential;
use crate::error::MlsError;
use crate::roster;

/// Somebody whom a change brings in or alters.
struct Newcomer<'a> {
    leaf: &'a LeafNode,
    /// The leaf whose place it takes: the same member's so far, or the one that who joins by a commit of its own
    /// removes.
    old: Option<(LeafNodeIndex, &'a LeafNode)>,
    entry: Entry,
    by: MlsSender,
}

/// For an application whose word takes longer than a call may: whom a policy would be asked about.
impl Group {
    /// Whom a commit of `key_packages` and of what waits would bring in.
    ///
    /// # Errors
    /// When a key package does not fit, a credential does not count, or this device was removed.
    pub fn candidates(
        &mut self,
        key_packages: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<Vec<Candidate>, MlsError> {
        let packages = self.decode_key_packages(key_packages, now)?;
        let shared = Arc::clone(&self.shared);
        let live = self.live()?;
        let found = live.invited(&packages, shared.authentication(), now).map(|newcomer| {
            live.admit(&newcomer, shared.authentication(), now)?;
            live.candidate(&newcomer)
        });
        found.filter_map(Result::transpose).collect()
    }

    /// Whom the staged commit would bring in; none where none is staged.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn staged_candidates(&mut self) -> Result<Vec<Candidate>, MlsError> {
        let live = self.live()?;
        live.staged.as_ref().map_or(Ok(Vec::new()), |staged| live.committed_candidates(staged))
    }
}

impl Live {
    /// Those whom a commit of this member would bring in: holders of key packages, and what waits.
    pub(super) fn judge_invited(
        &self,
        packages: &[KeyPackage],
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<(), MlsError> {
        self.invited(packages, authentication, now)
            .try_for_each(|newcomer| self.judge(&newcomer, authentication, now))
    }

    /// Whether a commit made `now` may cover a proposal that waits. One whose credential does not count any more is left
    /// out like one whose key package has expired: it would stop everybody's commits.
    pub(super) fn is_committable(
        &self,
        queued: &QueuedProposal,
        authentication: &Authentication,
        now: Timestamp,
    ) -> bool {
        let counts = |newcomer: Newcomer<'_>| self.admit(&newcomer, authentication, now).is_ok();
        is_timely(queued, now) && self.proposed(queued).is_none_or(counts)
    }

    fn invited<'a>(
        &'a self,
        packages: &'a [KeyPackage],
        authentication: &'a Authentication,
        now: Timestamp,
    ) -> impl Iterator<Item = Newcomer<'a>> {
        let by = MlsSender::Member(self.mls.own_leaf_index());
        let invited = packages.iter().map(move |package| Newcomer {
            leaf: package.leaf_node(),
            old: None,
            entry: Entry::Add,
            by: by.clone(),
        });
        let waiting = self
            .mls
            .pending_proposals()
            .filter(move |queued| self.is_committable(queued, authentication, now))
            .filter_map(|queued| self.proposed(queued));
        invited.chain(waiting)
    }

    /// Whom a proposal of this member would bring in.
    pub(super) fn judge_one(
        &self,
        package: &KeyPackage,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<(), MlsError> {
        let by = MlsSender::Member(self.mls.own_leaf_index());
        let newcomer = Newcomer { leaf: package.leaf_node(), old: None, entry: Entry::Add, by };
        self.judge(&newcomer, authentication, now)
    }

    /// Whom a received proposal would bring in: one that is unwanted must not wait here, where this member's own
    /// commits would be refused for it.
    pub(super) fn judge_proposed(
        &self,
        proposal: &QueuedProposal,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<(), MlsError> {
        self.proposed(proposal).map_or(Ok(()), |newcomer| self.judge(&newcomer, authentication, now))
    }

    pub(super) fn proposed_candidates(
        &self,
        proposal: &QueuedProposal,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<Vec<Candidate>, MlsError> {
        let Some(newcomer) = self.proposed(proposal) else { return Ok(Vec::new()) };
        self.admit(&newcomer, authentication, now)?;
        Ok(self.candidate(&newcomer)?.into_iter().collect())
    }

    pub(super) fn committed_candidates(&self, staged: &Staged) -> Result<Vec<Candidate>, MlsError> {
        let newcomers = self.committed_newcomers(staged.commit(), staged.sender());
        newcomers.map(|newcomer| self.candidate(&newcomer)).filter_map(Result::transpose).collect()
    }

    /// Whether everybody whom a received commit brings in shows a credential that counts.
    pub(super) fn admit_committed(
        &self,
        commit: &StagedCommit,
        sender: &MlsSender,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<(), MlsError> {
        self.committed_newcomers(commit, sender)
            .try_for_each(|newcomer| self.admit(&newcomer, authentication, now))
    }

    /// What the application says about them.
    pub(super) fn consult_committed(
        &self,
        commit: &StagedCommit,
        sender: &MlsSender,
        authentication: &Authentication,
    ) -> Result<(), MlsError> {
        self.committed_newcomers(commit, sender)
            .try_for_each(|newcomer| self.consult(&newcomer, authentication))
    }

    fn committed_newcomers<'a>(
        &'a self,
        commit: &'a StagedCommit,
        sender: &'a MlsSender,
    ) -> impl Iterator<Item = Newcomer<'a>> {
        let path = commit.update_path_leaf_node().map(|leaf| {
            let (old, entry) = match sender {
                MlsSender::Member(_) => (self.leaf_of(sender), Entry::Update),
                _ => (self.leaf_taken_by(commit), Entry::ExternalJoin),
            };
            Newcomer { leaf, old, entry, by: sender.clone() }
        });
        commit.queued_proposals().filter_map(|queued| self.proposed(queued)).chain(path)
    }

    fn proposed<'a>(&'a self, queued: &'a QueuedProposal) -> Option<Newcomer<'a>> {
        let by = queued.sender().clone();
        match queued.proposal() {
            Proposal::Add(add) => {
                Some(Newcomer { leaf: add.key_package().leaf_node(), old: None, entry: Entry::Add, by })
            }
            Proposal::Update(update) => {
                let old = self.leaf_of(&by);
                Some(Newcomer { leaf: update.leaf_node(), old, entry: Entry::Update, by })
            }
            _ => None,
        }
    }

    fn leaf_of(&self, sender: &MlsSender) -> Option<(LeafNodeIndex, &LeafNode)> {
        let MlsSender::Member(index) = sender else { return None };
        Some((*index, self.mls.public_group().leaf(*index)?))
    }

    /// The leaf that who joins by `commit` removes as one of its own. openmls sees to it that there is one at the most,
    /// and leaves it to us whose it may be (RFC 9420 section 12.4.3.2).
    fn leaf_taken_by(&self, commit: &StagedCommit) -> Option<(LeafNodeIndex, &LeafNode)> {
        let own = |removal: &QueuedRemoveProposal<'_>| matches!(removal.sender(), MlsSender::NewMemberCommit);
        let index = commit.remove_proposals().find(own)?.remove_proposal().removed();
        Some((index, self.mls.public_group().leaf(index)?))
    }

    fn judge(
        &self,
        newcomer: &Newcomer<'_>,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<(), MlsError> {
        self.admit(newcomer, authentication, now)?;
        self.consult(newcomer, authentication)
    }

    fn admit(
        &self,
        newcomer: &Newcomer<'_>,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<(), MlsError> {
        match newcomer.old {
            Some((_, old)) if newcomer.entry == Entry::ExternalJoin => {
                authentication.admit_return(old, newcomer.leaf, now).map(drop)
            }
            Some((_, old)) => authentication.admit_successor(old, newcomer.leaf, now).map(drop),
            None => authentication.admit_leaf(newcomer.leaf, now).map(drop),
        }
    }

    fn consult(&self, newcomer: &Newcomer<'_>, authentication: &Authentication) -> Result<(), MlsError> {
        if !authentication.has_policy() {
            return Ok(());
        }
        self.candidate(newcomer)?.map_or(Ok(()), |candidate| authentication.consult(&candidate))
    }

    /// What a policy is told; nothing where nothing about the member changes.
    fn candidate(&self, newcomer: &Newcomer<'_>) -> Result<Option<Candidate>, MlsError> {
        let changes_nothing = newcomer.old.is_some_and(|(_, old)| !differs(old, newcomer.leaf));
        if changes_nothing && newcomer.entry == Entry::Update {
            return Ok(None);
        }
        let by = roster::sender(&self.mls, &newcomer.by)?;
        let replaces = newcomer
            .old
            .map(|(index, _)| roster::member_at(&self.mls, LeafIndex::new(index.u32())))
            .transpose()?;
        let shown = credential::presented(newcomer.leaf.credential())?;
        Ok(Some(Candidate {
            group: GroupId::new(self.mls.group_id().as_slice())
                .map_err(|_| MlsError::Unsupported("the length of the group's id"))?,
            identity: shown.identity,
            signature_key: newcomer.leaf.signature_key().as_slice().to_vec(),
            certificate: shown.certificate,
            entry: newcomer.entry,
            by: Some(by),
            replaces,
        }))
    }
}
