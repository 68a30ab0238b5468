//! openmls's storage over a step's write buffer.
//!
//! Nothing reaches the store before the step commits. Message secrets are not written when openmls asks for it,
//! which is once per message and costs as much as the group has talkative members, but once per step (ADR 0004):
//! the group is asked to write them at the end, and then only those of their rows are written that differ.
//!
//! Rows are in postcard's form, with one exception. The join configuration holds a policy that openmls reads by
//! looking at what is there, a number or the name of a variant, and postcard's form does not say what is there.
//! So that row is JSON: it is small, rarely written and holds no secret.
//!
//! A volatile store keeps no rows that only loading a group reads: its groups live in memory and die with it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use coterie_store::{Space, Step, Store, StoreError};
use openmls_traits::storage::{CURRENT_VERSION, Entity, StorageProvider, traits};
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

type Answer<T> = Result<T, StorageFault>;

impl<'a> StepStorage<'a> {
    pub(crate) fn new(store: &'a dyn Store) -> Self {
        Self {
            store,
            step: RefCell::new(Step::new()),
            message_secrets: Cell::new(MessageSecrets::Clean),
            secrets: RefCell::default(),
            touches: Cell::new(0),
            fault: RefCell::new(None),
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

    fn read_secrets<T: DeserializeOwned>(&self, group: &impl Serialize) -> Answer<Option<T>> {
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

    fn put_group_row(&self, group: &impl Serialize, row: GroupRow, value: &impl Serialize) -> Answer<()> {
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

    fn read<T: DeserializeOwned>(&self, space: Space, key: &[u8]) -> Answer<Option<T>> {
        self.noting(self.try_read(space, key))
    }

    fn try_read<T: DeserializeOwned>(&self, space: Space, key: &[u8]) -> Answer<Option<T>> {
        let bytes = self.step.borrow().get(self.store, space, key)?.map(Zeroizing::new);
        bytes.map(|bytes| postcard::from_bytes(&bytes)).transpose().map_err(|_| StorageFault::Decode)
    }

    /// Remembers why a read failed.
    fn noting<T>(&self, value: Answer<T>) -> Answer<T> {
        if let Err(fault) = &value {
            self.fault.replace(Some(fault.clone()));
        }
        value
    }

    /// The fault that the last failed read met. openmls takes some of them for a row that is not there.
    pub(crate) fn fault(&self) -> Option<StorageFault> {
        self.fault.borrow().clone()
    }

    fn write(&self, space: Space, key: &[u8], value: &(impl Serialize + ?Sized)) -> Answer<()> {
        self.touch();
        let bytes = postcard::to_stdvec(value).map_err(|_| StorageFault::Encode)?;
        self.step.borrow_mut().put(space, key, bytes)?;
        Ok(())
    }

    fn delete(&self, space: Space, key: Vec<u8>) -> Answer<()> {
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

fn key(value: &impl Serialize) -> Answer<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|_| StorageFault::Encode)
}

fn secrets_key(group: &impl Serialize, place: Place) -> Answer<Vec<u8>> {
    group_key(group, GroupRow::MessageSecrets, &place.suffix())
}

/// The encoded group id carries its length, so no group's rows begin another's.
fn group_key(group: &impl Serialize, row: GroupRow, suffix: &[u8]) -> Answer<Vec<u8>> {
    let mut bytes = key(group)?;
    bytes.push(row as u8);
    bytes.extend_from_slice(suffix);
    Ok(bytes)
}

fn epoch_suffix(epoch: &impl Serialize, leaf_index: u32) -> Answer<Vec<u8>> {
    let mut bytes = key(epoch)?;
    bytes.extend_from_slice(&leaf_index.to_be_bytes());
    Ok(bytes)
}

impl StorageProvider<CURRENT_VERSION> for StepStorage<'_> {
    type Error = StorageFault;

    fn write_mls_join_config<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::MlsGroupJoinConfig<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        config: &T,
    ) -> Answer<()> {
        let json = serde_json::to_vec(config).map_err(|_| StorageFault::Encode)?;
        self.put_loadable_row(group, GroupRow::JoinConfig, &json)
    }

    fn mls_group_join_config<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::MlsGroupJoinConfig<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        let json: Option<Vec<u8>> = self.group_row(group, GroupRow::JoinConfig)?;
        let config = json.map(|json| serde_json::from_slice(&json)).transpose();
        self.noting(config.map_err(|_| StorageFault::Decode))
    }

    fn delete_group_config<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_group_row(group, GroupRow::JoinConfig)
    }

    fn write_tree<G: traits::GroupId<CURRENT_VERSION>, T: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        group: &G,
        tree: &T,
    ) -> Answer<()> {
        self.put_loadable_row(group, GroupRow::Tree, tree)
    }

    fn tree<G: traits::GroupId<CURRENT_VERSION>, T: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.group_row(group, GroupRow::Tree)
    }

    fn delete_tree<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_group_row(group, GroupRow::Tree)
    }

    fn write_interim_transcript_hash<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        hash: &T,
    ) -> Answer<()> {
        self.put_loadable_row(group, GroupRow::InterimTranscriptHash, hash)
    }

    fn interim_transcript_hash<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.group_row(group, GroupRow::InterimTranscriptHash)
    }

    fn delete_interim_transcript_hash<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_group_row(group, GroupRow::InterimTranscriptHash)
    }

    fn write_context<G: traits::GroupId<CURRENT_VERSION>, T: traits::GroupContext<CURRENT_VERSION>>(
        &self,
        group: &G,
        context: &T,
    ) -> Answer<()> {
        self.put_loadable_row(group, GroupRow::Context, context)
    }

    fn group_context<G: traits::GroupId<CURRENT_VERSION>, T: traits::GroupContext<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.group_row(group, GroupRow::Context)
    }

    fn delete_context<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_group_row(group, GroupRow::Context)
    }

    fn write_confirmation_tag<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        tag: &T,
    ) -> Answer<()> {
        self.put_loadable_row(group, GroupRow::ConfirmationTag, tag)
    }

    fn confirmation_tag<G: traits::GroupId<CURRENT_VERSION>, T: traits::ConfirmationTag<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.group_row(group, GroupRow::ConfirmationTag)
    }

    fn delete_confirmation_tag<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_group_row(group, GroupRow::ConfirmationTag)
    }

    fn write_resumption_psk_store<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::ResumptionPskStore<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        secrets: &T,
    ) -> Answer<()> {
        self.put_loadable_row(group, GroupRow::ResumptionSecrets, secrets)
    }

    fn resumption_psk_store<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::ResumptionPskStore<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.group_row(group, GroupRow::ResumptionSecrets)
    }

    fn delete_all_resumption_psk_secrets<G: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<()> {
        self.delete_group_row(group, GroupRow::ResumptionSecrets)
    }

    fn write_own_leaf_index<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::LeafNodeIndex<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        index: &T,
    ) -> Answer<()> {
        self.put_loadable_row(group, GroupRow::OwnLeafIndex, index)
    }

    fn own_leaf_index<G: traits::GroupId<CURRENT_VERSION>, T: traits::LeafNodeIndex<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.group_row(group, GroupRow::OwnLeafIndex)
    }

    fn delete_own_leaf_index<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_group_row(group, GroupRow::OwnLeafIndex)
    }

    fn write_group_epoch_secrets<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::GroupEpochSecrets<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        secrets: &T,
    ) -> Answer<()> {
        self.put_loadable_row(group, GroupRow::EpochSecrets, secrets)
    }

    fn group_epoch_secrets<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::GroupEpochSecrets<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.group_row(group, GroupRow::EpochSecrets)
    }

    fn delete_group_epoch_secrets<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_group_row(group, GroupRow::EpochSecrets)
    }

    fn write_application_export_tree<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        tree: &T,
    ) -> Answer<()> {
        self.put_loadable_row(group, GroupRow::ApplicationExportTree, tree)
    }

    fn application_export_tree<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.group_row(group, GroupRow::ApplicationExportTree)
    }

    fn delete_application_export_tree<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Answer<()> {
        self.delete_group_row(group, GroupRow::ApplicationExportTree)
    }

    fn write_group_state<T: traits::GroupState<CURRENT_VERSION>, G: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group: &G,
        state: &T,
    ) -> Answer<()> {
        self.put_loadable_row(group, GroupRow::State, state)
    }

    fn group_state<T: traits::GroupState<CURRENT_VERSION>, G: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.group_row(group, GroupRow::State)
    }

    fn delete_group_state<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_group_row(group, GroupRow::State)
    }

    fn write_message_secrets<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::MessageSecrets<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        secrets: &T,
    ) -> Answer<()> {
        if self.message_secrets.get() == MessageSecrets::Writing {
            return self.write_secrets(group, secrets);
        }
        self.touch();
        self.message_secrets.set(MessageSecrets::Changed);
        Ok(())
    }

    fn message_secrets<G: traits::GroupId<CURRENT_VERSION>, T: traits::MessageSecrets<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.noting(self.read_secrets(group))
    }

    fn delete_message_secrets<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.message_secrets.set(MessageSecrets::Clean);
        self.secrets.replace(SecretsPlan::default());
        self.touch();
        let prefix = secrets_key(group, Place::Index)?;
        self.step.borrow_mut().delete_prefix(Space::Group, &prefix)?;
        Ok(())
    }

    fn append_own_leaf_node<G: traits::GroupId<CURRENT_VERSION>, T: traits::LeafNode<CURRENT_VERSION>>(
        &self,
        group: &G,
        node: &T,
    ) -> Answer<()> {
        let mut nodes: Vec<Vec<u8>> = self.group_row(group, GroupRow::OwnLeafNodes)?.unwrap_or_default();
        nodes.push(key(node)?);
        self.put_group_row(group, GroupRow::OwnLeafNodes, &nodes)
    }

    fn own_leaf_nodes<G: traits::GroupId<CURRENT_VERSION>, T: traits::LeafNode<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<Vec<T>> {
        let nodes: Vec<Vec<u8>> = self.group_row(group, GroupRow::OwnLeafNodes)?.unwrap_or_default();
        decode_each(&nodes)
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_group_row(group, GroupRow::OwnLeafNodes)
    }

    fn queue_proposal<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        T: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        reference: &R,
        proposal: &T,
    ) -> Answer<()> {
        let reference = key(reference)?;
        let mut order: Vec<Vec<u8>> = self.group_row(group, GroupRow::ProposalOrder)?.unwrap_or_default();
        self.write(Space::Group, &group_key(group, GroupRow::Proposal, &reference)?, proposal)?;
        if !order.contains(&reference) {
            order.push(reference);
            self.put_group_row(group, GroupRow::ProposalOrder, &order)?;
        }
        Ok(())
    }

    fn queued_proposal_refs<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<Vec<R>> {
        let order: Vec<Vec<u8>> = self.group_row(group, GroupRow::ProposalOrder)?.unwrap_or_default();
        decode_each(&order)
    }

    fn queued_proposals<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        T: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Answer<Vec<(R, T)>> {
        let order: Vec<Vec<u8>> = self.group_row(group, GroupRow::ProposalOrder)?.unwrap_or_default();
        order
            .iter()
            .map(|reference| {
                let proposal = self.read(Space::Group, &group_key(group, GroupRow::Proposal, reference)?)?;
                let reference = postcard::from_bytes(reference).map_err(|_| StorageFault::Decode)?;
                Ok((reference, proposal.ok_or(StorageFault::Decode)?))
            })
            .collect()
    }

    fn remove_proposal<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        group: &G,
        reference: &R,
    ) -> Answer<()> {
        let reference = key(reference)?;
        let mut order: Vec<Vec<u8>> = self.group_row(group, GroupRow::ProposalOrder)?.unwrap_or_default();
        order.retain(|other| *other != reference);
        self.put_group_row(group, GroupRow::ProposalOrder, &order)?;
        self.delete(Space::Group, group_key(group, GroupRow::Proposal, &reference)?)
    }

    fn clear_proposal_queue<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<()> {
        let order: Vec<Vec<u8>> = self.group_row(group, GroupRow::ProposalOrder)?.unwrap_or_default();
        for reference in &order {
            self.delete(Space::Group, group_key(group, GroupRow::Proposal, reference)?)?;
        }
        if order.is_empty() { Ok(()) } else { self.delete_group_row(group, GroupRow::ProposalOrder) }
    }

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        T: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
        pairs: &[T],
    ) -> Answer<()> {
        let key = group_key(group, GroupRow::EpochKeyPairs, &epoch_suffix(epoch, leaf_index)?)?;
        self.write(Space::Group, &key, pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        T: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Answer<Vec<T>> {
        let key = group_key(group, GroupRow::EpochKeyPairs, &epoch_suffix(epoch, leaf_index)?)?;
        Ok(self.read(Space::Group, &key)?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Answer<()> {
        self.delete(
            Space::Group,
            group_key(group, GroupRow::EpochKeyPairs, &epoch_suffix(epoch, leaf_index)?)?,
        )
    }

    fn write_encryption_key_pair<
        K: traits::EncryptionKey<CURRENT_VERSION>,
        T: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        public: &K,
        pair: &T,
    ) -> Answer<()> {
        self.write(Space::EncryptionKey, &key(public)?, pair)
    }

    fn encryption_key_pair<
        T: traits::HpkeKeyPair<CURRENT_VERSION>,
        K: traits::EncryptionKey<CURRENT_VERSION>,
    >(
        &self,
        public: &K,
    ) -> Answer<Option<T>> {
        self.read(Space::EncryptionKey, &key(public)?)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<CURRENT_VERSION>>(
        &self,
        public: &K,
    ) -> Answer<()> {
        self.delete(Space::EncryptionKey, key(public)?)
    }

    fn write_key_package<
        R: traits::HashReference<CURRENT_VERSION>,
        T: traits::KeyPackage<CURRENT_VERSION>,
    >(
        &self,
        reference: &R,
        package: &T,
    ) -> Answer<()> {
        self.write(Space::KeyPackage, &key(reference)?, package)
    }

    fn key_package<R: traits::HashReference<CURRENT_VERSION>, T: traits::KeyPackage<CURRENT_VERSION>>(
        &self,
        reference: &R,
    ) -> Answer<Option<T>> {
        self.read(Space::KeyPackage, &key(reference)?)
    }

    fn delete_key_package<R: traits::HashReference<CURRENT_VERSION>>(&self, reference: &R) -> Answer<()> {
        self.delete(Space::KeyPackage, key(reference)?)
    }

    fn write_psk<I: traits::PskId<CURRENT_VERSION>, T: traits::PskBundle<CURRENT_VERSION>>(
        &self,
        id: &I,
        bundle: &T,
    ) -> Answer<()> {
        self.write(Space::Psk, &key(id)?, bundle)
    }

    fn psk<T: traits::PskBundle<CURRENT_VERSION>, I: traits::PskId<CURRENT_VERSION>>(
        &self,
        id: &I,
    ) -> Answer<Option<T>> {
        self.read(Space::Psk, &key(id)?)
    }

    fn delete_psk<I: traits::PskId<CURRENT_VERSION>>(&self, id: &I) -> Answer<()> {
        self.delete(Space::Psk, key(id)?)
    }

    fn write_signature_key_pair<
        K: traits::SignaturePublicKey<CURRENT_VERSION>,
        T: traits::SignatureKeyPair<CURRENT_VERSION>,
    >(
        &self,
        _public: &K,
        _pair: &T,
    ) -> Answer<()> {
        // The device keeps its signature key itself; openmls never calls this.
        Err(StorageFault::Encode)
    }

    fn signature_key_pair<
        K: traits::SignaturePublicKey<CURRENT_VERSION>,
        T: traits::SignatureKeyPair<CURRENT_VERSION>,
    >(
        &self,
        _public: &K,
    ) -> Answer<Option<T>> {
        Ok(None)
    }

    fn delete_signature_key_pair<K: traits::SignaturePublicKey<CURRENT_VERSION>>(
        &self,
        _public: &K,
    ) -> Answer<()> {
        Ok(())
    }
}

fn decode_each<T: Entity<CURRENT_VERSION>>(rows: &[Vec<u8>]) -> Answer<Vec<T>> {
    rows.iter().map(|bytes| postcard::from_bytes(bytes).map_err(|_| StorageFault::Decode)).collect()
}
