//! The service: every call, one at a time, none of which can end the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use tonic::{Request, Response, Status};

use crate::proto::{self, mls_client_server::MlsClient};
use crate::refusal::Refusal;
use crate::stack::Stack;

/// One stack behind the interface.
#[derive(Default)]
pub(crate) struct Service {
    stack: Mutex<Stack>,
}

impl Service {
    /// Answers one call. A panic is the answer to that call only; what it was about to change may be in disorder,
    /// and the engine refuses to go on with a group of which that is true.
    fn answer<T>(&self, call: impl FnOnce(&mut Stack) -> Result<T, Refusal>) -> Result<Response<T>, Status> {
        let mut stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        match catch_unwind(AssertUnwindSafe(|| call(&mut stack))) {
            Ok(answer) => answer.map(Response::new).map_err(Status::from),
            Err(_) => Err(Status::internal("the call panicked")),
        }
    }
}

macro_rules! calls {
    ($($call:ident: $request:ident -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl MlsClient for Service {
            $(async fn $call(
                &self,
                request: Request<proto::$request>,
            ) -> Result<Response<proto::$response>, Status> {
                self.answer(|stack| stack.$call(request.into_inner()))
            })*
        }
    };
}

calls! {
    name: NameRequest -> NameResponse;
    supported_ciphersuites: SupportedCiphersuitesRequest -> SupportedCiphersuitesResponse;
    create_group: CreateGroupRequest -> CreateGroupResponse;
    create_key_package: CreateKeyPackageRequest -> CreateKeyPackageResponse;
    join_group: JoinGroupRequest -> JoinGroupResponse;
    external_join: ExternalJoinRequest -> ExternalJoinResponse;
    group_info: GroupInfoRequest -> GroupInfoResponse;
    state_auth: StateAuthRequest -> StateAuthResponse;
    export: ExportRequest -> ExportResponse;
    protect: ProtectRequest -> ProtectResponse;
    unprotect: UnprotectRequest -> UnprotectResponse;
    store_psk: StorePskRequest -> StorePskResponse;
    add_proposal: AddProposalRequest -> ProposalResponse;
    update_proposal: UpdateProposalRequest -> ProposalResponse;
    remove_proposal: RemoveProposalRequest -> ProposalResponse;
    external_psk_proposal: ExternalPskProposalRequest -> ProposalResponse;
    resumption_psk_proposal: ResumptionPskProposalRequest -> ProposalResponse;
    group_context_extensions_proposal: GroupContextExtensionsProposalRequest -> ProposalResponse;
    commit: CommitRequest -> CommitResponse;
    handle_commit: HandleCommitRequest -> HandleCommitResponse;
    handle_pending_commit: HandlePendingCommitRequest -> HandleCommitResponse;
    re_init_proposal: ReInitProposalRequest -> ProposalResponse;
    re_init_commit: CommitRequest -> CommitResponse;
    handle_pending_re_init_commit: HandlePendingReInitCommitRequest -> HandleReInitCommitResponse;
    handle_re_init_commit: HandleCommitRequest -> HandleReInitCommitResponse;
    re_init_welcome: ReInitWelcomeRequest -> CreateSubgroupResponse;
    handle_re_init_welcome: HandleReInitWelcomeRequest -> JoinGroupResponse;
    create_branch: CreateBranchRequest -> CreateSubgroupResponse;
    handle_branch: HandleBranchRequest -> HandleBranchResponse;
    new_member_add_proposal: NewMemberAddProposalRequest -> NewMemberAddProposalResponse;
    create_external_signer: CreateExternalSignerRequest -> CreateExternalSignerResponse;
    add_external_signer: AddExternalSignerRequest -> ProposalResponse;
    external_signer_proposal: ExternalSignerProposalRequest -> ProposalResponse;
    free: FreeRequest -> FreeResponse;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_call_is_that_calls_answer_and_the_next_call_is_served() {
        let service = Service::default();
        let status = service.answer::<()>(|_| panic!("on purpose")).unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(service.answer(|stack| stack.name(proto::NameRequest {})).is_ok());
    }
}
