//! What senders and receivers promise each other.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod support;

use coterie_crypto::Secret;
use coterie_sframe::counters::CounterRecord;
use coterie_sframe::limits::{LOW_WATER, MAX_PREVIOUS_EPOCH, RESERVATION};
use coterie_sframe::{
    EpochKey, Incoming, KeyId, OpenError, Outgoing, Protection, SealError, Session, SetupError, Suite,
};
use coterie_testkit::T0;
use coterie_types::{Code, Duration, Epoch, ErrorCode, LeafIndex};
use support::{Rows, encryptor, epoch_key, session};

const GBP: Protection = Protection::GBP;
const GRACE: Duration = Duration::from_secs(5);

fn text(session: &mut Session, frame: &[u8], now: coterie_types::Timestamp) -> Result<Vec<u8>, OpenError> {
    session.decrypt(frame, b"", now).map(|(_, plaintext)| plaintext)
}

#[test]
fn an_empty_plaintext_goes_through() {
    for protection in [GBP, Protection::RFC9605] {
        let frame = encryptor(protection, 1, 0, 1).encrypt(b"", b"metadata").unwrap();
        let (opened, plaintext) = session(protection, 1).decrypt(&frame, b"metadata", T0).unwrap();
        assert_eq!((opened.plaintext, plaintext), (0..0, Vec::new()));
    }
}

#[test]
fn metadata_is_bound_and_the_dialects_order_it_differently() {
    let frame = encryptor(GBP, 1, 0, 1).encrypt(b"text", b"metadata").unwrap();
    for other in [&b""[..], b"metadat", b"metadata "] {
        assert_eq!(session(GBP, 1).decrypt(&frame, other, T0).err(), Some(OpenError::NotAuthentic));
    }
    let refused = session(Protection::RFC9605, 1).decrypt(&frame, b"metadata", T0).err();
    assert_eq!(refused, Some(OpenError::NotAuthentic));
    let bare = encryptor(GBP, 1, 0, 1).encrypt(b"text", b"").unwrap();
    assert!(session(Protection::RFC9605, 1).decrypt(&bare, b"", T0).is_ok(), "without metadata they agree");
}

#[test]
fn a_frame_of_the_previous_epoch_is_taken_until_its_time_is_over() {
    let late: Vec<_> = {
        let sender = encryptor(GBP, 1, 4, 10);
        (0..4).map(|_| sender.encrypt(b"late", b"").unwrap()).collect()
    };
    let mut receiver = session(GBP, 1);
    assert!(text(&mut receiver, &late[0], T0).is_ok());
    receiver.advance(epoch_key(GBP, 2), T0, GRACE);
    let replayed = text(&mut receiver, &late[0], T0);
    assert_eq!(replayed, Err(OpenError::Replay { key_id: KeyId::new(4 << 16 | 1), counter: 0 }));
    let (opened, _) = receiver.decrypt(&late[1], b"", T0).unwrap();
    assert_eq!(
        (opened.epoch, opened.leaf, receiver.epoch()),
        (Epoch::new(1), LeafIndex::new(4), Epoch::new(2))
    );

    let end = receiver.poll_timeout().unwrap();
    assert_eq!(end, T0 + GRACE);
    assert!(text(&mut receiver, &late[2], end.before(Duration::from_millis(1))).is_ok());
    let refused = Err(OpenError::UnknownKeyId(KeyId::new(4 << 16 | 1)));
    assert_eq!(text(&mut receiver, &late[3], end), refused);
    receiver.handle_timeout(end);
    assert_eq!((receiver.poll_timeout(), receiver.remembered()), (None, 0));
    assert_eq!(text(&mut receiver, &late[3], T0), refused, "gone for good, whatever the clock says");
}

#[test]
fn a_key_that_is_given_again_opens_nothing_again() {
    let frames = [1, 2].map(|epoch| encryptor(GBP, epoch, 0, 1).encrypt(b"once", b"").unwrap());
    let mut receiver = session(GBP, 1);
    assert!(text(&mut receiver, &frames[0], T0).is_ok());
    receiver.advance(epoch_key(GBP, 1), T0, GRACE);
    assert!(matches!(text(&mut receiver, &frames[0], T0), Err(OpenError::Replay { .. })));
    receiver.advance(epoch_key(GBP, 2), T0, GRACE);
    assert!(text(&mut receiver, &frames[1], T0).is_ok());
    receiver.advance(epoch_key(GBP, 1), T0, GRACE);
    assert_eq!(receiver.epoch(), Epoch::new(2), "nobody goes back");
    assert!(matches!(text(&mut receiver, &frames[0], T0), Err(OpenError::Replay { .. })));
}

#[test]
fn only_one_epoch_before_is_held_and_for_no_longer_than_the_limit() {
    let frames = [1, 2, 3].map(|epoch| encryptor(GBP, epoch, 0, 1).encrypt(b"text", b"").unwrap());
    let mut receiver = session(GBP, 1);
    receiver.advance(epoch_key(GBP, 2), T0, GRACE);
    receiver.advance(epoch_key(GBP, 3), T0, Duration::from_days(1));
    assert_eq!(receiver.poll_timeout(), Some(T0 + MAX_PREVIOUS_EPOCH));
    let known = frames.map(|frame| text(&mut receiver, &frame, T0).is_ok());
    assert_eq!(known, [false, true, true]);
    receiver.advance(epoch_key(GBP, 4), T0, Duration::default());
    assert_eq!(receiver.poll_timeout(), None, "no grace, no keys");
}

#[test]
fn epochs_whose_key_ids_look_alike_are_not_taken_for_each_other() {
    let (old, new) = (1, 0x1_0001);
    let frame = |epoch| encryptor(GBP, epoch, 0, 1).encrypt(b"text", b"").unwrap();
    let mut receiver = session(GBP, old);
    receiver.advance(epoch_key(GBP, new), T0, GRACE);
    assert_eq!(text(&mut receiver, &frame(old), T0), Err(OpenError::NotAuthentic));
    assert!(text(&mut receiver, &frame(new), T0).is_ok());
}

#[test]
fn a_forged_counter_far_ahead_silences_nobody() {
    let sender = encryptor(GBP, 1, 0, 10);
    let mut receiver = session(GBP, 1);
    assert!(text(&mut receiver, &sender.encrypt(b"one", b"").unwrap(), T0).is_ok());
    let mut forged = vec![0x1f];
    forged.extend([0xff; 8]);
    forged.extend([0; 40]);
    assert_eq!(text(&mut receiver, &forged, T0), Err(OpenError::NotAuthentic));
    assert_eq!(text(&mut receiver, &sender.encrypt(b"two", b"").unwrap(), T0), Ok(b"two".to_vec()));
}

#[test]
fn handles_share_one_counter_and_a_second_encryptor_begins_behind_it() {
    let mut rows = Rows::default();
    let key = epoch_key(GBP, 1);
    let (first, second) =
        (key.encryptor(LeafIndex::new(2), 0).unwrap(), key.encryptor(LeafIndex::new(2), 0).unwrap());
    assert_eq!(first.encrypt(b"", b""), Err(SealError::NotReserved));
    rows.reserve(&first, 3);
    let clone = first.clone();
    let mut counters = Vec::new();
    for sender in [&first, &clone, &first] {
        counters.push(sender.counter().unwrap());
        sender.encrypt(b"", b"").unwrap();
    }
    assert_eq!((counters, clone.remaining()), (vec![0, 1, 2], 0));
    rows.reserve(&second, 3);
    assert_eq!(second.counter(), Some(3));
}

#[test]
fn whatever_makes_another_key_has_counters_of_its_own_and_what_does_not_shares_them() {
    let id =
        |key: EpochKey, leaf, context| key.encryptor(LeafIndex::new(leaf), context).unwrap().counter_id();
    let suite = Protection::new(Suite::Aes256Gcm, GBP.dialect()).unwrap();
    let one = id(epoch_key(GBP, 1), 2, 0);
    assert_eq!(one, id(epoch_key(GBP, 1), 2, 0));
    assert_eq!(one, id(epoch_key(Protection::RFC9605, 1), 2, 0), "the dialect does not change the key");
    for other in [
        id(epoch_key(GBP, 2), 2, 0),
        id(epoch_key(GBP, 1), 3, 0),
        id(epoch_key(GBP, 1), 2, 9),
        id(epoch_key(suite, 1), 2, 0),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn more_counters_are_asked_for_before_the_last_is_used() {
    let mut rows = Rows::default();
    let sender = epoch_key(GBP, 1).encryptor(LeafIndex::new(0), 0).unwrap();
    assert!(sender.wants_reservation());
    rows.reserve(&sender, RESERVATION);
    while !sender.wants_reservation() {
        sender.encrypt(b"", b"").unwrap();
    }
    assert_eq!(sender.remaining(), LOW_WATER - 1);
    rows.reserve(&sender, RESERVATION);
    assert_eq!((sender.counter(), sender.wants_reservation()), (Some(RESERVATION + 1 - LOW_WATER), false));
}

#[test]
fn the_last_counter_of_all_is_used_and_no_more() {
    let sender = epoch_key(GBP, 1).encryptor(LeafIndex::new(0), 0).unwrap();
    let row = [sender.counter_id().as_bytes().as_slice(), &(u64::MAX - 1).to_be_bytes()].concat();
    sender.reserve(Some(CounterRecord::from_bytes(&row).unwrap()), 5).unwrap().stored();
    let last = sender.encrypt(b"last", b"").unwrap();
    let exhausted = SealError::Exhausted(sender.key_id());
    assert_eq!(sender.encrypt(b"", b""), Err(exhausted.clone()));
    assert_eq!((sender.encrypt(b"", b""), sender.counter()), (Err(exhausted), None));
    assert_eq!(text(&mut session(GBP, 1), &last, T0), Ok(b"last".to_vec()));
}

#[test]
fn fifty_frames_in_one_call_are_fifty_frames() {
    let sender = encryptor(GBP, 1, 3, 100);
    let texts: Vec<Vec<u8>> = (0..50).map(|number| vec![number; usize::from(number) * 3]).collect();
    let frames: Vec<_> =
        texts.iter().map(|text| Outgoing { plaintext: text, metadata: &text[..text.len() / 2] }).collect();
    let (mut out, mut lengths) = (vec![0; 10_000], [0; 50]);
    let written = sender.encrypt_all(&frames, &mut out, &mut lengths).unwrap();
    assert_eq!((lengths.iter().sum::<usize>(), sender.counter()), (written, Some(50)));

    let mut incoming = Vec::new();
    let mut rest = &out[..written];
    for (length, frame) in lengths.into_iter().zip(&frames) {
        let (payload, after) = rest.split_at(length);
        incoming.push(Incoming { payload, metadata: frame.metadata });
        rest = after;
    }
    incoming[7].metadata = b"other";
    incoming[9] = incoming[8];
    let (mut plaintexts, mut results) = (vec![0; 10_000], Vec::new());
    session(GBP, 1).decrypt_all(&incoming, &mut plaintexts, &mut results, T0);
    for (number, result) in results.iter().enumerate() {
        match (number, result) {
            (7, refused) => assert_eq!(refused, &Err(OpenError::NotAuthentic)),
            (9, refused) => assert!(matches!(refused, Err(OpenError::Replay { counter: 8, .. }))),
            (_, opened) => {
                let opened = opened.as_ref().unwrap();
                assert_eq!(plaintexts[opened.plaintext.clone()], texts[number]);
            }
        }
    }
}

#[test]
fn a_buffer_too_small_is_refused_before_a_counter_is_used() {
    let sender = encryptor(GBP, 1, 3, 10);
    let needed = 4 + sender.overhead();
    let too_small = SealError::BufferTooSmall { needed };
    let frame = Outgoing { plaintext: b"text", metadata: b"" };
    assert_eq!(sender.encrypt_into(b"text", b"", &mut vec![0; needed - 1]), Err(too_small.clone()));
    assert_eq!(
        sender.encrypt_all(&[frame; 2], &mut vec![0; 2 * needed], &mut [0]).err(),
        Some(SealError::BufferTooSmall { needed: 2 })
    );
    assert!(sender.encrypt_all(&[frame; 2], &mut vec![0; 2 * needed - 1], &mut [0; 2]).is_err());
    for (length, place) in [(40, 3..7), (40, 30..34), (40, 38..42), (4, 0..4)] {
        let refused = sender.encrypt_in_place(&mut vec![0; length], place, b"");
        assert_eq!(refused, Err(too_small.clone()));
    }
    assert!(sender.encrypt_in_place(&mut [0; 40], usize::MAX - 1..usize::MAX, b"").is_err());
    assert_eq!(sender.counter(), Some(0));

    let sealed = sender.encrypt(b"text", b"").unwrap();
    let mut receiver = session(GBP, 1);
    let refused = receiver.decrypt_into(&sealed, b"", &mut [0; 3], T0);
    assert_eq!(refused, Err(OpenError::BufferTooSmall { needed: 4 }));
    assert!(receiver.decrypt_into(&sealed, b"", &mut [0; 4], T0).is_ok(), "it may come again");
}

#[test]
fn what_cannot_be_set_up_is_refused() {
    let key = |length| EpochKey::new(GBP, Epoch::new(1), &Secret::new(vec![1; length])).map(|_| ());
    assert_eq!((key(15), key(16)), (Err(SetupError::BaseKeyTooShort), Ok(())));
    let leaf = LeafIndex::new(0x1_0000);
    let refused = epoch_key(GBP, 1).encryptor(leaf, 0).err();
    assert_eq!(refused, Some(SetupError::LeafTooLarge(leaf)));
}

#[test]
fn every_refusal_has_the_code_of_the_reaction_that_fits() {
    let key_id = KeyId::new(1);
    for (error, code) in [
        (OpenError::Header, Code::SFRAME_MALFORMED),
        (OpenError::UnknownKeyId(key_id), Code::SFRAME_UNKNOWN_KEY_ID),
        (OpenError::Replay { key_id, counter: 1 }, Code::SFRAME_REPLAY),
        (OpenError::NotAuthentic, Code::SFRAME_NOT_AUTHENTIC),
        (OpenError::TooManyKeyIds, Code::SFRAME_TOO_MANY_SENDERS),
        (OpenError::TooManyForgeries, Code::SFRAME_TOO_MANY_FORGERIES),
        (OpenError::BufferTooSmall { needed: 1 }, Code::INVALID_ARGUMENT),
    ] {
        assert_eq!(error.code(), code, "{error}");
    }
    assert_eq!(SealError::NotReserved.code(), Code::SFRAME_NOT_RESERVED);
    assert_eq!(SealError::Exhausted(key_id).code(), Code::SFRAME_COUNTER_EXHAUSTED);
    assert_eq!(SetupError::Exhausted(key_id).code(), Code::SFRAME_COUNTER_EXHAUSTED);
    assert_eq!(SetupError::ReservationPending.code(), Code::BUSY);
    assert_eq!(SetupError::ShortTags.code(), Code::INVALID_ARGUMENT);
}

#[test]
fn nothing_prints_its_keys() {
    let printed = format!("{:?} {:?} {:?}", epoch_key(GBP, 1), encryptor(GBP, 1, 2, 1), session(GBP, 1));
    assert_eq!(
        printed,
        "EpochKey { epoch: Epoch(1), .. } Encryptor { key_id: KeyId(0x20001), .. } Session { epoch: Epoch(1), .. }"
    );
}
