//! Bytes that must not leak.
//!
//! A [`Secret`] wipes itself on drop, cannot be cloned, compares in constant time and prints as
//! `Secret { .. }`. Reading it takes a call named [`Secret::expose`], so that a review can find every place
//! where secret bytes leave their container.
//!
//! Does not lock memory against swapping: that is the process's business, not a byte container's.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Secret bytes of any length.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes over `bytes` without copying them.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Copies `bytes`; wiping the original stays with its owner.
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// A secret of `length` bytes that `fill` writes, wiped if it fails.
    pub(crate) fn try_fill<E>(
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut secret = Self(vec![0; length]);
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Gives the bytes away, for a container of another library. From here on wiping them is its business.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// How many bytes there are. Lengths are not secret.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(std::mem::take(&mut *bytes))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_a_secret_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Secret::copy_from(b"hunter2")), "Secret { .. }");
        assert_eq!(format!("{:#?}", Secret::new(vec![0xAB; 4])), "Secret { .. }");
    }

    #[test]
    fn secrets_are_equal_when_all_their_bytes_are() {
        assert_eq!(Secret::copy_from(b"same"), Secret::copy_from(b"same"));
        assert_ne!(Secret::copy_from(b"same"), Secret::copy_from(b"sane"));
        assert_ne!(Secret::copy_from(b"same"), Secret::copy_from(b"same longer"));
        assert!(Secret::new(Vec::new()).is_empty());
    }

    #[test]
    fn bytes_can_be_handed_over_without_a_copy() {
        let bytes = b"handed over".to_vec();
        let address = bytes.as_ptr();
        let bytes = Secret::new(bytes).into_bytes();
        assert_eq!((bytes.as_ptr(), bytes.as_slice()), (address, b"handed over".as_slice()));
    }

    #[test]
    fn wiping_leaves_nothing_behind() {
        let mut secret = Secret::copy_from(b"gone");
        secret.zeroize();
        assert!(secret.expose().is_empty());
    }
}
