//! Commits that cover chosen proposals, as the working group's test interface wants them: its caller names the
//! proposals of every commit, while users of a group commit all that wait.

use coterie_types::Timestamp;
use openmls::group::QueuedProposal;
use openmls_traits::OpenMlsProvider;

use super::{Changes, Committed, Group};
use crate::error::MlsError;

impl Group {
    /// The references of the proposals that wait for a commit, oldest first.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn pending_references(&mut self) -> Result<Vec<Vec<u8>>, MlsError> {
        Ok(self.live()?.mls.pending_proposals().map(reference).collect())
    }

    /// Commits `changes` and those of the waiting proposals that `references` names. The others go on waiting.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_exactly(
        &mut self,
        changes: Changes<'_>,
        references: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<Committed, MlsError> {
        let aside = self.set_aside(references)?;
        let committed = self.commit(changes, now);
        let restored = self.step(|live, provider, _| {
            aside
                .into_iter()
                .try_for_each(|queued| live.mls.store_pending_proposal(provider.storage(), queued))
                .map_err(MlsError::from)
        });
        // Why the commit failed says more than that its group could not be put in order afterwards.
        let committed = committed?;
        restored.map(|()| committed)
    }

    /// Takes every waiting proposal out that `keep` does not name.
    fn set_aside(&mut self, keep: &[Vec<u8>]) -> Result<Vec<QueuedProposal>, MlsError> {
        self.step(|live, provider, _| {
            let aside: Vec<QueuedProposal> = live
                .mls
                .pending_proposals()
                .filter(|queued| !keep.contains(&reference(queued)))
                .cloned()
                .collect();
            for queued in &aside {
                live.mls
                    .remove_pending_proposal(provider.storage(), queued.proposal_reference_ref())
                    .map_err(MlsError::internal)?;
            }
            Ok(aside)
        })
    }
}

fn reference(queued: &QueuedProposal) -> Vec<u8> {
    queued.proposal_reference_ref().as_slice().to_vec()
}
