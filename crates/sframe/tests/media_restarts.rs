//! No key meets a nonce twice where senders share a store: over restarts, stores that fail, sessions that are made again and
//! epochs that change under them.
//!
//! The whole count:
//! `cargo test -p coterie-sframe --features nonce-ledger --test media_restarts -- --ignored --nocapture`
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use coterie_crypto::nonce_ledger;
use coterie_sframe::{
    Header, Media, MediaError, MediaOptions, Outgoing, Protection, SealError, Sender, SenderOptions,
};
use coterie_store::{CounterKeeper, MemoryStore, Store};
use coterie_testkit::{Fault, FaultyStore, Seed};
use coterie_types::{Duration, LeafIndex};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use support::epoch_key;

const OPTIONS: MediaOptions =
    MediaOptions { grace: Duration::from_secs(2), is_foreign: false, is_restored: false };
const OWN: SenderOptions = SenderOptions { leaf: LeafIndex::new(3), context: 0, first_counter: None };
const BATCH: usize = 50;

/// What outlives the process, and what went out.
struct World {
    store: Arc<FaultyStore<MemoryStore>>,
    epoch: u64,
    frames: usize,
    failures: usize,
    headers: HashSet<(u64, u64, u64)>,
}

impl World {
    /// Seals up to a batch; the store may fail meanwhile.
    fn seal(&mut self, sender: &Sender, count: usize, rng: &mut ChaCha20Rng) -> usize {
        if rng.random_bool(0.001) {
            self.store.fail_after(0, Fault::ALL[rng.random_range(0..Fault::ALL.len())]);
        }
        let text = (self.frames as u64).to_be_bytes();
        let frames = vec![Outgoing { plaintext: &text, metadata: b"" }; count];
        let (mut out, mut lengths) = (vec![0; count * 48], [0; BATCH]);
        match sender.encrypt_all(&frames, &mut out, &mut lengths) {
            Ok(_) => {}
            Err(MediaError::Store(_) | MediaError::Seal(SealError::NotReserved)) => {
                self.failures += 1;
                self.store.reopen();
                return 0;
            }
            Err(other) => panic!("{other:?}"),
        }
        let mut rest = out.as_slice();
        for length in lengths.into_iter().take(count) {
            let (frame, after) = rest.split_at(length);
            let (header, _) = Header::read(frame).unwrap();
            assert!(self.headers.insert((self.epoch, header.key_id.number(), header.counter)));
            rest = after;
        }
        self.frames += count;
        count
    }

    /// One life of the process.
    fn life(&mut self, count: usize, rng: &mut ChaCha20Rng) {
        let keeper = Arc::new(CounterKeeper::new(Arc::clone(&self.store) as Arc<dyn Store>));
        let begin = |epoch| Media::new(Arc::clone(&keeper), epoch_key(Protection::GBP, epoch), OPTIONS);
        let mut all = [begin(self.epoch), begin(self.epoch)];
        let mut senders: Vec<Arc<Sender>> = Vec::new();
        let mut left = count;
        while left > 0 {
            if senders.len() < 4 || rng.random_bool(0.01) {
                self.store.reopen();
                senders.extend(all[rng.random_range(0..2)].sender(OWN));
            }
            match rng.random_range(0..2_000) {
                0 => {
                    self.epoch += 1;
                    for media in &all {
                        media.follow(epoch_key(Protection::GBP, self.epoch)).unwrap();
                    }
                }
                1 => {
                    senders.clear();
                    all[1].close();
                    all[1] = begin(self.epoch);
                }
                2 => drop(senders.pop()),
                _ => {}
            }
            let Some(sender) = senders.get(rng.random_range(0..senders.len().max(1))) else { continue };
            let batch = if rng.random() { 1 } else { rng.random_range(1..=BATCH) }.min(left);
            left -= self.seal(sender, batch, rng);
            if sender.wants_reservation() {
                // What another thread does, and may find the store failing.
                let _ = sender.reserve();
            }
        }
    }
}

fn run(seed: Seed, seals: usize, restarts: usize) {
    let mut rng = seed.rng(9);
    let store = Arc::new(FaultyStore::over(MemoryStore::new()));
    let mut world = World { store, epoch: 1, frames: 0, failures: 0, headers: HashSet::new() };
    for _ in 0..restarts {
        world.store.reopen();
        world.life(seals / restarts, &mut rng);
    }
    println!(
        "{} frames over {restarts} restarts, {} epochs and {} failures of the store ({} met by a frame): {} pairs of key \
         and nonce repeated",
        world.frames,
        world.epoch,
        world.store.failed(),
        world.failures,
        nonce_ledger::repeated_pairs()
    );
    assert!(world.store.failed() > 0 && world.epoch > 1, "nothing happened");
    assert_eq!((world.frames, world.headers.len()), (seals, seals));
    assert_eq!((nonce_ledger::seals(), nonce_ledger::repeated_pairs()), (seals, 0));
}

#[test]
fn no_pair_of_key_and_nonce_repeats_among_senders_of_one_store() {
    run(Seed::new(29), 60_000, 60);
}

#[test]
#[ignore = "ten million frames: a minute and four gigabytes"]
fn no_pair_of_key_and_nonce_repeats_among_senders_over_ten_thousand_restarts() {
    run(Seed::new(29), 10_000_000, 10_000);
}
