//! Whole flows: what users of the published package do with its objects.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use coterie_compat::{
    AudioClient, Control, GroupNode, MediaSession, MediaSuite, MessageKind, MlsContext, NodeEvent,
    OutboundFrame, SignalClient, SignalOrder, TextClient,
};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, ErrorCode as _, LeafIndex, MemberId, MessageId, RequestId, TransitionId};
use coterie_wire::control::Opcode;
use coterie_wire::payload::{MediaSource, Role};
use coterie_wire::{Codec, Frame};

struct Peer {
    mls: MlsContext,
    node: GroupNode,
}

fn context(seed: u64, name: &str) -> MlsContext {
    MlsContext::create(name.as_bytes(), Arc::new(Seed::quiet(seed).entropy(0)), T0).unwrap()
}

fn node(member: u32, mls: &MlsContext, expected: u32) -> GroupNode {
    let mut node = GroupNode::new(MemberId::new(member), mls.group_id().as_bytes()).unwrap();
    node.start(mls.epoch(), TransitionId::new(expected), T0).unwrap();
    node.drain();
    node
}

/// Alice and Bob, both in epoch 1.
fn pair(seed: u64) -> (Peer, Peer) {
    let (mut alice, mut bob) = (context(seed, "alice"), context(seed + 1, "bob"));
    let welcome = alice.invite_first(&bob.key_package(T0).unwrap(), T0).unwrap();
    bob.accept_welcome(&welcome, T0).unwrap();
    assert_eq!((alice.epoch(), alice.group_id()), (bob.epoch(), bob.group_id()));
    let (one, two) = (node(1, &alice, 0), node(2, &bob, 0));
    (Peer { mls: alice, node: one }, Peer { mls: bob, node: two })
}

fn control(peer: &mut Peer, opcode: Opcode, transition: u32, arguments: &[u8]) -> OutboundFrame {
    let order = Control {
        target: MemberId::EVERYBODY,
        opcode,
        transition: TransitionId::new(transition),
        request: RequestId::new(7),
        arguments,
    };
    peer.node.send_control(&mut peer.mls, order).unwrap()
}

fn receive(peer: &mut Peer, frame: &OutboundFrame) -> Vec<NodeEvent> {
    peer.node.receive(&peer.mls, &frame.wire, T0)
}

fn say(peer: &mut Peer, id: u64, text: &str) -> OutboundFrame {
    let client = TextClient::default();
    let to = (&mut peer.node, &mut peer.mls);
    client.send(to, MemberId::EVERYBODY, MessageId::new(id), text, Codec::Cbor).unwrap()
}

fn sequence(frame: &OutboundFrame) -> u32 {
    Frame::decode(&frame.wire).unwrap().header.sequence.number()
}

fn heard(peer: &mut Peer, frame: &OutboundFrame) -> String {
    let events = receive(peer, frame);
    let [NodeEvent::Payload { opened, plaintext }] = events.as_slice() else { panic!("{events:?}") };
    let heard = TextClient::default().accept(plaintext, peer.mls.epoch(), opened.format).unwrap();
    String::from_utf8(heard.message.content).unwrap()
}

#[test]
fn two_members_talk_in_every_codec_and_layer() {
    let (mut alice, mut bob) = pair(1);
    for codec in Codec::ALL {
        let to = (&mut alice.node, &mut alice.mls);
        let frame = TextClient::default().send(to, MemberId::new(2), MessageId::new(u64::MAX), "hi", codec);
        assert_eq!(heard(&mut bob, &frame.unwrap()), "hi");
        let (mut speaker, mut listener) = (AudioClient::default(), AudioClient::default());
        for number in 1..=2_u16 {
            let to = (&mut alice.node, &mut alice.mls);
            let frame = vec![9; 100_000];
            let frame =
                speaker.send(to, MemberId::EVERYBODY, (MediaSource::new(5), 960), &frame, codec).unwrap();
            let events = receive(&mut bob, &frame);
            let [NodeEvent::Payload { opened, plaintext }] = events.as_slice() else { panic!("{events:?}") };
            let heard = listener.accept(plaintext, bob.mls.epoch(), opened.format, T0).unwrap();
            assert_eq!((heard.payload.sequence, heard.payload.frame.len()), (number, 100_000));
        }
        let order = SignalOrder {
            target: MemberId::EVERYBODY,
            signal: 200,
            role_claim: Role::new(1),
            request: RequestId::new(3),
            arguments: &[0xa1, 0, 3],
            codec,
        };
        let to = (&mut alice.node, &mut alice.mls);
        let events = receive(&mut bob, &SignalClient::default().send(to, order).unwrap());
        let [NodeEvent::Payload { opened, plaintext }] = events.as_slice() else { panic!("{events:?}") };
        let heard = SignalClient::default().accept(plaintext, bob.mls.epoch(), opened.format).unwrap();
        assert_eq!(heard.arguments, [0xa1, 0, 3]);
    }
}

#[test]
fn a_third_member_comes_in_by_prepare_ready_execute() {
    let (mut alice, mut bob) = pair(10);
    let mut carol = context(12, "carol");
    let (commit, welcome) = alice.mls.invite(&carol.key_package(T0).unwrap(), T0).unwrap();
    let prepare = control(&mut alice, Opcode::Prepare, 1, &commit);
    let events = receive(&mut bob, &prepare);
    let [NodeEvent::Control(message)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(bob.mls.process(message.raw_arguments(), T0).unwrap(), MessageKind::Commit);
    let ready = control(&mut bob, Opcode::Ready, 1, &[]);
    assert!(matches!(receive(&mut alice, &ready).as_slice(), [NodeEvent::Control(_)]));
    let execute = control(&mut alice, Opcode::Execute, 1, &[]);
    let events = receive(&mut bob, &execute);
    assert!(
        matches!(events.as_slice(), [NodeEvent::EpochAdvanced { .. }, NodeEvent::Control(_)]),
        "{events:?}"
    );
    bob.mls.finalize().unwrap();

    // Pattern B: the joiner waits in the old node epoch with the new keys.
    alice.mls.finalize().unwrap();
    carol.accept_welcome(&welcome, T0).unwrap();
    let mut waiting = GroupNode::new(MemberId::new(3), carol.group_id().as_bytes()).unwrap();
    waiting.start(alice.node.epoch(), TransitionId::new(1), T0).unwrap();
    waiting.drain();
    let mut carol = Peer { mls: carol, node: waiting };
    let again = control(&mut alice, Opcode::Execute, 1, &[]);
    assert!(sequence(&again) > sequence(&execute));
    assert_eq!(receive(&mut carol, &again).len(), 2);
    alice.node.apply(TransitionId::new(1), T0).unwrap();
    assert!(matches!(alice.node.drain().as_slice(), [NodeEvent::EpochAdvanced { .. }]));

    for text in ["to all", "once more"] {
        let frame = say(&mut alice, 1, text);
        assert_eq!((heard(&mut bob, &frame), heard(&mut carol, &frame)), (text.to_owned(), text.to_owned()));
    }
    let frame = say(&mut carol, 1, "hello");
    assert_eq!(heard(&mut alice, &frame), "hello");

    // The highest leaf goes, although it is as high as there are members then.
    let commit = alice.mls.remove(LeafIndex::new(1), T0).unwrap();
    assert_eq!(carol.mls.process(&commit, T0).unwrap(), MessageKind::Commit);
    alice.mls.finalize().unwrap();
    carol.mls.finalize().unwrap();
    let commit = alice.mls.remove(LeafIndex::new(2), T0).unwrap();
    assert_eq!(carol.mls.process(&commit, T0).unwrap(), MessageKind::Commit);
    carol.mls.finalize().unwrap();
    let removed = carol.node.send_control(
        &mut carol.mls,
        Control {
            target: MemberId::EVERYBODY,
            opcode: Opcode::Ack,
            transition: TransitionId::new(0),
            request: RequestId::new(0),
            arguments: &[],
        },
    );
    assert_eq!(removed.unwrap_err().code(), Code::MLS_REMOVED);
}

#[test]
fn numbers_go_on_whatever_is_made_anew_or_restored() {
    let (mut alice, mut bob) = pair(20);
    let old = alice.mls.export().unwrap();
    let mut seen = BTreeSet::new();
    let mut last = 0;
    let mut sent = |alice: &mut Peer, bob: &mut Peer| {
        let frame = say(alice, 1, "x");
        assert!(sequence(&frame) > last && seen.insert(sequence(&frame)));
        last = sequence(&frame);
        assert_eq!(heard(bob, &frame), "x");
    };
    for _ in 0..600 {
        sent(&mut alice, &mut bob);
    }
    alice.node = node(1, &alice.mls, 0);
    sent(&mut alice, &mut bob);
    // An old export, twice, and a new one.
    let new = alice.mls.export().unwrap();
    for state in [&old, &old, &new] {
        alice.mls = MlsContext::restore(state, Arc::new(Seed::quiet(29).entropy(1))).unwrap();
        alice.node = node(1, &alice.mls, 0);
        sent(&mut alice, &mut bob);
    }
    assert!(!alice.mls.key_package(T0).unwrap().is_empty());
}

#[test]
fn an_exported_state_that_is_cut_or_altered_is_refused() {
    let mut alice = context(30, "alice");
    let state = alice.export().unwrap();
    let entropy = || Arc::new(Seed::quiet(31).entropy(0));
    assert!(MlsContext::restore(&state, entropy()).is_ok());
    for length in [0, 1, 20, state.len() / 2, state.len() - 1] {
        assert!(MlsContext::restore(&state[..length], entropy()).is_err());
    }
    let mut altered = state.clone();
    altered[40] ^= 1;
    assert_eq!(MlsContext::restore(&altered, entropy()).unwrap_err().code(), Code::GBP_STATE_INVALID);
    assert!(MlsContext::restore(&[state, vec![0]].concat(), entropy()).is_err());
}

#[test]
fn a_staged_commit_outlives_an_export_and_own_commits_are_refused() {
    let (mut alice, mut bob) = pair(40);
    let mut carol = context(42, "carol");
    let (commit, _) = alice.mls.invite(&carol.key_package(T0).unwrap(), T0).unwrap();
    assert!(alice.mls.process(&commit, T0).is_err());
    assert_eq!(alice.mls.epoch().number(), 1);
    assert!(alice.mls.remove(LeafIndex::new(1), T0).is_err());
    let mut altered = commit.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert!(bob.mls.process(&altered, T0).is_err() && alice.mls.process(&altered, T0).is_err());
    bob.mls.process(&commit, T0).unwrap();
    let state = bob.mls.export().unwrap();
    bob.mls = MlsContext::restore(&state, Arc::new(Seed::quiet(43).entropy(0))).unwrap();
    bob.mls.finalize().unwrap();
    alice.mls.finalize().unwrap();
    assert_eq!((alice.mls.epoch(), bob.mls.epoch().number()), (bob.mls.epoch(), 2));
    alice.mls.finalize().unwrap();
    assert!(alice.mls.process(&commit, T0).is_err());
}

#[test]
fn a_transition_that_everybody_would_refuse_is_not_sent() {
    let (mut alice, mut bob) = pair(50);
    let frame = control(&mut alice, Opcode::Execute, 1, &[]);
    assert!(matches!(receive(&mut bob, &frame).as_slice(), [NodeEvent::Error { .. }]));
    alice.node.apply(TransitionId::new(1), T0).unwrap();
    let order = |opcode, transition| Control {
        target: MemberId::EVERYBODY,
        opcode,
        transition: TransitionId::new(transition),
        request: RequestId::new(1),
        arguments: &[1],
    };
    for opcode in [Opcode::Prepare, Opcode::Ready, Opcode::Execute, Opcode::Abort] {
        let refused = alice.node.send_control(&mut alice.mls, order(opcode, 1)).unwrap_err();
        assert_eq!(refused.code(), Code::GBP_TRANSITION_MISMATCH);
    }
    control(&mut alice, Opcode::Prepare, 2, &[]);
    assert!(alice.node.send_control(&mut alice.mls, order(Opcode::Execute, 3)).is_err());
    // Arguments of answers are nobody's business here.
    assert!(alice.node.send_control(&mut alice.mls, order(Opcode::Nack, 0)).is_ok());
}

#[test]
fn media_counters_belong_to_the_context() {
    let (mut alice, mut bob) = pair(60);
    for suite in [MediaSuite::Aes128Gcm, MediaSuite::Aes256Gcm] {
        let mut theirs = MediaSession::new(&mut bob.mls, "gbp/sframe v1", suite).unwrap();
        let mut state = alice.mls.export().unwrap();
        for round in 0..4 {
            let ours = MediaSession::new(&mut alice.mls, "gbp/sframe v1", suite).unwrap();
            for _ in 0..2 {
                let encryptor = ours.encryptor(&mut alice.mls, LeafIndex::new(0), None, None).unwrap();
                let sealed = encryptor.seal(b"", b"aad").unwrap();
                let opened = theirs.open(&sealed, b"aad", T0).unwrap();
                assert_eq!((opened.plaintext, opened.sender), (Vec::new(), LeafIndex::new(0)));
                assert!(theirs.open(&sealed, b"aad", T0).is_err());
            }
            if round > 0 {
                alice.mls = MlsContext::restore(&state, Arc::new(Seed::quiet(70).entropy(round))).unwrap();
                state = alice.mls.export().unwrap();
            }
        }
    }
    assert!(MediaSuite::from_number(2).is_err());
}

#[test]
fn a_removed_member_comes_back_into_its_group() {
    let (mut alice, mut bob) = pair(80);
    let commit = alice.mls.remove(LeafIndex::new(1), T0).unwrap();
    bob.mls.process(&commit, T0).unwrap();
    bob.mls.finalize().unwrap();
    alice.mls.finalize().unwrap();
    let (_, welcome) = alice.mls.invite(&bob.mls.key_package(T0).unwrap(), T0).unwrap();
    alice.mls.finalize().unwrap();
    bob.mls.accept_welcome(&welcome, T0).unwrap();
    assert_eq!((bob.mls.epoch(), bob.mls.group_id()), (alice.mls.epoch(), alice.mls.group_id()));
    let state = bob.mls.export().unwrap();
    bob.mls = MlsContext::restore(&state, Arc::new(Seed::quiet(89).entropy(0))).unwrap();
    (alice.node, bob.node) = (node(1, &alice.mls, 0), node(2, &bob.mls, 0));
    let frame = say(&mut bob, 1, "back");
    assert_eq!(heard(&mut alice, &frame), "back");
}

#[test]
fn several_join_by_one_welcome_and_an_update_is_followed() {
    let (mut alice, mut bob, mut carol) = (context(90, "alice"), context(91, "bob"), context(92, "carol"));
    let packages = [bob.key_package(T0).unwrap(), carol.key_package(T0).unwrap()];
    let packages: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    let (_, welcome) = alice.invite_all(&packages, T0).unwrap();
    alice.finalize().unwrap();
    bob.accept_welcome(&welcome, T0).unwrap();
    carol.accept_welcome(&welcome, T0).unwrap();
    let commit = bob.update(T0).unwrap();
    for member in [&mut alice, &mut carol] {
        assert_eq!(member.process(&commit, T0).unwrap(), MessageKind::Commit);
    }
    for member in [&mut alice, &mut bob, &mut carol] {
        member.finalize().unwrap();
        assert_eq!(member.epoch().number(), 2);
    }
}

#[test]
fn a_frame_into_lent_room_is_the_same_frame_and_too_little_room_changes_nothing() {
    let (mut alice, mut bob) = pair(100);
    let mut room = [0; 256];
    let to = (&mut alice.node, &mut alice.mls);
    let (id, before) = (MessageId::new(1), say(&mut bob, 1, "hello").wire.len());
    let short = TextClient::send_into(to, id, b"hello".to_vec(), Codec::Cbor, &mut room[..before - 1]);
    assert_eq!(short.unwrap_err().code(), Code::INVALID_ARGUMENT);
    let to = (&mut alice.node, &mut alice.mls);
    let length = TextClient::send_into(to, id, b"hello".to_vec(), Codec::Cbor, &mut room).unwrap();
    let frame = OutboundFrame { target: MemberId::EVERYBODY, wire: room[..length].to_vec() };
    let next = say(&mut alice, 2, "again");
    assert_eq!((length, sequence(&next) - sequence(&frame)), (before, 2), "no number was skipped");
    assert_eq!(bob.node.receive_into(&bob.mls, &frame.wire, &mut [], T0), None);
    assert!(matches!(bob.node.drain().as_slice(), [NodeEvent::Error { .. }]));
    let opened = bob.node.receive_into(&bob.mls, &frame.wire, &mut room, T0).unwrap();
    let plaintext = &room[opened.plaintext];
    let heard = TextClient::default().accept(plaintext, bob.mls.epoch(), opened.format).unwrap();
    assert_eq!(heard.message.content, b"hello");
}

#[test]
fn what_happened_before_a_payload_is_told_before_it() {
    let (mut alice, mut bob) = pair(110);
    let (first, second) = (say(&mut alice, 1, "first"), say(&mut alice, 2, "second"));
    let mut room = [0; 256];
    bob.node = GroupNode::new(MemberId::new(2), bob.mls.group_id().as_bytes()).unwrap();
    bob.node.start(bob.mls.epoch(), TransitionId::new(0), T0).unwrap();
    assert_eq!(bob.node.receive_into(&bob.mls, &first.wire, &mut room, T0), None);
    let events = bob.node.drain();
    let [NodeEvent::StateChanged { .. }, .., NodeEvent::Payload { plaintext, .. }] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert!(plaintext.ends_with(b"first"));
    assert!(bob.node.receive_into(&bob.mls, &second.wire, &mut room, T0).is_some());
    assert_eq!(bob.node.drain(), []);
}
