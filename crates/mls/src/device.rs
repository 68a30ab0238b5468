//! One installation of one user.

use std::sync::Arc;

use coterie_crypto::Entropy;
use coterie_crypto::certificate::{CertificateChain, CertificateError, Moment, TrustAnchors};
use coterie_crypto::signature::{SignatureAlgorithm, SigningKey};
use coterie_store::{Space, Store, StoreError};
use coterie_types::{GroupId, Timestamp};
use openmls::prelude::tls_codec::DeserializeBytes;
use openmls::prelude::{
    Credential, CredentialWithKey, KeyPackage, LeafNodeIndex, Lifetime, MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY,
    MlsGroup, MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn, ProcessedWelcome,
    SenderRatchetConfiguration, StagedWelcome, Welcome, WireFormatPolicy,
};
use openmls_traits::OpenMlsProvider;
use openmls_traits::random::OpenMlsRand;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::authentication::{Authentication, Candidate, Entry};
use crate::credential;
use crate::error::{CredentialError, MlsError};
use crate::external;
use crate::group::{Arrival, Group, Together};
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

/// Who a device is by the word of an authority.
#[derive(Clone)]
pub struct CertifiedOptions<'a> {
    /// Its certificate in DER, then those of its issuers, each of which directly certifies the one before it. The
    /// anchor may be left out.
    pub certificates: Vec<Vec<u8>>,
    /// The certificate's private key: PKCS#8 in DER.
    pub private_key: &'a [u8],
    /// The suite of its key packages and groups where a call does not name another. Only suites of the
    /// certificate's signature scheme can be used at all.
    pub suite: Suite,
    /// The name that the certificate must have, where one is expected.
    pub identity: Option<&'a [u8]>,
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
    store: Arc<dyn Store>,
    held: HeldGroups,
}

/// Where the device's certificates stand: beside its row, which is as old as the stored format.
const CERTIFICATES_ROW: &[u8] = b"certificates";

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

/// What a new or stored device is made of.
struct Parts {
    identity: Vec<u8>,
    suite: Suite,
    ed25519: SigningKey,
    p256: SigningKey,
    certified: Option<(CertificateChain, SignatureAlgorithm)>,
}

/// What an authority stands behind.
struct Vouched {
    identity: Vec<u8>,
    chain: CertificateChain,
    algorithm: SignatureAlgorithm,
    key: SigningKey,
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

    /// Makes a new device for which an authority vouches, and stores it.
    ///
    /// # Errors
    /// When the certificates are malformed, expired or do not lead to one of `anchors`, when they are for another
    /// name, key or signature scheme, when the store already holds a device, or when randomness or the store fails.
    pub fn create_certified(
        options: CertifiedOptions<'_>,
        anchors: &TrustAnchors,
        store: Arc<dyn Store>,
        entropy: Arc<dyn Entropy>,
        now: Timestamp,
    ) -> Result<Self, MlsError> {
        let crypto = EngineCrypto::new(entropy);
        let suite = options.suite;
        let Vouched { identity, chain, algorithm, key } = vouched(options, anchors, now)?;
        let other = |algorithm| SigningKey::generate(algorithm, crypto.entropy());
        let (ed25519, p256) = match algorithm {
            SignatureAlgorithm::Ed25519 => (key, other(SignatureAlgorithm::EcdsaP256Sha256)?),
            SignatureAlgorithm::EcdsaP256Sha256 => (other(SignatureAlgorithm::Ed25519)?, key),
        };
        let certified = Some((chain, algorithm));
        Self::store(Parts { identity, suite, ed25519, p256, certified }, crypto, store)
    }

    /// The same device with another certificate, which it shows from now on: in new key packages, and in groups that it
    /// begins or joins from outside. In groups where it is already it goes on under the old one until a commit with
    /// [`crate::Changes::certificate`]. The name and the signature scheme stay; the key may be another one.
    ///
    /// # Errors
    /// When no authority vouches for the device so far, when the new certificate does not count or is for another name,
    /// key or scheme, or when the store fails.
    pub fn renew(
        &self,
        certificates: Vec<Vec<u8>>,
        private_key: &[u8],
        anchors: &TrustAnchors,
        now: Timestamp,
    ) -> Result<Self, MlsError> {
        let shared = &*self.shared;
        if shared.certified.is_none() {
            return Err(MlsError::InvalidArgument("the device has no certificate that could be renewed"));
        }
        let (suite, identity) = (shared.suite, Some(shared.identity.as_slice()));
        let options = CertifiedOptions { certificates, private_key, suite, identity };
        let Vouched { chain, algorithm, key, .. } = vouched(options, anchors, now)?;
        let mut next = Shared::clone(shared);
        let signer = Arc::new(Signer::new(key));
        let replaced = match algorithm {
            SignatureAlgorithm::Ed25519 => std::mem::replace(&mut next.ed25519, signer),
            SignatureAlgorithm::EcdsaP256Sha256 => std::mem::replace(&mut next.p256, signer),
        };
        next.certified = Some((chain, algorithm));
        let provider = shared.provider();
        // Leaves and key packages that carry the old key go on living.
        shared.keep_signer(&replaced, &provider)?;
        next.put_rows(&provider)?;
        provider.commit()?;
        Ok(Self { shared: Arc::new(next) })
    }

    /// The certificates that this device shows, its own first; none where it shows its name only.
    #[must_use]
    pub fn certificates(&self) -> Option<&[Vec<u8>]> {
        self.shared.certified.as_ref().map(|(chain, _)| chain.certificates())
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

    /// Whether joining by `welcome` takes so little time that another thread is not worth it.
    #[must_use]
    pub fn joins_quickly(&self, welcome: &[u8]) -> bool {
        welcome.len() <= QUICK_WELCOME_LENGTH && self.suite().is_quick() && self.shared.is_volatile()
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

    /// Joins a group by the Welcome that somebody sent. The key package it was made for is used up, unless it is
    /// one of last resort; a Welcome that is refused uses up nothing.
    ///
    /// `ratchet_tree` is the group's tree where it does not travel inside the Welcome.
    ///
    /// # Errors
    /// When the Welcome is malformed, forged, not for this device, or for a group that it is in; when a member's
    /// credential does not count, or the policy refuses one.
    pub fn join(
        &self,
        welcome: &[u8],
        ratchet_tree: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Group, MlsError> {
        self.join_with(welcome, ratchet_tree, now, |_, _| Ok(()))
    }

    /// Joins, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::join`], and when `beside` fails.
    pub fn join_with(
        &self,
        welcome: &[u8],
        ratchet_tree: Option<&[u8]>,
        now: Timestamp,
        beside: impl FnOnce(&GroupId, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Group, MlsError> {
        self.join_together(welcome, ratchet_tree, now, |together| {
            let id = together.id()?;
            Ok(beside(&id, &mut together.rows())?)
        })
        .map(|(group, ())| group)
    }

    /// Joins, with all that `work` does to the group in the same step. When it refuses the group, nothing has changed and
    /// the key package is not used up.
    ///
    /// # Errors
    /// As [`Self::join`], and what `work` answers.
    pub fn join_together<T, E: From<MlsError>>(
        &self,
        welcome: &[u8],
        ratchet_tree: Option<&[u8]>,
        now: Timestamp,
        work: impl FnOnce(&mut Together<'_, '_>) -> Result<T, E>,
    ) -> Result<(Group, T), E> {
        check_welcome(welcome, ratchet_tree)?;
        let crypto = self.shared.crypto.noting_signatures();
        let provider = Provider::new(&crypto, &*self.shared.store);
        let joined = join(welcome, ratchet_tree, &provider);
        if crypto.has_noted() && (joined.is_err() || !crypto.verify_noted()) {
            // Once more, one by one: openmls says what is wrong first.
            let provider = self.shared.provider();
            let joined = join(welcome, ratchet_tree, &provider);
            return self.begin_joined(joined, provider, now, work);
        }
        self.begin_joined(joined, provider, now, work)
    }

    fn begin_joined<T, E: From<MlsError>>(
        &self,
        joined: Result<(MlsGroup, Option<Proof>), MlsError>,
        provider: Provider<'_>,
        now: Timestamp,
        work: impl FnOnce(&mut Together<'_, '_>) -> Result<T, E>,
    ) -> Result<(Group, T), E> {
        let judged = joined.and_then(|(group, proof)| {
            self.shared.judge_present(group.members(), group.own_leaf_index(), group.group_id(), now)?;
            Ok((group, proof))
        });
        match judged {
            Ok((group, proof)) => {
                let arrival = Arrival::Welcomed(proof);
                Group::begin_together(Arc::clone(&self.shared), group, arrival, provider, work)
            }
            Err(error) => Err(succession::explain(provider.explain(error), provider.storage()).into()),
        }
    }

    /// Who is in the group that a Welcome is for, beside this device, for an application whose word takes longer than a
    /// call may. Uses up nothing.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub fn welcomed_by(
        &self,
        welcome: &[u8],
        ratchet_tree: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Vec<Candidate>, MlsError> {
        check_welcome(welcome, ratchet_tree)?;
        let provider = self.shared.provider();
        let (group, _) = join(welcome, ratchet_tree, &provider)
            .map_err(|error| succession::explain(provider.explain(error), provider.storage()))?;
        self.shared.judge_present(group.members(), group.own_leaf_index(), group.group_id(), now)
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
        let judge = |member: openmls::group::Member| {
            let moment = Moment::LastValid(now);
            let shown = self.authentication.admit(&member.credential, &member.signature_key, moment)?;
            let candidate = Candidate {
                group: group.clone(),
                identity: shown.identity,
                signature_key: member.signature_key,
                certificate: shown.certificate,
                entry: Entry::Present,
                by: None,
                replaces: None,
            };
            self.authentication.consult(&candidate)?;
            Ok(candidate)
        };
        members.filter(|member| member.index != own).map(judge).collect()
    }
}

/// Checks that an authority stands behind the certificates, and that they are for the key, the scheme and the name.
fn vouched(
    options: CertifiedOptions<'_>,
    anchors: &TrustAnchors,
    now: Timestamp,
) -> Result<Vouched, MlsError> {
    let chain = CertificateChain::new(options.certificates)?;
    let leaf = anchors.validate(&chain, Moment::Now(now), None)?;
    let identity = credential::certified(&chain)?.identity;
    if options.identity.is_some_and(|expected| expected != identity) {
        return Err(CertificateError::NameMismatch.into());
    }
    let algorithm = leaf.algorithm;
    if options.suite.signature_algorithm() != algorithm {
        return Err(MlsError::InvalidArgument(
            "the certificate's key is not of the suite's signature scheme",
        ));
    }
    let key = SigningKey::from_pkcs8(algorithm, options.private_key).map_err(|_| {
        MlsError::InvalidArgument("the private key is not PKCS#8 of the certificate's scheme")
    })?;
    if key.public_key() != leaf.public_key {
        return Err(CredentialError::KeyMismatch.into());
    }
    Ok(Vouched { identity, chain, algorithm, key })
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

fn check_welcome(welcome: &[u8], ratchet_tree: Option<&[u8]>) -> Result<(), MlsError> {
    let length = welcome.len().max(ratchet_tree.map_or(0, <[u8]>::len));
    if length > MAX_MESSAGE_LENGTH {
        return Err(MlsError::TooLarge { what: "a Welcome", limit: MAX_MESSAGE_LENGTH });
    }
    Ok(())
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
