//! One installation of one user.

mod certified;
mod present;
mod welcome;

use std::sync::Arc;

use coterie_crypto::Entropy;
use coterie_crypto::certificate::{CertificateChain, CertificateError};
use coterie_crypto::signature::{SignatureAlgorithm, SigningKey};
use coterie_store::{CounterKeeper, Space, Store, StoreError};
use coterie_types::{GroupId, Timestamp};
use openmls::prelude::{
    Credential, CredentialWithKey, KeyPackage, Lifetime, MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY, MlsGroup,
    MlsGroupJoinConfig, SenderRatchetConfiguration, WireFormatPolicy,
};
use openmls_traits::OpenMlsProvider;
use openmls_traits::random::OpenMlsRand;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::authentication::Authentication;
use crate::credential;
use crate::error::MlsError;
use crate::group::{Arrival, Group, Together};
use crate::held::HeldGroups;
use crate::key_package::{self, KeyPackageInfo, KeyPackageOptions};
use crate::limits::{
    GROUP_ID_LENGTH, MAX_FORWARD_DISTANCE, MAX_IDENTITY_LENGTH, MAX_KEY_PACKAGES_PER_CALL, MAX_PAST_EPOCHS,
    OUT_OF_ORDER_TOLERANCE, QUICK_KEY_PACKAGES, RESUMPTION_SECRETS,
};
use crate::provider::{EngineCrypto, Provider, Signer};
use crate::restored;
use crate::rows::Rows;
use crate::succession::Proof;
use crate::suite::Suite;

pub use certified::CertifiedOptions;

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
#[derive(Clone)]
pub(crate) struct Shared {
    identity: Vec<u8>,
    suite: Suite,
    /// Where an authority vouches for the device: its certificates, and the scheme of the key that they are for.
    certified: Option<(CertificateChain, SignatureAlgorithm)>,
    authentication: Authentication,
    ed25519: Arc<Signer>,
    p256: Arc<Signer>,
    crypto: Arc<EngineCrypto>,
    counters: Arc<CounterKeeper>,
    store: Arc<dyn Store>,
    held: HeldGroups,
}

/// Where the device's certificates stand: beside its row, which is as old as the stored format.
const CERTIFICATES_ROW: &[u8] = b"certificates";

/// Where the signature keys stand that the device uses in single groups only, each behind its public key.
const GROUP_KEY_PREFIX: &[u8] = b"group-key/";

/// Where those stand that the device used before its certificate was renewed: leaves and key packages of any number of
/// groups may carry one, so forgetting a group leaves them alone.
const RENEWED_KEY_PREFIX: &[u8] = b"renewed-key/";

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

/// What a new or stored device is made of.
struct Parts {
    identity: Vec<u8>,
    suite: Suite,
    ed25519: SigningKey,
    p256: SigningKey,
    certified: Option<(CertificateChain, SignatureAlgorithm)>,
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
        let DeviceOptions { identity, suite } = options;
        Self::store(Parts { identity, suite, ed25519, p256, certified: None }, crypto, store)
    }

    /// Writes a new device's rows in one step.
    fn store(parts: Parts, crypto: EngineCrypto, store: Arc<dyn Store>) -> Result<Self, MlsError> {
        let device = Self::with(parts, crypto, Arc::clone(&store));
        let provider = device.shared.provider();
        let storage = provider.storage();
        if storage.row::<DeviceRow>(Space::Device, DEVICE_ROW)?.is_some() {
            return Err(MlsError::InvalidArgument("the store already holds a device; open it instead"));
        }
        device.shared.put_rows(&provider)?;
        restored::mark_device(&*store, storage)?;
        provider.commit()?;
        Ok(device)
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
        let certificates = storage.row::<Vec<Vec<u8>>>(Space::Device, CERTIFICATES_ROW)?;
        let certified = certificates
            .map(|certificates| {
                let chain = CertificateChain::new(certificates)?;
                let algorithm = chain.leaf()?.algorithm;
                Ok::<_, MlsError>((chain, algorithm))
            })
            .transpose()?;
        restored::forget_what_may_be_used(&*store, storage)?;
        provider.commit()?;
        let suite =
            Suite::from_name(&row.suite).map_err(|_| MlsError::Unsupported("the device's cipher suite"))?;
        let ed25519 = SigningKey::from_private_bytes(SignatureAlgorithm::Ed25519, &row.ed25519)?;
        let p256 = SigningKey::from_private_bytes(SignatureAlgorithm::EcdsaP256Sha256, &row.p256)?;
        let parts = Parts { identity: row.identity.clone(), suite, ed25519, p256, certified };
        Ok(Some(Self::with(parts, crypto, store)))
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

    /// The same device, believing what `authentication` says in groups that are opened from now on. It is not stored:
    /// whom to believe is for the application to say each time.
    #[must_use]
    pub fn authenticating(self, authentication: Authentication) -> Self {
        Self { shared: Arc::new(Shared { authentication, ..Shared::clone(&self.shared) }) }
    }

    fn with(parts: Parts, crypto: EngineCrypto, store: Arc<dyn Store>) -> Self {
        let Parts { identity, suite, ed25519, p256, certified } = parts;
        let (ed25519, p256) = (Arc::new(Signer::new(ed25519)), Arc::new(Signer::new(p256)));
        let shared = Shared {
            identity,
            suite,
            certified,
            authentication: Authentication::default(),
            ed25519,
            p256,
            crypto: Arc::new(crypto),
            counters: Arc::new(CounterKeeper::new(Arc::clone(&store))),
            store,
            held: HeldGroups::default(),
        };
        Self { shared: Arc::new(shared) }
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
        let credential = shared.credential_at(suite, now)?;
        let lifetime = shared.certified_lifetime(key_package::lifetime(now, options.lifetime));
        let provider = shared.provider();
        let packages = (0..count)
            .map(|_| {
                let mut builder = KeyPackage::builder()
                    .leaf_node_capabilities(key_package::capabilities(&shared.authentication))
                    .key_package_lifetime(lifetime);
                if options.last_resort {
                    builder = builder.mark_as_last_resort();
                }
                let bundle = builder
                    .build(suite.ciphersuite(), &provider, &**shared.signer(suite), credential.clone())
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

    /// Checks a key package and says whose it is.
    ///
    /// # Errors
    /// When it is malformed, forged, expired or of an unknown suite, or its credential does not count.
    pub fn inspect_key_package(&self, bytes: &[u8], now: Timestamp) -> Result<KeyPackageInfo, MlsError> {
        let package = key_package::decode(&self.shared.crypto, bytes, now)?;
        self.shared.authentication.admit_leaf(package.leaf_node(), now)?;
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
        self.create_group_together(options, now, |together| {
            let id = together.id()?;
            Ok(beside(&id, &mut together.rows())?)
        })
        .map(|(group, ())| group)
    }

    /// Begins a group, with all that `work` does to it in the same step.
    ///
    /// # Errors
    /// As [`Self::create_group`], and what `work` answers.
    pub fn create_group_together<T, E: From<MlsError>>(
        &self,
        options: GroupOptions,
        now: Timestamp,
        work: impl FnOnce(&mut Together<'_, '_>) -> Result<T, E>,
    ) -> Result<(Group, T), E> {
        let suite = options.suite.unwrap_or(self.shared.suite);
        let id = match options.id {
            Some(id) => id.as_bytes().to_vec(),
            None => {
                let random = self.shared.crypto.random_array::<GROUP_ID_LENGTH>();
                random.map_err(MlsError::from)?.to_vec()
            }
        };
        found_together(&self.shared, &id, suite, None, now, work)
    }

    /// Reads and writes rows of the layers above in a step of their own: those about a group that this device was removed
    /// from, say.
    ///
    /// # Errors
    /// What `work` answers, or why the store failed.
    pub fn rows<T, E: From<MlsError>>(
        &self,
        work: impl FnOnce(&mut Rows<'_, '_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let provider = self.shared.provider();
        let value = work(&mut Rows::of(provider.storage()))?;
        provider.commit().map_err(MlsError::from)?;
        Ok(value)
    }

    /// Whether everything ends with this object, because its store keeps nothing.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.shared.is_volatile()
    }

    /// Loads a group that this device is in; none where it is not.
    ///
    /// # Errors
    /// When the store fails.
    pub fn open_group(&self, id: &GroupId) -> Result<Option<Group>, MlsError> {
        Group::load(Arc::clone(&self.shared), id)
    }

    /// Who keeps the counters of keys that this device seals with beside its groups' own.
    #[must_use]
    pub fn counters(&self) -> &Arc<CounterKeeper> {
        &self.shared.counters
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
    fn put_rows(&self, provider: &Provider<'_>) -> Result<(), MlsError> {
        let row = DeviceRow {
            identity: self.identity.clone(),
            suite: self.suite.name().to_owned(),
            ed25519: self.ed25519.key().private_bytes()?.into_bytes(),
            p256: self.p256.key().private_bytes()?.into_bytes(),
        };
        provider.storage().put_row(Space::Device, DEVICE_ROW, &row)?;
        let Some((chain, _)) = &self.certified else { return Ok(()) };
        Ok(provider.storage().put_row(Space::Device, CERTIFICATES_ROW, &chain.certificates())?)
    }

    pub(crate) fn provider(&self) -> Provider<'_> {
        Provider::new(&self.crypto, &*self.store)
    }

    pub(crate) fn crypto(&self) -> &EngineCrypto {
        &self.crypto
    }

    pub(crate) fn counters(&self) -> &Arc<CounterKeeper> {
        &self.counters
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

    /// The signer for a leaf that carries `public_key`: the device's own, one kept for a single group, or one from
    /// before a renewal.
    pub(crate) fn signer_of(&self, suite: Suite, public_key: &[u8]) -> Result<Arc<Signer>, MlsError> {
        let own = self.signer(suite);
        if own.key().public_key() == public_key {
            return Ok(Arc::clone(own));
        }
        let provider = self.provider();
        let kept = |prefix| -> Result<Option<GroupKeyRow>, MlsError> {
            Ok(provider.storage().row(Space::Device, &key_name(prefix, public_key))?)
        };
        let row = kept(GROUP_KEY_PREFIX)?.map_or_else(|| kept(RENEWED_KEY_PREFIX), |row| Ok(Some(row)))?;
        let row = row.ok_or_else(|| MlsError::internal("the own leaf's signature key is stored"))?;
        let key = SigningKey::from_private_bytes(suite.signature_algorithm(), &row.private)?;
        Ok(Arc::new(Signer::new(key)))
    }

    /// Keeps a signature key for a single group, in the step of `provider`.
    pub(crate) fn keep_signer(&self, signer: &Signer, provider: &Provider<'_>) -> Result<(), MlsError> {
        self.keep(signer, GROUP_KEY_PREFIX, provider)
    }

    fn keep(&self, signer: &Signer, prefix: &[u8], provider: &Provider<'_>) -> Result<(), MlsError> {
        let row = GroupKeyRow { private: signer.key().private_bytes()?.into_bytes() };
        let name = key_name(prefix, signer.key().public_key());
        Ok(provider.storage().put_row(Space::Device, &name, &row)?)
    }

    pub(crate) fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// What this device shows of itself, which must be valid now.
    pub(crate) fn credential_at(&self, suite: Suite, now: Timestamp) -> Result<CredentialWithKey, MlsError> {
        let credential = match &self.certified {
            None => credential::basic(&self.identity),
            Some((chain, algorithm)) => {
                let leaf = chain.leaf()?;
                match () {
                    () if *algorithm != suite.signature_algorithm() => {
                        return Err(MlsError::Unsupported(
                            "the device's certificate in a suite that signs otherwise",
                        ));
                    }
                    () if now > leaf.valid_until => return Err(CertificateError::Expired.into()),
                    () if now < leaf.valid_from => return Err(CertificateError::NotYetValid.into()),
                    () => credential::x509(chain)?,
                }
            }
        };
        Ok(shown(credential, self.signer(suite).key().public_key()))
    }

    /// A leaf must not promise to be valid for longer than its certificate.
    fn certified_lifetime(&self, lifetime: Lifetime) -> Lifetime {
        let leaf = self.certified.as_ref().and_then(|(chain, _)| chain.leaf().ok());
        let end = leaf.map_or(u64::MAX, |leaf| leaf.valid_until.as_secs());
        Lifetime::init(lifetime.not_before(), lifetime.not_after().min(end))
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
    found_together(shared, id, suite, proof, now, |together| {
        let id = together.id()?;
        Ok(beside(&id, &mut together.rows())?)
    })
    .map(|(group, ())| group)
}

fn found_together<T, E: From<MlsError>>(
    shared: &Arc<Shared>,
    id: &[u8],
    suite: Suite,
    proof: Option<Proof>,
    now: Timestamp,
    work: impl FnOnce(&mut Together<'_, '_>) -> Result<T, E>,
) -> Result<(Group, T), E> {
    let credential = shared.credential_at(suite, now)?;
    let provider = shared.provider();
    let config = join_config();
    let group = MlsGroup::builder()
        .with_group_id(openmls::group::GroupId::from_slice(id))
        .ciphersuite(suite.ciphersuite())
        .with_capabilities(key_package::capabilities(&shared.authentication))
        .lifetime(shared.certified_lifetime(key_package::lifetime(now, None)))
        .with_wire_format_policy(config.wire_format_policy())
        .max_past_epochs(MAX_PAST_EPOCHS)
        .number_of_resumption_psks(RESUMPTION_SECRETS)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(*config.sender_ratchet_configuration())
        .build(&provider, &**shared.signer(suite), credential)
        .map_err(MlsError::from)?;
    Group::begin_together(Arc::clone(shared), group, Arrival::Founded(proof), provider, work)
}

pub(crate) fn check_identity(identity: &[u8]) -> Result<(), MlsError> {
    match identity.len() {
        0 => Err(MlsError::InvalidArgument("an identity has at least one byte")),
        1..=MAX_IDENTITY_LENGTH => Ok(()),
        _ => Err(MlsError::TooLarge { what: "an identity", limit: MAX_IDENTITY_LENGTH }),
    }
}

pub(crate) fn group_key_name(public_key: &[u8]) -> Vec<u8> {
    key_name(GROUP_KEY_PREFIX, public_key)
}

fn key_name(prefix: &[u8], public_key: &[u8]) -> Vec<u8> {
    [prefix, public_key].concat()
}

/// Whom and what a leaf shows.
pub(crate) fn credential(identity: &[u8], public_key: &[u8]) -> CredentialWithKey {
    shown(credential::basic(identity), public_key)
}

pub(crate) fn shown(credential: Credential, public_key: &[u8]) -> CredentialWithKey {
    CredentialWithKey { credential, signature_key: public_key.to_vec().into() }
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
