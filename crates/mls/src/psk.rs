//! Pre-shared keys: secrets that reached the members outside the group, and secrets of its own past.
//!
//! A key that a commit names is mixed into the next epoch: whoever does not hold it is shut out, even if it
//! holds every other secret of the group (RFC 9420 section 8.4).

use std::collections::BTreeSet;

use coterie_types::Epoch;
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize as _};
use openmls::prelude::{Ciphersuite, GroupId, PreSharedKeyProposal, Proposal};
use openmls::schedule::psk::ResumptionPskUsage;
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
use openmls_traits::OpenMlsProvider;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::storage::StorageProvider;

use crate::device::Device;
use crate::error::MlsError;
use crate::limits::{MAX_PSK_ID_LENGTH, MAX_PSK_LENGTH, MAX_PSKS_PER_COMMIT};
use crate::provider::{EngineCrypto, Provider};
use crate::succession;

/// A pre-shared key, by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PskId {
    /// One that the application stored with [`Device::store_psk`] under this name.
    External(Vec<u8>),
    /// The resumption secret of an epoch of the same group, of which the last few are kept.
    Resumption(Epoch),
}

impl Device {
    /// Stores a pre-shared key, or replaces the one of that name. From here on it is found when a Welcome or commit
    /// refers to it.
    ///
    /// # Errors
    /// When name or key is empty or too long, or the store fails.
    pub fn store_psk(&self, id: &[u8], secret: &[u8]) -> Result<(), MlsError> {
        check_external(id)?;
        match secret.len() {
            0 => return Err(MlsError::InvalidArgument("a pre-shared key has at least one byte")),
            1..=MAX_PSK_LENGTH => {}
            _ => return Err(MlsError::TooLarge { what: "a pre-shared key", limit: MAX_PSK_LENGTH }),
        }
        let provider = self.shared().provider();
        PreSharedKeyId::external(id.to_vec(), Vec::new())
            .store(&provider, secret)
            .map_err(MlsError::internal)?;
        Ok(provider.commit()?)
    }

    /// Forgets a pre-shared key, whether or not it was stored.
    ///
    /// # Errors
    /// When the name is empty or too long, or the store fails.
    pub fn forget_psk(&self, id: &[u8]) -> Result<(), MlsError> {
        check_external(id)?;
        let provider = self.shared().provider();
        provider.storage().delete_psk(&Psk::External(ExternalPsk::new(id.to_vec())))?;
        Ok(provider.commit()?)
    }
}

fn check_external(id: &[u8]) -> Result<(), MlsError> {
    match id.len() {
        0 => Err(MlsError::InvalidArgument("the name of a pre-shared key has at least one byte")),
        _ if succession::is_reserved(id) => {
            Err(MlsError::InvalidArgument("names of this form are for proofs of descent"))
        }
        1..=MAX_PSK_ID_LENGTH => Ok(()),
        _ => Err(MlsError::TooLarge { what: "the name of a pre-shared key", limit: MAX_PSK_ID_LENGTH }),
    }
}

impl PskId {
    /// The name as it goes on the wire, with a fresh nonce.
    pub(crate) fn resolve(
        &self,
        group: &GroupId,
        suite: Ciphersuite,
        provider: &Provider<'_>,
    ) -> Result<PreSharedKeyId, MlsError> {
        let nonce = nonce(suite, provider)?;
        match self {
            Self::External(id) => {
                check_external(id)?;
                Ok(PreSharedKeyId::external(id.clone(), nonce))
            }
            Self::Resumption(epoch) => Ok(PreSharedKeyId::resumption(
                ResumptionPskUsage::Application,
                group.clone(),
                epoch.number().into(),
                nonce,
            )),
        }
    }
}

pub(crate) fn nonce(suite: Ciphersuite, provider: &Provider<'_>) -> Result<Vec<u8>, MlsError> {
    let rand: &EngineCrypto = provider.rand();
    Ok(rand.random_vec(suite.hash_length())?)
}

/// A proposal to mix `id` in.
pub(crate) fn proposal(id: PreSharedKeyId) -> Proposal {
    Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(id)))
}

/// Refuses what openmls lets pass: the same key twice (RFC 9420 section 12.2), more keys than a commit may mix in,
/// and the resumption secret of another group, for which openmls would take this group's of the same epoch.
pub(crate) fn check(group: &GroupId, ids: &[PreSharedKeyId]) -> Result<(), MlsError> {
    let invalid = |reason: &str| MlsError::InvalidCommit { offender: None, reason: reason.to_owned() };
    if ids.len() > MAX_PSKS_PER_COMMIT {
        return Err(MlsError::TooLarge { what: "the list of pre-shared keys", limit: MAX_PSKS_PER_COMMIT });
    }
    let foreign = |id: &PreSharedKeyId| matches!(id.psk(), Psk::Resumption(resumption) if resumption.psk_group_id() != group);
    if ids.iter().any(foreign) {
        return Err(MlsError::PskNotFound);
    }
    let unique: BTreeSet<&PreSharedKeyId> = ids.iter().collect();
    if unique.len() < ids.len() {
        return Err(invalid("it mixes one pre-shared key in twice"));
    }
    Ok(())
}

/// On the wire the proposal is the name and nothing else; openmls gives it out in no other way.
pub(crate) fn id_of(proposal: &PreSharedKeyProposal) -> Result<PreSharedKeyId, MlsError> {
    let bytes = proposal.tls_serialize_detached().map_err(MlsError::internal)?;
    PreSharedKeyId::tls_deserialize_exact_bytes(&bytes).map_err(MlsError::internal)
}
