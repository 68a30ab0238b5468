//! What one epoch's exporter gives beside the messages' own keys.

use std::fmt;

use coterie_crypto::counters::CounterId;
use coterie_crypto::hash::{HashAlgorithm, hkdf_expand};
use coterie_crypto::{CryptoError, Secret};
use coterie_sframe::{Dialect, EpochKey, Protection, Suite};
use coterie_types::{Epoch, LeafIndex, StreamClass};

use crate::error::SetupError;

/// Labels of our own, so that no key here is one of another use of the exporter.
pub(in crate::protection) const NUMBERS_LABEL: &str = "coterie/gbp numbers v1";
pub(in crate::protection) const MEDIA_LABEL: &str = "coterie/gbp audio v1";
const NUMBERS_LENGTH: usize = 32;

/// The secrets of one epoch. They wipe themselves.
pub struct EpochKeys {
    epoch: Epoch,
    /// From which the names of records grow.
    naming: Secret,
    media: Secret,
}

impl EpochKeys {
    /// What `exporter` gives for `epoch` when it is asked for label, context and length (RFC 9420, section 8.5).
    ///
    /// # Errors
    /// Those of `exporter`, and [`SetupError::Length`] when it gives another length.
    pub fn derive<E: From<SetupError>>(
        epoch: Epoch,
        mut exporter: impl FnMut(&str, &[u8], usize) -> Result<Secret, E>,
    ) -> Result<Self, E> {
        let media = media_protection()?.exporter(Some(MEDIA_LABEL), epoch);
        let keys = Self {
            epoch,
            naming: exporter(NUMBERS_LABEL, &[], NUMBERS_LENGTH)?,
            media: exporter(&media.label, &media.context, media.length)?,
        };
        if keys.naming.len() != NUMBERS_LENGTH || keys.media.len() != media.length {
            return Err(SetupError::Length("an exported secret").into());
        }
        Ok(keys)
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn media(&self) -> Result<EpochKey, SetupError> {
        Ok(EpochKey::new(media_protection()?, self.epoch, &self.media)?)
    }

    /// The name of the record of the numbers of `class` that `leaf` uses.
    pub(super) fn counter_id(&self, class: StreamClass, leaf: LeafIndex) -> Result<CounterId, CryptoError> {
        let [first, second, third, last] = leaf.number().to_be_bytes();
        let info = [class.number(), first, second, third, last];
        let naming = self.naming.expose();
        CounterId::derive(|length| hkdf_expand(HashAlgorithm::Sha256, naming, &info, length))
    }
}

/// No suite below the strength of the hybrid groups' own.
fn media_protection() -> Result<Protection, SetupError> {
    Ok(Protection::new(Suite::Aes256Gcm, Dialect::Rfc9605)?)
}

impl fmt::Debug for EpochKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochKeys").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
