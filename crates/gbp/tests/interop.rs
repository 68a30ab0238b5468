//! The `interop` profile: the published examples, the order of refusals, epochs, and hostile frames.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use coterie_crypto::Secret;
use coterie_crypto::aead::{AeadAlgorithm, AeadKey};
use coterie_gbp::limits::{MAX_PREVIOUS_EPOCH, MAX_STREAMS, REMEMBERED_TAGS, RESERVATION};
use coterie_gbp::protection::interop::{ClassKeys, Opener, Sealer};
use coterie_gbp::protection::{Members, Outgoing};
use coterie_gbp::{OpenError, SealError, SetupError};
use coterie_testkit::{Seed, T0};
use coterie_types::{
    Code, Duration, Epoch, ErrorCode, GroupId, LeafIndex, MemberId, Sequence, StreamClass, StreamId,
    TransitionId,
};
use coterie_wire::{Codec, ErrorNumber, Flags, Frame, FrameError, Header, Profile};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use support::{
    Rows, bare_sealer, class_keys, exporter, group, opener, outgoing, place, reserve_all, sealer, stream,
};

const SECOND: Duration = Duration::from_secs(1);

/// What a peer of the published stack sends: the same keys, and any header.
fn peer_frame(epoch: u64, header: &Header, plaintext: &[u8]) -> Vec<u8> {
    let key = exporter(epoch, ClassKeys::label(header.class), &[], 32);
    let key = AeadKey::new(AeadAlgorithm::ChaCha20Poly1305, key.expose()).unwrap();
    let nonce = [header.sequence.number().to_be_bytes().as_slice(), &[0; 8]].concat();
    let payload = key.seal(&nonce, &[], plaintext).unwrap();
    Frame { header: header.clone(), payload: &payload }.encode().unwrap()
}

fn header(epoch: u64, class: StreamClass, member: u32, sequence: u32) -> Header {
    Header {
        profile: Profile::Interop,
        group: group(),
        epoch: Epoch::new(epoch),
        transition: support::transition(epoch),
        class,
        stream: stream(class, member),
        flags: Flags::MESSAGE,
        sequence: Sequence::new(sequence).unwrap(),
        format: Codec::Cbor.into(),
    }
}

/// The same frame with a changed header.
fn altered(frame: &[u8], change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let frame = Frame::decode(frame).unwrap();
    let mut header = frame.header;
    change(&mut header);
    Frame { header, payload: frame.payload }.encode().unwrap()
}

mod appendix_a {
    use super::*;

    const SECRET: &str = "5a097e149f2a375d0b9e1d1f4dc3a9c6c1788df888e5441f41a8791f4dc56cea";
    const FRAME_A: &str = "aa6176016367696450a0a1a2a3a4a5a6a7a8a9aaabacadaeaf6265700163746964006273740263736964186562666c0763736571016370737a1562706c553094d76810746cf6111be8c2e0f5aca130848d1ebc";
    const FRAME_B: &str = "aa6176016367696450a0a1a2a3a4a5a6a7a8a9aaabacadaeaf6265700163746964006273740063736964186462666c181b63736571016370737a183062706c583047daaf3ab8ce52300c1f7bd2ef1aeb5d007c7db9ef13f8fcbb5fff822e12b18d5c520be6cf04ef91fa785dd55ce109f2";
    const FRAME_C: &str = "ab6176016367696450a0a1a2a3a4a5a6a7a8a9aaabacadaeaf6265701b0000000100000000637469641a00011170627374016373696418ca62666c016373657119012c6370737a1062706c5085bb053da5a2e4dc4a5885cb604c94a862706602";

    fn keys() -> Arc<ClassKeys> {
        let secret = Secret::new(hex::decode(SECRET).unwrap());
        Arc::new(ClassKeys::from_exporter_secret(&secret).unwrap())
    }

    fn published() -> GroupId {
        GroupId::new(&(0xa0..0xb0).collect::<Vec<u8>>()).unwrap()
    }

    fn open(epoch: u64, tid: u32, frame: &str) -> (StreamClass, u32, Vec<u8>) {
        let mut opener = Opener::new(published(), Epoch::new(epoch), TransitionId::new(tid), keys()).unwrap();
        let (opened, plaintext) = opener.open(&hex::decode(frame).unwrap(), T0).unwrap();
        (opened.class, opened.sequence.number(), plaintext)
    }

    #[test]
    fn the_published_frames_open() {
        assert_eq!(open(1, 0, FRAME_A), (StreamClass::Text, 1, b"hello".to_vec()));
        let execute = "a6626f700363726964076373696401637469640164616c656e00646172677340";
        assert_eq!(open(1, 0, FRAME_B), (StreamClass::Control, 1, hex::decode(execute).unwrap()));
        assert_eq!(open(1 << 32, 70_000, FRAME_C), (StreamClass::Audio, 300, Vec::new()));
    }

    /// Ours number otherwise; all else of a frame is the same, which sealing again under the same number would show.
    #[test]
    fn our_frames_differ_from_the_published_ones_in_number_and_payload_alone() {
        let mut sealer =
            Sealer::new(published(), Epoch::new(1), TransitionId::new(0), keys(), place(0, 1)).unwrap();
        reserve_all(&sealer, &mut Rows::default(), 10);
        let text = Outgoing {
            class: StreamClass::Text,
            stream: StreamId::new(101),
            flags: Flags::MESSAGE,
            format: Codec::Cbor.into(),
            plaintext: b"hello".as_slice().into(),
        };
        let frame = sealer.seal(text).unwrap();
        let as_published = altered(&frame, |header| header.sequence = Sequence::FIRST);
        let cut = as_published.len() - 21;
        assert_eq!(as_published[..cut], hex::decode(FRAME_A).unwrap()[..cut]);
        let mut opener = Opener::new(published(), Epoch::new(1), TransitionId::new(0), keys()).unwrap();
        assert_eq!(opener.open(&frame, T0).unwrap().1, b"hello");
        assert_eq!(opener.open(&as_published, T0), Err(OpenError::NotAuthentic), "the number is the nonce");
    }
}

#[test]
fn a_doubly_wrong_frame_is_refused_for_what_comes_first() {
    let mut opener = opener(5);
    let text = StreamClass::Text;
    let genuine = peer_frame(5, &header(5, text, 2, 0x8000_0009), b"text");
    opener.open(&genuine, T0).unwrap();
    let with = |change: fn(&mut Header)| altered(&genuine, change);
    let other_group = with(|header| {
        header.group = GroupId::new(&[1; 16]).unwrap();
        header.epoch = Epoch::new(77);
    });
    let mut bad_size = with(|header| header.epoch = Epoch::new(77));
    let at = bad_size.windows(4).position(|bytes| bytes == b"cpsz").unwrap() + 4;
    bad_size[at] ^= 1;
    let critical = with(|header| {
        header.flags = Flags::CRITICAL;
        header.transition = TransitionId::new(77);
    });
    let mut zero = altered(&critical, |header| header.sequence = Sequence::FIRST);
    let at = zero.windows(4).position(|bytes| bytes == b"cseq").unwrap() + 4;
    zero[at] = 0;
    let mut stale = genuine.clone();
    *stale.last_mut().unwrap() ^= 1;
    let late_control = peer_frame(5, &header(4, StreamClass::Control, 2, 9), b"");
    let sealed = with(|header| header.profile = Profile::Sealed);
    for (frame, number) in [
        (&other_group, ErrorNumber::GBP_UNKNOWN_GROUP),
        (&bad_size, ErrorNumber::GBP_EPOCH_MISMATCH),
        (&critical, ErrorNumber::GBP_TRANSITION_MISMATCH),
        (&zero, ErrorNumber::GBP_TRANSITION_MISMATCH),
        (&stale, ErrorNumber::GBP_REPLAY_DETECTED),
        (&late_control, ErrorNumber::GBP_EPOCH_MISMATCH),
        (&sealed, ErrorNumber::GBP_UNSUPPORTED_VERSION),
        (&Vec::new(), ErrorNumber::GBP_STREAM_POLICY_VIOLATION),
        (&with(|header| header.class = StreamClass::Signal), ErrorNumber::GBP_DECRYPT_FAILED),
        (&with(|header| header.sequence = Sequence::FIRST), ErrorNumber::GBP_DECRYPT_FAILED),
        (&with(|header| header.stream = StreamId::new(901)), ErrorNumber::GBP_REPLAY_DETECTED),
    ] {
        assert_eq!(opener.open(frame, T0).unwrap_err().number(), number);
    }
    assert_eq!(opener.remembered(), (1, 1));
    assert_eq!(OpenError::Profile.code(), Code::GBP_PROFILE_MISMATCH);
}

#[test]
fn a_frame_that_does_not_open_uses_up_no_number_and_no_stream() {
    let mut opener = opener(1);
    let genuine = peer_frame(1, &header(1, StreamClass::Text, 2, u32::MAX), b"text");
    let mut forged = genuine.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(opener.open(&forged, T0), Err(OpenError::NotAuthentic));
    assert_eq!(opener.remembered(), (0, 0));
    opener.open(&genuine, T0).unwrap();
    for number in [1, 256, 1_000_000] {
        let late = peer_frame(1, &header(1, StreamClass::Text, 2, number), b"text");
        opener.open(&late, T0).unwrap();
        let again = opener.open(&late, T0).unwrap_err();
        assert_eq!(again.number(), ErrorNumber::GBP_REPLAY_DETECTED);
    }
}

#[test]
fn peers_that_count_from_one_are_all_heard_even_when_they_send_the_same() {
    let mut opener = opener(1);
    for class in StreamClass::ALL {
        for member in 1..=3_u32 {
            let frame = peer_frame(1, &header(1, class, member, 1), b"the same bytes");
            assert!(opener.open(&frame, T0).unwrap().0.is_from(MemberId::new(member)));
        }
    }
}

#[test]
fn members_of_ours_never_use_one_nonce_and_hear_each_other() {
    let mut opener = opener(1);
    let mut nonces = HashSet::new();
    for leaf in 0..9 {
        let mut sealer = sealer(1, place(leaf, 8));
        for count in 0..50_u32 {
            let class = StreamClass::ALL[count as usize % 4];
            let frame = sealer.seal(outgoing(class, leaf + 1, b"same text")).unwrap();
            let (opened, plaintext) = opener.open(&frame, T0).unwrap();
            assert!(nonces.insert((class, opened.sequence)));
            assert_eq!(place(0, 8).owner(opened.sequence).unwrap().number(), leaf);
            assert_eq!(plaintext, b"same text");
        }
    }
}

#[test]
fn a_second_handle_of_the_same_keys_goes_on_behind_the_first() {
    let mut rows = Rows::default();
    let mut numbers = HashSet::new();
    let mut last = 0;
    for _ in 0..5 {
        let mut sealer = bare_sealer(1, place(1, 1));
        reserve_all(&sealer, &mut rows, 10);
        for _ in 0..7 {
            let frame = sealer.seal(outgoing(StreamClass::Text, 2, b"")).unwrap();
            let number = Frame::decode(&frame).unwrap().header.sequence.number();
            assert!(numbers.insert(number) && number > last);
            last = number;
        }
    }
}

#[test]
fn sealing_into_a_buffer_is_sealing_and_a_short_one_uses_no_number() {
    let (mut one, mut other) = (sealer(1, place(0, 1)), sealer(1, place(0, 1)));
    for length in [0, 5, 7, 8, 23, 24, 239, 240, 255, 256, 65_519, 65_520, 70_000] {
        let text = vec![7; length];
        let frame = outgoing(StreamClass::Text, 1, &text);
        let sealed = one.seal(frame).unwrap();
        let needed = other.sealed_length(&frame).unwrap();
        let short = other.seal_into(frame, &mut vec![0; needed - 1]);
        assert_eq!(short, Err(SealError::BufferTooSmall { needed }));
        let mut buffer = vec![0; needed + 3];
        assert_eq!(other.seal_into(frame, &mut buffer), Ok(sealed.len()));
        assert_eq!(buffer[..needed], sealed);
        let decoded = Frame::decode(&sealed).unwrap();
        assert_eq!(
            Frame { header: decoded.header.clone(), payload: decoded.payload }.encode().unwrap(),
            sealed
        );
    }
    let huge = vec![0; 1 << 20];
    let refused = one.seal(outgoing(StreamClass::Text, 1, &huge));
    assert!(matches!(refused, Err(SealError::Frame(FrameError::TooLarge(_)))));
}

#[test]
fn nothing_is_sealed_without_a_stored_reservation_and_each_class_has_its_own() {
    let mut sealer = bare_sealer(1, place(0, 1));
    let text = outgoing(StreamClass::Text, 1, b"text");
    assert_eq!(sealer.seal(text), Err(SealError::NotReserved(StreamClass::Text)));
    assert_eq!(SealError::NotReserved(StreamClass::Text).code(), Code::GBP_NOT_RESERVED);
    let dropped = sealer.reserve(StreamClass::Text, None, 10).unwrap();
    assert_eq!(sealer.seal(text), Err(SealError::NotReserved(StreamClass::Text)));
    drop(dropped);
    Rows::default().store(sealer.reserve(StreamClass::Text, None, 10).unwrap());
    sealer.seal(text).unwrap();
    let audio = outgoing(StreamClass::Audio, 1, b"");
    assert_eq!(sealer.seal(audio), Err(SealError::NotReserved(StreamClass::Audio)));
    assert!(sealer.wants_reservation(StreamClass::Text) && sealer.remaining(StreamClass::Text) == 9);
    let ids: HashSet<_> = StreamClass::ALL.map(|class| sealer.counter_id(class).unwrap()).into();
    assert_eq!(ids.len(), 4);
}

#[test]
fn the_last_number_of_a_member_is_used_and_then_the_epoch_must_change() {
    let sealer = &mut bare_sealer(1, place(65_535, 65_535));
    assert_eq!(sealer.numbers_left(StreamClass::Text), 1 << 15);
    let mut rows = Rows::default();
    let text = outgoing(StreamClass::Text, 1, b"");
    let mut sent = 0;
    let refused = loop {
        let stored = rows.get(sealer.counter_id(StreamClass::Text).unwrap());
        match sealer.seal(text) {
            Ok(_) => sent += 1,
            Err(SealError::NotReserved(_)) => {
                rows.store(sealer.reserve(StreamClass::Text, stored, RESERVATION).unwrap());
            }
            Err(error) => break error,
        }
    };
    assert_eq!((sent, refused), (1 << 15, SealError::Exhausted(StreamClass::Text)));
    let stored = rows.get(sealer.counter_id(StreamClass::Text).unwrap());
    let refused = sealer.reserve(StreamClass::Text, stored, 1).unwrap_err();
    assert_eq!(refused.code(), Code::GBP_NUMBERS_EXHAUSTED);
    sealer.rekey(class_keys(2), place(65_535, 65_535)).unwrap();
    sealer.transition(Epoch::new(2), TransitionId::new(2));
    assert_eq!(sealer.numbers_left(StreamClass::Text), 0, "the same node epoch went on above them");
    sealer.advance(Epoch::new(3), TransitionId::new(3), class_keys(3), place(65_535, 65_535)).unwrap();
    assert_eq!(sealer.numbers_left(StreamClass::Text), 1 << 15);
}

/// A member that computes another width in the middle of an epoch, or takes its keys in again.
#[test]
fn one_key_never_repeats_a_number_of_a_member_however_its_part_changes() {
    let (mut rows, mut numbers) = (Rows::default(), HashSet::new());
    let mut seal = |sealer: &mut Sealer, rows: &mut Rows, count: usize| {
        reserve_all(sealer, rows, 10);
        for _ in 0..count {
            let frame = sealer.seal(outgoing(StreamClass::Text, 3, b"")).unwrap();
            let number = Frame::decode(&frame).unwrap().header.sequence;
            assert!(numbers.insert(number));
            assert_eq!(sealer.place().owner(number), Some(LeafIndex::new(2)));
        }
    };
    for highest in [2, 7, 3, 600, 2, 2, 65_535, 5] {
        let mut sealer = bare_sealer(1, place(2, highest));
        seal(&mut sealer, &mut rows, 10);
        seal(&mut sealer, &mut rows, 3);
    }
    let mut sealer = bare_sealer(1, place(2, 40));
    for (epoch, highest) in [(1, 40), (1, 3), (2, 3), (3, 300), (4, 3)] {
        sealer.transition(Epoch::new(epoch), TransitionId::new(1));
        // A step that the store refused: whether it was written is not known.
        drop(sealer.reserve(StreamClass::Text, None, 5));
        sealer.rekey(class_keys(1), place(2, highest)).unwrap();
        seal(&mut sealer, &mut rows, 4);
    }
}

mod epochs {
    use super::*;

    fn advance(opener: &mut Opener, epoch: u64) {
        let (epoch, transition) = (Epoch::new(epoch), support::transition(epoch));
        opener.advance(epoch, transition, class_keys(epoch.number()), T0, SECOND).unwrap();
    }

    #[test]
    fn application_frames_of_the_previous_epoch_come_for_a_while_and_control_frames_do_not() {
        let mut old = sealer(1, place(0, 1));
        let frames: Vec<_> =
            (0..4).map(|_| old.seal(outgoing(StreamClass::Text, 1, b"old")).unwrap()).collect();
        let control = old.seal(outgoing(StreamClass::Control, 1, b"old")).unwrap();
        let mut opener = opener(1);
        opener.open(&frames[0], T0).unwrap();
        opener.rekey(class_keys(2));
        opener.transition(Epoch::new(2), TransitionId::new(2), T0, Duration::from_secs(3_600)).unwrap();
        opener.open(&frames[1], T0).unwrap();
        let again = opener.open(&frames[0], T0).unwrap_err();
        assert_eq!(again.number(), ErrorNumber::GBP_REPLAY_DETECTED, "its windows are kept");
        assert_eq!(opener.open(&control, T0), Err(OpenError::Epoch(Epoch::new(1))));
        let until = opener.poll_timeout().unwrap();
        assert_eq!(until, T0 + MAX_PREVIOUS_EPOCH);
        assert_eq!(opener.open(&frames[2], until), Err(OpenError::Epoch(Epoch::new(1))));
        opener.handle_timeout(until);
        assert_eq!(opener.poll_timeout(), None);
        assert_eq!(opener.open(&frames[3], T0), Err(OpenError::Epoch(Epoch::new(1))), "the keys are gone");
    }

    #[test]
    fn the_order_of_new_keys_and_new_node_epoch_does_not_matter() {
        for keys_first in [true, false] {
            let mut opener = opener(1);
            let late = sealer(1, place(0, 1)).seal(outgoing(StreamClass::Text, 1, b"late")).unwrap();
            let next = sealer(2, place(1, 1)).seal(outgoing(StreamClass::Text, 2, b"next")).unwrap();
            let transition = |opener: &mut Opener| {
                opener.transition(Epoch::new(2), TransitionId::new(2), T0, SECOND).unwrap();
            };
            if keys_first {
                opener.rekey(class_keys(2));
                transition(&mut opener);
            } else {
                transition(&mut opener);
                opener.rekey(class_keys(2));
            }
            assert_eq!(opener.open(&late, T0).unwrap().1, b"late");
            assert_eq!(opener.open(&next, T0).unwrap().1, b"next");
        }
    }

    /// Pattern B: one EXECUTE for a joiner, under the next keys and in the old epoch of the node.
    #[test]
    fn an_execute_for_a_joiner_opens_there_and_its_number_is_not_used_again() {
        let mut coordinator = sealer(1, place(0, 1));
        let before = coordinator.seal(outgoing(StreamClass::Control, 1, b"prepare")).unwrap();
        coordinator.rekey(class_keys(2), place(0, 2)).unwrap();
        let mut rows = Rows::default();
        reserve_all(&coordinator, &mut rows, 10);
        let execute = coordinator.seal(outgoing(StreamClass::Control, 1, b"execute")).unwrap();
        coordinator.transition(Epoch::new(2), TransitionId::new(2));
        let after = coordinator.seal(outgoing(StreamClass::Control, 1, b"after")).unwrap();

        let mut joiner = Opener::new(group(), Epoch::new(1), support::transition(1), class_keys(2)).unwrap();
        assert_eq!(joiner.open(&before, T0), Err(OpenError::NotAuthentic));
        assert_eq!(joiner.open(&execute, T0).unwrap().1, b"execute");
        advance(&mut joiner, 2);
        assert_eq!(joiner.open(&after, T0).unwrap().1, b"after");

        let number = |frame: &[u8]| Frame::decode(frame).unwrap().header.sequence;
        assert!(number(&before) < number(&execute) && number(&execute) < number(&after));
        // A crash in between forgets nothing: the reservation was stored with the new epoch.
        let mut again =
            Sealer::new(group(), Epoch::new(1), support::transition(1), class_keys(2), place(0, 2)).unwrap();
        reserve_all(&again, &mut rows, 10);
        let restarted = again.seal(outgoing(StreamClass::Control, 1, b"execute")).unwrap();
        assert!(number(&restarted) > number(&after));
    }

    /// From the second step on, what was displaced is of the epoch before, not of this one.
    #[test]
    fn late_frames_of_every_epoch_come_and_those_of_the_one_before_do_not_come_as_them() {
        let mut opener = opener(1);
        let mut older = None;
        for epoch in 1..6 {
            let mut old = sealer(epoch, place(0, 1));
            let seen = old.seal(outgoing(StreamClass::Text, 1, b"seen")).unwrap();
            let late = old.seal(outgoing(StreamClass::Text, 1, b"late")).unwrap();
            opener.open(&seen, T0).unwrap();
            advance(&mut opener, epoch + 1);
            assert_eq!(opener.open(&late, T0).unwrap().1, b"late", "of epoch {epoch}");
            let older = older.replace(seen.clone());
            for (frame, named) in [epoch, epoch + 1].into_iter().flat_map(|named| {
                [Some(&seen), older.as_ref()].into_iter().flatten().map(move |frame| (frame, named))
            }) {
                let again = altered(frame, |header| header.epoch = Epoch::new(named));
                assert!(opener.open(&again, T0).is_err(), "of epoch {epoch} or before as {named}");
            }
        }
    }

    #[test]
    fn a_new_epoch_opens_nothing_before_it_has_its_keys() {
        let mut opener = opener(1);
        let frame = sealer(1, place(0, 1)).seal(outgoing(StreamClass::Text, 1, b"text")).unwrap();
        opener.open(&frame, T0).unwrap();
        opener.transition(Epoch::new(2), TransitionId::new(2), T0, SECOND).unwrap();
        let rewritten = altered(&frame, |header| header.epoch = Epoch::new(2));
        assert_eq!(opener.open(&rewritten, T0), Err(OpenError::NotAuthentic));
        opener.rekey(class_keys(2));
        let next = sealer(2, place(0, 1)).seal(outgoing(StreamClass::Text, 1, b"next")).unwrap();
        assert_eq!(opener.open(&next, T0).unwrap().1, b"next");
    }

    /// Pattern B, on both sides: the next epoch's keys have opened a frame of this one.
    #[test]
    fn what_came_before_the_transition_does_not_come_again_after_it_under_the_same_keys() {
        let mut sender =
            Sealer::new(group(), Epoch::new(1), support::transition(1), class_keys(2), place(0, 2));
        let sender = sender.as_mut().unwrap();
        reserve_all(sender, &mut Rows::default(), 10);
        let execute = sender.seal(outgoing(StreamClass::Control, 1, b"execute")).unwrap();
        let text = sender.seal(outgoing(StreamClass::Text, 1, b"text")).unwrap();
        let joiner = Opener::new(group(), Epoch::new(1), support::transition(1), class_keys(2)).unwrap();
        let mut member = opener(1);
        member.rekey(class_keys(2));
        for mut opener in [joiner, member] {
            opener.open(&execute, T0).unwrap();
            opener.open(&text, T0).unwrap();
            advance(&mut opener, 2);
            opener.rekey(class_keys(2));
            for frame in [&execute, &text] {
                assert!(opener.open(frame, T0).is_err());
                let again = altered(frame, |header| header.epoch = Epoch::new(2));
                let refused = opener.open(&again, T0).unwrap_err();
                assert_eq!(refused.number(), ErrorNumber::GBP_REPLAY_DETECTED);
            }
        }
    }

    #[test]
    fn an_epoch_that_is_not_ahead_is_refused_and_nothing_changes() {
        let mut opener = opener(3);
        let frame = sealer(3, place(0, 1)).seal(outgoing(StreamClass::Text, 1, b"")).unwrap();
        opener.open(&frame, T0).unwrap();
        for named in [0, 2, 3] {
            let refused = opener.transition(Epoch::new(named), TransitionId::new(9), T0, SECOND).unwrap_err();
            assert_eq!(refused.code(), Code::INVALID_ARGUMENT);
            let keys = class_keys(named);
            assert!(opener.advance(Epoch::new(named), TransitionId::new(9), keys, T0, SECOND).is_err());
        }
        assert_eq!(opener.open(&frame, T0).unwrap_err().number(), ErrorNumber::GBP_REPLAY_DETECTED);
        assert_eq!((opener.epoch(), opener.poll_timeout()), (Epoch::new(3), None));
    }
}

/// The number is authenticated and says whose it is, so an outsider cannot give a frame of ours to another member.
#[test]
fn a_frame_of_ours_counts_on_its_members_streams_alone_where_the_members_are_known() {
    let members =
        [(0, 1), (1, 2), (5, 6)].map(|(leaf, member)| (LeafIndex::new(leaf), MemberId::new(member)));
    let keys =
        ClassKeys::derive(|label, context, length| Ok::<_, SetupError>(exporter(1, label, context, length)));
    let keys = keys.unwrap().among(place(0, 5), Members::new(members).unwrap());
    let mut opener = Opener::new(group(), Epoch::new(1), support::transition(1), Arc::new(keys)).unwrap();
    let text = StreamClass::Text;
    let genuine = sealer(1, place(1, 5)).seal(outgoing(text, 2, b"text")).unwrap();
    for stream in [stream(text, 1), stream(text, 6), stream(text, 77)] {
        let rewritten = altered(&genuine, |header| header.stream = stream);
        assert_eq!(opener.open(&rewritten, T0), Err(OpenError::Sender { stream, signer: None }));
    }
    assert_eq!(opener.remembered(), (0, 0));
    opener.open(&genuine, T0).unwrap();
    // What we sealed ourselves, whoever brings it back.
    let own = sealer(1, place(0, 5)).seal(outgoing(text, 1, b"text")).unwrap();
    assert_eq!(opener.open(&own, T0).unwrap_err().number(), ErrorNumber::GBP_REPLAY_DETECTED);
    // Peers that count from 1, peers that begin where nobody of ours is, and streams that are numbered otherwise.
    for (stream, sequence) in
        [(stream(text, 1), 1), (stream(text, 7), 0x8000_0003), (StreamId::new(999), 0x8000_0009)]
    {
        let mut header = header(1, text, 1, sequence);
        header.stream = stream;
        opener.open(&peer_frame(1, &header, b"text"), T0).unwrap();
    }
}

#[test]
fn what_does_not_fit_the_profile_is_refused_when_it_is_set_up() {
    let long = GroupId::new(&[1; 32]).unwrap();
    let made = Opener::new(long, Epoch::new(1), TransitionId::new(0), class_keys(1));
    assert_eq!(made.err(), Some(SetupError::Length("the group id")));
    let short = ClassKeys::from_exporter_secret(&Secret::copy_from(&[1; 31]));
    assert_eq!(short.err(), Some(SetupError::Length("the exporter secret")));
    let short = ClassKeys::derive(|_, _, _| Ok::<_, SetupError>(Secret::copy_from(&[1; 16])));
    assert_eq!(short.err(), Some(SetupError::Length("a class key")));
}

#[test]
fn memory_ends_at_its_bounds_even_for_a_member_who_fills_it() {
    let mut opener = opener(1);
    let mut refused = 0;
    for number in 0..u32::try_from(MAX_STREAMS + 100).unwrap() {
        let mut header = header(1, StreamClass::Text, 1, 0x8000_0000 + number);
        header.stream = StreamId::new(number);
        match opener.open(&peer_frame(1, &header, b""), T0) {
            Ok(_) => {}
            Err(OpenError::TooManyStreams) => refused += 1,
            Err(other) => assert_eq!(other, OpenError::TooManyStreams),
        }
    }
    assert_eq!((refused, opener.remembered()), (100, (MAX_STREAMS, REMEMBERED_TAGS)));
    let known = peer_frame(1, &header(1, StreamClass::Text, 1, 1_000_000), b"");
    opener.open(&known, T0).unwrap();
}

/// One frame that must not be delivered, made of what has been on the network. Headers are changed only of what has
/// arrived: whoever holds a frame back and changes its header first is beyond what the format can tell.
fn forgery(rng: &mut ChaCha20Rng, arrived: &[Vec<u8>], coming: &[u8]) -> Vec<u8> {
    let old = &arrived[rng.random_range(0..arrived.len())];
    match rng.random_range(0..8) {
        0 => old.clone(),
        1 => {
            let mut frame = coming.to_vec();
            // Of the sealed bytes, at the end.
            let at = frame.len() - 1 - rng.random_range(0..16);
            frame[at] ^= 1 << rng.random_range(0..8);
            frame
        }
        2 => altered(old, |header| header.stream = StreamId::new(rng.random())),
        3 => altered(old, |header| header.sequence = Sequence::new(rng.random_range(1..=u32::MAX)).unwrap()),
        4 => altered(old, |header| header.class = StreamClass::Control),
        5 => altered(coming, |header| header.sequence = Sequence::new(u32::MAX).unwrap()),
        6 => coming[..rng.random_range(0..coming.len())].to_vec(),
        _ => (0..rng.random_range(0..200)).map(|_| rng.random()).collect(),
    }
}

#[test]
fn of_a_hundred_thousand_forged_frames_among_a_thousand_genuine_ones_only_the_genuine_arrive() {
    const GENUINE: usize = 1_000;
    const FORGED_EACH: usize = 103;
    let mut rng = Seed::new(26).rng(1);
    let mut opener = opener(1);
    let mut sealers: Vec<_> = (0..5).map(|leaf| sealer(1, place(leaf, 4))).collect();
    let classes = [StreamClass::Text, StreamClass::Audio, StreamClass::Signal];
    let (mut arrived, mut delivered, mut forged_delivered, mut forged) = (Vec::new(), 0, 0, 0);
    for count in 0..GENUINE {
        let member = rng.random_range(0..5_u32);
        let text = count.to_be_bytes();
        let class = classes[rng.random_range(0..3)];
        let frame = sealers[member as usize].seal(outgoing(class, member + 1, &text)).unwrap();
        for _ in 0..FORGED_EACH {
            let hostile = if arrived.is_empty() { vec![0] } else { forgery(&mut rng, &arrived, &frame) };
            if hostile == frame {
                continue;
            }
            let before = opener.remembered();
            forged += 1;
            forged_delivered += usize::from(opener.open(&hostile, T0).is_ok());
            assert_eq!(opener.remembered(), before);
        }
        let (_, plaintext) = opener.open(&frame, T0).unwrap();
        delivered += usize::from(plaintext == text);
        arrived.push(frame);
    }
    println!(
        "{forged} forged or replayed frames among {GENUINE}: {delivered} genuine and {forged_delivered} others delivered"
    );
    assert_eq!((delivered, forged_delivered), (GENUINE, 0));
    assert!(forged >= 100_000);
}
