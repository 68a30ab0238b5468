//! Properties: what was sealed or signed opens or verifies, and nothing that was changed does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "support/entropy.rs"]
mod entropy;

use coterie_crypto::aead::{AeadAlgorithm, AeadKey, NONCE_LENGTH, TAG_LENGTH};
use coterie_crypto::hash::{HashAlgorithm, hkdf_expand};
use coterie_crypto::hpke::{self, HpkeSuite, Kem};
use coterie_crypto::signature::{SignatureAlgorithm, SigningKey, verify};
use coterie_crypto::{CryptoError, EntropyError};
use entropy::{Failing, Seeded};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;

/// The same cases in every run, and no file written on failure.
fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0xC07E),
        failure_persistence: None,
        ..Default::default()
    }
}

fn any_suite() -> impl Strategy<Value = HpkeSuite> {
    (select(&Kem::ALL), select(&HashAlgorithm::ALL), select(&AeadAlgorithm::ALL))
        .prop_map(|(kem, kdf, aead)| HpkeSuite { kem, kdf, aead })
}

/// `bytes` with one bit turned over.
fn tampered(bytes: &[u8], at: Index, bit: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = at.index(bytes.len());
    bytes[at] ^= 1 << bit;
    bytes
}

proptest! {
    #![proptest_config(fixed(256))]

    #[test]
    fn every_way_to_seal_fits_every_way_to_open(
        algorithm in select(&AeadAlgorithm::ALL),
        key in any::<[u8; 32]>(),
        nonce in any::<[u8; NONCE_LENGTH]>(),
        data in vec(any::<u8>(), 0..64),
        plaintext in vec(any::<u8>(), 0..2048),
    ) {
        let key = AeadKey::new(algorithm, &key[..algorithm.key_length()]).unwrap();
        let sealed = key.seal(&nonce, &data, &plaintext).unwrap();
        prop_assert_eq!(sealed.len(), plaintext.len().saturating_add(TAG_LENGTH));

        let mut buffer = plaintext.clone();
        let tag = key.seal_in_place(&nonce, &data, &mut buffer).unwrap();
        buffer.extend_from_slice(&tag);
        prop_assert_eq!(&buffer, &sealed);

        prop_assert_eq!(key.open(&nonce, &data, &sealed).unwrap(), plaintext.clone());
        prop_assert_eq!(&*key.open_in_place(&nonce, &data, &mut buffer).unwrap(), plaintext.as_slice());
    }

    #[test]
    fn one_bit_anywhere_keeps_a_message_shut(
        algorithm in select(&AeadAlgorithm::ALL),
        data in vec(any::<u8>(), 1..64),
        plaintext in vec(any::<u8>(), 0..300),
        at in any::<Index>(),
        bit in 0_u8..8,
    ) {
        let nonce = [1; NONCE_LENGTH];
        let key = AeadKey::new(algorithm, &vec![9; algorithm.key_length()]).unwrap();
        let sealed = key.seal(&nonce, &data, &plaintext).unwrap();

        let changed = tampered(&sealed, at, bit);
        prop_assert_eq!(key.open(&nonce, &data, &changed), Err(CryptoError::NotAuthentic));
        let changed = tampered(&data, at, bit);
        prop_assert_eq!(key.open(&nonce, &changed, &sealed), Err(CryptoError::NotAuthentic));
        let changed = tampered(&nonce, at, bit);
        prop_assert_eq!(key.open(&changed, &data, &sealed), Err(CryptoError::NotAuthentic));
        let cut = &sealed[..at.index(sealed.len())];
        prop_assert_eq!(key.open(&nonce, &data, cut), Err(CryptoError::NotAuthentic));
    }

    #[test]
    fn a_shorter_expansion_is_the_start_of_a_longer_one(
        algorithm in select(&HashAlgorithm::ALL),
        key in vec(any::<u8>(), 0..160),
        info in vec(any::<u8>(), 0..200),
        length in 0_usize..300,
    ) {
        let long = hkdf_expand(algorithm, &key, &info, 300).unwrap();
        let short = hkdf_expand(algorithm, &key, &info, length).unwrap();
        prop_assert_eq!(short.expose(), &long.expose()[..length]);
    }

    #[test]
    fn a_signature_fits_one_message_one_key_and_itself(
        algorithm in select(&SignatureAlgorithm::ALL),
        seed in any::<u64>(),
        message in vec(any::<u8>(), 1..300),
        at in any::<Index>(),
        bit in 0_u8..8,
    ) {
        let key = SigningKey::generate(algorithm, &Seeded::new(seed)).unwrap();
        let signature = key.sign(&message).unwrap();
        prop_assert_eq!(verify(algorithm, key.public_key(), &message, &signature), Ok(()));

        let changed = tampered(&message, at, bit);
        prop_assert!(verify(algorithm, key.public_key(), &changed, &signature).is_err());
        let changed = tampered(&signature, at, bit);
        prop_assert_eq!(
            verify(algorithm, key.public_key(), &message, &changed),
            Err(CryptoError::NotAuthentic)
        );
        let changed = tampered(key.public_key(), at, bit);
        prop_assert!(verify(algorithm, &changed, &message, &signature).is_err());
    }
}

proptest! {
    #![proptest_config(fixed(96))]

    #[test]
    fn what_is_sealed_to_a_key_opens_with_it_and_not_when_changed(
        suite in any_suite(),
        seed in any::<u64>(),
        input in any::<[u8; 32]>(),
        info in vec(any::<u8>(), 1..40),
        data in vec(any::<u8>(), 1..40),
        plaintext in vec(any::<u8>(), 0..200),
        at in any::<Index>(),
        bit in 0_u8..8,
    ) {
        let pair = hpke::derive_key_pair(suite, &input).unwrap();
        prop_assert_eq!(pair.public.len(), suite.kem.public_key_length());
        prop_assert_eq!(pair.private.len(), suite.kem.private_key_length());

        let sealed =
            hpke::seal(suite, &pair.public, &info, &data, &plaintext, &Seeded::new(seed)).unwrap();
        prop_assert_eq!(sealed.encapsulated.len(), suite.kem.encapsulated_length());
        let open = |encapsulated: &[u8], info: &[u8], data: &[u8], ciphertext: &[u8]| {
            hpke::open(suite, pair.private.expose(), encapsulated, info, data, ciphertext)
        };
        let (encapsulated, ciphertext) = (&sealed.encapsulated, &sealed.ciphertext);
        prop_assert_eq!(open(encapsulated, &info, &data, ciphertext), Ok(plaintext));

        let shut = Err(CryptoError::NotAuthentic);
        prop_assert_eq!(open(encapsulated, &tampered(&info, at, bit), &data, ciphertext), shut.clone());
        prop_assert_eq!(open(encapsulated, &info, &tampered(&data, at, bit), ciphertext), shut.clone());
        prop_assert_eq!(open(encapsulated, &info, &data, &tampered(ciphertext, at, bit)), shut);
        prop_assert!(open(&tampered(encapsulated, at, bit), &info, &data, ciphertext).is_err());

        // The same randomness gives the same bytes; without randomness there are none.
        let again = hpke::seal(suite, &pair.public, &info, &data, b"", &Seeded::new(seed)).unwrap();
        prop_assert_eq!(&again.encapsulated, encapsulated);
        let refused = hpke::seal(suite, &pair.public, &info, &data, b"", &Failing);
        prop_assert_eq!(refused, Err(CryptoError::Entropy(EntropyError)));
    }

    #[test]
    fn both_sides_export_the_same_secret(
        suite in any_suite(),
        seed in any::<u64>(),
        info in vec(any::<u8>(), 0..40),
        context in vec(any::<u8>(), 0..40),
        length in 0_usize..200,
    ) {
        let pair = hpke::derive_key_pair(suite, &seed.to_le_bytes()).unwrap();
        let sent =
            hpke::send_export(suite, &pair.public, &info, &context, length, &Seeded::new(seed)).unwrap();
        let received = hpke::receive_export(
            suite, pair.private.expose(), &sent.encapsulated, &info, &context, length,
        );
        prop_assert_eq!(sent.secret.len(), length);
        prop_assert_eq!(received, Ok(sent.secret));
        let refused = hpke::send_export(suite, &pair.public, &info, &context, length, &Failing);
        prop_assert_eq!(refused, Err(CryptoError::Entropy(EntropyError)));
    }
}
