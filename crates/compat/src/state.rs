//! Where a context's rows are, and the form in which they leave the process.
//!
//! Unlike the other store in memory this one is written like a file, so that a step which fails is undone and the
//! whole of it can be exported.

use std::sync::Arc;

use coterie_crypto::hash::{HashAlgorithm, digest};
use coterie_store::{Entry, MemoryStore, Space, Step, Store, StoreError};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::CompatError;
use crate::limits::MAX_ROWS;

/// What an exported state begins with: whose it is, and the form's version.
const MAGIC: &[u8] = b"coterie-compat\x01";

/// The context's own row.
const CONTEXT_ROW: &[u8] = b"compat/context";

/// Rows that are read at once.
const PAGE: usize = 256;

/// Rows in memory.
#[derive(Debug, Default)]
pub(crate) struct Vault(MemoryStore);

impl Store for Vault {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(space, key)
    }

    fn scan_after(
        &self,
        space: Space,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.0.scan_after(space, prefix, after, limit)
    }

    fn commit(&self, step: Step) -> Result<(), StoreError> {
        self.0.commit(step)
    }
}

/// What a context stores beside MLS.
#[derive(Clone, Default, Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct ContextRow {
    /// Its group.
    pub(crate) group: Vec<u8>,
    /// The key package that it hands out; none once that was used.
    pub(crate) key_package: Option<Vec<u8>>,
    /// A digest of its own commit that is pending.
    pub(crate) pending: Option<Vec<u8>>,
    /// For whom its nodes have sealed: group, epoch, transition.
    pub(crate) sealed_for: Vec<(Vec<u8>, u64, u32)>,
}

/// An exported state between its first bytes and its digest.
#[derive(Default, Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
struct Rows(Vec<(u8, Vec<u8>, Vec<u8>)>);

impl Vault {
    /// The context's own row, if there is one.
    pub(crate) fn context(&self) -> Result<Option<ContextRow>, CompatError> {
        let row = self.get(Space::Application, CONTEXT_ROW)?;
        row.map(|row| postcard::from_bytes(&row).map_err(|_| CompatError::Exported)).transpose()
    }

    /// Writes the context's own row.
    pub(crate) fn put_context(&self, row: &ContextRow) -> Result<(), CompatError> {
        let bytes = postcard::to_stdvec(row).map_err(|_| CompatError::Exported)?;
        self.put(CONTEXT_ROW, bytes)
    }

    /// Writes a row of this layer.
    pub(crate) fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), CompatError> {
        let mut step = Step::new();
        step.put(Space::Application, key, value)?;
        Ok(self.commit(step)?)
    }

    /// Everything, in the form of this package.
    pub(crate) fn export(&self) -> Result<Vec<u8>, CompatError> {
        let mut rows = Rows::default();
        for &space in Space::ALL {
            let mut after = Vec::new();
            loop {
                let page = self.scan_after(space, b"", &after, PAGE)?;
                let Some((last, _)) = page.last() else { break };
                after.clone_from(last);
                rows.0.extend(page.into_iter().map(|(key, value)| (space.number(), key, value)));
            }
        }
        let mut bytes = MAGIC.to_vec();
        let mut body = postcard::to_stdvec(&rows).map_err(|_| CompatError::Exported)?;
        bytes.extend_from_slice(&body);
        body.zeroize();
        let check = digest(HashAlgorithm::Sha256, &bytes);
        bytes.extend_from_slice(check.as_bytes());
        Ok(bytes)
    }

    /// The rows of an exported state.
    pub(crate) fn import(state: &[u8]) -> Result<Arc<Self>, CompatError> {
        let end = state.len().checked_sub(HashAlgorithm::Sha256.output_length());
        let (front, check) = end.and_then(|end| state.split_at_checked(end)).ok_or(CompatError::Exported)?;
        let body = front.strip_prefix(MAGIC).ok_or(CompatError::Exported)?;
        if digest(HashAlgorithm::Sha256, front).as_bytes() != check {
            return Err(CompatError::Exported);
        }
        let mut rows: Rows = postcard::from_bytes(body).map_err(|_| CompatError::Exported)?;
        if rows.0.len() > MAX_ROWS {
            return Err(CompatError::Exported);
        }
        let vault = Self::default();
        for (space, key, value) in std::mem::take(&mut rows.0) {
            let space = Space::from_number(space).ok_or(CompatError::Exported)?;
            let mut step = Step::new();
            step.put(space, &key, value)?;
            vault.commit(step)?;
        }
        Ok(Arc::new(vault))
    }
}
