//! A hundred thousand frames of an attacker among a thousand genuine ones.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;

use coterie_sframe::limits::{MAX_FORGERIES, MAX_KEY_IDS};
use coterie_sframe::{Dialect, Header, KeyId, OpenError, Protection, Session, Suite, danger};
use coterie_testkit::{Seed, T0};
use coterie_types::LeafIndex;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use support::{Rows, encryptor, epoch_key, session};

const GENUINE: usize = 1_000;
const HOSTILE: usize = 100_000;
const SPEAKERS: u32 = 20;

/// What twenty speakers may cost for good, at most: key schedule and window of each.
const CEILING: isize = 20 * 2_048;

struct Counting;

// Of this thread: other tests run beside this one.
thread_local!(static LIVE: Cell<isize> = const { Cell::new(0) });

fn live() -> isize {
    LIVE.get()
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get().wrapping_add_unsigned(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().wrapping_sub_unsigned(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Every speaker's frames, speaker by speaker in turn.
fn genuine(protection: Protection) -> Vec<Vec<u8>> {
    let speakers: Vec<_> = (0..SPEAKERS).map(|leaf| encryptor(protection, 7, leaf, GENUINE as u64)).collect();
    let frame = |number: usize| {
        let speaker = &speakers[number % speakers.len()];
        speaker.encrypt(format!("frame {number}").as_bytes(), b"metadata").unwrap()
    };
    (0..GENUINE).map(frame).collect()
}

/// Something made from what an attacker may have seen: every frame, also those that have not arrived yet.
fn forged(rng: &mut ChaCha20Rng, frames: &[Vec<u8>], arrived: usize) -> Vec<u8> {
    let mut frame = frames[rng.random_range(0..frames.len())].clone();
    let (header, length) = Header::read(&frame).unwrap();
    let rewritten = |header: Header| [header.write().as_bytes(), &frame[length..]].concat();
    match rng.random_range(0..8) {
        0 if arrived > 0 => return frames[rng.random_range(0..arrived)].clone(),
        1 => {
            return rewritten(Header {
                counter: header.counter + rng.random_range(1..u64::MAX / 2),
                ..header
            });
        }
        2 => return rewritten(Header { key_id: KeyId::new(rng.random::<u64>() << 16 | 7), ..header }),
        3 => return rewritten(Header { key_id: KeyId::new(rng.random()), ..header }),
        4 => frame.truncate(rng.random_range(0..frame.len())),
        5 => frame.push(rng.random()),
        6 => frame = (0..rng.random_range(0..200)).map(|_| rng.random()).collect(),
        _ => {
            let bit = rng.random_range(0..frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
    frame
}

#[test]
fn exactly_the_genuine_frames_are_delivered_and_nothing_else_leaves_a_trace() {
    for protection in [Protection::GBP, Protection::new(Suite::Aes256Gcm, Dialect::Rfc9605).unwrap()] {
        flood(protection, Seed::new(26));
    }
    every_key_id_that_authenticates_is_bounded_too();
}

fn flood(protection: Protection, seed: Seed) {
    let mut rng = seed.rng(1);
    let frames = genuine(protection);
    let mut receiver = session(protection, 7);
    let (mut out, mut delivered) = (vec![0; 4_096], BTreeSet::new());
    let before = live();
    for (number, frame) in frames.iter().enumerate() {
        for _ in 0..HOSTILE / GENUINE {
            let hostile = forged(&mut rng, &frames, number);
            let senders = receiver.remembered();
            // A frame of an attacker that is word for word one to come is that frame.
            if frames[number..].contains(&hostile) {
                continue;
            }
            let answer = if rng.random() {
                receiver.decrypt_into(&hostile, b"metadata", &mut out, T0)
            } else {
                receiver.decrypt_in_place(&mut hostile.clone(), b"metadata", T0)
            };
            assert!(answer.is_err(), "{hostile:02x?} was taken for {answer:?}");
            assert_eq!(receiver.remembered(), senders);
        }
        let opened = receiver.decrypt_into(frame, b"metadata", &mut out, T0).unwrap();
        assert_eq!(out[opened.plaintext], *format!("frame {number}").as_bytes());
        delivered.insert((opened.key_id, opened.counter));
    }
    let names = delivered.len();
    drop(delivered);
    let grown = live() - before;
    println!("{names} of {GENUINE} delivered among {HOSTILE}; {grown} bytes kept for {SPEAKERS} speakers");
    assert_eq!((names, receiver.remembered()), (GENUINE, SPEAKERS as usize));
    assert!(grown <= CEILING, "{grown} bytes");
}

/// A member who makes up speakers: it has the keys, so its frames are authentic.
fn every_key_id_that_authenticates_is_bounded_too() {
    let mut receiver = session(Protection::GBP, 7);
    let before = live();
    let key = epoch_key(Protection::GBP, 7);
    let frame = |context: u32| {
        let sender = key.encryptor(LeafIndex::new(1), context).unwrap();
        Rows::default().reserve(&sender, 2);
        sender.encrypt(b"x", b"").unwrap()
    };
    for context in 0..MAX_KEY_IDS as u32 + 50 {
        let answer = receiver.decrypt(&frame(context), b"", T0).map(|_| ());
        let expected = if context < MAX_KEY_IDS as u32 { Ok(()) } else { Err(OpenError::TooManyKeyIds) };
        assert_eq!(answer, expected, "{context}");
    }
    let again = receiver.decrypt(&frame(0), b"", T0).map(|_| ());
    assert_eq!(again, Err(OpenError::Replay { key_id: KeyId::new(1 << 16 | 7), counter: 0 }));
    let grown = live() - before;
    println!("{grown} bytes for {MAX_KEY_IDS} key ids");
    assert!(grown < 8 * 1_024 * 1_024, "{grown} bytes");
}

#[test]
fn under_short_tags_an_epoch_ends_after_so_many_failures_and_the_next_begins_afresh() {
    let protection = danger::short_tags(Suite::Aes128CtrHmac32, Dialect::Rfc9605);
    let sender = encryptor(protection, 7, 1, 10);
    let mut receiver = session(protection, 7);
    let mut forged = sender.encrypt(b"frame", b"").unwrap();
    *forged.last_mut().unwrap() ^= 1;
    for _ in 0..MAX_FORGERIES {
        assert_eq!(receiver.decrypt(&forged, b"", T0).err(), Some(OpenError::NotAuthentic));
    }
    let good = sender.encrypt(b"frame", b"").unwrap();
    assert_eq!(receiver.decrypt(&good, b"", T0).err(), Some(OpenError::TooManyForgeries));
    receiver.advance(epoch_key(protection, 8), T0, coterie_types::Duration::default());
    let next = encryptor(protection, 8, 1, 10).encrypt(b"frame", b"").unwrap();
    assert_eq!(receiver.decrypt(&next, b"", T0).unwrap().1, b"frame");
}

#[test]
fn full_tags_need_no_limit() {
    let mut receiver: Session = session(Protection::RFC9605, 7);
    let good = encryptor(Protection::RFC9605, 7, 1, 10).encrypt(b"frame", b"").unwrap();
    for bit in 0..8 * MAX_FORGERIES as usize {
        let mut forged = good.clone();
        let place = bit % (good.len() * 8);
        forged[place / 8] ^= 1 << (place % 8);
        assert!(receiver.decrypt(&forged, b"", T0).is_err());
    }
    assert!(receiver.decrypt(&good, b"", T0).is_ok());
}
