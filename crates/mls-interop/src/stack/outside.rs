//! What somebody outside a group may propose.

use std::sync::Arc;

use coterie_crypto::entropy::OsEntropy;
use coterie_mls::{ExternalSigner, read_group_info};

use super::join::key_package;
use super::{Stack, device, extensions, find, given, now, suite};
use crate::proto;
use crate::refusal::Refusal;

impl Stack {
    pub(crate) fn new_member_add_proposal(
        &mut self,
        request: proto::NewMemberAddProposalRequest,
    ) -> Result<proto::NewMemberAddProposalResponse, Refusal> {
        let info = read_group_info(&request.group_info)?;
        let device = device(&request.identity, info.suite)?;
        let (package, private) = key_package(&device)?;
        let proposal = device.propose_self_with(&package, &request.group_info, now())?;
        let transaction_id = self.next_handle()?;
        self.joiners.insert(transaction_id, device);
        Ok(proto::NewMemberAddProposalResponse {
            transaction_id,
            proposal,
            init_priv: private.init.clone(),
            encryption_priv: private.encryption.clone(),
            signature_priv: private.signature.clone(),
        })
    }

    pub(crate) fn create_external_signer(
        &mut self,
        request: proto::CreateExternalSignerRequest,
    ) -> Result<proto::CreateExternalSignerResponse, Refusal> {
        let suite = suite(request.cipher_suite)?;
        let signer = ExternalSigner::generate(&request.identity, suite, Arc::new(OsEntropy))?;
        let external_sender = signer.to_bytes()?;
        let signer_id = self.next_handle()?;
        self.signers.insert(signer_id, signer);
        Ok(proto::CreateExternalSignerResponse { signer_id, external_sender })
    }

    pub(crate) fn external_signer_proposal(
        &mut self,
        request: proto::ExternalSignerProposalRequest,
    ) -> Result<proto::ProposalResponse, Refusal> {
        let handle = request.signer_id;
        let signer =
            self.signers.get(&handle).ok_or(Refusal::UnknownHandle { what: "external signer", handle })?;
        let group = read_group_info(&request.group_info)?;
        let index = request.signer_index;
        let what = request.description.ok_or(Refusal::Invalid("what to propose is not described"))?;
        let proposal = match what.proposal_type.as_slice() {
            b"add" => signer.propose_add(&group, index, &what.key_package, now())?,
            b"remove" => {
                let members = signer.members(&request.group_info, given(&request.ratchet_tree))?;
                signer.propose_remove(&group, index, find(members, &what.removed_id)?)?
            }
            b"groupContextExtensions" => {
                signer.propose_extensions(&group, index, &extensions(&what.extensions)?)?
            }
            b"externalPSK" | b"resumptionPSK" => {
                return Err(Refusal::Unimplemented("a pre-shared key proposed by an external signer"));
            }
            b"reinit" => return Err(Refusal::Unimplemented("a ReInit proposed by an external signer")),
            _ => return Err(Refusal::Invalid("the type of a proposal is not known")),
        };
        Ok(proto::ProposalResponse { proposal })
    }
}
