//! What rustls-webpki does not look at: key usage, which name counts, and how a key is written.

use x509_cert::TbsCertificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName};

use super::CertificateError;
use crate::signature::SignatureAlgorithm;

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// A member signs: its certificate must say that it may. One without key usage is refused, too, since it says
/// nothing.
pub(super) fn check_leaf(certificate: &TbsCertificate) -> Result<(), CertificateError> {
    match extension::<KeyUsage>(certificate)? {
        Some(usage) if usage.digital_signature() => Ok(()),
        _ => Err(CertificateError::LeafUsage),
    }
}

/// An issuer certifies: it must be an authority that may sign certificates (RFC 5280 section 6.1.4, k and n).
/// Answers its path length.
pub(super) fn check_issuer(certificate: &TbsCertificate) -> Result<Option<u8>, CertificateError> {
    let constraints = extension::<BasicConstraints>(certificate)?;
    let may_sign = extension::<KeyUsage>(certificate)?.is_some_and(|usage| usage.key_cert_sign());
    match constraints {
        Some(constraints) if constraints.ca && may_sign => Ok(constraints.path_len_constraint),
        _ => Err(CertificateError::IssuerUsage),
    }
}

/// The name that counts: exactly one of the first kind there is. The subject's common name never counts, because an
/// authority's name constraints do not bind it.
pub(super) fn name(certificate: &TbsCertificate) -> Result<String, CertificateError> {
    let names = extension::<SubjectAltName>(certificate)?.ok_or(CertificateError::NoSingleName)?.0;
    let kinds: [fn(&GeneralName) -> Option<&str>; 3] = [uri, email, dns];
    for kind in kinds {
        let mut found = names.iter().filter_map(kind);
        match (found.next(), found.next()) {
            (Some(name), None) if !name.is_empty() => return Ok(name.to_owned()),
            (None, _) => {}
            _ => return Err(CertificateError::NoSingleName),
        }
    }
    Err(CertificateError::NoSingleName)
}

fn uri(name: &GeneralName) -> Option<&str> {
    if let GeneralName::UniformResourceIdentifier(name) = name { Some(name.as_ref()) } else { None }
}

fn email(name: &GeneralName) -> Option<&str> {
    if let GeneralName::Rfc822Name(name) = name { Some(name.as_ref()) } else { None }
}

fn dns(name: &GeneralName) -> Option<&str> {
    if let GeneralName::DnsName(name) = name { Some(name.as_ref()) } else { None }
}

/// The key as MLS writes it.
pub(super) fn public_key(
    certificate: &TbsCertificate,
) -> Result<(SignatureAlgorithm, Vec<u8>), CertificateError> {
    let info = certificate.subject_public_key_info();
    let parameters = info.algorithm.parameters.as_ref();
    let algorithm = match info.algorithm.oid {
        ED25519 if parameters.is_none() => SignatureAlgorithm::Ed25519,
        EC_PUBLIC_KEY => {
            let curve = parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
            if curve != Some(P256) {
                return Err(CertificateError::UnsupportedAlgorithm);
            }
            SignatureAlgorithm::EcdsaP256Sha256
        }
        _ => return Err(CertificateError::UnsupportedAlgorithm),
    };
    let key = info.subject_public_key.as_bytes().ok_or(CertificateError::Malformed)?;
    if key.len() != algorithm.public_key_length() {
        return Err(CertificateError::UnsupportedAlgorithm);
    }
    Ok((algorithm, key.to_vec()))
}

/// An extension that may stand once and must be well formed.
fn extension<T: for<'a> Decode<'a> + AssociatedOid>(
    certificate: &TbsCertificate,
) -> Result<Option<T>, CertificateError> {
    let mut found =
        certificate.extensions().into_iter().flatten().filter(|extension| extension.extn_id == T::OID);
    let (first, second) = (found.next(), found.next());
    if second.is_some() {
        return Err(CertificateError::Malformed);
    }
    let Some(first) = first else { return Ok(None) };
    T::from_der(first.extn_value.as_bytes()).map(Some).map_err(|_| CertificateError::Malformed)
}
