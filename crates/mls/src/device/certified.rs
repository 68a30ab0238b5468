//! Devices for which an authority vouches.

use std::sync::Arc;

use coterie_crypto::Entropy;
use coterie_crypto::certificate::{CertificateChain, CertificateError, Moment, TrustAnchors};
use coterie_crypto::signature::{SignatureAlgorithm, SigningKey};
use coterie_store::Store;
use coterie_types::Timestamp;

use super::{Device, Parts, RENEWED_KEY_PREFIX, Shared};
use crate::credential;
use crate::error::{CredentialError, MlsError};
use crate::provider::{EngineCrypto, Signer};
use crate::suite::Suite;

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

/// What an authority stands behind.
struct Vouched {
    identity: Vec<u8>,
    chain: CertificateChain,
    algorithm: SignatureAlgorithm,
    key: SigningKey,
}

impl Device {
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
        shared.keep(&replaced, RENEWED_KEY_PREFIX, &provider)?;
        next.put_rows(&provider)?;
        provider.commit()?;
        Ok(Self { shared: Arc::new(next) })
    }

    /// The certificates that this device shows, its own first; none where it shows its name only.
    #[must_use]
    pub fn certificates(&self) -> Option<&[Vec<u8>]> {
        self.shared.certified.as_ref().map(|(chain, _)| chain.certificates())
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
