//! Commits: staged, merged, and taken in.

use coterie_mls::{Changes, GroupExtension, PskId, Received, TreePlacement};
use coterie_types::{Epoch, LeafIndex};

use super::{Member, Stack, extensions, now};
use crate::proto;
use crate::refusal::Refusal;

/// What a commit carries itself, as opposed to the proposals that it refers to.
#[derive(Default)]
struct ByValue {
    add: Vec<Vec<u8>>,
    remove: Vec<LeafIndex>,
    psks: Vec<PskId>,
    extensions: Option<Vec<GroupExtension>>,
}

impl ByValue {
    fn read(member: &mut Member, descriptions: &[proto::ProposalDescription]) -> Result<Self, Refusal> {
        let mut all = Self::default();
        for description in descriptions {
            match description.proposal_type.as_slice() {
                b"add" => all.add.push(description.key_package.clone()),
                b"remove" => all.remove.push(member.leaf_of(&description.removed_id)?),
                b"externalPSK" => all.psks.push(PskId::External(description.psk_id.clone())),
                b"resumptionPSK" => all.psks.push(PskId::Resumption(Epoch::new(description.epoch_id))),
                b"groupContextExtensions" if all.extensions.is_some() => {
                    return Err(Refusal::Invalid("a commit sets a group's extensions once"));
                }
                b"groupContextExtensions" => all.extensions = Some(extensions(&description.extensions)?),
                b"reinit" => return Err(Refusal::Unimplemented("a ReInit proposal by value")),
                _ => return Err(Refusal::Invalid("the type of a proposal is not known")),
            }
        }
        Ok(all)
    }
}

impl Stack {
    pub(crate) fn commit(&mut self, request: proto::CommitRequest) -> Result<proto::CommitResponse, Refusal> {
        let member = self.member(request.state_id)?;
        let by_value = ByValue::read(member, &request.by_value)?;
        let references = request
            .by_reference
            .iter()
            .map(|message| member.take_in_proposal(message))
            .collect::<Result<Vec<_>, _>>()?;
        let changes = Changes {
            add: &by_value.add,
            remove: &by_value.remove,
            psks: &by_value.psks,
            extensions: by_value.extensions.as_deref(),
            // A commit that covers nothing has a path in any case (RFC 9420 section 12.4).
            update: request.force_path || (references.is_empty() && request.by_value.is_empty()),
            identity: None,
            certificate: None,
            tree: if request.external_tree { TreePlacement::Beside } else { TreePlacement::Inside },
            succession: None,
        };
        let committed = member.group.commit_exactly(changes, &references, now())?;
        Ok(proto::CommitResponse {
            commit: committed.commit,
            welcome: committed.welcome.unwrap_or_default(),
            ratchet_tree: committed.ratchet_tree.unwrap_or_default(),
        })
    }

    pub(crate) fn handle_pending_commit(
        &mut self,
        request: proto::HandlePendingCommitRequest,
    ) -> Result<proto::HandleCommitResponse, Refusal> {
        let member = self.member(request.state_id)?;
        member.group.merge_pending()?;
        member.arrived(request.state_id)
    }

    pub(crate) fn handle_commit(
        &mut self,
        request: proto::HandleCommitRequest,
    ) -> Result<proto::HandleCommitResponse, Refusal> {
        let member = self.member(request.state_id)?;
        for message in &request.proposal {
            member.take_in_proposal(message)?;
        }
        match member.group.receive(&request.commit, now())? {
            Received::Commit { .. } => member.arrived(request.state_id),
            _ => Err(Refusal::Invalid("the message is not a commit")),
        }
    }
}

impl Member {
    /// The answer of a member that has moved on. One that the commit removed has no epoch to authenticate.
    fn arrived(&mut self, state_id: u32) -> Result<proto::HandleCommitResponse, Refusal> {
        self.proposals.clear();
        let epoch_authenticator =
            if self.group.is_member() { self.group.epoch_authenticator()? } else { Vec::new() };
        Ok(proto::HandleCommitResponse { state_id, epoch_authenticator })
    }
}
