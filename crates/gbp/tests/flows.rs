//! The flows of the protocol by name, and every refusal with its number.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;

use coterie_gbp::node::limits::{COORDINATOR_GRACE, EXECUTE_TIMEOUT, PREPARE_TIMEOUT, QUORUM_GRACE, REPEAT};
use coterie_gbp::node::{
    Event, Joiner, Node, NodeState, Order, Outgoing, Output, Proposal, Refusal, RelayLog, Roster,
};
use coterie_testkit::T0;
use coterie_types::{Duration, Epoch, ErrorCode, LeafIndex, MemberId, RequestId, Timestamp, TransitionId};
use coterie_wire::control::{Arguments, Capabilities, ControlMessage, Opcode};
use coterie_wire::{ErrorNumber, ErrorObject, Profile};
use proptest::prelude::*;

const N: Epoch = Epoch::new(5);
const NEXT: Epoch = Epoch::new(6);
const FIRST: TransitionId = TransitionId::new(1);

fn id(number: u32) -> MemberId {
    MemberId::new(number)
}

fn roster(members: &[u32]) -> Roster {
    Roster::new(members.iter().map(|number| (id(*number), LeafIndex::new(*number)))).unwrap()
}

/// A member of a group that member 1 coordinates.
fn node(me: u32, members: &[u32], profile: Profile) -> Node {
    let joiner = Joiner {
        me: id(me),
        epoch: N,
        transition: TransitionId::default(),
        armed: false,
        roster: roster(members),
        inviter: Some(id(1)),
    };
    let mut node = Node::join(joiner, profile, T0).unwrap();
    outputs(&mut node);
    node
}

fn outputs(node: &mut Node) -> Vec<Output> {
    std::iter::from_fn(|| node.poll_output()).collect()
}

fn sent(outputs: &[Output]) -> Vec<(Opcode, u32, Epoch)> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Send(Outgoing { target, key_epoch, message, .. }) => {
            Some((message.opcode(), target.number(), *key_epoch))
        }
        _ => None,
    });
    sent.collect()
}

fn message(outputs: &[Output], opcode: Opcode) -> ControlMessage {
    let found = outputs.iter().find_map(|output| match output {
        Output::Send(Outgoing { message, .. }) if message.opcode() == opcode => Some(message.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no {opcode:?} in {outputs:?}"))
}

fn raw(sender: u32, transition: u32, opcode: Opcode, arguments: &[u8]) -> ControlMessage {
    ControlMessage::raw(id(sender), RequestId::new(9), TransitionId::new(transition), opcode, arguments)
        .unwrap()
}

/// PREPARE of the sealed profile, of whoever asked nobody before if `first`.
fn prepare(sender: u32, transition: u32, commit: &[u8], first: bool) -> ControlMessage {
    use coterie_wire::cbor::Writer;
    let arguments =
        Writer::default().map(2).text("commit").bytes(commit).text("first").boolean(first).finish();
    raw(sender, transition, Opcode::Prepare, &arguments)
}

/// A promise to follow an attempt, of somebody who is locked to nothing.
fn promise(sender: u32, transition: u32, to: u32) -> ControlMessage {
    use coterie_wire::cbor::Writer;
    let arguments = Writer::default().map(1).text("promised_to").unsigned(to).finish();
    raw(sender, transition, Opcode::Ready, &arguments)
}

/// The arguments of READY and EXECUTE in the sealed profile.
fn named(hash: [u8; 32], preparer: u8) -> Vec<u8> {
    [&[0xa2, 0x6b][..], b"commit_hash", &[0x58, 0x20], &hash, &[0x6b], b"preparer_id", &[preparer]].concat()
}

fn hash(commit: &[u8]) -> [u8; 32] {
    use coterie_crypto::hash::{HashAlgorithm, digest};
    digest(HashAlgorithm::Sha256, commit).as_bytes().try_into().unwrap()
}

fn hear(node: &mut Node, message: &ControlMessage) -> Result<(), Refusal> {
    node.handle_control(message.sender, node.epoch(), message, T0)
}

fn proposal(after: &[u32], armed: &[u32]) -> Proposal {
    let armed: BTreeSet<MemberId> = armed.iter().copied().map(id).collect();
    Proposal { commit: b"commit".to_vec(), after: roster(after), armed }
}

fn position(outputs: &[Output], of: impl Fn(&Output) -> bool) -> usize {
    outputs.iter().position(of).unwrap_or_else(|| panic!("not in {outputs:?}"))
}

/// Coordinator 1 and member 2 of three, with the commit prepared and staged at 2.
fn prepared(profile: Profile, after: &[u32], armed: &[u32]) -> (Node, Node) {
    let (mut coordinator, mut member) = (node(1, &[1, 2, 3], profile), node(2, &[1, 2, 3], profile));
    coordinator.clear_for_proposal().unwrap();
    assert_eq!(coordinator.propose(proposal(after, armed), T0), Ok(FIRST));
    let prepare = message(&outputs(&mut coordinator), Opcode::Prepare);
    hear(&mut member, &prepare).unwrap();
    let staged = outputs(&mut member);
    assert!(staged.iter().any(|output| matches!(output, Output::Order(Order::Stage { .. }))));
    member.handle_staged(hash(b"commit"), Some(roster(after)), T0).unwrap();
    (coordinator, member)
}

#[test]
fn pattern_a_existing_members_are_sealed_for_with_the_old_keys_and_then_everybody_merges() {
    for profile in [Profile::Sealed, Profile::Interop] {
        let (mut coordinator, mut member) = prepared(profile, &[1, 2, 3], &[]);
        let ready = message(&outputs(&mut member), Opcode::Ready);
        hear(&mut coordinator, &ready).unwrap();
        assert_eq!(sent(&outputs(&mut coordinator)), [], "the third has its grace");
        coordinator.handle_timeout(T0 + QUORUM_GRACE);
        let executed = outputs(&mut coordinator);
        let execute = position(&executed, |output| {
            matches!(output, Output::Send(Outgoing { message, key_epoch, .. })
                if message.opcode() == Opcode::Execute && *key_epoch == N)
        });
        let merge =
            position(&executed, |output| matches!(output, Output::Order(Order::Merge { own: true, .. })));
        assert!(execute < merge, "EXECUTE is sealed before the keys change");
        assert_eq!((coordinator.epoch(), coordinator.last_transition()), (NEXT, FIRST));

        hear(&mut member, &message(&executed, Opcode::Execute)).unwrap();
        let merged = outputs(&mut member);
        position(&merged, |output| matches!(output, Output::Order(Order::Merge { own: false, .. })));
        assert_eq!((member.epoch(), member.last_transition()), (NEXT, FIRST));
    }
}

#[test]
fn pattern_b_a_joiner_that_waits_gets_an_execute_under_the_new_keys_with_the_old_epoch() {
    for profile in [Profile::Sealed, Profile::Interop] {
        let (mut coordinator, mut member) = prepared(profile, &[1, 2, 3, 4], &[4]);
        hear(&mut coordinator, &message(&outputs(&mut member), Opcode::Ready)).unwrap();
        coordinator.handle_timeout(T0 + QUORUM_GRACE);
        let executed = outputs(&mut coordinator);
        let merge = position(&executed, |output| matches!(output, Output::Order(Order::Merge { .. })));
        let to_joiner = position(&executed, |output| {
            matches!(output, Output::Send(Outgoing { target, header_epoch, key_epoch, .. })
                if *target == id(4) && *header_epoch == N && *key_epoch == NEXT)
        });
        assert!(merge < to_joiner, "it is sealed after the keys changed");
        let Output::Send(Outgoing { message: execute, .. }) = &executed[to_joiner] else { unreachable!() };

        let joiner = Joiner {
            me: id(4),
            epoch: N,
            transition: FIRST,
            armed: true,
            roster: roster(&[1, 2, 3, 4]),
            inviter: Some(id(1)),
        };
        let mut joiner = Node::join(joiner, profile, T0).unwrap();
        assert_eq!(joiner.pending_transition(), Some(FIRST));
        assert_eq!(joiner.clear_for_proposal(), Err(Refusal::NotCoordinator(id(4))));
        joiner.handle_control(id(1), N, execute, T0).unwrap();
        assert_eq!((joiner.epoch(), joiner.last_transition()), (NEXT, FIRST));
        assert!(!sent(&outputs(&mut joiner)).iter().any(|(opcode, ..)| *opcode == Opcode::Ready));
    }
}

#[test]
fn pattern_b_a_joiner_whose_execute_was_lost_goes_on_with_the_first_message_of_its_epoch() {
    let joiner = Joiner {
        me: id(4),
        epoch: N,
        transition: FIRST,
        armed: true,
        roster: roster(&[1, 2, 3, 4]),
        inviter: Some(id(1)),
    };
    let mut joiner = Node::join(joiner, Profile::Sealed, T0).unwrap();
    let claim = raw(1, 1, Opcode::Capabilities, &[0xa1, 0, 0xf5]);
    joiner.handle_control(id(1), NEXT, &claim, T0).unwrap();
    assert_eq!((joiner.epoch(), joiner.last_transition()), (NEXT, FIRST));
}

#[test]
fn pattern_c_a_joiner_begins_where_the_group_is() {
    let (mut coordinator, mut member) = prepared(Profile::Sealed, &[1, 2, 3, 4], &[]);
    hear(&mut coordinator, &message(&outputs(&mut member), Opcode::Ready)).unwrap();
    coordinator.handle_timeout(T0 + QUORUM_GRACE);
    let executed = outputs(&mut coordinator);
    let merge = position(&executed, |output| matches!(output, Output::Order(Order::Merge { .. })));
    let admitted = position(&executed, |output| *output == Output::Event(Event::Admitted(FIRST)));
    assert!(merge < admitted, "the Welcome goes out when the transition stands");
    let joiner = Joiner {
        me: id(4),
        epoch: NEXT,
        transition: FIRST,
        armed: false,
        roster: roster(&[1, 2, 3, 4]),
        inviter: Some(id(1)),
    };
    let joiner = Node::join(joiner, Profile::Sealed, T0).unwrap();
    assert_eq!((joiner.epoch(), joiner.last_transition()), (NEXT, FIRST));
    assert_eq!(joiner.state(), NodeState::Active);
}

#[test]
fn a_member_that_leaves_says_so_and_is_closed_when_its_removal_is_executed() {
    let (mut coordinator, mut member) =
        (node(1, &[1, 2], Profile::Sealed), node(2, &[1, 2], Profile::Sealed));
    member.leave(T0).unwrap();
    hear(&mut coordinator, &message(&outputs(&mut member), Opcode::Capabilities)).unwrap();
    assert!(outputs(&mut coordinator).contains(&Output::Event(Event::Leaving(id(2)))));
    coordinator.clear_for_proposal().unwrap();
    coordinator.propose(proposal(&[1], &[]), T0).unwrap();
    let executed = outputs(&mut coordinator);
    assert_eq!(coordinator.epoch(), NEXT, "of two, one may remove the other");
    for opcode in [Opcode::Prepare, Opcode::Execute] {
        hear(&mut member, &message(&executed, opcode)).unwrap();
        if opcode == Opcode::Prepare {
            member.handle_staged(hash(b"commit"), Some(roster(&[1])), T0).unwrap();
        }
    }
    assert_eq!(member.state(), NodeState::Closed);
    assert!(outputs(&mut member).contains(&Output::Event(Event::Removed)));
}

#[test]
fn a_coordinator_that_leaves_hands_over_first() {
    let (mut coordinator, mut heir) =
        (node(1, &[1, 2, 3], Profile::Sealed), node(2, &[1, 2, 3], Profile::Sealed));
    coordinator.leave(T0).unwrap();
    assert!(!coordinator.leads());
    let said = outputs(&mut coordinator);
    hear(&mut heir, &message(&said, Opcode::Capabilities)).unwrap();
    assert!(heir.leads());
    assert!(outputs(&mut heir).contains(&Output::Event(Event::BecameCoordinator)));
}

#[test]
fn an_abort_unlocks_and_the_next_number_works() {
    for profile in [Profile::Sealed, Profile::Interop] {
        let (mut coordinator, mut member) = prepared(profile, &[1, 2, 3], &[]);
        outputs(&mut member);
        coordinator.abort(Some(3)).unwrap();
        let abort = message(&outputs(&mut coordinator), Opcode::Abort);
        hear(&mut member, &abort).unwrap();
        let discarded = outputs(&mut member);
        position(&discarded, |output| matches!(output, Output::Order(Order::Discard { own: false, .. })));
        position(&discarded, |output| {
            *output == Output::Event(Event::Aborted { transition: FIRST, reason: Some(3) })
        });
        assert_eq!((member.pending_transition(), member.epoch()), (None, N));
        assert_eq!(hear(&mut member, &abort), Err(Refusal::WrongTransition(FIRST)), "a repeated ABORT");
        coordinator.clear_for_proposal().unwrap();
        assert_eq!(coordinator.propose(proposal(&[1, 2, 3], &[]), T0), Ok(TransitionId::new(2)));
        let mut said = outputs(&mut coordinator);
        if profile == Profile::Sealed {
            // Only the first attempt of an epoch needs no promises.
            hear(&mut member, &message(&said, Opcode::Prepare)).unwrap();
            hear(&mut coordinator, &message(&outputs(&mut member), Opcode::Ready)).unwrap();
            said = outputs(&mut coordinator);
        }
        hear(&mut member, &message(&said, Opcode::Prepare)).unwrap();
        assert_eq!(member.pending_transition(), Some(TransitionId::new(2)));
    }
}

#[test]
fn an_execute_without_a_quorum_moves_nobody_in_the_sealed_profile() {
    let (_, mut member) = prepared(Profile::Sealed, &[1, 2, 3], &[]);
    // With five members the coordinator and this one are no quorum.
    let mut fifth = node(5, &[1, 2, 3, 4, 5], Profile::Sealed);
    let ready = message(&outputs(&mut member), Opcode::Ready);
    hear(&mut fifth, &prepare(1, 1, b"commit", true)).unwrap();
    fifth.handle_staged(hash(b"commit"), Some(roster(&[1, 2, 3, 4, 5])), T0).unwrap();
    let execute = raw(1, 1, Opcode::Execute, ready.raw_arguments());
    hear(&mut fifth, &execute).unwrap();
    assert_eq!(fifth.epoch(), N);
    hear(&mut fifth, &ready).unwrap();
    assert_eq!(fifth.epoch(), NEXT, "with three of five known to be ready it is believed");
}

#[test]
fn everything_may_come_in_any_order() {
    let (mut coordinator, mut member) = prepared(Profile::Sealed, &[1, 2, 3], &[]);
    let ready = message(&outputs(&mut member), Opcode::Ready);
    let prepare = prepare(1, 1, b"commit", true);
    hear(&mut coordinator, &ready).unwrap();
    coordinator.handle_timeout(T0 + QUORUM_GRACE);
    let execute = message(&outputs(&mut coordinator), Opcode::Execute);
    for order in [[&execute, &ready, &prepare], [&ready, &execute, &prepare], [&execute, &prepare, &ready]] {
        let mut third = node(3, &[1, 2, 3], Profile::Sealed);
        for message in order {
            hear(&mut third, message).unwrap();
        }
        third.handle_staged(hash(b"commit"), Some(roster(&[1, 2, 3])), T0).unwrap();
        assert_eq!(third.epoch(), NEXT);
    }
}

#[test]
fn a_locked_member_follows_no_other_commit_and_takes_it_when_it_is_let_go() {
    let (_, mut member) = prepared(Profile::Sealed, &[1, 2, 3], &[]);
    outputs(&mut member);
    hear(&mut member, &prepare(1, 2, b"another", false)).unwrap();
    assert_eq!(member.pending_transition(), Some(FIRST));
    assert_eq!(sent(&outputs(&mut member)), [(Opcode::DigestRequest, 1, N)], "it asks for the promises");
    hear(&mut member, &raw(1, 1, Opcode::Abort, &[])).unwrap();
    assert_eq!(member.pending_transition(), Some(TransitionId::new(2)));
}

#[test]
fn a_locked_member_is_let_go_by_a_later_attempt_that_it_saw_a_quorum_promise_to_follow() {
    let members = [1, 2, 3, 4, 5];
    let mut third = node(3, &members, Profile::Sealed);
    hear(&mut third, &prepare(1, 1, b"commit", true)).unwrap();
    third.handle_staged(hash(b"commit"), Some(roster(&members)), T0).unwrap();
    outputs(&mut third);
    // The first member is gone, and the second asks to be followed.
    let later = T0 + COORDINATOR_GRACE;
    let bid = raw(2, 2, Opcode::Prepare, &[0xa0]);
    assert_eq!(hear(&mut third, &bid), Err(Refusal::NotCoordinator(id(2))), "the coordinator is heard");
    third.handle_control(id(2), N, &bid, later).unwrap();
    let said = outputs(&mut third);
    let locked = message(&said, Opcode::Ready);
    assert!(
        locked.raw_arguments().windows(32).any(|window| window == hash(b"commit")),
        "it says what it is locked to"
    );
    position(&said, |output| *output == Output::Relay { transition: FIRST, target: id(2) });
    third.handle_control(id(2), N, &prepare(2, 2, b"another", false), later).unwrap();
    for other in [2, 4] {
        third.handle_control(id(other), N, &promise(other, 2, 2), later).unwrap();
        assert_eq!(third.pending_transition(), Some(FIRST), "two of five are no quorum");
    }
    third.handle_control(id(5), N, &promise(5, 2, 2), later).unwrap();
    assert_eq!(third.pending_transition(), Some(TransitionId::new(2)));
    third.handle_staged(hash(b"another"), Some(roster(&members)), later).unwrap();
    assert_eq!(message(&outputs(&mut third), Opcode::Ready).transition, TransitionId::new(2));
    // What it promised binds it: the first attempt comes too late.
    third.handle_control(id(1), N, &prepare(1, 1, b"commit", true), later).unwrap();
    assert_eq!(third.pending_transition(), Some(TransitionId::new(2)));
    assert_eq!(message(&outputs(&mut third), Opcode::Nack).transition, TransitionId::new(2));
}

#[test]
fn of_two_commits_that_members_are_locked_to_the_later_attempt_is_completed() {
    let members = [1, 2, 3, 4, 5];
    let due = T0 + COORDINATOR_GRACE;
    let mut third = node(3, &members, Profile::Sealed);
    hear(&mut third, &prepare(1, 1, b"commit", true)).unwrap();
    third.handle_staged(hash(b"commit"), Some(roster(&members)), T0).unwrap();
    third.claim(due).unwrap();
    let bid = message(&outputs(&mut third), Opcode::Prepare);
    assert_eq!((bid.transition, bid.raw_arguments()), (TransitionId::new(2), &[0xa0][..]));
    // Member 2 prepared another one after a quorum had promised, and reached member 4 alone.
    let mut fourth = node(4, &members, Profile::Sealed);
    fourth.handle_control(id(2), N, &prepare(2, 1, b"another", false), due).unwrap();
    fourth.handle_staged(hash(b"another"), Some(roster(&members)), due).unwrap();
    outputs(&mut fourth);
    fourth.handle_control(id(3), N, &bid, due + COORDINATOR_GRACE).unwrap();
    let locked = message(&outputs(&mut fourth), Opcode::Ready);
    third.handle_control(id(4), N, &locked, due).unwrap();
    third.handle_control(id(2), N, &prepare(2, 1, b"another", false), due).unwrap();
    outputs(&mut third);
    third.handle_control(id(5), N, &promise(5, 2, 3), due).unwrap();
    position(
        &outputs(&mut third),
        |output| matches!(output, Output::Order(Order::Stage { hash: of, .. }) if *of == hash(b"another")),
    );
    third.handle_staged(hash(b"another"), Some(roster(&members)), due).unwrap();
    let announced = message(&outputs(&mut third), Opcode::Prepare);
    assert_eq!(announced.raw_arguments(), prepare(3, 2, b"another", false).raw_arguments());
}

#[test]
fn members_that_reached_an_epoch_under_different_numbers_follow_the_same_next_one() {
    for (profile, follows) in [(Profile::Sealed, true), (Profile::Interop, false)] {
        let joiner = Joiner {
            me: id(2),
            epoch: N,
            transition: TransitionId::new(10),
            armed: false,
            roster: roster(&[1, 2, 3]),
            inviter: Some(id(1)),
        };
        let mut member = Node::join(joiner, profile, T0).unwrap();
        let announced = match profile {
            Profile::Sealed => prepare(1, 8, b"commit", true),
            Profile::Interop => raw(1, 8, Opcode::Prepare, b"commit"),
        };
        assert_eq!(hear(&mut member, &announced).is_ok(), follows);
        assert_eq!(member.pending_transition().is_some(), follows);
    }
}

#[test]
fn an_attempt_that_was_let_go_is_answered_by_abort_and_another_of_its_number_counts() {
    let members = [1, 2, 3, 4, 5];
    let (mut second, due) = (node(2, &members, Profile::Sealed), T0 + COORDINATOR_GRACE);
    second.claim(due).unwrap();
    assert_eq!(second.propose(proposal(&members, &[]), due), Ok(FIRST));
    assert_eq!(second.pending_transition(), Some(FIRST), "it asks first");
    for other in [3, 4] {
        hear(&mut second, &promise(other, 1, 2)).unwrap();
    }
    let said = outputs(&mut second);
    let commits = |output: &&Output| matches!(output, Output::Send(sent) if sent.message.raw_arguments() == prepare(2, 1, b"commit", false).raw_arguments());
    assert_eq!(said.iter().filter(commits).count(), 1);
    second.handle_control(id(1), N, &raw(1, 2, Opcode::Prepare, &[0xa0]), due).unwrap();
    second.handle_control(id(1), N, &prepare(1, 2, b"another", false), due).unwrap();
    for other in [1, 4, 5] {
        second.handle_control(id(other), N, &promise(other, 2, 1), due).unwrap();
    }
    second.handle_staged(hash(b"another"), Some(roster(&members)), due).unwrap();
    outputs(&mut second);
    hear(&mut second, &raw(4, 1, Opcode::Ready, &named(hash(b"commit"), 2))).unwrap();
    assert_eq!(sent(&outputs(&mut second)), [(Opcode::Abort, 4, N)]);
    let another = named(hash(b"another"), 1);
    hear(&mut second, &raw(1, 2, Opcode::Execute, &another)).unwrap();
    assert_eq!(second.epoch(), N);
    hear(&mut second, &raw(3, 2, Opcode::Ready, &another)).unwrap();
    assert_eq!(second.epoch(), NEXT);
}

#[test]
fn whoever_has_promised_a_later_attempt_announces_its_own_no_more() {
    let members = [1, 2, 3, 4, 5];
    let (mut third, due) = (node(3, &members, Profile::Sealed), T0 + COORDINATOR_GRACE);
    third.claim(due).unwrap();
    third.propose(proposal(&members, &[]), due).unwrap();
    third.handle_control(id(2), N, &raw(2, 2, Opcode::Prepare, &[0xa0]), due).unwrap();
    outputs(&mut third);
    for other in [4, 5, 1] {
        third.handle_control(id(other), N, &promise(other, 1, 3), due).unwrap();
    }
    assert_eq!(outputs(&mut third), [], "it would vote below what it promised");
}

#[test]
fn whoever_asks_and_is_outbid_asks_again_above_that() {
    let members = [1, 2, 3];
    let (mut second, due) = (node(2, &members, Profile::Sealed), T0 + COORDINATOR_GRACE);
    second.claim(due).unwrap();
    second.propose(proposal(&members, &[]), due).unwrap();
    let busy = ErrorObject::registered(ErrorNumber::GBP_TRANSITION_IN_PROGRESS);
    let busy = Arguments::Nack(RequestId::default(), busy);
    let outbid = ControlMessage::new(id(3), RequestId::default(), TransitionId::new(7), &busy).unwrap();
    second.handle_control(id(3), N, &outbid, due).unwrap();
    let absurd = ControlMessage::new(id(3), RequestId::default(), TransitionId::new(60_000), &busy).unwrap();
    assert!(second.handle_control(id(3), N, &absurd, due).is_err(), "it would leave no numbers");
    outputs(&mut second);
    second.handle_timeout(due + REPEAT);
    assert_eq!(message(&outputs(&mut second), Opcode::Prepare).transition, TransitionId::new(8));
    let claim = Arguments::Capabilities(Capabilities::claim());
    let claim = ControlMessage::new(id(1), RequestId::default(), TransitionId::default(), &claim).unwrap();
    second.handle_control(id(1), N, &claim, due + REPEAT).unwrap();
    outputs(&mut second);
    second.handle_timeout(due + REPEAT + REPEAT);
    position(&outputs(&mut second), |output| {
        matches!(output, Output::Order(Order::Discard { own: true, .. }))
    });
    assert_eq!(second.pending_transition(), None, "another one leads, and nobody has seen the commit");
}

#[test]
fn of_two_announcements_of_one_transition_the_lower_number_wins_whichever_comes_first() {
    let joiner = Joiner {
        me: id(9),
        epoch: N,
        transition: TransitionId::default(),
        armed: false,
        roster: roster(&[2, 7, 9]),
        inviter: None,
    };
    let mut member = Node::join(joiner, Profile::Interop, T0).unwrap();
    outputs(&mut member);
    let (high, low) = (raw(7, 1, Opcode::Prepare, b"high"), raw(2, 1, Opcode::Prepare, b"low"));
    hear(&mut member, &high).unwrap();
    hear(&mut member, &low).unwrap();
    let said = outputs(&mut member);
    position(&said, |output| matches!(output, Output::Order(Order::Discard { .. })));
    assert_eq!(hear(&mut member, &high), Err(Refusal::InProgress(FIRST)));
    assert_eq!(hear(&mut member, &raw(7, 1, Opcode::Execute, &[])), Err(Refusal::NotCoordinator(id(7))));
    member.handle_staged(hash(b"low"), Some(roster(&[2, 7, 9])), T0).unwrap();
    hear(&mut member, &raw(2, 1, Opcode::Execute, &[])).unwrap();
    assert_eq!(member.epoch(), NEXT);
}

#[test]
fn a_commit_that_the_engine_refuses_is_reported_and_the_coordinator_takes_it_back() {
    let (mut coordinator, mut member) =
        (node(1, &[1, 2], Profile::Sealed), node(2, &[1, 2], Profile::Sealed));
    coordinator.propose(proposal(&[1, 2], &[]), T0).unwrap();
    hear(&mut member, &message(&outputs(&mut coordinator), Opcode::Prepare)).unwrap();
    member.handle_staged(hash(b"commit"), None, T0).unwrap();
    let report = message(&outputs(&mut member), Opcode::ReportInvalidCommit);
    hear(&mut coordinator, &report).unwrap();
    let abort = message(&outputs(&mut coordinator), Opcode::Abort);
    assert_eq!(abort.arguments(), Ok(Arguments::Abort(Some(7))));
    assert_eq!(coordinator.pending_transition(), None);
}

#[test]
fn timeouts_come_at_their_time_and_not_before() {
    let trouble = |number: ErrorNumber| move |output: &Output| matches!(output, Output::Event(Event::Trouble { number: of, .. }) if *of == number);
    let just_before = |moment: Timestamp| moment.before(Duration::from_millis(1));
    for (profile, aborts) in [(Profile::Interop, true), (Profile::Sealed, false)] {
        let mut coordinator = node(1, &[1, 2, 3], profile);
        coordinator.propose(proposal(&[1, 2, 3], &[]), T0).unwrap();
        coordinator.handle_timeout(just_before(T0 + PREPARE_TIMEOUT));
        assert!(!outputs(&mut coordinator).iter().any(trouble(ErrorNumber::GBP_PREPARE_TIMEOUT)));
        coordinator.handle_timeout(T0 + PREPARE_TIMEOUT);
        assert!(outputs(&mut coordinator).iter().any(trouble(ErrorNumber::GBP_PREPARE_TIMEOUT)));
        assert_eq!(coordinator.pending_transition().is_none(), aborts);

        let (_, mut member) = prepared(profile, &[1, 2, 3], &[]);
        outputs(&mut member);
        let claim = Arguments::Capabilities(Capabilities::claim());
        let claim =
            ControlMessage::new(id(1), RequestId::default(), TransitionId::default(), &claim).unwrap();
        member.handle_control(id(1), N, &claim, just_before(T0 + EXECUTE_TIMEOUT)).unwrap();
        outputs(&mut member);
        member.handle_timeout(just_before(T0 + EXECUTE_TIMEOUT));
        assert!(!outputs(&mut member).iter().any(trouble(ErrorNumber::GBP_EXECUTE_TIMEOUT)));
        member.handle_timeout(T0 + EXECUTE_TIMEOUT);
        let said = outputs(&mut member);
        assert!(said.iter().any(trouble(ErrorNumber::GBP_EXECUTE_TIMEOUT)));
        // Whoever prepared it and let it go answers by ABORT.
        assert_eq!(sent(&said).contains(&(Opcode::Ready, 1, N)), profile == Profile::Sealed);
    }
}

#[test]
fn the_lowest_number_that_is_left_takes_the_lead_and_completes_what_the_coordinator_began() {
    let (_, mut member) = prepared(Profile::Sealed, &[1, 2, 3], &[]);
    outputs(&mut member);
    let due = T0 + COORDINATOR_GRACE;
    member.handle_timeout(due);
    let said = outputs(&mut member);
    position(&said, |output| *output == Output::Event(Event::ElectionNeeded));
    position(&said, |output| *output == Output::Event(Event::BecameCoordinator));
    let bid = message(&said, Opcode::Prepare);
    assert_eq!((bid.transition, bid.raw_arguments()), (TransitionId::new(2), &[0xa0][..]));

    let mut third = node(3, &[1, 2, 3], Profile::Sealed);
    third.handle_timeout(due);
    assert!(!third.leads(), "it leaves the one before it some time");
    third.handle_control(id(2), N, &message(&said, Opcode::Capabilities), due).unwrap();
    third.handle_control(id(2), N, &bid, due).unwrap();
    member.handle_control(id(3), N, &message(&outputs(&mut third), Opcode::Ready), due).unwrap();
    let announced = message(&outputs(&mut member), Opcode::Prepare);
    assert_eq!(announced.raw_arguments(), prepare(2, 2, b"commit", false).raw_arguments());
    third.handle_control(id(2), N, &announced, due).unwrap();
    third.handle_staged(hash(b"commit"), Some(roster(&[1, 2, 3])), due).unwrap();
    member.handle_control(id(3), N, &message(&outputs(&mut third), Opcode::Ready), due).unwrap();
    member.handle_timeout(due + QUORUM_GRACE);
    assert_eq!(member.epoch(), NEXT);
}

#[test]
fn whoever_is_behind_is_led_on_with_the_kept_frames() {
    let (mut coordinator, mut member) = prepared(Profile::Sealed, &[1, 2, 3], &[]);
    hear(&mut coordinator, &message(&outputs(&mut member), Opcode::Ready)).unwrap();
    coordinator.handle_timeout(T0 + QUORUM_GRACE);
    outputs(&mut coordinator);
    let late = T0 + Duration::from_secs(30);
    coordinator.handle_foreign_epoch(id(3), N, late).unwrap();
    assert_eq!(outputs(&mut coordinator), [Output::Relay { transition: FIRST, target: id(3) }]);
    assert_eq!(coordinator.handle_foreign_epoch(id(3), N, late), Err(Refusal::TooOften(id(3))));
    let stranger = coordinator.handle_foreign_epoch(id(8), N, late);
    assert_eq!(stranger, Err(Refusal::WrongEpoch { at: NEXT, got: N }));

    let mut third = node(3, &[1, 2, 3], Profile::Sealed);
    third.handle_foreign_epoch(id(1), NEXT, T0).unwrap();
    assert_eq!(sent(&outputs(&mut third)), [(Opcode::DigestRequest, 0, N)]);
}

#[test]
fn whoever_is_alone_has_nobody_to_ask_and_stays_active() {
    let mut alone = node(1, &[1], Profile::Sealed);
    let wake = alone.wake_at();
    alone.resync(T0).unwrap();
    alone.handle_foreign_epoch(id(1), NEXT, T0).unwrap();
    assert_eq!(outputs(&mut alone), []);
    assert_eq!((alone.state(), alone.wake_at()), (NodeState::Active, wake));

    let mut accompanied = node(1, &[1, 2], Profile::Sealed);
    accompanied.resync(T0).unwrap();
    assert_eq!(accompanied.state(), NodeState::Resyncing);
    assert_eq!(sent(&outputs(&mut accompanied)), [(Opcode::DigestRequest, 0, N)]);
}

#[test]
fn every_refusal_has_its_number_and_its_code_and_changes_nothing() {
    let big = vec![0; coterie_gbp::node::limits::MAX_COMMIT + 1];
    let cases = [
        (raw(8, 1, Opcode::Ready, &[]), N, 0x0008, "GBP_NOT_A_MEMBER"),
        (raw(1, 1, Opcode::Prepare, b"c"), NEXT, 0x0003, "GBP_EPOCH_MISMATCH"),
        (raw(1, 0, Opcode::Prepare, b"c"), N, 0x0004, "GBP_TRANSITION_MISMATCH"),
        (raw(1, u32::MAX, Opcode::Prepare, b"c"), N, 0x0004, "GBP_TRANSITION_MISMATCH"),
        (prepare(1, 1, &big, true), N, 0x0008, "GBP_TOO_LARGE"),
        (raw(1, 1, Opcode::Prepare, b"c"), N, 0x0008, "WIRE_MALFORMED"),
        (raw(1, 1, Opcode::Ready, &[0xa0]), N, 0x0008, "WIRE_MALFORMED"),
        (raw(3, 1, Opcode::Prepare, &[0xa0]), N, 0x0008, "GBP_NOT_COORDINATOR"),
        (prepare(3, 1, b"c", true), N, 0x0008, "GBP_NOT_COORDINATOR"),
        (raw(1, 1, Opcode::Abort, &[]), N, 0x0004, "GBP_TRANSITION_MISMATCH"),
        (raw(1, 1, Opcode::Execute, &[]), N, 0x0008, "WIRE_MALFORMED"),
        (raw(3, 0, Opcode::DigestResponse, &[0xff]), N, 0x0008, "WIRE_MALFORMED"),
    ];
    let mut member = node(2, &[1, 2, 3], Profile::Sealed);
    for (message, epoch, number, code) in cases {
        let before = member.export();
        let refused = member.handle_control(message.sender, epoch, &message, T0).unwrap_err();
        assert_eq!((refused.number().number(), refused.code().as_str()), (number, code), "{refused}");
        assert_eq!(member.export(), before, "{refused}");
        assert_eq!(outputs(&mut member), []);
    }
    let mut interop = node(2, &[1, 2, 3], Profile::Interop);
    let announced = hear(&mut interop, &raw(3, 1, Opcode::Prepare, b"c")).unwrap_err();
    assert_eq!((announced.number().number(), announced.code().as_str()), (0x0008, "GBP_NOT_COORDINATOR"));
    let claimed = member.handle_control(id(3), N, &raw(1, 1, Opcode::Ready, &[]), T0).unwrap_err();
    assert_eq!(claimed, Refusal::NotItsOwn { sender: id(3), claimed: id(1) });
    let (_, mut locked) = prepared(Profile::Sealed, &[1, 2, 3], &[]);
    let other = hear(&mut locked, &prepare(1, 1, b"another", true)).unwrap_err();
    assert_eq!(
        (other.clone(), other.number()),
        (Refusal::AnotherCommit(FIRST), ErrorNumber::GBP_COMMIT_INVALID)
    );
    let foreign = hear(&mut locked, &raw(3, 1, Opcode::Abort, &[])).unwrap_err();
    assert_eq!(foreign, Refusal::NotCoordinator(id(3)));
    locked.close();
    assert_eq!(hear(&mut locked, &raw(1, 1, Opcode::Abort, &[])), Err(Refusal::NotActive));
    let (mut coordinator, _) = prepared(Profile::Sealed, &[1, 2, 3], &[]);
    let second = coordinator.propose(proposal(&[1, 2, 3], &[]), T0).unwrap_err();
    assert_eq!(
        (second.clone(), second.number()),
        (Refusal::InProgress(FIRST), ErrorNumber::GBP_TRANSITION_IN_PROGRESS)
    );
}

#[test]
fn a_higher_claim_is_shown_and_not_followed_while_the_coordinator_is_heard() {
    let mut member = node(2, &[1, 2, 3], Profile::Sealed);
    let claim = ControlMessage::new(
        id(3),
        RequestId::default(),
        TransitionId::default(),
        &Arguments::Capabilities(Capabilities::claim()),
    );
    hear(&mut member, &claim.unwrap()).unwrap();
    let shown = Event::CoordinatorClaim { claimant: id(3), accepted: false };
    assert_eq!(outputs(&mut member), [Output::Event(shown)]);
    assert_eq!(member.coordinator(), Some(id(1)));
}

#[test]
fn a_flood_from_one_member_takes_no_more_room_than_its_own() {
    let mut member = node(2, &[1, 2, 3], Profile::Sealed);
    let arguments = |hash: u8| named([hash; 32], 1);
    let mut sizes = BTreeSet::new();
    for round in 0..2_000_u32 {
        let hash = u8::try_from(round % 256).unwrap();
        for opcode in [Opcode::Ready, Opcode::Execute] {
            let _ = hear(&mut member, &raw(3, 300 + round, opcode, &arguments(hash)));
        }
        let _ = hear(&mut member, &raw(3, 0, Opcode::Capabilities, &[0xa1, 0, 0xf5]));
        outputs(&mut member);
        sizes.insert(member.export().len() / 1_024);
    }
    assert!(sizes.into_iter().next_back() < Some(4), "the state stays below four kibibytes");
    assert_eq!((member.coordinator(), member.epoch()), (Some(id(1)), N));
}

#[test]
fn a_restored_node_goes_on_and_damaged_state_is_refused() {
    let (coordinator, member) = prepared(Profile::Sealed, &[1, 2, 3], &[]);
    for node in [coordinator, member] {
        let stored = node.export();
        let restored = Node::restore(&stored, T0).unwrap();
        assert_eq!(restored.export(), stored);
        assert_eq!(restored.pending_transition(), Some(FIRST));
        for length in 0..stored.len() {
            assert_eq!(Node::restore(&stored[..length], T0).unwrap_err(), Refusal::BadState);
        }
        let longer = [&stored[..], &[0]].concat();
        assert_eq!(Node::restore(&longer, T0).unwrap_err(), Refusal::BadState);
    }
    let past = T0.before(Duration::from_days(400));
    let stored = node(2, &[1, 2], Profile::Sealed).export();
    let restored = Node::restore(&stored, past).unwrap();
    assert!(
        restored.wake_at().unwrap() <= past + COORDINATOR_GRACE,
        "a clock that went back does not put it to sleep"
    );
}

#[test]
fn a_relay_log_keeps_the_latest_few_of_each_member_and_forgets_the_rest_with_the_epoch() {
    let mut log = RelayLog::default();
    for transition in 1..=500 {
        log.keep(id(2), &raw(2, transition, Opcode::Ready, &[]), false, &[1; 100]);
    }
    assert_eq!(log.frames(TransitionId::new(484)), Vec::<Vec<u8>>::new());
    assert_eq!(log.frames(TransitionId::new(500)).len(), 1);
    log.settle(TransitionId::new(3));
    assert_eq!(log.frames(TransitionId::new(500)), Vec::<Vec<u8>>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_comes_a_refusal_changes_nothing_and_a_restart_changes_nothing(
        messages in prop::collection::vec((1_u32..6, 0_u32..5, 0_usize..10, 0_usize..5, 0_u64..4_000), 1..40),
        sealed: bool,
    ) {
        let profile = if sealed { Profile::Sealed } else { Profile::Interop };
        let mut member = node(2, &[1, 2, 3, 4], profile);
        let mut now = T0;
        for (sender, transition, opcode, arguments, pause) in messages {
            now = now + Duration::from_millis(pause);
            let hash = [7; 32];
            let named = named(hash, 1);
            let arguments = [&b"one"[..], b"two", &[0xa1, 0, 0xf5], &[], &named][arguments];
            let message = raw(sender, transition, Opcode::ALL[opcode], arguments);
            let before = member.export();
            let last = member.last_transition();
            if member.handle_control(id(sender), N, &message, now).is_err() {
                prop_assert_eq!(member.export(), before);
            }
            prop_assert!(member.last_transition() >= last);
            for output in outputs(&mut member) {
                if let Output::Order(Order::Stage { hash, .. }) = output {
                    member.handle_staged(hash, Some(roster(&[1, 2, 3, 4])), now).unwrap();
                }
            }
            member.handle_timeout(now);
            outputs(&mut member);
            let stored = member.export();
            let mut restored = Node::restore(&stored, now).unwrap();
            outputs(&mut restored);
            prop_assert_eq!(restored.export(), stored);
        }
    }

    #[test]
    fn stored_state_of_any_bytes_is_refused_or_read_exactly(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(node) = Node::restore(&bytes, Timestamp::from_millis(u64::MAX)) {
            prop_assert_eq!(node.export(), bytes);
        }
    }
}
