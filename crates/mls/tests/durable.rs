//! Devices and groups over stores that keep what they are given: closed and opened between any two steps, and with
//! commits that fail, a history is the same as without.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test program fails by panicking"
)]

mod common;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::LONG;
use coterie_crypto::{Entropy, nonce_ledger};
use coterie_mls::{
    Changes, CommitSummary, Committed, Device, DeviceOptions, Group, GroupOptions, KeyPackageOptions,
    MlsError, ProposalSummary, PskId, Received, Suite, limits,
};
use coterie_store::{Key, MemoryStore, Options, Space, SqlStore, Store};
use coterie_testkit::{Fault, FaultyStore, Seed, T0};
use coterie_types::{Code, Duration, Epoch, ErrorCode, GroupId, LeafIndex};

/// Where a device's state lives while the device is closed.
enum Disk {
    Memory(Arc<FaultyStore<MemoryStore>>),
    Sql { folder: PathBuf, store: Option<Arc<SqlStore>> },
}

impl Disk {
    fn memory() -> Self {
        Self::Memory(Arc::new(FaultyStore::over(MemoryStore::new())))
    }

    fn sql() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("coterie-mls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self::Sql { folder, store: None }
    }

    fn open(&mut self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => {
                store.reopen();
                Arc::clone(store) as _
            }
            Self::Sql { folder, store } => {
                // The handle of before must be gone: a store has one owner.
                if let Some(store) = store.take() {
                    Arc::try_unwrap(store).unwrap().close().unwrap();
                }
                let path = folder.join("store.db");
                let entropy = Seed::quiet(1).entropy(0);
                let options = Options { idle_checkpoint: None, ..Options::default() };
                let opened = Arc::new(SqlStore::open(path, &Key::raw(&[7; 32]), &entropy, &options).unwrap());
                *store = Some(Arc::clone(&opened));
                opened
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Sql { folder, store } = self {
            drop(store.take());
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// What happens between two steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    None,
    RestartAlways,
    RestartBefore(usize),
    /// The commit of this step fails.
    Fail(usize, Fault),
}

struct Party {
    name: &'static str,
    device: Option<Device>,
    group: Option<Group>,
    in_group: bool,
    entropy: Arc<dyn Entropy>,
    disk: Disk,
}

struct World {
    parties: Vec<Party>,
    group_id: Option<GroupId>,
    trouble: Trouble,
    steps: usize,
    /// What was seen, byte by byte.
    exact: Vec<String>,
    /// What was seen, as far as it does not hang on randomness.
    meaning: Vec<String>,
    /// Which key sealed each message that left a device.
    sealed_by: HashMap<nonce_ledger::Fingerprint, Vec<u8>>,
}

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;

impl World {
    fn new(seed: Seed, trouble: Trouble, disk: impl Fn() -> Disk) -> Self {
        let parties = ["alice", "bob", "carol", "dave"].into_iter().zip(0..).map(|(name, stream)| Party {
            name,
            device: None,
            group: None,
            in_group: false,
            entropy: Arc::new(seed.entropy(stream)),
            disk: disk(),
        });
        let mut world = Self {
            parties: parties.collect(),
            group_id: None,
            trouble,
            steps: 0,
            exact: Vec::new(),
            meaning: Vec::new(),
            sealed_by: HashMap::new(),
        };
        for party in &mut world.parties {
            let options = DeviceOptions { identity: party.name.into(), suite: Suite::X25519Aes128 };
            let store = party.disk.open();
            party.device = Some(Device::create(options, store, Arc::clone(&party.entropy)).unwrap());
        }
        world
    }

    fn restart(&mut self, who: usize) {
        let id = self.group_id.clone();
        let party = &mut self.parties[who];
        party.group = None;
        party.device = None;
        let store = party.disk.open();
        let device = Device::open(store, Arc::clone(&party.entropy)).unwrap().expect("the device was stored");
        assert_eq!(device.identity(), party.name.as_bytes());
        let id = id.filter(|_| party.in_group);
        assert_eq!(device.groups().unwrap(), id.iter().cloned().collect::<Vec<_>>(), "{}", party.name);
        party.group = id.map(|id| device.open_group(&id).unwrap().expect("the group was stored"));
        party.device = Some(device);
    }

    fn device(&self, who: usize) -> Device {
        self.parties[who].device.clone().unwrap()
    }

    fn group(&mut self, who: usize) -> &mut Group {
        self.parties[who].group.as_mut().unwrap()
    }

    /// One step of `who`, with whatever trouble is due. `again` repairs what a step left that was stored although it
    /// was reported as failed, and answers its outcome if that is to be had.
    fn step<T>(
        &mut self,
        who: usize,
        work: impl Fn(&mut Self) -> Result<T, MlsError>,
        again: impl Fn(&mut Self) -> Option<T>,
    ) -> Result<T, MlsError> {
        let number = self.steps;
        self.steps += 1;
        match self.trouble {
            Trouble::RestartAlways => (0..self.parties.len()).for_each(|who| self.restart(who)),
            Trouble::RestartBefore(step) if step == number => self.restart(who),
            Trouble::Fail(step, fault) if step == number => {
                if let Some(outcome) = self.fail(who, fault, &work, again) {
                    return outcome;
                }
            }
            _ => {}
        }
        work(self)
    }

    fn fail<T>(
        &mut self,
        who: usize,
        fault: Fault,
        work: impl Fn(&mut Self) -> Result<T, MlsError>,
        again: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Result<T, MlsError>> {
        let before = self.view(who);
        let Disk::Memory(store) = &self.parties[who].disk else { panic!("faults need the faulty store") };
        let (store, failed) = (Arc::clone(store), store.failed());
        store.fail_after(0, fault);
        let outcome = work(self);
        if store.failed() == failed {
            // The step was refused or wrote nothing.
            store.fail_after(usize::MAX / 2, fault);
            return Some(outcome);
        }
        let error = outcome.err().expect("a step whose commit fails is not acknowledged");
        let expected = match fault {
            Fault::Full => Code::STORE_FULL,
            Fault::Busy => Code::STORE_BUSY,
            Fault::IoLost | Fault::IoStored => Code::STORE_IO,
        };
        assert_eq!(error.code(), expected, "step {}", self.steps);
        match fault {
            Fault::Full | Fault::Busy => {
                assert_eq!(self.view(who), before, "a failed step changed something")
            }
            Fault::IoLost => {
                assert_eq!(self.view(who), before, "a failed step changed something");
                if self.parties[who].in_group {
                    let stopped = self.group(who).encrypt(b"while stopped", b"").unwrap_err().code();
                    assert!([Code::STORE_IO, Code::MLS_PROPOSALS_PENDING].contains(&stopped), "{stopped}");
                }
                self.restart(who);
                assert_eq!(self.view(who), before);
            }
            Fault::IoStored => {
                store.reopen();
                let party = &mut self.parties[who];
                let device =
                    Device::open(Arc::clone(&store) as _, Arc::clone(&party.entropy)).unwrap().unwrap();
                let held = device.groups().unwrap();
                party.group = held.first().map(|id| device.open_group(id).unwrap().unwrap());
                party.in_group = !held.is_empty();
                self.group_id = self.group_id.take().or_else(|| held.first().cloned());
                party.device = Some(device);
                return again(self).map(Ok);
            }
        }
        None
    }

    /// All that can be asked of a member without changing anything.
    fn view(&mut self, who: usize) -> String {
        let packages = self.device(who).key_package_count(T0).unwrap();
        let Some(group) = self.parties[who].group.as_mut().filter(|group| group.is_member()) else {
            return format!("{packages}, no group");
        };
        format!(
            "{packages} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            group.epoch(),
            group.own_leaf().unwrap(),
            group.members().unwrap(),
            group.pending_proposals().unwrap(),
            group.pending_commit().unwrap(),
            group.staged_commit().unwrap(),
            group.epoch_authenticator().unwrap(),
            group.export_secret("label", b"context", 32).unwrap(),
        )
    }

    fn see(&mut self, who: usize, exact: impl std::fmt::Debug, meaning: String) {
        self.meaning.push(format!("{who} {meaning}"));
        let view = self.view(who);
        self.exact.push(format!("{who} {exact:?} {view}"));
    }

    /// A message left a device: its key sealed no other.
    fn sent(&mut self, message: &[u8]) {
        let seal = nonce_ledger::seal_of(message).expect("sealed in this process");
        let other = self.sealed_by.insert(seal.key, message.to_vec());
        assert!(other.is_none_or(|other| other == message), "one key sealed two messages");
    }

    // The steps.

    fn create(&mut self, who: usize) {
        let opened = |world: &mut Self| {
            let id = world.device(who).groups().unwrap().pop()?;
            world.device(who).open_group(&id).unwrap()
        };
        let group = self
            .step(who, |world| world.device(who).create_group(GroupOptions::default(), T0), opened)
            .unwrap();
        self.group_id = Some(group.id().clone());
        self.parties[who].group = Some(group);
        self.parties[who].in_group = true;
        self.see(who, (), "created".to_owned());
    }

    fn key_package(&mut self, who: usize) -> Vec<u8> {
        let options = KeyPackageOptions { lifetime: Some(LONG), ..Default::default() };
        let package = self.step(who, |world| world.device(who).key_package(options, T0), |_| None).unwrap();
        self.see(who, &package, "made a key package".to_owned());
        package
    }

    fn join(&mut self, who: usize, welcome: &[u8]) {
        // A Welcome that is refused costs nothing.
        let mut damaged = welcome.to_vec();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        let packages = self.device(who).key_package_count(T0).unwrap();
        self.device(who).join(&damaged, None, T0).unwrap_err();
        assert_eq!(self.device(who).key_package_count(T0).unwrap(), packages);
        let opened = |world: &mut Self| {
            let id = world.group_id.clone().unwrap();
            world.device(who).open_group(&id).unwrap()
        };
        let group = self.step(who, |world| world.device(who).join(welcome, None, T0), opened).unwrap();
        self.parties[who].group = Some(group);
        self.parties[who].in_group = true;
        self.see(who, (), "joined".to_owned());
    }

    fn send(&mut self, who: usize, text: &str) -> Vec<u8> {
        let beside =
            |sealed: &Vec<u8>, rows: &mut coterie_mls::Rows<'_, '_>| rows.put(b"outbox", sealed.clone());
        let work = |world: &mut Self| world.group(who).encrypt_with(text.as_bytes(), b"header", beside);
        // The outbox holds what a step sealed that nobody heard the end of.
        let sealed = self.step(who, work, |world| world.row(who, b"outbox")).unwrap();
        assert_eq!(self.row(who, b"outbox").as_ref(), Some(&sealed));
        self.sent(&sealed);
        self.see(who, &sealed, format!("says {text}"));
        sealed
    }

    fn row(&mut self, who: usize, key: &[u8]) -> Option<Vec<u8>> {
        match &self.parties[who].disk {
            Disk::Memory(store) => store.get(Space::Application, key).unwrap(),
            Disk::Sql { store, .. } => store.as_ref().unwrap().get(Space::Application, key).unwrap(),
        }
    }

    fn receive(&mut self, who: usize, message: &[u8]) {
        self.take_in(who, message, false);
    }

    fn take_in(&mut self, who: usize, message: &[u8], stage: bool) {
        let beside = |received: &Received, rows: &mut coterie_mls::Rows<'_, '_>| {
            rows.put(b"history", meaning(received).into_bytes())
        };
        let work = |world: &mut Self| {
            let group = world.group(who);
            let received = if stage {
                group.stage_with(message, T0, beside)
            } else {
                group.receive_with(message, T0, beside)
            };
            received.map(|received| (format!("{received:?}"), meaning(&received)))
        };
        let from_history = |world: &mut Self| {
            let history = String::from_utf8(world.row(who, b"history").unwrap()).unwrap();
            Some((String::new(), history))
        };
        let seen = self.step(who, work, from_history);
        if self.parties[who].group.as_ref().is_none_or(|group| !group.is_member()) {
            self.parties[who].in_group = false;
            self.parties[who].group = None;
        }
        match seen {
            Ok((exact, meaning)) => self.see(who, exact, meaning),
            Err(error) => self.see(who, (), error.code().to_string()),
        }
    }

    fn propose(&mut self, who: usize, what: impl Fn(&mut Group) -> Result<Vec<u8>, MlsError>) -> Vec<u8> {
        let forget = |world: &mut Self| {
            world.group(who).clear_proposals().unwrap();
            None
        };
        let proposal = self.step(who, |world| what(world.group(who)), forget).unwrap();
        self.sent(&proposal);
        self.see(who, &proposal, "proposes".to_owned());
        proposal
    }

    fn commit(&mut self, who: usize, changes: Changes<'_>) -> Committed {
        let discard = |world: &mut Self| {
            world.group(who).discard_pending().unwrap();
            None
        };
        let committed = self.step(who, |world| world.group(who).commit(changes, T0), discard).unwrap();
        self.sent(&committed.commit);
        self.see(who, &committed, summary(&committed.summary));
        committed
    }

    fn merge_pending(&mut self, who: usize) {
        let merged = |world: &mut Self| {
            assert_eq!(world.group(who).merge_pending().unwrap_err().code(), Code::MLS_NO_PENDING_COMMIT);
            Some(())
        };
        self.step(who, |world| world.group(who).merge_pending().map(drop), merged).unwrap();
        self.see(who, (), "merged".to_owned());
    }

    fn discard_pending(&mut self, who: usize) {
        self.step(who, |world| world.group(who).discard_pending(), |_| Some(())).unwrap();
        self.see(who, (), "discarded".to_owned());
    }

    fn merge_staged(&mut self, who: usize) {
        self.step(who, |world| world.group(who).merge_staged().map(drop), |_| Some(())).unwrap();
        self.see(who, (), "merged the staged".to_owned());
    }

    fn discard_staged(&mut self, who: usize) {
        self.step(who, |world| world.group(who).discard_staged(), |_| Some(())).unwrap();
        self.see(who, (), "discarded the staged".to_owned());
    }

    fn store_psk(&mut self, who: usize) {
        self.step(who, |world| world.device(who).store_psk(b"name", b"secret"), |_| Some(())).unwrap();
    }

    fn all_agree(&mut self, members: &[usize]) {
        let views: Vec<_> =
            members.iter().map(|&who| self.group(who).epoch_authenticator().unwrap()).collect();
        assert!(views.windows(2).all(|pair| pair[0] == pair[1]), "a fork");
    }

    /// What happens, told once for every kind of trouble.
    fn history(mut self) -> Self {
        self.create(ALICE);
        let (first, spare) = (self.key_package(BOB), self.key_package(BOB));
        let second = self.key_package(CAROL);
        assert_ne!(first, spare);
        let add = self.commit(ALICE, Changes { add: &[first, second], ..Default::default() });
        self.merge_pending(ALICE);
        let welcome = add.welcome.unwrap();
        self.join(BOB, &welcome);
        self.join(CAROL, &welcome);
        self.all_agree(&[ALICE, BOB, CAROL]);

        // Messages in and out of order, one of them held back for a later epoch.
        let hello = self.send(ALICE, "hello");
        self.receive(BOB, &hello);
        self.receive(CAROL, &hello);
        self.receive(CAROL, &hello);
        let [one, two, three] = ["one", "two", "three"].map(|text| self.send(BOB, text));
        self.receive(ALICE, &three);
        self.receive(ALICE, &one);
        self.receive(CAROL, &two);

        // An update by proposal, committed by another, staged by the third.
        let update = self.propose(CAROL, Group::propose_update);
        self.receive(ALICE, &update);
        self.receive(CAROL, &update);
        self.receive(BOB, &update);
        let commit = self.commit(ALICE, Changes::default()).commit;
        self.take_in(BOB, &commit, true);
        self.merge_staged(BOB);
        self.receive(CAROL, &commit);
        self.receive(ALICE, &commit);
        self.all_agree(&[ALICE, BOB, CAROL]);
        self.receive(ALICE, &two);
        self.receive(ALICE, &two);
        self.receive(CAROL, &one);

        // One commit discarded, two that race, one of them staged and dropped by the third.
        let _ = self.commit(BOB, Changes { update: true, ..Default::default() });
        self.discard_pending(BOB);
        let loser = self.commit(BOB, Changes { update: true, ..Default::default() }).commit;
        let winner = self.commit(ALICE, Changes { update: true, ..Default::default() }).commit;
        self.take_in(CAROL, &loser, true);
        self.discard_staged(CAROL);
        self.receive(CAROL, &winner);
        self.receive(BOB, &winner);
        self.receive(ALICE, &winner);
        self.receive(ALICE, &winner);
        self.receive(ALICE, &loser);
        self.all_agree(&[ALICE, BOB, CAROL]);

        // Late messages of past epochs: again none is read twice.
        self.receive(CAROL, &three);
        self.receive(CAROL, &one);

        // One comes and one goes in a commit of proposals.
        let package = self.key_package(DAVE);
        let wish = self.propose(BOB, |group| group.propose_add(&package, T0));
        let removal = self.propose(ALICE, |group| group.propose_remove(LeafIndex::new(2)));
        self.receive(ALICE, &wish);
        self.receive(CAROL, &wish);
        self.receive(BOB, &removal);
        self.receive(CAROL, &removal);
        let change = self.commit(BOB, Changes::default());
        self.receive(CAROL, &change.commit);
        self.receive(ALICE, &change.commit);
        self.merge_pending(BOB);
        self.join(DAVE, &change.welcome.unwrap());
        self.all_agree(&[ALICE, BOB, DAVE]);

        // A pre-shared key, and a new identity with a key of its own.
        [ALICE, BOB, DAVE].into_iter().for_each(|who| self.store_psk(who));
        let psks = [PskId::External(b"name".to_vec()), PskId::Resumption(Epoch::new(4))];
        let mixed = self.commit(DAVE, Changes { psks: &psks[..1], ..Default::default() }).commit;
        [ALICE, BOB, DAVE].into_iter().for_each(|who| self.receive(who, &mixed));
        let mixed = self.commit(ALICE, Changes { psks: &psks[1..], ..Default::default() }).commit;
        [ALICE, BOB, DAVE].into_iter().for_each(|who| self.receive(who, &mixed));
        let renamed = self.commit(BOB, Changes { identity: Some(b"robert"), ..Default::default() }).commit;
        [BOB, ALICE, DAVE].into_iter().for_each(|who| self.receive(who, &renamed));
        let signed = self.send(BOB, "under another name");
        self.receive(ALICE, &signed);
        self.receive(DAVE, &signed);
        self.all_agree(&[ALICE, BOB, DAVE]);

        // Epochs pass until the first are no longer retained.
        let old = self.send(DAVE, "too late");
        for _ in 0..=limits::MAX_PAST_EPOCHS {
            let update = self.commit(DAVE, Changes { update: true, ..Default::default() }).commit;
            [ALICE, BOB, DAVE].into_iter().for_each(|who| self.receive(who, &update));
        }
        self.receive(ALICE, &old);

        // One leaves, and the rest go on.
        let leave = self.propose(DAVE, Group::propose_leave);
        self.receive(ALICE, &leave);
        self.receive(BOB, &leave);
        let left = self.commit(ALICE, Changes::default()).commit;
        [ALICE, BOB, DAVE].into_iter().for_each(|who| self.receive(who, &left));
        let bye = self.send(ALICE, "bye");
        self.receive(BOB, &bye);
        self.all_agree(&[ALICE, BOB]);
        self
    }
}

fn identities(members: &[coterie_mls::Member]) -> Vec<String> {
    members.iter().map(|member| String::from_utf8_lossy(&member.identity).into_owned()).collect()
}

fn summary(commit: &CommitSummary) -> String {
    format!(
        "a commit: adds {:?}, removes {:?}, updates {:?}, out {}",
        identities(&commit.added),
        identities(&commit.removed),
        identities(&commit.updated),
        commit.removes_self
    )
}

fn meaning(received: &Received) -> String {
    match received {
        Received::Message { sender, epoch, plaintext, associated_data } => {
            format!(
                "hears {:?} {epoch:?} {plaintext:?} {associated_data:?}",
                identities(std::slice::from_ref(sender))
            )
        }
        Received::Proposal { proposal, .. } => match proposal {
            ProposalSummary::Add { identity, .. } => format!("a proposal to add {identity:?}"),
            other => format!("a proposal {:?}", std::mem::discriminant(other)),
        },
        Received::Commit { commit, superseded_own } => format!("{} {superseded_own}", summary(commit)),
        Received::Staged(commit) => format!("staged {}", summary(commit)),
        Received::OwnEcho => "an echo".to_owned(),
    }
}

fn assert_same<T: PartialEq + std::fmt::Debug>(what: impl std::fmt::Debug, twin: &[T], other: &[T]) {
    for (index, (twin, other)) in twin.iter().zip(other).enumerate() {
        assert_eq!(twin, other, "{what:?}: entry {index} differs from the uninterrupted twin's");
    }
    assert_eq!(twin.len(), other.len());
}

#[test]
fn a_history_with_restarts_between_all_steps_is_byte_for_byte_that_of_its_uninterrupted_twin() {
    let seed = Seed::new(100);
    let twin = World::new(seed, Trouble::None, Disk::memory).history();
    let torn = World::new(seed, Trouble::RestartAlways, Disk::memory).history();
    assert_same("restarts", &twin.exact, &torn.exact);
    println!("{} steps, {} messages sealed", twin.steps, twin.sealed_by.len());
}

#[test]
fn the_same_on_disk() {
    let seed = Seed::new(101);
    let twin = World::new(seed, Trouble::None, Disk::memory).history();
    let whole = World::new(seed, Trouble::None, Disk::sql).history();
    assert_same("a store on disk", &twin.exact, &whole.exact);
    let torn = World::new(seed, Trouble::RestartAlways, Disk::sql).history();
    assert_same("a store on disk and restarts", &twin.exact, &torn.exact);
}

#[test]
fn one_restart_anywhere_changes_nothing() {
    let seed = Seed::new(102);
    let twin = World::new(seed, Trouble::None, Disk::memory).history();
    for step in 0..twin.steps {
        let torn = World::new(seed, Trouble::RestartBefore(step), Disk::memory).history();
        assert_same(step, &twin.exact, &torn.exact);
    }
}

#[test]
fn a_failing_commit_anywhere_leaves_the_group_as_it_was_and_trying_again_succeeds() {
    let twin = World::new(Seed::new(103), Trouble::None, Disk::memory).history();
    let mut failed = 0;
    for fault in Fault::ALL {
        // To the engine a file that is busy is a disk that is full: a sample will do.
        let stride = if fault == Fault::Busy { 10 } else { 1 };
        for step in (0..twin.steps).step_by(stride) {
            let trouble = Trouble::Fail(step, fault);
            // A seed of its own for each: trying again draws other randomness.
            let seed = Seed::quiet(1_000 * (fault as u64 + 1) + step as u64);
            let world = World::new(seed, trouble, Disk::memory).history();
            assert_same(trouble, &twin.meaning, &world.meaning);
            failed += world
                .parties
                .iter()
                .map(|party| match &party.disk {
                    Disk::Memory(store) => store.failed(),
                    Disk::Sql { .. } => 0,
                })
                .sum::<usize>();
        }
    }
    println!("{failed} commits failed over {} steps and {} faults", twin.steps, Fault::ALL.len());
    assert!(failed > 2 * twin.steps);
    assert_eq!(nonce_ledger::repeated_pairs(), 0);
}

#[test]
fn a_step_is_one_commit_and_one_of_many_messages_too() {
    let mut world = World::new(Seed::new(104), Trouble::None, Disk::memory);
    world.create(ALICE);
    let package = world.key_package(BOB);
    let add = world.commit(ALICE, Changes { add: &[package], ..Default::default() });
    world.merge_pending(ALICE);
    world.join(BOB, &add.welcome.unwrap());
    let commits = |world: &World, who: usize| match &world.parties[who].disk {
        Disk::Memory(store) => store.commits(),
        Disk::Sql { .. } => 0,
    };
    let (alice, bob) = (commits(&world, ALICE), commits(&world, BOB));
    let texts: Vec<String> = (0..64).map(|number| format!("message {number}")).collect();
    let sealed = world.group(ALICE).encrypt_all(&texts, b"").unwrap();
    assert_eq!(commits(&world, ALICE), alice + 1);

    let mut mixed = sealed.clone();
    mixed.insert(10, b"garbage".to_vec());
    let mut seen = Vec::new();
    let received = world
        .group(BOB)
        .receive_all_with(&mixed, T0, |index, received, rows| {
            seen.push(received.is_ok());
            rows.put(b"cursor", vec![u8::try_from(index).unwrap()])
        })
        .unwrap();
    assert_eq!(commits(&world, BOB), bob + 1);
    assert_eq!(received.iter().filter(|received| received.is_ok()).count(), 64);
    assert_eq!(seen.iter().filter(|accepted| !**accepted).count(), 1);
    assert_eq!(world.row(BOB, b"cursor"), Some(vec![64]));
    world.restart(BOB);
    assert_eq!(world.group(BOB).receive(&sealed[63], T0).unwrap_err().code(), Code::MLS_ALREADY_PROCESSED);
}

#[test]
fn rows_that_cannot_be_written_undo_the_step_they_were_written_in() {
    let mut world = World::new(Seed::new(105), Trouble::None, Disk::memory);
    world.create(ALICE);
    let package = world.key_package(BOB);
    let add = world.commit(ALICE, Changes { add: &[package], ..Default::default() });
    world.merge_pending(ALICE);
    world.join(BOB, &add.welcome.unwrap());
    let sealed = world.send(ALICE, "keep me");
    let refused = world.group(BOB).receive_with(&sealed, T0, |_, rows| {
        rows.put(b"history", b"half of it".to_vec())?;
        rows.put(b"", Vec::new())
    });
    assert_eq!(refused.unwrap_err().code(), Code::INVALID_ARGUMENT);
    assert_eq!(world.row(BOB, b"history"), None);
    let received = world.group(BOB).receive_with(&sealed, T0, |_, rows| {
        rows.put(b"history", b"all of it".to_vec())?;
        assert_eq!(rows.get(b"history")?, Some(b"all of it".to_vec()));
        assert_eq!(rows.scan_after(b"hi", b"", 9)?.len(), 1);
        Ok(())
    });
    assert!(matches!(received, Ok(Received::Message { .. })));
    assert_eq!(world.row(BOB, b"history"), Some(b"all of it".to_vec()));
}

#[test]
fn a_device_knows_its_groups_and_forgets_one_with_every_row_of_it() {
    let mut world = World::new(Seed::new(106), Trouble::None, Disk::memory);
    let device = world.device(ALICE);
    let mut ids = Vec::new();
    for length in [1, 2, 63, 64, 128, 255] {
        let id = GroupId::new(&vec![0xff; length]).unwrap();
        let options = GroupOptions { id: Some(id.clone()), suite: None };
        let mut group = device.create_group(options, T0).unwrap();
        group.encrypt(b"a first ratchet", b"").unwrap();
        group.commit(Changes { identity: Some(b"other"), ..Default::default() }, T0).unwrap();
        group.merge_pending().unwrap();
        ids.push(id);
    }
    let mut held = device.groups().unwrap();
    held.sort();
    let mut expected = ids.clone();
    expected.sort();
    assert_eq!(held, expected);
    for (gone, id) in ids.iter().enumerate() {
        assert!(device.forget_group(id).unwrap());
        assert!(!device.forget_group(id).unwrap());
        assert!(device.open_group(id).unwrap().is_none());
        assert_eq!(device.groups().unwrap().len(), ids.len() - gone - 1);
    }
    let Disk::Memory(store) = &world.parties[ALICE].disk else { panic!("memory") };
    for space in [Space::Group, Space::EncryptionKey] {
        assert_eq!(store.scan(space, b"", 10).unwrap(), [], "{space:?} still holds something");
    }
    assert_eq!(store.scan(Space::Device, b"", 10).unwrap().len(), 1, "the device's own row alone");
    world.restart(ALICE);
}

#[test]
fn a_removed_member_and_one_that_comes_back_leave_no_rows_of_the_past_behind() {
    let world = World::new(Seed::new(107), Trouble::None, Disk::memory).history();
    for who in [CAROL, DAVE] {
        let Disk::Memory(store) = &world.parties[who].disk else { panic!("memory") };
        assert_eq!(store.scan(Space::Group, b"", 10).unwrap(), []);
        assert_eq!(store.scan(Space::EncryptionKey, b"", 10).unwrap(), []);
        assert!(world.device(who).groups().unwrap().is_empty());
    }
}

#[test]
fn key_packages_are_counted_replenished_and_forgotten_when_no_welcome_can_be_under_way() {
    let mut world = World::new(Seed::new(108), Trouble::None, Disk::memory);
    let device = world.device(ALICE);
    let suite = Suite::X25519Aes128;
    let days = Duration::from_days;
    let empty = device.key_package_stock(suite, T0).unwrap();
    assert_eq!((empty.wanted(), empty.wants_last_resort()), (limits::KEY_PACKAGES_WANTED, true));
    let options = |lifetime| KeyPackageOptions { lifetime: Some(days(lifetime)), ..Default::default() };
    device.key_packages(empty.wanted(), options(84), T0).unwrap();
    device.key_packages(3, options(20), T0).unwrap();
    let last_resort = KeyPackageOptions { last_resort: true, ..options(84) };
    device.key_package(last_resort, T0).unwrap();
    device.key_package(KeyPackageOptions { suite: Some(Suite::P256Aes128), ..options(84) }, T0).unwrap();

    world.restart(ALICE);
    let device = world.device(ALICE);
    let stock = device.key_package_stock(suite, T0 + days(7)).unwrap();
    assert_eq!((stock.usable, stock.ending, stock.last_resort, stock.expired), (50, 3, 1, 0));
    assert_eq!((stock.wanted(), stock.wants_last_resort()), (0, false));
    assert_eq!(device.key_package_count(T0).unwrap(), 55);
    assert_eq!(device.key_package_stock(suite, T0 + days(30)).unwrap().expired, 3);
    assert_eq!(device.key_package_stock(suite, T0 + days(75)).unwrap().wanted(), 50);
    assert_eq!(device.forget_expired_key_packages(T0 + days(49)).unwrap(), 0);
    assert_eq!(device.forget_expired_key_packages(T0 + days(51)).unwrap(), 3);
    assert_eq!(device.key_package_count(T0).unwrap(), 52);
}
