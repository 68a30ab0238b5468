//! Signatures that are verified together, on all cores.
//!
//! openmls verifies one signature after the other, and of a join that is five sixths of the time: one for each member
//! in the tree. So a join only notes what is to be verified, and verifies it all before anything of the join is
//! stored or given out (ADR 11). Whether each holds does not depend on the order, so nothing here is random.

use std::sync::{Mutex, PoisonError};

use coterie_crypto::signature::{self, SignatureAlgorithm};
use rayon::prelude::*;

/// So many take half a millisecond, which is worth waking another thread for.
const PER_THREAD: usize = 12;

/// One signature to verify.
pub(super) struct Check {
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) public_key: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl Check {
    fn holds(&self) -> bool {
        signature::verify(self.algorithm, &self.public_key, &self.data, &self.signature).is_ok()
    }
}

/// The signatures of one step that are still to be verified.
#[derive(Default)]
pub(super) struct Unverified(Mutex<Vec<Check>>);

impl Unverified {
    pub(super) fn note(&self, check: Check) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(check);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Verifies what was noted; true where all of it holds.
    pub(super) fn all_hold(&self) -> bool {
        let checks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        checks.par_iter().with_min_len(PER_THREAD).all(Check::holds)
    }
}

#[cfg(test)]
mod tests {
    use coterie_crypto::entropy::OsEntropy;
    use coterie_crypto::signature::SigningKey;

    use super::*;

    fn noted(count: usize, forged: Option<usize>) -> Unverified {
        let key = SigningKey::generate(SignatureAlgorithm::Ed25519, &OsEntropy).unwrap();
        let unverified = Unverified::default();
        for index in 0..count {
            let said: &[u8] = if forged == Some(index) { b"another" } else { b"one" };
            unverified.note(Check {
                algorithm: SignatureAlgorithm::Ed25519,
                public_key: key.public_key().to_vec(),
                data: b"one".to_vec(),
                signature: key.sign(said).unwrap(),
            });
        }
        unverified
    }

    #[test]
    fn one_forged_signature_among_many_is_found_wherever_it_stands() {
        assert!(noted(40, None).all_hold());
        for forged in [0, 1, 11, 12, 13, 39] {
            let unverified = noted(40, Some(forged));
            assert!(!unverified.is_empty());
            assert!(!unverified.all_hold(), "signature {forged} of 40");
        }
    }

    #[test]
    fn what_was_never_noted_holds() {
        assert!(Unverified::default().is_empty());
        assert!(Unverified::default().all_hold());
    }
}
