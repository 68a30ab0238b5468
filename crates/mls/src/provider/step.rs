//! The rows of a step: its write buffer over the store, and where each row stands.
//!
//! Nothing reaches the store before the step commits. Message secrets are not written when openmls asks for it,
//! which is once per message and costs as much as the group has talkative members, but once per step (ADR 0004):
//! the group is asked to write them at the end, and then only those of their rows are written that differ.
//!
//! A volatile store keeps no rows that only loading a group reads: its groups live in memory and die with it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use coterie_store::{Space, Step, Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::secrets::{self, Index, Place, Stored};

/// Why a row could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StorageFault {
    /// The store itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row that is not what this version writes.
    #[error("a stored row could not be read")]
    Decode,
    /// A value that has no stored form: a defect of ours.
    #[error("a value could not be encoded")]
    Encode,
}

/// The rows of one group, in the order in which they stand behind the group's id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum GroupRow {
    Context = 1,
    Tree = 2,
    ConfirmationTag = 3,
    InterimTranscriptHash = 4,
    JoinConfig = 5,
    OwnLeafIndex = 6,
    OwnLeafNodes = 7,
    State = 8,
    EpochSecrets = 9,
    MessageSecrets = 10,
    ResumptionSecrets = 11,
    ApplicationExportTree = 12,
    EpochKeyPairs = 13,
    ProposalOrder = 14,
    Proposal = 15,
    /// Ours: the digests of own commits, see `group::commit`.
    OwnCommit = 16,
    /// Ours: a received commit that waits for the application's word.
    StagedCommit = 17,
    /// Ours: which life of the store the group began in, see `restored`.
    Life = 18,
    /// Ours: how this member's stay goes on, see `group::stay`.
    Stay = 19,
}

/// One step's view of the store.
pub(crate) struct StepStorage<'a> {
    store: &'a dyn Store,
    step: RefCell<Step>,
    message_secrets: Cell<MessageSecrets>,
    /// What is stored of the message secrets, and which epochs of them to look at.
    secrets: RefCell<SecretsPlan>,
    touches: Cell<u64>,
    fault: RefCell<Option<StorageFault>>,
    missing_psk: RefCell<Option<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum MessageSecrets {
    /// openmls has not asked for a write.
    Clean,
    /// It has; they are to be written when the step ends.
    Changed,
    /// The step is ending.
    Writing,
}

#[derive(Default)]
struct SecretsPlan {
    stored: Stored,
    current: u64,
    touched: BTreeSet<u64>,
}

pub(super) type Answer<T> = Result<T, StorageFault>;

impl<'a> StepStorage<'a> {
    pub(crate) fn new(store: &'a dyn Store) -> Self {
        Self {
            store,
            step: RefCell::new(Step::new()),
            message_secrets: Cell::new(MessageSecrets::Clean),
            secrets: RefCell::default(),
            touches: Cell::new(0),
            fault: RefCell::new(None),
            missing_psk: RefCell::new(None),
        }
    }

    /// Whether message secrets changed in this step and must be written before it commits. From here on they are,
    /// as what differs from `stored`; `current` is the epoch that the group is in now.
    pub(crate) fn begin_writing_message_secrets(&self, stored: &mut Stored, current: u64) -> bool {
        let changed = self.message_secrets.get() == MessageSecrets::Changed && !self.store.is_volatile();
        if changed {
            let mut plan = self.secrets.borrow_mut();
            plan.stored = std::mem::take(stored);
            plan.current = current;
        }
        self.message_secrets.set(MessageSecrets::Writing);
        changed
    }

    /// What is stored of the message secrets now that they were read, or once the step commits.
    pub(crate) fn take_stored_secrets(&self) -> Stored {
        std::mem::take(&mut self.secrets.borrow_mut().stored)
    }

    /// Says that the message secrets of `epoch` may change in this step. What a past epoch's are is written only if
    /// this was said.
    pub(crate) fn touch_epoch(&self, epoch: u64) {
        self.secrets.borrow_mut().touched.insert(epoch);
    }

    /// Deletes every row of a group.
    pub(crate) fn delete_group(&self, group: &impl Serialize) -> Answer<()> {
        self.touch();
        self.step.borrow_mut().delete_prefix(Space::Group, &key(group)?)?;
        Ok(())
    }

    /// Removes every row of a space.
    pub(crate) fn delete_all(&self, space: Space) -> Answer<()> {
        self.touch();
        Ok(self.step.borrow_mut().delete_prefix(space, &[])?)
    }

    /// Runs `work` on the step's writes, for rows that are none of openmls's.
    pub(crate) fn with_step<T>(&self, work: impl FnOnce(&mut Step, &dyn Store) -> T) -> T {
        work(&mut self.step.borrow_mut(), self.store)
    }

    /// Writes message secrets where the step is ending, and notes that they are to be written where it is not.
    pub(super) fn write_or_note_secrets(
        &self,
        group: &impl Serialize,
        secrets: &impl Serialize,
    ) -> Answer<()> {
        if self.message_secrets.get() == MessageSecrets::Writing {
            return self.write_secrets(group, secrets);
        }
        self.touch();
        self.message_secrets.set(MessageSecrets::Changed);
        Ok(())
    }

    pub(super) fn delete_secrets(&self, group: &impl Serialize) -> Answer<()> {
        self.message_secrets.set(MessageSecrets::Clean);
        self.secrets.replace(SecretsPlan::default());
        self.touch();
        let prefix = secrets_key(group, Place::Index)?;
        self.step.borrow_mut().delete_prefix(Space::Group, &prefix)?;
        Ok(())
    }

    fn write_secrets(&self, group: &impl Serialize, value: &impl Serialize) -> Answer<()> {
        self.touch();
        if self.store.is_volatile() {
            return Ok(());
        }
        let mut plan = self.secrets.borrow_mut();
        let SecretsPlan { stored, current, touched } = &mut *plan;
        let changes = stored.update(value, *current, touched).map_err(|_| StorageFault::Encode)?;
        let mut step = self.step.borrow_mut();
        for (place, bytes) in changes.puts {
            let bytes = Zeroizing::new(bytes);
            step.put(Space::Group, &secrets_key(group, place)?, bytes.to_vec())?;
        }
        for place in changes.deletes {
            step.delete(Space::Group, &secrets_key(group, place)?)?;
        }
        Ok(())
    }

    pub(super) fn read_secrets<T: DeserializeOwned>(&self, group: &impl Serialize) -> Answer<Option<T>> {
        let Some(index) = self.read::<Index>(Space::Group, &secrets_key(group, Place::Index)?)? else {
            return Ok(None);
        };
        let (whole, stored) = secrets::join(index, |place| {
            let row = self.step.borrow().get(self.store, Space::Group, &secrets_key(group, place)?)?;
            row.ok_or(StorageFault::Decode)
        })?;
        self.secrets.borrow_mut().stored = stored;
        postcard::from_bytes(&whole).map(Some).map_err(|_| StorageFault::Decode)
    }

    /// How often something was changed in this step.
    pub(crate) fn touches(&self) -> u64 {
        self.touches.get()
    }

    /// Whether anything was changed in this step.
    pub(crate) fn is_touched(&self) -> bool {
        self.touches() > 0
    }

    pub(crate) fn commit(self) -> Result<(), StoreError> {
        let step = self.step.into_inner();
        if step.is_empty() { Ok(()) } else { self.store.commit(step) }
    }

    /// Reads a row of ours beside openmls's.
    pub(crate) fn group_row<T: DeserializeOwned>(
        &self,
        group: &impl Serialize,
        row: GroupRow,
    ) -> Answer<Option<T>> {
        self.read(Space::Group, &group_key(group, row, &[])?)
    }

    pub(super) fn put_group_row(
        &self,
        group: &impl Serialize,
        row: GroupRow,
        value: &impl Serialize,
    ) -> Answer<()> {
        self.write(Space::Group, &group_key(group, row, &[])?, value)
    }

    /// Removes a row of ours beside openmls's.
    pub(crate) fn delete_group_row(&self, group: &impl Serialize, row: GroupRow) -> Answer<()> {
        self.delete(Space::Group, group_key(group, row, &[])?)
    }

    /// Reads a row outside any group.
    pub(crate) fn row<T: DeserializeOwned>(&self, space: Space, key: &[u8]) -> Answer<Option<T>> {
        self.read(space, key)
    }

    /// Writes a row outside any group.
    pub(crate) fn put_row(&self, space: Space, key: &[u8], value: &impl Serialize) -> Answer<()> {
        self.write(space, key, value)
    }

    /// Deletes a row outside any group.
    pub(crate) fn delete_row(&self, space: Space, key: Vec<u8>) -> Answer<()> {
        self.delete(space, key)
    }

    fn touch(&self) {
        self.touches.set(self.touches.get().saturating_add(1));
    }

    pub(super) fn read<T: DeserializeOwned>(&self, space: Space, key: &[u8]) -> Answer<Option<T>> {
        self.noting(self.try_read(space, key))
    }

    fn try_read<T: DeserializeOwned>(&self, space: Space, key: &[u8]) -> Answer<Option<T>> {
        let bytes = self.step.borrow().get(self.store, space, key)?.map(Zeroizing::new);
        bytes.map(|bytes| postcard::from_bytes(&bytes)).transpose().map_err(|_| StorageFault::Decode)
    }

    /// Remembers why a read failed.
    pub(super) fn noting<T>(&self, value: Answer<T>) -> Answer<T> {
        if let Err(fault) = &value {
            self.fault.replace(Some(fault.clone()));
        }
        value
    }

    /// The fault that the last failed read met. openmls takes some of them for a row that is not there.
    pub(crate) fn fault(&self) -> Option<StorageFault> {
        self.fault.borrow().clone()
    }

    pub(super) fn read_psk<T: DeserializeOwned>(&self, id: &impl Serialize) -> Answer<Option<T>> {
        let key = key(id)?;
        let secret = self.read(Space::Psk, &key)?;
        if secret.is_none() {
            self.missing_psk.replace(Some(key));
        }
        Ok(secret)
    }

    /// The id of the pre-shared key that was last asked for and is not stored: openmls does not say which it missed.
    pub(crate) fn missing_psk<T: DeserializeOwned>(&self) -> Option<T> {
        self.missing_psk.borrow().as_ref().and_then(|key| postcard::from_bytes(key).ok())
    }

    pub(super) fn write(&self, space: Space, key: &[u8], value: &(impl Serialize + ?Sized)) -> Answer<()> {
        self.touch();
        let bytes = postcard::to_stdvec(value).map_err(|_| StorageFault::Encode)?;
        self.step.borrow_mut().put(space, key, bytes)?;
        Ok(())
    }

    pub(super) fn delete(&self, space: Space, key: Vec<u8>) -> Answer<()> {
        self.touch();
        self.step.borrow_mut().delete(space, &key)?;
        Ok(())
    }

    /// Writes a row of ours that only loading the group reads: a volatile store does without.
    pub(crate) fn put_loadable_row(
        &self,
        group: &impl Serialize,
        row: GroupRow,
        value: &impl Serialize,
    ) -> Answer<()> {
        self.touch();
        if self.store.is_volatile() { Ok(()) } else { self.put_group_row(group, row, value) }
    }
}

pub(super) fn key(value: &impl Serialize) -> Answer<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|_| StorageFault::Encode)
}

fn secrets_key(group: &impl Serialize, place: Place) -> Answer<Vec<u8>> {
    group_key(group, GroupRow::MessageSecrets, &place.suffix())
}

/// The encoded group id carries its length, so no group's rows begin another's.
pub(super) fn group_key(group: &impl Serialize, row: GroupRow, suffix: &[u8]) -> Answer<Vec<u8>> {
    let mut bytes = key(group)?;
    bytes.push(row as u8);
    bytes.extend_from_slice(suffix);
    Ok(bytes)
}

pub(super) fn epoch_suffix(epoch: &impl Serialize, leaf_index: u32) -> Answer<Vec<u8>> {
    let mut bytes = key(epoch)?;
    bytes.extend_from_slice(&leaf_index.to_be_bytes());
    Ok(bytes)
}
