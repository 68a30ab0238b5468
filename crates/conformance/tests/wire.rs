//! What the engine accepts encodes to the very bytes that it was, and is accepted in no other length.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;

use coterie_mls::interop::{Structure, recode};
use coterie_mls::{
    Changes, Device, DeviceOptions, Framing, GroupOptions, HandshakeFraming, KeyPackageOptions, Suite,
    TreePlacement,
};
use coterie_store::MemoryStore;
use coterie_testkit::{Seed, T0};
use coterie_types::Duration;

/// Messages of both framings together.
const MESSAGES: usize = 10_000;
/// Of how many messages every prefix is tried.
const CUT: usize = 200;

fn device(seed: Seed, name: &str, stream: u64) -> Device {
    let options = DeviceOptions { identity: name.as_bytes().to_vec(), suite: Suite::X25519Aes128 };
    Device::create(options, Arc::new(MemoryStore::default()), Arc::new(seed.entropy(stream))).unwrap()
}

/// A group's messages in one framing: its beginning, what members say, proposals and commits.
fn messages(seed: Seed, handshake: HandshakeFraming) -> Vec<Vec<u8>> {
    let [a, b] = [device(seed, "alice", 1), device(seed, "bob", 2)];
    let mut alice = a.create_group(GroupOptions::default(), T0).unwrap();
    alice.set_framing(Framing { handshake, padding: 0 }).unwrap();
    let options = KeyPackageOptions { lifetime: Some(Duration::from_days(36_500)), ..Default::default() };
    let package = b.key_package(options, T0).unwrap();
    let committed = alice.commit(Changes { add: std::slice::from_ref(&package), ..Default::default() }, T0);
    let committed = committed.unwrap();
    alice.merge_pending().unwrap();
    let mut made =
        vec![package, committed.commit, committed.welcome.unwrap(), alice.group_info(true).unwrap()];
    let texts: Vec<Vec<u8>> = (0..MESSAGES / 2 - 404).map(|number| vec![7; number % 300]).collect();
    made.extend(alice.encrypt_all(&texts, b"associated data").unwrap());
    for _ in 0..200 {
        made.push(alice.propose_update().unwrap());
        alice.clear_proposals().unwrap();
        let update = Changes { update: true, tree: TreePlacement::Inside, ..Default::default() };
        made.push(alice.commit(update, T0).unwrap().commit);
        alice.discard_pending().unwrap();
    }
    made
}

#[test]
fn ten_thousand_messages_keep_their_bytes_and_are_refused_in_any_other_length() {
    let seed = Seed::new(50);
    let framings = [HandshakeFraming::Encrypted, HandshakeFraming::Public];
    let all: Vec<Vec<u8>> = framings.into_iter().flat_map(|framing| messages(seed, framing)).collect();
    assert!(all.len() >= MESSAGES, "{}", all.len());
    for message in &all {
        assert_eq!(&recode(Structure::Message, message).unwrap(), message);
        assert!(recode(Structure::Message, &[message, &[0][..]].concat()).is_err());
    }
    let step = all.len() / CUT;
    for message in all.iter().take(8).chain(all.iter().rev().take(8)).chain(all.iter().step_by(step)) {
        for length in 0..message.len() {
            assert!(recode(Structure::Message, &message[..length]).is_err(), "{length} of {}", message.len());
        }
    }
}
