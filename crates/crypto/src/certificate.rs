//! Certificate chains: who a key belongs to, by the word of somebody whom the caller trusts.
//!
//! A [`CertificateChain`] is well formed and within the limits, and nothing more: what it says is a claim.
//! [`TrustAnchors::validate`] turns the claim into a [`ValidatedCertificate`]. Signatures, validity, basic constraints,
//! path lengths, name constraints and critical extensions are rustls-webpki's work; `certificate/rules.rs` adds
//! what it leaves out: key usage, one order of the chain, the anchors' own limits, and which name counts.
//!
//! The time is an argument, as everywhere. No revocation lists: a certificate that must not count any more is
//! removed from its groups, or refused by the application's policy.

mod algorithms;
mod anchors;
mod chain;
mod rules;

pub use anchors::{Moment, TrustAnchors, ValidatedCertificate};
pub use chain::{CertificateChain, LeafCertificate};

use coterie_types::{Code, ErrorCode};

/// Certificates in one chain, the member's own among them. Every leaf of a group's tree carries a chain, so a tree
/// of thousands pays for each; hierarchies have one or two levels between anchor and member.
pub const MAX_CHAIN_LENGTH: usize = 4;

/// Bytes of one certificate. Honest ones have 400 to 2,000; a member's leaf must not make everybody's tree grow.
pub const MAX_CERTIFICATE_LENGTH: usize = 8 * 1024;

/// Certificates that a caller may trust. Each is a candidate for the end of every chain.
pub const MAX_TRUST_ANCHORS: usize = 64;

/// Why a chain, or one of the certificates in it, does not count. Holds nothing of what a peer sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not a DER certificate, or one whose fields contradict each other.
    #[error("a certificate is malformed")]
    Malformed,
    /// No certificate at all.
    #[error("the chain is empty")]
    Empty,
    /// Above [`MAX_CHAIN_LENGTH`].
    #[error("the chain has more than {MAX_CHAIN_LENGTH} certificates")]
    TooManyCertificates,
    /// Above [`MAX_CERTIFICATE_LENGTH`].
    #[error("a certificate has more than {MAX_CERTIFICATE_LENGTH} bytes")]
    TooLarge,
    /// Above [`MAX_TRUST_ANCHORS`], or none.
    #[error("there is no trust anchor, or there are more than {MAX_TRUST_ANCHORS}")]
    AnchorCount,
    /// What is to be trusted is not the certificate of an authority.
    #[error("a trust anchor is not a certificate of an authority")]
    AnchorUnfit,
    /// Its time is over.
    #[error("a certificate has expired")]
    Expired,
    /// Its time has not come.
    #[error("a certificate is not valid yet")]
    NotYetValid,
    /// Nobody whom the caller trusts stands behind it.
    #[error("the chain does not lead to a trust anchor")]
    UnknownIssuer,
    /// A signature does not verify.
    #[error("a certificate's signature does not verify")]
    BadSignature,
    /// A signature or key of an algorithm that is not accepted.
    #[error("a certificate uses an algorithm that is not accepted")]
    UnsupportedAlgorithm,
    /// The chain is not the path: a certificate too many, twice, or out of order.
    #[error("each certificate of the chain must directly certify the one before it")]
    NotAPath,
    /// The member's own certificate is an authority's, or may not sign, or is for other purposes.
    #[error("the member's certificate is not for signing messages")]
    LeafUsage,
    /// An issuer's certificate is not an authority's, or may not sign certificates.
    #[error("an issuer's certificate is not for signing certificates")]
    IssuerUsage,
    /// An issuer's path length is exceeded.
    #[error("there are more issuers than a certificate allows")]
    PathLength,
    /// A critical extension that is not understood.
    #[error("a certificate has a critical extension that is not understood")]
    CriticalExtension,
    /// An issuer may not certify such names.
    #[error("an issuer is not allowed to certify this name")]
    NameConstraint,
    /// No name, or several of the kind that counts.
    #[error("the certificate must name its owner once, in its subject alternative name")]
    NoSingleName,
    /// Another name than the caller expects.
    #[error("the certificate names somebody else")]
    NameMismatch,
    /// The key in use is not the one that was certified.
    #[error("the certificate is for another key")]
    KeyMismatch,
    /// Any other rule of RFC 5280.
    #[error("a certificate breaks a rule of its format")]
    Invalid,
}

impl ErrorCode for CertificateError {
    fn code(&self) -> Code {
        match self {
            Self::Expired => Code::MLS_CERTIFICATE_EXPIRED,
            Self::AnchorCount | Self::AnchorUnfit => Code::INVALID_ARGUMENT,
            _ => Code::MLS_INVALID_CREDENTIAL,
        }
    }
}
