//! Media frames as the published session and encryptor seal them.
//!
//! A session belongs to the epoch that it was made in, and so do the encryptors that it makes. The counters belong to the
//! context: a second session or encryptor of one epoch, label, suite and leaf goes on where the first one is.

use std::sync::Arc;

use coterie_crypto::Secret;
use coterie_sframe::{Dialect, Encryptor, EpochKey, OpenError, Protection, SealError, Session, Suite};
use coterie_types::{Epoch, LeafIndex, Timestamp};

use crate::error::CompatError;
use crate::limits::RESTORED_COUNTERS;
use crate::mls::MlsContext;
use crate::numbers::Numbers;

/// The published suites.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MediaSuite {
    /// AES-128-GCM with SHA-256: number 0.
    Aes128Gcm,
    /// AES-256-GCM with SHA-512: number 1.
    Aes256Gcm,
}

/// Opens the media frames of one epoch, and makes encryptors for it.
pub struct MediaSession {
    label: String,
    suite: MediaSuite,
    epoch: Epoch,
    base_key: Secret,
    session: Session,
}

/// Seals media frames of one leaf.
pub struct MediaEncryptor {
    encryptor: Encryptor,
    numbers: Arc<Numbers>,
}

/// A media frame that authenticated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenedMedia {
    /// The frame.
    pub plaintext: Vec<u8>,
    /// Whose key it was sealed under.
    pub sender: LeafIndex,
}

impl MediaSuite {
    /// The suite with this published number.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_number(number: u32) -> Result<Self, CompatError> {
        match number {
            0 => Ok(Self::Aes128Gcm),
            1 => Ok(Self::Aes256Gcm),
            _ => Err(CompatError::Argument("a media suite is 0 or 1")),
        }
    }

    fn protection(self) -> Result<Protection, CompatError> {
        let suite = match self {
            Self::Aes128Gcm => Suite::Aes128Gcm,
            Self::Aes256Gcm => Suite::Aes256Gcm,
        };
        Ok(Protection::new(suite, Dialect::Gbp)?)
    }
}

impl MediaSession {
    /// A session for the present epoch of a context.
    ///
    /// # Errors
    /// When the context was removed from its group.
    pub fn new(mls: &mut MlsContext, label: &str, suite: MediaSuite) -> Result<Self, CompatError> {
        let epoch = mls.epoch();
        let base_key = base_key(mls, label, suite)?;
        let session = Session::new(EpochKey::new(suite.protection()?, epoch, &base_key)?);
        Ok(Self { label: label.to_owned(), suite, epoch, base_key, session })
    }

    /// An encryptor for the session's epoch. Another label or suite than the session's is another key, which only the
    /// present epoch has.
    ///
    /// # Errors
    /// When the leaf is above 65,535, or another key is wanted after the epoch has ended.
    pub fn encryptor(
        &self,
        mls: &mut MlsContext,
        leaf: LeafIndex,
        label: Option<&str>,
        suite: Option<MediaSuite>,
    ) -> Result<MediaEncryptor, CompatError> {
        let (label, suite) = (label.unwrap_or(&self.label), suite.unwrap_or(self.suite));
        let key = if (label, suite) == (self.label.as_str(), self.suite) {
            EpochKey::new(suite.protection()?, self.epoch, &self.base_key)?
        } else if mls.epoch() == self.epoch {
            EpochKey::new(suite.protection()?, self.epoch, &base_key(mls, label, suite)?)?
        } else {
            return Err(CompatError::Argument("the session's epoch has ended: make a new session"));
        };
        let encryptor = mls.shared_encryptor(key.encryptor(leaf, 0)?);
        Ok(MediaEncryptor { encryptor, numbers: Arc::clone(mls.numbers()) })
    }

    /// Opens a frame.
    ///
    /// # Errors
    /// When it is refused; nothing was changed.
    pub fn open(
        &mut self,
        payload: &[u8],
        metadata: &[u8],
        now: Timestamp,
    ) -> Result<OpenedMedia, OpenError> {
        let (opened, plaintext) = self.session.decrypt(payload, metadata, now)?;
        Ok(OpenedMedia { plaintext, sender: opened.leaf })
    }
}

impl MediaEncryptor {
    /// Seals a frame.
    ///
    /// # Errors
    /// When every counter of the key is used up.
    pub fn seal(&self, plaintext: &[u8], metadata: &[u8]) -> Result<Vec<u8>, CompatError> {
        match self.encryptor.encrypt(plaintext, metadata) {
            Err(SealError::NotReserved) => {}
            sealed => return Ok(sealed?),
        }
        let id = self.encryptor.counter_id();
        let reserve = |stored, count| self.encryptor.reserve(stored, count);
        self.numbers.reserve(id, RESTORED_COUNTERS, reserve)?;
        Ok(self.encryptor.encrypt(plaintext, metadata)?)
    }
}

fn base_key(mls: &mut MlsContext, label: &str, suite: MediaSuite) -> Result<Secret, CompatError> {
    let exporter = suite.protection()?.exporter(Some(label), mls.epoch());
    mls.export_secret(&exporter.label, &exporter.context, exporter.length)
}

impl std::fmt::Debug for MediaSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaSession").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MediaEncryptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MediaEncryptor { .. }")
    }
}
