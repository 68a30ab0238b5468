//! The longest that can be said, and what is a byte longer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic"
)]

mod support;

use coterie_gsp::Order;
use coterie_gtp::Draft;
use coterie_stack::Event;
use coterie_stack::limits::{MAX_SAID, MAX_TEXT_BYTES_AT_ONCE};
use coterie_testkit::{Clock, Seed};
use coterie_types::{Code, Duration, ErrorCode, MemberId, RequestId};
use coterie_wire::payload::Signal;
use coterie_wire::{Codec, Profile};
use support::{World, in_memory, member};

const PROFILES: [Profile; 2] = [Profile::Sealed, Profile::Interop];
const CODECS: [Codec; 3] = [Codec::Cbor, Codec::Protobuf, Codec::FlatBuffers];

fn long(length: usize, codec: Codec) -> Draft {
    Draft { content: vec![b'x'; length], codec, ..Draft::default() }
}

fn order(length: usize, codec: Codec, request: u32) -> Order {
    let arguments = Some(vec![0; length]);
    Order { arguments, codec, ..Order::new(Signal::Join, RequestId::new(request)) }
}

fn lengths(events: &[Event]) -> Vec<usize> {
    let length = |event: &Event| match event {
        Event::Text(text) => Some(text.message.content.len()),
        Event::Signal(given) => Some(given.arguments.len()),
        _ => None,
    };
    events.iter().filter_map(length).collect()
}

#[test]
fn the_longest_is_heard_and_can_be_caught_up_on() {
    for (profile, codec) in PROFILES.into_iter().flat_map(|profile| CODECS.map(|codec| (profile, codec))) {
        let mut world = World::of(profile, Seed::new(1), 3);
        let now = world.now();
        world.node(1).send_text(MemberId::EVERYBODY, long(MAX_SAID, codec), now).unwrap();
        world.node(1).give(MemberId::EVERYBODY, order(MAX_SAID, codec, 9), now).unwrap();
        world.collect();
        // Nothing of it comes to the third.
        for (_, parcel) in std::mem::take(&mut world.wire) {
            world.node(2).receive(&parcel.bytes, now).unwrap();
        }
        assert_eq!(lengths(&world.events(2)), [MAX_SAID, MAX_SAID], "{profile:?} {codec:?}");
        world.settle();
        if profile == Profile::Sealed {
            world.node(3).catch_up(member(2), RequestId::new(9), now).unwrap();
            world.settle();
            assert_eq!(lengths(&world.events(3)), [MAX_SAID], "{codec:?}");
        }
    }
}

#[test]
fn what_is_longer_is_refused_and_the_member_goes_on() {
    let now = Clock::default().now() + Duration::from_millis(1);
    for (profile, codec) in PROFILES.into_iter().flat_map(|profile| CODECS.map(|codec| (profile, codec))) {
        let mut node = in_memory(profile);
        while node.poll_parcel().is_some() {}
        for length in [MAX_SAID + 1, (1 << 20) - 1, 1 << 20, 2 << 20] {
            let everybody = MemberId::EVERYBODY;
            let batch = vec![long(1, codec), long(length, codec)];
            let refused = [
                node.send_text(everybody, long(length, codec), now).unwrap_err(),
                node.send_texts(everybody, batch, now).unwrap_err(),
                node.give(everybody, order(length, codec, 1), now).unwrap_err(),
            ];
            assert_eq!(refused.map(|error| error.code()), [Code::WIRE_TOO_LARGE; 3], "{length}");
        }
        assert!(node.poll_parcel().is_none() && node.text().history().unwrap().is_empty());
        let id = node.send_text(MemberId::EVERYBODY, long(MAX_SAID, codec), now).unwrap();
        assert_eq!(id.number(), 1);
        let given = node.give(MemberId::EVERYBODY, order(MAX_SAID, codec, 1), now);
        assert_eq!(given.unwrap(), RequestId::new(1));
    }
}

#[test]
fn texts_at_once_have_a_limit_together() {
    let now = Clock::default().now() + Duration::from_millis(1);
    let mut node = in_memory(Profile::Interop);
    while node.poll_parcel().is_some() {}
    let half = MAX_SAID / 2;
    let most = MAX_TEXT_BYTES_AT_ONCE / half;
    let drafts = |count: usize| vec![long(half, Codec::Cbor); count];
    let refused = node.send_texts(MemberId::EVERYBODY, drafts(most + 1), now).unwrap_err();
    assert_eq!(refused.code(), Code::INVALID_ARGUMENT);
    assert!(node.poll_parcel().is_none());
    let said = node.send_texts(MemberId::EVERYBODY, drafts(most), now).unwrap();
    assert_eq!((said.len(), said[0].number()), (most, 1));
}
