//! How groups begin and how members come in.

use coterie_mls::interop::PrivateKeys;
use coterie_mls::{Device, ExternalJoin, GroupOptions, KeyPackageOptions, MlsError, PskId, read_group_info};
use coterie_types::GroupId;

use super::{Member, Stack, device, given, now, suite};
use crate::proto;
use crate::refusal::Refusal;

impl Stack {
    pub(crate) fn create_group(
        &mut self,
        request: proto::CreateGroupRequest,
    ) -> Result<proto::CreateGroupResponse, Refusal> {
        let suite = suite(request.cipher_suite)?;
        let device = device(&request.identity, suite)?;
        let id = GroupId::new(&request.group_id)
            .map_err(|_| Refusal::Invalid("a group's id has between 1 and 255 bytes"))?;
        let group = device.create_group(GroupOptions { id: Some(id), suite: Some(suite) }, now())?;
        let state_id = self.admit(Member::new(device, group, request.encrypt_handshake)?)?;
        Ok(proto::CreateGroupResponse { state_id })
    }

    pub(crate) fn create_key_package(
        &mut self,
        request: proto::CreateKeyPackageRequest,
    ) -> Result<proto::CreateKeyPackageResponse, Refusal> {
        let device = device(&request.identity, suite(request.cipher_suite)?)?;
        let (key_package, private) = key_package(&device)?;
        let transaction_id = self.next_handle()?;
        self.joiners.insert(transaction_id, device);
        Ok(proto::CreateKeyPackageResponse {
            transaction_id,
            key_package,
            init_priv: private.init.clone(),
            encryption_priv: private.encryption.clone(),
            signature_priv: private.signature.clone(),
        })
    }

    pub(crate) fn join_group(
        &mut self,
        request: proto::JoinGroupRequest,
    ) -> Result<proto::JoinGroupResponse, Refusal> {
        let handle = request.transaction_id;
        let device =
            self.joiners.get(&handle).ok_or(Refusal::UnknownHandle { what: "key package", handle })?.clone();
        if !request.identity.is_empty() && device.identity() != request.identity {
            return Err(Refusal::Invalid("the key package was made for another identity"));
        }
        let group = device.join(&request.welcome, given(&request.ratchet_tree), now())?;
        let mut member = Member::new(device, group, request.encrypt_handshake)?;
        let epoch_authenticator = member.group.epoch_authenticator()?;
        self.joiners.remove(&handle);
        Ok(proto::JoinGroupResponse { state_id: self.admit(member)?, epoch_authenticator })
    }

    pub(crate) fn external_join(
        &mut self,
        request: proto::ExternalJoinRequest,
    ) -> Result<proto::ExternalJoinResponse, Refusal> {
        let info = read_group_info(&request.group_info)?;
        let prior =
            request.remove_prior.then(|| self.prior(&info.group_id, &request.identity)).transpose()?;
        let device = match &prior {
            Some((_, device)) => device.clone(),
            None => device(&request.identity, info.suite)?,
        };
        for psk in &request.psks {
            device.store_psk(&psk.psk_id, &psk.psk_secret)?;
        }
        let psks: Vec<_> = request.psks.iter().map(|psk| PskId::External(psk.psk_id.clone())).collect();
        let options = ExternalJoin {
            ratchet_tree: given(&request.ratchet_tree),
            resync: request.remove_prior,
            psks: &psks,
        };
        let (group, commit) = device.join_external(&request.group_info, options, now())?;
        let mut member = Member::new(device, group, request.encrypt_handshake)?;
        let epoch_authenticator = member.group.epoch_authenticator()?;
        let state_id = match prior {
            // The old view has no keys any more: its handle stands for the new one.
            Some((handle, _)) => {
                self.members.insert(handle, member);
                handle
            }
            None => self.admit(member)?,
        };
        Ok(proto::ExternalJoinResponse { state_id, commit, epoch_authenticator })
    }

    /// The member that is to come back: openmls removes the leaf that has the joiner's own signature key and no
    /// other, so it is the device from then that has to join.
    fn prior(&self, group: &GroupId, identity: &[u8]) -> Result<(u32, Device), Refusal> {
        self.members
            .iter()
            .rev()
            .find(|(_, member)| member.group.id() == group && member.device.identity() == identity)
            .map(|(handle, member)| (*handle, member.device.clone()))
            .ok_or(Refusal::Invalid("nobody of that identity was in that group here"))
    }

    pub(crate) fn store_psk(
        &mut self,
        request: proto::StorePskRequest,
    ) -> Result<proto::StorePskResponse, Refusal> {
        let handle = request.state_or_transaction_id;
        let member = self.members.get(&handle).map(|member| &member.device);
        let device = member
            .or_else(|| self.joiners.get(&handle))
            .ok_or(Refusal::UnknownHandle { what: "member or key package", handle })?;
        device.store_psk(&request.psk_id, &request.psk_secret)?;
        Ok(proto::StorePskResponse {})
    }
}

/// A key package of `device`, with its private keys.
pub(super) fn key_package(device: &Device) -> Result<(Vec<u8>, PrivateKeys), MlsError> {
    let package = device.key_package(KeyPackageOptions::default(), now())?;
    let private = device.export_private_keys(&package)?;
    Ok((package, private))
}
