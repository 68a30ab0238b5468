//! openmls's storage over a step's rows.
//!
//! Rows are in postcard's form, with one exception. The join configuration holds a policy that openmls reads by
//! looking at what is there, a number or the name of a variant, and postcard's form does not say what is there.
//! So that row is JSON: it is small, rarely written and holds no secret.

use coterie_store::Space;
use openmls_traits::storage::{CURRENT_VERSION, Entity, StorageProvider, traits};

use super::step::{Answer, GroupRow, StepStorage, StorageFault, epoch_suffix, group_key, key};

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
        self.write_or_note_secrets(group, secrets)
    }

    fn message_secrets<G: traits::GroupId<CURRENT_VERSION>, T: traits::MessageSecrets<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Answer<Option<T>> {
        self.noting(self.read_secrets(group))
    }

    fn delete_message_secrets<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Answer<()> {
        self.delete_secrets(group)
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
        self.read_psk(id)
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
