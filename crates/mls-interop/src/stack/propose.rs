//! What members propose.

use coterie_mls::{Group, MlsError, PskId, interop};
use coterie_types::Epoch;

use super::{Stack, extensions, now};
use crate::proto;
use crate::refusal::Refusal;

impl Stack {
    pub(crate) fn add_proposal(
        &mut self,
        request: proto::AddProposalRequest,
    ) -> Result<proto::ProposalResponse, Refusal> {
        self.propose(request.state_id, |group| group.propose_add(&request.key_package, now()))
    }

    pub(crate) fn update_proposal(
        &mut self,
        request: proto::UpdateProposalRequest,
    ) -> Result<proto::ProposalResponse, Refusal> {
        self.propose(request.state_id, Group::propose_update)
    }

    pub(crate) fn remove_proposal(
        &mut self,
        request: proto::RemoveProposalRequest,
    ) -> Result<proto::ProposalResponse, Refusal> {
        let leaf = self.member(request.state_id)?.leaf_of(&request.removed_id)?;
        self.propose(request.state_id, |group| group.propose_remove(leaf))
    }

    pub(crate) fn external_psk_proposal(
        &mut self,
        request: proto::ExternalPskProposalRequest,
    ) -> Result<proto::ProposalResponse, Refusal> {
        let id = PskId::External(request.psk_id);
        self.propose(request.state_id, |group| group.propose_psk(&id))
    }

    pub(crate) fn resumption_psk_proposal(
        &mut self,
        request: proto::ResumptionPskProposalRequest,
    ) -> Result<proto::ProposalResponse, Refusal> {
        let id = PskId::Resumption(Epoch::new(request.epoch_id));
        self.propose(request.state_id, |group| group.propose_psk(&id))
    }

    pub(crate) fn group_context_extensions_proposal(
        &mut self,
        request: proto::GroupContextExtensionsProposalRequest,
    ) -> Result<proto::ProposalResponse, Refusal> {
        let extensions = extensions(&request.extensions)?;
        self.propose(request.state_id, |group| group.propose_extensions(&extensions))
    }

    pub(crate) fn add_external_signer(
        &mut self,
        request: proto::AddExternalSignerRequest,
    ) -> Result<proto::ProposalResponse, Refusal> {
        let present = self.member(request.state_id)?.group.extensions()?;
        let extensions = interop::with_external_sender(&present, &request.external_sender)?;
        self.propose(request.state_id, |group| group.propose_extensions(&extensions))
    }

    fn propose(
        &mut self,
        state_id: u32,
        make: impl FnOnce(&mut Group) -> Result<Vec<u8>, MlsError>,
    ) -> Result<proto::ProposalResponse, Refusal> {
        let member = self.member(state_id)?;
        let before = member.group.pending_references()?;
        let proposal = make(&mut member.group)?;
        member.remember_proposal(&proposal, &before)?;
        Ok(proto::ProposalResponse { proposal })
    }
}
