//! The key file beside the database: the database's key, wrapped under the caller's.
//!
//! Layout of version 1, numbers big-endian:
//!
//! ```text
//!  0  8  "COTERIEK"
//!  8  2  version
//! 10  1  state: 1 creating, 2 ready, 3 re-encrypting
//! 11  1  derivation: 1 HKDF-SHA256 of a raw key, 2 Argon2id of a passphrase
//! 12 12  Argon2 memory in KiB, passes, lanes; zero for a raw key
//! 24 16  salt
//! 40 12  nonce
//! 52  n  AES-256-GCM of one database key (two while re-encrypting) with the 52 bytes before as associated data
//!    32  SHA-256 of everything before
//! ```
//!
//! The digest finds damage, so that a tag that does not verify means a wrong key and nothing else. It closes
//! the file in every version. A file is only ever replaced as a whole, by a rename.

use coterie_crypto::Entropy;
use coterie_crypto::aead::{AeadAlgorithm, AeadKey, NONCE_LENGTH, TAG_LENGTH};
use coterie_crypto::hash::{HashAlgorithm, digest};
use zeroize::Zeroizing;

use super::key::{Argon2Parameters, DatabaseKey, Derivation, KEY_LENGTH, Key, SALT_LENGTH, WrappingKey};
use crate::StoreError;

const MAGIC: &[u8; 8] = b"COTERIEK";
const VERSION: u16 = 1;
const HEADER_LENGTH: usize = 52;
const DIGEST_LENGTH: usize = 32;

/// A key file of this version has at most this many bytes; a longer one is not read to its end.
pub(super) const MAX_LENGTH: u64 = 4096;

/// What the store was doing when the file was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// The database may not exist yet and holds nothing that was acknowledged.
    Creating = 1,
    /// The database is encrypted under the one key.
    Ready = 2,
    /// The database is encrypted under the first key, or already under the second.
    Reencrypting = 3,
}

/// A key file that has been read but not opened.
pub(super) struct KeyFile {
    pub(super) state: State,
    pub(super) derivation: Derivation,
    header: [u8; HEADER_LENGTH],
    salt: [u8; SALT_LENGTH],
    nonce: [u8; NONCE_LENGTH],
    sealed: Vec<u8>,
}

/// What it takes to write key files under one [`Key`] without deriving the wrapping key again: the salts and
/// nonces are drawn beforehand, because the writer thread has no randomness of its own.
pub(super) struct Seal {
    derivation: Derivation,
    salt: [u8; SALT_LENGTH],
    nonces: [[u8; NONCE_LENGTH]; 2],
    key: WrappingKey,
}

impl Seal {
    /// Derives a fresh wrapping key from `key`.
    pub(super) fn new(
        key: &Key,
        argon2: Argon2Parameters,
        entropy: &dyn Entropy,
    ) -> Result<Self, StoreError> {
        let mut salt = [0; SALT_LENGTH];
        let mut nonces = [[0; NONCE_LENGTH]; 2];
        entropy.fill(&mut salt).map_err(|_| StoreError::NoRandomness)?;
        for nonce in &mut nonces {
            entropy.fill(nonce).map_err(|_| StoreError::NoRandomness)?;
        }
        let derivation = key.derivation(argon2);
        Ok(Self { derivation, salt, nonces, key: key.wrapping_key(derivation, &salt)? })
    }

    /// A file that says: under way, with these keys. Called once per seal, as [`Self::ready`] is: each has a
    /// nonce of its own.
    pub(super) fn under_way(&self, state: State, keys: &[&DatabaseKey]) -> Result<Vec<u8>, StoreError> {
        self.file(state, &self.nonces[0], keys)
    }

    /// A file that says: ready, with this key.
    pub(super) fn ready(&self, key: &DatabaseKey) -> Result<Vec<u8>, StoreError> {
        self.file(State::Ready, &self.nonces[1], &[key])
    }

    fn file(
        &self,
        state: State,
        nonce: &[u8; NONCE_LENGTH],
        keys: &[&DatabaseKey],
    ) -> Result<Vec<u8>, StoreError> {
        let mut plaintext = Zeroizing::new(Vec::with_capacity(keys.len().saturating_mul(KEY_LENGTH)));
        keys.iter().for_each(|key| plaintext.extend_from_slice(key.expose()));
        let mut file = self.header(state, nonce);
        let sealed = cipher(&self.key)?
            .seal(nonce, &file, &plaintext)
            .map_err(|_| StoreError::Internal("AES-GCM seals 64 bytes"))?;
        file.extend_from_slice(&sealed);
        let digest = digest(HashAlgorithm::Sha256, &file);
        file.extend_from_slice(digest.as_bytes());
        Ok(file)
    }

    fn header(&self, state: State, nonce: &[u8; NONCE_LENGTH]) -> Vec<u8> {
        let (derivation, (memory, passes, lanes)) = match self.derivation {
            Derivation::Hkdf => (1, (0, 0, 0)),
            Derivation::Argon2id(parameters) => (2, parameters.parts()),
        };
        let mut header = Vec::with_capacity(HEADER_LENGTH);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_be_bytes());
        header.extend_from_slice(&[state as u8, derivation]);
        [memory, passes, lanes].iter().for_each(|number| header.extend_from_slice(&number.to_be_bytes()));
        header.extend_from_slice(&self.salt);
        header.extend_from_slice(nonce);
        header
    }
}

impl KeyFile {
    /// Reads a whole file or refuses it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let (content, stored) = bytes.split_last_chunk::<DIGEST_LENGTH>().ok_or(DAMAGED)?;
        if digest(HashAlgorithm::Sha256, content).as_bytes() != stored {
            return Err(DAMAGED);
        }
        let mut fields = Fields(content);
        if fields.take::<8>()? != *MAGIC {
            return Err(DAMAGED);
        }
        let version = u16::from_be_bytes(fields.take()?);
        if version > VERSION {
            return Err(StoreError::Newer { found: version.into(), supported: VERSION.into() });
        }
        let [state, derivation] = fields.take()?;
        let state = state_from(state)?;
        let (memory, passes, lanes) = (fields.number()?, fields.number()?, fields.number()?);
        let derivation = match (derivation, memory, passes, lanes) {
            (1, 0, 0, 0) => Derivation::Hkdf,
            (2, ..) => {
                Derivation::Argon2id(Argon2Parameters::from_file(memory, passes, lanes).ok_or(DAMAGED)?)
            }
            _ => return Err(DAMAGED),
        };
        let (salt, nonce) = (fields.take()?, fields.take()?);
        if version != VERSION || fields.0.len() != sealed_length(state) {
            return Err(DAMAGED);
        }
        let header = Fields(content).take()?;
        Ok(Self { state, derivation, header, salt, nonce, sealed: fields.0.to_vec() })
    }

    /// The database's keys, in the order in which to try them.
    pub(super) fn open(&self, key: &Key) -> Result<Vec<DatabaseKey>, StoreError> {
        let wrapping_key = key.wrapping_key(self.derivation, &self.salt)?;
        let plaintext = cipher(&wrapping_key)?
            .open(&self.nonce, &self.header, &self.sealed)
            .map(Zeroizing::new)
            .map_err(|_| StoreError::WrongKey)?;
        let (keys, _) = plaintext.as_chunks::<KEY_LENGTH>();
        Ok(keys.iter().map(DatabaseKey::from_bytes).collect())
    }
}

const DAMAGED: StoreError = StoreError::Damaged("the key file is not what was written");

fn cipher(key: &WrappingKey) -> Result<AeadKey, StoreError> {
    AeadKey::new(AeadAlgorithm::Aes256Gcm, key.expose())
        .map_err(|_| StoreError::Internal("an AES-256 key has 32 bytes"))
}

fn state_from(number: u8) -> Result<State, StoreError> {
    [State::Creating, State::Ready, State::Reencrypting]
        .into_iter()
        .find(|state| *state as u8 == number)
        .ok_or(DAMAGED)
}

fn sealed_length(state: State) -> usize {
    let keys = if state == State::Reencrypting { 2 } else { 1 };
    KEY_LENGTH.saturating_mul(keys).saturating_add(TAG_LENGTH)
}

/// What is left to read of a file.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(*field)
    }

    fn number(&mut self) -> Result<u32, StoreError> {
        Ok(u32::from_be_bytes(self.take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Seeded;
    use super::*;

    fn sealed(key: &Key, state: State) -> (Vec<u8>, DatabaseKey) {
        let entropy = Seeded::new(1);
        let database_key = DatabaseKey::generate(&entropy).unwrap();
        let seal = Seal::new(key, Argon2Parameters::DANGER_WEAK, &entropy).unwrap();
        let keys = if state == State::Reencrypting { vec![&database_key; 2] } else { vec![&database_key] };
        (seal.under_way(state, &keys).unwrap(), database_key)
    }

    #[test]
    fn what_was_wrapped_comes_out_under_the_same_key_only() {
        for key in [Key::passphrase(b"right").unwrap(), Key::raw(&[1; 32])] {
            let (file, database_key) = sealed(&key, State::Reencrypting);
            let file = KeyFile::parse(&file).unwrap();
            let opened = file.open(&key).unwrap();
            assert_eq!(opened.len(), 2);
            assert!(opened.iter().all(|opened| opened.expose() == database_key.expose()));
            for wrong in [Key::passphrase(b"wrong").unwrap(), Key::raw(&[2; 32])] {
                assert_eq!(file.open(&wrong).err(), Some(StoreError::WrongKey));
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_length_but_the_right_one_is_damage_and_never_a_wrong_key() {
        let (file, _) = sealed(&Key::raw(&[1; 32]), State::Ready);
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(KeyFile::parse(&flipped).err(), Some(DAMAGED), "bit {bit}");
        }
        for length in 0..file.len() {
            assert_eq!(KeyFile::parse(&file[..length]).err(), Some(DAMAGED));
        }
        assert_eq!(KeyFile::parse(&[&file[..], &[0]].concat()).err(), Some(DAMAGED));
    }

    #[test]
    fn well_formed_nonsense_is_refused_field_by_field() {
        let (file, _) = sealed(&Key::raw(&[1; 32]), State::Ready);
        let with = |at: usize, value: u8| {
            let mut content = file[..file.len() - DIGEST_LENGTH].to_vec();
            content[at] = value;
            let digest = digest(HashAlgorithm::Sha256, &content);
            KeyFile::parse(&[&content, digest.as_bytes()].concat()).err()
        };
        assert_eq!(with(0, b'X'), Some(DAMAGED));
        assert_eq!(with(9, 2), Some(StoreError::Newer { found: 2, supported: 1 }));
        assert_eq!(with(9, 0), Some(DAMAGED));
        assert_eq!(with(10, 0), Some(DAMAGED));
        assert_eq!(with(10, 3), Some(DAMAGED), "two keys announced, one there");
        assert_eq!(with(11, 2), Some(DAMAGED), "Argon2id without memory");
        assert_eq!(with(11, 3), Some(DAMAGED));
        assert_eq!(with(15, 1), Some(DAMAGED), "parameters on a raw key");
    }
}
