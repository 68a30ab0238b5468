//! The calls that the engine cannot serve. Why stands in [`UNIMPLEMENTED`](crate::UNIMPLEMENTED).

use super::Stack;
use crate::proto;
use crate::refusal::Refusal;

macro_rules! unimplemented_calls {
    ($($call:ident($name:literal): $request:ident -> $response:ident;)*) => {
        impl Stack {
            $(pub(crate) fn $call(
                &mut self,
                _: proto::$request,
            ) -> Result<proto::$response, Refusal> {
                Err(Refusal::Unimplemented($name))
            })*
        }
    };
}

unimplemented_calls! {
    re_init_proposal("ReInitProposal"): ReInitProposalRequest -> ProposalResponse;
    re_init_commit("ReInitCommit"): CommitRequest -> CommitResponse;
    handle_pending_re_init_commit("HandlePendingReInitCommit"):
        HandlePendingReInitCommitRequest -> HandleReInitCommitResponse;
    handle_re_init_commit("HandleReInitCommit"): HandleCommitRequest -> HandleReInitCommitResponse;
    re_init_welcome("ReInitWelcome"): ReInitWelcomeRequest -> CreateSubgroupResponse;
    handle_re_init_welcome("HandleReInitWelcome"): HandleReInitWelcomeRequest -> JoinGroupResponse;
    create_branch("CreateBranch"): CreateBranchRequest -> CreateSubgroupResponse;
    handle_branch("HandleBranch"): HandleBranchRequest -> HandleBranchResponse;
}
