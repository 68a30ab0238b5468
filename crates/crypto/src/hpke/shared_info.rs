//! Hashing a long `info` once for many recipients.
//!
//! HPKE hashes `info` into every message's key (RFC 9180, section 5.1). A Welcome is sealed to each new member with
//! all of the encrypted group as `info`: hundreds of kilobytes, hashed once for each of hundreds of members, make
//! building a group quadratic. The hash is the same every time, so within [`with_shared_info`] the last one is kept
//! and given out again where the bytes are the same, all of them: comparing costs a tenth of hashing.
//!
//! What is kept is the caller's `info`, which HPKE does not treat as secret, and its hash. Extractions of key
//! material go with a salt or are short, and are never kept.

use std::cell::RefCell;

use hpke_rs_crypto::error::Error;
use hpke_rs_crypto::types::KdfAlgorithm;

/// Below this, hashing costs less than a look here would save. Any shared secret is far shorter.
const MIN_LENGTH: usize = 1024;

struct Extracted {
    kdf: KdfAlgorithm,
    input: Vec<u8>,
    output: Vec<u8>,
}

#[derive(Default)]
struct Memory {
    scopes: usize,
    last: Option<Extracted>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Runs `work`, in which many messages may be sealed with the same `info` on this thread.
pub fn with_shared_info<T>(work: impl FnOnce() -> T) -> T {
    let _scope = Scope::enter();
    work()
}

/// Extracts, or answers what was extracted last where that is the same.
pub(super) fn extract(
    kdf: KdfAlgorithm,
    salt: &[u8],
    input: &[u8],
    compute: impl FnOnce() -> Result<Vec<u8>, Error>,
) -> Result<Vec<u8>, Error> {
    if is_salted(salt) || input.len() < MIN_LENGTH {
        return compute();
    }
    if let Some(output) = recall(kdf, input) {
        return Ok(output);
    }
    let output = compute()?;
    MEMORY.with_borrow_mut(|memory| {
        if memory.scopes > 0 {
            memory.last = Some(Extracted { kdf, input: input.to_vec(), output: output.clone() });
        }
    });
    Ok(output)
}

/// HMAC fills its key up with zeros, so no salt and one of zeros are the same; hpke-rs gives the latter.
fn is_salted(salt: &[u8]) -> bool {
    salt.iter().any(|byte| *byte != 0)
}

fn recall(kdf: KdfAlgorithm, input: &[u8]) -> Option<Vec<u8>> {
    MEMORY.with_borrow(|memory| {
        let last = memory.last.as_ref().filter(|last| last.kdf == kdf && last.input == input)?;
        Some(last.output.clone())
    })
}

/// Forgets when the outermost ends, by returning or by unwinding.
struct Scope;

impl Scope {
    fn enter() -> Self {
        MEMORY.with_borrow_mut(|memory| memory.scopes = memory.scopes.saturating_add(1));
        Self
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        MEMORY.with_borrow_mut(|memory| {
            memory.scopes = memory.scopes.saturating_sub(1);
            if memory.scopes == 0 {
                memory.last = None;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::AeadAlgorithm;
    use crate::entropy::{Entropy, EntropyError};
    use crate::hash::HashAlgorithm;
    use crate::hpke::{HpkeSuite, Kem, KeyPair, Sealed, derive_key_pair, open, seal};

    const KDF: KdfAlgorithm = KdfAlgorithm::HkdfSha256;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, destination: &mut [u8]) -> Result<(), EntropyError> {
            destination.fill(7);
            Ok(())
        }
    }

    /// What comes out, and whether it was computed.
    fn extracted(kdf: KdfAlgorithm, salt: &[u8], input: &[u8]) -> (Vec<u8>, bool) {
        let mut computed = false;
        let output = extract(kdf, salt, input, || {
            computed = true;
            Ok(input.iter().rev().copied().collect())
        });
        (output.unwrap(), computed)
    }

    #[test]
    fn the_same_long_input_is_extracted_once_within_a_scope() {
        let mut input = vec![7; MIN_LENGTH];
        with_shared_info(|| {
            assert!(extracted(KDF, b"", &input).1);
            with_shared_info(|| assert!(!extracted(KDF, b"", &input).1));
            assert!(!extracted(KDF, b"", &input).1);
            assert!(extracted(KdfAlgorithm::HkdfSha384, b"", &input).1);
            input[500] = 8;
            let (output, computed) = extracted(KDF, b"", &input);
            assert!(computed && output[MIN_LENGTH - 501] == 8);
        });
        assert!(extracted(KDF, b"", &input).1);
        assert!(extracted(KDF, b"", &input).1);
    }

    #[test]
    fn sealing_with_a_long_info_keeps_its_hash() {
        let suite =
            HpkeSuite { kem: Kem::X25519, kdf: HashAlgorithm::Sha256, aead: AeadAlgorithm::Aes128Gcm };
        let info = vec![7; MIN_LENGTH];
        with_shared_info(|| {
            for input in [[1; 32], [2; 32]] {
                let KeyPair { private, public } = derive_key_pair(suite, &input).unwrap();
                let sealed = seal(suite, &public, &info, b"", b"hello", &Sevens).unwrap();
                assert!(MEMORY.with_borrow(|memory| memory.last.is_some()));
                let Sealed { encapsulated, ciphertext } = sealed;
                let opened = open(suite, private.expose(), &encapsulated, &info, b"", &ciphertext);
                assert_eq!(opened.unwrap(), b"hello");
            }
        });
    }

    #[test]
    fn what_may_be_secret_is_never_kept() {
        with_shared_info(|| {
            for (salt, length) in [(&b"salt"[..], MIN_LENGTH), (b"", MIN_LENGTH - 1)] {
                assert!(extracted(KDF, salt, &vec![1; length]).1);
                assert!(extracted(KDF, salt, &vec![1; length]).1);
            }
            assert!(MEMORY.with_borrow(|memory| memory.last.is_none()));
        });
    }

    #[test]
    fn a_panic_ends_the_scope_and_forgets() {
        let outcome = std::panic::catch_unwind(|| {
            with_shared_info(|| {
                extracted(KDF, b"", &[3; MIN_LENGTH]);
                panic!("a defect");
            })
        });
        assert!(outcome.is_err());
        assert!(MEMORY.with_borrow(|memory| memory.scopes == 0 && memory.last.is_none()));
    }
}
