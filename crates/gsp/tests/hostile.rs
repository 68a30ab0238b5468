//! Whatever comes in: what is refused changes nothing, what is held is bounded, and a saved state goes on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use coterie_gsp::limits::{MAX_MEMBERS, MAX_WAITING};
use coterie_gsp::{
    Authority, ConformanceClass, GiveError, Incoming, Order, Origin, Outgoing, Permissions, Refusal,
    RoleSpec, SignalClient, StateError, Verdict,
};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, Epoch, ErrorCode as _, MemberId, RequestId, StreamClass};
use coterie_wire::payload::{Role, Signal};
use coterie_wire::{Codec, ErrorNumber, ErrorObject, PayloadFormat};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

const ALICE: MemberId = MemberId::new(1);
const BOB: MemberId = MemberId::new(2);
const EPOCH: Epoch = Epoch::new(1);
const ROUNDS: usize = 10_000;

fn signals() -> [Signal; 8] {
    let (target, role, class) = (MemberId::new(70_000), Role::new(2), StreamClass::Audio);
    [
        Signal::Join,
        Signal::Leave,
        Signal::RoleChange { target, role },
        Signal::Mute { target },
        Signal::Unmute { target },
        Signal::StreamStart { class },
        Signal::StreamStop { class },
        Signal::CodecUpdate { codec: u32::MAX },
    ]
}

fn genuine() -> Vec<Outgoing> {
    let mut alice = SignalClient::new(ALICE, Authority::Open);
    let orders = signals().into_iter().zip(1..).flat_map(|(signal, request)| {
        let order = Order::new(signal, RequestId::new(request));
        Codec::ALL.map(|codec| Order { codec, ..order.clone() })
    });
    orders.map(|order| alice.give(order, EPOCH, T0).unwrap()).collect()
}

fn from(sent: &Outgoing) -> Incoming<'_> {
    let origin = Origin::Member(sent.message.sender);
    Incoming { payload: &sent.payload, format: sent.codec.into(), origin, epoch: EPOCH }
}

/// A client that has something of everything.
fn lived() -> SignalClient {
    let mut bob = SignalClient::new(BOB, Authority::MEMBERS_SEND);
    let role = RoleSpec { id: Role::new(2), name: "moderator".to_owned(), permissions: Permissions::ALL };
    bob.roles_mut().define(role).unwrap();
    bob.roles_mut().assign(ALICE, Role::new(2)).unwrap();
    bob.capabilities_mut().declare_class(ALICE, ConformanceClass::B).unwrap();
    for sent in genuine() {
        bob.receive(&from(&sent)).unwrap();
    }
    let mute =
        Order::new(Signal::Mute { target: BOB }, RequestId::new(9)).awaiting([ALICE, MemberId::new(5)]);
    bob.give(mute, EPOCH, T0).unwrap();
    let refused = ErrorObject::registered(ErrorNumber::GSP_UNAUTHORIZED);
    assert_eq!(bob.handle_answer(ALICE, RequestId::new(9), Some(refused)), None);
    bob.set_roster([ALICE, BOB, MemberId::new(5), MemberId::new(70_000)].into());
    bob
}

#[test]
fn ten_thousand_mutated_payloads_change_nothing_where_they_are_refused() {
    let mut rng = Seed::new(63).rng(0);
    let genuine = genuine();
    let mut bob = SignalClient::new(BOB, Authority::MEMBERS_SEND);
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..ROUNDS {
        let sent = genuine.choose(&mut rng).unwrap();
        let mut payload = sent.payload.clone();
        match rng.random_range(0..4) {
            0 => payload.truncate(rng.random_range(0..payload.len())),
            1 => payload = (0..rng.random_range(0..60)).map(|_| rng.random()).collect(),
            _ => {
                let place = rng.random_range(0..payload.len());
                payload[place] ^= 1 << rng.random_range(0..8);
            }
        }
        let before = bob.export();
        let format =
            if rng.random_ratio(1, 20) { rng.random() } else { PayloadFormat::from(sent.codec).number() };
        match bob.receive(&Incoming { payload: &payload, format: PayloadFormat::new(format), ..from(sent) }) {
            Ok(_) => taken += 1,
            Err(error) => {
                refused += 1;
                assert_eq!(bob.export(), before, "{error}");
            }
        }
    }
    assert!(refused > ROUNDS / 4 && taken > 100, "{refused} refused, {taken} taken");
}

#[test]
fn what_signals_name_is_remembered_up_to_a_bound() {
    let mut bob = SignalClient::new(BOB, Authority::Open);
    let mut alice = SignalClient::new(ALICE, Authority::Open);
    let mute =
        |target: u32| Order::new(Signal::Mute { target: MemberId::new(target) }, RequestId::new(target));
    for target in 1..=MAX_MEMBERS as u32 {
        bob.receive(&from(&alice.give(mute(target), EPOCH, T0).unwrap())).unwrap();
    }
    let one_more = alice.give(mute(20_000), EPOCH, T0).unwrap_err();
    assert_eq!(one_more, GiveError::Refused(Refusal::TooMany));
    let sent = SignalClient::new(ALICE, Authority::Open).give(mute(20_000), EPOCH, T0).unwrap();
    assert_eq!(bob.receive(&from(&sent)).unwrap_err().code(), Code::GSP_STATE_CONFLICT);
    let state = bob.export();
    assert_eq!(SignalClient::import(BOB, Authority::Open, &state).unwrap().export(), state);
    println!("{} bytes of state at the bound", state.len());
}

#[test]
fn signals_that_wait_for_answers_are_bounded() {
    let mut alice = SignalClient::new(ALICE, Authority::Open);
    let order = |request| Order::new(Signal::Join, RequestId::new(request)).awaiting([BOB]);
    (1..=MAX_WAITING as u32).for_each(|request| drop(alice.give(order(request), EPOCH, T0).unwrap()));
    let before = alice.export();
    assert_eq!(alice.give(order(9_999), EPOCH, T0), Err(GiveError::TooManyWaiting));
    assert_eq!(alice.export(), before);
    let everybody = (2..=15_000).map(MemberId::new);
    let mut other = SignalClient::new(ALICE, Authority::Open);
    other.give(order(1).awaiting(everybody.clone()), EPOCH, T0).unwrap();
    assert_eq!(other.give(order(2).awaiting(everybody), EPOCH, T0), Err(GiveError::TooManyWaiting));
}

#[test]
fn after_a_restart_duplicates_are_known_and_answers_still_count() {
    let bob = lived();
    let mut again = SignalClient::import(BOB, Authority::MEMBERS_SEND, &bob.export()).unwrap();
    assert_eq!(again.export(), bob.export());
    for sent in genuine() {
        assert_eq!(again.receive(&from(&sent)).unwrap().verdict, Verdict::Duplicate);
    }
    assert!(again.view().is_muted(BOB) && again.roles().has(ALICE, Permissions::ALL));
    assert_eq!(again.capabilities().group_class(), Some(ConformanceClass::B));
    assert_eq!(again.poll_timeout(), bob.poll_timeout());
    let finished = again.handle_answer(MemberId::new(5), RequestId::new(9), None).unwrap();
    assert_eq!((finished.refused.len(), finished.silent.len()), (1, 0));
}

#[test]
fn damaged_states_are_refused_or_mean_something_else_in_one_form() {
    let mut rng = Seed::new(64).rng(0);
    let state = lived().export();
    for _ in 0..ROUNDS {
        let mut damaged = state.clone();
        match rng.random_range(0..3) {
            0 => damaged.truncate(rng.random_range(0..state.len())),
            1 => damaged.push(rng.random()),
            _ => {
                let place = rng.random_range(0..state.len());
                damaged[place] = damaged[place].wrapping_add(rng.random_range(1..=255));
            }
        }
        match SignalClient::import(BOB, Authority::MEMBERS_SEND, &damaged) {
            Err(error) => assert_eq!(error.code(), Code::STATE_INVALID),
            Ok(client) => {
                let exported = client.export();
                let again = SignalClient::import(BOB, Authority::MEMBERS_SEND, &exported).unwrap();
                assert_eq!(again.export(), exported);
            }
        }
    }
    let mut newer = state;
    newer[1] = 2;
    let refused = SignalClient::import(BOB, Authority::Open, &newer).unwrap_err();
    assert_eq!(refused, StateError::Version(2));
}
