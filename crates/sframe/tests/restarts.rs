//! No key meets a nonce twice, over restarts, crashes, several handles, new epochs and restored backups.
//!
//! The whole count:
//! `cargo test --release -p coterie-sframe --features nonce-ledger --test restarts -- --ignored --nocapture`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::collections::HashSet;

use coterie_crypto::nonce_ledger;
use coterie_sframe::{Encryptor, Header, Outgoing, Protection, Suite};
use coterie_testkit::Seed;
use coterie_types::LeafIndex;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use support::{Rows, epoch_key};

/// Restored backups among the restarts.
const BACKUPS: usize = 100;
const BATCH: usize = 50;

/// What outlives the process.
struct Member {
    rows: Rows,
    epoch: u64,
    /// Not zero once a backup was restored.
    context: u32,
    leaf: LeafIndex,
}

/// Everything that went out, by header.
#[derive(Default)]
struct Sent {
    frames: usize,
    headers: HashSet<(Suite, u64, u64, u64)>,
    out: Vec<u8>,
}

impl Sent {
    fn seal(&mut self, sender: &Encryptor, (suite, epoch): (Suite, u64), count: usize) {
        let text = (self.frames as u64).to_be_bytes();
        let frames = [Outgoing { plaintext: &text, metadata: b"" }; BATCH];
        let mut lengths = [0; BATCH];
        self.out.resize(BATCH * (text.len() + sender.overhead()), 0);
        sender.encrypt_all(frames.get(..count).unwrap(), &mut self.out, &mut lengths).unwrap();
        self.frames += count;
        let mut rest = self.out.as_slice();
        for length in lengths.into_iter().take(count) {
            let (frame, after) = rest.split_at(length);
            let (header, _) = Header::read(frame).unwrap();
            // The epoch's upper bits are not in the key id.
            assert!(self.headers.insert((suite, epoch, header.key_id.number(), header.counter)));
            rest = after;
        }
    }
}

/// One life of the process: it seals `count` frames and is killed somewhere.
fn life(member: &mut Member, sent: &mut Sent, rng: &mut ChaCha20Rng, protection: Protection, count: usize) {
    let key = epoch_key(protection, member.epoch);
    let handle = || key.encryptor(member.leaf, member.context).unwrap();
    // A handle of its own, and one that was made again for the same leaf.
    let handles = [handle(), handle()];
    let mut left = count;
    while left > 0 {
        let sender = if rng.random_bool(0.9) { &handles[0] } else { &handles[1] };
        let batch = if rng.random() { 1 } else { rng.random_range(1..=BATCH) }.min(left);
        while sender.remaining() < batch as u64 {
            reserve(member, sender, rng);
        }
        sent.seal(sender, (protection.suite(), member.epoch), batch);
        left -= batch;
    }
    // Killed with a reservation in some state.
    match rng.random_range(0..4) {
        0 => drop(handles[0].reserve(member.rows.get(handles[0].counter_id()), 10).unwrap()),
        1 => reserve(member, &handles[1], rng),
        _ => {}
    }
}

/// One step, which the store may refuse: with or without having written.
fn reserve(member: &mut Member, sender: &Encryptor, rng: &mut ChaCha20Rng) {
    let stored = member.rows.get(sender.counter_id());
    let reservation = sender.reserve(stored, rng.random_range(1..400)).unwrap();
    match rng.random_range(0..10) {
        0 => drop(reservation),
        1 => {
            member.rows.put(reservation.record());
            drop(reservation);
        }
        _ => {
            member.rows.put(reservation.record());
            reservation.stored();
        }
    }
}

fn run(seed: Seed, seals: usize, restarts: usize, backups: usize) {
    let mut rng = seed.rng(3);
    let mut sent = Sent::default();
    let mut member = Member { rows: Rows::default(), epoch: 1, context: 0, leaf: LeafIndex::new(3) };
    let mut backup = (member.rows.clone(), member.epoch);
    let protections =
        [Protection::GBP, Protection::new(Suite::Aes256Gcm, Protection::GBP.dialect()).unwrap()];
    for restart in 0..restarts {
        let protection = protections[usize::from(rng.random_bool(0.1))];
        life(&mut member, &mut sent, &mut rng, protection, seals / restarts);
        if restart % 70 == 0 {
            backup = (member.rows.clone(), member.epoch);
        }
        if rng.random_bool(0.02) {
            member.epoch += 1;
        } else if restart % (restarts / backups).max(1) == 1 {
            (member.rows, member.epoch) = backup.clone();
            member.context = rng.random();
        }
    }
    println!(
        "{} frames over {restarts} restarts and {} epochs: {} pairs of key and nonce repeated",
        sent.frames,
        member.epoch,
        nonce_ledger::repeated_pairs()
    );
    assert_eq!((sent.frames, sent.headers.len()), (seals, seals));
    assert_eq!((nonce_ledger::seals(), nonce_ledger::repeated_pairs()), (seals, 0));
}

#[test]
fn no_pair_of_key_and_nonce_repeats_over_restarts() {
    run(Seed::new(28), 30_000, 300, BACKUPS);
}

#[test]
#[ignore = "ten million frames: minutes and four gigabytes, in a release build"]
fn no_pair_of_key_and_nonce_repeats_over_ten_thousand_restarts() {
    run(Seed::new(28), 10_000_000, 10_000, BACKUPS);
}
