//! Several operations in one step, for a layer above whose own step needs more than one.
//!
//! A protocol above MLS opens a message, stages the commit that it carries and seals an answer, and all of that counts
//! together or not at all. [`Group::together`] hands out the group for one step: its operations are those of [`Group`], and
//! what they do reaches the store once, with the rows that were written beside them. Nobody who subscribed to the group's
//! events hears of them: whoever composes steps tells its own story.

use std::sync::Arc;

use coterie_types::{Epoch, GroupId, LeafIndex, Timestamp};

use super::commit::Changes;
use super::info::{Framing, HandshakeFraming};
use super::message::check;
use super::receive::{Judge, OnCommit, Received};
use super::{Committed, Encrypted, Group, Live, exported, group_id};
use crate::authentication::Candidate;
use crate::device::{Shared, join_config_with};
use crate::error::MlsError;
use crate::extension::{self, GroupExtension};
use crate::head::{MessageContent, read_message_head};
use crate::provider::Provider;
use crate::roster::{self, CommitSummary, Member};
use crate::rows::Rows;

use openmls::prelude::{MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY, MIXED_PLAINTEXT_WIRE_FORMAT_POLICY};
use openmls_traits::OpenMlsProvider;

/// A group within one step.
pub struct Together<'a, 'b> {
    live: &'a mut Live,
    provider: &'a Provider<'b>,
    shared: &'a Shared,
    /// Whether memory is ahead of the store, so that a failure has to go back.
    changed: bool,
}

impl Group {
    /// Runs `work` as one step. When it fails, the last stored state takes the place of what it has changed; a volatile
    /// group has none, and what was done stands.
    ///
    /// # Errors
    /// What `work` answers, or why the store failed.
    pub fn together<T, E: From<MlsError>>(
        &mut self,
        work: impl FnOnce(&mut Together<'_, '_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut refused = None;
        let done = self.step(|live, provider, shared| {
            let mut together = Together::new(live, provider, shared);
            let outcome = work(&mut together);
            let changed = together.changed;
            outcome.map_err(|error| {
                live.key_spent |= changed;
                refused = Some(error);
                MlsError::internal("a step of the layer above was refused")
            })
        });
        match (done, refused) {
            (Ok(value), _) => Ok(value),
            (Err(MlsError::Internal(_)), Some(error)) => Err(error),
            (Err(error), _) => Err(error.into()),
        }
    }
}

impl<'a, 'b> Together<'a, 'b> {
    pub(super) fn new(live: &'a mut Live, provider: &'a Provider<'b>, shared: &'a Shared) -> Self {
        Self { live, provider, shared, changed: false }
    }

    /// The group's name.
    ///
    /// # Errors
    /// Never, once a group was begun.
    pub fn id(&self) -> Result<GroupId, MlsError> {
        group_id(&self.live.mls)
    }

    /// Where this member is, with all that the step has done so far.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.live.epoch()
    }

    /// Whether this device is still in the group.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.live.mls.is_active()
    }

    /// Whether the group comes from before its store was put back to an earlier state; see [`Group::is_restored`].
    #[must_use]
    pub fn is_restored(&self) -> bool {
        self.live.is_restored
    }

    /// This device's place in the tree.
    #[must_use]
    pub fn own_leaf(&self) -> LeafIndex {
        LeafIndex::new(self.live.mls.own_leaf_index().u32())
    }

    /// Everybody in the group, from left to right.
    ///
    /// # Errors
    /// When a credential cannot be read.
    pub fn members(&self) -> Result<Vec<Member>, MlsError> {
        roster::members(&self.live.mls)
    }

    /// The group's extensions.
    ///
    /// # Errors
    /// When one cannot be encoded.
    pub fn extensions(&self) -> Result<Vec<GroupExtension>, MlsError> {
        extension::encode(self.live.mls.extensions())
    }

    /// A key of this epoch for another protocol.
    ///
    /// # Errors
    /// As [`Group::export_secret`].
    pub fn export_secret(&self, label: &str, context: &[u8], length: usize) -> Result<Vec<u8>, MlsError> {
        exported(&self.live.mls, self.shared, label, context, length)
    }

    /// Bytes that nobody can predict, from the device's source.
    ///
    /// # Errors
    /// Where the source fails.
    pub fn random<const LENGTH: usize>(&self) -> Result<[u8; LENGTH], MlsError> {
        let mut bytes = [0; LENGTH];
        self.shared.crypto().entropy().fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The rows of the layer above, as they will be once the step is stored.
    pub fn rows(&mut self) -> Rows<'_, 'b> {
        Rows::of(self.provider.storage())
    }

    /// Says whether proposals and commits of this member are encrypted, from here on.
    ///
    /// # Errors
    /// When the store fails.
    pub fn set_handshake_framing(&mut self, framing: HandshakeFraming) -> Result<(), MlsError> {
        let policy = match framing {
            HandshakeFraming::Encrypted => MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY,
            HandshakeFraming::Public => MIXED_PLAINTEXT_WIRE_FORMAT_POLICY,
        };
        let config = join_config_with(policy, Framing::default().padding);
        self.changed = true;
        Ok(self.live.mls.set_configuration(self.provider.storage(), &config)?)
    }

    /// Seals `plaintext`, as [`Group::encrypt`] does.
    ///
    /// # Errors
    /// As [`Group::encrypt`].
    pub fn encrypt(&mut self, plaintext: &[u8], associated_data: &[u8]) -> Result<Encrypted, MlsError> {
        check(plaintext, associated_data)?;
        self.provider.storage().touch_epoch(self.epoch().number());
        self.changed = true;
        self.live.encrypt(plaintext, associated_data, self.provider, self.shared)
    }

    /// Opens an application message; everything else is refused before anything of it is looked at.
    ///
    /// # Errors
    /// As [`Group::receive`].
    pub fn open(&mut self, message: &[u8], now: Timestamp) -> Result<Received, MlsError> {
        if read_message_head(message)?.content != MessageContent::Application {
            return Err(MlsError::Malformed("an application message"));
        }
        self.take_in(message, now)
    }

    /// Verifies a commit of another member and lets it wait, as [`Group::stage`] does. The application's policy has its
    /// say here, because afterwards it is too late for the layers above.
    ///
    /// # Errors
    /// As [`Group::stage`], also for a commit of this member's own, and when the policy refuses somebody.
    pub fn stage(&mut self, commit: &[u8], now: Timestamp) -> Result<CommitSummary, MlsError> {
        if read_message_head(commit)?.content != MessageContent::Commit {
            return Err(MlsError::Malformed("a commit"));
        }
        if self.live.is_own_commit(commit) {
            return Err(MlsError::Diverged);
        }
        let Received::Staged(summary) = self.take_in(commit, now)? else {
            return Err(MlsError::internal("a commit that was to be staged was"));
        };
        let staged = self.live.staged.as_ref().ok_or(MlsError::NoPendingCommit)?;
        let judged =
            self.live.consult_committed(staged.commit(), staged.sender(), self.shared.authentication());
        match judged {
            Ok(()) => Ok(summary),
            Err(error) => {
                self.discard_staged()?;
                Err(error)
            }
        }
    }

    /// The extensions that the group will have once the staged commit is merged.
    ///
    /// # Errors
    /// When none is staged.
    pub fn staged_extensions(&self) -> Result<Vec<GroupExtension>, MlsError> {
        let staged = self.live.staged.as_ref().ok_or(MlsError::NoPendingCommit)?;
        extension::encode(staged.commit().group_context().extensions())
    }

    /// What the staged commit would do.
    ///
    /// # Errors
    /// When none is staged.
    pub fn staged_summary(&self) -> Result<CommitSummary, MlsError> {
        self.live.staged.as_ref().map(|staged| staged.summary.clone()).ok_or(MlsError::NoPendingCommit)
    }

    /// Whom the staged commit would bring in, for an application whose word takes longer than a step may.
    ///
    /// # Errors
    /// When none is staged.
    pub fn staged_candidates(&self) -> Result<Vec<Candidate>, MlsError> {
        let staged = self.live.staged.as_ref().ok_or(MlsError::NoPendingCommit)?;
        self.live.committed_candidates(staged)
    }

    /// Moves on to the epoch that the staged commit begins.
    ///
    /// # Errors
    /// As [`Group::merge_staged`].
    pub fn merge_staged(&mut self) -> Result<CommitSummary, MlsError> {
        let staged = self.live.take_staged(self.provider)?;
        self.changed = true;
        let (summary, _) = self.live.merge(staged, self.provider)?;
        Ok(summary)
    }

    /// Drops the staged commit.
    ///
    /// # Errors
    /// As [`Group::discard_staged`].
    pub fn discard_staged(&mut self) -> Result<(), MlsError> {
        self.changed = true;
        self.live.take_staged(self.provider).map(drop)
    }

    /// Makes a commit of this member, which is pending then.
    ///
    /// # Errors
    /// As [`Group::commit`].
    pub fn commit(&mut self, changes: Changes<'_>, now: Timestamp) -> Result<Committed, MlsError> {
        let committed = self.live.commit_checked(&changes, now, self.provider, self.shared)?;
        self.changed = true;
        Ok(committed)
    }

    /// Moves on to the epoch that this member's own pending commit begins.
    ///
    /// # Errors
    /// As [`Group::merge_pending`].
    pub fn merge_pending(&mut self) -> Result<CommitSummary, MlsError> {
        self.changed = true;
        self.live.merge_pending(self.provider)
    }

    /// Drops this member's own pending commit.
    ///
    /// # Errors
    /// As [`Group::discard_pending`].
    pub fn discard_pending(&mut self) -> Result<(), MlsError> {
        self.live.discard_pending(self.provider)?;
        self.changed = true;
        Ok(())
    }

    fn take_in(&mut self, message: &[u8], now: Timestamp) -> Result<Received, MlsError> {
        let authentication = self.shared.authentication();
        let judge = Judge { authentication, on_commit: OnCommit::Stage, now };
        let received = self.live.receive(message, judge, self.provider);
        self.changed |= received.is_ok() || self.live.key_spent;
        received
    }
}

impl std::fmt::Debug for Together<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Together { .. }")
    }
}

/// A group that was just created or joined, in the step of `provider`, which ends here.
pub(crate) fn begin<T, E: From<MlsError>>(
    live: &mut Live,
    provider: &Provider<'_>,
    shared: &Arc<Shared>,
    work: impl FnOnce(&mut Together<'_, '_>) -> Result<T, E>,
) -> Result<T, E> {
    let value = work(&mut Together::new(live, provider, shared))?;
    live.write_message_secrets(provider)?;
    Ok(value)
}
