//! Authenticated encryption with associated data.
//!
//! An [`AeadKey`] holds the key schedule ready, so that sealing a small frame costs the cipher and nothing
//! else. Nonces are the caller's: this module cannot know whether one was used before, and sealing twice
//! under one nonce gives the key away. Whoever holds a key must count.
//!
//! A failed open answers [`CryptoError::NotAuthentic`] and nothing more, and wipes whatever buffer the
//! unauthenticated bytes were in.

use std::fmt;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

use crate::error::CryptoError;

/// Length of every nonce here, in bytes: the only one for which GCM and ChaCha20-Poly1305 are at their best.
pub const NONCE_LENGTH: usize = 12;

/// Length of every tag here, in bytes: the full tag, never a truncated one.
pub const TAG_LENGTH: usize = 16;

/// The ciphers that Coterie uses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AeadAlgorithm {
    /// AES-GCM with a 128-bit key.
    Aes128Gcm,
    /// AES-GCM with a 256-bit key.
    Aes256Gcm,
    /// ChaCha20-Poly1305 as in RFC 8439.
    ChaCha20Poly1305,
}

impl AeadAlgorithm {
    /// Every cipher, for tables and tests.
    pub const ALL: [Self; 3] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::ChaCha20Poly1305];

    /// Length of the key in bytes.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Length of the nonce in bytes.
    #[must_use]
    pub const fn nonce_length(self) -> usize {
        NONCE_LENGTH
    }

    /// Length of the tag in bytes.
    #[must_use]
    pub const fn tag_length(self) -> usize {
        TAG_LENGTH
    }

    fn implementation(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }
}

/// A key ready for sealing and opening.
///
/// Has no equality: the prepared key cannot be compared, and keeping the raw bytes only for that would keep a
/// second copy of the secret. aws-lc wipes the key schedule when it is freed.
pub struct AeadKey {
    algorithm: AeadAlgorithm,
    prepared: LessSafeKey,
    #[cfg(feature = "nonce-ledger")]
    fingerprint: crate::nonce_ledger::Fingerprint,
}

impl AeadKey {
    /// Prepares `key`; wiping the original stays with its owner.
    ///
    /// # Errors
    ///
    /// [`CryptoError::InvalidLength`] unless `key` has [`AeadAlgorithm::key_length`] bytes.
    pub fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, CryptoError> {
        let unbound =
            UnboundKey::new(algorithm.implementation(), key).map_err(|_| CryptoError::InvalidLength)?;
        Ok(Self {
            algorithm,
            prepared: LessSafeKey::new(unbound),
            #[cfg(feature = "nonce-ledger")]
            fingerprint: crate::nonce_ledger::fingerprint(key),
        })
    }

    /// The cipher this key is for.
    #[must_use]
    pub fn algorithm(&self) -> AeadAlgorithm {
        self.algorithm
    }

    /// Seals `plaintext` into a new buffer: ciphertext, then tag.
    ///
    /// # Errors
    ///
    /// [`CryptoError::InvalidLength`] for a nonce that is not 12 bytes or a plaintext above the cipher's limit.
    pub fn seal(
        &self,
        nonce: &[u8],
        associated_data: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let unique = unique(nonce)?;
        let mut sealed = Vec::with_capacity(plaintext.len().saturating_add(TAG_LENGTH));
        sealed.extend_from_slice(plaintext);
        self.prepared
            .seal_in_place_append_tag(unique, Aad::from(associated_data), &mut sealed)
            .map_err(|_| CryptoError::InvalidLength)?;
        #[cfg(feature = "nonce-ledger")]
        if let Some(tag) = sealed.last_chunk() {
            crate::nonce_ledger::enter(&self.fingerprint, nonce, *tag);
        }
        Ok(sealed)
    }

    /// Seals `buffer` where it lies and answers the tag, for frames that are built in place.
    ///
    /// # Errors
    ///
    /// As [`AeadKey::seal`].
    pub fn seal_in_place(
        &self,
        nonce: &[u8],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LENGTH], CryptoError> {
        let tag = self
            .prepared
            .seal_in_place_separate_tag(unique(nonce)?, Aad::from(associated_data), buffer)
            .map_err(|_| CryptoError::InvalidLength)?;
        let tag = tag.as_ref().try_into().map_err(|_| CryptoError::Internal("a tag is 16 bytes long"))?;
        #[cfg(feature = "nonce-ledger")]
        crate::nonce_ledger::enter(&self.fingerprint, nonce, tag);
        Ok(tag)
    }

    /// Opens `sealed` (ciphertext, then tag) into a new buffer that holds exactly the plaintext.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NotAuthentic`] if anything was altered or cut off, [`CryptoError::InvalidLength`] for a
    /// nonce that is not 12 bytes.
    pub fn open(&self, nonce: &[u8], associated_data: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let nonce = unique(nonce)?;
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LENGTH>().ok_or(CryptoError::NotAuthentic)?;
        let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
        self.prepared
            .open_separate_gather(nonce, Aad::from(associated_data), ciphertext, tag, &mut plaintext)
            .map_err(|_| CryptoError::NotAuthentic)?;
        Ok(std::mem::take(&mut *plaintext))
    }

    /// Opens `sealed` (ciphertext, then tag) into the front of `plaintext` and answers how long it is.
    ///
    /// # Errors
    ///
    /// As [`AeadKey::open`], the part of `plaintext` that was written is wiped then;
    /// [`CryptoError::InvalidLength`] if `plaintext` is too short.
    pub fn open_into(
        &self,
        nonce: &[u8],
        associated_data: &[u8],
        sealed: &[u8],
        plaintext: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let nonce = unique(nonce)?;
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LENGTH>().ok_or(CryptoError::NotAuthentic)?;
        let target = plaintext.get_mut(..ciphertext.len()).ok_or(CryptoError::InvalidLength)?;
        let data = Aad::from(associated_data);
        if self.prepared.open_separate_gather(nonce, data, ciphertext, tag, target).is_err() {
            target.zeroize();
            return Err(CryptoError::NotAuthentic);
        }
        Ok(ciphertext.len())
    }

    /// Opens `buffer` (ciphertext, then tag) where it lies and answers the part that holds the plaintext.
    ///
    /// # Errors
    ///
    /// As [`AeadKey::open`]; the whole buffer is wiped then.
    pub fn open_in_place<'buffer>(
        &self,
        nonce: &[u8],
        associated_data: &[u8],
        buffer: &'buffer mut [u8],
    ) -> Result<&'buffer mut [u8], CryptoError> {
        let opened = self.open_at_front(nonce, associated_data, buffer);
        if opened.is_err() {
            buffer.zeroize();
        }
        buffer.get_mut(..opened?).ok_or(CryptoError::Internal("a plaintext is shorter than what was sealed"))
    }

    /// Decrypts to the front of `buffer` and answers how long the plaintext is.
    fn open_at_front(
        &self,
        nonce: &[u8],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, CryptoError> {
        self.prepared
            .open_in_place(unique(nonce)?, Aad::from(associated_data), buffer)
            .map(|plaintext| plaintext.len())
            .map_err(|_| CryptoError::NotAuthentic)
    }
}

impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AeadKey").finish_non_exhaustive()
    }
}

/// The nonce as aws-lc wants it. That it is unique is the caller's promise.
fn unique(nonce: &[u8]) -> Result<Nonce, CryptoError> {
    Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::InvalidLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_LENGTH] = [3; NONCE_LENGTH];

    fn keys() -> impl Iterator<Item = AeadKey> {
        AeadAlgorithm::ALL
            .into_iter()
            .map(|algorithm| AeadKey::new(algorithm, &vec![7; algorithm.key_length()]).unwrap())
    }

    #[test]
    fn printing_a_key_shows_nothing_of_it() {
        keys().for_each(|key| assert_eq!(format!("{key:?}"), "AeadKey { .. }"));
    }

    #[test]
    fn a_key_of_any_other_length_is_refused() {
        for algorithm in AeadAlgorithm::ALL {
            for length in (0..=64).filter(|length| *length != algorithm.key_length()) {
                let refused = AeadKey::new(algorithm, &vec![7; length]).map(|_| ());
                assert_eq!(refused, Err(CryptoError::InvalidLength), "{algorithm:?}, {length}");
            }
        }
    }

    #[test]
    fn a_nonce_of_any_other_length_is_refused_by_every_call() {
        for key in keys() {
            for nonce in [&[][..], &[3; 11], &[3; 13]] {
                assert_eq!(key.seal(nonce, b"", b"text"), Err(CryptoError::InvalidLength));
                assert_eq!(key.open(nonce, b"", &[0; 32]), Err(CryptoError::InvalidLength));
                assert_eq!(key.seal_in_place(nonce, b"", &mut [0; 4]), Err(CryptoError::InvalidLength));
                assert_eq!(key.open_in_place(nonce, b"", &mut [1; 32]), Err(CryptoError::InvalidLength));
            }
        }
    }

    #[test]
    fn what_is_shorter_than_a_tag_is_not_authentic() {
        for key in keys() {
            for length in 0..TAG_LENGTH {
                let mut short = vec![9; length];
                assert_eq!(key.open(&NONCE, b"", &short), Err(CryptoError::NotAuthentic));
                assert_eq!(key.open_in_place(&NONCE, b"", &mut short), Err(CryptoError::NotAuthentic));
                assert!(short.iter().all(|byte| *byte == 0), "a refused buffer is wiped");
            }
        }
    }

    #[test]
    fn a_refused_buffer_is_wiped_to_its_last_byte() {
        for key in keys() {
            let mut sealed = key.seal(&NONCE, b"data", b"some plaintext").unwrap();
            assert_eq!(key.open_in_place(&NONCE, b"other data", &mut sealed), Err(CryptoError::NotAuthentic));
            assert!(sealed.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn opening_into_a_buffer_fills_its_front_or_wipes_it() {
        for key in keys() {
            let sealed = key.seal(&NONCE, b"data", b"text").unwrap();
            let mut buffer = [9; 6];
            assert_eq!(key.open_into(&NONCE, b"data", &sealed, &mut buffer), Ok(4));
            assert_eq!(&buffer, b"text\x09\x09");
            let short = key.open_into(&NONCE, b"data", &sealed, &mut buffer[..3]);
            assert_eq!(short, Err(CryptoError::InvalidLength));
            let forged = key.open_into(&NONCE, b"date", &sealed, &mut buffer);
            assert_eq!((forged, buffer), (Err(CryptoError::NotAuthentic), [0, 0, 0, 0, 9, 9]));
            assert_eq!(key.open_into(&NONCE, b"", &[0; 15], &mut buffer), Err(CryptoError::NotAuthentic));
        }
    }

    #[test]
    fn sealing_takes_one_allocation_of_the_right_size() {
        for key in keys() {
            let sealed = key.seal(&NONCE, b"", &[1; 100]).unwrap();
            assert_eq!((sealed.len(), sealed.capacity()), (116, 116));
        }
    }
}
