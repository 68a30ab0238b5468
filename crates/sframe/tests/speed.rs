//! Frames a second against the bare cipher, in one run. Prints, and fails below the least that is acceptable.
//!
//! `cargo test --release -p coterie-sframe --test speed -- --ignored --nocapture`
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement may panic"
)]

mod support;

use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use coterie_sframe::{Incoming, Outgoing, Protection};
use coterie_testkit::T0;
use support::{encryptor, session};

const FRAME: usize = 120;
const BATCH: usize = 50;
const ROUNDS: usize = 10_000;
const FRAMES: usize = ROUNDS * BATCH;
/// What a batch must reach of the bare loop.
const LEAST: f64 = 0.5;

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [7; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// How often each is measured, in turn, so that what the machine does for others meets all of them alike.
const TURNS: usize = 7;

struct Contender {
    name: &'static str,
    run: Box<dyn FnMut()>,
    best: f64,
}

fn contender(name: &'static str, run: impl FnMut() + 'static) -> Contender {
    Contender { name, run: Box::new(run), best: 0.0 }
}

fn bare_key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[5; 16]).unwrap())
}

fn bare_sealing() -> Contender {
    let (key, mut buffer) = (bare_key(), [1; FRAME]);
    contender("seal, bare", move || {
        for counter in 0..FRAMES as u64 {
            let tag = key.seal_in_place_separate_tag(nonce(counter), Aad::from([9; 5]), &mut buffer);
            let _ = black_box(tag.unwrap());
        }
    })
}

fn bare_opening() -> Contender {
    let (key, mut plaintext) = (bare_key(), [0; FRAME]);
    let mut sealed = vec![1; FRAME];
    key.seal_in_place_append_tag(nonce(0), Aad::from([9; 5]), &mut sealed).unwrap();
    contender("open, bare", move || {
        for _ in 0..FRAMES {
            let (body, tag) = sealed.split_at(FRAME);
            key.open_separate_gather(nonce(0), Aad::from([9; 5]), body, tag, &mut plaintext).unwrap();
            black_box(&plaintext);
        }
    })
}

fn sealing(name: &'static str, metadata: &'static [u8]) -> Contender {
    let sender = encryptor(Protection::GBP, 5, 3, 1 << 32);
    let (plaintext, mut out) = ([1; FRAME], [0; FRAME + 33]);
    contender(name, move || {
        for _ in 0..FRAMES {
            black_box(sender.encrypt_into(&plaintext, metadata, &mut out).unwrap());
        }
    })
}

fn sealing_batches() -> Contender {
    let sender = encryptor(Protection::GBP, 5, 3, 1 << 32);
    let (mut out, mut lengths) = (vec![0; BATCH * (FRAME + 33)], [0; BATCH]);
    contender("seal, 50 per call", move || {
        let frames = [Outgoing { plaintext: &[1; FRAME], metadata: b"" }; BATCH];
        for _ in 0..ROUNDS {
            black_box(sender.encrypt_all(&frames, &mut out, &mut lengths).unwrap());
        }
    })
}

fn sealed() -> Vec<Vec<u8>> {
    let sender = encryptor(Protection::GBP, 5, 3, 1 << 32);
    (0..FRAMES).map(|_| sender.encrypt(&[1; FRAME], b"").unwrap()).collect()
}

fn opening(frames: Rc<Vec<Vec<u8>>>) -> Contender {
    let mut out = [0; FRAME];
    contender("open, one per call", move || {
        let mut receiver = session(Protection::GBP, 5);
        for frame in frames.iter() {
            black_box(receiver.decrypt_into(frame, b"", &mut out, T0).unwrap());
        }
    })
}

fn opening_batches(frames: Rc<Vec<Vec<u8>>>) -> Contender {
    let (mut out, mut results) = (vec![0; BATCH * FRAME], Vec::new());
    contender("open, 50 per call", move || {
        let mut receiver = session(Protection::GBP, 5);
        for frames in frames.chunks(BATCH) {
            let mut incoming = [Incoming::default(); BATCH];
            for (to, frame) in incoming.iter_mut().zip(frames) {
                to.payload = frame;
            }
            receiver.decrypt_all(&incoming, &mut out, &mut results, T0);
            assert!(results.iter().all(Result::is_ok));
        }
    })
}

/// Measures all in turn, prints the best of each beside the first, and answers the last one's share of the first.
fn compare(mut contenders: Vec<Contender>) -> f64 {
    for _ in 0..TURNS {
        for contender in &mut contenders {
            let start = Instant::now();
            (contender.run)();
            contender.best = contender.best.max(FRAMES as f64 / start.elapsed().as_secs_f64());
        }
    }
    let share = |contender: &Contender| contender.best / contenders[0].best;
    for contender in &contenders {
        println!("{:42} {:6.2} M  {:.2}", contender.name, contender.best / 1e6, share(contender));
    }
    contenders.last().map_or(0.0, share)
}

#[test]
#[ignore = "a measurement: run it alone, in a release build"]
fn frames_of_120_bytes_keep_up_with_the_bare_cipher() {
    println!("frames of {FRAME} bytes a second, and of the bare cipher's:");
    let seal = compare(vec![
        bare_sealing(),
        sealing("seal, one per call", b""),
        sealing("seal, one per call, 40 bytes of metadata", &[9; 40]),
        sealing_batches(),
    ]);
    let frames = Rc::new(sealed());
    let open = compare(vec![bare_opening(), opening(Rc::clone(&frames)), opening_batches(frames)]);
    assert!(seal >= LEAST && open >= LEAST, "{seal:.2}, {open:.2}");
}
