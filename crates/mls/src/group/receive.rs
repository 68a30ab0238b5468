//! What others sent.
//!
//! Everything is refused before anything changes. What authenticates moves the group in one step: a message uses
//! up its key, a proposal joins those that wait, a commit begins the next epoch, or waits for the application's
//! word where it was only staged.

use std::sync::Arc;

use coterie_store::StoreError;
use coterie_types::{Epoch, LeafIndex, Timestamp};
use openmls::framing::ContentType;
use openmls::prelude::tls_codec::DeserializeBytes;
use openmls::prelude::{
    LeafNodeIndex, MlsGroup, MlsMessageIn, ProcessedMessage, ProcessedMessageContent, Proposal,
    ProtocolMessage, QueuedProposal, Sender as MlsSender, StagedCommit,
};
use openmls_traits::OpenMlsProvider;
use serde::{Deserialize, Serialize};

use super::{Group, Live, State, digest, without_rows};
use crate::authentication::{Authentication, Candidate};
use crate::credential::{self, Presented};
use crate::device::Shared;
use crate::error::MlsError;
use crate::events::GroupEvent;
use crate::head::{self, MessageContent};
use crate::limits::MAX_MESSAGE_LENGTH;
use crate::provider::{GroupRow, Provider};
use crate::psk;
use crate::refusal;
use crate::roster::{self, CommitSummary, Member, ProposalSummary, Sender};
use crate::rows::Rows;
use crate::succession::{self, keep_proof};

/// What a message turned out to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Received {
    /// An application message.
    Message {
        /// Who sent it.
        sender: Member,
        /// The epoch it was sent in.
        epoch: Epoch,
        /// What was said.
        plaintext: Vec<u8>,
        /// What travelled beside it in the clear.
        associated_data: Vec<u8>,
    },
    /// A proposal, which now waits for a commit.
    Proposal {
        /// Who proposes it.
        sender: Sender,
        /// What is proposed.
        proposal: ProposalSummary,
    },
    /// A commit, which has been merged.
    Commit {
        /// What it did.
        commit: CommitSummary,
        /// Whether a pending commit of this member was dropped, because this one came first.
        superseded_own: bool,
    },
    /// A commit, which waits for [`Group::merge_staged`] or [`Group::discard_staged`].
    Staged(CommitSummary),
    /// Something that this member sent itself and that needs nothing more.
    OwnEcho,
}

/// A commit that authenticated and waits.
pub(super) struct Staged {
    commit: StagedCommit,
    sender: MlsSender,
    pub(super) summary: CommitSummary,
}

/// A change that authenticated and was not taken in, found again by a digest of its bytes.
pub(super) struct Refused {
    digest: Vec<u8>,
    change: Change,
}

/// A change that authenticated.
enum Change {
    Commit(Box<Staged>),
    Proposal(Box<QueuedProposal>),
}

/// The same as it is stored. A commit's bytes can be processed only once, so what came of it is durable.
#[derive(Deserialize)]
pub(super) struct StagedRow {
    commit: StagedCommit,
    sender: MlsSender,
}

#[derive(Serialize)]
struct StagedRowRef<'a> {
    commit: &'a StagedCommit,
    sender: &'a MlsSender,
}

/// How what comes in is judged.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) authentication: &'a Authentication,
    pub(super) on_commit: OnCommit,
    pub(super) now: Timestamp,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum OnCommit {
    Merge,
    Stage,
}

impl Group {
    /// Takes in one message of the group. A commit is merged at once.
    ///
    /// # Errors
    /// When the message is refused; then nothing was changed. [`MlsError::AlreadyProcessed`] is harmless.
    pub fn receive(&mut self, message: &[u8], now: Timestamp) -> Result<Received, MlsError> {
        self.take_in(message, OnCommit::Merge, now, |_, _| Ok(()))
    }

    /// Takes in one message, and stores what `beside` writes in the same step: the plaintext in a history and the
    /// receive cursor, say, so that no message key is used up without its plaintext being stored.
    ///
    /// # Errors
    /// As [`Self::receive`], and when `beside` fails.
    pub fn receive_with(
        &mut self,
        message: &[u8],
        now: Timestamp,
        beside: impl FnOnce(&Received, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Received, MlsError> {
        self.take_in(message, OnCommit::Merge, now, beside)
    }

    /// Takes in one message of the group, but lets a commit wait to be looked at.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn stage(&mut self, message: &[u8], now: Timestamp) -> Result<Received, MlsError> {
        self.take_in(message, OnCommit::Stage, now, |_, _| Ok(()))
    }

    /// Takes in one message but lets a commit wait, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::stage`], and when `beside` fails.
    pub fn stage_with(
        &mut self,
        message: &[u8],
        now: Timestamp,
        beside: impl FnOnce(&Received, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Received, MlsError> {
        self.take_in(message, OnCommit::Stage, now, beside)
    }

    /// Whom a message would bring in, for an application whose word takes longer than a call may. Takes in nothing:
    /// [`Self::receive`] of the same bytes does.
    ///
    /// # Errors
    /// When the message is refused already, for a credential that does not count, say.
    pub fn received_candidates(
        &mut self,
        message: &[u8],
        now: Timestamp,
    ) -> Result<Vec<Candidate>, MlsError> {
        let shared = Arc::clone(&self.shared);
        if shared.is_volatile() {
            // What is held takes the place of the state to go back to.
            return self.step(|live, provider, shared| {
                live.look_at(message, shared.authentication(), now, provider)
            });
        }
        let live = self.live()?;
        let before = live.epoch();
        let provider = shared.provider();
        let looked = live.look_at(message, shared.authentication(), now, &provider);
        if live.must_undo(provider.storage().is_touched(), &shared) {
            self.state = State::Torn(before);
        }
        looked.map_err(|error| provider.explain(error))
    }

    /// Takes in several messages in one step, which is one write for all of them. Each is accepted or refused by
    /// itself.
    ///
    /// # Errors
    /// When a subscriber lags behind, this device was removed, or the store fails at the first message: then nothing was
    /// changed. Where the store fails later, that message and those behind it answer with the failure and were not
    /// taken in.
    pub fn receive_all<M: AsRef<[u8]>>(
        &mut self,
        messages: &[M],
        now: Timestamp,
    ) -> Result<Vec<Result<Received, MlsError>>, MlsError> {
        self.receive_all_with(messages, now, |_, _, _| Ok(()))
    }

    /// Takes in several messages in one step, and stores in it what `beside` writes for each: it is given the
    /// message's place in `messages` and what came of it, refusals included, so that a cursor can pass those too.
    /// Where the step has to be undone for one of them, each is taken in by a step of its own, and `beside` is
    /// called again.
    ///
    /// # Errors
    /// As [`Self::receive_all`], and when `beside` fails.
    pub fn receive_all_with<M: AsRef<[u8]>>(
        &mut self,
        messages: &[M],
        now: Timestamp,
        mut beside: impl FnMut(usize, Result<&Received, &MlsError>, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Vec<Result<Received, MlsError>>, MlsError> {
        self.events.check_room_for(messages.len())?;
        let all = self.step(|live, provider, shared| {
            let judge = Judge { authentication: shared.authentication(), on_commit: OnCommit::Merge, now };
            let mut all = Vec::with_capacity(messages.len());
            for (index, message) in messages.iter().enumerate() {
                let before = provider.storage().touches();
                let received = live.receive(message.as_ref(), judge, provider);
                match received {
                    // Not the message's fault, and not to be taken for a refusal of it.
                    Err(error) if provider.storage().fault().is_some() => return Err(error),
                    // Refused after it had begun to change something: the whole step must be undone, where it can be.
                    Err(error) if live.must_undo(provider.storage().touches() != before, shared) => {
                        return Err(error);
                    }
                    received => {
                        let written = beside(index, received.as_ref(), &mut Rows::of(provider.storage()));
                        written.map_err(|error| without_rows(error, provider, shared))?;
                        all.push(received);
                    }
                }
            }
            Ok(all)
        });
        match all {
            Ok(all) => {
                for received in all.iter().flatten() {
                    self.publish_received(received);
                }
                Ok(all)
            }
            Err(error @ (MlsError::Store(_) | MlsError::NotUndone(_) | MlsError::Removed)) => Err(error),
            Err(_) => self.receive_each_with(messages, now, beside),
        }
    }

    /// Takes in each message by a step of its own.
    fn receive_each_with<M: AsRef<[u8]>>(
        &mut self,
        messages: &[M],
        now: Timestamp,
        mut beside: impl FnMut(usize, Result<&Received, &MlsError>, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Vec<Result<Received, MlsError>>, MlsError> {
        let mut all = Vec::with_capacity(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let received =
                self.receive_with(message.as_ref(), now, |received, rows| beside(index, Ok(received), rows));
            if let Err(error @ MlsError::Store(_)) = received {
                return stopped(all, &error, messages.len());
            }
            if let Err(refusal) = &received {
                let provider = self.shared.provider();
                let written = beside(index, Err(refusal), &mut Rows::of(provider.storage()))
                    .map_err(MlsError::from)
                    .and_then(|()| Ok(provider.commit()?));
                if let Err(error) = written {
                    return stopped(all, &error, messages.len());
                }
            }
            all.push(received);
        }
        Ok(all)
    }

    /// Moves on to the epoch that the staged commit begins.
    ///
    /// # Errors
    /// When none is staged, a subscriber lags behind, or the store fails.
    pub fn merge_staged(&mut self) -> Result<CommitSummary, MlsError> {
        self.merge_staged_with(|_, _| Ok(()))
    }

    /// Moves on to the epoch that the staged commit begins, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::merge_staged`], and when `beside` fails.
    pub fn merge_staged_with(
        &mut self,
        beside: impl FnOnce(&CommitSummary, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<CommitSummary, MlsError> {
        self.events.check_room()?;
        let merge = |live: &mut Live, provider: &Provider<'_>, shared: &Shared| {
            let waiting = live.staged.as_ref().ok_or(MlsError::NoPendingCommit)?;
            live.consult_committed(&waiting.commit, &waiting.sender, shared.authentication())?;
            let staged = live.take_staged(provider)?;
            live.merge(staged, provider)
        };
        let (commit, superseded_own) = self.step_with(merge, |(commit, _), rows| beside(commit, rows))?;
        self.publish_received(&Received::Commit { commit: commit.clone(), superseded_own });
        Ok(commit)
    }

    /// Drops the staged commit. This member stays behind in the old epoch, apart from those who merged it.
    ///
    /// # Errors
    /// When none is staged or the store fails.
    pub fn discard_staged(&mut self) -> Result<(), MlsError> {
        self.discard_staged_with(|(), _| Ok(()))
    }

    /// Drops the staged commit, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::discard_staged`], and when `beside` fails.
    pub fn discard_staged_with(
        &mut self,
        beside: impl FnOnce(&(), &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<(), MlsError> {
        let discard =
            |live: &mut Live, provider: &Provider<'_>, _: &Shared| live.take_staged(provider).map(drop);
        self.step_with(discard, beside)
    }

    /// What the staged commit would do; none where none is staged.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn staged_commit(&mut self) -> Result<Option<CommitSummary>, MlsError> {
        Ok(self.live()?.staged.as_ref().map(|staged| staged.summary.clone()))
    }

    fn take_in(
        &mut self,
        message: &[u8],
        on_commit: OnCommit,
        now: Timestamp,
        beside: impl FnOnce(&Received, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Received, MlsError> {
        self.events.check_room()?;
        let work = |live: &mut Live, provider: &Provider<'_>, shared: &Shared| {
            let judge = Judge { authentication: shared.authentication(), on_commit, now };
            live.receive(message, judge, provider)
        };
        let received = self.step_with(work, beside)?;
        self.publish_received(&received);
        Ok(received)
    }

    fn publish_received(&mut self, received: &Received) {
        match received {
            Received::Message { sender, epoch, plaintext, associated_data } => {
                self.publish(|| GroupEvent::Message {
                    sender: sender.clone(),
                    epoch: *epoch,
                    plaintext: plaintext.clone(),
                    associated_data: associated_data.clone(),
                });
            }
            Received::Proposal { sender, proposal } => {
                self.publish(|| GroupEvent::Proposal { sender: sender.clone(), proposal: proposal.clone() });
            }
            Received::Commit { commit, superseded_own } => self.publish_commit(commit, *superseded_own),
            Received::Staged(commit) => self.publish(|| GroupEvent::CommitStaged { commit: commit.clone() }),
            Received::OwnEcho => {}
        }
    }

    pub(super) fn publish_commit(&mut self, commit: &CommitSummary, superseded_own: bool) {
        self.publish(|| GroupEvent::EpochChanged { commit: commit.clone(), superseded_own });
        if let (Some(succession), false) = (&commit.succession, commit.removes_self) {
            let epoch = commit.epoch;
            self.publish(|| GroupEvent::Succeeded { succession: succession.clone(), epoch });
        }
    }
}

impl Live {
    pub(super) fn receive(
        &mut self,
        message: &[u8],
        judge: Judge<'_>,
        provider: &Provider<'_>,
    ) -> Result<Received, MlsError> {
        self.key_spent = false;
        if !self.mls.is_active() {
            // An earlier message of the same step removed this member.
            return Err(MlsError::Removed);
        }
        if message.len() > MAX_MESSAGE_LENGTH {
            return Err(MlsError::TooLarge { what: "the message", limit: MAX_MESSAGE_LENGTH });
        }
        if let Some(received) = self.receive_own_commit(message, provider)? {
            return Ok(received);
        }
        if let Some(change) = self.take_refused(message) {
            return self.accept_change(change, message, judge, provider);
        }
        let processed = self.authenticate(message, provider)?;
        let received = self.accept(processed, message, judge, provider);
        self.key_spent = received.is_err();
        received
    }

    /// Whom a message would bring in, which is then held for whoever has no stored state to go back to.
    fn look_at(
        &mut self,
        message: &[u8],
        authentication: &Authentication,
        now: Timestamp,
        provider: &Provider<'_>,
    ) -> Result<Vec<Candidate>, MlsError> {
        self.key_spent = false;
        if message.len() > MAX_MESSAGE_LENGTH || !may_bring_somebody(message) || self.is_own_commit(message) {
            return Ok(Vec::new());
        }
        let change = match self.take_refused(message) {
            Some(change) => change,
            None => {
                let processed = self.authenticate(message, provider)?;
                self.key_spent = true;
                match self.change(processed)? {
                    Some(change) => change,
                    None => return Ok(Vec::new()),
                }
            }
        };
        let candidates = self.candidates_of(&change, authentication, now);
        self.refused = Some(Refused { digest: digest(message), change });
        candidates
    }

    fn authenticate(
        &mut self,
        message: &[u8],
        provider: &Provider<'_>,
    ) -> Result<ProcessedMessage, MlsError> {
        let message = self.decode(message)?;
        let epoch = Epoch::new(message.epoch().as_u64());
        provider.storage().touch_epoch(epoch.number());
        self.mls
            .process_message(provider, message)
            .map_err(|error| refusal::of_message(error, self.epoch(), epoch))
    }

    /// The change that was not taken in before, if these are its bytes.
    fn take_refused(&mut self, message: &[u8]) -> Option<Change> {
        if self.staged.is_some() || self.refused.as_ref()?.digest != digest(message) {
            return None;
        }
        self.refused.take().map(|refused| refused.change)
    }

    pub(super) fn is_own_commit(&self, message: &[u8]) -> bool {
        let own = &self.own_commits;
        !own.are_none() && {
            let digest = digest(message);
            own.pending.as_ref() == Some(&digest)
                || own.merged.as_ref() == Some(&digest)
                || own.discarded.contains(&digest)
        }
    }

    /// A commit of our own that comes back was accepted; one that was merged before is an echo; and one that was
    /// discarded tells that the group went on without this member.
    fn receive_own_commit(
        &mut self,
        message: &[u8],
        provider: &Provider<'_>,
    ) -> Result<Option<Received>, MlsError> {
        let own = &self.own_commits;
        if own.are_none() {
            return Ok(None);
        }
        let digest = Some(digest(message));
        if own.pending == digest {
            let commit = self.merge_pending(provider)?;
            return Ok(Some(Received::Commit { commit, superseded_own: false }));
        }
        if own.merged == digest {
            return Ok(Some(Received::OwnEcho));
        }
        match digest {
            Some(digest) if own.discarded.contains(&digest) => Err(MlsError::Diverged),
            _ => Ok(None),
        }
    }

    fn decode(&self, message: &[u8]) -> Result<ProtocolMessage, MlsError> {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message)
            .map_err(|_| MlsError::Malformed("a message of a group"))?
            .try_into_protocol_message()
            .map_err(|_| MlsError::Malformed("a message of a group"))?;
        if message.group_id() != self.mls.group_id() {
            return Err(MlsError::WrongGroup);
        }
        let (current, got) = (self.epoch(), Epoch::new(message.epoch().as_u64()));
        let handshake = message.content_type() != ContentType::Application;
        if got > current || (handshake && got < current) {
            return Err(MlsError::WrongEpoch { current, got });
        }
        if got == current {
            self.check_not_succeeded()?;
        }
        if message.content_type() == ContentType::Proposal {
            self.check_room_for_proposals()?;
        }
        if message.content_type() == ContentType::Commit && self.staged.is_some() {
            return Err(MlsError::CommitPending);
        }
        Ok(message)
    }

    fn accept(
        &mut self,
        processed: ProcessedMessage,
        message: &[u8],
        judge: Judge<'_>,
        provider: &Provider<'_>,
    ) -> Result<Received, MlsError> {
        let epoch = Epoch::new(processed.epoch().as_u64());
        let sender = processed.sender().clone();
        let associated_data = processed.aad().to_vec();
        let credential = processed.credential().clone();
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(plaintext) => {
                let MlsSender::Member(leaf) = sender else { return Err(MlsError::NotAuthentic) };
                let sender = self.sender_then(LeafIndex::new(leaf.u32()), &credential)?;
                Ok(Received::Message { sender, epoch, plaintext: plaintext.into_bytes(), associated_data })
            }
            ProcessedMessageContent::ProposalMessage(proposal)
            | ProcessedMessageContent::ExternalJoinProposalMessage(proposal) => {
                self.accept_change(Change::Proposal(proposal), message, judge, provider)
            }
            ProcessedMessageContent::StagedCommitMessage(commit) => {
                let staged = self.stage_commit(*commit, sender)?;
                self.accept_change(Change::Commit(Box::new(staged)), message, judge, provider)
            }
            ProcessedMessageContent::OwnPendingCommit => {
                let commit = self.merge_pending(provider)?;
                Ok(Received::Commit { commit, superseded_own: false })
            }
            ProcessedMessageContent::OwnPrivateMessage => Ok(Received::OwnEcho),
            ProcessedMessageContent::UnresolvedAppDataCommit(_) => {
                Err(MlsError::Unsupported("a commit of application data"))
            }
        }
    }

    /// The change that a message is, if it is one.
    fn change(&self, processed: ProcessedMessage) -> Result<Option<Change>, MlsError> {
        let sender = processed.sender().clone();
        Ok(match processed.into_content() {
            ProcessedMessageContent::ProposalMessage(proposal)
            | ProcessedMessageContent::ExternalJoinProposalMessage(proposal) => {
                Some(Change::Proposal(proposal))
            }
            ProcessedMessageContent::StagedCommitMessage(commit) => {
                Some(Change::Commit(Box::new(self.stage_commit(*commit, sender)?)))
            }
            _ => None,
        })
    }

    fn stage_commit(&self, commit: StagedCommit, sender: MlsSender) -> Result<Staged, MlsError> {
        if self.proof_due().is_some() {
            let reason = "the first commit of a group that succeeds another is its founder's".to_owned();
            return Err(MlsError::InvalidCommit { offender: None, reason });
        }
        let signer = refusal::member(&sender);
        Staged::new(&self.mls, commit, sender).map_err(|error| error.signed_by(signer))
    }

    /// Takes in a change, unless somebody whom it brings in is refused.
    fn accept_change(
        &mut self,
        change: Change,
        message: &[u8],
        judge: Judge<'_>,
        provider: &Provider<'_>,
    ) -> Result<Received, MlsError> {
        if let Err(error) = self.judge_change(&change, judge) {
            self.refused = Some(Refused { digest: digest(message), change });
            return Err(error);
        }
        match (change, judge.on_commit) {
            (Change::Proposal(proposal), _) => self.keep_proposal(*proposal, provider),
            (Change::Commit(staged), OnCommit::Merge) => {
                let (commit, superseded_own) = self.merge(*staged, provider)?;
                Ok(Received::Commit { commit, superseded_own })
            }
            (Change::Commit(staged), OnCommit::Stage) => self.keep_staged(*staged, provider),
        }
    }

    /// A staged commit is for the application to look at: its policy is asked when it wants to merge.
    fn judge_change(&self, change: &Change, judge: Judge<'_>) -> Result<(), MlsError> {
        let Judge { authentication, on_commit, now } = judge;
        match (change, on_commit) {
            (Change::Proposal(proposal), _) => self.judge_proposed(proposal, authentication, now),
            (Change::Commit(staged), OnCommit::Merge) => {
                self.admit_committed(&staged.commit, &staged.sender, authentication, now)?;
                self.consult_committed(&staged.commit, &staged.sender, authentication)
            }
            (Change::Commit(staged), OnCommit::Stage) => {
                self.admit_committed(&staged.commit, &staged.sender, authentication, now)
            }
        }
    }

    fn candidates_of(
        &self,
        change: &Change,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<Vec<Candidate>, MlsError> {
        match change {
            Change::Proposal(proposal) => self.proposed_candidates(proposal, authentication, now),
            Change::Commit(staged) => {
                self.admit_committed(&staged.commit, &staged.sender, authentication, now)?;
                self.committed_candidates(staged)
            }
        }
    }

    /// The sender as it was when it sent: its leaf may be another's by now, so the credential that verified counts.
    fn sender_then(
        &self,
        leaf: LeafIndex,
        credential: &openmls::prelude::Credential,
    ) -> Result<Member, MlsError> {
        let present = self.mls.public_group().leaf(LeafNodeIndex::new(leaf.number()));
        if present.is_some_and(|present| present.credential() == credential) {
            return roster::member_at(&self.mls, leaf);
        }
        let Presented { identity, certificate } = credential::presented(credential)?;
        Ok(Member { leaf, identity, signature_key: Vec::new(), expires: None, certificate })
    }

    fn keep_proposal(
        &mut self,
        proposal: QueuedProposal,
        provider: &Provider<'_>,
    ) -> Result<Received, MlsError> {
        self.check_room_for_proposals()?;
        if let Proposal::Add(add) = proposal.proposal() {
            self.check_suite(add.key_package())?;
        }
        if let Proposal::GroupContextExtensions(changed) = proposal.proposal() {
            succession::check_unnamed(changed.extensions()).map_err(|_| MlsError::InvalidProposal {
                offender: None,
                reason: "a successor is named by a commit itself".to_owned(),
            })?;
        }
        let signer = refusal::member(proposal.sender());
        self.check_proposed(&proposal, provider).map_err(|error| error.signed_by(signer))?;
        let received = Received::Proposal {
            sender: roster::sender(&self.mls, proposal.sender())?,
            proposal: roster::proposal(&self.mls, &proposal)?,
        };
        let reference = proposal.proposal_reference_ref();
        // One that comes again must not be kept twice: openmls would mix a pre-shared key in twice, too.
        if !self.mls.pending_proposals().any(|queued| queued.proposal_reference_ref() == reference) {
            self.mls.store_pending_proposal(provider.storage(), proposal)?;
        }
        Ok(received)
    }

    fn keep_staged(&mut self, staged: Staged, provider: &Provider<'_>) -> Result<Received, MlsError> {
        let row = StagedRowRef { commit: &staged.commit, sender: &staged.sender };
        provider.storage().put_loadable_row(self.mls.group_id(), GroupRow::StagedCommit, &row)?;
        let summary = staged.summary.clone();
        self.staged = Some(staged);
        Ok(Received::Staged(summary))
    }

    pub(super) fn take_staged(&mut self, provider: &Provider<'_>) -> Result<Staged, MlsError> {
        let staged = self.staged.take().ok_or(MlsError::NoPendingCommit)?;
        provider.storage().delete_group_row(self.mls.group_id(), GroupRow::StagedCommit)?;
        Ok(staged)
    }

    pub(super) fn merge(
        &mut self,
        staged: Staged,
        provider: &Provider<'_>,
    ) -> Result<(CommitSummary, bool), MlsError> {
        self.refused = None;
        let superseded_own = self.mls.pending_commit().is_some();
        self.mls.merge_staged_commit(provider, staged.commit)?;
        if self.mls.is_active() {
            keep_proof(&self.mls, provider)?;
        }
        if self.own_commits.forget_epoch() {
            self.store_own_commits(provider)?;
        }
        if !self.mls.is_active() {
            self.mls.delete(provider.storage())?;
            provider.storage().delete_group(self.mls.group_id())?;
        }
        Ok((staged.summary, superseded_own))
    }
}

impl Staged {
    fn new(group: &MlsGroup, commit: StagedCommit, sender: MlsSender) -> Result<Self, MlsError> {
        let summary = roster::summary(group, &commit, &sender)?;
        let keys = commit.psk_proposals().map(|queued| psk::id_of(queued.psk_proposal()));
        psk::check(group.group_id(), &keys.collect::<Result<Vec<_>, _>>()?)?;
        if commit.queued_proposals().any(|queued| matches!(queued.proposal(), Proposal::ReInit(_))) {
            let reason = "groups are not re-initialised here".to_owned();
            return Err(MlsError::InvalidCommit { offender: None, reason });
        }
        Ok(Self { commit, sender, summary })
    }

    pub(super) fn commit(&self) -> &StagedCommit {
        &self.commit
    }

    pub(super) fn sender(&self) -> &MlsSender {
        &self.sender
    }

    pub(super) fn from_row(group: &MlsGroup, row: StagedRow) -> Result<Self, MlsError> {
        Self::new(group, row.commit, row.sender)
    }
}

/// Whether the message may be a proposal or a commit. What cannot be read is for the receiving call to refuse.
fn may_bring_somebody(message: &[u8]) -> bool {
    head::read_message_head(message).is_ok_and(|head| head.content != MessageContent::Application)
}

/// What was taken in before the store failed is the caller's; the rest answers with the failure. Nothing behind it is
/// tried: out of its order it might be refused for good.
fn stopped(
    mut all: Vec<Result<Received, MlsError>>,
    error: &MlsError,
    count: usize,
) -> Result<Vec<Result<Received, MlsError>>, MlsError> {
    if all.is_empty() {
        return Err(error.clone());
    }
    all.resize_with(count, || Err(error.clone()));
    Ok(all)
}
