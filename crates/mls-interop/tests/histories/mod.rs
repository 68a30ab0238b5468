//! Random histories of one group whose members are half ours and half of mls-rs: another MLS, over RustCrypto where
//! ours stands on aws-lc.
//!
//! What happens follows from the seed; the key material of mls-rs does not, as it takes its randomness from the
//! system. After every step all members must have one epoch authenticator.

mod ours;
mod theirs;

use coterie_testkit::Seed;
use rand::seq::{IndexedRandom, IteratorRandom, SliceRandom};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha20Rng;

/// Why a history did not hold.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Members of a group at most.
const MEMBERS: usize = 20;
/// Operations of a history.
const OPERATIONS: usize = 50;

/// What everybody holds under these names: the name itself.
pub(crate) const PSKS: [&[u8]; 3] = [b"the first key", b"the second key", b"the third key"];

/// The suites that every history is run with.
pub(crate) const SUITES: [u16; 2] = [1, 3];

/// Somebody who has published a key package.
pub(crate) trait Joiner {
    fn key_package(&self) -> &[u8];
    fn join(self: Box<Self>, welcome: &[u8]) -> Result<Box<dyn Member>, Failure>;
    /// Joins by a commit of its own, which is for everybody else.
    fn join_externally(self: Box<Self>, group_info: &[u8]) -> Result<(Box<dyn Member>, Vec<u8>), Failure>;
}

/// One member's view of the group, whichever stack it stands on.
pub(crate) trait Member {
    /// Commits what is given and whatever proposals wait; a path where there is nothing.
    fn commit(&mut self, changes: &Changes<'_>) -> Result<Commit, Failure>;
    fn merge(&mut self) -> Result<(), Failure>;
    fn propose(&mut self, what: Proposal<'_>) -> Result<Vec<u8>, Failure>;
    /// What somebody outside needs to join, the tree included.
    fn group_info(&mut self) -> Result<Vec<u8>, Failure>;
    fn seal(&mut self, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, Failure>;
    /// Takes in any message; an application message's plaintext and associated data come out.
    fn receive(&mut self, message: &[u8]) -> Result<Option<Opened>, Failure>;
    fn authenticator(&mut self) -> Result<Vec<u8>, Failure>;
    fn epoch(&self) -> u64;
}

pub(crate) struct Commit {
    pub(crate) message: Vec<u8>,
    pub(crate) welcome: Option<Vec<u8>>,
}

/// What a commit carries itself.
#[derive(Default)]
pub(crate) struct Changes<'a> {
    pub(crate) add: Vec<&'a [u8]>,
    pub(crate) remove: Vec<&'a str>,
    pub(crate) psks: Vec<Psk>,
}

/// A pre-shared key: one of [`PSKS`] by its number, or the resumption secret of an epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Psk {
    External(usize),
    Resumption(u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Proposal<'a> {
    Add(&'a [u8]),
    Remove(&'a str),
    Update,
    PreSharedKey(Psk),
}

/// What came out of an application message.
#[derive(Eq, PartialEq)]
pub(crate) struct Opened {
    pub(crate) plaintext: Vec<u8>,
    pub(crate) associated_data: Vec<u8>,
}

/// An application message on its way.
struct Sealed {
    sender: usize,
    message: Vec<u8>,
    plaintext: Vec<u8>,
}

/// One group, seen by everybody in it.
struct History {
    rng: ChaCha20Rng,
    seed: Seed,
    suite: u16,
    encrypt: bool,
    made: u32,
    members: Vec<(String, Box<dyn Member>)>,
}

/// Runs one history; an error says where it came apart.
pub(crate) fn run(seed: Seed, suite: u16) -> Result<(), Failure> {
    let mut history = History::new(seed, suite);
    let size = if history.rng.random() { MEMBERS } else { history.rng.random_range(2..=MEMBERS) };
    history.found(size).map_err(|error| format!("founding a group of {size}: {error}"))?;
    for index in 0..OPERATIONS {
        let operation = history.choose();
        let outcome = history.perform(operation);
        outcome.map_err(|error| {
            format!("operation {index}, {operation:?} among {}: {error}", history.members.len())
        })?;
    }
    Ok(())
}

/// The left half of a tree is emptied, so that no path has a node at the root, and everybody who is left updates.
#[allow(dead_code, reason = "not every program that has histories runs it")]
pub(crate) fn run_in_half_a_tree(seed: Seed, suite: u16) -> Result<(), Failure> {
    let mut history = History::new(seed, suite);
    history.found(8)?;
    history.change(7, vec![], &["member-1", "member-2", "member-3", "member-4"])?;
    (0..4).try_for_each(|committer| history.change(committer, vec![], &[]))
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Add,
    Remove,
    /// Both in one commit, with proposals of others for the rest.
    Replace,
    UpdateByCommit,
    UpdateByProposal,
    AddByProposal,
    RemoveByProposal,
    /// Several at once, some proposed by others and some the committer's own.
    PreSharedKeys,
    /// Somebody comes in by a commit of its own.
    ExternalJoin,
    Messages,
    /// Messages that cross a commit on their way.
    LateMessages,
}

impl History {
    fn new(seed: Seed, suite: u16) -> Self {
        let mut rng = seed.rng(u64::from(suite));
        let encrypt = rng.random();
        Self { rng, seed, suite, encrypt, made: 0, members: Vec::new() }
    }

    /// Every other member is ours, and so is every other founder.
    fn joiner(&mut self) -> Result<(String, Box<dyn Joiner>), Failure> {
        self.made += 1;
        let name = format!("member-{}", self.made);
        let joiner: Box<dyn Joiner> = match self.is_ours() {
            true => Box::new(ours::Newcomer::new(&name, self.suite, self.encrypt, self.seed, self.made)?),
            false => theirs::newcomer(&name, self.suite, self.encrypt)?,
        };
        Ok((name, joiner))
    }

    fn is_ours(&self) -> bool {
        (u64::from(self.made) + self.seed.number()).is_multiple_of(2)
    }

    fn found(&mut self, size: usize) -> Result<(), Failure> {
        self.made += 1;
        let name = format!("member-{}", self.made);
        let founder: Box<dyn Member> = match self.is_ours() {
            true => ours::found(&name, self.suite, self.encrypt, self.seed)?,
            false => theirs::found(&name, self.suite, self.encrypt)?,
        };
        self.members.push((name, founder));
        let joiners = (1..size).map(|_| self.joiner()).collect::<Result<Vec<_>, _>>()?;
        self.change(0, joiners, &[])
    }

    fn choose(&mut self) -> Operation {
        use Operation::*;
        let mut all = vec![UpdateByCommit, UpdateByProposal, PreSharedKeys, Replace, Messages, LateMessages];
        if self.members.len() > 2 {
            all.extend([Remove, RemoveByProposal]);
        }
        if self.members.len() < MEMBERS {
            all.extend([Add, AddByProposal, ExternalJoin]);
        }
        all.choose(&mut self.rng).copied().unwrap_or(Messages)
    }

    fn perform(&mut self, operation: Operation) -> Result<(), Failure> {
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.shuffle(&mut self.rng);
        let [committer, other, rest @ ..] = &order[..] else { return Err("fewer than two members".into()) };
        let (committer, other) = (*committer, *other);
        let name = self.members[other].0.clone();
        match operation {
            Operation::Add => {
                let joiner = self.joiner()?;
                self.change(committer, vec![joiner], &[])
            }
            Operation::Remove => self.change(committer, vec![], &[&name]),
            Operation::UpdateByCommit => self.change(committer, vec![], &[]),
            Operation::Replace => {
                for proposer in rest.iter().take(3) {
                    self.propose(*proposer, Proposal::Update)?;
                }
                let joiner = self.joiner()?;
                self.change(committer, vec![joiner], &[&name])
            }
            Operation::UpdateByProposal => {
                self.propose(other, Proposal::Update)?;
                self.change(committer, vec![], &[])
            }
            Operation::AddByProposal => {
                let (name, joiner) = self.joiner()?;
                self.propose(other, Proposal::Add(joiner.key_package()))?;
                self.commit(committer, &Changes::default(), &[], vec![(name, joiner)])
            }
            Operation::RemoveByProposal => {
                let Some(gone) = rest.first().map(|index| self.members[*index].0.clone()) else {
                    return self.change(committer, vec![], &[]);
                };
                self.propose(other, Proposal::Remove(&gone))?;
                self.commit(committer, &Changes::default(), &[&gone], vec![])
            }
            Operation::PreSharedKeys => {
                let mut keys = vec![Psk::External(0), Psk::External(1), Psk::External(2)];
                keys.push(Psk::Resumption(self.members[committer].1.epoch()));
                keys.shuffle(&mut self.rng);
                let proposed = self.rng.random_range(0..keys.len());
                for (index, key) in keys.drain(..proposed).enumerate() {
                    let proposer = order[index % order.len()];
                    self.propose(proposer, Proposal::PreSharedKey(key))?;
                }
                let changes = Changes { psks: keys, ..Changes::default() };
                self.commit(committer, &changes, &[], vec![])
            }
            Operation::ExternalJoin => self.join_externally(other),
            Operation::Messages => {
                let senders = (0..self.members.len()).sample(&mut self.rng, 2);
                let sealed = self.seal(&senders)?;
                self.read(sealed)
            }
            Operation::LateMessages => {
                let sealed = self.seal(&[other, committer])?;
                self.change(committer, vec![], &[])?;
                self.read(sealed)
            }
        }
    }

    fn propose(&mut self, proposer: usize, what: Proposal<'_>) -> Result<(), Failure> {
        let message = self.members[proposer].1.propose(what)?;
        for (index, (name, member)) in self.members.iter_mut().enumerate() {
            if index != proposer {
                member.receive(&message).map_err(|error| format!("{name} takes {what:?} in: {error}"))?;
            }
        }
        Ok(())
    }

    /// A commit whose additions and removals it carries itself.
    fn change(
        &mut self,
        committer: usize,
        joiners: Vec<(String, Box<dyn Joiner>)>,
        remove: &[&str],
    ) -> Result<(), Failure> {
        let packages: Vec<Vec<u8>> =
            joiners.iter().map(|(_, joiner)| joiner.key_package().to_vec()).collect();
        let add = packages.iter().map(Vec::as_slice).collect();
        let changes = Changes { add, remove: remove.to_vec(), ..Changes::default() };
        self.commit(committer, &changes, remove, joiners)
    }

    /// A commit of `changes` and what was proposed before, which removes `gone` and lets `joiners` in.
    fn commit(
        &mut self,
        committer: usize,
        changes: &Changes<'_>,
        gone: &[&str],
        joiners: Vec<(String, Box<dyn Joiner>)>,
    ) -> Result<(), Failure> {
        let (name, member) = &mut self.members[committer];
        let commit = member.commit(changes).map_err(|error| format!("{name} commits: {error}"))?;
        self.deliver(committer, &commit, gone, joiners)
    }

    fn deliver(
        &mut self,
        committer: usize,
        commit: &Commit,
        gone: &[&str],
        joiners: Vec<(String, Box<dyn Joiner>)>,
    ) -> Result<(), Failure> {
        for (index, (name, member)) in self.members.iter_mut().enumerate() {
            let done = match index == committer {
                true => member.merge(),
                false => member.receive(&commit.message).map(|_| ()),
            };
            done.map_err(|error| format!("{name} takes the commit in: {error}"))?;
        }
        self.members.retain(|(name, _)| !gone.contains(&name.as_str()));
        for (name, joiner) in joiners {
            let welcome = commit.welcome.as_deref().ok_or("there is no Welcome")?;
            let joined = joiner.join(welcome).map_err(|error| format!("{name} joins: {error}"))?;
            self.members.push((name, joined));
        }
        self.agree()
    }

    fn join_externally(&mut self, host: usize) -> Result<(), Failure> {
        let info = self.members[host].1.group_info()?;
        let (name, joiner) = self.joiner()?;
        let joined = joiner.join_externally(&info);
        let (joined, commit) = joined.map_err(|error| format!("{name} joins externally: {error}"))?;
        for (name, member) in &mut self.members {
            member.receive(&commit).map_err(|error| format!("{name} takes the joiner in: {error}"))?;
        }
        self.members.push((name, joined));
        self.agree()
    }

    /// Two messages of each sender, the second first.
    fn seal(&mut self, senders: &[usize]) -> Result<Vec<Sealed>, Failure> {
        let mut all = Vec::new();
        for sender in senders.iter().flat_map(|sender| [*sender; 2]) {
            let mut plaintext = vec![0; self.rng.random_range(0..200)];
            self.rng.fill_bytes(&mut plaintext);
            let message = self.members[sender].1.seal(&plaintext, b"header")?;
            all.push(Sealed { sender, message, plaintext });
        }
        all.reverse();
        Ok(all)
    }

    fn read(&mut self, all: Vec<Sealed>) -> Result<(), Failure> {
        for Sealed { sender, message, plaintext } in all {
            let expected = Some(Opened { plaintext, associated_data: b"header".to_vec() });
            for (index, (name, member)) in self.members.iter_mut().enumerate() {
                if index == sender {
                    continue;
                }
                let opened = member.receive(&message).map_err(|error| format!("{name} reads: {error}"))?;
                if opened != expected {
                    return Err(format!("{name} reads something else").into());
                }
            }
        }
        self.agree()
    }

    fn agree(&mut self) -> Result<(), Failure> {
        let mut all = self.members.iter_mut();
        let (_, first) = all.next().ok_or("nobody is left")?;
        let expected = first.authenticator()?;
        for (name, member) in all {
            if member.authenticator()? != expected {
                return Err(format!("{name} is in another epoch").into());
            }
        }
        Ok(())
    }
}
