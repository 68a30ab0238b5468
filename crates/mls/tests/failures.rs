//! A store that fails at any one call, a read as well as a write, of any operation: the error says so, nothing was
//! changed, the same call succeeds afterwards, and what is stored is what is in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test program fails by panicking"
)]

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{LONG, add, create, device, key_package};
use coterie_mls::Entry as CandidateEntry;
use coterie_mls::{
    Authentication, Candidate, Changes, Device, DeviceOptions, ExternalJoin, Framing, Group, GroupExtension,
    GroupOptions, KeyPackageOptions, MlsError, PROFILE_EXTENSION, PskId, Received, Refusal, Succession,
    Suite, Wish,
};
use coterie_store::{Entry, MemoryStore, Space, Step, Store, StoreError};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, Duration, ErrorCode, GroupId, LeafIndex};

/// A store that keeps everything, and fails one call.
#[derive(Default)]
struct FailsOnce {
    inner: MemoryStore,
    /// Calls until the one that fails; at zero none does any more.
    left: AtomicUsize,
}

impl FailsOnce {
    fn fail_at(&self, call: usize) {
        self.left.store(call + 1, Ordering::Relaxed);
    }

    /// Whether the call that was to fail has not come.
    fn is_waiting(&self) -> bool {
        self.left.swap(0, Ordering::Relaxed) > 0
    }

    fn call(&self) -> Result<(), StoreError> {
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(1) => Err(StoreError::Io(io::ErrorKind::Other)),
            _ => Ok(()),
        }
    }
}

impl Store for FailsOnce {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.call()?;
        self.inner.get(space, key)
    }

    fn scan_after(
        &self,
        space: Space,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.call()?;
        self.inner.scan_after(space, prefix, after, limit)
    }

    fn commit(&self, step: Step) -> Result<(), StoreError> {
        self.call()?;
        self.inner.commit(step)
    }
}

/// Bob, whose store fails, in a group with Alice and Carol, whose do not.
struct Scene {
    store: Arc<FailsOnce>,
    bob: Device,
    bobs: Option<Group>,
    alice: Device,
    alices: Group,
    carols: Group,
    /// Another group, for Bob to come into.
    other: Group,
    /// What is sent to Bob; made before anything fails.
    inbox: Vec<Vec<u8>>,
}

const CAROL: LeafIndex = LeafIndex::new(2);

impl Scene {
    fn new() -> Self {
        let seed = Seed::quiet(600);
        let [alice, carol] = ["alice", "carol"].map(|name| device(seed, name, Suite::X25519Aes128));
        let store = Arc::new(FailsOnce::default());
        let options = DeviceOptions { identity: b"bob".to_vec(), suite: Suite::X25519Aes128 };
        let bob =
            Device::create(options, Arc::clone(&store) as Arc<dyn Store>, Arc::new(seed.entropy(1))).unwrap();
        let mut alices = create(&alice);
        let mut bobs = add(&mut alices, &bob, &mut []);
        let carols = add(&mut alices, &carol, &mut [&mut bobs]);
        let other = create(&alice);
        Self { store, bob, bobs: Some(bobs), alice, alices, carols, other, inbox: Vec::new() }
    }

    fn bobs(&mut self) -> &mut Group {
        self.bobs.as_mut().expect("bob's group")
    }

    fn update(&mut self) -> Vec<u8> {
        let changes = Changes { update: true, ..Default::default() };
        let commit = self.alices.commit(changes, T0).unwrap().commit;
        self.alices.merge_pending().unwrap();
        commit
    }

    /// All that can be asked without changing anything.
    fn view(&mut self) -> String {
        let groups = self.bob.groups().unwrap();
        let stock = self.bob.key_package_stock(Suite::X25519Aes128, T0).unwrap();
        let group = self.bobs.as_mut().filter(|group| group.is_member()).map(view);
        format!("{groups:?} {stock:?} {group:?}")
    }
}

fn view(group: &mut Group) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        group.epoch(),
        group.members().unwrap(),
        group.pending_proposals().unwrap(),
        group.pending_commit().unwrap(),
        group.staged_commit().unwrap(),
        group.epoch_authenticator().unwrap(),
        group.successor().unwrap(),
        group.descent().unwrap(),
    )
}

type Outcome = Result<(), MlsError>;

/// What leads up to the operation, the operation itself, and its name.
type Operation = (&'static str, fn(&mut Scene), fn(&mut Scene) -> Outcome);

fn nothing(_: &mut Scene) {}

fn commit(scene: &mut Scene, changes: Changes<'_>) -> Outcome {
    scene.bobs().commit(changes, T0).map(drop)
}

fn send(scene: &mut Scene, message: Vec<u8>) {
    scene.inbox.push(message);
}

fn receive(scene: &mut Scene) -> Outcome {
    let message = scene.inbox[0].clone();
    scene.bobs().receive(&message, T0).map(drop)
}

fn expects_commit(scene: &mut Scene) {
    let commit = scene.update();
    send(scene, commit);
}

fn expects_end(scene: &mut Scene) {
    let next = next();
    let changes = Changes { succession: Some(&next), ..Default::default() };
    let named = scene.alices.commit(changes, T0).unwrap().commit;
    send(scene, named);
}

fn has_committed(scene: &mut Scene) {
    commit(scene, Changes { update: true, ..Default::default() }).unwrap();
}

fn has_staged(scene: &mut Scene) {
    expects_commit(scene);
    let message = scene.inbox[0].clone();
    scene.bobs().stage(&message, T0).unwrap();
}

fn has_ended(scene: &mut Scene) {
    expects_end(scene);
    receive(scene).unwrap();
}

fn expects_welcome(scene: &mut Scene) {
    let package = key_package(&scene.bob);
    let added = scene.other.commit(Changes { add: &[package], ..Default::default() }, T0).unwrap();
    send(scene, added.welcome.unwrap());
}

fn expects_welcome_to_successor(scene: &mut Scene) {
    has_ended(scene);
    scene.alices.merge_pending().unwrap();
    let mut new = scene.alices.create_successor(T0).unwrap();
    let package = key_package(&scene.bob);
    let first = new.commit(Changes { add: &[package], ..Default::default() }, T0).unwrap();
    scene.inbox[0] = first.welcome.unwrap();
}

fn join(scene: &mut Scene) -> Outcome {
    let joined = scene.bob.join(&scene.inbox[0], None, T0)?;
    scene.bobs = Some(joined);
    Ok(())
}

fn next() -> Succession {
    Succession { group_id: GroupId::new(b"the next one").unwrap(), suite: Suite::X25519Aes128 }
}

fn propose(scene: &mut Scene, wish: Wish<'_>) -> Outcome {
    scene.bobs().propose_with(wish, |message, rows| rows.put(b"outbox", message.clone())).map(drop)
}

fn forget(scene: &mut Scene) -> Outcome {
    let id = scene.bobs().id().clone();
    assert!(scene.bob.forget_group(&id)?, "there was something to forget");
    scene.bobs = None;
    Ok(())
}

fn operations() -> Vec<Operation> {
    vec![
        ("create", nothing, |scene| {
            scene.bobs = Some(scene.bob.create_group(GroupOptions::default(), T0)?);
            Ok(())
        }),
        ("join", expects_welcome, join),
        ("join the successor", expects_welcome_to_successor, join),
        ("join from outside", nothing, |scene| {
            let info = scene.other.group_info(true).unwrap();
            let joined =
                scene.bob.join_external_with(&info, ExternalJoin::default(), T0, |_, commit, rows| {
                    rows.put(b"outbox", commit.to_vec())
                })?;
            scene.bobs = Some(joined.0);
            Ok(())
        }),
        ("come back", has_staged, |scene| {
            let info = scene.alices.group_info(true).unwrap();
            let options = ExternalJoin { resync: true, ..Default::default() };
            scene.bobs = Some(scene.bob.join_external(&info, options, T0)?.0);
            Ok(())
        }),
        ("open", nothing, |scene| {
            let id = scene.bobs().id().clone();
            scene.bobs = scene.bob.open_group(&id)?;
            Ok(())
        }),
        ("list", nothing, |scene| scene.bob.groups().map(drop)),
        ("encrypt", nothing, |scene| scene.bobs().encrypt(b"hello", b"").map(drop)),
        ("encrypt many", nothing, |scene| scene.bobs().encrypt_all(&[b"1", b"2"], b"").map(drop)),
        ("propose to add", nothing, |scene| {
            let package = key_package(&device(Seed::quiet(601), "dave", Suite::X25519Aes128));
            propose(scene, Wish::Add { key_package: &package, now: T0 })
        }),
        ("propose to remove", nothing, |scene| propose(scene, Wish::Remove(CAROL))),
        ("propose to update", nothing, |scene| propose(scene, Wish::Update)),
        ("propose a key", nothing, |scene| {
            propose(scene, Wish::PreSharedKey(&PskId::External(b"name".to_vec())))
        }),
        ("propose extensions", nothing, |scene| propose(scene, Wish::Extensions(&profile()))),
        ("propose to leave", nothing, |scene| propose(scene, Wish::Leave)),
        (
            "clear proposals",
            |scene| propose(scene, Wish::Update).unwrap(),
            |scene| scene.bobs().clear_proposals(),
        ),
        ("commit an addition", nothing, |scene| {
            let package = key_package(&device(Seed::quiet(602), "dave", Suite::X25519Aes128));
            commit(scene, Changes { add: &[package], ..Default::default() })
        }),
        ("commit a removal", nothing, |scene| {
            commit(scene, Changes { remove: &[CAROL], ..Default::default() })
        }),
        ("commit an update", nothing, |scene| commit(scene, Changes { update: true, ..Default::default() })),
        (
            "commit proposals",
            |scene| propose(scene, Wish::Remove(CAROL)).unwrap(),
            |scene| commit(scene, Changes::default()),
        ),
        (
            "commit a key",
            |scene| scene.bob.store_psk(b"name", b"key").unwrap(),
            |scene| {
                commit(scene, Changes { psks: &[PskId::External(b"name".to_vec())], ..Default::default() })
            },
        ),
        ("commit a new name", nothing, |scene| {
            commit(scene, Changes { identity: Some(b"robert"), ..Default::default() })
        }),
        ("commit extensions", nothing, |scene| {
            commit(scene, Changes { extensions: Some(&profile()), ..Default::default() })
        }),
        ("name a successor", nothing, |scene| {
            commit(scene, Changes { succession: Some(&next()), ..Default::default() })
        }),
        ("merge", has_committed, |scene| scene.bobs().merge_pending().map(drop)),
        (
            "merge the name of a successor",
            |scene| {
                commit(scene, Changes { succession: Some(&next()), ..Default::default() }).unwrap();
            },
            |scene| scene.bobs().merge_pending().map(drop),
        ),
        ("discard", has_committed, |scene| scene.bobs().discard_pending()),
        (
            "receive a message",
            |scene| {
                let sealed = scene.alices.encrypt(b"hello", b"").unwrap();
                send(scene, sealed);
            },
            receive,
        ),
        (
            "receive a proposal",
            |scene| {
                let wish = scene.carols.propose_update().unwrap();
                send(scene, wish);
            },
            receive,
        ),
        ("receive a commit", expects_commit, receive),
        (
            "receive a commit that supersedes",
            |scene| {
                has_committed(scene);
                expects_commit(scene);
            },
            receive,
        ),
        (
            "receive a commit with a key",
            |scene| {
                scene.bob.store_psk(b"name", b"key").unwrap();
                scene.alice.store_psk(b"name", b"key").unwrap();
                let psks = [PskId::External(b"name".to_vec())];
                let mixed = scene.alices.commit(Changes { psks: &psks, ..Default::default() }, T0).unwrap();
                send(scene, mixed.commit);
            },
            receive,
        ),
        ("receive the name of a successor", expects_end, receive),
        (
            "receive one's removal",
            |scene| {
                let bob = scene.bobs().own_leaf().unwrap();
                let out = scene.alices.commit(Changes { remove: &[bob], ..Default::default() }, T0).unwrap();
                send(scene, out.commit);
            },
            receive,
        ),
        (
            "receive many",
            |scene| {
                for text in [b"one", b"two"] {
                    let sealed = scene.alices.encrypt(text, b"").unwrap();
                    send(scene, sealed);
                }
                expects_commit(scene);
            },
            |scene| {
                let inbox = scene.inbox.clone();
                let received = scene.bobs().receive_all(&inbox, T0)?;
                assert!(received.iter().all(Result::is_ok), "{received:?}");
                Ok(())
            },
        ),
        ("stage", expects_commit, |scene| {
            let message = scene.inbox[0].clone();
            let staged = scene.bobs().stage(&message, T0)?;
            assert!(matches!(staged, Received::Staged(_)));
            Ok(())
        }),
        ("merge staged", has_staged, |scene| scene.bobs().merge_staged().map(drop)),
        ("discard staged", has_staged, |scene| scene.bobs().discard_staged()),
        ("set framing", nothing, |scene| {
            scene.bobs().set_framing(Framing { padding: 64, ..Default::default() })
        }),
        (
            "forget past epochs",
            |scene| {
                expects_commit(scene);
                receive(scene).unwrap();
                scene.bobs().forget_past_epochs(T0).unwrap();
            },
            |scene| scene.bobs().forget_past_epochs(T0 + Duration::from_days(2)),
        ),
        ("begin a successor", has_ended, |scene| {
            scene.bobs = Some(scene.bobs().create_successor(T0)?);
            Ok(())
        }),
        ("forget", nothing, forget),
        ("forget one that ended", has_ended, forget),
        ("make key packages", nothing, |scene| {
            let options = KeyPackageOptions { lifetime: Some(LONG), ..Default::default() };
            scene.bob.key_packages(3, options, T0).map(drop)
        }),
        ("count key packages", nothing, |scene| {
            scene.bob.key_package_stock(Suite::X25519Aes128, T0).map(drop)
        }),
        (
            "forget key packages",
            |scene| {
                let options =
                    KeyPackageOptions { lifetime: Some(Duration::from_days(1)), ..Default::default() };
                scene.bob.key_packages(2, options, T0).unwrap();
            },
            |scene| {
                assert_eq!(scene.bob.forget_expired_key_packages(T0 + Duration::from_days(60))?, 2);
                Ok(())
            },
        ),
        ("ask to be added", nothing, |scene| {
            let info = scene.other.group_info(true).unwrap();
            let options = KeyPackageOptions { lifetime: Some(LONG), ..Default::default() };
            scene.bob.propose_self(&info, options, T0).map(drop)
        }),
        ("store a key", nothing, |scene| scene.bob.store_psk(b"other", b"key")),
        (
            "forget a key",
            |scene| scene.bob.store_psk(b"name", b"key").unwrap(),
            |scene| scene.bob.forget_psk(b"name"),
        ),
    ]
}

fn profile() -> [GroupExtension; 2] {
    let required = GroupExtension::required_capabilities(&[PROFILE_EXTENSION], &[], &[]).unwrap();
    [GroupExtension { extension_type: PROFILE_EXTENSION, data: b"sealed".to_vec() }, required]
}

#[test]
fn a_store_that_fails_at_any_call_of_any_operation_leaves_everything_as_it_was() {
    let mut failures = 0;
    for (name, before, operation) in operations() {
        let mut call = 0;
        while fails_at(name, before, operation, call) {
            call += 1;
        }
        assert!(call > 0, "{name}: no call of the store");
        failures += call;
    }
    println!("{failures} failures in {} operations", operations().len());
}

/// A refused commit in the middle makes each message a step of its own, so the store can fail between two of them.
#[test]
fn what_was_received_before_the_store_failed_is_kept_and_the_rest_can_come_again() {
    let mut stopped = 0;
    for call in 0.. {
        let mut scene = Scene::new();
        refuses_additions(&mut scene);
        let package = key_package(&device(Seed::quiet(603), "mallory", Suite::X25519Aes128));
        let one = scene.alices.encrypt(b"one", b"").unwrap();
        let add = Changes { add: &[package], ..Default::default() };
        let commit = scene.alices.commit(add, T0).unwrap().commit;
        let rest = [b"two", b"six"].map(|text| scene.alices.encrypt(text, b"").unwrap());
        let [two, six] = rest;
        let inbox = [one, commit, two, six];
        let seen = scene.view();
        scene.store.fail_at(call);
        let first = scene.bobs().receive_all(&inbox, T0);
        let is_waiting = scene.store.is_waiting();
        let taken = first.as_ref().map_or(0, |all| all.iter().take_while(|one| !is_fault(one)).count());
        let Ok(mut all) = first else {
            assert_eq!(scene.view(), seen, "call {call}");
            continue;
        };
        assert_eq!(all.len(), inbox.len());
        assert!(all[taken..].iter().all(is_fault), "call {call}: {all:?}");
        stopped += usize::from(taken < all.len());
        all.truncate(taken);
        if taken < inbox.len() {
            all.extend(scene.bobs().receive_all(&inbox[taken..], T0).unwrap());
        }
        let refusals: Vec<bool> = all.iter().map(Result::is_err).collect();
        assert_eq!(refusals, [false, true, false, false], "call {call}: {all:?}");
        assert_stored("receive many", &mut scene);
        if is_waiting {
            break;
        }
    }
    println!("stopped {stopped} times on the way");
    assert!(stopped > 0);
}

fn refuses_additions(scene: &mut Scene) {
    let id = scene.bobs().id().clone();
    let policy = |candidate: &Candidate| match candidate.entry {
        CandidateEntry::Add => Err(Refusal("nobody else".to_owned())),
        _ => Ok(()),
    };
    scene.bobs = None;
    let bob = Device::open(Arc::clone(&scene.store) as Arc<dyn Store>, Arc::new(Seed::quiet(600).entropy(2)));
    scene.bob = bob.unwrap().unwrap().authenticating(Authentication::default().and_policy(Arc::new(policy)));
    scene.bobs = scene.bob.open_group(&id).unwrap();
}

fn is_fault(received: &Result<Received, MlsError>) -> bool {
    matches!(received, Err(error) if error.code() == Code::STORE_IO)
}

/// Answers whether the operation makes that many calls of the store.
fn fails_at(name: &str, before: fn(&mut Scene), operation: fn(&mut Scene) -> Outcome, call: usize) -> bool {
    let mut scene = Scene::new();
    before(&mut scene);
    let seen = scene.view();
    scene.store.fail_at(call);
    let outcome = operation(&mut scene);
    if scene.store.is_waiting() {
        outcome.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_stored(name, &mut scene);
        return false;
    }
    let error = outcome.expect_err(&format!("{name}: call {call} failed and nobody heard of it"));
    assert_eq!(error.code(), Code::STORE_IO, "{name}, call {call}: {error:?}");
    assert_eq!(scene.view(), seen, "{name}, call {call}");
    operation(&mut scene).unwrap_or_else(|error| panic!("{name} after call {call} failed: {error:?}"));
    assert_stored(name, &mut scene);
    true
}

/// What is stored is what is in memory.
fn assert_stored(name: &str, scene: &mut Scene) {
    let Some(mut group) = scene.bobs.take() else { return };
    let stored = scene.bob.open_group(group.id()).unwrap();
    assert_eq!(stored.is_some(), group.is_member(), "{name}");
    if let Some(mut stored) = stored {
        assert_eq!(view(&mut stored), view(&mut group), "{name}");
    }
}
