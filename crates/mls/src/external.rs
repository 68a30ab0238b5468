//! What somebody outside a group may do: join by a commit of its own, ask to be added, and, where the group lets
//! it, propose changes.

use std::sync::Arc;

use coterie_crypto::Entropy;
use coterie_crypto::signature::SigningKey;
use coterie_store::StoreError;
use coterie_types::{Epoch, GroupId, LeafIndex, Timestamp};
use openmls::group::ExternalCommitBuilder;
use openmls::prelude::group_info::VerifiableGroupInfo;
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize as _};
use openmls::prelude::{
    CredentialWithKey, ExternalProposal, ExternalSender, JoinProposal, LeafNode, LeafNodeIndex,
    LeafNodeParameters, MlsGroup, MlsMessageBodyIn, MlsMessageIn, PreSharedKeyProposal, RatchetTreeIn,
    SenderExtensionIndex,
};
use openmls_traits::OpenMlsProvider;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::authentication::Candidate;
use crate::device::{self, Device, Shared, join_config};
use crate::error::MlsError;
use crate::extension::{self, ExternalSenderInfo, GroupExtension};
use crate::group::{Arrival, Group};
use crate::key_package::{self, KeyPackageOptions};
use crate::limits::{MAX_MEMBERS, MAX_MESSAGE_LENGTH, MAX_PSKS_PER_COMMIT};
use crate::provider::{EngineCrypto, Provider, Signer, StepStorage};
use crate::psk::PskId;
use crate::rows::Rows;
use crate::succession;
use crate::suite::Suite;

/// How a device joins by a commit of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExternalJoin<'a> {
    /// The group's tree where it does not travel inside the GroupInfo.
    pub ratchet_tree: Option<&'a [u8]>,
    /// Whether to come back to a group that this device is in already: its old leaf is removed in the same commit, and
    /// what it held of the group is replaced. It comes back under the credential and signature key of that leaf, which
    /// may be older than the device's own. A device without a store knows only the latter: where it had changed them in
    /// that group, its old leaf stays until somebody removes it.
    pub resync: bool,
    /// Pre-shared keys to mix in.
    pub psks: &'a [PskId],
}

/// What a GroupInfo says about its group. Whether it is true shows when somebody joins with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoSummary {
    /// The group's name.
    pub group_id: GroupId,
    /// The epoch it is of.
    pub epoch: Epoch,
    /// The group's suite.
    pub suite: Suite,
    /// The group's extensions.
    pub extensions: Vec<GroupExtension>,
}

impl Device {
    /// Joins a group by a commit of its own. The group is here at once; the commit is for everybody in it. Should
    /// another commit have come first, the group here is a fork: delete it and join again with a newer GroupInfo.
    ///
    /// # Errors
    /// When the GroupInfo or tree is malformed, forged or does not fit, a pre-shared key is not known, or the device
    /// is in the group already and `resync` is not set; when a member's credential does not count, or the policy
    /// refuses one.
    pub fn join_external(
        &self,
        group_info: &[u8],
        options: ExternalJoin<'_>,
        now: Timestamp,
    ) -> Result<(Group, Vec<u8>), MlsError> {
        self.join_external_with(group_info, options, now, |_, _, _| Ok(()))
    }

    /// Joins by a commit of its own, and stores what `beside` writes in the same step; it is given the group's id and
    /// the commit, for an outbox.
    ///
    /// # Errors
    /// As [`Self::join_external`], and when `beside` fails.
    pub fn join_external_with(
        &self,
        group_info: &[u8],
        options: ExternalJoin<'_>,
        now: Timestamp,
        beside: impl FnOnce(&GroupId, &[u8], &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<(Group, Vec<u8>), MlsError> {
        check_psks(options)?;
        let shared = self.shared();
        let noting = shared.crypto().noting_signatures();
        let commit = |provider: &Provider<'_>| commit_to_join(shared, group_info, options, provider, now);
        let (provider, committed) = shared.open_together(&noting, commit);
        match committed {
            Ok((group, commit)) => {
                let beside = |id: &GroupId, rows: &mut Rows<'_, '_>| beside(id, &commit, rows);
                let arrival = if options.resync { Arrival::Again } else { Arrival::External };
                let group = Group::begin_with(Arc::clone(shared), group, arrival, provider, beside)?;
                Ok((group, commit))
            }
            Err(error) => Err(provider.explain(error)),
        }
    }

    /// Who is in the group that `group_info` describes, beside this device, for an application whose word takes longer
    /// than a call may. Joins nothing and changes nothing.
    ///
    /// # Errors
    /// As [`Self::join_external`].
    pub fn present_in(
        &self,
        group_info: &[u8],
        options: ExternalJoin<'_>,
        now: Timestamp,
    ) -> Result<Vec<Candidate>, MlsError> {
        check_psks(options)?;
        let shared = self.shared();
        let noting = shared.crypto().noting_signatures();
        let commit = |provider: &Provider<'_>| commit_to_join(shared, group_info, options, provider, now);
        let (provider, committed) = shared.open_together(&noting, commit);
        let (group, _) = committed.map_err(|error| provider.explain(error))?;
        shared.judge_present(group.members(), group.own_leaf_index(), group.group_id(), now)
    }

    /// Asks to be added to the group that `group_info` describes; some member's commit makes it happen. The key
    /// package for it is made here, of the group's suite, and stored.
    ///
    /// # Errors
    /// When the GroupInfo is malformed or of an unknown suite, or randomness or the store fails.
    pub fn propose_self(
        &self,
        group_info: &[u8],
        options: KeyPackageOptions,
        now: Timestamp,
    ) -> Result<Vec<u8>, MlsError> {
        let info = decode(group_info)?;
        let suite = suite_of(&info)?;
        let options = KeyPackageOptions { suite: Some(suite), ..options };
        self.propose_key_package(&self.key_package(options, now)?, &info, suite, now)
    }

    pub(crate) fn propose_key_package(
        &self,
        key_package: &[u8],
        info: &VerifiableGroupInfo,
        suite: Suite,
        now: Timestamp,
    ) -> Result<Vec<u8>, MlsError> {
        let package = key_package::decode(self.shared().crypto(), key_package, now)?;
        let signer = &**self.shared().signer(suite);
        let message =
            JoinProposal::new::<StepStorage<'_>>(package, info.group_id().clone(), info.epoch(), signer)?;
        message.tls_serialize_detached().map_err(MlsError::internal)
    }
}

/// Reads what a GroupInfo says. Nothing of it is verified: only joining does that.
///
/// # Errors
/// When it is malformed or of an unknown suite.
pub fn read_group_info(group_info: &[u8]) -> Result<GroupInfoSummary, MlsError> {
    let info = decode(group_info)?;
    Ok(GroupInfoSummary {
        group_id: GroupId::new(info.group_id().as_slice())
            .map_err(|_| MlsError::Unsupported("the length of the group's id"))?,
        epoch: Epoch::new(info.epoch().as_u64()),
        suite: suite_of(&info)?,
        extensions: extension::encode(info.group_context().extensions())?,
    })
}

fn check_psks(options: ExternalJoin<'_>) -> Result<(), MlsError> {
    if options.psks.len() > MAX_PSKS_PER_COMMIT {
        return Err(MlsError::TooLarge { what: "the list of pre-shared keys", limit: MAX_PSKS_PER_COMMIT });
    }
    Ok(())
}

/// The commit that joins, and the group as it is after it.
fn commit_to_join(
    shared: &Shared,
    group_info: &[u8],
    options: ExternalJoin<'_>,
    provider: &Provider<'_>,
    now: Timestamp,
) -> Result<(MlsGroup, Vec<u8>), MlsError> {
    let info = decode(group_info)?;
    let tree = options.ratchet_tree.map(decode_tree).transpose()?;
    let suite = suite_of(&info)?;
    if succession::named_in(info.group_context().extensions())?.is_some() {
        return Err(MlsError::Succeeded);
    }
    let group_id = info.group_id().clone();
    let held = MlsGroup::load(provider.storage(), &group_id)?;
    let (credential, signer) = who_joins(shared, held.as_ref(), suite, now)?;
    match held {
        Some(_) if !options.resync => return Err(MlsError::GroupExists),
        Some(mut held) => {
            held.delete(provider.storage())?;
            // What this crate keeps beside openmls's rows would otherwise be taken for the new group's.
            provider.storage().delete_group(&group_id)?;
        }
        None => {}
    }
    let psks = options
        .psks
        .iter()
        .map(|id| Ok(PreSharedKeyProposal::new(id.resolve(&group_id, suite.ciphersuite(), provider)?)))
        .collect::<Result<Vec<_>, MlsError>>()?;
    // A member whose leaf has outlived its lifetime must not lock joiners out; the roster shows it instead.
    let mut builder = ExternalCommitBuilder::new().with_config(join_config()).skip_lifetime_validation();
    if let Some(tree) = tree {
        builder = builder.with_ratchet_tree(tree);
    }
    let leaf = LeafNodeParameters::builder()
        .with_capabilities(key_package::capabilities(shared.authentication()))
        .build();
    let (group, messages) = builder
        .build_group(provider, info, credential)?
        .leaf_node_parameters(leaf)
        .add_psk_proposals(psks)
        .load_psks(provider.storage())?
        .create_group_info(false)
        .build(provider.rand(), provider.crypto(), &*signer, |_| true)?
        .finalize(provider)?;
    if group.members().count() > MAX_MEMBERS {
        return Err(MlsError::TooLarge { what: "the group", limit: MAX_MEMBERS });
    }
    let members = group.members();
    shared.judge_present(members, group.own_leaf_index(), &group_id, now)?;
    let (commit, ..) = messages.into_messages();
    Ok((group, commit.tls_serialize_detached().map_err(MlsError::internal)?))
}

/// As whom this device joins. Where it is in the group under another key than its present one, it comes back as who it
/// is there: the old leaf goes only for a commit that its own key has signed.
fn who_joins(
    shared: &Shared,
    held: Option<&MlsGroup>,
    suite: Suite,
    now: Timestamp,
) -> Result<(CredentialWithKey, Arc<Signer>), MlsError> {
    let own = shared.signer(suite);
    let is_other = |leaf: &&LeafNode| leaf.signature_key().as_slice() != own.key().public_key();
    let Some(leaf) = held.and_then(MlsGroup::own_leaf).filter(is_other) else {
        return Ok((shared.credential_at(suite, now)?, Arc::clone(own)));
    };
    shared.authentication().admit_leaf(leaf, now)?;
    let signature_key = leaf.signature_key().clone();
    let signer = shared.signer_of(suite, signature_key.as_slice())?;
    Ok((CredentialWithKey { credential: leaf.credential().clone(), signature_key }, signer))
}

pub(crate) fn decode(group_info: &[u8]) -> Result<VerifiableGroupInfo, MlsError> {
    if group_info.len() > MAX_MESSAGE_LENGTH {
        return Err(MlsError::TooLarge { what: "a GroupInfo", limit: MAX_MESSAGE_LENGTH });
    }
    let message = MlsMessageIn::tls_deserialize_exact_bytes(group_info)
        .map_err(|_| MlsError::Malformed("a GroupInfo"))?;
    match message.extract() {
        MlsMessageBodyIn::GroupInfo(info) => Ok(info),
        _ => Err(MlsError::Malformed("a GroupInfo")),
    }
}

pub(crate) fn decode_tree(bytes: &[u8]) -> Result<RatchetTreeIn, MlsError> {
    if bytes.len() > MAX_MESSAGE_LENGTH {
        return Err(MlsError::TooLarge { what: "a ratchet tree", limit: MAX_MESSAGE_LENGTH });
    }
    RatchetTreeIn::tls_deserialize_exact_bytes(bytes).map_err(|_| MlsError::Malformed("a ratchet tree"))
}

pub(crate) fn suite_of(info: &VerifiableGroupInfo) -> Result<Suite, MlsError> {
    Suite::from_code_point(u16::from(info.ciphersuite()))
        .map_err(|_| MlsError::Unsupported("the group's cipher suite"))
}

/// Somebody outside all groups, whom some of them let propose changes: a server that removes closed accounts, say.
/// A group admits it by [`GroupExtension::external_senders`].
pub struct ExternalSigner {
    identity: Vec<u8>,
    suite: Suite,
    signer: Signer,
    crypto: EngineCrypto,
}

/// A signer as its owner keeps it.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
struct SignerRow {
    identity: Vec<u8>,
    suite: String,
    private: Vec<u8>,
}

impl ExternalSigner {
    /// A new signer for groups of `suite`.
    ///
    /// # Errors
    /// When the identity is empty or too long, or randomness fails.
    pub fn generate(identity: &[u8], suite: Suite, entropy: Arc<dyn Entropy>) -> Result<Self, MlsError> {
        device::check_identity(identity)?;
        let crypto = EngineCrypto::new(entropy);
        let key = SigningKey::generate(suite.signature_algorithm(), crypto.entropy())?;
        Ok(Self { identity: identity.to_vec(), suite, signer: Signer::new(key), crypto })
    }

    /// Everything that makes it up, the private key included: it has no store of its own, so its owner keeps it.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn export(&self) -> Result<Zeroizing<Vec<u8>>, MlsError> {
        let row = SignerRow {
            identity: self.identity.clone(),
            suite: self.suite.name().to_owned(),
            private: self.signer.key().private_bytes()?.into_bytes(),
        };
        Ok(Zeroizing::new(postcard::to_stdvec(&row).map_err(MlsError::internal)?))
    }

    /// The signer that was exported.
    ///
    /// # Errors
    /// When the bytes are no signer of a suite that is known.
    pub fn import(bytes: &[u8], entropy: Arc<dyn Entropy>) -> Result<Self, MlsError> {
        let malformed = || MlsError::Malformed("an external signer");
        let (row, []) = postcard::take_from_bytes::<SignerRow>(bytes).map_err(|_| malformed())? else {
            return Err(malformed());
        };
        device::check_identity(&row.identity)?;
        let suite =
            Suite::from_name(&row.suite).map_err(|_| MlsError::Unsupported("the signer's cipher suite"))?;
        let key = SigningKey::from_private_bytes(suite.signature_algorithm(), &row.private)
            .map_err(|_| malformed())?;
        Ok(Self {
            identity: row.identity.clone(),
            suite,
            signer: Signer::new(key),
            crypto: EngineCrypto::new(entropy),
        })
    }

    /// The suite that it was made for.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    #[cfg(feature = "interop")]
    pub(crate) fn crypto(&self) -> &EngineCrypto {
        &self.crypto
    }

    /// Whom a group admits that lists this.
    #[must_use]
    pub fn info(&self) -> ExternalSenderInfo {
        ExternalSenderInfo {
            identity: self.identity.clone(),
            signature_key: self.signer.key().public_key().to_vec(),
        }
    }

    /// The same as a serialised `ExternalSender`.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MlsError> {
        let shown = device::credential(&self.identity, self.signer.key().public_key());
        ExternalSender::new(shown.signature_key, shown.credential)
            .tls_serialize_detached()
            .map_err(MlsError::internal)
    }

    /// Proposes to add the holder of a key package. `index` is this signer's place in the group's list.
    ///
    /// # Errors
    /// When the key package does not fit.
    pub fn propose_add(
        &self,
        group: &GroupInfoSummary,
        index: u32,
        key_package: &[u8],
        now: Timestamp,
    ) -> Result<Vec<u8>, MlsError> {
        let package = key_package::decode(&self.crypto, key_package, now)?;
        let (id, epoch, index) = address(group, index);
        let message = ExternalProposal::new_add::<Provider<'_>>(package, id, epoch, &self.signer, index)?;
        message.tls_serialize_detached().map_err(MlsError::internal)
    }

    /// Proposes to remove a member.
    ///
    /// # Errors
    /// When the proposal cannot be signed.
    pub fn propose_remove(
        &self,
        group: &GroupInfoSummary,
        index: u32,
        leaf: LeafIndex,
    ) -> Result<Vec<u8>, MlsError> {
        let (id, epoch, index) = address(group, index);
        let leaf = LeafNodeIndex::new(leaf.number());
        let message = ExternalProposal::new_remove::<Provider<'_>>(leaf, id, epoch, &self.signer, index)?;
        message.tls_serialize_detached().map_err(MlsError::internal)
    }

    /// Proposes what the group's extensions shall be, all of them.
    ///
    /// # Errors
    /// When an extension is malformed.
    pub fn propose_extensions(
        &self,
        group: &GroupInfoSummary,
        index: u32,
        extensions: &[GroupExtension],
    ) -> Result<Vec<u8>, MlsError> {
        let (id, epoch, index) = address(group, index);
        let extensions = extension::decode(extensions)?;
        let message = ExternalProposal::new_group_context_extensions::<Provider<'_>>(
            extensions,
            id,
            epoch,
            &self.signer,
            index,
        )
        .map_err(MlsError::internal)?;
        message.tls_serialize_detached().map_err(MlsError::internal)
    }
}

impl std::fmt::Debug for ExternalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExternalSigner { .. }")
    }
}

fn address(
    group: &GroupInfoSummary,
    index: u32,
) -> (openmls::group::GroupId, openmls::group::GroupEpoch, SenderExtensionIndex) {
    (
        openmls::group::GroupId::from_slice(group.group_id.as_bytes()),
        group.epoch.number().into(),
        SenderExtensionIndex::new(index),
    )
}

#[cfg(test)]
mod tests {
    use coterie_crypto::entropy::OsEntropy;

    use super::*;

    #[test]
    fn a_signer_that_was_exported_is_the_same_and_damaged_bytes_are_none() {
        for suite in Suite::ALL {
            let signer = ExternalSigner::generate(b"admin", suite, Arc::new(OsEntropy)).unwrap();
            let bytes = signer.export().unwrap();
            let again = ExternalSigner::import(&bytes, Arc::new(OsEntropy)).unwrap();
            assert_eq!((again.info(), again.suite()), (signer.info(), suite));
            for damaged in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat(), &[]] {
                assert!(matches!(
                    ExternalSigner::import(damaged, Arc::new(OsEntropy)),
                    Err(MlsError::Malformed(_))
                ));
            }
        }
    }
}
