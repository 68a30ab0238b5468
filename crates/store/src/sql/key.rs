//! What opens a store, and the key that encrypts it.
//!
//! The database is encrypted under a random [`DatabaseKey`] which never changes unless the database is
//! encrypted anew. The caller's [`Key`] only wraps it, so a new passphrase costs one small file.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use coterie_crypto::Entropy;
use coterie_crypto::hash::{HashAlgorithm, hkdf_expand_into, hkdf_extract};
use zeroize::Zeroizing;

use crate::StoreError;

/// Bytes of every symmetric key here.
pub(super) const KEY_LENGTH: usize = 32;

/// Bytes of salt: as much as Argon2 recommends (RFC 9106, section 3.1).
pub(super) const SALT_LENGTH: usize = 16;

/// A passphrase is hashed in full; beyond this it is a file handed in by mistake.
const MAX_PASSPHRASE_LENGTH: usize = 64 * 1024;

/// Keeps a raw key that is also used elsewhere from ever being the same AEAD key.
const RAW_KEY_CONTEXT: &[u8] = b"coterie store: wrap the database key, version 1";

/// What the caller holds to open a store.
pub struct Key(Kind);

enum Kind {
    Passphrase(Zeroizing<Vec<u8>>),
    Raw(Zeroizing<[u8; KEY_LENGTH]>),
}

impl Key {
    /// A passphrase, stretched by Argon2id. Its bytes are taken as they are: whoever reads it from a person
    /// brings it to one Unicode normal form first.
    ///
    /// # Errors
    /// [`StoreError::InvalidArgument`] when it is empty or longer than 64 KiB.
    pub fn passphrase(passphrase: &[u8]) -> Result<Self, StoreError> {
        match passphrase.len() {
            0 => Err(StoreError::InvalidArgument("a passphrase has at least one byte")),
            1..=MAX_PASSPHRASE_LENGTH => Ok(Self(Kind::Passphrase(Zeroizing::new(passphrase.to_vec())))),
            _ => Err(StoreError::InvalidArgument("a passphrase has at most 64 KiB")),
        }
    }

    /// 32 bytes that nobody can guess, from a key store or a hardware token.
    #[must_use]
    pub fn raw(key: &[u8; KEY_LENGTH]) -> Self {
        Self(Kind::Raw(Zeroizing::new(*key)))
    }

    /// The derivation this kind of key takes when a store is wrapped under it.
    pub(super) fn derivation(&self, argon2: Argon2Parameters) -> Derivation {
        match self.0 {
            Kind::Passphrase(_) => Derivation::Argon2id(argon2),
            Kind::Raw(_) => Derivation::Hkdf,
        }
    }

    /// The key that wraps the database key.
    pub(super) fn wrapping_key(
        &self,
        derivation: Derivation,
        salt: &[u8; SALT_LENGTH],
    ) -> Result<WrappingKey, StoreError> {
        match (&self.0, derivation) {
            (Kind::Passphrase(passphrase), Derivation::Argon2id(parameters)) => {
                parameters.stretch(passphrase, salt)
            }
            (Kind::Raw(key), Derivation::Hkdf) => expand(key, salt),
            _ => Err(StoreError::WrongKey),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key { .. }")
    }
}

/// How much work one guess at a passphrase costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Argon2Parameters {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Parameters {
    /// RFC 9106's second recommended option: 64 MiB, three passes, four lanes.
    pub const RECOMMENDED: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// As little work as Argon2id allows. For tests: a stolen file then gives its passphrase away.
    pub const DANGER_WEAK: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    /// What OWASP names as the least for passwords.
    const LEAST_MEMORY_KIB: u32 = 19 * 1024;

    /// A store that asks for more than this would not open on a small machine; a file that does is refused.
    const MOST_MEMORY_KIB: u32 = 1024 * 1024;

    /// At these bounds one derivation takes about a minute.
    const MOST_PASSES: u32 = 64;

    /// More lanes than cores make nothing harder to guess.
    const MOST_LANES: u32 = 64;

    /// Parameters of the caller's choice.
    ///
    /// # Errors
    /// [`StoreError::InvalidArgument`] below 19 MiB or two passes, above 1 GiB or 64 passes, or for a number
    /// of lanes outside 1 to 64.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, StoreError> {
        if memory_kib < Self::LEAST_MEMORY_KIB || passes < 2 {
            return Err(StoreError::InvalidArgument("Argon2 below 19 MiB or two passes protects too little"));
        }
        Self::from_file(memory_kib, passes, lanes)
            .ok_or(StoreError::InvalidArgument("Argon2 parameters are out of range"))
    }

    /// Parameters as a key file holds them; a weak file still has to open.
    pub(super) fn from_file(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let lanes_fit = (1..=Self::MOST_LANES).contains(&lanes);
        let memory_fits = memory_kib >= lanes.saturating_mul(8) && memory_kib <= Self::MOST_MEMORY_KIB;
        let passes_fit = (1..=Self::MOST_PASSES).contains(&passes);
        (lanes_fit && memory_fits && passes_fit).then_some(Self { memory_kib, passes, lanes })
    }

    /// Memory in KiB, passes and lanes.
    pub(super) fn parts(self) -> (u32, u32, u32) {
        (self.memory_kib, self.passes, self.lanes)
    }

    /// Whether guessing costs more under `self` than under `other`, and nothing got cheaper.
    pub(super) fn is_stronger_than(self, other: Self) -> bool {
        self.memory_kib >= other.memory_kib
            && self.passes >= other.passes
            && (self.memory_kib > other.memory_kib || self.passes > other.passes)
    }

    fn stretch(self, passphrase: &[u8], salt: &[u8; SALT_LENGTH]) -> Result<WrappingKey, StoreError> {
        let failed = |_| StoreError::Internal("Argon2 refused parameters that were checked");
        let params =
            Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_LENGTH)).map_err(failed)?;
        let mut memory = Zeroizing::new(vec![Block::default(); params.block_count()]);
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase, salt, &mut *key, &mut *memory)
            .map_err(failed)?;
        Ok(WrappingKey(key))
    }
}

impl Default for Argon2Parameters {
    fn default() -> Self {
        Self::RECOMMENDED
    }
}

/// How a wrapping key comes out of a [`Key`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Derivation {
    /// HKDF-SHA256 of a raw key.
    Hkdf,
    /// Argon2id of a passphrase.
    Argon2id(Argon2Parameters),
}

/// The key under which a key file's secret part is sealed. Used once: each file has a salt of its own.
pub(super) struct WrappingKey(Zeroizing<[u8; KEY_LENGTH]>);

impl WrappingKey {
    pub(super) fn expose(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

/// The key that SQLCipher encrypts pages with.
pub(super) struct DatabaseKey(Zeroizing<[u8; KEY_LENGTH]>);

impl DatabaseKey {
    pub(super) fn generate(entropy: &dyn Entropy) -> Result<Self, StoreError> {
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        entropy.fill(&mut *key).map_err(|_| StoreError::NoRandomness)?;
        Ok(Self(key))
    }

    pub(super) fn from_bytes(bytes: &[u8; KEY_LENGTH]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    pub(super) fn expose(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }

    /// A second copy, for the readers.
    pub(super) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

fn expand(key: &[u8; KEY_LENGTH], salt: &[u8; SALT_LENGTH]) -> Result<WrappingKey, StoreError> {
    let failed = |_| StoreError::Internal("HKDF gives 32 bytes");
    let extracted = hkdf_extract(HashAlgorithm::Sha256, salt, key).map_err(failed)?;
    let mut output = Zeroizing::new([0; KEY_LENGTH]);
    hkdf_expand_into(HashAlgorithm::Sha256, extracted.expose(), RAW_KEY_CONTEXT, &mut *output)
        .map_err(failed)?;
    Ok(WrappingKey(output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_prints_itself() {
        assert_eq!(format!("{:?}", Key::passphrase(b"hunter2").unwrap()), "Key { .. }");
        assert_eq!(format!("{:?}", Key::raw(&[7; 32])), "Key { .. }");
    }

    #[test]
    fn parameters_that_protect_too_little_or_cost_too_much_are_refused() {
        assert!(Argon2Parameters::new(19 * 1024, 2, 1).is_ok());
        assert!(Argon2Parameters::new(19 * 1024 - 1, 2, 1).is_err());
        assert!(Argon2Parameters::new(64 * 1024, 1, 1).is_err());
        assert!(Argon2Parameters::new(1024 * 1024 + 1, 3, 1).is_err());
        assert!(Argon2Parameters::new(64 * 1024, 65, 1).is_err());
        assert!(Argon2Parameters::new(64 * 1024, 3, 0).is_err());
        assert!(Argon2Parameters::from_file(7, 1, 1).is_none());
    }

    #[test]
    fn a_passphrase_is_neither_empty_nor_a_file() {
        assert!(Key::passphrase(b"").is_err());
        assert!(Key::passphrase(&[b'x'; MAX_PASSPHRASE_LENGTH + 1]).is_err());
    }
}
