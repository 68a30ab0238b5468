//! No class key meets a nonce twice among members of ours, over restarts, crashes, several handles, members that come
//! and go, and epochs of MLS and of the node that part for a moment.
//!
//! The whole count:
//! `cargo test --release -p coterie-gbp --features nonce-ledger --test restarts -- --ignored --nocapture`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::collections::{BTreeMap, HashMap};

use coterie_crypto::aead::{AeadAlgorithm, AeadKey};
use coterie_crypto::nonce_ledger;
use coterie_gbp::SealError;
use coterie_gbp::protection::interop::Sealer;
use coterie_testkit::Seed;
use coterie_types::{Epoch, StreamClass, StreamId, TransitionId};
use coterie_wire::Frame;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use support::{Rows, bare_sealer, class_keys, exporter, outgoing, place};

/// A member of ours: what outlives the process, and the process.
struct Member {
    number: u32,
    leaf: u32,
    rows: Rows,
    sealer: Sealer,
    /// The highest number on each of its streams in this epoch of the node.
    highest: HashMap<(StreamClass, StreamId), u32>,
}

struct Group {
    mls_epoch: u64,
    node_epoch: u64,
    highest_leaf: u32,
    members: BTreeMap<u32, Member>,
    sent: usize,
    next_number: u32,
    /// What the one peer of the published stack has sent in this epoch.
    peer: u32,
}

impl Group {
    fn new() -> Self {
        let mut group = Self {
            mls_epoch: 1,
            node_epoch: 1,
            highest_leaf: 0,
            members: BTreeMap::new(),
            sent: 0,
            next_number: 1,
            peer: 0,
        };
        group.add(0);
        group
    }

    fn add(&mut self, leaf: u32) {
        self.highest_leaf = self.highest_leaf.max(leaf);
        let sealer = bare_sealer(self.mls_epoch, place(leaf, self.highest_leaf));
        let (rows, highest) = (Rows::default(), HashMap::new());
        self.members.insert(leaf, Member { number: self.next_number, leaf, rows, sealer, highest });
        self.next_number += 1;
    }

    /// A commit: somebody comes or goes, and everybody has new keys.
    fn change(&mut self, rng: &mut ChaCha20Rng) {
        if self.node_epoch != self.mls_epoch {
            self.transition();
        }
        self.mls_epoch += 1;
        self.peer = 0;
        let leaf = rng.random_range(0..40);
        if self.members.len() > 1 && self.members.contains_key(&leaf) {
            self.members.remove(&leaf);
        } else if !self.members.contains_key(&leaf) {
            self.add(leaf);
        }
        self.highest_leaf = self.members.keys().copied().max().unwrap();
        for member in self.members.values_mut() {
            let place = place(member.leaf, self.highest_leaf);
            member.sealer.rekey(class_keys(self.mls_epoch), place).unwrap();
            // In the step that stores the new epoch.
            for class in StreamClass::ALL {
                reserve(member, class, rng, 0);
            }
        }
        if rng.random_bool(0.7) {
            self.transition();
        }
    }

    fn transition(&mut self) {
        self.node_epoch = self.mls_epoch;
        for member in self.members.values_mut() {
            member.sealer.transition(Epoch::new(self.node_epoch), TransitionId::new(1));
            member.highest.clear();
        }
    }

    fn restart(&mut self, rng: &mut ChaCha20Rng) {
        let leaf = *self.members.keys().nth(rng.random_range(0..self.members.len())).unwrap();
        let place = place(leaf, self.highest_leaf);
        let mut sealer = bare_sealer(self.mls_epoch, place);
        sealer.transition(Epoch::new(self.node_epoch), TransitionId::new(1));
        let member = self.members.get_mut(&leaf).unwrap();
        member.sealer = sealer;
        for class in StreamClass::ALL {
            reserve(member, class, rng, 0);
        }
    }

    fn seal(&mut self, rng: &mut ChaCha20Rng) {
        let index = rng.random_range(0..self.members.len());
        let member = self.members.values_mut().nth(index).unwrap();
        let class = StreamClass::ALL[rng.random_range(0..4)];
        let text = (self.sent as u64).to_be_bytes();
        let frame = outgoing(class, member.number, &text);
        let sealed = loop {
            match member.sealer.seal(frame) {
                Err(SealError::NotReserved(_)) => reserve(member, class, rng, 5),
                sealed => break sealed.unwrap(),
            }
        };
        let sequence = Frame::decode(&sealed).unwrap().header.sequence.number();
        let before = member.highest.insert((class, frame.stream), sequence);
        assert!(before.is_none_or(|before| before < sequence), "numbers of a stream rise");
        self.sent += 1;
    }

    /// A peer that counts from 1, as the published stack does.
    fn peer_seals(&mut self) {
        let key = exporter(self.mls_epoch, "gbp/text", &[], 32);
        let key = AeadKey::new(AeadAlgorithm::ChaCha20Poly1305, key.expose()).unwrap();
        self.peer += 1;
        let nonce = [self.peer.to_be_bytes().as_slice(), &[0; 8]].concat();
        key.seal(&nonce, &[], &(self.sent as u64).to_be_bytes()).unwrap();
        self.sent += 1;
    }
}

/// One step, which the store may refuse: with or without having written. `faults` of ten do.
fn reserve(member: &mut Member, class: StreamClass, rng: &mut ChaCha20Rng, faults: u32) {
    let stored = member.rows.get(member.sealer.counter_id(class).unwrap());
    let reservation = member.sealer.reserve(class, stored, rng.random_range(1..60)).unwrap();
    if rng.random_range(0..10) >= faults {
        member.rows.store(reservation);
    } else if rng.random() {
        member.rows.put(reservation.record());
    }
}

fn run(seed: Seed, seals: usize) {
    let mut rng = seed.rng(1);
    let mut group = Group::new();
    let (mut restarts, mut changes) = (0, 0);
    while group.sent < seals {
        match rng.random_range(0..1_000) {
            0..10 => {
                group.restart(&mut rng);
                restarts += 1;
            }
            10..15 => {
                group.change(&mut rng);
                changes += 1;
            }
            15..20 if group.node_epoch != group.mls_epoch => group.transition(),
            20..100 => group.peer_seals(),
            _ => group.seal(&mut rng),
        }
    }
    println!(
        "{} frames over {restarts} restarts and {changes} changes of members: {} pairs of key and nonce repeated",
        group.sent,
        nonce_ledger::repeated_pairs()
    );
    assert_eq!((nonce_ledger::seals(), nonce_ledger::repeated_pairs()), (seals, 0));
}

#[test]
fn no_pair_of_key_and_nonce_repeats_over_restarts_and_changes_of_members() {
    run(Seed::new(28), 30_000);
}

#[test]
#[ignore = "a million frames: a minute, in a release build"]
fn no_pair_of_key_and_nonce_repeats_in_a_million_frames() {
    run(Seed::new(28), 1_000_000);
}
