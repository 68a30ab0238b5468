//! Authorities that certify whatever a test wants, with fixed dates.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SanType, SerialNumber, date_time_ymd,
};

pub use rcgen;

/// Somebody who certifies.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    /// Its certificate in DER.
    pub der: Vec<u8>,
}

/// A certificate in DER with its private key in PKCS#8.
#[derive(Clone)]
pub struct Certified {
    /// The certificate.
    pub der: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

/// A self-signed authority's parameters: valid from 2020 to 2045, any number of authorities below it.
#[must_use]
pub fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2045, 1, 1));
    params
}

/// A member's parameters: valid from 2023 to 2035, named by `email`.
#[must_use]
pub fn member_params(email: &str) -> CertificateParams {
    let mut params = params("a member");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.subject_alt_names = vec![SanType::Rfc822Name(Ia5String::try_from(email).unwrap())];
    params
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&[1]));
    (params.not_before, params.not_after) = (date_time_ymd(2023, 1, 1), date_time_ymd(2035, 1, 1));
    params
}

/// A new Ed25519 key, or one on P-256.
#[must_use]
pub fn key(p256: bool) -> KeyPair {
    KeyPair::generate_for(if p256 { &PKCS_ECDSA_P256_SHA256 } else { &PKCS_ED25519 }).unwrap()
}

impl Authority {
    /// One that certifies itself.
    #[must_use]
    pub fn root(name: &str) -> Self {
        Self::root_with(authority_params(name))
    }

    /// One that certifies itself, as `params` say.
    #[must_use]
    pub fn root_with(params: CertificateParams) -> Self {
        let key = key(false);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { params, key, der }
    }

    /// An authority below this one.
    #[must_use]
    pub fn below(&self, params: CertificateParams) -> Self {
        let key = key(true);
        let der = self.sign(&params, &key).der().to_vec();
        Self { params, key, der }
    }

    /// A member's certificate.
    #[must_use]
    pub fn certify(&self, params: &CertificateParams, p256: bool) -> Certified {
        let key = key(p256);
        Certified { der: self.sign(params, &key).der().to_vec(), key: key.serialize_der() }
    }

    /// A member's certificate for a key that exists, in PKCS#8.
    #[must_use]
    pub fn certify_key(&self, params: &CertificateParams, key: &[u8]) -> Certified {
        let pair = KeyPair::try_from(key).unwrap();
        Certified { der: self.sign(params, &pair).der().to_vec(), key: key.to_vec() }
    }

    /// An Ed25519 certificate for `email`, valid from 2023 to 2035.
    #[must_use]
    pub fn member(&self, email: &str) -> Certified {
        self.certify(&member_params(email), false)
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params.signed_by(key, &Issuer::from_params(&self.params, &self.key)).unwrap()
    }
}
