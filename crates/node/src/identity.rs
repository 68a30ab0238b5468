//! Certificates, anchors and candidates across the boundary.

use std::sync::Arc;

use coterie_crypto::entropy::OsEntropy;
use coterie_mls::certificate::TrustAnchors;
use coterie_mls::{
    Authentication, Candidate, CertificateInfo, CertifiedKey, CertifiedOptions, Device, DeviceOptions, Entry,
    Suite,
};
use coterie_store::Store;
use coterie_types::{Code, Timestamp};
use napi_derive::napi;
use zeroize::Zeroizing;

use crate::arguments::List;
use crate::bytes::{Latin1String, Uint8Array};
use crate::failure::NativeFailure;
use crate::roster;
use crate::values::milliseconds;

/// A device's certificate with its key.
#[napi(object, object_to_js = false)]
pub struct NativeCertified {
    /// The certificate in DER, then those of its issuers.
    #[napi(ts_type = "Array<Uint8Array>")]
    pub chain: List<Uint8Array>,
    /// PKCS#8 in DER.
    pub private_key: Uint8Array,
}

/// Which credentials a device believes.
#[napi(object, object_to_js = false)]
pub struct NativeTrust {
    /// Certificates of authorities in DER.
    #[napi(ts_type = "Array<Uint8Array>")]
    pub anchors: List<Uint8Array>,
    /// Whether Basic credentials are believed as well.
    pub basic: bool,
}

/// Who a device is to be, and whom it believes.
#[napi(object, object_to_js = false)]
pub struct NativeIdentity {
    /// Whom its credential names.
    pub identity: Option<Uint8Array>,
    /// The suite of a new device.
    pub suite: String,
    /// What it shows instead of a name.
    pub certified: Option<NativeCertified>,
    /// Whom it believes; names only where nothing is said.
    pub trust: Option<NativeTrust>,
}

/// What a member's certificates say beside its name.
#[napi(object, object_from_js = false)]
pub struct NativeCertificateInfo {
    /// From when they are valid, in milliseconds since 1970.
    pub valid_from: f64,
    /// Until when.
    pub expires: f64,
    /// SHA-256 of its own certificate.
    pub fingerprint: Uint8Array,
}

/// Somebody whom a policy is asked about.
#[napi(object, object_from_js = false)]
pub struct NativeCandidate {
    /// The group's id.
    pub group: Uint8Array,
    /// Whom its credential names.
    pub identity: Uint8Array,
    /// The key that its messages would be verified with.
    pub signature_key: Uint8Array,
    /// What its certificates say.
    pub certificate: Option<NativeCertificateInfo>,
    /// How it comes in.
    #[napi(ts_type = "'add' | 'external-join' | 'update' | 'present'")]
    pub entry: String,
    /// Who brings it in: a sender, as `roster.rs` writes it.
    pub by: Option<Latin1String>,
    /// As whom the same member was known so far, as `roster.rs` writes a member.
    pub replaces: Option<Latin1String>,
}

/// The same, as the core takes it.
pub(crate) struct OwnedCertified {
    chain: Vec<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
}

impl From<NativeCertified> for OwnedCertified {
    fn from(certified: NativeCertified) -> Self {
        Self { chain: certified.chain.into_vec(), key: Zeroizing::new(certified.private_key.into()) }
    }
}

impl OwnedCertified {
    pub(crate) fn borrowed(&self) -> CertifiedKey<'_> {
        CertifiedKey { certificates: &self.chain, private_key: &self.key }
    }
}

/// Who a device is to be, and whom it believes.
pub(crate) struct Identity {
    pub(crate) identity: Option<Vec<u8>>,
    pub(crate) suite: Suite,
    pub(crate) certified: Option<OwnedCertified>,
    pub(crate) anchors: Option<TrustAnchors>,
    pub(crate) basic: bool,
}

impl Identity {
    pub(crate) fn parse(given: NativeIdentity) -> Result<Self, NativeFailure> {
        let NativeIdentity { identity, suite, certified, trust } = given;
        let basic = trust.as_ref().is_none_or(|trust| trust.basic);
        let anchors =
            trust.map(|trust| TrustAnchors::new(&trust.anchors.into_vec::<Vec<u8>>())).transpose()?;
        let certified = certified.map(OwnedCertified::from);
        Ok(Self {
            identity: identity.map(Vec::from),
            suite: Suite::from_name(&suite)?,
            certified,
            anchors,
            basic,
        })
    }

    /// The device that `store` holds, its certificate renewed where another is given, or a new one.
    pub(crate) fn open_or_create(
        self,
        store: Arc<dyn Store>,
        now: Timestamp,
    ) -> Result<Device, NativeFailure> {
        let entropy = Arc::new(OsEntropy);
        let held = Device::open(Arc::clone(&store), Arc::clone(&entropy) as _)?;
        let device = match (held, &self.certified, &self.anchors) {
            (Some(held), ..) if self.identity.as_deref().is_some_and(|name| name != held.identity()) => {
                return Err(refusal("the store holds a device of another identity"));
            }
            (Some(held), Some(certified), _) if held.certificates() == Some(&certified.chain) => held,
            (Some(held), Some(OwnedCertified { chain, key }), Some(anchors)) => {
                held.renew(chain.clone(), key, anchors, now)?
            }
            (Some(held), None, _) => held,
            (None, Some(OwnedCertified { chain, key }), Some(anchors)) => {
                let options = CertifiedOptions {
                    certificates: chain.clone(),
                    private_key: key,
                    suite: self.suite,
                    identity: self.identity.as_deref(),
                };
                Device::create_certified(options, anchors, store, entropy, now)?
            }
            (_, Some(_), None) => return Err(refusal("a device with a certificate needs trust anchors")),
            (None, None, _) => {
                let identity = self.identity.clone().ok_or_else(|| {
                    refusal("the store holds no device, and no identity to make one is given")
                })?;
                Device::create(DeviceOptions { identity, suite: self.suite }, store, entropy)?
            }
        };
        Ok(device.authenticating(self.authentication()))
    }

    fn authentication(self) -> Authentication {
        match self.anchors {
            None => Authentication::default(),
            Some(anchors) if self.basic => Authentication::certificates(anchors).and_basic(),
            Some(anchors) => Authentication::certificates(anchors),
        }
    }
}

fn refusal(said: &str) -> NativeFailure {
    NativeFailure::new(Code::INVALID_ARGUMENT, said.to_owned())
}

pub(crate) fn candidates(all: Vec<Candidate>) -> Vec<NativeCandidate> {
    all.into_iter().map(NativeCandidate::from).collect()
}

impl From<CertificateInfo> for NativeCertificateInfo {
    fn from(info: CertificateInfo) -> Self {
        Self {
            valid_from: milliseconds(info.valid_from),
            expires: milliseconds(info.expires),
            fingerprint: info.fingerprint.into(),
        }
    }
}

impl From<Candidate> for NativeCandidate {
    fn from(candidate: Candidate) -> Self {
        let entry = match candidate.entry {
            Entry::Add => "add",
            Entry::ExternalJoin => "external-join",
            Entry::Update => "update",
            Entry::Present => "present",
        };
        Self {
            group: candidate.group.as_bytes().to_vec().into(),
            identity: candidate.identity.into(),
            signature_key: candidate.signature_key.into(),
            certificate: candidate.certificate.map(NativeCertificateInfo::from),
            entry: entry.to_owned(),
            by: candidate.by.as_ref().map(roster::sender),
            replaces: candidate.replaces.as_ref().map(roster::member),
        }
    }
}
