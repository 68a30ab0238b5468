//! openmls's cryptography over [`coterie_crypto`]: a translation table, no algorithm.

use std::sync::Arc;

use coterie_crypto::aead::{AeadAlgorithm, AeadKey};
use coterie_crypto::hash::{self, HashAlgorithm};
use coterie_crypto::hpke::{self, HpkeSuite, Kem};
use coterie_crypto::signature::{self, SignatureAlgorithm, SigningKey};
use coterie_crypto::{CryptoError as OurError, Entropy, EntropyError, Secret};
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext, HpkeConfig,
    HpkeKdfType, HpkeKemType, HpkeKeyPair, KemOutput, SignatureScheme,
};
use tls_codec::SecretVLBytes;

use super::signatures::{Check, Unverified};
use crate::suite::Suite;

/// The engine's cryptography with its source of randomness.
pub(crate) struct EngineCrypto {
    entropy: Arc<dyn Entropy>,
    /// Where signatures are not verified when openmls asks, but together.
    unverified: Option<Unverified>,
}

impl EngineCrypto {
    pub(crate) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, unverified: None }
    }

    /// The same for one step that calls [`Self::verify_noted`] before anything of it is stored: until then every
    /// signature passes for valid.
    pub(crate) fn noting_signatures(&self) -> Self {
        Self { entropy: Arc::clone(&self.entropy), unverified: Some(Unverified::default()) }
    }

    /// Whether signatures passed that were not verified.
    pub(crate) fn has_noted(&self) -> bool {
        self.unverified.as_ref().is_some_and(|unverified| !unverified.is_empty())
    }

    /// Verifies the signatures that passed; true where all of them hold.
    pub(crate) fn verify_noted(&self) -> bool {
        self.unverified.as_ref().is_none_or(Unverified::all_hold)
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }
}

impl std::fmt::Debug for EngineCrypto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineCrypto { .. }")
    }
}

impl OpenMlsRand for EngineCrypto {
    type Error = EntropyError;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], EntropyError> {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn random_vec(&self, length: usize) -> Result<Vec<u8>, EntropyError> {
        let mut bytes = vec![0; length];
        self.entropy.fill(&mut bytes)?;
        Ok(bytes)
    }
}

fn hash_algorithm(hash: HashType) -> HashAlgorithm {
    match hash {
        HashType::Sha2_256 => HashAlgorithm::Sha256,
        HashType::Sha2_384 => HashAlgorithm::Sha384,
        HashType::Sha2_512 => HashAlgorithm::Sha512,
    }
}

fn aead_algorithm(aead: AeadType) -> AeadAlgorithm {
    match aead {
        AeadType::Aes128Gcm => AeadAlgorithm::Aes128Gcm,
        AeadType::Aes256Gcm => AeadAlgorithm::Aes256Gcm,
        AeadType::ChaCha20Poly1305 => AeadAlgorithm::ChaCha20Poly1305,
    }
}

fn signature_algorithm(scheme: SignatureScheme) -> Result<SignatureAlgorithm, CryptoError> {
    match scheme {
        SignatureScheme::ED25519 => Ok(SignatureAlgorithm::Ed25519),
        SignatureScheme::ECDSA_SECP256R1_SHA256 => Ok(SignatureAlgorithm::EcdsaP256Sha256),
        _ => Err(CryptoError::UnsupportedSignatureScheme),
    }
}

fn hpke_suite(HpkeConfig(kem, kdf, aead): HpkeConfig) -> Result<HpkeSuite, CryptoError> {
    let kem = match kem {
        HpkeKemType::DhKem25519 => Kem::X25519,
        HpkeKemType::DhKemP256 => Kem::P256,
        HpkeKemType::XWingKemDraft6 => Kem::XWing,
        _ => return Err(CryptoError::UnsupportedCiphersuite),
    };
    let kdf = match kdf {
        HpkeKdfType::HkdfSha256 => HashAlgorithm::Sha256,
        HpkeKdfType::HkdfSha384 => HashAlgorithm::Sha384,
        HpkeKdfType::HkdfSha512 => HashAlgorithm::Sha512,
    };
    let aead = match aead {
        HpkeAeadType::AesGcm128 => AeadAlgorithm::Aes128Gcm,
        HpkeAeadType::AesGcm256 => AeadAlgorithm::Aes256Gcm,
        HpkeAeadType::ChaCha20Poly1305 => AeadAlgorithm::ChaCha20Poly1305,
        HpkeAeadType::Export => return Err(CryptoError::UnsupportedAeadAlgorithm),
    };
    Ok(HpkeSuite { kem, kdf, aead })
}

fn secret(secret: Secret) -> SecretVLBytes {
    secret.into_bytes().into()
}

/// Errors that say which of our inputs was wrong keep that; the rest is the operation's own failure.
fn or(failure: CryptoError) -> impl FnOnce(OurError) -> CryptoError {
    move |error| match error {
        OurError::InvalidLength => CryptoError::InvalidLength,
        OurError::Entropy(_) => CryptoError::InsufficientRandomness,
        _ => failure,
    }
}

impl OpenMlsCrypto for EngineCrypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        match Suite::from_code_point(u16::from(ciphersuite)) {
            Ok(_) => Ok(()),
            Err(_) => Err(CryptoError::UnsupportedCiphersuite),
        }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        Suite::ALL.into_iter().map(Suite::ciphersuite).collect()
    }

    fn hkdf_extract(&self, hash: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        hash::hkdf_extract(hash_algorithm(hash), salt, ikm)
            .map(secret)
            .map_err(|_| CryptoError::CryptoLibraryError)
    }

    fn hmac(&self, hash: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        hash::hmac(hash_algorithm(hash), key, message)
            .map(secret)
            .map_err(|_| CryptoError::CryptoLibraryError)
    }

    fn hkdf_expand(
        &self,
        hash: HashType,
        prk: &[u8],
        info: &[u8],
        length: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        hash::hkdf_expand(hash_algorithm(hash), prk, info, length)
            .map(secret)
            .map_err(|_| CryptoError::HkdfOutputLengthInvalid)
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(hash::digest(hash_algorithm(hash), data).as_bytes().to_vec())
    }

    fn aead_encrypt(
        &self,
        aead: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        associated_data: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        AeadKey::new(aead_algorithm(aead), key)
            .and_then(|key| key.seal(nonce, associated_data, data))
            .map_err(|_| CryptoError::CryptoLibraryError)
    }

    fn aead_decrypt(
        &self,
        aead: AeadType,
        key: &[u8],
        ciphertext: &[u8],
        nonce: &[u8],
        associated_data: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        AeadKey::new(aead_algorithm(aead), key)
            .map_err(|_| CryptoError::CryptoLibraryError)?
            .open(nonce, associated_data, ciphertext)
            .map_err(|_| CryptoError::AeadDecryptionError)
    }

    fn signature_key_gen(&self, scheme: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        let key = SigningKey::generate(signature_algorithm(scheme)?, self.entropy())
            .map_err(or(CryptoError::CryptoLibraryError))?;
        let private = key.private_bytes().map_err(or(CryptoError::CryptoLibraryError))?;
        Ok((private.into_bytes(), key.public_key().to_vec()))
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        public_key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let algorithm = signature_algorithm(scheme)?;
        if let Some(unverified) = &self.unverified {
            let (public_key, data) = (public_key.to_vec(), data.to_vec());
            unverified.note(Check { algorithm, public_key, data, signature: signature.to_vec() });
            return Ok(());
        }
        signature::verify(algorithm, public_key, data, signature).map_err(|_| CryptoError::InvalidSignature)
    }

    fn sign(&self, scheme: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        SigningKey::from_private_bytes(signature_algorithm(scheme)?, key)
            .and_then(|key| key.sign(data))
            .map_err(or(CryptoError::CryptoLibraryError))
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        public_key: &[u8],
        info: &[u8],
        associated_data: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        let sealed =
            hpke::seal(hpke_suite(config)?, public_key, info, associated_data, plaintext, self.entropy())
                .map_err(or(CryptoError::HpkeEncryptionError))?;
        Ok(HpkeCiphertext { kem_output: sealed.encapsulated.into(), ciphertext: sealed.ciphertext.into() })
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        private_key: &[u8],
        info: &[u8],
        associated_data: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        hpke::open(
            hpke_suite(config)?,
            private_key,
            input.kem_output.as_slice(),
            info,
            associated_data,
            input.ciphertext.as_slice(),
        )
        .map_err(|_| CryptoError::HpkeDecryptionError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        public_key: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        let exported = hpke::send_export(
            hpke_suite(config)?,
            public_key,
            info,
            exporter_context,
            exporter_length,
            self.entropy(),
        )
        .map_err(or(CryptoError::SenderSetupError))?;
        Ok((exported.encapsulated, exported.secret.into_bytes().into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        encapsulated: &[u8],
        private_key: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        hpke::receive_export(
            hpke_suite(config)?,
            private_key,
            encapsulated,
            info,
            exporter_context,
            exporter_length,
        )
        .map(|secret| secret.into_bytes().into())
        .map_err(or(CryptoError::ReceiverSetupError))
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        let pair =
            hpke::derive_key_pair(hpke_suite(config)?, ikm).map_err(or(CryptoError::CryptoLibraryError))?;
        Ok(HpkeKeyPair { private: pair.private.into_bytes().into(), public: pair.public })
    }
}
