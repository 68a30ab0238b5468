//! Mutated and truncated messages at every entry point: refused without a panic, and nothing changes.

#![allow(clippy::arithmetic_side_effects, reason = "sums over lengths that this test chose itself")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod common;

use common::{add, create, device, key_package};
use coterie_mls::{
    Changes, Device, ExternalJoin, Framing, Group, HandshakeFraming, Received, Suite, read_group_info,
};
use coterie_testkit::{Seed, T0};
use rand::Rng;

const SUITE: Suite = Suite::X25519Aes128;

/// Damaged copies of each kind of message. Twelve kinds make more than ten thousand.
const COPIES: usize = 900;

/// One damaged copy: bits flipped, bytes replaced, cut, doubled, or put behind.
fn damage(rng: &mut impl Rng, message: &[u8]) -> Vec<u8> {
    let mut copy = message.to_vec();
    let at = rng.next_u32() as usize % copy.len();
    match rng.next_u32() % 6 {
        0 => copy[at] ^= 1 << (rng.next_u32() % 8),
        1 => copy[at] = !copy[at],
        2 => copy.truncate(at),
        3 => drop(copy.remove(at)),
        4 => copy.insert(at, rng.next_u32() as u8),
        _ => copy.push(rng.next_u32() as u8),
    }
    copy
}

/// What must not change: where the group is, what it holds, and what waits.
fn state(group: &mut Group) -> (u64, Vec<u8>, usize, bool) {
    let waiting = group.pending_proposals().unwrap().len();
    (
        group.epoch().number(),
        group.epoch_authenticator().unwrap(),
        waiting,
        group.staged_commit().unwrap().is_some(),
    )
}

struct World {
    alice: Group,
    bob: Group,
    carol: Device,
}

fn world(seed: Seed, handshake: HandshakeFraming) -> World {
    let [a, b, carol] = ["alice", "bob", "carol"].map(|name| device(seed, name, SUITE));
    let mut alice = create(&a);
    alice.set_framing(Framing { handshake, padding: 0 }).unwrap();
    let bob = add(&mut alice, &b, &mut []);
    World { alice, bob, carol }
}

fn refused_by_a_group(seed: Seed, handshake: HandshakeFraming, make: impl Fn(&mut World) -> Vec<u8>) {
    let mut world = world(seed, handshake);
    let genuine = make(&mut world);
    let bob = &mut world.bob;
    let before = state(bob);
    let mut rng = seed.rng(5);
    for number in 0..COPIES {
        let damaged = damage(&mut rng, &genuine);
        if damaged == genuine {
            continue;
        }
        let answer = if number % 2 == 0 { bob.receive(&damaged, T0) } else { bob.stage(&damaged, T0) };
        // The frame around a PrivateMessage tells whose it is: one that claims to be our own is only an echo.
        assert!(matches!(answer, Err(_) | Ok(Received::OwnEcho)), "accepted: {answer:?}");
        assert_eq!(state(bob), before, "copy {number} changed something");
    }
    for length in 0..genuine.len().min(200) {
        assert!(bob.receive(&genuine[..length], T0).is_err());
    }
    bob.receive(&genuine, T0).unwrap();
}

#[test]
fn damaged_messages_change_nothing_and_the_genuine_one_is_accepted_afterwards() {
    let seed = Seed::new(40);
    refused_by_a_group(seed, HandshakeFraming::Encrypted, |world| {
        world.alice.encrypt(b"hello", b"head").unwrap()
    });
}

#[test]
fn damaged_commits_change_nothing_and_the_genuine_one_is_accepted_afterwards() {
    let seed = Seed::new(41);
    for handshake in [HandshakeFraming::Encrypted, HandshakeFraming::Public] {
        refused_by_a_group(seed, handshake, |world| {
            world.alice.commit(Changes { update: true, ..Default::default() }, T0).unwrap().commit
        });
        refused_by_a_group(seed, handshake, |world| {
            let package = key_package(&world.carol);
            world.alice.commit(Changes { add: &[package], ..Default::default() }, T0).unwrap().commit
        });
    }
}

#[test]
fn damaged_proposals_change_nothing_and_the_genuine_one_is_accepted_afterwards() {
    let seed = Seed::new(42);
    for handshake in [HandshakeFraming::Encrypted, HandshakeFraming::Public] {
        refused_by_a_group(seed, handshake, |world| world.alice.propose_update().unwrap());
        let add = |world: &mut World| world.alice.propose_add(&key_package(&world.carol), T0).unwrap();
        refused_by_a_group(seed, handshake, add);
    }
}

#[test]
fn a_damaged_external_commit_changes_nothing_and_the_genuine_one_is_accepted_afterwards() {
    refused_by_a_group(Seed::new(43), HandshakeFraming::Encrypted, |world| {
        let info = world.alice.group_info(true).unwrap();
        world.carol.join_external(&info, ExternalJoin::default(), T0).unwrap().1
    });
}

#[test]
fn damaged_welcomes_and_trees_use_nothing_up_and_the_genuine_ones_are_accepted_afterwards() {
    let seed = Seed::new(44);
    let mut world = world(seed, HandshakeFraming::Encrypted);
    let changes = Changes { tree: coterie_mls::TreePlacement::Beside, ..Default::default() };
    let package = key_package(&world.carol);
    let committed = world.alice.commit(Changes { add: &[package], ..changes }, T0).unwrap();
    let (welcome, tree) = (committed.welcome.unwrap(), committed.ratchet_tree.unwrap());
    let mut rng = seed.rng(5);
    for _ in 0..COPIES {
        let damaged = damage(&mut rng, &welcome);
        assert!(damaged == welcome || world.carol.join(&damaged, Some(&tree), T0).is_err());
        let damaged = damage(&mut rng, &tree);
        assert!(damaged == tree || world.carol.join(&welcome, Some(&damaged), T0).is_err());
    }
    world.carol.join(&welcome, Some(&tree), T0).unwrap();
}

#[test]
fn damaged_group_infos_and_key_packages_are_refused() {
    let seed = Seed::new(45);
    let mut world = world(seed, HandshakeFraming::Encrypted);
    let info = world.alice.group_info(true).unwrap();
    let package = key_package(&world.carol);
    let mut rng = seed.rng(5);
    for _ in 0..COPIES {
        let damaged = damage(&mut rng, &info);
        let _ = read_group_info(&damaged);
        let joined = world.carol.join_external(&damaged, ExternalJoin::default(), T0);
        assert!(damaged == info || joined.is_err());
        let damaged = damage(&mut rng, &package);
        assert!(damaged == package || world.carol.inspect_key_package(&damaged, T0).is_err());
    }
    world.carol.inspect_key_package(&package, T0).unwrap();
    world.carol.join_external(&info, ExternalJoin::default(), T0).unwrap();
}
