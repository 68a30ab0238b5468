//! What the tests here share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "each test binary uses a part of it, and may panic"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use coterie_crypto::Secret;
use coterie_crypto::counters::{CounterId, CounterRecord, Reservation};
use coterie_gbp::protection::Outgoing;
use coterie_gbp::protection::interop::{ClassKeys, Opener, Place, Sealer};
use coterie_types::{Epoch, GroupId, LeafIndex, MemberId, StreamClass, StreamId, TransitionId};
use coterie_wire::{Codec, Flags};

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

    /// Stores a reservation and lets its numbers be used.
    pub fn store(&mut self, reservation: Reservation) {
        self.put(reservation.record());
        reservation.stored();
    }
}

pub fn group() -> GroupId {
    GroupId::new(&[0xa0; 16]).unwrap()
}

/// What an exporter gives, of an MLS epoch that has this number.
pub fn exporter(epoch: u64, label: &str, context: &[u8], length: usize) -> Secret {
    use coterie_crypto::hash::{HashAlgorithm, hkdf_expand};
    let info = [label.as_bytes(), b"/", context].concat();
    let secret = [epoch.to_be_bytes(); 4].concat();
    hkdf_expand(HashAlgorithm::Sha256, &secret, &info, length).unwrap()
}

pub fn class_keys(epoch: u64) -> Arc<ClassKeys> {
    let keys = ClassKeys::derive(|label, context, length| {
        Ok::<_, coterie_gbp::SetupError>(exporter(epoch, label, context, length))
    });
    Arc::new(keys.unwrap())
}

pub fn place(leaf: u32, highest: u32) -> Place {
    Place::new(LeafIndex::new(leaf), LeafIndex::new(highest)).unwrap()
}

/// The sending side of the member at `leaf`, whose number is one more, with nothing reserved.
pub fn bare_sealer(epoch: u64, place: Place) -> Sealer {
    Sealer::new(group(), Epoch::new(epoch), transition(epoch), class_keys(epoch), place).unwrap()
}

/// The same, with numbers for every class.
pub fn sealer(epoch: u64, place: Place) -> Sealer {
    let sealer = bare_sealer(epoch, place);
    reserve_all(&sealer, &mut Rows::default(), 2_000);
    sealer
}

pub fn reserve_all(sealer: &Sealer, rows: &mut Rows, count: u64) {
    for class in StreamClass::ALL {
        let stored = rows.get(sealer.counter_id(class).unwrap());
        rows.store(sealer.reserve(class, stored, count).unwrap());
    }
}

pub fn opener(epoch: u64) -> Opener {
    Opener::new(group(), Epoch::new(epoch), transition(epoch), class_keys(epoch)).unwrap()
}

/// The transition that led to `epoch`.
pub fn transition(epoch: u64) -> TransitionId {
    TransitionId::new(u32::try_from(epoch).unwrap())
}

pub fn stream(class: StreamClass, member: u32) -> StreamId {
    StreamId::standard(class, MemberId::new(member)).unwrap()
}

/// What `member` sends.
pub fn outgoing(class: StreamClass, member: u32, plaintext: &[u8]) -> Outgoing<'_> {
    Outgoing {
        class,
        stream: stream(class, member),
        flags: Flags::MESSAGE,
        format: Codec::Cbor.into(),
        plaintext: plaintext.into(),
    }
}
