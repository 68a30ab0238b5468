//! Several frames, or texts, in one step: the same as one after the other, stored at once.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic"
)]

mod support;

use coterie_gtp::Draft;
use coterie_stack::limits::{MAX_EVENTS, MAX_FRAMES_AT_ONCE, MAX_TEXTS_AT_ONCE};
use coterie_stack::{AudioOut, Event};
use coterie_testkit::{Fault, Seed};
use coterie_types::{Code, Duration, ErrorCode, MemberId};
use coterie_wire::payload::MediaSource;
use coterie_wire::{Codec, Profile};
use support::{World, in_memory, member};

const PROFILES: [Profile; 2] = [Profile::Sealed, Profile::Interop];

fn drafts(words: impl IntoIterator<Item = String>) -> Vec<Draft> {
    words.into_iter().map(|word| Draft::text(&word)).collect()
}

fn numbered(count: usize) -> Vec<Draft> {
    drafts((0..count).map(|number| number.to_string()))
}

/// What a member has to send.
fn outgoing(world: &mut World, number: u32) -> Vec<Vec<u8>> {
    let node = &mut world.peers.get_mut(&number).unwrap().node;
    std::iter::from_fn(|| node.poll_parcel()).map(|parcel| parcel.bytes).collect()
}

/// The frames of so many texts, said at once.
fn said(world: &mut World, number: u32, drafts: Vec<Draft>) -> Vec<Vec<u8>> {
    let (now, count) = (world.now(), drafts.len());
    outgoing(world, number);
    let ids = world.node(number).send_texts(MemberId::EVERYBODY, drafts, now).unwrap();
    assert!(ids.is_sorted() && ids.len() == count);
    outgoing(world, number)
}

fn words(events: &[Event]) -> Vec<String> {
    let word = |event: &Event| match event {
        Event::Text(text) => Some(String::from_utf8(text.message.content.clone()).unwrap()),
        _ => None,
    };
    events.iter().filter_map(word).collect()
}

fn commits(world: &World, number: u32) -> usize {
    world.peers[&number].installation.disk.commits()
}

#[test]
fn a_batch_is_what_its_frames_are_one_by_one() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(1), 3);
        // Nothing was heard in this epoch yet.
        let echo = said(&mut world, 2, drafts(["mine".to_owned()]));
        let mut frames = said(&mut world, 1, numbered(20));
        let mut altered = frames[3].clone();
        let place = altered.len() - 40;
        altered[place] ^= 1;
        let packet = coterie_gap::Outgoing { source: MediaSource::new(1), timestamp: 0, frame: vec![7; 60] };
        let audio = AudioOut { packet, target: MemberId::EVERYBODY, codec: Codec::Cbor };
        let now = world.now();
        assert!(world.node(1).send_audio(audio, now).unwrap());
        let audio = outgoing(&mut world, 1).remove(0);
        // Refused, cut off, of no meaning, seen before, this member's own, and what is no step at all.
        let cut = frames[5][..9].to_vec();
        for (at, odd) in [(2, altered), (5, cut), (7, vec![]), (11, frames[0].clone()), (13, echo[0].clone())]
        {
            frames.insert(at, odd);
        }
        frames.insert(16, audio);

        let before = commits(&world, 2);
        assert_eq!(world.node(2).receive_all(&frames, now).unwrap(), frames.len());
        assert_eq!(commits(&world, 2) - before, 2, "one before the audio, one behind");
        let of_second = world.events(2);
        assert_eq!(words(&of_second), (0..20).map(|number| number.to_string()).collect::<Vec<_>>());

        // The third hears the same, but that the echo is another's text there.
        let echo = frames.remove(13);
        for frame in &frames {
            world.node(3).receive(frame, now).unwrap();
        }
        let of_third = world.events(3);
        let told = of_second.iter().filter(|event| !is_about(event, 2)).collect::<Vec<_>>();
        assert_eq!(told, of_third.iter().collect::<Vec<_>>(), "{profile:?}");
        let refused = |event: &&Event| matches!(event, Event::Refused { .. } | Event::Duplicate { .. });
        assert_eq!(of_second.iter().filter(refused).count(), 5);
        world.node(3).receive(&echo, now).unwrap();
        assert_eq!(words(&world.events(3)), ["mine"]);
    }
}

/// Whether an event is a refusal of what claims to come from a member, or a repetition of it.
fn is_about(event: &Event, number: u32) -> bool {
    match event {
        Event::Refused { claimed, .. } => *claimed == Some(member(number)),
        Event::Duplicate { member: who, .. } => *who == member(number),
        _ => false,
    }
}

#[test]
fn a_change_in_the_middle_of_a_batch_is_followed() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(2), 2);
        let now = world.now();
        let epoch = world.node(1).epoch();
        let mut frames = said(&mut world, 1, drafts(["before".to_owned()]));
        world.node(1).update(now).unwrap();
        frames.extend(outgoing(&mut world, 1));
        frames.extend(said(&mut world, 1, drafts(["prepared".to_owned()])));
        assert_eq!(world.node(2).receive_all(&frames, now).unwrap(), frames.len());

        let answers = outgoing(&mut world, 2);
        world.node(1).receive_all(&answers, now).unwrap();
        assert!(world.node(1).epoch() > epoch);
        let mut frames = outgoing(&mut world, 1);
        let late = frames.len();
        frames.extend(said(&mut world, 1, drafts(["after".to_owned()])));
        assert!(late > 0);
        let before = commits(&world, 2);
        assert_eq!(world.node(2).receive_all(&frames, now).unwrap(), frames.len());
        assert_eq!(commits(&world, 2) - before, 1);
        assert_eq!(words(&world.events(2)), ["before", "prepared", "after"]);
        world.settle();
        world.assert_agree();
        world.restart(2);
        world.assert_agree();
    }
}

#[test]
fn what_stands_behind_the_own_removal_is_not_taken_in() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(3), 3);
        let now = world.now();
        outgoing(&mut world, 1);
        world.node(1).remove(&[member(2)], now).unwrap();
        let prepare = outgoing(&mut world, 1);
        for number in [2, 3] {
            world.node(number).receive_all(&prepare, now).unwrap();
            let answers = outgoing(&mut world, number);
            world.node(1).receive_all(&answers, now).unwrap();
        }
        let mut frames = outgoing(&mut world, 1);
        let execute = frames.len();
        frames.extend(said(&mut world, 1, drafts(["not for you".to_owned()])));
        let taken = world.node(2).receive_all(&frames, now).unwrap();
        assert!((1..=execute).contains(&taken), "{profile:?} {taken} {execute}");
        let refused = world.node(2).receive_all(&frames[taken..], now).unwrap_err();
        assert_eq!(refused.code(), Code::GBP_NOT_ACTIVE);
        let events = world.events(2);
        assert!(events.contains(&Event::Removed) && words(&events).is_empty());
        assert_eq!(world.node(3).receive_all(&frames, now).unwrap(), frames.len());
        assert_eq!(words(&world.events(3)), ["not for you"]);
    }
}

#[test]
fn a_store_that_fails_loses_nothing_of_a_batch_and_repeats_nothing() {
    for profile in PROFILES {
        for fault in Fault::ALL {
            let mut world = World::of(profile, Seed::new(4), 2);
            let now = world.now();
            let count = 2 * MAX_FRAMES_AT_ONCE + 9;
            let frames = said(&mut world, 1, numbered(count));
            world.restart(2);
            world.peers[&2].installation.disk.fail_after(1, fault);
            let taken = world.node(2).receive_all(&frames, now).unwrap();
            assert_eq!(taken, MAX_FRAMES_AT_ONCE, "the first step stands");
            let mut heard = words(&world.events(2));
            assert_eq!(heard.len(), taken);
            if matches!(fault, Fault::IoLost | Fault::IoStored) {
                assert!(world.node(2).receive_all(&frames[taken..], now).is_err());
                world.node(2).events_dealt_with();
                // What was dealt with is not stored as such: the first ones come again.
                world.crash(2);
                heard.clear();
            }
            assert_eq!(world.node(2).receive_all(&frames[taken..], now).unwrap(), count - taken);
            heard.extend(words(&world.events(2)));
            assert_eq!(heard, (0..count).map(|number| number.to_string()).collect::<Vec<_>>(), "{fault:?}");
        }
    }
}

#[test]
fn a_batch_of_texts_that_is_not_stored_was_not_said() {
    for profile in PROFILES {
        for fault in [Fault::Full, Fault::Busy] {
            let mut world = World::of(profile, Seed::new(5), 2);
            let now = world.now();
            outgoing(&mut world, 1);
            world.peers[&1].installation.disk.fail_after(0, fault);
            assert!(world.node(1).send_texts(MemberId::EVERYBODY, numbered(3), now).is_err());
            assert!(outgoing(&mut world, 1).is_empty());
            let frames = said(&mut world, 1, numbered(3));
            assert_eq!(world.node(2).receive_all(&frames, now).unwrap(), 3);
            assert_eq!(words(&world.events(2)), ["0", "1", "2"]);
            let marks = world.node(2).text().watermark().last_seen(member(1)).unwrap();
            assert_eq!(marks.number(), 3, "no number is left out");
        }
    }
}

#[test]
fn events_of_a_batch_come_again_after_a_crash_with_their_ids_and_the_batch_is_known_then() {
    for profile in PROFILES {
        let mut world = World::of(profile, Seed::new(6), 2);
        let now = world.now();
        let frames = said(&mut world, 1, numbered(30));
        world.restart(2);
        world.node(2).receive_all(&frames, now).unwrap();
        let told = |world: &mut World| -> Vec<_> {
            let node = &mut world.peers.get_mut(&2).unwrap().node;
            std::iter::from_fn(|| node.poll_told()).filter(|(_, event)| event.is_durable()).collect()
        };
        let first = told(&mut world);
        assert_eq!(first.len(), 30);
        world.crash(2);
        assert_eq!(told(&mut world), first);
        world.node(2).acknowledge(first[19].0.unwrap()).unwrap();
        world.crash(2);
        assert_eq!(told(&mut world), first[20..]);
        assert_eq!(world.node(2).receive_all(&frames, now).unwrap(), 30);
        assert!(told(&mut world).is_empty());
        assert_eq!(world.node(2).text().history().unwrap().len(), 30);
    }
}

#[test]
fn a_batch_ends_where_there_is_no_room_for_what_it_tells() {
    let mut world = World::of(Profile::Interop, Seed::new(7), 2);
    let now = world.now();
    let mut frames = Vec::new();
    while frames.len() < MAX_EVENTS + 2 * MAX_FRAMES_AT_ONCE {
        frames.extend(said(&mut world, 1, numbered(MAX_TEXTS_AT_ONCE)));
    }
    let node = &mut world.peers.get_mut(&2).unwrap().node;
    let taken = node.receive_all(&frames, now).unwrap();
    assert!((MAX_EVENTS..MAX_EVENTS + MAX_FRAMES_AT_ONCE).contains(&taken), "{taken}");
    assert_eq!(node.receive_all(&frames[taken..], now).unwrap_err().code(), Code::BUSY);
    assert_eq!(world.events(2).len(), taken);
    let rest = world.node(2).receive_all(&frames[taken..], now).unwrap();
    assert_eq!(taken + rest, frames.len());
}

#[test]
fn where_one_text_is_refused_none_is_said_and_the_member_goes_on() {
    let now = coterie_testkit::Clock::default().now() + Duration::from_millis(1);
    for profile in PROFILES {
        let mut node = in_memory(profile);
        while node.poll_parcel().is_some() {}
        let too_long = "x".repeat(2 << 20);
        let mixed = drafts(["one".to_owned(), too_long.clone(), "two".to_owned()]);
        let refused = node.send_texts(MemberId::EVERYBODY, mixed, now).unwrap_err();
        assert_eq!(refused.code(), Code::WIRE_TOO_LARGE);
        let refused = node.send_text(MemberId::EVERYBODY, Draft::text(&too_long), now).unwrap_err();
        assert_eq!(refused.code(), Code::WIRE_TOO_LARGE);
        assert!(node.poll_parcel().is_none());
        let many = node.send_texts(MemberId::EVERYBODY, numbered(MAX_TEXTS_AT_ONCE + 1), now).unwrap_err();
        assert_eq!(many.code(), Code::INVALID_ARGUMENT);
        let ids = node.send_texts(MemberId::EVERYBODY, numbered(3), now).unwrap();
        assert_eq!(ids.iter().map(|id| id.number()).collect::<Vec<_>>(), [1, 2, 3], "{profile:?}");
        assert_eq!(std::iter::from_fn(|| node.poll_parcel()).count(), 3);
        assert!(node.send_texts(MemberId::EVERYBODY, Vec::new(), now).unwrap().is_empty());
    }
}
