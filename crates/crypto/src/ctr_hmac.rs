//! AES in counter mode with a truncated HMAC over all that is public: the AEAD of RFC 9605, section 4.5.1.
//!
//! For media frames that cannot spare a full tag. A tag of 10, 8 or 4 bytes is guessed with a probability that an
//! attacker can afford to try, so whoever uses this counts failures and stops; [`crate::aead`] needs none of that.
//!
//! Nothing is decrypted before its tag has verified, and tags are compared in constant time.

use std::fmt;

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac as aws_hmac;
use aws_lc_rs::iv::FixedLength;
use subtle::ConstantTimeEq;

use crate::aead::NONCE_LENGTH;
use crate::error::CryptoError;

/// A counter block: the nonce, then four bytes that count the cipher's blocks from zero.
const BLOCK_LENGTH: usize = 16;

/// The ciphers with the hash that goes with each.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CtrHmacAlgorithm {
    /// AES-128 and HMAC-SHA-256.
    Aes128Sha256,
    /// AES-256 and HMAC-SHA-512.
    Aes256Sha512,
}

impl CtrHmacAlgorithm {
    /// Every cipher, for tables and tests.
    pub const ALL: [Self; 2] = [Self::Aes128Sha256, Self::Aes256Sha512];

    /// Length of both keys together in bytes: the cipher's, then that of the HMAC.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128Sha256 => 48,
            Self::Aes256Sha512 => 96,
        }
    }

    const fn cipher_key_length(self) -> usize {
        match self {
            Self::Aes128Sha256 => 16,
            Self::Aes256Sha512 => 32,
        }
    }

    fn prepare(self, key: &[u8]) -> Result<(EncryptingKey, aws_hmac::Key), CryptoError> {
        if key.len() != self.key_length() {
            return Err(CryptoError::InvalidLength);
        }
        let (cipher_key, tag_key) =
            key.split_at_checked(self.cipher_key_length()).ok_or(CryptoError::InvalidLength)?;
        let (cipher, hash) = match self {
            Self::Aes128Sha256 => (&AES_128, aws_hmac::HMAC_SHA256),
            Self::Aes256Sha512 => (&AES_256, aws_hmac::HMAC_SHA512),
        };
        let cipher = UnboundCipherKey::new(cipher, cipher_key).and_then(EncryptingKey::ctr);
        Ok((cipher.map_err(|_| CryptoError::InvalidLength)?, aws_hmac::Key::new(hash, tag_key)))
    }
}

/// Both keys ready for sealing and opening, with the length of the tags that they make.
///
/// aws-lc wipes the key schedules when they are freed.
pub struct CtrHmacKey {
    cipher: EncryptingKey,
    tags: aws_hmac::Key,
    tag_length: usize,
    #[cfg(feature = "nonce-ledger")]
    fingerprint: crate::nonce_ledger::Fingerprint,
}

impl CtrHmacKey {
    /// Longest tag in bytes. A longer one would be no longer the AEAD of RFC 9605.
    pub const MAX_TAG_LENGTH: usize = 10;

    /// Shortest tag in bytes that RFC 9605 has.
    pub const MIN_TAG_LENGTH: usize = 4;

    /// Prepares `key`; wiping the original stays with its owner.
    ///
    /// # Errors
    ///
    /// [`CryptoError::InvalidLength`] unless `key` has [`CtrHmacAlgorithm::key_length`] bytes and a tag between
    /// [`Self::MIN_TAG_LENGTH`] and [`Self::MAX_TAG_LENGTH`].
    pub fn new(algorithm: CtrHmacAlgorithm, tag_length: usize, key: &[u8]) -> Result<Self, CryptoError> {
        if !(Self::MIN_TAG_LENGTH..=Self::MAX_TAG_LENGTH).contains(&tag_length) {
            return Err(CryptoError::InvalidLength);
        }
        let (cipher, tags) = algorithm.prepare(key)?;
        Ok(Self {
            cipher,
            tags,
            tag_length,
            #[cfg(feature = "nonce-ledger")]
            fingerprint: crate::nonce_ledger::fingerprint(key),
        })
    }

    /// Encrypts `buffer` where it lies and writes the tag into `tag`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::InvalidLength`] unless `tag` is as long as this key's tags.
    pub fn seal_in_place(
        &self,
        nonce: &[u8; NONCE_LENGTH],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        if tag.len() != self.tag_length {
            return Err(CryptoError::InvalidLength);
        }
        self.apply(nonce, buffer)?;
        let whole = self.whole_tag(nonce, associated_data, buffer)?;
        tag.iter_mut().zip(whole.as_ref()).for_each(|(to, from)| *to = *from);
        #[cfg(feature = "nonce-ledger")]
        if let Some(start) = whole.as_ref().first_chunk() {
            crate::nonce_ledger::enter(&self.fingerprint, nonce, *start);
        }
        Ok(())
    }

    /// Decrypts `buffer` where it lies if `tag` verifies, and leaves it as it is otherwise.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NotAuthentic`] if anything was altered or cut off.
    pub fn open_in_place(
        &self,
        nonce: &[u8; NONCE_LENGTH],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        let whole = self.whole_tag(nonce, associated_data, buffer)?;
        let expected = whole.as_ref().get(..self.tag_length).unwrap_or_default();
        if !bool::from(expected.ct_eq(tag)) {
            return Err(CryptoError::NotAuthentic);
        }
        self.apply(nonce, buffer)
    }

    /// Counter mode is its own inverse.
    fn apply(&self, nonce: &[u8; NONCE_LENGTH], buffer: &mut [u8]) -> Result<(), CryptoError> {
        if buffer.is_empty() {
            return Ok(());
        }
        let mut block = [0; BLOCK_LENGTH];
        block.iter_mut().zip(nonce).for_each(|(to, from)| *to = *from);
        self.cipher
            .less_safe_encrypt(buffer, EncryptionContext::Iv128(FixedLength::from(block)))
            .map(|_| ())
            .map_err(|_| CryptoError::Internal("counter mode takes any length"))
    }

    fn whole_tag(
        &self,
        nonce: &[u8; NONCE_LENGTH],
        associated_data: &[u8],
        ciphertext: &[u8],
    ) -> Result<aws_hmac::Tag, CryptoError> {
        let mut lengths = [0; 24];
        let values = [associated_data.len(), ciphertext.len(), self.tag_length];
        for (to, length) in lengths.chunks_exact_mut(8).zip(values) {
            let length = u64::try_from(length).map_err(|_| CryptoError::InvalidLength)?;
            to.copy_from_slice(&length.to_be_bytes());
        }
        let mut context = aws_hmac::Context::with_key(&self.tags);
        [&lengths[..], nonce, associated_data, ciphertext].iter().for_each(|part| context.update(part));
        Ok(context.sign())
    }
}

impl fmt::Debug for CtrHmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CtrHmacKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_LENGTH] = [3; NONCE_LENGTH];
    const TAGS: [usize; 3] = [4, 8, 10];

    fn keys() -> impl Iterator<Item = (CtrHmacKey, usize)> {
        CtrHmacAlgorithm::ALL.into_iter().flat_map(|algorithm| {
            TAGS.map(|tag| (CtrHmacKey::new(algorithm, tag, &vec![7; algorithm.key_length()]).unwrap(), tag))
        })
    }

    #[test]
    fn printing_a_key_shows_nothing_of_it() {
        keys().for_each(|(key, _)| assert_eq!(format!("{key:?}"), "CtrHmacKey { .. }"));
    }

    #[test]
    fn a_key_or_tag_of_any_other_length_is_refused() {
        for algorithm in CtrHmacAlgorithm::ALL {
            let key = vec![7; algorithm.key_length()];
            for tag in [0, 1, 3, 11, 16, 64] {
                assert_eq!(CtrHmacKey::new(algorithm, tag, &key).err(), Some(CryptoError::InvalidLength));
            }
            for length in (0..=128).filter(|length| *length != algorithm.key_length()) {
                let refused = CtrHmacKey::new(algorithm, 10, &vec![7; length]).err();
                assert_eq!(refused, Some(CryptoError::InvalidLength), "{algorithm:?}, {length}");
            }
        }
    }

    #[test]
    fn every_length_goes_through_and_every_changed_bit_is_noticed() {
        for (key, tag_length) in keys() {
            for length in [0, 1, 15, 16, 17, 120] {
                let plaintext: Vec<u8> = (0..length).collect();
                let (mut buffer, mut tag) = (plaintext.clone(), vec![0; tag_length]);
                key.seal_in_place(&NONCE, b"data", &mut buffer, &mut tag).unwrap();
                refuses_changes(&key, &buffer, &tag);
                key.open_in_place(&NONCE, b"data", &mut buffer, &tag).unwrap();
                assert_eq!(buffer, plaintext);
            }
        }
    }

    fn refuses_changes(key: &CtrHmacKey, sealed: &[u8], tag: &[u8]) {
        let refused = |nonce: &[u8; NONCE_LENGTH], data: &[u8], body: &[u8], tag: &[u8]| {
            let mut buffer = body.to_vec();
            let answer = key.open_in_place(nonce, data, &mut buffer, tag);
            assert_eq!(answer, Err(CryptoError::NotAuthentic));
            assert_eq!(buffer, body, "nothing was decrypted");
        };
        for bit in 0..sealed.len().saturating_mul(8) {
            refused(&NONCE, b"data", &flipped(sealed, bit), tag);
        }
        for bit in 0..tag.len().saturating_mul(8) {
            refused(&NONCE, b"data", sealed, &flipped(tag, bit));
        }
        refused(&[4; NONCE_LENGTH], b"data", sealed, tag);
        refused(&NONCE, b"date", sealed, tag);
        refused(&NONCE, b"data", sealed, &tag[1..]);
        refused(&NONCE, b"data", sealed, &[tag, &[0]].concat());
    }

    fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    }

    #[test]
    fn a_tag_of_another_length_is_refused_before_anything_is_encrypted() {
        for (key, tag_length) in keys() {
            let mut buffer = *b"plain";
            for length in [0, tag_length - 1, tag_length + 1] {
                let refused = key.seal_in_place(&NONCE, b"", &mut buffer, &mut vec![0; length]);
                assert_eq!((refused, &buffer), (Err(CryptoError::InvalidLength), b"plain"));
            }
        }
    }
}
