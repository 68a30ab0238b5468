//! Which proposals a commit can contain.
//!
//! One that no commit could contain is refused when it arrives: it would stop every commit of this member for the rest of
//! the epoch, or make it one that all others refuse. What may fit later, or beside others, waits, and commits leave it out
//! for as long as it does not.

use std::collections::HashSet;
use std::hash::Hash;

use coterie_types::Timestamp;
use openmls::group::{CreateCommitError, ProposalValidationError, QueuedProposal};
use openmls::prelude::Proposal;
use openmls::prelude::hash_ref::ProposalRef;
use openmls::schedule::PreSharedKeyId;
use openmls::schedule::errors::PskError;
use openmls_traits::OpenMlsProvider;

use super::Live;
use crate::authentication::Authentication;
use crate::error::MlsError;
use crate::provider::Provider;
use crate::psk;

impl Live {
    /// The waiting proposals that a commit made `now` covers where they fit. Removals come first: they make room for who
    /// takes the place of somebody removed.
    pub(super) fn wanted(&self, authentication: &Authentication, now: Timestamp) -> Vec<ProposalRef> {
        let waiting = self.mls.pending_proposals();
        let wanted = waiting.filter(|queued| self.is_committable(queued, authentication, now));
        let (removals, others): (Vec<_>, Vec<_>) = wanted.partition(|queued| is_removal(queued));
        removals.into_iter().chain(others).map(|queued| queued.proposal_reference_ref().clone()).collect()
    }

    /// Refuses a proposal that no commit of this epoch could contain.
    ///
    /// Two kinds wait although they cannot be committed now. A pre-shared key that is unknown may be stored before
    /// somebody commits, and who had refused the proposal could not follow that commit. And a key package whose keys are
    /// in the group fits beside the removal of the member that has them.
    pub(super) fn check_proposed(
        &self,
        proposal: &QueuedProposal,
        provider: &Provider<'_>,
    ) -> Result<(), MlsError> {
        if matches!(proposal.proposal(), Proposal::ReInit(_)) {
            return Err(invalid("groups are not re-initialised here"));
        }
        psk::check(self.mls.group_id(), &psk_of(proposal)?.into_iter().collect::<Vec<_>>())?;
        let Err(error) = self.mls.check_proposals(provider.storage(), [proposal.clone()]) else {
            return Ok(());
        };
        match error {
            CreateCommitError::PskError(PskError::KeyNotFound) => Ok(()),
            CreateCommitError::ProposalValidationError(
                ProposalValidationError::DuplicateSignatureKey
                | ProposalValidationError::DuplicateEncryptionKey,
            ) if matches!(proposal.proposal(), Proposal::Add(_)) => Ok(()),
            CreateCommitError::LibraryError(error) => Err(MlsError::internal(error)),
            other => Err(invalid(other)),
        }
    }

    /// Whether a commit could contain the proposal and nothing else.
    pub(super) fn fits_alone(&self, queued: &QueuedProposal, provider: &Provider<'_>) -> bool {
        self.mls.check_proposals(provider.storage(), [queued.clone()]).is_ok()
    }
}

/// Those of `wanted` that fit together, as `fits` judges. Where not all do, halves are looked at, so that a few that do not
/// fit among many cost a few looks each.
pub(super) fn choose<Id: Clone + Eq + Hash>(
    wanted: &[Id],
    mut fits: impl FnMut(&HashSet<Id>) -> bool,
) -> HashSet<Id> {
    let mut chosen = HashSet::new();
    if wanted.is_empty() {
        return chosen;
    }
    let all = wanted.iter().cloned().collect();
    if fits(&all) {
        return all;
    }
    // Where nothing fits, the commit itself is at fault, and says so.
    if fits(&chosen) {
        let (first, second) = wanted.split_at(wanted.len() / 2);
        add_what_fits(first, &mut chosen, &mut fits);
        add_what_fits(second, &mut chosen, &mut fits);
    }
    chosen
}

fn add_what_fits<Id: Clone + Eq + Hash>(
    wanted: &[Id],
    chosen: &mut HashSet<Id>,
    fits: &mut impl FnMut(&HashSet<Id>) -> bool,
) {
    if wanted.is_empty() {
        return;
    }
    let more: HashSet<_> = chosen.iter().chain(wanted).cloned().collect();
    if fits(&more) {
        *chosen = more;
    } else if wanted.len() > 1 {
        let (first, second) = wanted.split_at(wanted.len() / 2);
        add_what_fits(first, chosen, fits);
        add_what_fits(second, chosen, fits);
    }
}

fn is_removal(queued: &QueuedProposal) -> bool {
    matches!(queued.proposal(), Proposal::Remove(_) | Proposal::SelfRemove)
}

/// The key that a proposal mixes in, if it is one that does.
pub(super) fn psk_of(queued: &QueuedProposal) -> Result<Option<PreSharedKeyId>, MlsError> {
    match queued.proposal() {
        Proposal::PreSharedKey(proposal) => psk::id_of(proposal).map(Some),
        _ => Ok(None),
    }
}

fn invalid(reason: impl std::fmt::Display) -> MlsError {
    MlsError::InvalidProposal { offender: None, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wanted: &[u32], fits: impl Fn(&HashSet<u32>) -> bool) -> (Vec<u32>, usize) {
        let mut looks = 0;
        let chosen = choose(wanted, |set| {
            looks = usize::saturating_add(looks, 1);
            fits(set)
        });
        let mut chosen: Vec<_> = chosen.into_iter().collect();
        chosen.sort_unstable();
        (chosen, looks)
    }

    #[test]
    fn all_that_fit_are_chosen_and_the_first_of_those_that_exclude_each_other() {
        let all: Vec<u32> = (0..9).collect();
        assert_eq!(chosen(&all, |_| true), (all.clone(), 1));
        assert_eq!(chosen(&[], |_| false), (vec![], 0));
        assert_eq!(chosen(&all, |_| false), (vec![], 2), "the commit itself is at fault");
        assert_eq!(chosen(&[3], |set| !set.contains(&3)).0, [0_u32; 0]);
        assert_eq!(chosen(&all, |set| !set.contains(&4)).0, [0, 1, 2, 3, 5, 6, 7, 8]);
        assert_eq!(chosen(&all, |set| !(set.contains(&2) && set.contains(&7))).0, [0, 1, 2, 3, 4, 5, 6, 8]);
        assert_eq!(chosen(&all, |set| !set.contains(&8) || set.contains(&0)).0, all);
    }

    #[test]
    fn one_among_a_thousand_that_does_not_fit_is_found_in_a_few_looks() {
        let all: Vec<u32> = (0..1_000).collect();
        for unfit in [0, 499, 999] {
            let (chosen, looks) = chosen(&all, |set| !set.contains(&unfit));
            assert_eq!(chosen.len(), 999);
            assert!(looks <= 24, "{looks}");
        }
    }
}
