//! Checks of published vectors for the KEMs and for HPKE contexts, which only the backend can reach.

use hpke_rs::{Hpke, HpkePrivateKey, HpkePublicKey, Mode};
use hpke_rs_crypto::HpkeCrypto;
use hpke_rs_crypto::types::{AeadAlgorithm as AeadId, KdfAlgorithm, KemAlgorithm};
use serde_json::Value;

use super::backend::Backend;
use super::post_quantum;
use super::randomness::{ScopedRng, with_randomness};
use crate::entropy::{Entropy, EntropyError};
use crate::vectors::{Verdict, bytes, has_flag, is_valid, number, same};

/// Gives exactly the bytes of a vector.
struct Given(Vec<u8>);

impl Entropy for Given {
    fn fill(&self, destination: &mut [u8]) -> Result<(), EntropyError> {
        destination.copy_from_slice(&self.0);
        Ok(())
    }
}

fn with_given<T>(randomness: Vec<u8>, call: impl FnOnce() -> T) -> T {
    with_randomness(&Given(randomness.clone()), randomness.len(), || Ok(call())).unwrap()
}

/// Wycheproof's X25519, where a shared secret of zeros must be refused.
pub(crate) fn x25519(case: &Value) -> Verdict {
    let shared = Backend::dh(KemAlgorithm::DhKem25519, &bytes(case, "public"), &bytes(case, "private")).ok();
    let zero = has_flag(case, "ZeroSharedSecret");
    same("shared secret", &shared, &(!zero).then(|| bytes(case, "shared")))
}

/// A context of RFC 9180 or of the post-quantum draft, with the draft's KEM by itself.
pub(crate) fn context(case: &Value) -> Verdict {
    let kem = KemAlgorithm::try_from(u16::try_from(number(case, "kem_id")).unwrap()).unwrap();
    if kem != KemAlgorithm::DhKem25519 {
        kem_case(case, kem, ["skRm", "pkRm", "ikmE", "enc", "shared_secret"])?;
    }
    // The draft's SHAKE-based key derivation is unknown to hpke-rs 0.7: there, only the KEM compares.
    if kdf(case).is_some() { context_case(case) } else { Ok(()) }
}

/// X-Wing as in its draft.
pub(crate) fn x_wing(case: &Value) -> Verdict {
    kem_case(case, KemAlgorithm::XWingDraft06, ["sk", "pk", "eseed", "ct", "ss"])
}

/// A damaged ciphertext gives a secret that nobody else has, not an error.
pub(crate) fn implicit_rejection(case: &Value) -> Verdict {
    kem_case(case, KemAlgorithm::MlKem768, ["seed", "ek", "m", "ct", "ss"])?;
    let shared =
        post_quantum::decapsulate(KemAlgorithm::MlKem768, &bytes(case, "ct_bad"), &bytes(case, "seed"));
    same("secret of a damaged ciphertext", &shared.unwrap(), &bytes(case, "ss_bad"))
}

/// A key with a coefficient beyond the modulus, in hex.
pub(crate) fn modulus(line: &Value) -> Verdict {
    refuses_key(&hex::decode(line.as_str().unwrap()).unwrap())
}

/// Encapsulation from given randomness.
pub(crate) fn encapsulation(
    public_key: &[u8],
    randomness: Vec<u8>,
    expected: &(Vec<u8>, Vec<u8>),
) -> Verdict {
    let sent = with_given(randomness, || {
        post_quantum::encapsulate(KemAlgorithm::MlKem768, public_key, &mut ScopedRng)
    });
    same("encapsulation", &sent.unwrap(), expected)
}

/// Wycheproof's ML-KEM encapsulation.
pub(crate) fn wycheproof_encapsulation(case: &Value) -> Verdict {
    let public_key = bytes(case, "ek");
    if !is_valid(case) {
        return refuses_key(&public_key);
    }
    encapsulation(&public_key, bytes(case, "m"), &(bytes(case, "K"), bytes(case, "c")))
}

/// A key pair from its seed.
pub(crate) fn key_pair(seed: &[u8], public_key: &[u8]) -> Verdict {
    let (public, _) = post_quantum::key_pair(KemAlgorithm::MlKem768, seed).unwrap();
    same("public key", &public.as_slice(), &public_key)
}

/// Wycheproof's ML-KEM decapsulation with a seed.
pub(crate) fn wycheproof_decapsulation(case: &Value) -> Verdict {
    let shared = post_quantum::decapsulate(KemAlgorithm::MlKem768, &bytes(case, "c"), &bytes(case, "seed"));
    let expected = is_valid(case).then(|| bytes(case, "K"));
    same("shared secret", &shared.ok(), &expected)
}

fn refuses_key(public_key: &[u8]) -> Verdict {
    let secret = with_given(vec![7; 32], || {
        post_quantum::encapsulate(KemAlgorithm::MlKem768, public_key, &mut ScopedRng)
    });
    same("accepted", &secret.is_ok(), &false)
}

/// Key pair, encapsulation from given randomness, decapsulation. The fields are named in that order.
fn kem_case(case: &Value, kem: KemAlgorithm, fields: [&str; 5]) -> Verdict {
    let [private, public, randomness, encapsulated, shared] = fields.map(|field| bytes(case, field));
    same("public key", &post_quantum::key_pair(kem, &private).unwrap().0, &public)?;
    let sent = with_given(randomness, || post_quantum::encapsulate(kem, &public, &mut ScopedRng)).unwrap();
    same("encapsulation", &sent, &(shared.clone(), encapsulated.clone()))?;
    same("decapsulation", &post_quantum::decapsulate(kem, &encapsulated, &private).unwrap(), &shared)
}

/// A sender and a receiver, message by message in sequence, then what both export.
fn context_case(case: &Value) -> Verdict {
    let kem = KemAlgorithm::try_from(u16::try_from(number(case, "kem_id")).unwrap()).unwrap();
    let aead = AeadId::try_from(u16::try_from(number(case, "aead_id")).unwrap()).unwrap();
    let mode = Mode::try_from(u8::try_from(number(case, "mode")).unwrap()).unwrap();
    let mut hpke = Hpke::<Backend>::new(mode, kem, kdf(case).unwrap(), aead);

    let private = HpkePrivateKey::new(bytes(case, "skRm"));
    let public = HpkePublicKey::new(bytes(case, "pkRm"));
    if kem == KemAlgorithm::DhKem25519 {
        let pair = hpke.derive_key_pair(&bytes(case, "ikmR")).unwrap();
        same("derived key pair", &pair.into_keys(), &(private.clone(), public.clone()))?;
    }
    let sender_keys = case
        .get("skSm")
        .map(|_| (HpkePrivateKey::new(bytes(case, "skSm")), HpkePublicKey::new(bytes(case, "pkSm"))));
    let (sender_private, sender_public) = sender_keys.unzip();
    let info = bytes(case, "info");

    let (encapsulated, mut sender) = with_given(bytes(case, "ikmE"), || {
        hpke.setup_sender(&public, &info, None, None, sender_private.as_ref())
    })
    .unwrap();
    same("encapsulation", &encapsulated, &bytes(case, "enc"))?;
    let mut receiver =
        hpke.setup_receiver(&encapsulated, &private, &info, None, None, sender_public.as_ref()).unwrap();

    let mut next = 0;
    for (index, message) in case["encryptions"].as_array().unwrap().iter().enumerate() {
        let sequence = case["encryption_seq"].get(index).map_or(index as u64, |at| at.as_u64().unwrap());
        for _ in next..sequence {
            let skipped = sender.seal(b"", b"").unwrap();
            receiver.open(b"", &skipped).unwrap();
        }
        let [data, plaintext, ciphertext] = ["aad", "pt", "ct"].map(|field| bytes(message, field));
        same("ciphertext", &sender.seal(&data, &plaintext).unwrap(), &ciphertext)?;
        same("plaintext", &receiver.open(&data, &ciphertext).unwrap(), &plaintext)?;
        next = sequence.saturating_add(1);
    }
    case["exports"].as_array().unwrap().iter().try_for_each(|export| {
        let context = bytes(export, "exporter_context");
        let expected = bytes(export, "exported_value");
        same("sender's export", &sender.export(&context, number(export, "L")).unwrap(), &expected)?;
        same("receiver's export", &receiver.export(&context, number(export, "L")).unwrap(), &expected)
    })
}

fn kdf(case: &Value) -> Option<KdfAlgorithm> {
    KdfAlgorithm::try_from(u16::try_from(number(case, "kdf_id")).unwrap()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CryptoError;

    #[test]
    fn a_generator_outside_a_call_starves_instead_of_inventing_bytes() {
        let mut hpke = Hpke::<Backend>::new(
            Mode::Base,
            KemAlgorithm::DhKem25519,
            KdfAlgorithm::HkdfSha256,
            AeadId::Aes128Gcm,
        );
        let public = HpkePublicKey::new(vec![9; 32]);
        let refused = hpke.seal(&public, b"", b"", b"", None, None, None).map(|_| ());
        assert_eq!(refused, Err(hpke_rs::HpkeError::InsufficientRandomness));

        let public_key = post_quantum::key_pair(KemAlgorithm::XWingDraft06, &[1; 32]).unwrap().0;
        let refused = Backend::kem_encaps(KemAlgorithm::XWingDraft06, &public_key, &mut ScopedRng);
        assert!(matches!(refused, Err(hpke_rs_crypto::error::Error::InsufficientRandomness)));

        // The mark is gone: the next call with randomness works.
        let entropy = Given(vec![5; 32]);
        assert!(
            with_randomness(&entropy, 32, || Ok(hpke.setup_sender(&public, b"", None, None, None).is_ok()))
                .unwrap()
        );
    }

    #[test]
    fn drawing_more_than_was_laid_out_fails_the_call_whatever_it_answers() {
        let entropy = Given(vec![5; 16]);
        let outcome = with_randomness(&entropy, 16, || {
            use hpke_rs_crypto::TryRng;
            let mut bytes = [1; 32];
            let Ok(()) = ScopedRng.try_fill_bytes(&mut bytes);
            Ok(bytes)
        });
        assert_eq!(outcome, Err(CryptoError::Entropy(EntropyError)));
    }

    #[test]
    fn nested_calls_see_their_own_randomness_and_the_outer_call_goes_on_with_its_own() {
        use hpke_rs_crypto::TryRng;
        let draw = || {
            let mut bytes = [0; 2];
            let Ok(()) = ScopedRng.try_fill_bytes(&mut bytes);
            bytes
        };
        let outer = with_randomness(&Given(vec![1, 2, 3, 4]), 4, || {
            assert_eq!(draw(), [1, 2]);
            let inner = with_randomness(&Given(vec![8, 9]), 2, || Ok(draw()));
            assert_eq!(inner, Ok([8, 9]));
            let starved = with_randomness(&Given(Vec::new()), 0, || Ok(draw()));
            assert_eq!(starved, Err(CryptoError::Entropy(EntropyError)));
            let unwound = std::panic::catch_unwind(|| {
                with_randomness(&Given(vec![6; 8]), 8, || -> Result<(), CryptoError> {
                    panic!("in the call")
                })
            });
            assert!(unwound.is_err());
            Ok(draw())
        });
        assert_eq!(outer, Ok([3, 4]));
    }
}
