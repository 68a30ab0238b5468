//! The scripts of the working group's runner, over two servers of ours: every suite, handshakes in the clear and
//! encrypted, all through gRPC.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod runner;

use coterie_mls_interop::UNIMPLEMENTED;
use coterie_mls_interop::proto::*;
use runner::{
    Ask, ExternalAsk, World, add, block_on, call, describe, every_configuration, external_psk, remove,
    resumption_psk, server, set_extensions, some_extensions, store_psk,
};
use tonic::Code;

#[test]
fn a_stack_says_what_it_is_called_and_which_suites_it_speaks() {
    block_on(async {
        let mut client = server().await;
        assert_eq!(call!(client, name, NameRequest {}).unwrap().name, "Coterie");
        let suites = call!(client, supported_ciphersuites, SupportedCiphersuitesRequest {}).unwrap();
        assert_eq!(suites.ciphersuites, [1, 2, 3]);
    });
}

#[test]
fn welcome_join_with_the_tree_inside_or_beside_with_keys_and_with_a_path() {
    every_configuration(|mut world| async move {
        world.group(1).await;
        for (external_tree, with_psk) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut joiner = world.joiner().await;
            let mut by_value = vec![add(&joiner.key_package)];
            if with_psk {
                world.psk(b"a key").await;
                store_psk(&mut joiner.client, joiner.transaction, b"a key").await;
                by_value.push(external_psk(b"a key"));
            }
            let ask = Ask { by_value, external_tree, force_path: external_tree, ..Ask::default() };
            world.commit(0, ask, vec![joiner]).await;
        }
        assert_eq!(world.actors.len(), 5);
    });
}

#[test]
fn commits_cover_every_proposal_by_value_and_by_reference() {
    every_configuration(|mut world| async move {
        world.group(3).await;
        // Nothing; a path where none is needed.
        world.commit(1, Ask::default(), vec![]).await;
        world.psk(b"first").await;
        world.psk(b"second").await;
        let ask = Ask { by_value: vec![external_psk(b"first")], force_path: true, ..Ask::default() };
        world.commit(2, ask, vec![]).await;
        by_value(&mut world).await;
        by_reference(&mut world).await;
    });
}

async fn by_value(world: &mut World) {
    let joiner = world.joiner().await;
    let ask = Ask { by_value: vec![add(&joiner.key_package)], ..Ask::default() };
    world.commit(1, ask, vec![joiner]).await;
    let ask = Ask { by_value: vec![external_psk(b"first"), resumption_psk(1)], ..Ask::default() };
    // The newcomer has no secret of an epoch before it came, so it leaves first.
    let gone = world.actors[3].identity.clone();
    world.commit(0, Ask { by_value: vec![remove(&gone)], ..Ask::default() }, vec![]).await;
    assert_eq!(world.actors.len(), 3);
    world.commit(0, ask, vec![]).await;
    world.commit(1, Ask { by_value: vec![set_extensions()], ..Ask::default() }, vec![]).await;
}

/// All kinds at once, from several members, the committer's own among them.
async fn by_reference(world: &mut World) {
    world.commit(0, Ask::default(), vec![]).await;
    let epoch_id = 6;
    let joiner = world.joiner().await;
    let gone = world.actors[2].identity.clone();
    let mut by_reference = Vec::new();
    let [first, second, _] = &mut world.actors[..] else { panic!("three actors") };
    let state_id = first.state;
    let request = AddProposalRequest { state_id, key_package: joiner.key_package.clone() };
    by_reference.push(call!(first.client, add_proposal, request).unwrap().proposal);
    let request = GroupContextExtensionsProposalRequest { state_id, extensions: some_extensions() };
    by_reference.push(call!(first.client, group_context_extensions_proposal, request).unwrap().proposal);
    let state_id = second.state;
    let request = UpdateProposalRequest { state_id };
    by_reference.push(call!(second.client, update_proposal, request).unwrap().proposal);
    let request = RemoveProposalRequest { state_id, removed_id: gone };
    by_reference.push(call!(second.client, remove_proposal, request).unwrap().proposal);
    let answer =
        world.commit(0, Ask { by_reference, external_tree: true, ..Ask::default() }, vec![joiner]).await;
    assert!(!answer.welcome.is_empty());
    psks_by_reference(world, epoch_id).await;
}

async fn psks_by_reference(world: &mut World, epoch_id: u64) {
    let gone = world.actors[2].identity.clone();
    world.commit(0, Ask { by_value: vec![remove(&gone)], ..Ask::default() }, vec![]).await;
    let [first, second] = &mut world.actors[..] else { panic!("two actors") };
    let mut by_reference = Vec::new();
    let request = ExternalPskProposalRequest { state_id: first.state, psk_id: b"second".to_vec() };
    by_reference.push(call!(first.client, external_psk_proposal, request).unwrap().proposal);
    let request = ResumptionPskProposalRequest { state_id: second.state, epoch_id };
    by_reference.push(call!(second.client, resumption_psk_proposal, request).unwrap().proposal);
    let ask = Ask { by_reference, by_value: vec![external_psk(b"first")], ..Ask::default() };
    world.commit(1, ask, vec![]).await;
}

#[test]
fn a_commit_covers_the_proposals_it_is_given_and_no_others_even_where_they_come_again() {
    every_configuration(|mut world| async move {
        world.group(3).await;
        world.psk(b"a key").await;
        let [first, second, _] = &mut world.actors[..] else { panic!("three actors") };
        let request = UpdateProposalRequest { state_id: first.state };
        let update = call!(first.client, update_proposal, request).unwrap().proposal;
        let request = ExternalPskProposalRequest { state_id: second.state, psk_id: b"a key".to_vec() };
        let psk = call!(second.client, external_psk_proposal, request).unwrap().proposal;
        // The first's own update waits there but is not in this commit, which another's overtakes.
        let request = CommitRequest {
            state_id: first.state,
            by_reference: vec![psk.clone()],
            ..CommitRequest::default()
        };
        call!(first.client, commit, request).unwrap();
        let ask = Ask { by_reference: vec![update, psk], ..Ask::default() };
        world.commit(1, ask, vec![]).await;
    });
}

#[test]
fn application_messages_arrive_in_any_order_and_across_an_epoch() {
    every_configuration(|mut world| async move {
        world.group(3).await;
        let texts: Vec<Vec<u8>> = (0..10).map(|number| format!("message {number}").into_bytes()).collect();
        let mut sealed = Vec::new();
        for text in &texts {
            sealed.push(world.protect(1, text).await);
        }
        for index in [0, 9, 3, 4, 1] {
            world.unprotect(1, &sealed[index], &texts[index]).await;
        }
        world.commit(2, Ask { force_path: true, ..Ask::default() }, vec![]).await;
        for index in [8, 2, 5, 6, 7] {
            world.unprotect(1, &sealed[index], &texts[index]).await;
        }
        let actor = &mut world.actors[0];
        let again = UnprotectRequest { state_id: actor.state, ciphertext: sealed[0].clone() };
        assert_eq!(call!(actor.client, unprotect, again).unwrap_err().code(), Code::InvalidArgument);
    });
}

#[test]
fn external_join_with_and_without_a_tree_with_keys_and_in_place_of_a_prior_self() {
    every_configuration(|mut world| async move {
        world.group(2).await;
        world.join_externally(ExternalAsk::default(), None).await;
        world.join_externally(ExternalAsk { external_tree: true, ..ExternalAsk::default() }, None).await;
        world.psk(b"a key").await;
        let psks = vec![PreSharedKey { psk_id: b"a key".to_vec(), psk_secret: vec![7; 32] }];
        world.join_externally(ExternalAsk { psks: psks.clone(), ..ExternalAsk::default() }, None).await;
        assert_eq!(world.actors.len(), 5);
        world.join_externally(ExternalAsk::default(), Some(1)).await;
        world.join_externally(ExternalAsk { external_tree: true, psks }, Some(2)).await;
        assert_eq!(world.actors.len(), 5);
        world.commit(4, Ask { force_path: true, ..Ask::default() }, vec![]).await;
    });
}

#[test]
fn somebody_new_asks_to_be_added_and_is() {
    every_configuration(|mut world| async move {
        world.group(2).await;
        let info = world.group_info(false).await;
        let mut client = world.server();
        let identity = b"newcomer".to_vec();
        let request = NewMemberAddProposalRequest { group_info: info.group_info, identity: identity.clone() };
        let answer = call!(client, new_member_add_proposal, request).unwrap();
        let transaction = answer.transaction_id;
        let joiner = runner::Joiner { client, transaction, identity, key_package: vec![] };
        world.commit(1, Ask { by_reference: vec![answer.proposal], ..Ask::default() }, vec![joiner]).await;
        assert_eq!(world.actors.len(), 3);
    });
}

#[test]
fn an_external_signer_adds_removes_and_sets_extensions_and_nothing_else() {
    every_configuration(|mut world| async move {
        world.group(3).await;
        let mut signer = world.server();
        let request = CreateExternalSignerRequest { cipher_suite: world.suite, identity: b"server".to_vec() };
        let created = call!(signer, create_external_signer, request).unwrap();
        for sender in 0..2 {
            let actor = &mut world.actors[sender];
            let external_sender = created.external_sender.clone();
            let request = AddExternalSignerRequest { state_id: actor.state, external_sender };
            let proposal = call!(actor.client, add_external_signer, request).unwrap().proposal;
            world.commit(0, Ask { by_reference: vec![proposal], ..Ask::default() }, vec![]).await;
        }
        let gone = world.actors[2].identity.clone();
        let joiner = world.joiner().await;
        let last = set_extensions();
        let steps = [(add(&joiner.key_package), Some(joiner)), (remove(&gone), None), (last, None)];
        for (index, (description, joiner)) in steps.into_iter().enumerate() {
            let info = world.group_info(index == 1).await;
            let request = ExternalSignerProposalRequest {
                signer_id: created.signer_id,
                signer_index: u32::try_from(index % 2).unwrap(),
                group_info: info.group_info,
                ratchet_tree: info.ratchet_tree,
                description: Some(description),
            };
            let proposal = call!(signer, external_signer_proposal, request).unwrap().proposal;
            let ask = Ask { by_reference: vec![proposal], ..Ask::default() };
            world.commit(0, ask, joiner.into_iter().collect()).await;
        }
        assert_eq!(world.actors.len(), 3);
        for kind in ["externalPSK", "resumptionPSK", "reinit"] {
            let request = ExternalSignerProposalRequest {
                signer_id: created.signer_id,
                group_info: world.group_info(false).await.group_info,
                description: Some(describe(kind)),
                ..ExternalSignerProposalRequest::default()
            };
            let status = call!(signer, external_signer_proposal, request).unwrap_err();
            assert_eq!(status.code(), Code::Unimplemented);
        }
    });
}

#[test]
fn reinit_and_branch_are_unimplemented_for_a_reason_that_is_given() {
    macro_rules! refused {
        ($client:ident: $($call:ident($request:ident)),*) => {
            [$(call!($client, $call, $request::default()).map(|_| ()).unwrap_err()),*]
        };
    }
    block_on(async {
        let mut client = server().await;
        let statuses = refused!(client: re_init_proposal(ReInitProposalRequest), re_init_commit(CommitRequest),
            handle_pending_re_init_commit(HandlePendingReInitCommitRequest),
            handle_re_init_commit(HandleCommitRequest), re_init_welcome(ReInitWelcomeRequest),
            handle_re_init_welcome(HandleReInitWelcomeRequest), create_branch(CreateBranchRequest),
            handle_branch(HandleBranchRequest));
        for status in statuses {
            assert_eq!(status.code(), Code::Unimplemented);
            let listed = UNIMPLEMENTED
                .iter()
                .any(|(call, why)| status.message().starts_with(call) && status.message().ends_with(why));
            assert!(listed, "{}", status.message());
        }
    });
    every_configuration(|mut world| async move {
        world.group(1).await;
        let actor = &mut world.actors[0];
        let by_value = vec![describe("reinit")];
        let request = CommitRequest { state_id: actor.state, by_value, ..CommitRequest::default() };
        assert_eq!(call!(actor.client, commit, request).unwrap_err().code(), Code::Unimplemented);
    });
}

#[test]
fn whatever_does_not_fit_is_an_invalid_argument_and_changes_nothing() {
    macro_rules! invalid {
        ($($answer:expr),* $(,)?) => {
            $(
                let status = $answer.map(|_| ()).expect_err(stringify!($answer));
                assert_eq!(status.code(), Code::InvalidArgument, "{}: {status:?}", stringify!($answer));
            )*
        };
    }
    every_configuration(|mut world| async move {
        world.group(2).await;
        let sealed = world.protect(1, b"a message").await;
        let (suite, state_id) = (world.suite, world.actors[0].state);
        let mut client = world.actors[0].client.clone();
        let junk = vec![0xff; 50];
        let own = world.actors[0].identity.clone();
        // Extension and proposal types that nobody can follow.
        let required = Extension { extension_type: 3, extension_data: vec![2, 0xfe, 0xfe, 0, 0] };
        let commit = |by_value: &[ProposalDescription]| CommitRequest {
            state_id,
            by_value: by_value.to_vec(),
            ..CommitRequest::default()
        };
        let unknown = 1_000_000;
        let handle = |proposal: Vec<Vec<u8>>, commit: &[u8]| HandleCommitRequest {
            state_id,
            proposal,
            commit: commit.to_vec(),
        };
        invalid!(
            call!(client, state_auth, StateAuthRequest { state_id: unknown }),
            call!(client, free, FreeRequest { state_id: unknown }),
            call!(client, store_psk, StorePskRequest::default()),
            call!(client, join_group, JoinGroupRequest::default()),
            call!(client, create_group, CreateGroupRequest { cipher_suite: suite, ..Default::default() }),
            call!(
                client,
                external_join,
                ExternalJoinRequest { group_info: junk.clone(), ..Default::default() }
            ),
            call!(client, add_proposal, AddProposalRequest { state_id, key_package: junk.clone() }),
            call!(client, remove_proposal, RemoveProposalRequest { state_id, removed_id: junk.clone() }),
            call!(client, unprotect, UnprotectRequest { state_id, ciphertext: junk.clone() }),
            call!(client, export, ExportRequest { state_id, ..Default::default() }),
            call!(client, handle_pending_commit, HandlePendingCommitRequest { state_id }),
            call!(client, commit, commit(&[describe("rot13")])),
            call!(client, commit, commit(&[describe("add")])),
            call!(client, commit, commit(&[describe("remove")])),
            call!(client, commit, commit(&[describe("externalPSK")])),
            call!(client, commit, commit(&[external_psk(b"unknown")])),
            call!(client, commit, commit(&[resumption_psk(99)])),
            call!(client, commit, commit(&[remove(&own)])),
            call!(client, commit, commit(&[set_extensions(), set_extensions()])),
            call!(
                client,
                commit,
                commit(&[ProposalDescription {
                    extensions: vec![required],
                    ..describe("groupContextExtensions")
                }])
            ),
            call!(
                client,
                commit,
                CommitRequest { state_id, by_reference: vec![junk.clone()], ..CommitRequest::default() }
            ),
            call!(client, handle_commit, handle(vec![], &junk)),
            call!(client, handle_commit, handle(vec![sealed], &junk)),
            call!(client, external_signer_proposal, ExternalSignerProposalRequest::default()),
        );
        let request = CreateKeyPackageRequest { cipher_suite: 7, identity: b"x".to_vec() };
        assert_eq!(call!(client, create_key_package, request).unwrap_err().code(), Code::Unimplemented);
        world.commit(1, Ask { force_path: true, ..Ask::default() }, vec![]).await;
    });
}
