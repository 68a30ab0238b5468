//! How long things last: leaves, key packages, the keys of past epochs, and groups whose store forgets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program fails by panicking"
)]

mod common;

use std::sync::Arc;

use common::{add, assert_agree, create, device, group_of, key_package};
use coterie_crypto::Entropy;
use coterie_mls::{
    Changes, Device, DeviceOptions, ExternalJoin, Framing, Group, GroupOptions, HandshakeFraming,
    KeyPackageOptions, MlsError, PskId, Received, Suite, UpdateReason, Wish, limits,
};
use coterie_store::{MemoryStore, Space, Store, StoreError};
use coterie_testkit::{FaultyStore, Seed, T0};
use coterie_types::{Code, Duration, ErrorCode, GroupId};

fn code<T: std::fmt::Debug>(outcome: Result<T, MlsError>) -> Code {
    outcome.unwrap_err().code()
}

fn package(device: &Device, suite: Suite, last_resort: bool, days: u64) -> Vec<u8> {
    let lifetime = Some(Duration::from_days(days));
    device.key_package(KeyPackageOptions { suite: Some(suite), last_resort, lifetime }, T0).unwrap()
}

fn update(group: &mut Group) -> Vec<u8> {
    group.commit(Changes { update: true, ..Default::default() }, T0).unwrap().commit
}

/// A device whose store keeps everything, so that its groups can be loaded again.
fn stored(seed: Seed, name: &str) -> (Device, Arc<FaultyStore<MemoryStore>>) {
    let store = Arc::new(FaultyStore::over(MemoryStore::new()));
    let entropy: Arc<dyn Entropy> = Arc::new(seed.entropy(77));
    let options = DeviceOptions { identity: name.into(), suite: Suite::X25519Aes128 };
    (Device::create(options, Arc::clone(&store) as Arc<dyn Store>, entropy).unwrap(), store)
}

#[test]
fn a_new_group_takes_the_best_suite_that_everybody_offers() {
    let seed = Seed::new(300);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| device(seed, name, Suite::X25519Aes128));
    let (hybrid, classical) = (Suite::HybridMlKem768V1, Suite::X25519Aes128);
    let of_bob = vec![package(&bob, classical, false, 40_000), package(&bob, hybrid, false, 40_000)];
    let of_carol = vec![
        package(&carol, hybrid, true, 40_000),
        package(&carol, hybrid, false, 40_000),
        package(&carol, classical, false, 40_000),
        package(&carol, Suite::P256Aes128, false, 40_000),
    ];
    let choice = alice.choose_suite(&[&of_bob, &of_carol], T0).unwrap();
    assert_eq!(choice.suite, hybrid);
    assert_eq!(choice.key_packages, [of_bob[1].clone(), of_carol[1].clone()], "not the last resort");
    let mut group =
        alice.create_group(GroupOptions { suite: Some(choice.suite), ..Default::default() }, T0).unwrap();
    let added = group.commit(Changes { add: &choice.key_packages, ..Default::default() }, T0).unwrap();
    assert_eq!(added.summary.added.len(), 2);

    // One who has no hybrid key package that is valid makes it a classical group.
    let expired = vec![package(&bob, hybrid, false, 1), package(&bob, classical, false, 40_000)];
    let later = T0 + Duration::from_days(2);
    assert_eq!(alice.choose_suite(&[&expired, &of_carol], later).unwrap().suite, classical);
    // Of several, the one that is valid for longest.
    let two = vec![package(&bob, hybrid, false, 10), package(&bob, hybrid, false, 20)];
    assert_eq!(alice.choose_suite(&[&two], T0).unwrap().key_packages[0], two[1]);
    // Nobody: the device's own.
    assert_eq!(alice.choose_suite::<Vec<Vec<u8>>>(&[], T0).unwrap().suite, classical);
}

#[test]
fn offers_that_do_not_fit_are_refused_by_name() {
    let seed = Seed::new(301);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| device(seed, name, Suite::X25519Aes128));
    let p256 = vec![package(&bob, Suite::P256Aes128, false, 9)];
    let x25519 = vec![package(&carol, Suite::X25519Aes128, false, 9)];
    assert_eq!(code(alice.choose_suite(&[&p256, &x25519], T0)), Code::MLS_UNSUPPORTED);
    assert_eq!(code(alice.choose_suite(&[&Vec::new()], T0)), Code::INVALID_ARGUMENT);
    let mixed = [p256[0].clone(), x25519[0].clone()];
    assert_eq!(code(alice.choose_suite(&[&mixed], T0)), Code::INVALID_ARGUMENT);
    let late = T0 + Duration::from_days(10);
    assert_eq!(code(alice.choose_suite(&[&p256], late)), Code::MLS_INVALID_KEY_PACKAGE);
    let many = vec![x25519[0].clone(); limits::MAX_OFFER + 1];
    assert_eq!(code(alice.choose_suite(&[&many], T0)), Code::MLS_TOO_LARGE);
}

#[test]
fn a_leaf_that_has_expired_is_shown_and_locks_nobody_out() {
    let seed = Seed::new(302);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| device(seed, name, Suite::X25519Aes128));
    let mut alices = create(&alice);
    let end = T0 + limits::KEY_PACKAGE_LIFETIME;
    assert_eq!(alices.members().unwrap()[0].expires, Some(end));
    let packages = [key_package(&bob)];
    let soon = T0 + Duration::from_days(36_490);
    let added = alices.commit(Changes { add: &packages, ..Default::default() }, soon).unwrap();
    assert_eq!(added.expiring, added.summary.added, "10 of its 36,500 days are left");
    alices.discard_pending().unwrap();
    let added = alices.commit(Changes { add: &packages, ..Default::default() }, end).unwrap();
    assert_eq!(added.expiring, []);
    alices.merge_pending().unwrap();
    let mut bobs =
        bob.join(&added.welcome.unwrap(), None, T0).expect("a foreign leaf's end locks nobody out");
    assert_eq!(bobs.members().unwrap()[0].expires, Some(end));
    let mut carols = add(&mut bobs, &carol, &mut [&mut alices]);
    let (mut again, commit) = device(Seed::quiet(5), "dave", Suite::X25519Aes128)
        .join_external(&bobs.group_info(true).unwrap(), ExternalJoin::default(), T0)
        .unwrap();
    for group in [&mut alices, &mut bobs, &mut carols] {
        group.receive(&commit, T0).unwrap();
    }
    assert_agree(&mut [&mut alices, &mut bobs, &mut carols, &mut again]);
    let refreshed = update(&mut alices);
    for group in [&mut alices, &mut bobs, &mut carols] {
        group.receive(&refreshed, T0).unwrap();
        assert_eq!(group.members().unwrap()[0].expires, None, "a leaf of a commit has no end");
    }
}

#[test]
fn a_member_is_told_to_update_after_joining_and_when_half_its_lifetime_is_over() {
    let seed = Seed::new(303);
    let alice = device(seed, "alice", Suite::X25519Aes128);
    let (bob, store) = stored(seed, "bob");
    let mut alices = create(&alice);
    assert_eq!(alices.wants_update(T0).unwrap(), None, "who begins a group has fresh keys");
    let half = T0 + Duration::from_days(limits::KEY_PACKAGE_LIFETIME.as_secs() / 86_400 / 2);
    assert_eq!(alices.wants_update(half).unwrap(), Some(UpdateReason::Ageing));

    let mut bobs = add(&mut alices, &bob, &mut []);
    assert_eq!(bobs.wants_update(T0).unwrap(), Some(UpdateReason::Joined));
    assert_eq!(bobs.wants_update(T0 + Duration::from_days(18_250)).unwrap(), Some(UpdateReason::Ageing));
    let id = bobs.id().clone();
    drop(bobs);
    let bob = Device::open(store as Arc<dyn Store>, Arc::new(seed.entropy(78))).unwrap().unwrap();
    let mut bobs = bob.open_group(&id).unwrap().unwrap();
    assert_eq!(bobs.wants_update(T0).unwrap(), Some(UpdateReason::Joined), "also after a restart");
    let commit = update(&mut bobs);
    assert_eq!(bobs.wants_update(T0).unwrap(), Some(UpdateReason::Joined), "not before it was accepted");
    bobs.receive(&commit, T0).unwrap();
    alices.receive(&commit, T0).unwrap();
    assert_eq!(bobs.wants_update(half).unwrap(), None);

    let carol = device(seed, "carol", Suite::X25519Aes128);
    let (mut carols, _) =
        carol.join_external(&alices.group_info(true).unwrap(), ExternalJoin::default(), T0).unwrap();
    assert_eq!(carols.wants_update(half).unwrap(), None, "a commit of its own brought it in");
}

/// Bob, who is told of the time, with a message of Alice's from each of four epochs and the commits that end them.
struct Late {
    bob: Device,
    store: Arc<FaultyStore<MemoryStore>>,
    group: Group,
    messages: Vec<Vec<u8>>,
    commits: Vec<Vec<u8>>,
}

fn late(seed: Seed) -> Late {
    let alice = device(seed, "alice", Suite::X25519Aes128);
    let (bob, store) = stored(seed, "bob");
    let mut alices = create(&alice);
    let mut group = add(&mut alices, &bob, &mut []);
    let (mut messages, mut commits) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        messages.push(alices.encrypt(b"late", b"").unwrap());
        commits.push(update(&mut alices));
        alices.merge_pending().unwrap();
    }
    group.forget_past_epochs(T0).unwrap();
    Late { bob, store, group, messages, commits }
}

#[test]
fn late_messages_are_read_for_a_day_and_not_after_it() {
    let Late { bob, store, group: mut bobs, messages, commits } = late(Seed::new(304));
    let hour = |count: u64| T0 + Duration::from_secs(3_600 * count);
    bobs.receive(&commits[0], T0).unwrap();
    bobs.forget_past_epochs(hour(0)).unwrap();
    bobs.receive(&commits[1], T0).unwrap();
    bobs.forget_past_epochs(hour(12)).unwrap();
    bobs.receive(&commits[2], T0).unwrap();
    let written = store.commits();
    bobs.forget_past_epochs(hour(23)).unwrap();
    bobs.forget_past_epochs(hour(23)).unwrap();
    assert_eq!(store.commits(), written + 1, "what has nothing to say writes nothing");
    let id = bobs.id().clone();
    let before = rows(&*store);
    drop(bobs);
    let mut bobs = bob.open_group(&id).unwrap().unwrap();
    bobs.forget_past_epochs(hour(24)).unwrap();
    assert!(rows(&*store) < before, "the rows of the first epoch are gone");
    assert_eq!(code(bobs.receive(&messages[0], T0)), Code::MLS_WRONG_EPOCH);
    assert!(bobs.receive(&messages[1], T0).is_ok());
    bobs.forget_past_epochs(hour(35)).unwrap();
    assert!(bobs.receive(&messages[2], T0).is_ok());
    bobs.forget_past_epochs(hour(200)).unwrap();
    bobs.receive(&commits[3], T0).unwrap();
    assert!(bobs.receive(&messages[3], T0).is_ok(), "an epoch counts from when it is seen to be over");
    bobs.forget_past_epochs(hour(300)).unwrap();
    bobs.forget_past_epochs(hour(324)).unwrap();
    let mut bobs = bob.open_group(&id).unwrap().unwrap();
    assert!(bobs.encrypt(b"goes on", b"").is_ok());
}

#[test]
fn a_clock_that_was_ahead_does_not_make_keys_last_longer() {
    let Late { group: mut bobs, messages, commits, .. } = late(Seed::new(305));
    bobs.receive(&commits[0], T0).unwrap();
    bobs.forget_past_epochs(T0 + Duration::from_days(9_000)).unwrap();
    bobs.forget_past_epochs(T0).unwrap();
    bobs.forget_past_epochs(T0 + limits::MAX_PAST_EPOCH_AGE).unwrap();
    assert_eq!(code(bobs.receive(&messages[0], T0)), Code::MLS_WRONG_EPOCH);
}

fn rows(store: &dyn Store) -> usize {
    store.scan(Space::Group, b"", 10_000).unwrap().len()
}

#[test]
fn a_commit_that_was_discarded_here_and_accepted_by_the_others_says_to_come_back() {
    for handshake in [HandshakeFraming::Encrypted, HandshakeFraming::Public] {
        let mut groups = group_of(Seed::new(306), Suite::X25519Aes128, 3);
        let [alice, bob, carol] = &mut groups[..] else { panic!("three") };
        alice.set_framing(Framing { handshake, padding: 0 }).unwrap();
        let lost = update(alice);
        alice.discard_pending().unwrap();
        let again = update(alice);
        alice.discard_pending().unwrap();
        bob.receive(&lost, T0).unwrap();
        carol.receive(&lost, T0).unwrap();
        for _ in 0..2 {
            assert_eq!(code(alice.receive(&lost, T0)), Code::MLS_DIVERGED);
        }
        assert_eq!(code(alice.stage(&lost, T0)), Code::MLS_DIVERGED);
        assert_eq!(code(alice.receive(&again, T0)), Code::MLS_DIVERGED, "whichever it was");
        assert!(alice.encrypt(b"nothing was changed", b"").is_ok());
        // Where another commit began the next epoch here too, a discarded one is only late.
        let theirs = bob.commit(Changes { update: true, ..Default::default() }, T0).unwrap().commit;
        bob.discard_pending().unwrap();
        let first = update(carol);
        carol.merge_pending().unwrap();
        bob.receive(&first, T0).unwrap();
        assert_eq!(code(bob.receive(&theirs, T0)), Code::MLS_WRONG_EPOCH);
    }
}

#[test]
fn a_discarded_commit_is_recognised_after_a_restart() {
    let seed = Seed::new(307);
    let (alice, _store) = stored(seed, "alice");
    let mut alices = create(&alice);
    let lost = update(&mut alices);
    alices.discard_pending().unwrap();
    let id = alices.id().clone();
    drop(alices);
    let mut alices = alice.open_group(&id).unwrap().unwrap();
    assert_eq!(code(alices.receive(&lost, T0)), Code::MLS_DIVERGED);
    for _ in 0..limits::MAX_DISCARDED_COMMITS {
        update(&mut alices);
        alices.discard_pending().unwrap();
    }
    assert_eq!(alices.receive(&lost, T0).unwrap(), Received::OwnEcho, "the oldest are forgotten");
}

#[test]
fn a_device_in_memory_knows_which_groups_it_holds() {
    let seed = Seed::new(308);
    let [alice, bob] = ["alice", "bob"].map(|name| device(seed, name, Suite::X25519Aes128));
    let options = GroupOptions { id: Some(GroupId::new(b"one").unwrap()), suite: None };
    let first = alice.create_group(options.clone(), T0).unwrap();
    assert_eq!(code(alice.create_group(options.clone(), T0)), Code::MLS_GROUP_EXISTS);
    drop(first);
    let mut alices = alice.create_group(options, T0).unwrap();
    // Bob is added twice over: the second Welcome is to a group that he holds, and stays good.
    let packages = [key_package(&bob), key_package(&bob)];
    let welcome = |group: &mut Group, package: &Vec<u8>| {
        let changes = Changes { add: std::slice::from_ref(package), ..Default::default() };
        let welcome = group.commit(changes, T0).unwrap().welcome.unwrap();
        group.discard_pending().unwrap();
        welcome
    };
    let one = welcome(&mut alices, &packages[0]);
    let two = welcome(&mut alices, &packages[1]);
    let bobs = bob.join(&one, None, T0).unwrap();
    assert_eq!(code(bob.join(&two, None, T0)), Code::MLS_GROUP_EXISTS);
    let info = alices.group_info(true).unwrap();
    assert_eq!(code(bob.join_external(&info, ExternalJoin::default(), T0)), Code::MLS_GROUP_EXISTS);
    drop(bobs);
    assert!(bob.join(&two, None, T0).is_ok(), "a Welcome that is refused uses up nothing");
}

#[test]
fn a_removed_member_in_memory_can_come_back_while_its_old_group_is_still_there() {
    let mut groups = group_of(Seed::new(309), Suite::X25519Aes128, 2);
    let carol = device(Seed::quiet(6), "carol", Suite::X25519Aes128);
    let (alices, bobs) = groups.split_at_mut(1);
    let (alices, bobs) = (&mut alices[0], &mut bobs[0]);
    let mut old = add(alices, &carol, &mut [bobs]);
    let changes = Changes { remove: &[old.own_leaf().unwrap()], ..Default::default() };
    let out = alices.commit(changes, T0).unwrap().commit;
    alices.merge_pending().unwrap();
    bobs.receive(&out, T0).unwrap();
    old.receive(&out, T0).unwrap();
    let mut new = add(alices, &carol, &mut [bobs]);
    assert_agree(&mut [alices, bobs, &mut new]);
    let info = alices.group_info(true).unwrap();
    let (mut again, commit) =
        carol.join_external(&info, ExternalJoin { resync: true, ..Default::default() }, T0).unwrap();
    alices.receive(&commit, T0).unwrap();
    assert_agree(&mut [alices, &mut again]);
    assert!(!old.is_member());
}

/// What a closure answers that cannot write its rows.
fn fails<T>(_: &T, rows: &mut coterie_mls::Rows<'_, '_>) -> Result<(), StoreError> {
    rows.put(b"half", b"written".to_vec())?;
    rows.put(b"", Vec::new())
}

#[test]
fn in_memory_a_step_whose_rows_fail_stands_and_says_so_and_the_group_goes_on() {
    let mut groups = group_of(Seed::new(310), Suite::X25519Aes128, 2);
    let [alice, bob] = &mut groups[..] else { panic!("two") };
    let sealed = alice.encrypt(b"one", b"").unwrap();
    assert_eq!(code(bob.receive_with(&sealed, T0, fails)), Code::MLS_NOT_UNDONE);
    assert_eq!(code(bob.receive(&sealed, T0)), Code::MLS_ALREADY_PROCESSED, "its key was used up");
    assert_eq!(code(alice.encrypt_with(b"two", b"", fails)), Code::MLS_NOT_UNDONE);
    assert_eq!(code(alice.propose_with(Wish::Update, fails)), Code::MLS_NOT_UNDONE);
    alice.clear_proposals().unwrap();
    let changes = Changes { update: true, ..Default::default() };
    assert_eq!(code(alice.commit_with(changes, T0, fails)), Code::MLS_NOT_UNDONE);
    assert_eq!(code(alice.discard_pending_with(fails)), Code::MLS_NOT_UNDONE);
    assert_eq!(code(alice.discard_pending()), Code::MLS_NO_PENDING_COMMIT);
    let commit = update(alice);
    assert_eq!(code(alice.merge_pending_with(fails)), Code::MLS_NOT_UNDONE);
    assert_eq!(code(bob.receive_with(&commit, T0, fails)), Code::MLS_NOT_UNDONE);
    assert_agree(&mut [alice, bob]);
    let mut rows_seen = Vec::new();
    let hello = alice.encrypt(b"hello", b"").unwrap();
    bob.receive_with(&hello, T0, |_, rows| {
        rows_seen = rows.scan_after(b"", b"", 9)?;
        Ok(())
    })
    .unwrap();
    assert_eq!(rows_seen, [], "no row of a failed closure is kept");
    // Where nothing was changed yet, nothing needs to be undone.
    assert_eq!(code(bob.clear_proposals_with(fails)), Code::INVALID_ARGUMENT);
}

#[test]
fn a_group_in_memory_survives_a_commit_that_is_refused_after_it_was_opened() {
    let seed = Seed::new(311);
    let [alice, bob] = ["alice", "bob"].map(|name| device(seed, name, Suite::X25519Aes128));
    let mut alices = create(&alice);
    let mut bobs = add(&mut alices, &bob, &mut []);
    alice.store_psk(b"name", b"key").unwrap();
    let psks = [PskId::External(b"name".to_vec())];
    let mixed = alices.commit(Changes { psks: &psks, ..Default::default() }, T0).unwrap().commit;
    let said = alices.encrypt(b"first", b"").unwrap();
    let all =
        bobs.receive_all(&[&said, &mixed, &alices.encrypt(b"second", b"").unwrap(), &said], T0).unwrap();
    let codes: Vec<_> = all.iter().map(|received| received.as_ref().map_err(ErrorCode::code).err()).collect();
    let expected = [None, Some(Code::MLS_PSK_NOT_FOUND), None, Some(Code::MLS_ALREADY_PROCESSED)];
    assert_eq!(codes, expected);
    assert_agree(&mut [&mut alices, &mut bobs]);
}
