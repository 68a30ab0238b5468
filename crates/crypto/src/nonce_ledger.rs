//! Proof in tests that no key seals two messages.
//!
//! With the feature `nonce-ledger`, every seal leaves a digest of its key and nonce here, under the tag that it
//! made. A sealed message ends with its tag, so a test that sees what left a device can ask which key sealed it:
//! keys that seal one message each, as those of MLS do, must never come up twice, over any number of restarts.
//! What was sealed and never handed out, because its step was not stored, does not count.
//!
//! The ledger is the process's and grows without end: for tests alone.

use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::aead::TAG_LENGTH;
use crate::hash::{HashAlgorithm, digest};

/// What tells keys apart without giving them away.
pub type Fingerprint = [u8; 32];

/// One seal.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Seal {
    /// Of the key.
    pub key: Fingerprint,
    /// Of the key and the nonce.
    pub pair: Fingerprint,
}

#[derive(Default)]
struct Ledger {
    seals: HashMap<[u8; TAG_LENGTH], Seal>,
    pairs: HashSet<Fingerprint>,
    repeated_pairs: usize,
}

static LEDGER: LazyLock<Mutex<Ledger>> = LazyLock::new(Mutex::default);

/// The seal that made the last bytes of `sealed`; none where this process sealed no such thing.
#[must_use]
pub fn seal_of(sealed: &[u8]) -> Option<Seal> {
    lock().seals.get(sealed.last_chunk::<TAG_LENGTH>()?).copied()
}

/// How many seals there were in this process.
#[must_use]
pub fn seals() -> usize {
    lock().seals.len()
}

/// How often a key met a nonce that it had met before with another plaintext, in this process.
#[must_use]
pub fn repeated_pairs() -> usize {
    lock().repeated_pairs
}

/// A key's fingerprint.
pub(crate) fn fingerprint(key: &[u8]) -> Fingerprint {
    sha256(&[b"key", key])
}

/// Enters a seal. The same key, nonce and tag again is the same message sealed again, which tells nobody anything.
pub(crate) fn enter(key: &Fingerprint, nonce: &[u8], tag: [u8; TAG_LENGTH]) {
    let pair = sha256(&[b"pair", key, nonce]);
    let mut ledger = lock();
    let is_new = ledger.pairs.insert(pair);
    let again = ledger.seals.insert(tag, Seal { key: *key, pair }).is_some();
    if !is_new && !again {
        ledger.repeated_pairs = ledger.repeated_pairs.saturating_add(1);
    }
}

fn sha256(parts: &[&[u8]]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    let whole = digest(HashAlgorithm::Sha256, &parts.concat());
    fingerprint.iter_mut().zip(whole.as_bytes()).for_each(|(to, from)| *to = *from);
    fingerprint
}

fn lock() -> MutexGuard<'static, Ledger> {
    LEDGER.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::{AeadAlgorithm, AeadKey};

    #[test]
    fn a_key_is_found_by_what_it_sealed_and_a_repeated_nonce_is_counted() {
        let key = |byte| AeadKey::new(AeadAlgorithm::Aes128Gcm, &[byte; 16]).unwrap();
        let nonce = [0xa7; 12];
        let before = repeated_pairs();
        let first = key(0xa1).seal(&nonce, b"", b"one").unwrap();
        let other = key(0xa2).seal(&nonce, b"", b"one").unwrap();
        assert_eq!(key(0xa1).seal(&nonce, b"", b"one").unwrap(), first);
        assert_eq!(repeated_pairs(), before, "the same message again is no repetition");
        let second = key(0xa1).seal(&nonce, b"", b"two").unwrap();
        assert_eq!(repeated_pairs(), before + 1);
        assert_eq!(seal_of(&first), seal_of(&second));
        assert_ne!(seal_of(&first).unwrap().key, seal_of(&other).unwrap().key);
        assert_eq!(seal_of(b"sealed by nobody, it seems"), None);
    }
}
