//! Published vectors for the primitives. What is checked of a case stands in `src/vectors.rs`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use coterie_crypto::vectors::Format;
use support::family;

#[test]
fn aes_gcm_agrees_with_wycheproof() {
    family("wycheproof aes-gcm", "wycheproof/aes_gcm_test.json", Format::AesGcm);
}

#[test]
fn chacha20_poly1305_agrees_with_wycheproof() {
    family(
        "wycheproof chacha20-poly1305",
        "wycheproof/chacha20_poly1305_test.json",
        Format::ChaCha20Poly1305,
    );
}

#[test]
fn counter_mode_with_hmac_agrees_with_rfc_9605_and_its_working_group() {
    family("sframe aes-128-ctr-hmac", "sframe/aes_ctr_hmac.json", Format::CtrHmac);
    family("sframe aes-256-ctr-hmac", "sframe/aes_256_ctr_hmac.json", Format::CtrHmac);
}

#[test]
fn hkdf_agrees_with_wycheproof() {
    family("wycheproof hkdf-sha256", "wycheproof/hkdf_sha256_test.json", Format::Hkdf);
}

#[test]
fn hmac_agrees_with_wycheproof() {
    family("wycheproof hmac-sha256", "wycheproof/hmac_sha256_test.json", Format::Hmac);
}

#[test]
fn ed25519_agrees_with_wycheproof() {
    family("wycheproof ed25519", "wycheproof/ed25519_test.json", Format::Ed25519);
}

#[test]
fn ed25519_edge_cases_get_the_answers_of_the_strict_rule() {
    family("cctv ed25519", "ed25519-cctv/ed25519vectors.json", Format::Ed25519Cctv);
}

#[test]
fn x25519_agrees_with_wycheproof_and_refuses_zero_secrets() {
    family("wycheproof x25519", "wycheproof/x25519_test.json", Format::X25519);
}

#[test]
fn hpke_contexts_agree_with_rfc_9180() {
    family("hpke rfc9180-x25519", "hpke/rfc9180-x25519.json", Format::HpkeContext);
}

#[test]
fn hpke_contexts_over_ml_kem_and_x_wing_agree_with_the_draft() {
    family("hpke pq xwing+mlkem768", "hpke/hpke-pq-xwing-mlkem768.json", Format::HpkeContext);
}

#[test]
fn x_wing_agrees_with_its_draft() {
    family("x-wing", "pq/xwing.json", Format::XWing);
}

#[test]
fn ml_kem_agrees_and_rejects_implicitly() {
    family(
        "ml-kem implicit rejection",
        "pq/mlkem768-implicit-rejection.json",
        Format::MlKemImplicitRejection,
    );
}

#[test]
fn ml_kem_keys_beyond_the_modulus_are_refused() {
    family("cctv ml-kem modulus", "pq/cctv-modulus-ML-KEM-768.txt", Format::MlKemModulus);
}

#[test]
fn ml_kem_encapsulates_as_wycheproof_says() {
    family("wycheproof ml-kem encaps", "wycheproof/mlkem_768_encaps_test.json", Format::MlKemEncapsulation);
}

#[test]
fn ml_kem_keys_grow_from_their_seeds_as_published() {
    family(
        "wycheproof ml-kem keygen",
        "wycheproof/mlkem_768_keygen_seed_test.json",
        Format::MlKemKeyGeneration,
    );
}

#[test]
fn ml_kem_decapsulates_as_wycheproof_says() {
    family("wycheproof ml-kem", "wycheproof/mlkem_768_test.json", Format::MlKemDecapsulation);
}

#[test]
fn ml_kem_keys_grow_from_their_seeds_as_acvp_says() {
    family("acvp ml-kem keygen", "pq/acvp-mlkem768-keyGen.json", Format::AcvpKeyGeneration);
}
