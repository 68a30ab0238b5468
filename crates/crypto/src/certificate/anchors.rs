//! Whom the caller trusts, and what follows from it.

use coterie_types::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

use super::algorithms::ACCEPTED;
use super::chain::{CertificateChain, LeafCertificate, leaf_of, parse, validity};
use super::{CertificateError, MAX_TRUST_ANCHORS, rules};

/// Authorities whom a caller trusts to say whose a key is.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    anchors: Vec<Anchor>,
}

#[derive(Clone, Debug)]
struct Anchor {
    der: Vec<u8>,
    trusted: TrustAnchor<'static>,
    path_length: Option<u8>,
    valid_from: Timestamp,
    valid_until: Timestamp,
}

/// At which time a chain is judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// Now: for somebody who comes in.
    Now(Timestamp),
    /// Now, or the last moment at which the chain was valid if that is past: for somebody who is in already.
    LastValid(Timestamp),
}

/// What somebody whom the caller trusts stands behind.
pub type ValidatedCertificate = LeafCertificate;

impl TrustAnchors {
    /// Trusts these DER certificates of authorities. Their own validity and path length are kept to.
    ///
    /// # Errors
    /// When there is none, there are too many, or one is malformed or not an authority's.
    pub fn new(certificates: &[Vec<u8>]) -> Result<Self, CertificateError> {
        if certificates.is_empty() || certificates.len() > MAX_TRUST_ANCHORS {
            return Err(CertificateError::AnchorCount);
        }
        let anchors = certificates.iter().map(|der| Anchor::new(der)).collect::<Result<_, _>>()?;
        Ok(Self { anchors })
    }

    /// Checks that one of the anchors stands behind `chain`, and answers whom it is for: `expected`, where a name is
    /// given.
    ///
    /// # Errors
    /// When the chain breaks any rule at that moment.
    pub fn validate(
        &self,
        chain: &CertificateChain,
        moment: Moment,
        expected: Option<&str>,
    ) -> Result<ValidatedCertificate, CertificateError> {
        let parsed = chain.parsed()?;
        let (leaf, issuers) = parsed.split_first().ok_or(CertificateError::Empty)?;
        rules::check_leaf(leaf.tbs_certificate())?;
        issuers.iter().try_for_each(|issuer| rules::check_issuer(issuer.tbs_certificate()).map(drop))?;
        let found = leaf_of(&parsed)?;
        if expected.is_some_and(|name| name != found.name) {
            return Err(CertificateError::NameMismatch);
        }
        self.verify(chain, moment, found.valid_until)?;
        Ok(found)
    }

    fn verify(
        &self,
        chain: &CertificateChain,
        moment: Moment,
        valid_until: Timestamp,
    ) -> Result<(), CertificateError> {
        let at = moment.before_end(valid_until);
        let der = chain.der();
        let (leaf, mut issuers) = der.split_first().ok_or(CertificateError::Empty)?;
        // A chain may bring its anchor along, which is trusted already and so not part of the path to it.
        if let Some((last, before)) = issuers.split_last()
            && self.anchors.iter().any(|anchor| anchor.der == last.as_ref())
        {
            issuers = before;
        }
        let trusted: Vec<TrustAnchor<'_>> =
            self.anchors.iter().map(|anchor| anchor.trusted.clone()).collect();
        let leaf = EndEntityCert::try_from(leaf).map_err(of_webpki)?;
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.as_secs()));
        let path = leaf
            .verify_for_usage(ACCEPTED, &trusted, issuers, time, KeyUsage::client_auth(), None, None)
            .map_err(of_webpki)?;
        check_order(&path, issuers)?;
        self.check_anchor(&path, issuers.len(), moment)
    }

    /// webpki takes an anchor for a name and a key. What else its certificate says counts as well.
    fn check_anchor(
        &self,
        path: &VerifiedPath<'_>,
        issuers: usize,
        moment: Moment,
    ) -> Result<(), CertificateError> {
        let same = self.anchors.iter().filter(|anchor| anchor.trusted == *path.anchor());
        let mut outcome = Err(CertificateError::UnknownIssuer);
        for anchor in same {
            outcome = anchor.check(issuers, moment.before_end(anchor.valid_until));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

impl Moment {
    /// The time to judge by, for something that ends at `end`.
    fn before_end(self, end: Timestamp) -> Timestamp {
        match self {
            Self::Now(now) => now,
            Self::LastValid(now) => now.min(end),
        }
    }
}

impl Anchor {
    fn new(der: &[u8]) -> Result<Self, CertificateError> {
        let parsed = parse(der).map_err(|_| CertificateError::AnchorUnfit)?;
        let certificate = parsed.tbs_certificate();
        let path_length = rules::check_issuer(certificate).map_err(|_| CertificateError::AnchorUnfit)?;
        let (valid_from, valid_until) = validity(certificate);
        let trusted = anchor_from_trusted_cert(&CertificateDer::from(der))
            .map_err(|_| CertificateError::AnchorUnfit)?
            .to_owned();
        Ok(Self { der: der.to_vec(), trusted, path_length, valid_from, valid_until })
    }

    fn check(&self, issuers: usize, at: Timestamp) -> Result<(), CertificateError> {
        match () {
            () if at < self.valid_from => Err(CertificateError::NotYetValid),
            () if at > self.valid_until => Err(CertificateError::Expired),
            () if self.path_length.is_some_and(|limit| issuers > usize::from(limit)) => {
                Err(CertificateError::PathLength)
            }
            () => Ok(()),
        }
    }
}

/// The path must be the chain as it stands, all of it: nothing left over, out of order or twice.
fn check_order(path: &VerifiedPath<'_>, issuers: &[CertificateDer<'_>]) -> Result<(), CertificateError> {
    let used: Vec<CertificateDer<'_>> = path.intermediate_certificates().map(|cert| cert.der()).collect();
    if used == issuers { Ok(()) } else { Err(CertificateError::NotAPath) }
}

fn of_webpki(error: Error) -> CertificateError {
    match error {
        Error::BadDer | Error::BadDerTime | Error::TrailingData(_) | Error::MalformedExtensions => {
            CertificateError::Malformed
        }
        Error::CertExpired { .. } => CertificateError::Expired,
        Error::CertNotValidYet { .. } => CertificateError::NotYetValid,
        Error::UnknownIssuer => CertificateError::UnknownIssuer,
        Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            CertificateError::UnsupportedAlgorithm
        }
        Error::CaUsedAsEndEntity | Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
            CertificateError::LeafUsage
        }
        Error::EndEntityUsedAsCa => CertificateError::IssuerUsage,
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => CertificateError::PathLength,
        Error::UnsupportedCriticalExtension => CertificateError::CriticalExtension,
        Error::NameConstraintViolation | Error::MalformedNameConstraint => CertificateError::NameConstraint,
        _ => CertificateError::Invalid,
    }
}
