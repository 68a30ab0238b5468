//! Raw private keys in and out: what published vectors and the working group's test interface need.
//!
//! Behind the cargo feature `interop`, which nothing that ships turns on: a private key that left the device is
//! nobody's alone.

use openmls::group::ProposalStore;
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize as _};
use openmls::prelude::{
    ExternalSender, HpkePrivateKey, KeyPackage, KeyPackageBundle, MlsMessageIn, ProposalIn, PublicGroup,
    RatchetTreeIn,
};
use openmls_traits::OpenMlsProvider;
use openmls_traits::storage::StorageProvider;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use coterie_crypto::signature::SigningKey;
use coterie_store::MemoryStore;
use coterie_types::{LeafIndex, Timestamp};

use crate::device::Device;
use crate::error::MlsError;
use crate::extension::{self, GroupExtension};
use crate::external::{self, ExternalSigner};
use crate::key_package;
use crate::provider::{Provider, Signer};
use crate::roster::{self, Member};
use crate::suite::Suite;

/// The private keys behind one key package.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PrivateKeys {
    /// Of its init key.
    pub init: Vec<u8>,
    /// Of its leaf's encryption key.
    pub encryption: Vec<u8>,
    /// Of its leaf's signature key: a seed for Ed25519, a scalar for P-256.
    pub signature: Vec<u8>,
}

/// A key package with its private keys as openmls stores it.
#[derive(Deserialize, Serialize)]
struct Bundle {
    key_package: KeyPackage,
    private_init_key: HpkePrivateKey,
    private_encryption_key: EncryptionPrivateKey,
}

#[derive(Deserialize, Serialize)]
struct EncryptionPrivateKey {
    key: HpkePrivateKey,
}

impl Device {
    /// Takes over a key package of this device's that was made elsewhere, as it is, so that this device can join by a
    /// Welcome for it. In that group it then signs with the key package's own signature key.
    ///
    /// # Errors
    /// When something is malformed or of an unknown suite, the signature key does not belong to the key
    /// package, or the store fails.
    pub fn import_key_package(&self, key_package: &[u8], private: &PrivateKeys) -> Result<(), MlsError> {
        let shared = self.shared();
        let package = key_package::decode_own(key_package)?;
        let suite = Suite::from_code_point(u16::from(package.ciphersuite()))
            .map_err(|_| MlsError::Unsupported("the key package's cipher suite"))?;
        let signer = SigningKey::from_private_bytes(suite.signature_algorithm(), &private.signature)?;
        if signer.public_key() != package.leaf_node().signature_key().as_slice() {
            return Err(MlsError::InvalidArgument("the signature key is not the key package's"));
        }
        let reference = package.hash_ref(shared.crypto()).map_err(MlsError::internal)?;
        let bundle = Bundle {
            key_package: package,
            private_init_key: private.init.clone().into(),
            private_encryption_key: EncryptionPrivateKey { key: private.encryption.clone().into() },
        };
        let bytes = postcard::to_stdvec(&bundle).map_err(MlsError::internal)?;
        let bundle: KeyPackageBundle = postcard::from_bytes(&bytes).map_err(MlsError::internal)?;
        let provider = shared.provider();
        provider.storage().write_key_package(&reference, &bundle)?;
        shared.keep_signer(&Signer::new(signer), &provider)?;
        Ok(provider.commit()?)
    }

    /// Gives the private keys of a key package of this device's out.
    ///
    /// # Errors
    /// When the key package is malformed or not this device's.
    pub fn export_private_keys(&self, key_package: &[u8]) -> Result<PrivateKeys, MlsError> {
        let shared = self.shared();
        let package = key_package::decode_own(key_package)?;
        let reference = package.hash_ref(shared.crypto()).map_err(MlsError::internal)?;
        let provider = shared.provider();
        let bundle: Option<KeyPackageBundle> = provider.storage().key_package(&reference)?;
        let bytes = postcard::to_stdvec(&bundle.ok_or(MlsError::KeyPackageNotFound)?);
        let bundle: Bundle =
            postcard::from_bytes(&bytes.map_err(MlsError::internal)?).map_err(MlsError::internal)?;
        let suite = Suite::from_code_point(u16::from(package.ciphersuite())).map_err(MlsError::internal)?;
        let signer = shared.signer_of(suite, package.leaf_node().signature_key().as_slice())?;
        Ok(PrivateKeys {
            init: bundle.private_init_key.to_vec(),
            encryption: bundle.private_encryption_key.key.to_vec(),
            signature: signer.key().private_bytes()?.into_bytes(),
        })
    }
}

impl Device {
    /// Asks to be added with a key package that was made before, so that its private keys can be given out.
    ///
    /// # Errors
    /// As [`Device::propose_self`]; also when the key package is malformed.
    pub fn propose_self_with(
        &self,
        key_package: &[u8],
        group_info: &[u8],
        now: Timestamp,
    ) -> Result<Vec<u8>, MlsError> {
        let info = external::decode(group_info)?;
        let suite = external::suite_of(&info)?;
        self.propose_key_package(key_package, &info, suite, now)
    }
}

impl ExternalSigner {
    /// Everybody in a group as its GroupInfo shows it, for a signer that has to find whom to propose for.
    /// `ratchet_tree` is the group's tree where it does not travel inside.
    ///
    /// # Errors
    /// When something is malformed or forged, or the tree is missing.
    pub fn members(&self, group_info: &[u8], ratchet_tree: Option<&[u8]>) -> Result<Vec<Member>, MlsError> {
        let info = external::decode(group_info)?;
        let inside = info.extensions().ratchet_tree().map(|extension| extension.ratchet_tree().clone());
        let tree = match (ratchet_tree, inside) {
            (Some(bytes), _) => external::decode_tree(bytes)?,
            (None, Some(tree)) => tree,
            (None, None) => return Err(MlsError::InvalidGroupInfo("its ratchet tree is missing".to_owned())),
        };
        let store = MemoryStore::default();
        let provider = Provider::new(self.crypto(), &store);
        let (group, _) = PublicGroup::from_external(
            provider.crypto(),
            provider.storage(),
            tree,
            info,
            ProposalStore::new(),
        )
        .map_err(|error| MlsError::InvalidGroupInfo(error.to_string()))?;
        group
            .members()
            .map(|found| {
                let node =
                    group.leaf(found.index).ok_or_else(|| MlsError::internal("a member has a leaf"))?;
                roster::member(LeafIndex::new(found.index.u32()), node)
            })
            .collect()
    }
}

/// A group's extensions with one more sender, serialised as `ExternalSender`, in its list of those who may propose
/// from outside.
///
/// # Errors
/// When something is malformed.
pub fn with_external_sender(
    extensions: &[GroupExtension],
    sender: &[u8],
) -> Result<Vec<GroupExtension>, MlsError> {
    let decoded = extension::decode(extensions)?;
    let listed = decoded.external_senders().map(Vec::as_slice).unwrap_or_default();
    let mut senders = listed
        .iter()
        .map(|known: &ExternalSender| known.tls_serialize_detached().map_err(MlsError::internal))
        .collect::<Result<Vec<_>, _>>()?;
    senders.push(sender.to_vec());
    let list = GroupExtension::external_senders_from_bytes(&senders)?;
    let others = extensions.iter().filter(|extension| extension.extension_type != list.extension_type);
    Ok(others.cloned().chain([list.clone()]).collect())
}

/// What [`recode`] can read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Structure {
    /// Any `MLSMessage`.
    Message,
    /// The content of a ratchet_tree extension.
    RatchetTree,
    /// A `Proposal`: its type and its body.
    Proposal,
    /// A variable-size vector of bytes.
    Vector,
}

/// Decodes `bytes` as the engine does and encodes what came of it again.
///
/// # Errors
/// When the bytes are malformed.
pub fn recode(structure: Structure, bytes: &[u8]) -> Result<Vec<u8>, MlsError> {
    let malformed = |_| MlsError::Malformed("the structure");
    match structure {
        Structure::Message => {
            let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(malformed)?;
            message.tls_serialize_detached().map_err(MlsError::internal)
        }
        Structure::Proposal => {
            let proposal = ProposalIn::tls_deserialize_exact_bytes(bytes).map_err(malformed)?;
            proposal.tls_serialize_detached().map_err(MlsError::internal)
        }
        Structure::RatchetTree => {
            let tree = RatchetTreeIn::tls_deserialize_exact_bytes(bytes).map_err(malformed)?;
            tree.tls_serialize_detached().map_err(MlsError::internal)
        }
        Structure::Vector => {
            let vector = openmls::prelude::tls_codec::VLBytes::tls_deserialize_exact_bytes(bytes);
            vector.map_err(malformed)?.tls_serialize_detached().map_err(MlsError::internal)
        }
    }
}
