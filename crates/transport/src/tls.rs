//! Who is at the other end, by certificates that both sides were given beforehand.
//!
//! TLS 1.3 alone, with the provider named and the hybrid post-quantum key agreement preferred. No certificate of the
//! system's counts.

use std::fmt;
use std::sync::Arc;

use coterie_crypto::Secret;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::error::LinkError;
use crate::limits::{MAX_CERTIFICATE, MAX_TRUSTED};

/// A certificate and its private key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Secret,
}

/// The certificates of which a peer must show one, or that must have signed what it shows.
#[derive(Clone)]
pub struct Trust(Arc<RootCertStore>);

impl Identity {
    /// A certificate in DER and its key in PKCS#8.
    ///
    /// # Errors
    /// [`LinkError::Identity`] above [`MAX_CERTIFICATE`]; whether they fit each other shows when a link is made.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, LinkError> {
        if certificate.len().max(key.len()) > MAX_CERTIFICATE {
            return Err(LinkError::Identity("the certificate or its key"));
        }
        let certificate = CertificateDer::from(certificate.to_vec());
        Ok(Self { certificate, key: Secret::copy_from(key) })
    }

    /// A new one that vouches for itself, as `name`, and never expires: whoever is to trust it is given its certificate.
    ///
    /// # Errors
    /// [`LinkError::Identity`] for what is no name.
    pub fn generate(name: &str) -> Result<Self, LinkError> {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]);
        let made = made.map_err(|_| LinkError::Identity("the name"))?;
        Self::new(made.cert.der(), &made.signing_key.serialize_der())
    }

    /// The certificate, in DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Its private key in PKCS#8, to be stored where nobody else reads it.
    #[must_use]
    pub const fn key(&self) -> &Secret {
        &self.key
    }

    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.expose().to_vec());
        (vec![self.certificate.clone()], PrivateKeyDer::Pkcs8(key))
    }
}

impl Trust {
    /// Trust in this certificate, in DER, and in no other.
    ///
    /// # Errors
    /// [`LinkError::Identity`] when it is no certificate.
    pub fn new(certificate: &[u8]) -> Result<Self, LinkError> {
        Self::any_of([certificate])
    }

    /// Trust in whoever shows one of these.
    ///
    /// # Errors
    /// [`LinkError::Identity`] when one is no certificate, for none at all, and above [`MAX_TRUSTED`].
    pub fn any_of<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, LinkError> {
        let unusable = LinkError::Identity("the trusted certificate");
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            if certificate.len() > MAX_CERTIFICATE || roots.len() == MAX_TRUSTED {
                return Err(unusable);
            }
            let certificate = CertificateDer::from(certificate.to_vec());
            roots.add(certificate).map_err(|_| unusable.clone())?;
        }
        if roots.is_empty() { Err(unusable) } else { Ok(Self(Arc::new(roots))) }
    }
}

/// What the side that connects brings: whom it trusts, and who it is, if it is asked.
pub(crate) fn client(
    trust: &Trust,
    identity: Option<&Identity>,
    protocol: Option<&[u8]>,
) -> Result<ClientConfig, LinkError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| LinkError::Identity("TLS 1.3"))?
        .with_root_certificates(Arc::clone(&trust.0));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.chain();
            let with = builder.with_client_auth_cert(chain, key);
            with.map_err(|_| LinkError::Identity("the certificate or its key"))?
        }
    };
    config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
    Ok(config)
}

/// What the side that accepts brings: who it is, and whose certificates it asks for, if any.
pub(crate) fn server(
    identity: &Identity,
    trust: Option<&Trust>,
    protocol: Option<&[u8]>,
) -> Result<ServerConfig, LinkError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| LinkError::Identity("TLS 1.3"))?;
    let builder = match trust {
        None => builder.with_no_client_auth(),
        Some(trust) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::clone(&trust.0), provider()).build();
            builder.with_client_cert_verifier(
                verifier.map_err(|_| LinkError::Identity("the trusted certificate"))?,
            )
        }
    };
    let (chain, key) = identity.chain();
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|_| LinkError::Identity("the certificate or its key"))?;
    config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
    // What arrives before the handshake ends can be sent again by anybody.
    config.max_early_data_size = 0;
    Ok(config)
}

/// Named each time: a process-wide one may be somebody else's.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hybrid_key_agreement_comes_first() {
        let first = provider().kx_groups.first().map(|group| group.name());
        assert_eq!(first, Some(rustls::NamedGroup::X25519MLKEM768));
    }

    #[test]
    fn what_is_no_certificate_is_refused_and_a_key_is_not_printed() {
        assert!(Trust::new(b"no certificate").is_err());
        assert!(Trust::new(&vec![0; MAX_CERTIFICATE + 1]).is_err());
        assert!(Identity::new(&[], &vec![0; MAX_CERTIFICATE + 1]).is_err());
        let identity = Identity::new(b"c", b"k").unwrap();
        assert!(server(&identity, None, None).is_err());
        assert_eq!(format!("{identity:?}"), "Identity { .. }");
    }
}
