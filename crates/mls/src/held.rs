//! Which groups of a volatile device are alive.
//!
//! Such a group lives in its object alone, so no row tells that the device holds it; without this, a second group of
//! the same id would begin beside the first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coterie_types::GroupId;

use crate::error::MlsError;

/// The ids of the groups that are alive, each with how many objects are.
#[derive(Clone, Default)]
pub(crate) struct HeldGroups {
    counts: Arc<Mutex<BTreeMap<GroupId, usize>>>,
}

/// One object of a group. Whoever drops it lets go of the id.
pub(crate) struct Hold {
    groups: HeldGroups,
    id: GroupId,
}

impl HeldGroups {
    /// Takes the id for an object that begins. `again` is for a member that comes back: the object that it comes back
    /// with takes the place of the old one, which may still be there.
    pub(crate) fn take(&self, id: &GroupId, again: bool) -> Result<Hold, MlsError> {
        let mut counts = self.lock();
        let count = counts.entry(id.clone()).or_default();
        if *count > 0 && !again {
            return Err(MlsError::GroupExists);
        }
        *count = count.saturating_add(1);
        Ok(Hold { groups: self.clone(), id: id.clone() })
    }

    /// No code panics while it holds this lock, so what a poisoned one guards is still whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<GroupId, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.groups.lock();
        if let Some(count) = counts.get_mut(&self.id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.id);
            }
        }
    }
}
