//! Applications that are asked whom they admit, and take their time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic"
)]

mod support;

use coterie_mls::{Entry, Sender};
use coterie_stack::{Event, Pattern, Question};
use coterie_testkit::{Fault, Seed};
use coterie_types::{Code, Duration, Epoch, ErrorCode};
use coterie_wire::Profile;
use support::{World, group, member};

const PROFILES: [Profile; 2] = [Profile::Sealed, Profile::Interop];

/// So many members, all of whom are asked but the first, who has invited another one.
fn asked(profile: Profile, seed: u64, size: u32) -> World {
    let mut world = World::founded(profile, Seed::new(seed));
    world.asks = true;
    for _ in 1..size {
        world.invite(1, 1, Pattern::Direct);
        world.settle();
        answer_all(&mut world, true);
    }
    for number in 1..=size {
        world.events(number);
    }
    world.invite(1, 1, Pattern::Direct);
    world.settle();
    world
}

fn question(world: &mut World, number: u32) -> Option<Question> {
    world.node(number).question().cloned()
}

fn answer(world: &mut World, number: u32, admitted: bool) {
    let (now, question) = (world.now(), question(world, number).unwrap());
    world.node(number).answer(question.commit, admitted, now).unwrap();
    world.settle();
}

fn answer_all(world: &mut World, admitted: bool) {
    let numbers: Vec<u32> = world.peers.keys().copied().collect();
    for number in numbers {
        if question(world, number).is_some() {
            answer(world, number, admitted);
        }
    }
}

fn epoch(world: &mut World, number: u32) -> Epoch {
    world.node(number).epoch()
}

#[test]
fn a_member_is_ready_for_a_commit_once_its_application_has_answered_and_not_before() {
    for profile in PROFILES {
        let mut world = asked(profile, 1, 2);
        let before = epoch(&mut world, 2);
        let Question { candidates, .. } = question(&mut world, 2).unwrap();
        assert_eq!(candidates.len(), 1);
        assert_eq!((candidates[0].identity.as_slice(), candidates[0].entry), (&b"member 3"[..], Entry::Add));
        assert_eq!(candidates[0].group, group());
        assert!(
            matches!(&candidates[0].by, Some(Sender::Member(inviter)) if inviter.identity == b"member 1")
        );
        assert_eq!(epoch(&mut world, 1), before);
        // Everything else goes on.
        let now = world.now();
        world.node(2).send_text(member(1), coterie_gtp::Draft::text("meanwhile"), now).unwrap();
        world.settle();
        assert!(world.events(1).iter().any(|event| matches!(event, Event::Text(_))));

        answer(&mut world, 2, true);
        assert_eq!(question(&mut world, 2), None);
        assert_eq!(world.peers.len(), 3);
        world.assert_agree();
        assert!(epoch(&mut world, 2) > before);
    }
}

#[test]
fn nobody_is_asked_about_a_commit_that_brings_in_nobody() {
    for profile in PROFILES {
        let mut world = asked(profile, 2, 3);
        answer_all(&mut world, true);
        let now = world.now();
        let before = epoch(&mut world, 2);
        world.node(1).update(now).unwrap();
        world.settle();
        assert_eq!(question(&mut world, 2), None);
        world.node(1).remove(&[member(4)], now).unwrap();
        world.settle();
        assert_eq!((question(&mut world, 2), question(&mut world, 3)), (None, None));
        assert_eq!(epoch(&mut world, 2).number(), before.number() + 2);
    }
}

#[test]
fn a_commit_that_the_application_refuses_is_reported_and_taken_back_where_it_is_needed() {
    for profile in PROFILES {
        let mut world = asked(profile, 3, 2);
        let before = epoch(&mut world, 1);
        answer(&mut world, 2, false);
        world.pass(Duration::from_secs(30));
        assert_eq!((epoch(&mut world, 1), epoch(&mut world, 2)), (before, before), "{profile:?}");
        let refused = world.events(2).into_iter().find_map(|event| match event {
            Event::Refused { code, claimed, offender, .. } => Some((code, claimed, offender)),
            _ => None,
        });
        assert_eq!(refused, Some((Code::MLS_REFUSED_BY_POLICY, Some(member(1)), Some(member(1)))));
        let not_admitted = |event: &Event| *event == Event::NotAdmitted(vec![member(3)]);
        assert!(world.events(1).iter().any(not_admitted), "{profile:?}");
        // The next one may come in.
        world.joining.clear();
        let next = world.invite(1, 1, Pattern::Direct);
        world.settle();
        answer(&mut world, 2, true);
        assert_eq!(world.peers.len(), 3, "{next:?}");
        world.assert_agree();
    }
}

#[test]
fn a_group_of_ours_goes_on_without_who_has_not_answered_and_it_follows_when_it_does() {
    let mut world = asked(Profile::Sealed, 4, 3);
    let before = epoch(&mut world, 1);
    answer(&mut world, 2, true);
    world.pass(Duration::from_secs(5));
    assert_eq!((epoch(&mut world, 2).number(), epoch(&mut world, 3)), (before.number() + 1, before));
    world.pass(Duration::from_secs(30));
    answer(&mut world, 3, true);
    world.pass(Duration::from_secs(30));
    world.assert_agree();
}

#[test]
fn whoever_refuses_what_the_others_do_is_lost_to_the_group() {
    let mut world = asked(Profile::Sealed, 5, 3);
    answer(&mut world, 3, false);
    answer(&mut world, 2, true);
    world.pass(Duration::from_secs(30));
    assert!(world.events(3).contains(&Event::Lost));
    assert_eq!(epoch(&mut world, 1), epoch(&mut world, 2));
}

#[test]
fn a_restart_asks_again_and_the_answer_counts() {
    for profile in PROFILES {
        for admitted in [true, false] {
            let mut world = asked(profile, 6, 2);
            let before = question(&mut world, 2).unwrap();
            world.crash(2);
            assert_eq!(question(&mut world, 2), Some(before.clone()));
            world.crash(2);
            assert_eq!(question(&mut world, 2), Some(before));
            answer(&mut world, 2, admitted);
            world.pass(Duration::from_secs(30));
            assert_eq!(world.peers.len(), if admitted { 3 } else { 2 });
            world.assert_agree();
            world.crash(2);
            assert_eq!(question(&mut world, 2), None);
        }
    }
}

#[test]
fn an_application_that_is_not_asked_any_more_admits_what_waited_over_a_restart() {
    for profile in PROFILES {
        let mut world = asked(profile, 7, 2);
        world.asks = false;
        world.crash(2);
        world.settle();
        assert_eq!(question(&mut world, 2), None);
        world.pass(Duration::from_secs(3));
        assert_eq!(world.peers.len(), 3);
        world.assert_agree();
    }
}

#[test]
fn an_answer_comes_to_nothing_once_the_commit_was_taken_back() {
    for profile in PROFILES {
        let mut world = asked(profile, 8, 2);
        let late = question(&mut world, 2).unwrap();
        let now = world.now();
        world.node(1).abort(None, now).unwrap();
        world.settle();
        assert_eq!(question(&mut world, 2), None);
        let before = world.node(2).control().export();
        for admitted in [true, false] {
            world.node(2).answer(late.commit, admitted, now).unwrap();
        }
        assert_eq!(world.node(2).control().export(), before);
        world.joining.clear();
        world.invite(1, 1, Pattern::Direct);
        world.settle();
        answer(&mut world, 2, true);
        world.assert_agree();
    }
}

#[test]
fn a_disk_that_fails_while_the_answer_is_stored_loses_nothing() {
    for profile in PROFILES {
        for fault in Fault::ALL {
            let mut world = asked(profile, 9, 2);
            let (now, asked) = (world.now(), question(&mut world, 2).unwrap());
            world.peers[&2].installation.disk.fail_after(0, fault);
            assert!(world.node(2).answer(asked.commit, true, now).is_err());
            world.peers[&2].installation.disk.reopen();
            world.node(2).answer(asked.commit, true, now).unwrap();
            world.settle();
            world.pass(Duration::from_secs(3));
            assert_eq!(world.peers.len(), 3, "{profile:?} {fault:?}");
            world.assert_agree();
        }
    }
}

#[test]
fn whom_an_invitation_would_bring_in_is_known_before() {
    let mut world = World::founded(Profile::Sealed, Seed::new(10));
    let joiner = world.installation();
    let now = world.now();
    let package = joiner.key_package(now);
    let candidates = world.node(1).candidates(&[package], now).unwrap();
    assert_eq!(candidates.len(), 1);
    assert_eq!(candidates[0].identity, b"member 2");
    let refused = world.node(1).candidates(&[vec![1, 2, 3]], now).unwrap_err();
    assert_eq!(refused.code(), Code::MLS_MALFORMED);
}
