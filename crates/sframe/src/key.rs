//! From a base key to the key of one sender, and one frame under it (RFC 9605, sections 4.4.2 to 4.4.4).

use std::fmt;
use std::sync::Arc;

use coterie_crypto::aead::{AeadKey, NONCE_LENGTH};
use coterie_crypto::counters::{CounterId, Counters};
use coterie_crypto::ctr_hmac::CtrHmacKey;
use coterie_crypto::hash::{hkdf_expand, hkdf_extract};
use coterie_crypto::{CryptoError, Secret};
use coterie_types::{Epoch, LeafIndex};
use zeroize::Zeroizing;

use crate::encryptor::Encryptor;
use crate::error::SetupError;
use crate::header::{KeyId, Prefix, Written};
use crate::suite::{Cipher, Dialect, Protection};

/// Shortest base key: that of the shortest cipher.
const MIN_BASE_KEY: usize = 16;

/// Header and metadata up to this length are joined without an allocation.
const JOINED: usize = 256;

const KEY_LABEL: &[u8] = b"SFrame 1.0 Secret key ";
const SALT_LABEL: &[u8] = b"SFrame 1.0 Secret salt ";

/// What names a key's counters; not of RFC 9605, and never on the wire.
const COUNTER_LABEL: &[u8] = b"Coterie SFrame counters ";

/// The keys of one epoch: every sender's grows from it. Wipes itself.
#[derive(Eq, PartialEq)]
pub struct EpochKey {
    pub(crate) protection: Protection,
    epoch: Epoch,
    pseudorandom_key: Secret,
}

impl EpochKey {
    /// The keys that grow from `base_key`, which [`Protection::exporter`] says how to get.
    ///
    /// # Errors
    /// [`SetupError::BaseKeyTooShort`] below 16 bytes.
    pub fn new(protection: Protection, epoch: Epoch, base_key: &Secret) -> Result<Self, SetupError> {
        if base_key.len() < MIN_BASE_KEY {
            return Err(SetupError::BaseKeyTooShort);
        }
        let pseudorandom_key = hkdf_extract(protection.suite().hash(), b"", base_key.expose())?;
        Ok(Self { protection, epoch, pseudorandom_key })
    }

    /// The sending side of the member at `leaf`. It seals nothing before counters are reserved.
    ///
    /// `context` is zero. Only who has restored a backup, whose records of counters may be older than what was sent,
    /// draws a random one and gives it here from then on, in every epoch: the epochs after the backup may have been
    /// sent in already. It makes keys that never sealed anything.
    ///
    /// # Errors
    /// [`SetupError::LeafTooLarge`] above 65,535.
    pub fn encryptor(&self, leaf: LeafIndex, context: u32) -> Result<Encryptor, SetupError> {
        self.encryptor_with(leaf, context, |id| Arc::new(Encryptor::unreserved(id)))
    }

    /// The same with the counters that `counters` has under their name.
    pub(crate) fn encryptor_with(
        &self,
        leaf: LeafIndex,
        context: u32,
        counters: impl FnOnce(CounterId) -> Arc<Counters>,
    ) -> Result<Encryptor, SetupError> {
        let key_id = KeyId::of_member(self.epoch, leaf)?.in_context(context);
        let id = CounterId::derive(|length| self.expand(COUNTER_LABEL, key_id, length))?;
        Ok(Encryptor::new(self.frame_key(key_id)?, counters(id)))
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn frame_key(&self, key_id: KeyId) -> Result<FrameKey, CryptoError> {
        let key = self.expand(KEY_LABEL, key_id, self.protection.suite().key_length())?;
        let salt = self.expand(SALT_LABEL, key_id, NONCE_LENGTH)?;
        FrameKey::new(self.protection, key_id, &key, &salt)
    }

    /// Key, salt and name differ by their label alone.
    pub(crate) fn expand(&self, label: &[u8], key_id: KeyId, length: usize) -> Result<Secret, CryptoError> {
        let suite = self.protection.suite();
        let info = [label, &key_id.number().to_be_bytes(), &suite.number().to_be_bytes()].concat();
        hkdf_expand(suite.hash(), self.pseudorandom_key.expose(), &info, length)
    }
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochKey").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// The key of one sender, prepared.
pub(crate) struct FrameKey {
    protection: Protection,
    key_id: KeyId,
    prefix: Prefix,
    salt: Zeroizing<[u8; NONCE_LENGTH]>,
    prepared: Prepared,
}

enum Prepared {
    Gcm(AeadKey),
    /// Several times as large, and seldom used.
    CtrHmac(Box<CtrHmacKey>),
}

impl FrameKey {
    fn new(protection: Protection, key_id: KeyId, key: &Secret, salt: &Secret) -> Result<Self, CryptoError> {
        let suite = protection.suite();
        let prepared = match suite.cipher() {
            Cipher::Gcm(algorithm) => Prepared::Gcm(AeadKey::new(algorithm, key.expose())?),
            Cipher::CtrHmac(algorithm) => {
                Prepared::CtrHmac(Box::new(CtrHmacKey::new(algorithm, suite.tag_length(), key.expose())?))
            }
        };
        let salt = salt.expose().try_into().map_err(|_| CryptoError::InvalidLength)?;
        Ok(Self { protection, key_id, prefix: Prefix::new(key_id), salt: Zeroizing::new(salt), prepared })
    }

    pub(crate) fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// What sealing adds at most.
    pub(crate) fn overhead(&self) -> usize {
        self.prefix.max_length().saturating_add(self.tag_length())
    }

    pub(crate) fn tag_length(&self) -> usize {
        self.protection.suite().tag_length()
    }

    pub(crate) fn header(&self, counter: u64) -> Written {
        self.prefix.with(counter)
    }

    /// Encrypts `body` where it lies and writes its tag.
    pub(crate) fn seal(
        &self,
        counter: u64,
        header: &[u8],
        metadata: &[u8],
        body: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        let nonce = self.nonce(counter);
        self.joined(header, metadata, |data| match &self.prepared {
            Prepared::Gcm(key) => {
                let tag = tag.first_chunk_mut().ok_or(CryptoError::InvalidLength)?;
                *tag = key.seal_in_place(&nonce, data, body)?;
                Ok(())
            }
            Prepared::CtrHmac(key) => key.seal_in_place(&nonce, data, body, tag),
        })
    }

    /// Opens `sealed` (ciphertext, then tag) into the front of `plaintext`, which is long enough, and answers how long
    /// it is.
    pub(crate) fn open_into(
        &self,
        counter: u64,
        header: &[u8],
        metadata: &[u8],
        sealed: &[u8],
        plaintext: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let nonce = self.nonce(counter);
        self.joined(header, metadata, |data| match &self.prepared {
            Prepared::Gcm(key) => key.open_into(&nonce, data, sealed, plaintext),
            Prepared::CtrHmac(key) => {
                let (ciphertext, tag) = self.split(sealed)?;
                let target = plaintext.get_mut(..ciphertext.len()).ok_or(CryptoError::InvalidLength)?;
                target.copy_from_slice(ciphertext);
                let opened = key.open_in_place(&nonce, data, target, tag);
                if opened.is_err() {
                    target.fill(0);
                }
                opened.map(|()| ciphertext.len())
            }
        })
    }

    /// Opens `sealed` (ciphertext, then tag) where it lies and answers how long the plaintext at its front is.
    pub(crate) fn open_in_place(
        &self,
        counter: u64,
        header: &[u8],
        metadata: &[u8],
        sealed: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let nonce = self.nonce(counter);
        self.joined(header, metadata, |data| match &self.prepared {
            Prepared::Gcm(key) => key.open_in_place(&nonce, data, sealed).map(|plaintext| plaintext.len()),
            Prepared::CtrHmac(key) => {
                let length = self.split(sealed)?.0.len();
                let (body, tag) = sealed.split_at_mut_checked(length).ok_or(CryptoError::NotAuthentic)?;
                key.open_in_place(&nonce, data, body, tag).map(|()| length)
            }
        })
    }

    fn split<'sealed>(&self, sealed: &'sealed [u8]) -> Result<(&'sealed [u8], &'sealed [u8]), CryptoError> {
        let length = sealed.len().checked_sub(self.tag_length());
        length.and_then(|length| sealed.split_at_checked(length)).ok_or(CryptoError::NotAuthentic)
    }

    /// The salt with the counter in its last eight bytes.
    fn nonce(&self, counter: u64) -> [u8; NONCE_LENGTH] {
        let mut nonce = *self.salt;
        if let Some(end) = nonce.last_chunk_mut() {
            *end = (u64::from_be_bytes(*end) ^ counter).to_be_bytes();
        }
        nonce
    }

    /// Runs `with` on header and metadata in the dialect's order.
    fn joined<T>(&self, header: &[u8], metadata: &[u8], with: impl FnOnce(&[u8]) -> T) -> T {
        if metadata.is_empty() {
            return with(header);
        }
        let parts = match self.protection.dialect() {
            Dialect::Rfc9605 => [header, metadata],
            Dialect::Gbp => [metadata, header],
        };
        let mut joined = [0; JOINED];
        let length = header.len().saturating_add(metadata.len());
        match joined.get_mut(..length) {
            Some(joined) => {
                let bytes = parts[0].iter().chain(parts[1]);
                joined.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                with(joined)
            }
            None => with(&parts.concat()),
        }
    }
}
