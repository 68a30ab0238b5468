//! Succession: a group that takes another one's place and proves it.
//!
//! A commit of the old group names the successor in the group context ([`SUCCESSION_EXTENSION`]), so that all members
//! of the epoch it begins agree which group that is and of which suite; that epoch is the old group's last. Each of
//! them exports a secret of it, bound to both groups, and keeps it as a pre-shared key. The successor's first commit
//! mixes that key in. Whoever is added by it opens the Welcome only if it was in the old group at its end, and then
//! knows that the successor was begun by somebody who was too (ADR 0009).
//!
//! Here stand the names and their bytes, and the rows that the proof takes. What a group does about them stands in
//! `group::succession`.

use coterie_store::Space;
use coterie_types::{Epoch, GroupId};
use openmls::group::StagedCommit;
use openmls::prelude::{
    Extension, ExtensionType, Extensions, GroupContext, MlsGroup, ProcessedWelcome, Proposal,
    RequiredCapabilitiesExtension,
};
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
use openmls_traits::OpenMlsProvider;
use openmls_traits::storage::StorageProvider;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::MlsError;
use crate::provider::{Provider, StepStorage};
use crate::suite::Suite;

/// The extension by which a group names its successor, among the types for private use (RFC 9420 section 17.3).
pub const SUCCESSION_EXTENSION: u16 = 0xF0C1;

/// What the exporter binds the proof's key to, beside its id.
const EXPORTER_LABEL: &str = "coterie succession";

/// As long as the hash of most suites; HKDF makes of it what the successor's needs.
const PROOF_LENGTH: usize = 32;

/// How the id of the proof's key begins. Applications cannot store keys of such names.
const ID_PREFIX: &[u8] = b"coterie succession 1/";

/// Where it stands which groups are expected to prove their descent.
const ROW_PREFIX: &[u8] = b"succession/";

/// Which group succeeds another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Succession {
    /// The successor's name.
    pub group_id: GroupId,
    /// Its suite.
    pub suite: Suite,
}

/// Which group another one succeeds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Descent {
    /// The name of the old group.
    pub group_id: GroupId,
    /// Its last epoch.
    pub epoch: Epoch,
}

/// What the key that proves a descent is bound to: the whole of its id.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "Vec<u8>", try_from = "Vec<u8>")]
pub(crate) struct Proof {
    successor: Succession,
    descent: Descent,
}

impl Succession {
    /// The extension that says so.
    pub(crate) fn extension(&self) -> Extension {
        let mut bytes = vec![1];
        self.append_to(&mut bytes);
        Extension::Unknown(SUCCESSION_EXTENSION, openmls::prelude::UnknownExtension(bytes))
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        append(bytes, self.group_id.as_bytes());
        append(bytes, self.suite.name().as_bytes());
    }

    fn take_from(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (id, bytes) = take(bytes)?;
        let (name, bytes) = take(bytes)?;
        let group_id = GroupId::new(id).ok()?;
        let suite = Suite::from_name(std::str::from_utf8(name).ok()?).ok()?;
        Some((Self { group_id, suite }, bytes))
    }
}

impl Proof {
    pub(crate) fn descent(&self) -> Descent {
        self.descent.clone()
    }

    /// The key's id as a commit carries it.
    pub(crate) fn id(&self, nonce: Vec<u8>) -> PreSharedKeyId {
        PreSharedKeyId::external(self.id_bytes(), nonce)
    }

    fn id_bytes(&self) -> Vec<u8> {
        [ID_PREFIX, &self.body()].concat()
    }

    fn row(&self) -> Vec<u8> {
        [ROW_PREFIX, &self.body()].concat()
    }

    /// The successor comes first, so that a scan by its name finds every group that named it.
    fn body(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.successor.append_to(&mut bytes);
        bytes.extend(self.descent.epoch.number().to_be_bytes());
        append(&mut bytes, self.descent.group_id.as_bytes());
        bytes
    }

    fn from_body(bytes: &[u8]) -> Option<Self> {
        let (successor, bytes) = Succession::take_from(bytes)?;
        let (epoch, bytes) = bytes.split_first_chunk::<8>()?;
        let (id, []) = take(bytes)? else { return None };
        let descent =
            Descent { group_id: GroupId::new(id).ok()?, epoch: Epoch::new(u64::from_be_bytes(*epoch)) };
        Some(Self { successor, descent })
    }

    fn from_psk(psk: &Psk) -> Option<Self> {
        match psk {
            Psk::External(external) => Self::from_body(external.psk_id().strip_prefix(ID_PREFIX)?),
            _ => None,
        }
    }
}

impl From<Proof> for Vec<u8> {
    fn from(proof: Proof) -> Self {
        proof.body()
    }
}

impl TryFrom<Vec<u8>> for Proof {
    type Error = &'static str;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        Self::from_body(&bytes).ok_or("not a proof of descent")
    }
}

/// Neither group ids nor suite names are longer than one byte can say.
fn append(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(part);
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// Whether an application may use this as the id of a key of its own.
pub(crate) fn is_reserved(psk_id: &[u8]) -> bool {
    psk_id.starts_with(ID_PREFIX)
}

/// Whether a group with these extensions has ended.
pub(crate) fn is_named_in(extensions: &Extensions<GroupContext>) -> bool {
    extensions.unknown(SUCCESSION_EXTENSION).is_some()
}

/// The successor that these extensions name.
pub(crate) fn named_in(extensions: &Extensions<GroupContext>) -> Result<Option<Succession>, MlsError> {
    let Some(extension) = extensions.unknown(SUCCESSION_EXTENSION) else { return Ok(None) };
    match extension.0.split_first() {
        Some((1, bytes)) => match Succession::take_from(bytes) {
            Some((succession, [])) => Ok(Some(succession)),
            _ => Err(MlsError::Malformed("the name of a group's successor")),
        },
        _ => Err(MlsError::Unsupported("this version of a group's succession")),
    }
}

/// The successor that a commit names.
pub(crate) fn named_by(commit: &StagedCommit) -> Result<Option<Succession>, MlsError> {
    let named = commit.queued_proposals().find_map(|queued| match queued.proposal() {
        Proposal::GroupContextExtensions(changed) => named_in(changed.extensions()).transpose(),
        _ => None,
    });
    named.transpose()
}

/// In the group's last epoch, keeps the key by which its successor proves where it comes from.
pub(crate) fn keep_proof(group: &MlsGroup, provider: &Provider<'_>) -> Result<(), MlsError> {
    let Some(proof) = proof_of(group)? else { return Ok(()) };
    let context = proof.id_bytes();
    let secret = group.export_secret(provider.crypto(), EXPORTER_LABEL, &context, PROOF_LENGTH);
    let secret = Zeroizing::new(secret.map_err(MlsError::internal)?);
    proof.id(Vec::new()).store(provider, &secret).map_err(MlsError::internal)?;
    Ok(provider.storage().put_row(Space::Device, &proof.row(), &())?)
}

/// Forgets that key together with the group.
pub(crate) fn forget_proof(group: &MlsGroup, storage: &StepStorage<'_>) -> Result<(), MlsError> {
    let Some(proof) = proof_of(group)? else { return Ok(()) };
    storage.delete_psk(&Psk::External(ExternalPsk::new(proof.id_bytes())))?;
    Ok(storage.delete_row(Space::Device, proof.row())?)
}

/// What the key of a group that has named its successor is bound to.
pub(crate) fn proof_of(group: &MlsGroup) -> Result<Option<Proof>, MlsError> {
    let Some(successor) = named_in(group.extensions())? else { return Ok(None) };
    let group_id = GroupId::new(group.group_id().as_slice()).map_err(MlsError::internal)?;
    let descent = Descent { group_id, epoch: Epoch::new(group.epoch().as_u64()) };
    Ok(Some(Proof { successor, descent }))
}

/// The proof that a Welcome carries; it was opened with the key, so this device holds that. A group that an old one of
/// this device's has named as its successor must carry one, or anybody could begin a group of that name.
pub(crate) fn proof_in(
    welcome: &ProcessedWelcome,
    storage: &StepStorage<'_>,
) -> Result<Option<Proof>, MlsError> {
    let invalid = |reason: &str| Err(MlsError::InvalidWelcome(reason.to_owned()));
    let info = welcome.unverified_group_info();
    let mut proofs = welcome.psks().iter().filter_map(|id| Proof::from_psk(id.psk()));
    let Some(proof) = proofs.next() else {
        return match is_expected(info.group_id().as_slice(), storage)? {
            true => invalid("it does not prove that its group descends from the one it succeeds"),
            false => Ok(None),
        };
    };
    let Succession { group_id, suite } = &proof.successor;
    let is_named = group_id.as_bytes() == info.group_id().as_slice()
        && suite.ciphersuite() == info.ciphersuite()
        && proofs.next().is_none();
    if is_named { Ok(Some(proof)) } else { invalid("it is not of the group that was named as the successor") }
}

fn is_expected(group_id: &[u8], storage: &StepStorage<'_>) -> Result<bool, MlsError> {
    let mut prefix = ROW_PREFIX.to_vec();
    append(&mut prefix, group_id);
    let found = storage.with_step(|step, store| step.scan_after(store, Space::Device, &prefix, &[], 1));
    Ok(!found?.is_empty())
}

/// Tells a missing proof of descent from any other missing key.
pub(crate) fn explain(error: MlsError, storage: &StepStorage<'_>) -> MlsError {
    let proof = || Proof::from_psk(&storage.missing_psk()?);
    match error {
        MlsError::PskNotFound => proof().map_or(MlsError::PskNotFound, |proof| MlsError::DescentUnknown {
            predecessor: proof.descent.group_id,
            epoch: proof.descent.epoch,
        }),
        other => other,
    }
}

/// The extensions of a group that names its successor. openmls wants every member to be required to know each of them.
pub(crate) fn name_in(
    mut extensions: Extensions<GroupContext>,
    succession: &Succession,
) -> Result<Extensions<GroupContext>, MlsError> {
    let known = extensions.required_capabilities();
    let (types, proposals, credentials) = known.map_or_else(Default::default, |known| {
        (known.extension_types(), known.proposal_types(), known.credential_types())
    });
    let types = [types, &[ExtensionType::Unknown(SUCCESSION_EXTENSION)]].concat();
    let required = RequiredCapabilitiesExtension::new(&types, proposals, credentials);
    for extension in [Extension::RequiredCapabilities(required), succession.extension()] {
        extensions.add_or_replace(extension).map_err(MlsError::internal)?;
    }
    Ok(extensions)
}

/// Refuses what only naming a successor may set.
pub(crate) fn check_unnamed(extensions: &Extensions<GroupContext>) -> Result<(), MlsError> {
    if extensions.contains(ExtensionType::Unknown(SUCCESSION_EXTENSION)) {
        return Err(MlsError::InvalidArgument("a successor is named by a commit's `succession`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        let id = |byte| GroupId::new(&[byte; 255]).unwrap();
        let successor = Succession { group_id: id(1), suite: Suite::HybridMlKem768V1 };
        Proof { successor, descent: Descent { group_id: id(2), epoch: Epoch::new(u64::MAX) } }
    }

    #[test]
    fn a_proof_is_read_back_and_nothing_that_was_cut_or_lengthened_is() {
        let body = proof().body();
        assert_eq!(Proof::from_body(&body), Some(proof()));
        for length in 0..body.len() {
            assert_eq!(Proof::from_body(&body[..length]), None, "{length}");
        }
        assert_eq!(Proof::from_body(&[&body[..], &[0]].concat()), None);
        assert!(is_reserved(&proof().id_bytes()));
    }

    #[test]
    fn a_successor_is_read_back_and_a_malformed_name_is_refused() {
        let named = proof().successor;
        let list = name_in(Extensions::default(), &named).unwrap();
        assert_eq!(named_in(&list).unwrap(), Some(named.clone()));
        assert!(check_unnamed(&list).is_err());
        let Extension::Unknown(_, content) = named.extension() else { panic!("an unknown extension") };
        for bytes in [&content.0[..content.0.len() - 1], &[2], &[], &[1, 0, 0]] {
            let extension =
                Extension::Unknown(SUCCESSION_EXTENSION, openmls::prelude::UnknownExtension(bytes.to_vec()));
            assert!(named_in(&Extensions::single(extension).unwrap()).is_err(), "{bytes:?}");
        }
    }
}
