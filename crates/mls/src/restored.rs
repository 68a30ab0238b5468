//! What a device does after its store was put back to an earlier state.
//!
//! The ratchets went back with it, and nobody knows what they sealed meanwhile. So a group of an earlier life of the
//! store never sends again. Neither a commit of others nor the replay of a log changes that: this member may have sent
//! in every epoch that it could reach so. What does is a leaf that was made in the present life: joining anew.
//!
//! Key packages go for the same reason. One that was used meanwhile would let this device join a second time at the
//! beginning of ratchets that it has used.

use coterie_store::{Space, Store};
use openmls::prelude::MlsGroup;
use openmls_traits::OpenMlsProvider;

use crate::device::Shared;
use crate::error::MlsError;
use crate::provider::{GroupRow, Provider, StepStorage};

/// Where the device says which life of the store it has seen. Absent in the first.
const LIFE_ROW: &[u8] = b"life";

/// Notes the life that a new device begins in.
pub(crate) fn mark_device(store: &dyn Store, storage: &StepStorage<'_>) -> Result<(), MlsError> {
    if store.restorations() > 0 {
        storage.put_row(Space::Device, LIFE_ROW, &store.restorations())?;
    }
    Ok(())
}

/// Drops every key package of an earlier life. Does nothing in a life that the device has seen.
pub(crate) fn forget_what_may_be_used(store: &dyn Store, storage: &StepStorage<'_>) -> Result<(), MlsError> {
    let seen: Option<u64> = storage.row(Space::Device, LIFE_ROW)?;
    if seen.unwrap_or(0) < store.restorations() {
        storage.delete_all(Space::KeyPackage)?;
        mark_device(store, storage)?;
    }
    Ok(())
}

/// Notes the life that a group begins in.
pub(crate) fn mark_group(mls: &MlsGroup, shared: &Shared, provider: &Provider<'_>) -> Result<(), MlsError> {
    if shared.restorations() > 0 {
        provider.storage().put_loadable_row(mls.group_id(), GroupRow::Life, &shared.restorations())?;
    }
    Ok(())
}

/// Whether the group began in an earlier life.
pub(crate) fn is_restored(
    id: &openmls::group::GroupId,
    shared: &Shared,
    storage: &StepStorage<'_>,
) -> Result<bool, MlsError> {
    let began: Option<u64> = storage.group_row(id, GroupRow::Life)?;
    Ok(began.unwrap_or(0) < shared.restorations())
}
