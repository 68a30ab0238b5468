//! What outlives a process, and what events say for good: ids, and who signed what was refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic"
)]

mod support;

use std::collections::BTreeSet;

use coterie_gsp::{Order, Permissions, RoleSpec};
use coterie_gtp::Draft;
use coterie_stack::{AudioOut, Event, Pattern};
use coterie_testkit::Seed;
use coterie_types::{Code, ErrorCode, MemberId, RequestId};
use coterie_wire::payload::{Role, Signal};
use coterie_wire::{Codec, Profile};
use support::{World, member};

const PROFILES: [Profile; 2] = [Profile::Sealed, Profile::Interop];

fn said(world: &mut World, number: u32) -> Vec<(u64, String)> {
    let node = &mut world.peers.get_mut(&number).unwrap().node;
    let text = |(id, event): (Option<u64>, Event)| match event {
        Event::Text(text) => Some((id.unwrap(), String::from_utf8(text.message.content).unwrap())),
        event => {
            assert_eq!(id.is_some(), event.is_durable());
            None
        }
    };
    std::iter::from_fn(|| node.poll_told()).filter_map(text).collect()
}

fn say(world: &mut World, words: &[&str]) {
    let now = world.now();
    for word in words {
        world.node(1).send_text(MemberId::EVERYBODY, Draft::text(*word), now).unwrap();
    }
    let sent: Vec<_> = std::iter::from_fn(|| world.node(1).poll_parcel()).collect();
    sent.iter().for_each(|parcel| world.deliver(1, parcel));
}

#[test]
fn ids_of_events_rise_and_an_event_that_comes_again_has_its_own() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(1), 2);
        world.restart(2);
        say(&mut world, &["one", "two", "three"]);
        let first = said(&mut world, 2);
        assert_eq!(first.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
        assert!(first.is_sorted());
        world.crash(2);
        assert_eq!(said(&mut world, 2), first);

        // Up to the second: the third comes again, and nothing else.
        world.node(2).acknowledge(first[1].0).unwrap();
        world.crash(2);
        assert_eq!(said(&mut world, 2), first[2..]);

        // None is given twice, even when no row is left to count from.
        world.node(2).acknowledge(first[2].0).unwrap();
        world.crash(2);
        assert_eq!(said(&mut world, 2), []);
        say(&mut world, &["four"]);
        let last = said(&mut world, 2);
        assert!(last[0].0 > first[2].0, "{last:?} {first:?}");
        world.node(2).consume().unwrap();
        world.crash(2);
        world.crash(2);
        say(&mut world, &["five"]);
        assert!(said(&mut world, 2)[0].0 > last[0].0);
    }
}

#[test]
fn acknowledging_says_nothing_of_what_was_not_handed_out() {
    let mut world = World::of(Profile::Sealed, Seed::new(2), 2);
    world.restart(2);
    say(&mut world, &["one"]);
    world.node(2).acknowledge(u64::MAX).unwrap();
    world.crash(2);
    assert_eq!(said(&mut world, 2).len(), 1);
}

#[test]
fn roles_mutes_and_what_members_can_do_outlive_a_restart() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(3), 3);
        let now = world.now();
        for number in 1..=3 {
            let role = RoleSpec { id: Role::new(7), name: "host".to_owned(), permissions: Permissions::ALL };
            world.node(number).define_role(role, now).unwrap();
            world.node(number).assign_role(member(1), Role::new(7), now).unwrap();
        }
        let tokens = ["gbp/class-a", "gbp/class-b", "chess/1"].map(str::to_owned);
        world.node(2).advertise(&tokens, now).unwrap();
        world.settle();
        for (request, signal) in
            [Signal::Mute { target: member(3) }, Signal::RoleChange { target: member(2), role: Role::new(7) }]
                .into_iter()
                .enumerate()
        {
            let order = Order::new(signal, RequestId::new(70 + request as u32));
            world.node(1).give(MemberId::EVERYBODY, order, now).unwrap();
            world.settle();
        }
        for number in 1..=3 {
            let before = world.node(number).signals().export();
            world.restart(number);
            let signals = world.node(number).signals();
            assert_eq!(signals.export(), before, "{profile:?} {number}");
            assert_eq!(signals.roles().iter().count(), 1);
            let assigned: BTreeSet<_> = signals.roles().assignments().map(|(who, _)| who.number()).collect();
            // Where everybody's word counts, a signal gives nobody a role.
            let sealed = (profile == Profile::Sealed).then_some(2);
            assert_eq!(assigned, [1].into_iter().chain(sealed).collect(), "{profile:?} {number}");
            assert!(signals.view().is_muted(member(3)));
            let able = signals.capabilities().all_support(&[member(2)].into(), "chess/1");
            assert!(able, "{profile:?} {number}");
        }
        // And they count: whoever is muted cannot speak.
        let packet = coterie_gap::Outgoing {
            source: coterie_wire::payload::MediaSource::new(3),
            timestamp: 0,
            frame: vec![1],
        };
        let audio = AudioOut { packet, target: MemberId::EVERYBODY, codec: Codec::Cbor };
        assert!(!world.node(3).send_audio(audio, now).unwrap());
    }
}

/// What a member was told of refused frames: why, whose they claim to be, and who signed them.
fn refusals(world: &mut World, number: u32) -> Vec<(Code, Option<u32>, Option<u32>)> {
    let refused = |event| match event {
        Event::Refused { code, claimed, offender, .. } => {
            Some((code, claimed.map(MemberId::number), offender.map(MemberId::number)))
        }
        _ => None,
    };
    world.events(number).into_iter().filter_map(refused).collect()
}

#[test]
fn who_signed_what_was_refused_is_named_and_nobody_else_is() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(4), 3);
        let now = world.now();
        let speaker = RoleSpec { id: Role::new(1), name: "x".to_owned(), permissions: Permissions::NONE };
        world.node(2).define_role(speaker, now).unwrap();
        world.node(2).assign_role(member(3), Role::new(1), now).unwrap();
        world.node(3).send_text(member(2), Draft::text("not allowed to"), now).unwrap();
        let parcel = world.node(3).poll_parcel().unwrap();
        // Altered on its way, it proves nothing about anybody.
        let mut altered = parcel.clone();
        let last = altered.bytes.len() - 40;
        altered.bytes[last] ^= 1;
        world.deliver(3, &altered);
        assert_eq!(
            refusals(&mut world, 2).iter().map(|(_, _, offender)| *offender).collect::<Vec<_>>(),
            [None]
        );
        world.deliver(3, &parcel);
        let told = refusals(&mut world, 2);
        // Where everybody's word counts, it is no refusal at all.
        let proved = (profile == Profile::Sealed).then_some((Code::GSP_UNAUTHORIZED, Some(3), Some(3)));
        assert_eq!(told, Vec::from_iter(proved), "{profile:?}");
    }
}

#[test]
fn the_commit_under_way_is_known_to_whoever_has_it() {
    let mut world = World::of(Profile::Interop, Seed::new(5), 2);
    world.invite(1, 1, Pattern::Direct);
    let commit = world.node(1).control().pending_commit().map(<[u8]>::to_vec);
    assert!(commit.is_some());
    world.settle();
    assert_eq!(world.node(1).control().pending_commit(), None);
    world.assert_agree();
}

#[test]
fn keys_are_exported_alike_by_all_and_never_those_of_frames() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(6), 2);
        let keys: BTreeSet<Vec<u8>> =
            (1..=2).map(|number| world.node(number).export_secret("chess", b"1", 32).unwrap()).collect();
        assert_eq!(keys.len(), 1);
        assert_ne!(keys.first().unwrap(), &world.node(1).export_secret("chess", b"2", 32).unwrap());
        for label in ["gbp/control", "gbp/audio", "coterie/gbp audio v1", "coterie/gbp numbers v1"] {
            let refused = world.node(1).export_secret(label, b"", 32).unwrap_err();
            assert_eq!(refused.code(), Code::INVALID_ARGUMENT, "{label}");
        }
        let leaves: Vec<u32> =
            (1..=2).map(|number| world.node(number).own_leaf().unwrap().number()).collect();
        assert_eq!(leaves, [0, 1]);
    }
}
