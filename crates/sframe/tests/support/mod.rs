//! What the tests here share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;

use coterie_crypto::Secret;
use coterie_sframe::counters::{CounterId, CounterRecord};
use coterie_sframe::{Encryptor, EpochKey, Protection, Session};
use coterie_types::{Epoch, LeafIndex};

/// The rows that survive a restart.
#[derive(Clone, Default)]
pub struct Rows(BTreeMap<CounterId, [u8; CounterRecord::LENGTH]>);

impl Rows {
    pub fn get(&self, id: CounterId) -> Option<CounterRecord> {
        self.0.get(&id).map(|row| CounterRecord::from_bytes(row).unwrap())
    }

    pub fn put(&mut self, record: CounterRecord) {
        self.0.insert(record.id(), record.to_bytes());
    }

    /// One whole step: read, reserve, store, use.
    pub fn reserve(&mut self, encryptor: &Encryptor, count: u64) {
        let reservation = encryptor.reserve(self.get(encryptor.counter_id()), count).unwrap();
        self.put(reservation.record());
        reservation.stored();
    }
}

pub fn epoch_key(protection: Protection, epoch: u64) -> EpochKey {
    let mut base_key = [0x5a; 32];
    base_key[..8].copy_from_slice(&epoch.to_be_bytes());
    EpochKey::new(protection, Epoch::new(epoch), &Secret::copy_from(&base_key)).unwrap()
}

pub fn session(protection: Protection, epoch: u64) -> Session {
    Session::new(epoch_key(protection, epoch))
}

/// An encryptor that may seal `count` frames.
pub fn encryptor(protection: Protection, epoch: u64, leaf: u32, count: u64) -> Encryptor {
    let encryptor = epoch_key(protection, epoch).encryptor(LeafIndex::new(leaf), 0).unwrap();
    Rows::default().reserve(&encryptor, count);
    encryptor
}
