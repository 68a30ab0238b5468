//! The device's signature key as openmls wants to use it.

use coterie_crypto::signature::{SignatureAlgorithm, SigningKey};
use openmls_traits::signatures::{Signer as OpenMlsSigner, SignerError};
use openmls_traits::types::SignatureScheme;

/// A prepared signature key: no parsing at each signature.
pub(crate) struct Signer(SigningKey);

impl Signer {
    pub(crate) fn new(key: SigningKey) -> Self {
        Self(key)
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.0
    }
}

impl OpenMlsSigner for Signer {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign(payload).map_err(|_| SignerError::SigningError)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        match self.0.algorithm() {
            SignatureAlgorithm::Ed25519 => SignatureScheme::ED25519,
            SignatureAlgorithm::EcdsaP256Sha256 => SignatureScheme::ECDSA_SECP256R1_SHA256,
        }
    }
}
