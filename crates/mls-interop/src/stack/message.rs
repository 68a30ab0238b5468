//! What members say, and what they can tell about the group.

use coterie_mls::Received;

use super::{Stack, now};
use crate::proto;
use crate::refusal::Refusal;

impl Stack {
    pub(crate) fn group_info(
        &mut self,
        request: proto::GroupInfoRequest,
    ) -> Result<proto::GroupInfoResponse, Refusal> {
        let group = &mut self.member(request.state_id)?.group;
        let group_info = group.group_info(!request.external_tree)?;
        let ratchet_tree = if request.external_tree { group.ratchet_tree()? } else { Vec::new() };
        Ok(proto::GroupInfoResponse { group_info, ratchet_tree })
    }

    pub(crate) fn state_auth(
        &mut self,
        request: proto::StateAuthRequest,
    ) -> Result<proto::StateAuthResponse, Refusal> {
        let state_auth_secret = self.member(request.state_id)?.group.epoch_authenticator()?;
        Ok(proto::StateAuthResponse { state_auth_secret })
    }

    pub(crate) fn export(&mut self, request: proto::ExportRequest) -> Result<proto::ExportResponse, Refusal> {
        let length = usize::try_from(request.key_length)
            .map_err(|_| Refusal::Invalid("the length is beyond this machine"))?;
        let group = &mut self.member(request.state_id)?.group;
        let exported_secret = group.export_secret(&request.label, &request.context, length)?;
        Ok(proto::ExportResponse { exported_secret })
    }

    pub(crate) fn protect(
        &mut self,
        request: proto::ProtectRequest,
    ) -> Result<proto::ProtectResponse, Refusal> {
        let group = &mut self.member(request.state_id)?.group;
        Ok(proto::ProtectResponse {
            ciphertext: group.encrypt(&request.plaintext, &request.authenticated_data)?,
        })
    }

    pub(crate) fn unprotect(
        &mut self,
        request: proto::UnprotectRequest,
    ) -> Result<proto::UnprotectResponse, Refusal> {
        let group = &mut self.member(request.state_id)?.group;
        match group.stage(&request.ciphertext, now())? {
            Received::Message { plaintext, associated_data, .. } => {
                Ok(proto::UnprotectResponse { authenticated_data: associated_data, plaintext })
            }
            Received::Staged(_) => {
                group.discard_staged()?;
                Err(Refusal::Invalid("a commit stands where an application message belongs"))
            }
            _ => Err(Refusal::Invalid("the message is not another member's application message")),
        }
    }
}
