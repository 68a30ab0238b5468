//! What openmls asks of its surroundings: cryptography, randomness, storage and a signer.
//!
//! One [`Provider`] lives for one protocol step. What openmls writes goes into the step's buffer; whoever
//! began the step commits the buffer, or drops it and with it every write.

mod crypto;
mod secrets;
mod signatures;
mod signer;
mod step;
mod storage;

use coterie_store::Store;
use openmls_traits::OpenMlsProvider;

use crate::error::MlsError;

pub(crate) use crypto::EngineCrypto;
pub(crate) use secrets::Stored as StoredSecrets;
pub(crate) use signer::Signer;
pub(crate) use step::{GroupRow, StepStorage, StorageFault};

/// The surroundings of one protocol step.
pub(crate) struct Provider<'a> {
    crypto: &'a EngineCrypto,
    storage: StepStorage<'a>,
}

impl<'a> Provider<'a> {
    pub(crate) fn new(crypto: &'a EngineCrypto, store: &'a dyn Store) -> Self {
        Self { crypto, storage: StepStorage::new(store) }
    }

    /// Why the step failed: a store that could not be read comes before what openmls made of it.
    pub(crate) fn explain(&self, error: MlsError) -> MlsError {
        self.storage.fault().map_or(error, MlsError::from)
    }

    /// Ends the step: everything written becomes durable together, or nothing does.
    pub(crate) fn commit(self) -> Result<(), coterie_store::StoreError> {
        self.storage.commit()
    }
}

impl<'a> OpenMlsProvider for Provider<'a> {
    type CryptoProvider = EngineCrypto;
    type RandProvider = EngineCrypto;
    type StorageProvider = StepStorage<'a>;

    fn storage(&self) -> &Self::StorageProvider {
        &self.storage
    }

    fn crypto(&self) -> &Self::CryptoProvider {
        self.crypto
    }

    fn rand(&self) -> &Self::RandProvider {
        self.crypto
    }
}
