//! What signing keys promise: they come back from their bytes, verify, and do not show themselves.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/entropy.rs"]
mod entropy;

use std::sync::Mutex;

use coterie_crypto::signature::{SignatureAlgorithm, SigningKey, verify};
use coterie_crypto::{CryptoError, Entropy, EntropyError};
use entropy::{Failing, Seeded, Stuck};

/// The order of P-256: the least scalar that is too large.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[test]
fn a_key_that_was_stored_and_loaded_is_the_same_key() {
    for algorithm in SignatureAlgorithm::ALL {
        let key = SigningKey::generate(algorithm, &Seeded::new(1)).unwrap();
        let loaded =
            SigningKey::from_private_bytes(algorithm, key.private_bytes().unwrap().expose()).unwrap();
        assert_eq!(key, loaded);
        assert_eq!(key.public_key(), loaded.public_key());
        assert_eq!(key.public_key().len(), algorithm.public_key_length());
        assert_eq!(loaded.algorithm(), algorithm);

        let signature = loaded.sign(b"message").unwrap();
        assert_eq!(verify(algorithm, key.public_key(), b"message", &signature), Ok(()));
        assert_ne!(key, SigningKey::generate(algorithm, &Seeded::new(2)).unwrap());
    }
}

#[test]
fn keys_of_different_schemes_are_different_even_with_the_same_bytes() {
    let [first, second] =
        SignatureAlgorithm::ALL.map(|algorithm| SigningKey::from_private_bytes(algorithm, &[7; 32]).unwrap());
    assert_ne!(first, second);
}

#[test]
fn printing_a_key_shows_nothing_of_it() {
    for algorithm in SignatureAlgorithm::ALL {
        let key = SigningKey::from_private_bytes(algorithm, &[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey { .. }");
        assert_eq!(format!("{:?}", key.private_bytes().unwrap()), "Secret { .. }");
    }
}

#[test]
fn without_randomness_there_is_no_key() {
    for algorithm in SignatureAlgorithm::ALL {
        let refused = SigningKey::generate(algorithm, &Failing).map(|_| ());
        assert_eq!(refused, Err(CryptoError::Entropy(EntropyError)));
    }
}

#[test]
fn a_source_stuck_at_an_invalid_scalar_is_an_error_and_not_an_endless_loop() {
    for byte in [0x00, 0xff] {
        let refused = SigningKey::generate(SignatureAlgorithm::EcdsaP256Sha256, &Stuck(byte)).map(|_| ());
        assert_eq!(refused, Err(CryptoError::Entropy(EntropyError)));
    }
}

#[test]
fn an_invalid_scalar_is_drawn_again() {
    /// Gives each of its answers once, the last first.
    struct Script(Mutex<Vec<[u8; 32]>>);

    impl Entropy for Script {
        fn fill(&self, destination: &mut [u8]) -> Result<(), EntropyError> {
            let answer = self.0.lock().unwrap().pop().ok_or(EntropyError)?;
            destination.copy_from_slice(&answer);
            Ok(())
        }
    }

    let script = Script(Mutex::new(vec![[7; 32], P256_ORDER, [0; 32], [0xff; 32]]));
    let key = SigningKey::generate(SignatureAlgorithm::EcdsaP256Sha256, &script).unwrap();
    assert_eq!(key.private_bytes().unwrap().expose(), [7; 32]);
}

#[test]
fn private_bytes_that_are_no_key_are_refused() {
    for algorithm in SignatureAlgorithm::ALL {
        for length in [0, 31, 33, 64] {
            let refused = SigningKey::from_private_bytes(algorithm, &vec![7; length]).map(|_| ());
            assert_eq!(refused, Err(CryptoError::InvalidLength));
        }
    }
    for scalar in [[0; 32], P256_ORDER, [0xff; 32]] {
        let refused =
            SigningKey::from_private_bytes(SignatureAlgorithm::EcdsaP256Sha256, &scalar).map(|_| ());
        assert_eq!(refused, Err(CryptoError::InvalidKey));
    }
}

#[test]
fn a_public_key_of_another_length_is_refused_and_a_signature_of_another_length_does_not_verify() {
    for algorithm in SignatureAlgorithm::ALL {
        let key = SigningKey::generate(algorithm, &Seeded::new(3)).unwrap();
        let signature = key.sign(b"message").unwrap();
        for length in [0, 1, 31, 33, 64, 66] {
            let refused = verify(algorithm, &vec![4; length], b"message", &signature);
            assert_eq!(refused, Err(CryptoError::InvalidLength));
        }
        let longer = [signature.as_slice(), &[0]].concat();
        let shorter = signature.split_last().unwrap().1;
        for wrong in [&[][..], shorter, &longer] {
            let refused = verify(algorithm, key.public_key(), b"message", wrong);
            assert_eq!(refused, Err(CryptoError::NotAuthentic));
        }
    }
}
