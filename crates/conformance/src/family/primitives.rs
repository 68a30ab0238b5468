//! Primitives, through the checks that `coterie_crypto` gives out for the purpose.

use coterie_crypto::vectors::{Format, check};
use serde_json::{Value, json};

use crate::case::File;
use crate::report::Outcome;

/// A decapsulation key in its expanded form, which no interface of ours takes.
pub(super) const EXPANDED_KEY: &str = "not expressible: private keys are seeds here, never expanded keys";

macro_rules! formats {
    ($($name:ident => $format:ident,)+) => {
        $(pub(super) fn $name(file: &File) -> Outcome {
            file.each(|case| check(Format::$format, case))
        })+
    };
}

formats! {
    aes_gcm => AesGcm,
    chacha20_poly1305 => ChaCha20Poly1305,
    ctr_hmac => CtrHmac,
    hkdf => Hkdf,
    hmac => Hmac,
    ed25519 => Ed25519,
    ed25519_cctv => Ed25519Cctv,
    x25519 => X25519,
    hpke => HpkeContext,
    x_wing => XWing,
    implicit_rejection => MlKemImplicitRejection,
    modulus => MlKemModulus,
    encapsulation => MlKemEncapsulation,
    key_generation => MlKemKeyGeneration,
    decapsulation => MlKemDecapsulation,
    acvp_key_generation => AcvpKeyGeneration,
}

/// Encapsulations and decapsulations in one file.
pub(super) fn acvp_encapsulation(file: &File) -> Outcome {
    let encapsulates =
        |case: &Value| case.get("function").is_some_and(|function| function == "encapsulation");
    file.each_of(encapsulates, EXPANDED_KEY, |case| check(Format::AcvpEncapsulation, case))
}

/// An encapsulation that draws unusually often. Its key pair is of the draft, which hashed the seed alone; final
/// FIPS 203 hashes it with the parameter set's number, so only what did not change is compared.
pub(super) fn unlucky(file: &File) -> Outcome {
    file.each(|case| {
        let expected = json!({ "k": case.get("K"), "c": case.get("c") });
        let renamed = json!({ "ek": case.get("ek"), "m": case.get("m"), "expected": expected });
        check(Format::AcvpEncapsulation, &renamed)
    })
}
