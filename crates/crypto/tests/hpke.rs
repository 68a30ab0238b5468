//! HPKE against hpke-rs's own RustCrypto provider, and against keys that are none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "support/entropy.rs"]
mod entropy;

use coterie_crypto::aead::AeadAlgorithm;
use coterie_crypto::hash::HashAlgorithm;
use coterie_crypto::hpke::{self, HpkeSuite, Kem};
use coterie_crypto::{CryptoError, Secret};
use entropy::Seeded;
use hpke_rs::{Hpke, HpkePrivateKey, HpkePublicKey, Mode};
use hpke_rs_crypto::types as ids;
use hpke_rs_rust_crypto::HpkeRustCrypto;

/// Every combination that [`HpkeSuite`] can express, with the oracle for it.
fn suites() -> impl Iterator<Item = (HpkeSuite, Hpke<HpkeRustCrypto>)> {
    let kems = [
        (Kem::X25519, ids::KemAlgorithm::DhKem25519),
        (Kem::P256, ids::KemAlgorithm::DhKemP256),
        (Kem::XWing, ids::KemAlgorithm::XWingDraft06),
        (Kem::MlKem768, ids::KemAlgorithm::MlKem768),
    ];
    let kdfs = [
        (HashAlgorithm::Sha256, ids::KdfAlgorithm::HkdfSha256),
        (HashAlgorithm::Sha384, ids::KdfAlgorithm::HkdfSha384),
        (HashAlgorithm::Sha512, ids::KdfAlgorithm::HkdfSha512),
    ];
    let aeads = [
        (AeadAlgorithm::Aes128Gcm, ids::AeadAlgorithm::Aes128Gcm),
        (AeadAlgorithm::Aes256Gcm, ids::AeadAlgorithm::Aes256Gcm),
        (AeadAlgorithm::ChaCha20Poly1305, ids::AeadAlgorithm::ChaCha20Poly1305),
    ];
    kems.into_iter().flat_map(move |(kem, kem_id)| {
        kdfs.into_iter().flat_map(move |(kdf, kdf_id)| {
            aeads.into_iter().map(move |(aead, aead_id)| {
                (HpkeSuite { kem, kdf, aead }, Hpke::new(Mode::Base, kem_id, kdf_id, aead_id))
            })
        })
    })
}

fn suite(kem: Kem) -> HpkeSuite {
    HpkeSuite { kem, kdf: HashAlgorithm::Sha256, aead: AeadAlgorithm::Aes128Gcm }
}

#[test]
fn our_backend_and_rustcrypto_understand_each_other_in_every_suite() {
    let mut count = 0_u32;
    for (suite, mut oracle) in suites() {
        let pair = hpke::derive_key_pair(suite, &[11; 32]).unwrap();
        let (private, public) = oracle.derive_key_pair(&[11; 32]).unwrap().into_keys();
        assert_eq!(HpkePrivateKey::from(pair.private.expose()), private, "{suite:?}");
        assert_eq!(HpkePublicKey::from(pair.public.as_slice()), public, "{suite:?}");

        let ours = hpke::seal(suite, &pair.public, b"info", b"data", b"text", &Seeded::new(1)).unwrap();
        let opened =
            oracle.open(&ours.encapsulated, &private, b"info", b"data", &ours.ciphertext, None, None, None);
        assert_eq!(opened.unwrap(), b"text", "{suite:?}");

        let (encapsulated, ciphertext) =
            oracle.seal(&public, b"info", b"data", b"text", None, None, None).unwrap();
        let opened = hpke::open(suite, pair.private.expose(), &encapsulated, b"info", b"data", &ciphertext);
        assert_eq!(opened.unwrap(), b"text", "{suite:?}");

        let (encapsulated, secret) =
            oracle.send_export(&public, b"info", None, None, None, b"context", 48).unwrap();
        let exported =
            hpke::receive_export(suite, pair.private.expose(), &encapsulated, b"info", b"context", 48);
        assert_eq!(exported, Ok(Secret::new(secret)), "{suite:?}");
        count = count.saturating_add(1);
    }
    assert_eq!(count, 36);
}

#[test]
fn keys_of_another_length_are_refused_before_anything_is_computed() {
    for kem in Kem::ALL {
        let suite = suite(kem);
        let pair = hpke::derive_key_pair(suite, &[1; 32]).unwrap();
        let longer = [pair.public.as_slice(), &[0]].concat();
        for public in [&[][..], &pair.public[1..], &longer] {
            let refused = hpke::seal(suite, public, b"", b"", b"", &Seeded::new(1));
            assert_eq!(refused, Err(CryptoError::InvalidLength));
            let refused = hpke::send_export(suite, public, b"", b"", 32, &Seeded::new(1));
            assert_eq!(refused, Err(CryptoError::InvalidLength));
        }
        let encapsulated = vec![4; kem.encapsulated_length()];
        for (private, encapsulated) in
            [(&pair.private.expose()[1..], &encapsulated[..]), (pair.private.expose(), &encapsulated[1..])]
        {
            let refused = hpke::open(suite, private, encapsulated, b"", b"", &[0; 16]);
            assert_eq!(refused, Err(CryptoError::InvalidLength));
            let refused = hpke::receive_export(suite, private, encapsulated, b"", b"", 32);
            assert_eq!(refused, Err(CryptoError::InvalidLength));
        }
    }
}

#[test]
fn more_than_the_kdf_can_give_is_refused() {
    let suite = suite(Kem::X25519);
    let pair = hpke::derive_key_pair(suite, &[1; 32]).unwrap();
    for length in [8161, 65536, usize::MAX] {
        let refused = hpke::send_export(suite, &pair.public, b"", b"", length, &Seeded::new(1));
        assert_eq!(refused, Err(CryptoError::InvalidLength));
        let refused = hpke::receive_export(suite, pair.private.expose(), &pair.public, b"", b"", length);
        assert_eq!(refused, Err(CryptoError::InvalidLength));
    }
    assert!(hpke::send_export(suite, &pair.public, b"", b"", 8160, &Seeded::new(1)).is_ok());
}

/// The list of RFC 7748's low-order points, each also with the ignored top bit set.
fn low_order_points() -> impl Iterator<Item = [u8; 32]> {
    let points = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    points.into_iter().flat_map(|point| {
        let point: [u8; 32] = hex::decode(point).unwrap().try_into().unwrap();
        let mut with_top_bit = point;
        with_top_bit[31] |= 0x80;
        [point, with_top_bit]
    })
}

#[test]
fn a_low_order_point_is_refused_as_a_key_and_as_an_encapsulation() {
    for kem in [Kem::X25519, Kem::XWing] {
        let suite = suite(kem);
        let pair = hpke::derive_key_pair(suite, &[1; 32]).unwrap();
        let sealed = hpke::seal(suite, &pair.public, b"", b"", b"", &Seeded::new(1)).unwrap();
        for point in low_order_points() {
            let with_point = |bytes: &[u8]| [&bytes[..bytes.len().saturating_sub(32)], &point].concat();
            let public = with_point(&pair.public);
            let refused = hpke::seal(suite, &public, b"", b"", b"", &Seeded::new(1));
            assert_eq!(refused, Err(CryptoError::InvalidKey), "{kem:?} {point:x?}");

            let encapsulated = with_point(&sealed.encapsulated);
            let private = pair.private.expose();
            let refused = hpke::open(suite, private, &encapsulated, b"", b"", &sealed.ciphertext);
            assert_eq!(refused, Err(CryptoError::InvalidKey), "{kem:?} {point:x?}");
            let refused = hpke::receive_export(suite, private, &encapsulated, b"", b"", 32);
            assert_eq!(refused, Err(CryptoError::InvalidKey), "{kem:?} {point:x?}");
        }
    }
}

#[test]
fn a_p256_key_in_another_form_or_off_the_curve_is_refused() {
    let suite = suite(Kem::P256);
    let pair = hpke::derive_key_pair(suite, &[1; 32]).unwrap();
    let mut off_the_curve = pair.public.clone();
    off_the_curve[64] ^= 1;
    let mut hybrid = pair.public.clone();
    hybrid[0] = 6 | (hybrid[64] & 1);
    for public in [off_the_curve, hybrid] {
        let refused = hpke::seal(suite, &public, b"", b"", b"", &Seeded::new(1));
        assert_eq!(refused, Err(CryptoError::InvalidKey));
        let refused = hpke::receive_export(suite, pair.private.expose(), &public, b"", b"", 32);
        assert_eq!(refused, Err(CryptoError::InvalidKey));
    }
    for private in [[0; 32], [0xff; 32]] {
        let refused = hpke::receive_export(suite, &private, &pair.public, b"", b"", 32);
        assert_eq!(refused, Err(CryptoError::InvalidKey));
    }
}

#[test]
fn a_damaged_post_quantum_encapsulation_gives_another_secret_and_no_hint() {
    for kem in [Kem::XWing, Kem::MlKem768] {
        let suite = suite(kem);
        let pair = hpke::derive_key_pair(suite, &[1; 32]).unwrap();
        let sent = hpke::send_export(suite, &pair.public, b"", b"", 32, &Seeded::new(1)).unwrap();
        let mut damaged = sent.encapsulated;
        damaged[0] ^= 1;
        let received = hpke::receive_export(suite, pair.private.expose(), &damaged, b"", b"", 32).unwrap();
        assert_ne!(received, sent.secret);
    }
}

#[test]
fn printing_keys_and_secrets_shows_nothing_of_them() {
    let suite = suite(Kem::X25519);
    let pair = hpke::derive_key_pair(suite, &[1; 32]).unwrap();
    assert!(format!("{pair:?}").starts_with("KeyPair { private: Secret { .. }, public: ["));
    let sent = hpke::send_export(suite, &pair.public, b"", b"", 32, &Seeded::new(1)).unwrap();
    assert!(format!("{sent:?}").ends_with("secret: Secret { .. } }"));
}
