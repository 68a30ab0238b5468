//! Key packages: what lets others add a device while it is away.

use coterie_types::{Duration, Timestamp};
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize as _};
use openmls::prelude::{
    Capabilities, ExtensionType, KeyPackage, KeyPackageIn, Lifetime, MlsMessageBodyIn, MlsMessageIn,
    MlsMessageOut, ProposalType, ProtocolVersion,
};

use crate::authentication::Authentication;
use crate::credential::{self, CertificateInfo};
use crate::error::MlsError;
use crate::extension::PROFILE_EXTENSION;
use crate::limits::{CLOCK_TOLERANCE, KEY_PACKAGE_LIFETIME, MAX_MESSAGE_LENGTH};
use crate::provider::EngineCrypto;
use crate::succession::SUCCESSION_EXTENSION;
use crate::suite::Suite;

/// How a key package is made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeyPackageOptions {
    /// The suite it is for; the device's own where none is named.
    pub suite: Option<Suite>,
    /// Whether it may be used again and again when no other is left.
    pub last_resort: bool,
    /// How long it may be used; [`KEY_PACKAGE_LIFETIME`] where nothing is said.
    pub lifetime: Option<Duration>,
}

/// What a key package says about its owner. Its signatures were checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyPackageInfo {
    /// Whom its credential names.
    pub identity: Vec<u8>,
    /// What its certificates say; none for a Basic credential.
    pub certificate: Option<CertificateInfo>,
    /// The key its owner's messages are verified with.
    pub signature_key: Vec<u8>,
    /// The suite it is for.
    pub suite: Suite,
    /// Whether it may be used more than once.
    pub last_resort: bool,
    /// When it becomes invalid.
    pub expires: Timestamp,
    /// What names it: a hash over its bytes.
    pub reference: Vec<u8>,
}

/// Default proposal and extension types are never listed (RFC 9420 section 7.2): strict peers refuse it.
pub(crate) fn capabilities(authentication: &Authentication) -> Capabilities {
    let suites = Suite::ALL.map(Suite::ciphersuite);
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&suites),
        Some(&[
            ExtensionType::LastResort,
            ExtensionType::Unknown(PROFILE_EXTENSION),
            ExtensionType::Unknown(SUCCESSION_EXTENSION),
        ]),
        Some(&[ProposalType::SelfRemove]),
        Some(&authentication.credential_types()),
    )
}

pub(crate) fn lifetime(now: Timestamp, span: Option<Duration>) -> Lifetime {
    let until = now + span.unwrap_or(KEY_PACKAGE_LIFETIME);
    Lifetime::init(now.before(CLOCK_TOLERANCE).as_secs(), until.as_secs())
}

pub(crate) fn encode(package: KeyPackage) -> Result<Vec<u8>, MlsError> {
    MlsMessageOut::from(package).tls_serialize_detached().map_err(MlsError::internal)
}

/// Decodes and verifies a key package of somebody else, whoever that claims to be.
pub(crate) fn decode(crypto: &EngineCrypto, bytes: &[u8], now: Timestamp) -> Result<KeyPackage, MlsError> {
    let package = parse(bytes)?
        .validate(crypto, ProtocolVersion::Mls10)
        .map_err(|error| MlsError::InvalidKeyPackage(error.to_string()))?;
    if !is_valid_at(&package, now) {
        return Err(MlsError::InvalidKeyPackage("it is not valid now".to_owned()));
    }
    Ok(package)
}

/// Whether `now` lies within the lifetime. Nothing below this crate judges that: the caller's clock is the only one.
pub(crate) fn is_valid_at(package: &KeyPackage, now: Timestamp) -> bool {
    let lifetime = package.life_time();
    (lifetime.not_before()..lifetime.not_after()).contains(&now.as_secs())
}

/// A key package that is this device's own, so that nothing of it needs to be verified.
#[cfg(feature = "interop")]
pub(crate) fn decode_own(bytes: &[u8]) -> Result<KeyPackage, MlsError> {
    trusted(&parse(bytes)?, bytes)
}

/// The verified form without the verification. openmls gives that form out only together with it, so it is read back
/// from the stored form, which both share; that it encodes to the same message proves that nothing was lost.
#[cfg(feature = "interop")]
fn trusted(package: &KeyPackageIn, message: &[u8]) -> Result<KeyPackage, MlsError> {
    let stored = postcard::to_stdvec(package).map_err(MlsError::internal)?;
    let package: KeyPackage = postcard::from_bytes(&stored).map_err(MlsError::internal)?;
    if encode(package.clone())? != message {
        return Err(MlsError::internal("a key package keeps its bytes"));
    }
    Ok(package)
}

fn parse(bytes: &[u8]) -> Result<KeyPackageIn, MlsError> {
    if bytes.len() > MAX_MESSAGE_LENGTH {
        return Err(MlsError::TooLarge { what: "a key package", limit: MAX_MESSAGE_LENGTH });
    }
    let message =
        MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| MlsError::Malformed("a key package"))?;
    match message.extract() {
        MlsMessageBodyIn::KeyPackage(package) => Ok(package),
        _ => Err(MlsError::Malformed("a key package")),
    }
}

pub(crate) fn info(crypto: &EngineCrypto, package: &KeyPackage) -> Result<KeyPackageInfo, MlsError> {
    let leaf = package.leaf_node();
    let suite = Suite::from_code_point(u16::from(package.ciphersuite()))
        .map_err(|_| MlsError::Unsupported("the key package's cipher suite"))?;
    let shown = credential::presented(leaf.credential())?;
    Ok(KeyPackageInfo {
        identity: shown.identity,
        certificate: shown.certificate,
        signature_key: leaf.signature_key().as_slice().to_vec(),
        suite,
        last_resort: package.last_resort(),
        expires: Timestamp::from_secs(package.life_time().not_after()),
        reference: package.hash_ref(crypto).map_err(MlsError::internal)?.as_slice().to_vec(),
    })
}
