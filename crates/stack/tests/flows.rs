//! What members of a group do together, in both profiles.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic"
)]

mod support;

use std::sync::Arc;

use coterie_gbp::node::NodeState;
use coterie_gsp::{Order, Permissions, RoleSpec};
use coterie_gtp::{Cut, Draft, Label};
use coterie_mls::{Device, DeviceOptions, KeyPackageOptions, Suite};
use coterie_stack::{
    Admission, AudioOut, CoordinatorChange, Event, GroupNode, ParcelKind, Pattern, Settings, StackError,
};
use coterie_store::MemoryStore;
use coterie_testkit::{Clock, Seed};
use coterie_types::{Code, Duration, ErrorCode, MemberId, RequestId, StreamClass, Timestamp};
use coterie_wire::payload::{AttachmentId, MediaSource, Role, Signal};
use coterie_wire::{Codec, Profile};
use support::{Peer, World, in_memory, member};

const PROFILES: [Profile; 2] = [Profile::Sealed, Profile::Interop];
const CODECS: [Codec; 3] = [Codec::Cbor, Codec::Protobuf, Codec::FlatBuffers];

fn draft(text: &str, codec: Codec) -> Draft {
    Draft { codec, ..Draft::text(text) }
}

fn texts(events: &[Event]) -> Vec<(u32, String, Codec)> {
    let text = |event: &Event| match event {
        Event::Text(text) => {
            let content = String::from_utf8(text.message.content.clone()).unwrap();
            Some((text.message.sender.number(), content, text.codec))
        }
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

/// Everybody says something to everybody, and everybody hears it once.
fn all_talk(world: &mut World) {
    let numbers: Vec<u32> = world.peers.keys().copied().collect();
    world.forget_events();
    for (index, number) in numbers.iter().enumerate() {
        let (now, codec) = (world.now(), CODECS[index % 3]);
        let text = format!("{number} speaks");
        world.node(*number).send_text(MemberId::EVERYBODY, draft(&text, codec), now).unwrap();
    }
    world.settle();
    for number in &numbers {
        let others = numbers.iter().enumerate().filter(|(_, other)| *other != number);
        let expected: Vec<_> =
            others.map(|(index, other)| (*other, format!("{other} speaks"), CODECS[index % 3])).collect();
        let mut heard = texts(&world.events(*number));
        heard.sort_by_key(|(sender, ..)| *sender);
        assert_eq!(heard, expected, "member {number}");
    }
}

#[test]
fn members_come_in_one_by_one_and_all_hear_each_other() {
    for profile in PROFILES {
        for size in [2, 3, 5] {
            let mut world = World::of(profile, Seed::new(1), size);
            assert_eq!(world.peers.len(), size as usize);
            world.assert_agree();
            all_talk(&mut world);
        }
    }
}

#[test]
fn several_come_in_by_one_commit() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(2), 2);
        assert_eq!(world.invite(1, 3, Pattern::Direct), [3, 4, 5]);
        world.settle();
        world.assert_agree();
        let joined = |event: &Event| matches!(event, Event::Joined { identity, .. } if identity.starts_with(b"member"));
        assert_eq!(world.events(2).iter().filter(|event| joined(event)).count(), 3);
        all_talk(&mut world);
    }
}

#[test]
fn joiners_of_interop_groups_can_wait_for_execute() {
    let mut world = World::of(Profile::Interop, Seed::new(3), 3);
    world.invite(1, 2, Pattern::Armed);
    world.settle();
    world.assert_agree();
    all_talk(&mut world);
    let now = world.now();
    world.node(1).update(now).unwrap();
    world.settle();
    world.assert_agree();
    all_talk(&mut world);

    let mut world = World::of(Profile::Sealed, Seed::new(3), 2);
    let joiner = world.installation();
    let (now, package) = (world.now(), joiner.key_package(world.now()));
    let refused = world.node(1).invite(&[package], Pattern::Armed, now).unwrap_err();
    assert_eq!(refused.code(), Code::INVALID_ARGUMENT);
}

#[test]
fn an_invitation_of_nobody_changes_nothing_in_memory_either() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(23), 2);
        let now = world.now();
        let good = world.installation().key_package(now);
        let mut altered = good.clone();
        *altered.last_mut().unwrap() ^= 1;
        let mut alone = in_memory(profile);
        while alone.poll_parcel().is_some() {}
        let packages = [vec![], vec![1, 2, 3], good[..good.len() - 1].to_vec(), altered];
        for package in packages {
            let before = alone.epoch();
            for all in [vec![package.clone()], vec![good.clone(), package.clone()]] {
                assert!(alone.invite(&all, Pattern::Direct, now).is_err());
                assert!(world.node(1).invite(&all, Pattern::Direct, now).is_err());
            }
            assert!(alone.remove(&[member(7)], now).is_err());
            assert!(alone.advertise(&["x".repeat(65)], now).is_err());
            assert_eq!((alone.epoch(), alone.poll_parcel().is_some()), (before, false));
            alone.send_text(MemberId::EVERYBODY, Draft::text("still here"), now).unwrap();
            while alone.poll_parcel().is_some() {}
        }
        assert_eq!(alone.invite(std::slice::from_ref(&good), Pattern::Direct, now).unwrap(), [member(2)]);
        assert_eq!(world.node(1).invite(&[good], Pattern::Direct, now).unwrap(), [member(3)]);
    }
}

#[test]
fn signals_reach_everybody_with_their_arguments_in_every_codec() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(4), 3);
        let now = world.now();
        let speaker = RoleSpec { id: Role::new(7), name: "lead".to_owned(), permissions: Permissions::ALL };
        for number in 1..=3 {
            world.node(number).define_role(speaker.clone(), now).unwrap();
            world.node(number).assign_role(member(2), speaker.id, now).unwrap();
        }
        for (index, codec) in CODECS.into_iter().enumerate() {
            let signal = Signal::Mute { target: member(3) };
            let request = RequestId::new(100 + index as u32);
            let order = Order { codec, ..Order::new(signal, request).awaiting([member(1), member(3)]) };
            world.node(2).give(MemberId::EVERYBODY, order, now).unwrap();
            world.settle();
            for number in [1, 3] {
                let given = |event: &Event| match event {
                    Event::Signal(given) => Some((given.message.signal, given.message.request, given.codec)),
                    _ => None,
                };
                let heard: Vec<_> = world.events(number).iter().filter_map(given).collect();
                assert_eq!(heard, [(signal, request, codec)]);
            }
            let ended = |event: &Event| matches!(event, Event::SignalEnded(end) if end.is_carried_out());
            let ends = world.events(2).iter().filter(|event| ended(event)).count();
            assert_eq!(ends, usize::from(profile == Profile::Sealed), "deployed peers do not answer");
        }
        assert!(world.node(1).signals().view().is_muted(member(3)));
    }
}

#[test]
fn who_has_no_permission_changes_nothing_by_a_signal() {
    let mut world = World::of(Profile::Sealed, Seed::new(5), 3);
    let now = world.now();
    let order = Order::new(Signal::Mute { target: member(1) }, RequestId::new(5));
    let refused = world.node(3).give(MemberId::EVERYBODY, order.clone(), now).unwrap_err();
    assert_eq!(refused.code(), Code::GSP_UNAUTHORIZED);

    // One that thinks it may: the others know better, and say so.
    let admin = RoleSpec { id: Role::new(1), name: String::new(), permissions: Permissions::ALL };
    world.node(3).define_role(admin.clone(), now).unwrap();
    world.node(3).assign_role(member(3), admin.id, now).unwrap();
    world.node(3).give(MemberId::EVERYBODY, order.awaiting([member(1), member(2)]), now).unwrap();
    world.settle();
    let refused =
        |event: &Event| matches!(event, Event::Refused { code, .. } if *code == Code::GSP_UNAUTHORIZED);
    assert!(world.events(1).iter().any(refused));
    assert!(!world.node(1).signals().view().is_muted(member(1)));
    let ended = |event: &Event| matches!(event, Event::SignalEnded(end) if end.refused.len() == 2);
    assert!(world.events(3).iter().any(ended));
}

#[test]
fn joiners_know_the_roles_of_the_group() {
    let mut world = World::of(Profile::Sealed, Seed::new(6), 1);
    let now = world.now();
    let admin = RoleSpec { id: Role::new(1), name: "admin".to_owned(), permissions: Permissions::ALL };
    world.node(1).define_role(admin.clone(), now).unwrap();
    world.node(1).assign_role(member(1), admin.id, now).unwrap();
    world.invite(1, 1, Pattern::Direct);
    world.settle();
    assert_eq!(world.node(2).signals().roles().role_of(member(1)), Some(&admin));
}

fn audio(number: u32, timestamp: u64, codec: Codec) -> AudioOut {
    let packet =
        coterie_gap::Outgoing { source: MediaSource::new(number), timestamp, frame: vec![number as u8; 60] };
    AudioOut { packet, target: MemberId::EVERYBODY, codec }
}

#[test]
fn audio_is_heard_in_every_codec_and_played() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(7), 3);
        for index in 0..9_u64 {
            let (now, codec) = (world.now(), CODECS[index as usize % 3]);
            for number in 1..=3 {
                assert!(world.node(number).send_audio(audio(number, index * 960, codec), now).unwrap());
            }
            world.settle();
            world.clock.advance(Duration::from_millis(20));
        }
        for number in 1..=3 {
            let heard = |event: &Event| matches!(event, Event::Audio(audio) if audio.frame.len() == 60);
            assert_eq!(world.events(number).iter().filter(|event| heard(event)).count(), 18);
            world.clock.advance(Duration::from_millis(300));
            let (now, mut played) = (world.now(), Vec::new());
            world.node(number).play(now, &mut played);
            assert!(played.len() >= 2, "{played:?}");
        }
    }
}

#[test]
fn a_muted_member_is_neither_sent_nor_played() {
    let mut world = World::of(Profile::Interop, Seed::new(8), 2);
    let now = world.now();
    let order = Order::new(Signal::Mute { target: member(2) }, RequestId::new(1));
    world.node(1).give(MemberId::EVERYBODY, order, now).unwrap();
    world.settle();
    assert!(!world.node(2).send_audio(audio(2, 0, Codec::Cbor), now).unwrap());
    assert!(world.node(1).send_audio(audio(1, 0, Codec::Cbor), now).unwrap());
}

#[test]
fn an_attachment_comes_whole_and_as_it_was_announced() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(9), 2);
        let data: Vec<u8> = (0..200_000_u32).map(|index| (index % 251) as u8).collect();
        let label = Label { filename: "plan.pdf", mime_type: "application/pdf" };
        let cut = Cut::of(AttachmentId::new(77), label, &data, 65_536).unwrap();
        let now = world.now();
        world.node(1).send_manifest(MemberId::EVERYBODY, &cut, now).unwrap();
        for index in 0..cut.manifest().chunks() {
            let range = cut.range(index).unwrap();
            let piece = data[range.start as usize..range.end as usize].to_vec();
            world.node(1).send_piece(MemberId::EVERYBODY, &cut.piece(index, piece).unwrap(), now).unwrap();
            world.settle();
            world.restart(2);
        }
        let key = (member(1), AttachmentId::new(77));
        assert!(world.events(2).contains(&Event::Attachment(key)));
        assert_eq!(world.node(2).attachment(key, now).unwrap(), data);
        world.node(2).forget_attachment(key, now).unwrap();
        assert_eq!(world.node(2).attachment(key, now).unwrap_err().code(), Code::GTP_ATTACHMENT_UNKNOWN);
    }
}

#[test]
fn whoever_is_removed_is_out_and_the_others_go_on() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(10), 3);
        let now = world.now();
        let refused = world.node(2).remove(&[member(3)], now).unwrap_err();
        assert_eq!(refused.code(), Code::GBP_NOT_COORDINATOR);
        world.node(1).remove(&[member(3)], now).unwrap();
        world.pass(Duration::from_secs(5));
        assert!(world.events(2).contains(&Event::Left(member(3))));
        let mut gone = world.peers.remove(&3).unwrap();
        gone.take_events();
        assert!(gone.events.contains(&Event::Removed), "{:?}", gone.events);
        assert_eq!(gone.node.state(), NodeState::Closed);
        let refused = gone.node.send_text(MemberId::EVERYBODY, Draft::text("?"), now).unwrap_err();
        assert_eq!(refused.code(), Code::GBP_NOT_ACTIVE);
        world.assert_agree();
        all_talk(&mut world);
        // The place in the tree is given again, the number is not.
        world.invite(1, 1, Pattern::Direct);
        world.settle();
        assert_eq!(world.peers.keys().copied().collect::<Vec<_>>(), [1, 2, 4]);
        all_talk(&mut world);
    }
}

#[test]
fn who_is_out_still_has_what_it_was_told() {
    let mut world = World::of(Profile::Sealed, Seed::new(11), 3);
    let now = world.now();
    world.node(1).send_text(MemberId::EVERYBODY, Draft::text("farewell"), now).unwrap();
    world.node(1).remove(&[member(3)], now).unwrap();
    world.collect();
    while !world.wire.is_empty() {
        for (from, parcel) in std::mem::take(&mut world.wire) {
            world.deliver(from, &parcel);
        }
        for (number, peer) in &mut world.peers {
            let parcels = std::iter::from_fn(|| peer.node.poll_parcel());
            world.wire.extend(parcels.map(|parcel| (*number, parcel)));
        }
        if world.peers[&3].node.state() == NodeState::Closed {
            break;
        }
        world.clock.advance(Duration::from_millis(500));
        let now = world.now();
        world.peers.values_mut().for_each(|peer| peer.node.wake(now).unwrap());
    }
    // Nothing was consumed before the process ended.
    let peer = world.peers.get_mut(&3).unwrap();
    peer.events.clear();
    peer.installation.restart(9);
    let settings = coterie_stack::Settings::of;
    let device = &peer.installation.device;
    peer.node = coterie_stack::GroupNode::open(device, &support::group(), settings, now).unwrap().unwrap();
    let events = world.events(3);
    assert_eq!(texts(&events).len(), 1);
    assert!(events.contains(&Event::Removed));
    world.node(3).consume().unwrap();
    world.restart(3);
    assert_eq!(world.events(3), [], "what was consumed does not come again");
}

/// Under another number, over restarts, and as often as somebody likes.
#[test]
fn who_was_out_comes_back_with_its_history_and_with_what_waited() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(31), 3);
        for (number, next) in [(3, 4), (4, 5)] {
            all_talk(&mut world);
            let now = world.now();
            world.node(number).consume().unwrap();
            let farewell = format!("farewell, {number}");
            world.node(1).send_text(MemberId::EVERYBODY, Draft::text(&farewell), now).unwrap();
            world.settle();
            // It says something that nobody carries away any more.
            world.node(number).send_text(MemberId::EVERYBODY, Draft::text("lost"), now).unwrap();
            world.node(1).remove(&[member(number)], now).unwrap();
            world.pass(Duration::from_secs(5));
            assert_eq!(world.peers[&number].node.state(), NodeState::Closed, "{profile:?} {number}");
            let mut gone = world.peers.remove(&number).unwrap();
            let kept = gone.node.text().history().unwrap().len();
            assert!(kept > 0);
            gone.installation.restart(u64::from(next) * 1_000);
            let package = gone.installation.key_package(now);
            assert_eq!(world.node(1).invite(&[package], Pattern::Direct, now).unwrap(), [member(next)]);
            world.joining.insert(next, vec![gone.installation]);
            world.forget_events();
            world.settle();
            assert_eq!(world.node(next).text().history().unwrap().len(), kept);
            let events = world.events(next);
            assert_eq!(texts(&events).iter().map(|(_, text, _)| text).collect::<Vec<_>>(), [&farewell]);
            assert!(events.contains(&Event::Removed));
            world.assert_agree();
            all_talk(&mut world);
            world.crash(next);
            let again = texts(&world.events(next));
            assert_eq!(again[0].1, farewell, "nobody said that it was dealt with");
            assert_eq!(again.len(), 3, "{again:?}");
            world.restart(next);
            all_talk(&mut world);
            world.assert_agree();
        }
    }
}

#[test]
fn the_node_of_a_former_time_takes_nothing_from_the_one_of_now() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(32), 3);
        let now = world.now();
        world.node(1).send_text(MemberId::EVERYBODY, Draft::text("farewell"), now).unwrap();
        world.node(3).send_text(MemberId::EVERYBODY, Draft::text("a parcel of then"), now).unwrap();
        world.node(1).remove(&[member(3)], now).unwrap();
        world.pass(Duration::from_secs(5));
        let Peer { installation, node: mut before, .. } = world.peers.remove(&3).unwrap();
        assert_eq!(before.state(), NodeState::Closed);
        let package = installation.key_package(now);
        assert_eq!(world.node(1).invite(&[package], Pattern::Direct, now).unwrap(), [member(4)]);
        world.joining.insert(4, vec![installation]);
        world.settle();
        // The id of what it hears.
        let hear = |world: &mut World, text: &str| {
            world.node(1).send_text(MemberId::EVERYBODY, Draft::text(text), now).unwrap();
            let sent: Vec<_> = std::iter::from_fn(|| world.node(1).poll_parcel()).collect();
            sent.iter().for_each(|parcel| world.node(4).receive(&parcel.bytes, now).unwrap());
            std::iter::from_fn(|| world.node(4).poll_told()).filter_map(|(id, _)| id).last().unwrap()
        };
        hear(&mut world, "one");
        let last = hear(&mut world, "two");
        world.node(4).consume().unwrap();
        for text in ["three", "four", "five"] {
            world.node(4).send_text(MemberId::EVERYBODY, Draft::text(text), now).unwrap();
        }
        before.consume().unwrap();
        world.crash(4);
        let parcels = std::iter::from_fn(|| world.node(4).poll_parcel()).collect::<Vec<_>>();
        let texts = parcels.iter().filter(|one| one.kind == ParcelKind::Frame(StreamClass::Text)).count();
        assert_eq!(texts, 3, "what it said is carried away");
        assert_eq!(hear(&mut world, "six"), last + 1);
    }
}

/// One in memory has its history no more, but is in the group.
#[test]
fn who_was_out_comes_back_in_memory_as_well() {
    for profile in PROFILES {
        let now = Clock::default().now();
        let mut founder = in_memory(profile);
        let options = DeviceOptions { identity: b"bob".to_vec(), suite: Suite::X25519Aes128 };
        let entropy = Arc::new(Seed::new(9).entropy(2));
        let device = Device::create(options, Arc::new(MemoryStore::new()), entropy).unwrap();
        let mut nodes = Vec::new();
        for number in [2, 3, 4] {
            let package = device.key_package(KeyPackageOptions::default(), now).unwrap();
            assert_eq!(founder.invite(&[package], Pattern::Direct, now).unwrap(), [member(number)]);
            let admission = std::iter::from_fn(|| founder.poll_parcel())
                .find(|parcel| parcel.kind == ParcelKind::Admission)
                .unwrap();
            let admission = Admission::decode(&admission.bytes).unwrap();
            let settings = Settings::of(profile);
            let mut bob = GroupNode::join(&device, &admission, profile, settings, now).unwrap();
            founder.send_text(MemberId::EVERYBODY, Draft::text("hello"), now).unwrap();
            carry(&mut founder, &mut bob, now);
            assert!(std::iter::from_fn(|| bob.poll_event()).any(|event| matches!(event, Event::Text(_))));
            bob.send_text(MemberId::EVERYBODY, Draft::text("thanks"), now).unwrap();
            carry(&mut bob, &mut founder, now);
            assert!(std::iter::from_fn(|| founder.poll_event()).any(|event| matches!(event, Event::Text(_))));
            founder.remove(&[member(number)], now).unwrap();
            while bob.state() != NodeState::Closed {
                carry(&mut founder, &mut bob, now);
                carry(&mut bob, &mut founder, now);
            }
            nodes.push(bob);
        }
    }
}

/// Everything that one node has for the other.
fn carry(from: &mut GroupNode, to: &mut GroupNode, now: Timestamp) {
    for parcel in std::iter::from_fn(|| from.poll_parcel()).collect::<Vec<_>>() {
        let _ = to.receive(&parcel.bytes, now);
    }
}

#[test]
fn events_and_parcels_are_done_with_apart_and_their_rows_go_with_the_next_step() {
    let mut world = World::of(Profile::Sealed, Seed::new(21), 2);
    let now = world.now();
    world.peers.values_mut().for_each(|peer| peer.node.consume().unwrap());
    world.node(1).send_text(MemberId::EVERYBODY, Draft::text("one"), now).unwrap();
    let sent = world.node(1).poll_parcel().unwrap();
    world.crash(1);
    assert_eq!(world.node(1).poll_parcel().unwrap(), sent, "nobody said that it was carried away");

    world.node(2).receive(&sent.bytes, now).unwrap();
    assert_eq!(texts(&world.events(2)).len(), 1);
    world.node(2).send_text(MemberId::EVERYBODY, Draft::text("two"), now).unwrap();
    let answer = world.node(2).poll_parcel().unwrap();
    world.crash(2);
    assert_eq!(texts(&world.events(2)).len(), 1, "nobody said that it was dealt with");

    world.node(2).events_dealt_with();
    world.node(2).send_text(MemberId::EVERYBODY, Draft::text("three"), now).unwrap();
    world.crash(2);
    assert_eq!(world.events(2), []);
    assert_eq!(world.node(2).poll_parcel().unwrap(), answer, "parcels are another matter");
    world.node(2).parcels_carried();
    world.node(2).remove_rows().unwrap();
    world.crash(2);
    assert_ne!(world.node(2).poll_parcel().unwrap(), answer);
    assert_eq!(world.node(2).poll_parcel(), None);
}

#[test]
fn whoever_wants_to_leave_is_removed_by_the_coordinator() {
    for profile in PROFILES {
        for leaver in [3, 1] {
            let mut world = World::of(profile, Seed::new(12), 3);
            let now = world.now();
            world.node(leaver).leave(now).unwrap();
            world.pass(Duration::from_secs(20));
            let gone = world.peers.remove(&leaver).unwrap();
            assert_eq!(gone.node.state(), NodeState::Closed, "{profile:?} {leaver}");
            world.assert_agree();
            all_talk(&mut world);
        }
    }
}

#[test]
fn a_group_whose_coordinator_is_gone_finds_another() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(13), 4);
        world.peers.remove(&1).unwrap();
        world.pass(Duration::from_secs(20));
        let became = Event::Coordinator(CoordinatorChange::Became);
        assert!(world.events(2).contains(&became));
        let now = world.now();
        world.node(2).remove(&[member(1)], now).unwrap();
        world.pass(Duration::from_secs(5));
        world.assert_agree();
        world.invite(2, 1, Pattern::Direct);
        world.pass(Duration::from_secs(5));
        world.assert_agree();
        all_talk(&mut world);
    }
}

#[test]
fn members_that_restart_before_everything_miss_nothing() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(14), 2);
        world.restless = true;
        world.invite(1, 1, Pattern::Direct);
        world.settle();
        all_talk(&mut world);
        let now = world.now();
        world.node(1).update(now).unwrap();
        world.settle();
        world.node(1).remove(&[member(2)], now).unwrap();
        world.settle();
        world.restless = false;
        world.pass(Duration::from_secs(5));
        world.restless = true;
        assert_eq!(world.peers.remove(&2).unwrap().node.state(), NodeState::Closed);
        world.assert_agree();
        all_talk(&mut world);
    }
}

#[test]
fn what_was_missed_is_had_from_another_member() {
    let mut world = World::of(Profile::Sealed, Seed::new(15), 3);
    let now = world.now();
    for text in ["one", "two", "three"] {
        world.node(1).send_text(MemberId::EVERYBODY, Draft::text(text), now).unwrap();
    }
    world.collect();
    for (_, parcel) in std::mem::take(&mut world.wire) {
        world.node(2).receive(&parcel.bytes, now).unwrap();
    }
    world.settle();
    world.node(3).catch_up(member(2), RequestId::new(9), now).unwrap();
    world.settle();
    let heard: Vec<String> = texts(&world.events(3)).into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(heard, ["one", "two", "three"]);
    assert_eq!(texts(&world.events(2)).len(), 3);
}

#[test]
fn who_comes_in_hears_nothing_of_before_from_whomever_it_asks() {
    for restarts in [false, true] {
        let mut world = World::of(Profile::Sealed, Seed::new(16), 2);
        let now = world.now();
        world.node(1).send_text(MemberId::EVERYBODY, Draft::text("before"), now).unwrap();
        world.settle();
        let joiner = world.invite(1, 1, Pattern::Direct)[0];
        world.settle();
        for text in ["since", "last"] {
            let now = world.now();
            world.node(1).send_text(MemberId::EVERYBODY, Draft::text(text), now).unwrap();
            world.collect();
            // The joiner hears nothing of it.
            for (_, parcel) in std::mem::take(&mut world.wire) {
                world.node(2).receive(&parcel.bytes, now).unwrap();
            }
        }
        world.settle();
        if restarts {
            [1, 2].into_iter().for_each(|number| world.restart(number));
        }
        for (request, of) in [(8, 2), (9, 1)] {
            let now = world.now();
            world.node(joiner).catch_up(member(of), RequestId::new(request), now).unwrap();
            world.settle();
        }
        let heard: Vec<String> = texts(&world.events(joiner)).into_iter().map(|(_, text, _)| text).collect();
        assert_eq!(heard, ["since", "last"], "{restarts}");
    }
}

#[test]
fn what_was_said_in_the_epoch_before_is_taken_also_after_a_restart() {
    let mut world = World::of(Profile::Sealed, Seed::new(21), 3);
    let now = world.now();
    world.node(2).send_text(MemberId::EVERYBODY, Draft::text("late"), now).unwrap();
    world.collect();
    let late = std::mem::take(&mut world.wire);
    world.node(1).update(now).unwrap();
    world.settle();
    world.restart(3);
    for (from, parcel) in late.iter().chain(&late) {
        world.deliver(*from, parcel);
    }
    assert_eq!(texts(&world.events(3)), [(2, "late".to_owned(), Codec::Cbor)]);
}

#[test]
fn frames_in_any_order_and_number_are_taken_once() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(16), 2);
        let now = world.now();
        for index in 0..20 {
            let text = format!("{index}");
            world.node(1).send_text(MemberId::EVERYBODY, Draft::text(&text), now).unwrap();
        }
        world.collect();
        let mut frames = std::mem::take(&mut world.wire);
        // Within what every MLS stack tolerates: pairs change their places.
        frames.chunks_mut(2).for_each(<[_]>::reverse);
        for (from, parcel) in frames.iter().chain(&frames) {
            world.deliver(*from, parcel);
        }
        let heard = texts(&world.events(2));
        assert_eq!(heard.len(), 20);
    }
}

#[test]
fn altered_and_invented_frames_change_nothing() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(17), 2);
        let now = world.now();
        world.node(1).send_text(MemberId::EVERYBODY, Draft::text("genuine"), now).unwrap();
        world.collect();
        let (_, genuine) = world.wire.pop().unwrap();
        let before = world.peers[&2].installation.disk.commits();
        for at in 0..genuine.bytes.len() {
            let mut altered = genuine.bytes.clone();
            altered[at] ^= 1;
            if profile == Profile::Interop && at < 110 {
                // The header is not authenticated there.
                continue;
            }
            world.node(2).receive(&altered, now).unwrap();
            world.node(2).receive(&genuine.bytes[..at], now).unwrap();
        }
        let events = world.events(2);
        assert!(events.iter().all(|event| matches!(event, Event::Refused { .. } | Event::Missed(_))));
        // A later epoch in a header may be true, so that one makes this member ask the others, once.
        assert!(world.peers[&2].installation.disk.commits() <= before + 1, "more was written");
        world.node(2).receive(&genuine.bytes, now).unwrap();
        assert_eq!(texts(&world.events(2)).len(), 1);
    }
}

#[test]
fn nobody_is_talked_into_another_profile() {
    let mut world = World::of(Profile::Interop, Seed::new(18), 1);
    let joiner = world.installation();
    let now = world.now();
    let package = joiner.key_package(now);
    world.node(1).invite(std::slice::from_ref(&package), Pattern::Direct, now).unwrap();
    world.collect();
    let (_, parcel) = world.wire.pop().unwrap();
    let mut admission = coterie_stack::Admission::decode(&parcel.bytes).unwrap();
    let settings = || coterie_stack::Settings::of(Profile::Sealed);
    let join = |admission: &coterie_stack::Admission, profile| {
        coterie_stack::GroupNode::join(&joiner.device, admission, profile, settings(), now)
    };
    assert_eq!(join(&admission, Profile::Sealed).unwrap_err().code(), Code::GBP_PROFILE_MISMATCH);
    admission.profile = Profile::Sealed;
    assert_eq!(join(&admission, Profile::Sealed).unwrap_err().code(), Code::GBP_PROFILE_MISMATCH);
    admission.profile = Profile::Interop;
    let honest = admission.clone();
    admission.member = member(9);
    assert_eq!(join(&admission, Profile::Interop).unwrap_err().code(), Code::GBP_ADMISSION_INVALID);
    // Every refusal left the key package as it was.
    join(&honest, Profile::Interop).unwrap();
}

#[test]
fn too_much_that_waits_holds_up_what_comes() {
    let mut world = World::of(Profile::Sealed, Seed::new(19), 2);
    let now = world.now();
    let mut refused = None;
    for _ in 0..5_000 {
        if let Err(error) = world.node(1).send_text(MemberId::EVERYBODY, Draft::text("x"), now) {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(StackError::Busy(_))), "{refused:?}");
    world.settle();
    world.node(1).send_text(MemberId::EVERYBODY, Draft::text("y"), now).unwrap();
}

#[test]
fn a_class_names_the_parcels() {
    let mut world = World::of(Profile::Sealed, Seed::new(20), 2);
    let now = world.now();
    world.node(1).send_text(member(2), Draft::text("x"), now).unwrap();
    world.node(1).send_audio(audio(1, 0, Codec::Cbor), now).unwrap();
    world.collect();
    let kinds: Vec<_> = world.wire.iter().map(|(_, parcel)| (parcel.kind, parcel.target)).collect();
    let frame = coterie_stack::ParcelKind::Frame;
    assert_eq!(kinds, [(frame(StreamClass::Text), member(2)), (frame(StreamClass::Audio), member(0))]);
}

#[test]
fn key_packages_come_bare_from_deployed_peers_and_as_messages_from_ours() {
    for (profile, taken) in [(Profile::Interop, true), (Profile::Sealed, false)] {
        let mut world = World::founded(profile, Seed::new(5));
        let joiner = world.installation();
        let package = joiner.key_package(world.now());
        let now = world.now();
        let invited = world.node(1).invite(&[package[4..].to_vec()], Pattern::Direct, now);
        assert_eq!(invited.is_ok(), taken);
        if taken {
            world.joining.entry(2).or_default().push(joiner);
            world.settle();
            world.assert_agree();
            all_talk(&mut world);
        }
    }
}
