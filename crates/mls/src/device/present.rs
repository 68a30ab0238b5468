//! Looking at a group that a device is about to join: its signatures and who is in it.

use coterie_crypto::certificate::Moment;
use coterie_types::{GroupId, Timestamp};
use openmls::prelude::LeafNodeIndex;
use openmls_traits::OpenMlsProvider;
use rayon::prelude::*;

use super::Shared;
use crate::authentication::{Candidate, Entry};
use crate::credential::Presented;
use crate::error::MlsError;
use crate::provider::{EngineCrypto, Provider};

/// Certificate chains that one thread validates at the least: waking another one costs about as much as two.
const CHAINS_PER_THREAD: usize = 8;

impl Shared {
    /// Opens what somebody sent of a group, with all of the tree's signatures verified together at its end; `noting` is
    /// of [`EngineCrypto::noting_signatures`]. Where one does not hold it is opened once more, since openmls says first
    /// what is wrong.
    pub(crate) fn open_together<'a, T>(
        &'a self,
        noting: &'a EngineCrypto,
        open: impl Fn(&Provider<'a>) -> Result<T, MlsError>,
    ) -> (Provider<'a>, Result<T, MlsError>) {
        let provider = Provider::new(noting, &*self.store);
        let opened = open(&provider);
        let is_final = match &opened {
            Ok(_) => noting.verify_noted(),
            Err(_) => !noting.has_noted() || provider.storage().fault().is_some(),
        };
        if is_final {
            return (provider, opened);
        }
        let provider = self.provider();
        let opened = open(&provider);
        (provider, opened)
    }

    /// Judges those who are in a group that this device is about to join, and answers who they are.
    pub(crate) fn judge_present(
        &self,
        members: impl Iterator<Item = openmls::group::Member>,
        own: LeafNodeIndex,
        group: &openmls::group::GroupId,
        now: Timestamp,
    ) -> Result<Vec<Candidate>, MlsError> {
        let group = GroupId::new(group.as_slice())
            .map_err(|_| MlsError::Unsupported("the length of the group's id"))?;
        let members: Vec<_> = members.filter(|member| member.index != own).collect();
        let judged = self.admit_present(&members, Moment::LastValid(now));
        let candidate = |(member, shown): (openmls::group::Member, Result<Presented, MlsError>)| {
            let Presented { identity, certificate } = shown?;
            let candidate = Candidate {
                group: group.clone(),
                identity,
                signature_key: member.signature_key,
                certificate,
                entry: Entry::Present,
                by: None,
                replaces: None,
            };
            self.authentication.consult(&candidate)?;
            Ok(candidate)
        };
        members.into_iter().zip(judged).map(candidate).collect()
    }

    /// Chains on all cores; a name alone is judged faster than another thread wakes up.
    fn admit_present(
        &self,
        members: &[openmls::group::Member],
        moment: Moment,
    ) -> Vec<Result<Presented, MlsError>> {
        let admit = |member: &openmls::group::Member| {
            self.authentication.admit(&member.credential, &member.signature_key, moment)
        };
        if self.authentication.follows_certificates() {
            members.par_iter().with_min_len(CHAINS_PER_THREAD).map(admit).collect()
        } else {
            members.iter().map(admit).collect()
        }
    }
}
