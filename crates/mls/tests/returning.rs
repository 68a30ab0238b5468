//! Members that come back by a commit of their own: as who they are in the group, and as nobody else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program fails by panicking"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::certified::{AFTER, World, chain};
use common::{add, assert_agree, create, device, key_package};
use coterie_mls::{
    Authentication, Candidate, CertifiedKey, Changes, Device, DeviceOptions, Entry, ExternalJoin, Group,
    MlsError, Received, Refusal, Suite,
};
use coterie_store::MemoryStore;
use coterie_testkit::certificates::member_params;
use coterie_testkit::{FaultyStore, Seed, T0};
use coterie_types::{Code, ErrorCode};

const SUITE: Suite = Suite::X25519Aes128;
const RESYNC: ExternalJoin<'_> = ExternalJoin { ratchet_tree: None, resync: true, psks: &[] };

fn commit(group: &mut Group, changes: Changes<'_>, others: &mut [&mut Group]) {
    let commit = group.commit(changes, T0).unwrap().commit;
    group.merge_pending().unwrap();
    for other in others {
        other.receive(&commit, T0).unwrap();
    }
}

/// Comes back to the group of `present`, who must see it take its own place.
fn come_back(device: &Device, present: &mut Group) -> Group {
    let before = present.members().unwrap();
    let (mut back, commit) = device.join_external(&present.group_info(true).unwrap(), RESYNC, T0).unwrap();
    let Received::Commit { commit, .. } = present.receive(&commit, T0).unwrap() else { panic!("a commit") };
    assert_eq!(commit.removed.len(), 1, "the old leaf goes");
    let names = |members: &[coterie_mls::Member]| {
        members.iter().map(|member| member.identity.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&present.members().unwrap()), names(&before));
    assert_agree(&mut [present, &mut back]);
    back
}

fn speaks(from: &mut Group, to: &mut Group) {
    let sealed = from.encrypt(b"hello", b"").unwrap();
    assert!(matches!(to.receive(&sealed, T0), Ok(Received::Message { .. })));
}

#[test]
fn a_member_that_changed_its_name_in_the_group_comes_back_under_that_name() {
    let seed = Seed::new(610);
    let a = device(seed, "alice", SUITE);
    let options = DeviceOptions { identity: b"bob".to_vec(), suite: SUITE };
    // Over this a device keeps its groups as on disk.
    let store = Arc::new(FaultyStore::over(MemoryStore::default()));
    let b = Device::create(options, store, Arc::new(seed.entropy(2))).unwrap();
    let mut alice = create(&a);
    let mut bob = add(&mut alice, &b, &mut []);
    commit(&mut bob, Changes { identity: Some(b"robert"), ..Default::default() }, &mut [&mut alice]);
    drop(bob);
    let mut bob = come_back(&b, &mut alice);
    assert_eq!(alice.members().unwrap()[1].identity, b"robert");
    speaks(&mut bob, &mut alice);
    commit(&mut bob, Changes { update: true, ..Default::default() }, &mut [&mut alice]);
    speaks(&mut bob, &mut alice);
    let mut again = come_back(&b, &mut alice);
    speaks(&mut again, &mut alice);
}

#[test]
fn a_device_that_renewed_its_certificate_comes_back_under_the_one_its_leaf_has() {
    let world = World::new(611);
    let a = world.certified("alice@example.org", SUITE, 1);
    let b = world.certified("bob@example.org", SUITE, 2);
    let mut alice = create(&a);
    drop(add(&mut alice, &b, &mut []));
    let renewed = world.between.member("bob@example.org");
    b.renew(chain(&world, &renewed), &renewed.key, &world.anchors(), T0).unwrap();
    let b = b.authenticating(world.trust());
    let mut bob = come_back(&b, &mut alice);
    speaks(&mut bob, &mut alice);
}

#[test]
fn one_renewed_key_serves_every_group_until_the_last_is_forgotten() {
    let world = World::new(612);
    let a = world.certified("alice@example.org", SUITE, 1);
    let b = world.certified("bob@example.org", SUITE, 2);
    let mut founded = [create(&a), create(&a)];
    let mut joined = founded.each_mut().map(|group| add(group, &b, &mut []));
    let waiting = key_package(&b);
    let renewed = world.between.member("bob@example.org");
    let b = b.renew(chain(&world, &renewed), &renewed.key, &world.anchors(), T0).unwrap();
    b.forget_group(joined[0].id()).unwrap();
    speaks(&mut joined[1], &mut founded[1]);
    commit(&mut joined[1], Changes { update: true, ..Default::default() }, &mut [&mut founded[1]]);
    b.forget_group(joined[1].id()).unwrap();

    // A key package from before the renewal still opens a Welcome.
    let mut third = create(&a);
    let added = third.commit(Changes { add: &[waiting], ..Default::default() }, T0).unwrap();
    third.merge_pending().unwrap();
    let b = b.authenticating(world.trust());
    joined[0] = b.join(&added.welcome.unwrap(), None, T0).unwrap();
    speaks(&mut joined[0], &mut third);
}

#[test]
fn one_certificate_taken_into_two_groups_outlives_either() {
    let world = World::new(613);
    let a = world.certified("alice@example.org", SUITE, 1);
    let b = world.certified("bob@example.org", SUITE, 2);
    let mut founded = [create(&a), create(&a)];
    let mut joined = founded.each_mut().map(|group| add(group, &b, &mut []));
    let renewed = world.between.member("bob@example.org");
    let certificates = chain(&world, &renewed);
    for (group, other) in joined.iter_mut().zip(&mut founded) {
        let key = CertifiedKey { certificates: &certificates, private_key: &renewed.key };
        commit(group, Changes { certificate: Some(key), ..Default::default() }, &mut [other]);
    }
    b.forget_group(joined[0].id()).unwrap();
    speaks(&mut joined[1], &mut founded[1]);
    commit(&mut joined[1], Changes { update: true, ..Default::default() }, &mut [&mut founded[1]]);
    speaks(&mut joined[1], &mut founded[1]);
}

/// openmls lets an external commit remove any leaf, and leaves it to the application whose it may be. Its own builder
/// removes the leaf that has the joiner's signature key, so the thief gets that key here.
#[test]
fn nobody_takes_the_place_of_a_member_of_another_name() {
    let world = World::new(614);
    let certified = world.between.member("alice@example.org");
    let stolen = world.between.certify_key(&member_params("eve@example.org"), &certified.key);
    let a = world.make(world.options(&certified, SUITE), 1).unwrap().authenticating(world.trust());
    let e = world.make(world.options(&stolen, SUITE), 3).unwrap().authenticating(world.trust());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let b = world.certified("bob@example.org", SUITE, 2).authenticating(watching(&world, &seen));
    let mut bob = create(&b);
    drop(add(&mut bob, &a, &mut []));
    let info = bob.group_info(true).unwrap();
    let (_, theft) = e.join_external(&info, ExternalJoin::default(), T0).unwrap();
    let before = (bob.epoch(), bob.members().unwrap());
    for _ in 0..2 {
        let refused: Result<_, MlsError> = bob.receive(&theft, T0);
        assert_eq!(refused.unwrap_err().code(), Code::MLS_INVALID_CREDENTIAL);
        assert!(bob.stage(&theft, T0).is_err());
    }
    assert_eq!((bob.epoch(), bob.members().unwrap()), before);

    // Alice herself may, and the policy hears whose place she takes.
    seen.lock().unwrap().clear();
    let mut alice = come_back(&a, &mut bob);
    speaks(&mut alice, &mut bob);
    let seen = seen.lock().unwrap();
    let returned = seen.iter().find(|candidate| candidate.entry == Entry::ExternalJoin).unwrap();
    assert_eq!(returned.replaces.as_ref().unwrap().identity, b"alice@example.org");
}

/// Believes what the world believes, refuses nobody, and notes whom it was asked about.
fn watching(world: &World, seen: &Arc<Mutex<Vec<Candidate>>>) -> Authentication {
    let seen = Arc::clone(seen);
    world.trust().and_policy(Arc::new(move |candidate: &Candidate| -> Result<(), Refusal> {
        seen.lock().unwrap().push(candidate.clone());
        Ok(())
    }))
}

/// Two proposals wait; the certificate of one of those proposed has expired by the time somebody commits.
#[test]
fn a_proposal_whose_certificate_has_expired_is_left_out_of_the_commit() {
    let world = World::new(615);
    let a = world.certified("alice@example.org", SUITE, 1);
    let b = world.certified("bob@example.org", SUITE, 2);
    let mut alice = create(&a);
    let mut bob = add(&mut alice, &b, &mut []);
    let late = world.certified("carol@example.org", SUITE, 3);
    let proposal = bob.propose_add(&key_package(&late), T0).unwrap();
    alice.receive(&proposal, T0).unwrap();
    let leave = bob.propose_update().unwrap();
    alice.receive(&leave, T0).unwrap();

    let committed = alice.commit(Changes::default(), AFTER).unwrap();
    assert_eq!(committed.summary.added, []);
    alice.merge_pending().unwrap();
    bob.receive(&committed.commit, AFTER).unwrap();
    assert_agree(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.members().unwrap().len(), 2);
    let nothing = alice.commit(Changes::default(), AFTER).map(drop);
    assert_eq!(nothing.unwrap_err().code(), Code::MLS_NOTHING_TO_COMMIT);
}
