//! A chain as a peer or a caller hands it in: decoded and bounded, believed in nothing.

use coterie_types::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_cert::der::Decode;
use x509_cert::{Certificate, TbsCertificate};

use super::rules;
use super::{CertificateError, MAX_CERTIFICATE_LENGTH, MAX_CHAIN_LENGTH};
use crate::signature::SignatureAlgorithm;

/// A member's certificate, followed by those of its issuers, each of which directly certifies the one before it
/// (RFC 9420 section 5.3). The anchor itself may be left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateChain {
    certificates: Vec<Vec<u8>>,
}

/// What the member's own certificate says. Whether it is true is for [`super::TrustAnchors::validate`] to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeafCertificate {
    /// The name that counts: the one URI of its subject alternative name; without one, the one email address;
    /// without one, the one DNS name.
    pub name: String,
    /// The scheme of its key.
    pub algorithm: SignatureAlgorithm,
    /// Its key as [`crate::signature`] takes it.
    pub public_key: Vec<u8>,
    /// From when the chain is valid: the latest beginning in it.
    pub valid_from: Timestamp,
    /// Until when the chain is valid: the earliest end in it.
    pub valid_until: Timestamp,
}

impl CertificateChain {
    /// Takes in DER certificates, the member's own first.
    ///
    /// # Errors
    /// When there is none, there are too many, or one is too large or malformed.
    pub fn new(certificates: Vec<Vec<u8>>) -> Result<Self, CertificateError> {
        match certificates.len() {
            0 => return Err(CertificateError::Empty),
            1..=MAX_CHAIN_LENGTH => {}
            _ => return Err(CertificateError::TooManyCertificates),
        }
        certificates.iter().try_for_each(|bytes| parse(bytes).map(drop))?;
        Ok(Self { certificates })
    }

    /// The certificates in DER, the member's own first.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// What the member's own certificate says, unproved.
    ///
    /// # Errors
    /// When its name or key is not of a kind that counts.
    pub fn leaf(&self) -> Result<LeafCertificate, CertificateError> {
        leaf_of(&self.parsed()?)
    }

    pub(super) fn parsed(&self) -> Result<Vec<Certificate>, CertificateError> {
        self.certificates.iter().map(|bytes| parse(bytes)).collect()
    }

    pub(super) fn der(&self) -> Vec<CertificateDer<'_>> {
        self.certificates.iter().map(|bytes| CertificateDer::from(bytes.as_slice())).collect()
    }
}

pub(super) fn leaf_of(chain: &[Certificate]) -> Result<LeafCertificate, CertificateError> {
    let leaf = chain.first().ok_or(CertificateError::Empty)?.tbs_certificate();
    let (algorithm, public_key) = rules::public_key(leaf)?;
    let (valid_from, valid_until) = window(chain);
    Ok(LeafCertificate { name: rules::name(leaf)?, algorithm, public_key, valid_from, valid_until })
}

pub(super) fn parse(bytes: &[u8]) -> Result<Certificate, CertificateError> {
    if bytes.len() > MAX_CERTIFICATE_LENGTH {
        return Err(CertificateError::TooLarge);
    }
    Certificate::from_der(bytes).map_err(|_| CertificateError::Malformed)
}

/// From when until when all of `certificates` are valid.
fn window(certificates: &[Certificate]) -> (Timestamp, Timestamp) {
    let windows = certificates.iter().map(Certificate::tbs_certificate).map(validity);
    windows.fold((Timestamp::default(), Timestamp::from_millis(u64::MAX)), |(from, until), (begin, end)| {
        (from.max(begin), until.min(end))
    })
}

pub(super) fn validity(certificate: &TbsCertificate) -> (Timestamp, Timestamp) {
    let validity = certificate.validity();
    let seconds = |time: x509_cert::time::Time| Timestamp::from_secs(time.to_unix_duration().as_secs());
    (seconds(validity.not_before), seconds(validity.not_after))
}
