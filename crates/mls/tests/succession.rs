//! Groups that succeed others, and prove it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program fails by panicking"
)]

mod common;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use common::{add, assert_agree, create, device, group_of, key_package};
use coterie_crypto::Entropy;
use coterie_mls::{
    Changes, Committed, Device, DeviceOptions, ExternalJoin, Group, GroupEvent, GroupExtension, GroupOptions,
    KeyPackageOptions, MlsError, PROFILE_EXTENSION, PskId, Received, SUCCESSION_EXTENSION, Succession, Suite,
};
use coterie_store::{MemoryStore, Store};
use coterie_testkit::{Fault, FaultyStore, Seed, T0};
use coterie_types::{Code, Epoch, ErrorCode, GroupId};

fn succession(suite: Suite) -> Succession {
    Succession { group_id: GroupId::new(b"the next one").unwrap(), suite }
}

fn package(device: &Device, suite: Suite) -> Vec<u8> {
    let options =
        KeyPackageOptions { suite: Some(suite), lifetime: Some(common::LONG), ..Default::default() };
    device.key_package(options, T0).unwrap()
}

fn name(group: &mut Group, next: &Succession) -> Committed {
    group.commit(Changes { succession: Some(next), ..Default::default() }, T0).unwrap()
}

fn code<T: std::fmt::Debug>(outcome: Result<T, MlsError>) -> Code {
    outcome.unwrap_err().code()
}

/// Alice, Bob and Carol in a group of the classical suite, whose devices can do more.
struct World {
    alice: (Device, Group),
    bob: (Device, Group),
    carol: (Device, Group),
}

impl World {
    fn new(seed: Seed) -> Self {
        let [alice, bob, carol] =
            ["alice", "bob", "carol"].map(|name| device(seed, name, Suite::X25519Aes128));
        let mut alices = create(&alice);
        let mut bobs = add(&mut alices, &bob, &mut []);
        let carols = add(&mut alices, &carol, &mut [&mut bobs]);
        Self { alice: (alice, alices), bob: (bob, bobs), carol: (carol, carols) }
    }

    fn each(&mut self) -> [&mut Group; 3] {
        [&mut self.alice.1, &mut self.bob.1, &mut self.carol.1]
    }

    /// Bob names `next`, and everybody hears of it.
    fn end(&mut self, next: &Succession) {
        let named = name(&mut self.bob.1, next);
        for group in self.each() {
            group.receive(&named.commit, T0).unwrap();
        }
        assert_agree(&mut self.each());
    }
}

#[test]
fn members_follow_into_a_group_of_another_suite_and_know_where_it_comes_from() {
    let mut world = World::new(Seed::new(400));
    let next = succession(Suite::HybridMlKem768V1);
    let late = world.carol.1.encrypt(b"said before the end", b"").unwrap();
    let events = world.alice.1.events().subscribe();
    world.end(&next);

    let last = world.alice.1.epoch();
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(events) = events.poll_next(&mut context, 9) else { panic!("events are there") };
    assert!(
        matches!(&events[0], GroupEvent::EpochChanged { commit, .. } if commit.succession == Some(next.clone()))
    );
    assert_eq!(events[1], GroupEvent::Succeeded { succession: next.clone(), epoch: last });
    for group in world.each() {
        assert_eq!(group.successor().unwrap(), Some(next.clone()));
    }

    // Alice begins it, without Carol: a subset, under another name and suite.
    let mut alices = world.alice.1.create_successor(T0).unwrap();
    assert_eq!((alices.id(), alices.suite()), (&next.group_id, next.suite));
    let packages = [package(&world.bob.0, next.suite)];
    let first = alices.commit(Changes { add: &packages, ..Default::default() }, T0).unwrap();
    alices.receive(&first.commit, T0).unwrap();
    let mut bobs = world.bob.0.join(&first.welcome.unwrap(), None, T0).unwrap();
    assert_agree(&mut [&mut alices, &mut bobs]);
    for group in [&mut alices, &mut bobs] {
        let descent = group.descent().unwrap().expect("a proof of descent");
        assert_eq!((&descent.group_id, descent.epoch), (world.alice.1.id(), last));
    }
    let hello = bobs.encrypt(b"hello again", b"").unwrap();
    assert!(
        matches!(alices.receive(&hello, T0), Ok(Received::Message { plaintext, .. }) if plaintext == b"hello again")
    );

    // The old group still reads what was said before its end.
    assert!(matches!(world.bob.1.receive(&late, T0), Ok(Received::Message { .. })));
    assert_eq!(code(world.bob.1.receive(&late, T0)), Code::MLS_ALREADY_PROCESSED);
}

#[test]
fn a_group_that_has_ended_takes_nothing_more() {
    let mut world = World::new(Seed::new(401));
    let next = succession(Suite::X25519Aes128);
    // Carol does not hear of the end, and goes on.
    let named = name(&mut world.bob.1, &next);
    assert!(world.bob.1.encrypt(b"not yet merged", b"").is_ok(), "a name that is not accepted ends nothing");
    world.bob.1.receive(&named.commit, T0).unwrap();
    world.alice.1.receive(&named.commit, T0).unwrap();
    let dave = device(Seed::quiet(1), "dave", Suite::X25519Aes128);
    let group = &mut world.bob.1;
    let refusals =
        [
            code(group.encrypt(b"one more thing", b"")),
            code(group.encrypt_all(&[b"one", b"two"], b"")),
            code(group.commit(Changes { update: true, ..Default::default() }, T0)),
            code(group.commit(
                Changes { succession: Some(&succession(Suite::P256Aes128)), ..Default::default() },
                T0,
            )),
            code(group.propose_update()),
            code(group.propose_leave()),
            code(group.propose_add(&key_package(&dave), T0)),
            code(dave.join_external(&group.group_info(true).unwrap(), ExternalJoin::default(), T0)),
        ];
    assert_eq!(refusals, [Code::MLS_SUCCEEDED; 8]);
    // Its own echo is nothing new, and Carol's belated commit lost.
    assert_eq!(group.receive(&named.commit, T0).unwrap(), Received::OwnEcho);
    let belated = world.carol.1.commit(Changes { update: true, ..Default::default() }, T0).unwrap();
    assert_eq!(code(world.bob.1.receive(&belated.commit, T0)), Code::MLS_WRONG_EPOCH);
    assert_agree(&mut [&mut world.alice.1, &mut world.bob.1]);
}

#[test]
fn who_was_not_in_the_old_group_cannot_follow_and_is_told_which_one_it_is() {
    let mut world = World::new(Seed::new(402));
    let next = succession(Suite::X25519Aes128);
    let dave = device(Seed::quiet(2), "dave", Suite::X25519Aes128);
    let named = name(&mut world.bob.1, &next);
    world.bob.1.receive(&named.commit, T0).unwrap();
    world.alice.1.receive(&named.commit, T0).unwrap();

    let mut alices = world.alice.1.create_successor(T0).unwrap();
    let packages = [&world.bob.0, &world.carol.0, &dave].map(key_package);
    let first = alices.commit(Changes { add: &packages, ..Default::default() }, T0).unwrap();
    alices.merge_pending().unwrap();
    let welcome = first.welcome.unwrap();
    world.bob.0.join(&welcome, None, T0).unwrap();
    match dave.join(&welcome, None, T0) {
        Err(MlsError::DescentUnknown { predecessor, epoch }) => {
            assert_eq!((&predecessor, epoch), (world.bob.1.id(), world.bob.1.epoch()));
        }
        other => panic!("{other:?}"),
    }
    // Carol's old group is behind; once it is not, the same Welcome opens.
    assert_eq!(code(world.carol.0.join(&welcome, None, T0)), Code::MLS_DESCENT_UNKNOWN);
    world.carol.1.receive(&named.commit, T0).unwrap();
    let mut carols = world.carol.0.join(&welcome, None, T0).unwrap();
    assert!(carols.descent().unwrap().is_some());

    // Dave comes by an ordinary commit, which proves nothing to him.
    let dave_leaf =
        alices.members().unwrap().into_iter().find(|member| member.identity == b"dave").unwrap().leaf;
    let out = alices.commit(Changes { remove: &[dave_leaf], ..Default::default() }, T0).unwrap();
    alices.merge_pending().unwrap();
    carols.receive(&out.commit, T0).unwrap();
    let mut daves = add(&mut alices, &dave, &mut [&mut carols]);
    assert_eq!(daves.descent().unwrap(), None);
    assert_agree(&mut [&mut alices, &mut carols, &mut daves]);
}

#[test]
fn a_group_that_only_bears_the_successor_s_name_is_refused() {
    let mut world = World::new(Seed::new(403));
    let next = succession(Suite::X25519Aes128);
    world.end(&next);
    // Mallory was never in, and knows the name.
    let mallory = device(Seed::quiet(3), "mallory", Suite::X25519Aes128);
    let options = GroupOptions { id: Some(next.group_id.clone()), suite: None };
    let mut fake = mallory.create_group(options, T0).unwrap();
    let packages = [key_package(&world.bob.0)];
    let invited = fake.commit(Changes { add: &packages, ..Default::default() }, T0).unwrap();
    assert_eq!(code(world.bob.0.join(&invited.welcome.unwrap(), None, T0)), Code::MLS_WELCOME_INVALID);
    // A group of another name proves nothing and needs not to.
    let mut other = create(&mallory);
    let mut bobs = add(&mut other, &world.bob.0, &mut []);
    assert_eq!(bobs.descent().unwrap(), None);
}

#[test]
fn names_are_given_by_commits_alone_and_once() {
    let seed = Seed::new(404);
    let mut world = World::new(seed);
    let next = succession(Suite::X25519Aes128);
    let alices = &mut world.alice.1;
    assert_eq!(code(alices.create_successor(T0)), Code::MLS_NOT_SUCCEEDED);
    assert_eq!(alices.successor().unwrap(), None);
    let forged = [GroupExtension { extension_type: SUCCESSION_EXTENSION, data: vec![1, 1, b'x', 0] }];
    assert_eq!(code(alices.propose_extensions(&forged)), Code::INVALID_ARGUMENT);
    let changes = Changes { extensions: Some(&forged), ..Default::default() };
    assert_eq!(code(alices.commit(changes, T0)), Code::INVALID_ARGUMENT);
    let itself = Succession { group_id: alices.id().clone(), suite: next.suite };
    let changes = Changes { succession: Some(&itself), ..Default::default() };
    assert_eq!(code(alices.commit(changes, T0)), Code::INVALID_ARGUMENT);
    let reserved = PskId::External(b"coterie succession 1/anything".to_vec());
    let changes = Changes { psks: &[reserved], ..Default::default() };
    assert_eq!(code(alices.commit(changes, T0)), Code::INVALID_ARGUMENT);
    assert_eq!(code(world.alice.0.store_psk(b"coterie succession 1/x", b"key")), Code::INVALID_ARGUMENT);

    // The group's other extensions stay what they were.
    let profile = GroupExtension { extension_type: PROFILE_EXTENSION, data: vec![7] };
    let required = GroupExtension::required_capabilities(&[PROFILE_EXTENSION], &[], &[]).unwrap();
    let both = [profile.clone(), required];
    let changes = Changes { extensions: Some(&both), ..Default::default() };
    let set = world.alice.1.commit(changes, T0).unwrap();
    world.each().into_iter().for_each(|group| drop(group.receive(&set.commit, T0).unwrap()));
    world.end(&next);
    assert!(world.alice.1.extensions().unwrap().contains(&profile));
    let first = world.alice.1.create_successor(T0).unwrap();
    assert_eq!(code(world.alice.1.create_successor(T0)), Code::MLS_GROUP_EXISTS);
    drop(first);
}

#[test]
fn nobody_gets_in_before_the_proof() {
    let mut world = World::new(Seed::new(405));
    let next = succession(Suite::X25519Aes128);
    world.end(&next);
    let mut alices = world.alice.1.create_successor(T0).unwrap();
    let mallory = device(Seed::quiet(4), "mallory", Suite::X25519Aes128);
    let info = alices.group_info(true).unwrap();
    let (_, commit) = mallory.join_external(&info, ExternalJoin::default(), T0).unwrap();
    assert_eq!(code(alices.receive(&commit, T0)), Code::MLS_INVALID_COMMIT);
    assert_eq!(alices.epoch(), Epoch::new(0));
    // A first commit that was not accepted is made again, with the proof.
    let packages = [key_package(&world.bob.0), key_package(&world.carol.0)];
    alices.commit(Changes { add: &packages[..1], ..Default::default() }, T0).unwrap();
    alices.discard_pending().unwrap();
    let first = alices.commit(Changes { add: &packages, ..Default::default() }, T0).unwrap();
    alices.receive(&first.commit, T0).unwrap();
    let mut carols = world.carol.0.join(&first.welcome.unwrap(), None, T0).unwrap();
    assert_eq!(carols.descent().unwrap(), alices.descent().unwrap());
}

#[test]
fn a_staged_end_can_be_seen_and_refused_and_one_who_is_removed_by_it_cannot_follow() {
    let mut groups = group_of(Seed::new(406), Suite::X25519Aes128, 3);
    let next = succession(Suite::X25519Aes128);
    let out = groups[2].own_leaf().unwrap();
    let changes = Changes { succession: Some(&next), remove: &[out], ..Default::default() };
    let named = groups[0].commit(changes, T0).unwrap();
    let Received::Staged(summary) = groups[1].stage(&named.commit, T0).unwrap() else { panic!("staged") };
    assert_eq!(summary.succession, Some(next.clone()));
    groups[1].discard_staged().unwrap();
    assert!(groups[1].encrypt(b"still here", b"").is_ok());
    groups[2].receive(&named.commit, T0).unwrap();
    assert_eq!(code(groups[2].create_successor(T0)), Code::MLS_REMOVED);
}

/// Each transition is one step: after a failed or half-acknowledged one, and after a restart anywhere, the same calls
/// lead on to the same end.
#[test]
fn a_crash_at_any_step_of_a_succession_is_recovered_from() {
    let mut points = 0;
    for fault in [Fault::Full, Fault::IoLost, Fault::IoStored] {
        for commit in 0.. {
            if !succeed_with_a_fault(Seed::quiet(500 + commit), fault, usize::try_from(commit).unwrap()) {
                break;
            }
            points += 1;
        }
    }
    println!("{points} crashes");
    assert_eq!(
        points,
        3 * 5,
        "naming, merging, beginning, the first commit and merging that, by three faults"
    );
}

/// Answers whether the fault was reached.
fn succeed_with_a_fault(seed: Seed, fault: Fault, commit: usize) -> bool {
    let store = Arc::new(FaultyStore::over(MemoryStore::new()));
    let entropy: Arc<dyn Entropy> = Arc::new(seed.entropy(1));
    let options = DeviceOptions { identity: b"alice".to_vec(), suite: Suite::X25519Aes128 };
    let mut alice =
        Device::create(options, Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&entropy)).unwrap();
    let bob = device(seed, "bob", Suite::X25519Aes128);
    let mut old = create(&alice);
    let mut bobs_old = add(&mut old, &bob, &mut []);
    let (old_id, next) = (old.id().clone(), succession(Suite::X25519Aes128));
    let packages = [key_package(&bob)];
    drop(old);
    store.fail_after(commit, fault);
    // What an application does whenever it starts, until the group has moved.
    let mut handed_out = None;
    for _ in 0..12 {
        let outcome = advance(&alice, &old_id, &next, &packages, &mut handed_out, &mut bobs_old);
        match outcome {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => {
                assert!([Code::STORE_FULL, Code::STORE_IO].contains(&error.code()), "{error}");
                store.reopen();
                alice = Device::open(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&entropy))
                    .unwrap()
                    .unwrap();
            }
        }
    }
    let mut alices = alice.open_group(&next.group_id).unwrap().expect("the successor");
    let mut bobs = bob.join(&handed_out.expect("a Welcome"), None, T0).unwrap();
    assert_agree(&mut [&mut alices, &mut bobs]);
    assert_eq!(bobs.descent().unwrap(), alices.descent().unwrap());
    assert!(bobs.descent().unwrap().is_some());
    store.failed() > 0
}

/// One step on from wherever the stored state is.
fn advance(
    alice: &Device,
    old_id: &GroupId,
    next: &Succession,
    packages: &[Vec<u8>],
    welcome: &mut Option<Vec<u8>>,
    bobs_old: &mut Group,
) -> Result<bool, MlsError> {
    let mut old = alice.open_group(old_id)?.unwrap();
    if old.successor()?.is_none() {
        if old.pending_commit()?.is_some() {
            // Its bytes never reached anybody.
            old.discard_pending()?;
        }
        let named = old.commit(Changes { succession: Some(next), ..Default::default() }, T0)?;
        old.merge_pending_with(|_, rows| rows.put(b"outbox", named.commit.clone()))?;
        return Ok(false);
    }
    if bobs_old.successor()?.is_none() {
        bobs_old.receive(&row(alice, &mut old, b"outbox"), T0)?;
    }
    let Some(mut new) = alice.open_group(&next.group_id)? else {
        old.create_successor(T0)?;
        return Ok(false);
    };
    if new.epoch() == Epoch::new(0) {
        if new.pending_commit()?.is_some() {
            new.discard_pending()?;
        }
        let first = new.commit(Changes { add: packages, ..Default::default() }, T0)?;
        new.merge_pending_with(|_, rows| rows.put(b"welcome", first.welcome.clone().unwrap()))?;
        return Ok(false);
    }
    *welcome = Some(row(alice, &mut old, b"welcome"));
    Ok(true)
}

/// A row of the application's, read within a step that changes nothing.
fn row(_: &Device, group: &mut Group, key: &[u8]) -> Vec<u8> {
    let mut found = None;
    group
        .clear_proposals_with(|(), rows| {
            found = rows.get(key)?;
            Ok(())
        })
        .unwrap();
    found.expect("the row")
}

#[test]
fn what_proves_a_descent_goes_with_the_old_group() {
    let mut world = World::new(Seed::new(407));
    let store = Arc::new(FaultyStore::over(MemoryStore::new()));
    let entropy: Arc<dyn Entropy> = Arc::new(Seed::quiet(9).entropy(1));
    let options = DeviceOptions { identity: b"dave".to_vec(), suite: Suite::X25519Aes128 };
    let dave = Device::create(options, Arc::clone(&store) as Arc<dyn Store>, entropy).unwrap();
    let empty = rows(&*store);
    let mut group = add(&mut world.alice.1, &dave, &mut [&mut world.bob.1, &mut world.carol.1]);
    let named = name(&mut world.bob.1, &succession(Suite::P256Aes128));
    group.receive(&named.commit, T0).unwrap();
    assert!(rows(&*store) > empty);
    let id = group.id().clone();
    drop(group);
    assert!(dave.forget_group(&id).unwrap());
    assert_eq!(rows(&*store), empty, "every row of the group and its proof is gone");
}

fn rows(store: &dyn Store) -> usize {
    coterie_store::Space::ALL.iter().map(|space| store.scan(*space, b"", 10_000).unwrap().len()).sum()
}
