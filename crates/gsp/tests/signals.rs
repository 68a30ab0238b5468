//! The examples and rules of the protocol's text, through the client.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;

use coterie_gsp::{
    Answer, Authority, GiveError, Incoming, Order, Origin, Outgoing, Permissions, Received, Refusal,
    RoleSpec, SignalClient, Verdict,
};
use coterie_testkit::T0;
use coterie_types::{Code, Duration, Epoch, ErrorCode as _, MemberId, RequestId, StreamClass};
use coterie_wire::control::Arguments;
use coterie_wire::payload::{Role, Signal};
use coterie_wire::{Codec, ErrorNumber, ErrorObject};

const ALICE: MemberId = MemberId::new(1);
const BOB: MemberId = MemberId::new(2);
const CAROL: MemberId = MemberId::new(3);
const EPOCH: Epoch = Epoch::new(1);
const SPEAKER: Role = Role::new(2);
const ADMIN: Role = Role::new(100);

fn open(member: MemberId) -> SignalClient {
    SignalClient::new(member, Authority::Open)
}

/// Alice administrates, everybody else sends.
fn enforced(member: MemberId) -> SignalClient {
    let mut client = SignalClient::new(member, Authority::MEMBERS_SEND);
    for (id, permissions) in [(ADMIN, Permissions::ALL), (SPEAKER, Permissions::SEND)] {
        client.roles_mut().define(RoleSpec { id, name: String::new(), permissions }).unwrap();
    }
    client.roles_mut().assign(ALICE, ADMIN).unwrap();
    client.set_roster(BTreeSet::from([ALICE, BOB, CAROL]));
    client
}

fn give(client: &mut SignalClient, signal: Signal, request: u32) -> Result<Outgoing, GiveError> {
    client.give(Order::new(signal, RequestId::new(request)), EPOCH, T0)
}

fn from(sent: &Outgoing) -> Incoming<'_> {
    let origin = Origin::Member(sent.message.sender);
    Incoming { payload: &sent.payload, format: sent.codec.into(), origin, epoch: EPOCH }
}

/// What `sender` can always send, whatever its own client says of it.
fn raw(sender: MemberId, signal: Signal, request: u32) -> Outgoing {
    give(&mut open(sender), signal, request).unwrap()
}

fn receive(client: &mut SignalClient, sent: &Outgoing) -> Result<Received, Refusal> {
    client.receive(&from(sent)).map_err(|refused| refused.cause)
}

const PUBLISHED: [(u32, Signal, u32, u32, [&str; 3]); 3] = [
    (
        5,
        Signal::Join,
        1,
        0,
        [
            "a661741864637269640163736964056272630064616c656e00646172677340",
            "086410011805",
            "04000000f0ffffff6400000001000000050000000a001000040008000c00",
        ],
    ),
    (
        1,
        Signal::Mute { target: CAROL },
        2,
        0,
        [
            "a6617418c8637269640263736964016272630064616c656e03646172677343a10003",
            "08c8011002180128033203a10003",
            "04000000e8ffffffc80000000200000001000000030000001400000010001800040008000c0000001000140003000000a10003",
        ],
    ),
    (
        1,
        Signal::RoleChange { target: MemberId::new(5), role: SPEAKER },
        3,
        1,
        [
            "a661741866637269640363736964016272630164616c656e05646172677345a200050102",
            "086610031801200128053205a200050102",
            "04000000e4ffffff66000000030000000100000001000000050000001400000010001c00040008000c0010001400180005000000a200050102",
        ],
    ),
];

#[test]
fn published_signals_are_given_byte_for_byte_and_arrive_with_all_their_fields() {
    for (sender, signal, request, role, bytes) in PUBLISHED {
        for (codec, bytes) in Codec::ALL.into_iter().zip(bytes) {
            let order = Order::new(signal, RequestId::new(request));
            let order = Order { role_claim: Role::new(role), codec, ..order };
            let sent = open(MemberId::new(sender)).give(order, EPOCH, T0).unwrap();
            assert_eq!(sent.payload, hex::decode(bytes).unwrap());
            let received = receive(&mut open(BOB), &sent).unwrap();
            assert_eq!((received.message, received.verdict), (sent.message, Verdict::New));
        }
    }
}

#[test]
fn muting_is_about_the_target_and_not_about_who_mutes() {
    let mut bob = enforced(BOB);
    let mute = Signal::Mute { target: CAROL };
    assert!(receive(&mut bob, &raw(ALICE, mute, 1)).unwrap().changed);
    assert!(bob.view().is_muted(CAROL) && !bob.view().is_muted(ALICE));
    assert!(!bob.may_send(CAROL, StreamClass::Audio) && bob.may_send(CAROL, StreamClass::Text));
    let start = Signal::StreamStart { class: StreamClass::Audio };
    let refused = receive(&mut bob, &raw(CAROL, start, 1)).unwrap_err();
    assert_eq!((refused, refused.code()), (Refusal::Muted(CAROL), Code::GSP_STATE_CONFLICT));
    receive(&mut bob, &raw(ALICE, Signal::Unmute { target: CAROL }, 2)).unwrap();
    assert!(receive(&mut bob, &raw(CAROL, start, 1)).unwrap().changed, "the refusal used nothing up");
    assert!(bob.view().is_publishing(CAROL, StreamClass::Audio));
    assert!(receive(&mut bob, &raw(CAROL, Signal::Mute { target: CAROL }, 2)).unwrap().changed);
}

#[test]
fn who_may_what_is_decided_by_the_sender_and_never_by_the_role_it_claims() {
    let rules: [(Signal, bool); 8] = [
        (Signal::Join, true),
        (Signal::Leave, true),
        (Signal::RoleChange { target: BOB, role: ADMIN }, false),
        (Signal::Mute { target: ALICE }, false),
        (Signal::Unmute { target: ALICE }, false),
        (Signal::StreamStart { class: StreamClass::Audio }, true),
        (Signal::StreamStop { class: StreamClass::Text }, true),
        (Signal::CodecUpdate { codec: 1 }, false),
    ];
    for (signal, allowed) in rules {
        let mut carol = enforced(CAROL);
        let before = carol.export();
        let order = Order { role_claim: ADMIN, ..Order::new(signal, RequestId::new(9)) };
        let sent = open(BOB).give(order, EPOCH, T0).unwrap();
        let outcome = receive(&mut carol, &sent);
        assert_eq!(outcome.is_ok(), allowed, "{signal:?}");
        if let Err(refused) = outcome {
            assert_eq!((refused, refused.code()), (Refusal::Unauthorized(BOB), Code::GSP_UNAUTHORIZED));
            assert_eq!(refused.number(), Some(ErrorNumber::GSP_UNAUTHORIZED));
            assert_eq!(carol.export(), before);
            assert_eq!(give(&mut enforced(BOB), signal, 9), Err(refused.into()), "nor is it given");
        }
        assert!(receive(&mut enforced(CAROL), &raw(ALICE, signal, 9)).is_ok(), "{signal:?}");
    }
}

#[test]
fn a_role_without_signals_may_give_none_and_automatic_control_changes_codecs_only() {
    let authority =
        Authority::Enforced { unassigned: Permissions::SEND_TEXT, automatic_control: Some(SPEAKER) };
    let mut carol = SignalClient::new(CAROL, authority);
    let role = RoleSpec { id: SPEAKER, name: String::new(), permissions: Permissions::SEND_SIGNAL };
    carol.roles_mut().define(role).unwrap();
    assert_eq!(receive(&mut carol, &raw(BOB, Signal::Join, 1)), Err(Refusal::Unauthorized(BOB)));
    carol.roles_mut().assign(BOB, SPEAKER).unwrap();
    receive(&mut carol, &raw(BOB, Signal::CodecUpdate { codec: 7 }, 2)).unwrap();
    assert_eq!(carol.view().codec_of(BOB), Some(7));
    let start = raw(BOB, Signal::StreamStart { class: StreamClass::Audio }, 3);
    assert_eq!(receive(&mut carol, &start), Err(Refusal::Unauthorized(BOB)));
}

#[test]
fn a_role_is_given_by_who_may_to_who_is_there_and_only_if_it_exists() {
    let mut bob = enforced(BOB);
    let change = |target, role| Signal::RoleChange { target, role };
    receive(&mut bob, &raw(ALICE, change(CAROL, ADMIN), 1)).unwrap();
    assert!(bob.roles().has(CAROL, Permissions::MUTE_OTHERS));
    let unknown = receive(&mut bob, &raw(ALICE, change(CAROL, Role::new(9)), 2)).unwrap_err();
    assert_eq!(
        (unknown.code(), unknown.number()),
        (Code::GSP_ROLE_UNKNOWN, Some(ErrorNumber::GSP_PRECONDITION_FAILED))
    );
    let absent = receive(&mut bob, &raw(ALICE, change(MemberId::new(9), ADMIN), 2)).unwrap_err();
    assert_eq!(absent, Refusal::NotAMember(MemberId::new(9)));
    let mut free = open(BOB);
    assert!(!receive(&mut free, &raw(CAROL, change(CAROL, ADMIN), 1)).unwrap().changed);
}

#[test]
fn request_ids_are_each_senders_own_and_count_for_an_epoch() {
    let mut carol = open(CAROL);
    let join = raw(ALICE, Signal::Join, 5);
    assert_eq!(receive(&mut carol, &join).unwrap().verdict, Verdict::New);
    let again = receive(&mut carol, &join).unwrap();
    assert_eq!((again.verdict, again.changed, again.message), (Verdict::Duplicate, false, join.message));
    assert_eq!(receive(&mut carol, &raw(ALICE, Signal::Leave, 5)).unwrap().verdict, Verdict::Conflicting);
    assert_eq!(receive(&mut carol, &raw(BOB, Signal::Join, 5)).unwrap().verdict, Verdict::New);
    let later = Incoming { epoch: Epoch::new(2), ..from(&join) };
    assert_eq!(carol.receive(&later).unwrap().verdict, Verdict::New);
    assert_eq!(carol.view().members().collect::<Vec<_>>(), [ALICE, BOB]);
    carol.reset();
    assert_eq!(carol.receive(&later).unwrap().verdict, Verdict::New);
    assert_eq!(carol.view().members().count(), 2, "who is in stays");
}

#[test]
fn signals_in_anothers_name_unknown_ones_and_bad_arguments_use_nothing_up() {
    let mut carol = open(CAROL);
    let sent = raw(ALICE, Signal::Join, 5);
    let forged = Incoming { origin: Origin::Member(BOB), ..from(&sent) };
    let refused = carol.receive(&forged).unwrap_err();
    assert_eq!((refused.code(), Answer::refused(&refused)), (Code::GSP_WRONG_SENDER, None));
    for (bytes, code) in [
        ("a661741903e7637269640563736964016272630064616c656e00646172677340", Code::GSP_UNKNOWN_SIGNAL),
        ("a6617418c8637269640563736964016272630064616c656e00646172677340", Code::GSP_BAD_SCHEMA),
        ("ff", Code::WIRE_MALFORMED),
    ] {
        let payload = hex::decode(bytes).unwrap();
        let refused = carol.receive(&Incoming { payload: &payload, ..from(&sent) }).unwrap_err();
        assert_eq!(refused.code(), code);
    }
    let unverified = Incoming { origin: Origin::Unknown, ..from(&sent) };
    assert_eq!(carol.receive(&unverified).unwrap().verdict, Verdict::New);
}

#[test]
fn a_signal_is_carried_out_when_everybody_has_answered() {
    let mut alice = enforced(ALICE);
    let request = RequestId::new(7);
    let order = Order::new(Signal::Mute { target: CAROL }, request).awaiting([BOB, CAROL]);
    let sent = alice.give(order.clone(), EPOCH, T0).unwrap();
    assert_eq!(alice.give(order, EPOCH, T0), Err(GiveError::RequestTaken(request)));
    let mut bob = enforced(BOB);
    receive(&mut bob, &sent).unwrap();
    let answer = Answer::carried_out(sent.message.sender, sent.message.request);
    assert_eq!((answer.to, answer.arguments()), (ALICE, Arguments::Ack(request)));
    assert_eq!(alice.handle_answer(BOB, request, None), None);
    assert_eq!(alice.handle_answer(BOB, request, None), None, "twice is not for another");
    let refused = ErrorObject::registered(ErrorNumber::GSP_UNAUTHORIZED);
    for late_or_foreign in [BOB, MemberId::new(9)] {
        assert_eq!(alice.handle_answer(late_or_foreign, request, Some(refused.clone())), None);
    }
    let finished = alice.handle_answer(CAROL, request, None).unwrap();
    assert!(finished.is_carried_out() && finished.request == request);
    assert_eq!(alice.handle_answer(CAROL, request, None), None);
}

#[test]
fn a_refusal_travels_as_a_nack_with_its_number() {
    let mut carol = enforced(CAROL);
    let request = RequestId::new(8);
    let mut bob = open(BOB);
    let order = Order::new(Signal::Mute { target: ALICE }, request).awaiting([CAROL]);
    let sent = bob.give(order, EPOCH, T0).unwrap();
    let refused = carol.receive(&from(&sent)).unwrap_err();
    let answer = Answer::refused(&refused).unwrap();
    let error = ErrorObject::registered(ErrorNumber::GSP_UNAUTHORIZED);
    assert_eq!(answer.arguments(), Arguments::Nack(request, error.clone()));
    let finished = bob.handle_answer(CAROL, answer.request, answer.refused).unwrap();
    assert_eq!(finished.refused[&CAROL], error);
    assert!(!finished.is_carried_out());
}

#[test]
fn silence_ends_at_the_deadline_and_who_leaves_is_no_longer_waited_for() {
    let mut alice = enforced(ALICE);
    let order = |request| Order::new(Signal::Join, RequestId::new(request)).awaiting([BOB, CAROL]);
    alice.give(order(1), EPOCH, T0).unwrap();
    alice.give(order(2), EPOCH, T0 + Duration::from_secs(5)).unwrap();
    alice.handle_answer(BOB, RequestId::new(2), None);
    let finished = alice.set_roster(BTreeSet::from([ALICE, BOB]));
    assert_eq!((finished.len(), finished[0].request), (1, RequestId::new(2)));
    let deadline = alice.poll_timeout().unwrap();
    assert!(alice.handle_timeout(T0).is_empty());
    let late = alice.handle_timeout(deadline);
    assert_eq!((late.len(), late[0].silent.clone()), (1, BTreeSet::from([BOB])));
    assert_eq!(alice.poll_timeout(), None);
}

#[test]
fn who_left_the_group_leaves_nothing_behind() {
    let mut bob = enforced(BOB);
    for (request, signal) in
        [Signal::Join, Signal::StreamStart { class: StreamClass::Text }].into_iter().enumerate()
    {
        receive(&mut bob, &raw(CAROL, signal, request as u32)).unwrap();
    }
    receive(&mut bob, &raw(ALICE, Signal::Mute { target: CAROL }, 1)).unwrap();
    bob.roles_mut().assign(CAROL, SPEAKER).unwrap();
    bob.capabilities_mut().advertise(CAROL, ["opus".to_owned()]).unwrap();
    bob.set_roster(BTreeSet::from([ALICE, BOB]));
    assert_eq!(bob.view(), enforced(BOB).view());
    assert!(bob.roles().role_of(CAROL).is_none() && bob.capabilities().is_empty());
}

#[test]
fn arguments_may_hold_more_than_the_signal_knows_and_arrive_as_they_were_given() {
    let signal = Signal::Mute { target: CAROL };
    let given = hex::decode("a2000301f6").unwrap();
    for codec in Codec::ALL {
        let order = Order { arguments: Some(given.clone()), codec, ..Order::new(signal, RequestId::new(1)) };
        let sent = open(ALICE).give(order, EPOCH, T0).unwrap();
        let received = receive(&mut open(BOB), &sent).unwrap();
        assert_eq!((received.message.signal, received.arguments), (signal, given.clone()));
    }
    for wrong in ["", "a10004", "a1000300", "f6"] {
        let arguments = Some(hex::decode(wrong).unwrap());
        let order = Order { arguments, ..Order::new(signal, RequestId::new(1)) };
        let refused = open(ALICE).give(order, EPOCH, T0).unwrap_err();
        assert_eq!(refused.code(), Code::GSP_BAD_SCHEMA, "{wrong}");
    }
    let join = Order { arguments: Some(vec![1, 2]), ..Order::new(Signal::Join, RequestId::new(1)) };
    let sent = open(ALICE).give(join, EPOCH, T0).unwrap();
    assert_eq!(receive(&mut open(BOB), &sent).unwrap().arguments, [1, 2]);
}

#[test]
fn fresh_request_ids_are_never_zero_and_never_in_use() {
    let mut alice = open(ALICE);
    assert_eq!(alice.fresh_request(0), RequestId::new(1));
    give(&mut alice, Signal::Join, u32::MAX).unwrap();
    assert_eq!(alice.fresh_request(u32::MAX), RequestId::new(1));
    assert_eq!(alice.fresh_request(77), RequestId::new(77));
}

#[test]
fn what_counts_is_answered_again_and_another_signal_under_its_number_is_not() {
    let (mut alice, mut bob) = (enforced(ALICE), enforced(BOB));
    let sent = give(&mut alice, Signal::Mute { target: CAROL }, 9).unwrap();
    assert_eq!(sent.arguments, Signal::Mute { target: CAROL }.arguments());
    let answer = Some(Answer::carried_out(ALICE, RequestId::new(9)));
    for verdict in [Verdict::New, Verdict::Duplicate] {
        let received = receive(&mut bob, &sent).unwrap();
        assert_eq!((received.verdict, received.answer()), (verdict, answer.clone()));
    }
    let other = receive(&mut bob, &raw(ALICE, Signal::Join, 9)).unwrap();
    assert_eq!((other.verdict, other.answer()), (Verdict::Conflicting, None));
}
