//! Checks of published vectors, case by case: the runner of all vectors and this crate's tests share them.
//!
//! Behind the cargo feature `vectors`, which nothing that ships turns on. A vector that is not what its format says
//! may panic: whoever runs many cases catches that.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test support: a broken vector may panic"
)]

use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;

use crate::CryptoError;
use crate::aead::{AeadAlgorithm, AeadKey, NONCE_LENGTH};
use crate::ctr_hmac::{CtrHmacAlgorithm, CtrHmacKey};
use crate::hash::{HashAlgorithm, hkdf_expand, hkdf_extract, hmac};
use crate::hpke::vectors as kem;
use crate::signature::{SignatureAlgorithm, verify};

/// What a check answers: why the case failed, if it did.
pub type Verdict = Result<(), String>;

/// What a case is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    AesGcm,
    ChaCha20Poly1305,
    CtrHmac,
    Hkdf,
    Hmac,
    Ed25519,
    Ed25519Cctv,
    X25519,
    HpkeContext,
    XWing,
    MlKemImplicitRejection,
    MlKemModulus,
    MlKemEncapsulation,
    MlKemKeyGeneration,
    MlKemDecapsulation,
    AcvpKeyGeneration,
    AcvpEncapsulation,
}

/// Checks one case.
///
/// # Errors
/// When it fails.
pub fn check(format: Format, case: &Value) -> Verdict {
    match format {
        Format::AesGcm => aes_gcm(case),
        Format::ChaCha20Poly1305 => aead(AeadAlgorithm::ChaCha20Poly1305, case),
        Format::CtrHmac => ctr_hmac(case),
        Format::Hkdf => hkdf(case),
        Format::Hmac => hmac_case(case),
        Format::Ed25519 => ed25519(case),
        Format::Ed25519Cctv => ed25519_cctv(case),
        Format::X25519 => kem::x25519(case),
        Format::HpkeContext => kem::context(case),
        Format::XWing => kem::x_wing(case),
        Format::MlKemImplicitRejection => kem::implicit_rejection(case),
        Format::MlKemModulus => kem::modulus(case),
        Format::MlKemEncapsulation => kem::wycheproof_encapsulation(case),
        Format::MlKemKeyGeneration => kem::key_pair(&bytes(case, "seed"), &bytes(case, "ek")),
        Format::MlKemDecapsulation => kem::wycheproof_decapsulation(case),
        Format::AcvpKeyGeneration => {
            let seed = [bytes(case, "d"), bytes(case, "z")].concat();
            kem::key_pair(&seed, &bytes(&case["expected"], "ek"))
        }
        Format::AcvpEncapsulation => {
            let expected = (bytes(&case["expected"], "k"), bytes(&case["expected"], "c"));
            kem::encapsulation(&bytes(case, "ek"), bytes(case, "m"), &expected)
        }
    }
}

fn aes_gcm(case: &Value) -> Verdict {
    let key = bytes(case, "key");
    match key.len() {
        16 => aead(AeadAlgorithm::Aes128Gcm, case),
        32 => aead(AeadAlgorithm::Aes256Gcm, case),
        // 192-bit keys are not offered: no cipher takes one.
        _ => AeadAlgorithm::ALL.into_iter().try_for_each(|algorithm| {
            same("key", &AeadKey::new(algorithm, &key).err(), &Some(CryptoError::InvalidLength))
        }),
    }
}

/// Seals, opens and opens in place; nonces of any length but 12 must be refused by all three.
fn aead(algorithm: AeadAlgorithm, case: &Value) -> Verdict {
    let [nonce, data, plaintext] = ["iv", "aad", "msg"].map(|field| bytes(case, field));
    let sealed = [bytes(case, "ct"), bytes(case, "tag")].concat();
    let key = AeadKey::new(algorithm, &bytes(case, "key")).unwrap();
    let mut buffer = sealed.clone();
    let in_place = key.open_in_place(&nonce, &data, &mut buffer).map(|opened| opened.to_vec());

    let opened = if nonce.len() != NONCE_LENGTH {
        same("seal", &key.seal(&nonce, &data, &plaintext), &Err(CryptoError::InvalidLength))?;
        Err(CryptoError::InvalidLength)
    } else if is_valid(case) {
        same("seal", &key.seal(&nonce, &data, &plaintext), &Ok(sealed.clone()))?;
        Ok(plaintext)
    } else {
        Err(CryptoError::NotAuthentic)
    };
    same("open", &key.open(&nonce, &data, &sealed), &opened)?;
    same("open in place", &in_place, &opened)?;
    let mut front = vec![0; sealed.len()];
    let length = key.open_into(&nonce, &data, &sealed, &mut front);
    same("open into", &length.map(|length| front[..length].to_vec()), &opened)?;
    let wiped = buffer.iter().all(|byte| *byte == 0);
    same("what failed is wiped", &(opened.is_ok() || wiped), &true)
}

/// The AEAD of SFrame's short tags: the suite's number says which, and how much of the end is the tag.
fn ctr_hmac(case: &Value) -> Verdict {
    let (algorithm, tag_length) = match number(case, "cipher_suite") {
        suite @ 1..=3 => (CtrHmacAlgorithm::Aes128Sha256, [10, 8, 4][suite - 1]),
        suite @ 6..=8 => (CtrHmacAlgorithm::Aes256Sha512, [10, 8, 4][suite - 6]),
        suite => return Err(format!("suite {suite} has no counter mode")),
    };
    let [key, nonce, data, plaintext, sealed] =
        ["key", "nonce", "aad", "pt", "ct"].map(|field| bytes(case, field));
    let (ciphertext, tag) = sealed.split_at(sealed.len() - tag_length);
    let (key, nonce) = (CtrHmacKey::new(algorithm, tag_length, &key).unwrap(), nonce.try_into().unwrap());

    let (mut buffer, mut made) = (plaintext.clone(), vec![0; tag_length]);
    same("seal", &key.seal_in_place(&nonce, &data, &mut buffer, &mut made), &Ok(()))?;
    same("sealed", &(buffer.as_slice(), made.as_slice()), &(ciphertext, tag))?;
    same("open", &key.open_in_place(&nonce, &data, &mut buffer, tag), &Ok(()))?;
    same("plaintext", &buffer, &plaintext)
}

fn hkdf(case: &Value) -> Verdict {
    let key = hkdf_extract(HashAlgorithm::Sha256, &bytes(case, "salt"), &bytes(case, "ikm")).unwrap();
    let output = hkdf_expand(HashAlgorithm::Sha256, key.expose(), &bytes(case, "info"), number(case, "size"));
    let expected = if is_valid(case) { Ok(bytes(case, "okm")) } else { Err(CryptoError::InvalidLength) };
    same("output", &output.map(|output| output.expose().to_vec()), &expected)
}

fn hmac_case(case: &Value) -> Verdict {
    let tag = hmac(HashAlgorithm::Sha256, &bytes(case, "key"), &bytes(case, "msg")).unwrap();
    let expected = bytes(case, "tag");
    let tag = tag.expose().get(..expected.len()).unwrap();
    same("tag", &(tag == expected), &is_valid(case))
}

fn ed25519(case: &Value) -> Verdict {
    let key = case.pointer("/group/publicKey").unwrap();
    let verdict =
        verify(SignatureAlgorithm::Ed25519, &bytes(key, "pk"), &bytes(case, "msg"), &bytes(case, "sig"));
    let expected = if is_valid(case) { Ok(()) } else { Err(CryptoError::NotAuthentic) };
    same("verdict", &verdict, &expected)
}

/// Every case here has a key or a point R of small order or needs the cofactor to verify, so the strict rule
/// refuses all of them: at the key if that is at fault, else at the signature.
fn ed25519_cctv(case: &Value) -> Verdict {
    let message = case["msg"].as_str().unwrap().as_bytes();
    let verdict = verify(SignatureAlgorithm::Ed25519, &bytes(case, "key"), message, &bytes(case, "sig"));
    let flagged = |flags: &[&str]| flags.iter().any(|flag| has_flag(case, flag));
    let expected = if flagged(&["low_order_A", "non_canonical_A"]) {
        Err(CryptoError::InvalidKey)
    } else if flagged(&["low_order_R", "non_canonical_R", "low_order_residue"]) {
        Err(CryptoError::NotAuthentic)
    } else {
        Ok(())
    };
    same("answer by its flags", &verdict, &expected)?;
    same("pinned answer", &verdict.is_ok(), &false)?;

    // openmls's stock provider asks dalek's strict form: members using either must agree.
    let key = VerifyingKey::try_from(bytes(case, "key").as_slice()).unwrap();
    let signature = Signature::from_slice(&bytes(case, "sig")).unwrap();
    same("strict oracle", &key.verify_strict(message, &signature).is_ok(), &verdict.is_ok())
}

/// The bytes of a hex field.
pub fn bytes(case: &Value, field: &str) -> Vec<u8> {
    let text = case[field].as_str().unwrap_or_else(|| panic!("{field} is missing"));
    hex::decode(text).unwrap_or_else(|_| panic!("{field} is not hex"))
}

/// A number field.
pub fn number(case: &Value, field: &str) -> usize {
    case[field].as_u64().unwrap_or_else(|| panic!("{field} is missing")).try_into().unwrap()
}

/// Whether a Wycheproof case says that `flag` applies.
pub fn has_flag(case: &Value, flag: &str) -> bool {
    case["flags"].as_array().is_some_and(|flags| flags.iter().any(|have| have == flag))
}

/// Whether a Wycheproof case is a valid one.
pub fn is_valid(case: &Value) -> bool {
    case["result"] == "valid"
}

/// Passes if both are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, expected: &T) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("{what}: got {got:?}, expected {expected:?}")) }
}
