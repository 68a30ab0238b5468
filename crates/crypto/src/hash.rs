//! Hashes, HMAC and HKDF.
//!
//! The hot path of MLS: each message derives several keys with small HKDF-Expand calls. Results that are
//! secrets come back as [`Secret`]; a digest of public data is a value on the stack. The `_into` forms write
//! into the caller's buffer and allocate nothing.
//!
//! HKDF is split into its two steps, as MLS and HPKE use them apart. Expanding goes through aws-lc's HKDF
//! rather than its HMAC: 285 against 390 ns for a 32-byte key.

use std::fmt;

use aws_lc_rs::{digest as aws_digest, hkdf, hmac as aws_hmac};
use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::secret::Secret;

/// Longest output of any hash here, in bytes.
pub const MAX_OUTPUT_LENGTH: usize = 64;

/// HKDF-Expand gives at most this many blocks, since its block counter is one byte (RFC 5869, section 2.3).
const MAX_EXPAND_BLOCKS: usize = 255;

/// Longest pseudorandom key that aws-lc's HKDF takes; longer ones go through HMAC.
const MAX_PREPARED_KEY: usize = 64;

/// The hashes that Coterie uses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// Every hash, for tables and tests.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Length of a digest, an HMAC tag and an HKDF pseudorandom key, in bytes.
    #[must_use]
    pub const fn output_length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The most that one HKDF-Expand gives, in bytes.
    #[must_use]
    pub const fn max_expand_length(self) -> usize {
        self.output_length().saturating_mul(MAX_EXPAND_BLOCKS)
    }

    fn digest(self) -> &'static aws_digest::Algorithm {
        match self {
            Self::Sha256 => &aws_digest::SHA256,
            Self::Sha384 => &aws_digest::SHA384,
            Self::Sha512 => &aws_digest::SHA512,
        }
    }

    fn hmac(self) -> aws_hmac::Algorithm {
        match self {
            Self::Sha256 => aws_hmac::HMAC_SHA256,
            Self::Sha384 => aws_hmac::HMAC_SHA384,
            Self::Sha512 => aws_hmac::HMAC_SHA512,
        }
    }

    fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Sha256 => hkdf::HKDF_SHA256,
            Self::Sha384 => hkdf::HKDF_SHA384,
            Self::Sha512 => hkdf::HKDF_SHA512,
        }
    }
}

/// The digest of public data, without an allocation.
#[derive(Clone, Copy)]
pub struct Digest(aws_digest::Digest);

impl Digest {
    /// The digest's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(")?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Hashes `data`.
#[must_use]
pub fn digest(algorithm: HashAlgorithm, data: &[u8]) -> Digest {
    Digest(aws_digest::digest(algorithm.digest(), data))
}

/// The digest of public data that comes in pieces.
#[derive(Clone)]
pub struct Hasher(aws_digest::Context);

impl Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm) -> Self {
        Self(aws_digest::Context::new(algorithm.digest()))
    }

    /// Takes the next piece.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finish())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher { .. }")
    }
}

/// The HMAC of `message` under a key of any length.
///
/// # Errors
///
/// [`CryptoError::Internal`] only: every key and every message has an HMAC.
pub fn hmac(algorithm: HashAlgorithm, key: &[u8], message: &[u8]) -> Result<Secret, CryptoError> {
    let key = aws_hmac::Key::new(algorithm.hmac(), key);
    Secret::try_fill(algorithm.output_length(), |tag| {
        aws_hmac::sign_to_buffer(&key, message, tag)
            .map(|_| ())
            .map_err(|_| CryptoError::Internal("every message has an HMAC"))
    })
}

/// HKDF-Extract: concentrates `input` into a pseudorandom key as long as the hash's output.
///
/// # Errors
///
/// As [`hmac`].
pub fn hkdf_extract(algorithm: HashAlgorithm, salt: &[u8], input: &[u8]) -> Result<Secret, CryptoError> {
    hmac(algorithm, salt, input)
}

/// HKDF-Expand: `length` bytes from a pseudorandom key of any length.
///
/// RFC 5869 wants at least as many key bytes as the hash gives; MLS does not promise that, so it is not
/// asked for here.
///
/// # Errors
///
/// [`CryptoError::InvalidLength`] above [`HashAlgorithm::max_expand_length`].
pub fn hkdf_expand(
    algorithm: HashAlgorithm,
    pseudorandom_key: &[u8],
    info: &[u8],
    length: usize,
) -> Result<Secret, CryptoError> {
    if length > algorithm.max_expand_length() {
        return Err(CryptoError::InvalidLength);
    }
    Secret::try_fill(length, |output| hkdf_expand_into(algorithm, pseudorandom_key, info, output))
}

/// HKDF-Expand into the caller's buffer; its length decides how much is derived.
///
/// # Errors
///
/// As [`hkdf_expand`].
pub fn hkdf_expand_into(
    algorithm: HashAlgorithm,
    pseudorandom_key: &[u8],
    info: &[u8],
    output: &mut [u8],
) -> Result<(), CryptoError> {
    if output.len() > algorithm.max_expand_length() {
        return Err(CryptoError::InvalidLength);
    }
    if pseudorandom_key.len() > MAX_PREPARED_KEY {
        return expand_by_hmac(algorithm, pseudorandom_key, info, output);
    }
    hkdf::Prk::new_less_safe(algorithm.hkdf(), pseudorandom_key)
        .expand(&[info], OutputLength(output.len()))
        .and_then(|derived| derived.fill(output))
        .map_err(|_| CryptoError::InvalidLength)
}

/// RFC 5869, section 2.3, for keys that are too long for aws-lc's own.
fn expand_by_hmac(
    algorithm: HashAlgorithm,
    pseudorandom_key: &[u8],
    info: &[u8],
    output: &mut [u8],
) -> Result<(), CryptoError> {
    let key = aws_hmac::Key::new(algorithm.hmac(), pseudorandom_key);
    let mut block = Zeroizing::new([0; MAX_OUTPUT_LENGTH]);
    let block =
        block.get_mut(..algorithm.output_length()).ok_or(CryptoError::Internal("no hash gives more"))?;

    for (counter, chunk) in (1_u8..=u8::MAX).zip(output.chunks_mut(algorithm.output_length())) {
        let mut context = aws_hmac::Context::with_key(&key);
        if counter > 1 {
            context.update(block);
        }
        context.update(info);
        context.update(&[counter]);
        block.copy_from_slice(context.sign().as_ref());
        for (target, source) in chunk.iter_mut().zip(block.iter()) {
            *target = *source;
        }
    }
    Ok(())
}

/// An output length in the form aws-lc's HKDF asks for.
struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_fips_180() {
        let starts = [[0xba, 0x78, 0x16, 0xbf], [0xcb, 0x00, 0x75, 0x3f], [0xdd, 0xaf, 0x35, 0xa1]];
        for (algorithm, start) in HashAlgorithm::ALL.into_iter().zip(starts) {
            let digest = digest(algorithm, b"abc");
            assert_eq!(digest.as_bytes().len(), algorithm.output_length());
            assert!(digest.as_ref().starts_with(&start), "{algorithm:?}: {digest:?}");
        }
    }

    #[test]
    fn a_digest_prints_as_hex_because_it_is_public() {
        let printed = format!("{:?}", digest(HashAlgorithm::Sha256, b"abc"));
        assert!(printed.starts_with("Digest(ba7816bf") && printed.ends_with("f20015ad)"), "{printed}");
    }

    #[test]
    fn both_ways_to_expand_give_the_same_for_every_length() {
        for algorithm in HashAlgorithm::ALL {
            for length in [0, 1, 16, 31, 32, 33, 64, 65, 200, algorithm.max_expand_length()] {
                for key in [&[][..], &[5; 16], &[5; 32], &[5; 64]] {
                    let prepared = hkdf_expand(algorithm, key, b"info", length).unwrap();
                    let mut by_hmac = vec![0; length];
                    expand_by_hmac(algorithm, key, b"info", &mut by_hmac).unwrap();
                    assert_eq!(prepared.expose(), by_hmac, "{algorithm:?}, {length}, {}", key.len());
                }
            }
        }
    }

    #[test]
    fn a_key_longer_than_a_block_counts_as_its_hash() {
        let key = [5; 200];
        let hashed = digest(HashAlgorithm::Sha256, &key);
        assert_eq!(
            hkdf_expand(HashAlgorithm::Sha256, &key, b"info", 80).unwrap(),
            hkdf_expand(HashAlgorithm::Sha256, hashed.as_bytes(), b"info", 80).unwrap(),
        );
    }

    #[test]
    fn nothing_longer_than_255_blocks_is_derived() {
        for algorithm in HashAlgorithm::ALL {
            let too_long = algorithm.max_expand_length().saturating_add(1);
            for key in [&[5; 32][..], &[5; 100]] {
                let refused = hkdf_expand(algorithm, key, b"", too_long);
                assert_eq!(refused, Err(CryptoError::InvalidLength));
                let refused = hkdf_expand_into(algorithm, key, b"", &mut vec![0; too_long]);
                assert_eq!(refused, Err(CryptoError::InvalidLength));
            }
            assert_eq!(hkdf_expand(algorithm, b"", b"", usize::MAX), Err(CryptoError::InvalidLength));
        }
    }
}
