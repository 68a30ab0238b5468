//! How a member's stay in a group goes on: how it came in, when it should replace its keys, and how long it can read
//! what was sent in epochs that are over.

use coterie_types::Timestamp;
use openmls::group::{DeletePastEpochSecretsError, PastEpochDeletion};
use openmls::prelude::Lifetime;
use openmls::treesync::LeafNodeSource;
use openmls_traits::OpenMlsProvider;
use serde::{Deserialize, Serialize};

use super::{Group, Live};
use crate::error::MlsError;
use crate::limits::{MAX_PAST_EPOCH_AGE, MAX_PAST_EPOCHS};
use crate::provider::{GroupRow, Provider};
use crate::succession::Proof;

/// Why a member should replace its own keys soon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UpdateReason {
    /// It was added and has not committed since: its leaf is still its key package's, whose private keys may have
    /// waited for months, and nobody encrypts to it but by that leaf.
    Joined,
    /// Half of its leaf's lifetime is over. Groups go on with a leaf that has expired, but others' software may not.
    Ageing,
}

/// What is remembered of a member's stay beside openmls's state.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(crate) struct Stay {
    /// Whether it was added by somebody else's commit.
    welcomed: bool,
    /// The proof that the group descends from another.
    proof: Option<Proof>,
    /// Past epochs, oldest first, each with the milliseconds when it was first seen to be over.
    ended: Vec<(u64, u64)>,
    /// The keys of every epoch before this one are gone for their age.
    kept_from: u64,
}

impl Stay {
    /// Of somebody who was added.
    pub(crate) fn welcomed(proof: Option<Proof>) -> Self {
        Self { welcomed: true, proof, ..Self::default() }
    }

    /// Of whoever begins the group that another one named as its successor.
    pub(crate) fn succeeding(proof: Proof) -> Self {
        Self { proof: Some(proof), ..Self::default() }
    }

    pub(super) fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    /// Notes which epochs are over by `now`, and answers whether there was something to note.
    fn note_ends(&mut self, current: u64, now: Timestamp) -> bool {
        let first = current.saturating_sub(MAX_PAST_EPOCHS as u64);
        let before = self.ended.len();
        let now = now.as_millis();
        let seen = self.ended.last().map_or(0, |(epoch, _)| epoch.saturating_add(1));
        self.ended.extend((seen.max(first)..current).map(|epoch| (epoch, now)));
        let noted = self.ended.len() != before;
        self.ended.retain(|(epoch, _)| *epoch >= first);
        // A clock that was ahead when it noted must not keep keys for longer.
        let ahead = self.ended.iter_mut().filter(|(_, at)| *at > now);
        ahead.fold(noted, |_, (_, at)| {
            *at = now;
            true
        })
    }

    /// How many of the past epochs are young enough to be kept, where there are others, which are counted as gone.
    fn shrink(&mut self, now: Timestamp) -> Option<usize> {
        let is_old = |at: u64| Timestamp::from_millis(at) + MAX_PAST_EPOCH_AGE <= now;
        let last_old = self.ended.iter().rev().find(|(_, at)| is_old(*at)).map(|(epoch, _)| *epoch)?;
        if last_old < self.kept_from {
            return None;
        }
        self.kept_from = last_old.saturating_add(1);
        Some(self.ended.iter().filter(|(epoch, _)| *epoch > last_old).count())
    }
}

impl Group {
    /// Forgets the keys of epochs that were seen to be over [`MAX_PAST_EPOCH_AGE`] ago, so that what was sent in them
    /// can no longer be read, here or by whoever takes the device. To be called now and then, and after each commit:
    /// an epoch's age counts from the first call that finds it over.
    ///
    /// # Errors
    /// When this device was removed or the store fails.
    pub fn forget_past_epochs(&mut self, now: Timestamp) -> Result<(), MlsError> {
        let live = self.live()?;
        let mut stay = live.stay.clone();
        let noted = stay.note_ends(live.epoch().number(), now);
        let keep = stay.shrink(now);
        if !noted && keep.is_none() {
            return Ok(());
        }
        self.step(|live, provider, _| live.forget_past_epochs(stay, keep, provider))
    }

    /// Whether this member should replace its own keys, by a commit with [`super::Changes::update`], and why.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn wants_update(&mut self, now: Timestamp) -> Result<Option<UpdateReason>, MlsError> {
        let live = self.live()?;
        let leaf = live.mls.own_leaf().ok_or_else(|| MlsError::internal("a member has a leaf"))?;
        Ok(match leaf.leaf_node_source() {
            LeafNodeSource::KeyPackage(lifetime) if now >= middle(lifetime) => Some(UpdateReason::Ageing),
            LeafNodeSource::KeyPackage(_) if live.stay.welcomed => Some(UpdateReason::Joined),
            _ => None,
        })
    }
}

impl Live {
    pub(super) fn store_stay(&self, provider: &Provider<'_>) -> Result<(), MlsError> {
        Ok(provider.storage().put_loadable_row(self.mls.group_id(), GroupRow::Stay, &self.stay)?)
    }

    fn forget_past_epochs(
        &mut self,
        stay: Stay,
        keep: Option<usize>,
        provider: &Provider<'_>,
    ) -> Result<(), MlsError> {
        if keep.is_some() {
            // By count: openmls would judge the age by the system's clock.
            self.delete_past_epochs(provider, keep)?;
        }
        self.stay = stay;
        self.store_stay(provider)
    }

    /// Has openmls delete all but `keep` past epochs, or none, and write what is left.
    pub(super) fn delete_past_epochs(
        &mut self,
        provider: &Provider<'_>,
        keep: Option<usize>,
    ) -> Result<(), MlsError> {
        let none = PastEpochDeletion::before_timestamp(std::time::UNIX_EPOCH);
        let deletion = keep.map_or(none, |keep| {
            PastEpochDeletion::before_timestamp(std::time::UNIX_EPOCH).max_past_epochs(keep)
        });
        self.mls.delete_past_epoch_secrets(provider, deletion).map_err(|error| match error {
            DeletePastEpochSecretsError::StorageError(fault) => MlsError::from(fault),
        })
    }
}

fn middle(lifetime: &Lifetime) -> Timestamp {
    let span = lifetime.not_after().saturating_sub(lifetime.not_before());
    Timestamp::from_secs(lifetime.not_before().saturating_add(span / 2))
}
