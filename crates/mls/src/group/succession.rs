//! How a group ends in favour of another, and how that one begins.

use std::sync::Arc;

use coterie_store::StoreError;
use coterie_types::{Epoch, GroupId, Timestamp};

use super::{Group, Live};
use crate::device;
use crate::error::MlsError;
use crate::rows::Rows;
use crate::succession::{self, Descent, Proof, Succession};

impl Group {
    /// The group that succeeds this one, once a commit has named it: then nothing more is sent here, and only what was
    /// sent before can still be read.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn successor(&mut self) -> Result<Option<Succession>, MlsError> {
        succession::named_in(self.live()?.mls.extensions())
    }

    /// Which group this one descends from; none where it succeeds no other, or where this member was added without
    /// the proof.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn descent(&mut self) -> Result<Option<Descent>, MlsError> {
        Ok(self.live()?.stay.proof().map(Proof::descent))
    }

    /// Begins the group that this one has named as its successor, with this device as its only member. Its first
    /// commit proves where it comes from: that is the one to add those who shall follow.
    ///
    /// # Errors
    /// When none is named, when this device holds the successor already, or when randomness or the store fails.
    pub fn create_successor(&mut self, now: Timestamp) -> Result<Self, MlsError> {
        self.create_successor_with(now, |_, _| Ok(()))
    }

    /// Begins the successor, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::create_successor`], and when `beside` fails.
    pub fn create_successor_with(
        &mut self,
        now: Timestamp,
        beside: impl FnOnce(&GroupId, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Self, MlsError> {
        let shared = Arc::clone(&self.shared);
        let mls = &self.live()?.mls;
        let (Some(named), Some(proof)) =
            (succession::named_in(mls.extensions())?, succession::proof_of(mls)?)
        else {
            return Err(MlsError::NotSucceeded);
        };
        device::found(&shared, named.group_id.as_bytes(), named.suite, Some(proof), now, beside)
    }
}

impl Live {
    /// Refuses whatever would go on in a group that has ended.
    pub(super) fn check_not_succeeded(&self) -> Result<(), MlsError> {
        if succession::is_named_in(self.mls.extensions()) { Err(MlsError::Succeeded) } else { Ok(()) }
    }

    /// The proof that the next commit has to carry, because it is the first of a group that succeeds another.
    pub(super) fn proof_due(&self) -> Option<&Proof> {
        self.stay.proof().filter(|_| self.epoch() == Epoch::new(0))
    }
}
