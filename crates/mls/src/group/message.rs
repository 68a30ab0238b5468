//! What a member says.

use coterie_store::StoreError;
use openmls::prelude::tls_codec::Serialize as _;

use super::{Group, Live};
use crate::device::Shared;
use crate::error::MlsError;
use crate::limits::{MAX_ASSOCIATED_DATA_LENGTH, MAX_PLAINTEXT_LENGTH};
use crate::provider::Provider;
use crate::rows::Rows;

/// A sealed application message, ready to be sent to everybody.
pub type Encrypted = Vec<u8>;

impl Group {
    /// Seals `plaintext` for the members of this epoch. `associated_data` travels beside it, readable by
    /// everybody and authentic to members.
    ///
    /// # Errors
    /// When something is too long, proposals wait for a commit, another group succeeds this one,
    /// this device was removed, or the store fails.
    pub fn encrypt(&mut self, plaintext: &[u8], associated_data: &[u8]) -> Result<Encrypted, MlsError> {
        self.encrypt_with(plaintext, associated_data, |_, _| Ok(()))
    }

    /// Seals `plaintext`, and stores what `beside` writes in the same step: the sealed message in an outbox, say, so
    /// that a crash sends the same bytes again and no others.
    ///
    /// # Errors
    /// As [`Self::encrypt`], and when `beside` fails.
    pub fn encrypt_with(
        &mut self,
        plaintext: &[u8],
        associated_data: &[u8],
        beside: impl FnOnce(&Encrypted, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Encrypted, MlsError> {
        check(plaintext, associated_data)?;
        self.step_with(
            |live, provider, shared| live.encrypt(plaintext, associated_data, provider, shared),
            beside,
        )
    }

    /// Seals several messages in one step, which is one write for all of them.
    ///
    /// # Errors
    /// As [`Self::encrypt`]; then none of them was sealed.
    pub fn encrypt_all<P: AsRef<[u8]>>(
        &mut self,
        plaintexts: &[P],
        associated_data: &[u8],
    ) -> Result<Vec<Encrypted>, MlsError> {
        self.encrypt_all_with(plaintexts, associated_data, |_, _| Ok(()))
    }

    /// Seals several messages, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::encrypt_all`], and when `beside` fails.
    pub fn encrypt_all_with<P: AsRef<[u8]>>(
        &mut self,
        plaintexts: &[P],
        associated_data: &[u8],
        beside: impl FnOnce(&Vec<Encrypted>, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Vec<Encrypted>, MlsError> {
        plaintexts.iter().try_for_each(|plaintext| check(plaintext.as_ref(), associated_data))?;
        let seal_all = |live: &mut Live, provider: &Provider<'_>, shared: &Shared| {
            plaintexts
                .iter()
                .map(|plaintext| live.encrypt(plaintext.as_ref(), associated_data, provider, shared))
                .collect()
        };
        self.step_with(seal_all, beside)
    }
}

pub(super) fn check(plaintext: &[u8], associated_data: &[u8]) -> Result<(), MlsError> {
    if plaintext.len() > MAX_PLAINTEXT_LENGTH {
        return Err(MlsError::TooLarge { what: "the plaintext", limit: MAX_PLAINTEXT_LENGTH });
    }
    if associated_data.len() > MAX_ASSOCIATED_DATA_LENGTH {
        return Err(MlsError::TooLarge { what: "the associated data", limit: MAX_ASSOCIATED_DATA_LENGTH });
    }
    Ok(())
}

impl Live {
    pub(super) fn encrypt(
        &mut self,
        plaintext: &[u8],
        associated_data: &[u8],
        provider: &Provider<'_>,
        shared: &Shared,
    ) -> Result<Encrypted, MlsError> {
        self.check_not_succeeded()?;
        let signer = self.signer(shared)?;
        self.mls.set_aad(associated_data.to_vec());
        let sealed = self.mls.create_message(provider, &*signer, plaintext);
        self.mls.set_aad(Vec::new());
        sealed?.tls_serialize_detached().map_err(MlsError::internal)
    }
}
