//! One installation of one user.

use std::sync::Arc;

use coterie_crypto::Entropy;
use coterie_crypto::signature::{SignatureAlgorithm, SigningKey};
use coterie_store::{Space, Store, StoreError};
use coterie_types::{GroupId, Timestamp};
use openmls::prelude::tls_codec::DeserializeBytes;
use openmls::prelude::{
    BasicCredential, CredentialWithKey, KeyPackage, MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY, MlsGroup,
    MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn, ProcessedWelcome, SenderRatchetConfiguration,
    StagedWelcome, Welcome, WireFormatPolicy,
};
use openmls_traits::OpenMlsProvider;
use openmls_traits::random::OpenMlsRand;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::MlsError;
use crate::external;
use crate::group::{Entry, Group};
use crate::held::HeldGroups;
use crate::key_package::{self, KeyPackageInfo, KeyPackageOptions};
use crate::limits::{
    GROUP_ID_LENGTH, MAX_FORWARD_DISTANCE, MAX_IDENTITY_LENGTH, MAX_KEY_PACKAGES_PER_CALL, MAX_MEMBERS,
    MAX_MESSAGE_LENGTH, MAX_PAST_EPOCHS, OUT_OF_ORDER_TOLERANCE, QUICK_KEY_PACKAGES, QUICK_WELCOME_LENGTH,
    RESUMPTION_SECRETS,
};
use crate::provider::{EngineCrypto, Provider, Signer};
use crate::restored;
use crate::rows::Rows;
use crate::succession::{self, Proof};
use crate::suite::Suite;

/// Where the device's own row stands.
const DEVICE_ROW: &[u8] = b"device";

/// Who a device is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeviceOptions {
    /// Whom its credential names: a user, usually the same on all of the user's devices.
    pub identity: Vec<u8>,
    /// The suite of its key packages and groups where a call does not name another.
    pub suite: Suite,
}

/// How a group begins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GroupOptions {
    /// The group's id; a random one where none is given.
    pub id: Option<GroupId>,
    /// Its suite; the device's own where none is named.
    pub suite: Option<Suite>,
}

/// One installation of one user: identity, signature keys, key packages and groups.
#[derive(Clone)]
pub struct Device {
    shared: Arc<Shared>,
}

/// What a device and all its groups use.
pub(crate) struct Shared {
    identity: Vec<u8>,
    suite: Suite,
    ed25519: Arc<Signer>,
    p256: Arc<Signer>,
    crypto: EngineCrypto,
    store: Arc<dyn Store>,
    held: HeldGroups,
}

/// Where the signature keys stand that the device uses in single groups only, each behind its public key.
const GROUP_KEY_PREFIX: &[u8] = b"group-key/";

/// A signature key of a single group as it is stored.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
struct GroupKeyRow {
    private: Vec<u8>,
}

/// A device as it is stored.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
struct DeviceRow {
    identity: Vec<u8>,
    suite: String,
    ed25519: Vec<u8>,
    p256: Vec<u8>,
}

impl Device {
    /// Makes a new device and stores it.
    ///
    /// # Errors
    /// When the identity is empty or too long, when the store already holds a device, or when randomness or the
    /// store fails.
    pub fn create(
        options: DeviceOptions,
        store: Arc<dyn Store>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, MlsError> {
        check_identity(&options.identity)?;
        let crypto = EngineCrypto::new(entropy);
        let ed25519 = SigningKey::generate(SignatureAlgorithm::Ed25519, crypto.entropy())?;
        let p256 = SigningKey::generate(SignatureAlgorithm::EcdsaP256Sha256, crypto.entropy())?;
        let row = DeviceRow {
            identity: options.identity.clone(),
            suite: options.suite.name().to_owned(),
            ed25519: ed25519.private_bytes()?.into_bytes(),
            p256: p256.private_bytes()?.into_bytes(),
        };
        let provider = Provider::new(&crypto, &*store);
        let storage = provider.storage();
        if storage.row::<DeviceRow>(Space::Device, DEVICE_ROW)?.is_some() {
            return Err(MlsError::InvalidArgument("the store already holds a device; open it instead"));
        }
        storage.put_row(Space::Device, DEVICE_ROW, &row)?;
        restored::mark_device(&*store, storage)?;
        provider.commit()?;
        Ok(Self::with(options.identity, options.suite, ed25519, p256, crypto, store))
    }

    /// Opens the device that `store` holds; none where it holds none.
    ///
    /// # Errors
    /// When the store fails or was written by a version that knew other suites.
    pub fn open(store: Arc<dyn Store>, entropy: Arc<dyn Entropy>) -> Result<Option<Self>, MlsError> {
        let crypto = EngineCrypto::new(entropy);
        let provider = Provider::new(&crypto, &*store);
        let storage = provider.storage();
        let Some(row) = storage.row::<DeviceRow>(Space::Device, DEVICE_ROW)? else { return Ok(None) };
        restored::forget_what_may_be_used(&*store, storage)?;
        provider.commit()?;
        let suite =
            Suite::from_name(&row.suite).map_err(|_| MlsError::Unsupported("the device's cipher suite"))?;
        let ed25519 = SigningKey::from_private_bytes(SignatureAlgorithm::Ed25519, &row.ed25519)?;
        let p256 = SigningKey::from_private_bytes(SignatureAlgorithm::EcdsaP256Sha256, &row.p256)?;
        Ok(Some(Self::with(row.identity.clone(), suite, ed25519, p256, crypto, store)))
    }

    /// Opens the device that `store` holds, or makes one of `identity` where it holds none.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Self::create`]; also when the store holds a device of another identity, or none and
    /// no identity is given.
    pub fn open_or_create(
        identity: Option<Vec<u8>>,
        suite: Suite,
        store: Arc<dyn Store>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, MlsError> {
        match (Self::open(Arc::clone(&store), Arc::clone(&entropy))?, identity) {
            (Some(device), Some(identity)) if device.identity() != identity => {
                Err(MlsError::InvalidArgument("the store holds a device of another identity"))
            }
            (Some(device), _) => Ok(device),
            (None, Some(identity)) => Self::create(DeviceOptions { identity, suite }, store, entropy),
            (None, None) => Err(MlsError::InvalidArgument(
                "the store holds no device, and no identity to make one is given",
            )),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn with(
        identity: Vec<u8>,
        suite: Suite,
        ed25519: SigningKey,
        p256: SigningKey,
        crypto: EngineCrypto,
        store: Arc<dyn Store>,
    ) -> Self {
        let (ed25519, p256) = (Arc::new(Signer::new(ed25519)), Arc::new(Signer::new(p256)));
        let held = HeldGroups::default();
        Self { shared: Arc::new(Shared { identity, suite, ed25519, p256, crypto, store, held }) }
    }

    /// Makes a key package for a directory. Its private keys are stored before it is returned.
    ///
    /// # Errors
    /// When randomness or the store fails.
    pub fn key_package(&self, options: KeyPackageOptions, now: Timestamp) -> Result<Vec<u8>, MlsError> {
        Ok(self.key_packages(1, options, now)?.into_iter().next().unwrap_or_default())
    }

    /// Makes `count` key packages in one step.
    ///
    /// # Errors
    /// As [`Self::key_package`], and when they are more than [`MAX_KEY_PACKAGES_PER_CALL`].
    pub fn key_packages(
        &self,
        count: usize,
        options: KeyPackageOptions,
        now: Timestamp,
    ) -> Result<Vec<Vec<u8>>, MlsError> {
        if count > MAX_KEY_PACKAGES_PER_CALL {
            return Err(MlsError::TooLarge {
                what: "the number of key packages",
                limit: MAX_KEY_PACKAGES_PER_CALL,
            });
        }
        let shared = &*self.shared;
        let suite = options.suite.unwrap_or(shared.suite);
        let provider = shared.provider();
        let packages = (0..count)
            .map(|_| {
                let mut builder = KeyPackage::builder()
                    .leaf_node_capabilities(key_package::capabilities())
                    .key_package_lifetime(key_package::lifetime(now, options.lifetime));
                if options.last_resort {
                    builder = builder.mark_as_last_resort();
                }
                let bundle = builder
                    .build(suite.ciphersuite(), &provider, &**shared.signer(suite), shared.credential(suite))
                    .map_err(MlsError::internal)?;
                key_package::encode(bundle.key_package().clone())
            })
            .collect::<Result<Vec<_>, _>>()?;
        provider.commit()?;
        Ok(packages)
    }

    /// Whether making `count` key packages takes so little time that another thread is not worth it.
    #[must_use]
    pub fn makes_key_packages_quickly(&self, count: usize) -> bool {
        count <= QUICK_KEY_PACKAGES && self.shared.is_volatile()
    }

    /// Whether making a group takes so little time that another thread is not worth it.
    #[must_use]
    pub fn makes_groups_quickly(&self) -> bool {
        self.shared.is_volatile()
    }

    /// Whether joining by `welcome` takes so little time that another thread is not worth it.
    #[must_use]
    pub fn joins_quickly(&self, welcome: &[u8]) -> bool {
        welcome.len() <= QUICK_WELCOME_LENGTH && self.suite().is_quick() && self.shared.is_volatile()
    }

    /// Checks a key package and says whose it is.
    ///
    /// # Errors
    /// When it is malformed, forged, expired or of an unknown suite.
    pub fn inspect_key_package(&self, bytes: &[u8], now: Timestamp) -> Result<KeyPackageInfo, MlsError> {
        let package = key_package::decode(&self.shared.crypto, bytes, now)?;
        key_package::info(&self.shared.crypto, &package)
    }

    /// Begins a group with this device as its only member.
    ///
    /// # Errors
    /// When the device holds a group with that id, or when randomness or the store fails.
    pub fn create_group(&self, options: GroupOptions, now: Timestamp) -> Result<Group, MlsError> {
        self.create_group_with(options, now, |_, _| Ok(()))
    }

    /// Begins a group, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::create_group`], and when `beside` fails.
    pub fn create_group_with(
        &self,
        options: GroupOptions,
        now: Timestamp,
        beside: impl FnOnce(&GroupId, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Group, MlsError> {
        let suite = options.suite.unwrap_or(self.shared.suite);
        let id = match options.id {
            Some(id) => id.as_bytes().to_vec(),
            None => self.shared.crypto.random_array::<GROUP_ID_LENGTH>()?.to_vec(),
        };
        found(&self.shared, &id, suite, None, now, beside)
    }

    /// Joins a group by the Welcome that somebody sent. The key package it was made for is used up, unless it is
    /// one of last resort; a Welcome that is refused uses up nothing.
    ///
    /// `ratchet_tree` is the group's tree where it does not travel inside the Welcome.
    ///
    /// # Errors
    /// When the Welcome is malformed, forged, not for this device, or for a group that it is in.
    pub fn join(&self, welcome: &[u8], ratchet_tree: Option<&[u8]>) -> Result<Group, MlsError> {
        self.join_with(welcome, ratchet_tree, |_, _| Ok(()))
    }

    /// Joins, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::join`], and when `beside` fails.
    pub fn join_with(
        &self,
        welcome: &[u8],
        ratchet_tree: Option<&[u8]>,
        beside: impl FnOnce(&GroupId, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Group, MlsError> {
        let length = welcome.len().max(ratchet_tree.map_or(0, <[u8]>::len));
        if length > MAX_MESSAGE_LENGTH {
            return Err(MlsError::TooLarge { what: "a Welcome", limit: MAX_MESSAGE_LENGTH });
        }
        let crypto = self.shared.crypto.noting_signatures();
        let provider = Provider::new(&crypto, &*self.shared.store);
        let joined = join(welcome, ratchet_tree, &provider);
        if crypto.has_noted() && (joined.is_err() || !crypto.verify_noted()) {
            // Once more, one by one: openmls says what is wrong first.
            let provider = self.shared.provider();
            let joined = join(welcome, ratchet_tree, &provider);
            return self.begin_joined(joined, provider, beside);
        }
        self.begin_joined(joined, provider, beside)
    }

    fn begin_joined(
        &self,
        joined: Result<(MlsGroup, Option<Proof>), MlsError>,
        provider: Provider<'_>,
        beside: impl FnOnce(&GroupId, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Group, MlsError> {
        match joined {
            Ok((group, proof)) => {
                let entry = Entry::Welcomed(proof);
                Group::begin_with(Arc::clone(&self.shared), group, entry, provider, beside)
            }
            Err(error) => Err(succession::explain(provider.explain(error), provider.storage())),
        }
    }

    /// Loads a group that this device is in; none where it is not.
    ///
    /// # Errors
    /// When the store fails.
    pub fn open_group(&self, id: &GroupId) -> Result<Option<Group>, MlsError> {
        Group::load(Arc::clone(&self.shared), id)
    }

    /// Whom this device's credential names.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.shared.identity
    }

    /// The suite used where a call does not name another.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.shared.suite
    }

    /// The key that this device's messages are verified with in groups of `suite`.
    #[must_use]
    pub fn signature_key(&self, suite: Suite) -> &[u8] {
        self.shared.signer(suite).key().public_key()
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Device { .. }")
    }
}

impl Shared {
    pub(crate) fn provider(&self) -> Provider<'_> {
        Provider::new(&self.crypto, &*self.store)
    }

    pub(crate) fn crypto(&self) -> &EngineCrypto {
        &self.crypto
    }

    pub(crate) fn restorations(&self) -> u64 {
        self.store.restorations()
    }

    pub(crate) fn is_volatile(&self) -> bool {
        self.store.is_volatile()
    }

    pub(crate) fn held(&self) -> &HeldGroups {
        &self.held
    }

    pub(crate) fn signer(&self, suite: Suite) -> &Arc<Signer> {
        if suite.signs_like(Suite::P256Aes128) { &self.p256 } else { &self.ed25519 }
    }

    /// The signer for a leaf that carries `public_key`: the device's own, or one kept for a single group.
    pub(crate) fn signer_of(&self, suite: Suite, public_key: &[u8]) -> Result<Arc<Signer>, MlsError> {
        let own = self.signer(suite);
        if own.key().public_key() == public_key {
            return Ok(Arc::clone(own));
        }
        let row: Option<GroupKeyRow> =
            self.provider().storage().row(Space::Device, &group_key_name(public_key))?;
        let row = row.ok_or_else(|| MlsError::internal("the own leaf's signature key is stored"))?;
        let key = SigningKey::from_private_bytes(suite.signature_algorithm(), &row.private)?;
        Ok(Arc::new(Signer::new(key)))
    }

    /// Keeps a signature key for a single group, in the step of `provider`.
    pub(crate) fn keep_signer(&self, signer: &Signer, provider: &Provider<'_>) -> Result<(), MlsError> {
        let row = GroupKeyRow { private: signer.key().private_bytes()?.into_bytes() };
        let name = group_key_name(signer.key().public_key());
        Ok(provider.storage().put_row(Space::Device, &name, &row)?)
    }

    pub(crate) fn credential(&self, suite: Suite) -> CredentialWithKey {
        credential(&self.identity, self.signer(suite).key().public_key())
    }
}

/// Begins a group with this device as its only member. `proof` is of the group that it succeeds.
pub(crate) fn found(
    shared: &Arc<Shared>,
    id: &[u8],
    suite: Suite,
    proof: Option<Proof>,
    now: Timestamp,
    beside: impl FnOnce(&GroupId, &mut Rows<'_, '_>) -> Result<(), StoreError>,
) -> Result<Group, MlsError> {
    let provider = shared.provider();
    let config = join_config();
    let group = MlsGroup::builder()
        .with_group_id(openmls::group::GroupId::from_slice(id))
        .ciphersuite(suite.ciphersuite())
        .with_capabilities(key_package::capabilities())
        .lifetime(key_package::lifetime(now, None))
        .with_wire_format_policy(config.wire_format_policy())
        .max_past_epochs(MAX_PAST_EPOCHS)
        .number_of_resumption_psks(RESUMPTION_SECRETS)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(*config.sender_ratchet_configuration())
        .build(&provider, &**shared.signer(suite), shared.credential(suite))?;
    Group::begin_with(Arc::clone(shared), group, Entry::Founded(proof), provider, beside)
}

fn join(
    welcome: &[u8],
    tree: Option<&[u8]>,
    provider: &Provider<'_>,
) -> Result<(MlsGroup, Option<Proof>), MlsError> {
    let welcome = decode_welcome(welcome)?;
    let tree = tree.map(external::decode_tree).transpose()?;
    let processed = ProcessedWelcome::new_from_welcome(provider, &join_config(), welcome)?;
    let proof = succession::proof_in(&processed, provider.storage())?;
    // A member whose leaf has outlived its lifetime must not lock joiners out; the roster shows it instead.
    let mut builder = openmls::group::JoinBuilder::new(provider, processed).skip_lifetime_validation();
    if let Some(tree) = tree {
        builder = builder.with_ratchet_tree(tree);
    }
    let staged: StagedWelcome = builder.build()?;
    if staged.members().count() > MAX_MEMBERS {
        return Err(MlsError::TooLarge { what: "the group", limit: MAX_MEMBERS });
    }
    Ok((staged.into_group(provider)?, proof))
}

fn decode_welcome(bytes: &[u8]) -> Result<Welcome, MlsError> {
    let message =
        MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| MlsError::Malformed("a Welcome"))?;
    match message.extract() {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(MlsError::Malformed("a Welcome")),
    }
}

pub(crate) fn check_identity(identity: &[u8]) -> Result<(), MlsError> {
    match identity.len() {
        0 => Err(MlsError::InvalidArgument("an identity has at least one byte")),
        1..=MAX_IDENTITY_LENGTH => Ok(()),
        _ => Err(MlsError::TooLarge { what: "an identity", limit: MAX_IDENTITY_LENGTH }),
    }
}

pub(crate) fn group_key_name(public_key: &[u8]) -> Vec<u8> {
    [GROUP_KEY_PREFIX, public_key].concat()
}

/// Whom and what a leaf shows.
pub(crate) fn credential(identity: &[u8], public_key: &[u8]) -> CredentialWithKey {
    CredentialWithKey {
        credential: BasicCredential::new(identity.to_vec()).into(),
        signature_key: public_key.to_vec().into(),
    }
}

pub(crate) fn join_config() -> MlsGroupJoinConfig {
    join_config_with(MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY, 0)
}

/// The configuration of every group, but for what its owner may choose.
pub(crate) fn join_config_with(handshake: WireFormatPolicy, padding: usize) -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .padding_size(padding)
        .wire_format_policy(handshake)
        .max_past_epochs(MAX_PAST_EPOCHS)
        .number_of_resumption_psks(RESUMPTION_SECRETS)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(
            OUT_OF_ORDER_TOLERANCE,
            MAX_FORWARD_DISTANCE,
        ))
        .build()
}
