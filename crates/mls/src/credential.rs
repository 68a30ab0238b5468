//! What a leaf shows of its owner: a name by its own word (Basic), or by that of an authority (X.509; RFC 9420
//! section 5.3).

use coterie_crypto::certificate::{CertificateChain, CertificateError, MAX_CHAIN_LENGTH};
use coterie_crypto::hash::{self, HashAlgorithm};
use coterie_types::Timestamp;
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize as _, VLBytes};
use openmls::prelude::{BasicCredential, Credential, CredentialType};

use crate::error::MlsError;
use crate::limits::MAX_IDENTITY_LENGTH;

/// What a member's certificates say beside its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateInfo {
    /// From when all of its certificates are valid.
    pub valid_from: Timestamp,
    /// Until when. A member whose certificate has expired stays in its groups until it is removed or renews it.
    pub expires: Timestamp,
    /// SHA-256 of its own certificate in DER: what names it in an authority's records.
    pub fingerprint: Vec<u8>,
}

/// Whom a credential names. Proved only where [`crate::Authentication`] has admitted it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Presented {
    pub(crate) identity: Vec<u8>,
    pub(crate) certificate: Option<CertificateInfo>,
}

/// Reads whom a credential names.
pub(crate) fn presented(credential: &Credential) -> Result<Presented, MlsError> {
    match credential.credential_type() {
        CredentialType::Basic => {
            Ok(Presented { identity: credential.serialized_content().to_vec(), certificate: None })
        }
        CredentialType::X509 => certified(&chain(credential)?),
        _ => Err(MlsError::Unsupported("this type of credential")),
    }
}

/// The same for a chain.
pub(crate) fn certified(chain: &CertificateChain) -> Result<Presented, MlsError> {
    let leaf = chain.leaf()?;
    if leaf.name.len() > MAX_IDENTITY_LENGTH {
        return Err(MlsError::TooLarge { what: "a certificate's name", limit: MAX_IDENTITY_LENGTH });
    }
    let own = chain.certificates().first().ok_or(CertificateError::Empty)?;
    let certificate = CertificateInfo {
        valid_from: leaf.valid_from,
        expires: leaf.valid_until,
        fingerprint: hash::digest(HashAlgorithm::Sha256, own).as_bytes().to_vec(),
    };
    Ok(Presented { identity: leaf.name.into_bytes(), certificate: Some(certificate) })
}

pub(crate) fn basic(identity: &[u8]) -> Credential {
    BasicCredential::new(identity.to_vec()).into()
}

pub(crate) fn x509(chain: &CertificateChain) -> Result<Credential, MlsError> {
    let mut content = Vec::new();
    for certificate in chain.certificates() {
        let encoded = VLBytes::new(certificate.clone()).tls_serialize_detached();
        content.extend(encoded.map_err(MlsError::internal)?);
    }
    Ok(Credential::new(CredentialType::X509, content))
}

/// The certificates of an X.509 credential.
pub(crate) fn chain(credential: &Credential) -> Result<CertificateChain, MlsError> {
    let mut rest = credential.serialized_content();
    let mut certificates = Vec::new();
    while !rest.is_empty() {
        if certificates.len() == MAX_CHAIN_LENGTH {
            return Err(CertificateError::TooManyCertificates.into());
        }
        let (certificate, after) =
            VLBytes::tls_deserialize_bytes(rest).map_err(|_| CertificateError::Malformed)?;
        certificates.push(certificate.into());
        rest = after;
    }
    Ok(CertificateChain::new(certificates)?)
}
