//! The one who is killed: four members and a delivery service, each with a store of its own, in one process.
//!
//! Each member works as a client does. What it seals goes into an outbox in the same step, from there to the service
//! under a number of its own, so that sending again is harmless; what it receives goes into its history in the same
//! step as its cursor. The service keeps one log and accepts a commit for the log's current epoch only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use coterie_crypto::entropy::OsEntropy;
use coterie_crypto::hash::{HashAlgorithm, digest};
use coterie_crypto::nonce_ledger;
use coterie_mls::{
    Changes, Device, DeviceOptions, Group, GroupOptions, KeyPackageOptions, MlsError, Received, Rows, Suite,
};
use coterie_store::{Key, Options, Rekey, Space, SqlStore, Step, Store, StoreError};
use coterie_types::{Code, Duration, Epoch, ErrorCode, Timestamp};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{Part, scenarios};

pub(super) const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Who comes and goes; the others stay.
pub(super) const GUEST: usize = 3;

/// Whoever holds a lock here holds it for long.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(20);

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const LONG: Duration = Duration::from_days(36_500);

/// One member.
pub(super) struct Member {
    index: usize,
    pub(super) store: Arc<SqlStore>,
    pub(super) device: Device,
    pub(super) group: Option<Group>,
}

/// The whole scene.
pub(super) struct World {
    service: Arc<SqlStore>,
    members: Vec<Member>,
    rng: SmallRng,
}

/// What stands in the service's log, and before that in an outbox.
pub(super) struct Entry {
    pub(super) sender: usize,
    pub(super) number: u64,
    /// The epoch it was sealed in.
    pub(super) epoch: u64,
    pub(super) kind: Kind,
    /// What sealed it; zero where nothing did.
    pub(super) key: [u8; 32],
    pub(super) message: Vec<u8>,
    /// For the newcomer that a commit adds.
    pub(super) welcome: Option<Vec<u8>>,
}

/// What the service keeps of every entry that it was ever given.
#[derive(Deserialize, Serialize)]
pub(super) struct Mark {
    /// Whether it went into the log.
    pub(super) fits: bool,
    /// Where it stands there.
    pub(super) position: u64,
    pub(super) epoch: u64,
    key: [u8; 32],
    digest: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Kind {
    Message,
    Proposal,
    Commit,
}

/// Epochs that a message may be late by; members keep a few more.
const LATE: u64 = 3;

/// Lives one life.
pub(super) fn run(folder: &Path, seed: u64, part: &Part) -> anyhow::Result<()> {
    match part {
        Part::Act { actions } => {
            let mut world = World::open(folder, seed)?;
            world.recover()?;
            (0..*actions).try_for_each(|_| world.act())
        }
        Part::Talk { count } => {
            let mut world = World::open(folder, seed)?;
            world.recover()?;
            world.talk(*count)
        }
        Part::Check => World::open(folder, seed)?.check(),
        Part::Play { scenario } => scenarios::play(folder, seed, scenario),
        Part::Suffer { scenario } => scenarios::suffer(folder, seed, scenario),
        Part::Intrude => {
            let first = NAMES.first().copied().unwrap_or_default();
            let refusal = open_store(folder, first).err().and_then(|error| scenarios::code(&error));
            ensure!(refusal == Some(Code::STORE_LOCKED), "a second process was answered {refusal:?}");
            Ok(())
        }
    }
}

pub(super) fn open_store(folder: &Path, name: &str) -> anyhow::Result<Arc<SqlStore>> {
    let path = folder.join(format!("{name}.db"));
    let options = Options { idle_checkpoint: None, busy_timeout: BUSY_TIMEOUT, ..Options::default() };
    for key in keys() {
        match SqlStore::open(&path, &key, &OsEntropy, &options) {
            Ok(store) => {
                store.verify().with_context(|| format!("{name}'s store"))?;
                return Ok(Arc::new(store));
            }
            Err(StoreError::WrongKey) => {}
            Err(error) => return Err(error).with_context(|| format!("{name}'s store")),
        }
    }
    bail!("neither key opens {name}'s store")
}

pub(super) fn keys() -> [Key; 2] {
    [Key::raw(&[1; 32]), Key::raw(&[2; 32])]
}

pub(super) fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("ok {line} .\n").as_bytes())?;
    Ok(out.flush()?)
}

pub(super) fn number_row(store: &SqlStore, key: &[u8]) -> anyhow::Result<u64> {
    let row = store.get(Space::Application, key)?;
    row.map_or(Ok(0), |row| Ok(u64::from_be_bytes(row.as_slice().try_into()?)))
}

pub(super) fn numbered(name: &str, number: u64) -> Vec<u8> {
    [name.as_bytes(), &number.to_be_bytes()].concat()
}

impl Entry {
    fn encode(&self) -> anyhow::Result<Vec<u8>> {
        let fields =
            (self.sender, self.number, self.epoch, self.kind, self.key, &self.message, &self.welcome);
        Ok(serde_json::to_vec(&fields)?)
    }

    fn decode(bytes: &[u8]) -> anyhow::Result<Self> {
        let (sender, number, epoch, kind, key, message, welcome) = serde_json::from_slice(bytes)?;
        Ok(Self { sender, number, epoch, kind, key, message, welcome })
    }
}

fn mark_name(sender: usize, number: u64) -> Vec<u8> {
    [b"have/", &sender.to_be_bytes()[..], &number.to_be_bytes()[..]].concat()
}

/// Puts what was sealed into the outbox, under the member's next number.
fn post(
    rows: &mut Rows<'_, '_>,
    sender: usize,
    message: &[u8],
    (epoch, kind): (u64, Kind),
    welcome: Option<Vec<u8>>,
) -> Result<Posted, StoreError> {
    let internal = StoreError::Internal("the outbox");
    let next = rows.get(b"next")?.and_then(|row| row.try_into().ok()).map_or(0, u64::from_be_bytes);
    let key = nonce_ledger::seal_of(message).ok_or_else(|| internal.clone())?.key;
    let entry = Entry { sender, number: next, epoch, kind, key, message: message.to_vec(), welcome };
    rows.put(&numbered("outbox/", next), entry.encode().map_err(|_| internal)?)?;
    rows.put(b"next", next.saturating_add(1).to_be_bytes().to_vec())?;
    Ok((next, key))
}

/// What went into an outbox: its number, and what sealed it.
type Posted = (u64, [u8; 32]);

fn sent(who: usize, number: u64, key: &[u8; 32]) -> String {
    let key: String = key.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("sent {who} {number} {key}")
}

impl World {
    pub(super) fn open(folder: &Path, seed: u64) -> anyhow::Result<Self> {
        let service = open_store(folder, "service")?;
        let members = NAMES.iter().enumerate().map(|(index, name)| {
            let store = open_store(folder, name)?;
            let shared: Arc<dyn Store> = Arc::clone(&store) as _;
            let device = match Device::open(Arc::clone(&shared), Arc::new(OsEntropy))? {
                Some(device) => device,
                None => {
                    let options =
                        DeviceOptions { identity: name.as_bytes().to_vec(), suite: Suite::X25519Aes128 };
                    Device::create(options, shared, Arc::new(OsEntropy))?
                }
            };
            let group = match device.groups()?.pop() {
                Some(id) => Some(device.open_group(&id)?.context("a listed group opens")?),
                None => None,
            };
            anyhow::Ok(Member { index, store, device, group })
        });
        let members = members.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { service, members, rng: SmallRng::seed_from_u64(seed) })
    }

    pub(super) fn member(&mut self, who: usize) -> anyhow::Result<&mut Member> {
        self.members.get_mut(who).context("a member")
    }

    /// Brings everybody up to date, and the group into being where it is not there yet.
    pub(super) fn recover(&mut self) -> anyhow::Result<()> {
        let founder = self.member(0)?;
        if founder.group.is_none() {
            founder.group = Some(founder.device.create_group(GroupOptions::default(), NOW)?);
        }
        self.finish_rejoin()?;
        self.settle()?;
        for who in 1..GUEST {
            if !self.is_invited(who)? {
                self.invite(who)?;
                self.settle()?;
            }
        }
        Ok(())
    }

    /// Whether a Welcome for `who` is in the log or will be.
    pub(super) fn is_invited(&mut self, who: usize) -> anyhow::Result<bool> {
        let name = NAMES.get(who).context("a name")?;
        let members = self.member(0)?.group.as_mut().context("the founder's group")?.members()?;
        Ok(members.iter().any(|member| member.identity == name.as_bytes()))
    }

    /// Everybody sends what waits and takes in what is new, until nothing is left.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        loop {
            let before = number_row(&self.service, b"length")?;
            for who in 0..NAMES.len() {
                self.send_outbox(who)?;
                self.catch_up(who, 64)?;
            }
            let everybody = (0..NAMES.len()).try_fold(true, |all, who| {
                let member = self.members.get(who).context("a member")?;
                let at_end = member.group.is_none() || number_row(&member.store, b"cursor")? == before;
                anyhow::Ok(all && at_end)
            })?;
            if everybody && number_row(&self.service, b"length")? == before {
                return Ok(());
            }
        }
    }

    /// One thing that somebody does.
    fn act(&mut self) -> anyhow::Result<()> {
        let who = self.rng.random_range(0..NAMES.len());
        match self.rng.random_range(0..20) {
            0..8 => self.say_something(who, 1),
            8 | 9 => self.say_something(who, 12),
            10 | 11 => self.send_outbox(who),
            12..15 => self.catch_up(who, 1),
            15 => self.catch_up(who, 64),
            16 => self.update(who),
            17 => self.propose(who),
            18 => self.guest(),
            _ => self.housekeeping(who),
        }
    }

    pub(super) fn say_something(&mut self, who: usize, count: usize) -> anyhow::Result<()> {
        let texts: Vec<[u8; 8]> = (0..count).map(|_| self.rng.random()).collect();
        let member = self.member(who)?;
        let index = member.index;
        let Some(group) = &mut member.group else { return Ok(()) };
        let epoch = group.epoch().number();
        let mut numbers = Vec::new();
        let sealed = group.encrypt_all_with(&texts, b"", |sealed, rows| {
            sealed.iter().try_for_each(|message| {
                numbers.push(post(rows, index, message, (epoch, Kind::Message), None)?);
                Ok(())
            })
        });
        match sealed {
            Ok(_) => numbers.iter().try_for_each(|(number, key)| say(&sent(who, *number, key))),
            Err(error) if error.code() == Code::MLS_PROPOSALS_PENDING => self.update(who),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn update(&mut self, who: usize) -> anyhow::Result<()> {
        self.commit(who, &Changes { update: true, ..Default::default() })
    }

    fn commit(&mut self, who: usize, changes: &Changes<'_>) -> anyhow::Result<()> {
        let member = self.member(who)?;
        let index = member.index;
        let Some(group) = &mut member.group else { return Ok(()) };
        let epoch = group.epoch().number();
        let mut posted = (0, [0; 32]);
        let committed = group.commit_with(*changes, NOW, |committed, rows| {
            posted = post(rows, index, &committed.commit, (epoch, Kind::Commit), committed.welcome.clone())?;
            Ok(())
        });
        match committed {
            Ok(_) => say(&sent(who, posted.0, &posted.1)),
            Err(MlsError::CommitPending | MlsError::NothingToCommit) => Ok(()),
            // The others' proposals do not go together with what was wanted, which can wait.
            Err(MlsError::InvalidProposal { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn propose(&mut self, who: usize) -> anyhow::Result<()> {
        let member = self.member(who)?;
        let Some(group) = &mut member.group else { return Ok(()) };
        if group.pending_commit()?.is_some() || !group.pending_proposals()?.is_empty() {
            return Ok(());
        }
        // Has no form with rows of its own: lost where the process dies before it is sent, and then forgotten.
        let message = group.propose_update()?;
        let key = nonce_ledger::seal_of(&message).context("sealed here")?.key;
        let epoch = group.epoch().number();
        let number = u64::MAX.saturating_sub(self.rng.random_range(0..u64::from(u32::MAX)));
        let entry = Entry { sender: who, number, epoch, kind: Kind::Proposal, key, message, welcome: None };
        if !self.accept(&entry)? {
            self.member(who)?.group.as_mut().context("a group")?.clear_proposals()?;
        }
        Ok(())
    }

    /// The guest is let in or sent away by somebody who stays.
    pub(super) fn guest(&mut self) -> anyhow::Result<()> {
        if self.is_invited(GUEST)? {
            let host = self.member(0)?.group.as_mut().context("a group")?;
            let members = host.members()?;
            let guest = members.iter().find(|member| member.identity == b"dave").context("the guest")?;
            let leaf = [guest.leaf];
            return self.commit(0, &Changes { remove: &leaf, ..Default::default() });
        }
        let gone = self.member(GUEST)?.group.is_none();
        if gone { self.invite(GUEST) } else { self.catch_up(GUEST, 64) }
    }

    pub(super) fn invite(&mut self, who: usize) -> anyhow::Result<()> {
        let options = KeyPackageOptions { lifetime: Some(LONG), ..Default::default() };
        let package = [self.member(who)?.device.key_package(options, NOW)?];
        self.commit(0, &Changes { add: &package, ..Default::default() })
    }

    fn housekeeping(&mut self, who: usize) -> anyhow::Result<()> {
        let [first, second] = keys();
        let key = if self.rng.random() { first } else { second };
        let how = if self.rng.random_range(0..4) == 0 { Rekey::Reencrypt } else { Rekey::Rewrap };
        let store = &self.member(who)?.store;
        store.checkpoint()?;
        Ok(store.rekey(&key, how, &OsEntropy)?)
    }

    /// The service takes an entry, once, and a commit or proposal only for the epoch that the log is in.
    pub(super) fn accept(&mut self, entry: &Entry) -> anyhow::Result<bool> {
        if let Some(mark) = self.mark_of(entry.sender, entry.number)? {
            return Ok(mark.fits);
        }
        let epoch = number_row(&self.service, b"epoch")?;
        let length = number_row(&self.service, b"length")?;
        let fits = match entry.kind {
            Kind::Message => entry.epoch.saturating_add(LATE) >= epoch,
            Kind::Proposal | Kind::Commit => entry.epoch == epoch,
        };
        let mark = Mark {
            fits,
            position: length,
            epoch: entry.epoch,
            key: entry.key,
            digest: digest(HashAlgorithm::Sha256, &entry.message).as_bytes().to_vec(),
        };
        let mut step = Step::new();
        let name = mark_name(entry.sender, entry.number);
        step.put(Space::Application, &name, serde_json::to_vec(&mark)?)?;
        if fits {
            step.put(Space::Application, &numbered("log/", length), entry.encode()?)?;
            step.put(Space::Application, b"length", length.saturating_add(1).to_be_bytes().to_vec())?;
            if entry.kind == Kind::Commit {
                step.put(Space::Application, b"epoch", epoch.saturating_add(1).to_be_bytes().to_vec())?;
            }
        }
        self.service.commit(step)?;
        Ok(fits)
    }

    pub(super) fn mark_of(&self, sender: usize, number: u64) -> anyhow::Result<Option<Mark>> {
        let row = self.service.get(Space::Application, &mark_name(sender, number))?;
        Ok(row.map(|row| serde_json::from_slice(&row)).transpose()?)
    }

    /// A coin.
    pub(super) fn flip(&mut self) -> bool {
        self.rng.random()
    }

    pub(super) fn send_outbox(&mut self, who: usize) -> anyhow::Result<()> {
        let store = Arc::clone(&self.member(who)?.store);
        for (key, value) in store.scan(Space::Application, b"outbox/", 1_000)? {
            let entry = Entry::decode(&value)?;
            self.accept(&entry)?;
            let mut step = Step::new();
            step.delete(Space::Application, &key)?;
            store.commit(step)?;
        }
        Ok(())
    }

    /// Takes in up to `most` entries, or joins where a Welcome waits.
    pub(super) fn catch_up(&mut self, who: usize, most: usize) -> anyhow::Result<()> {
        let service = Arc::clone(&self.service);
        let member = self.member(who)?;
        loop {
            let cursor = number_row(&member.store, b"cursor")?;
            let after = cursor.checked_sub(1).map_or(Vec::new(), |last| numbered("log/", last));
            let page = service.scan_after(Space::Application, b"log/", &after, most)?;
            let mut number = cursor;
            let mut entries = Vec::new();
            for (_, value) in &page {
                entries.push((number, Entry::decode(value)?));
                number = number.saturating_add(1);
            }
            match member.group.is_some() {
                true => member.receive(&entries)?,
                false => member.join(&entries)?,
            }
            if page.len() < most || most == 1 {
                return Ok(());
            }
        }
    }

    /// Finishes everything, and proves that nothing is missing, doubled or torn.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        self.recover()?;
        for who in 0..NAMES.len() {
            self.member(who)?.give_up_pending()?;
        }
        self.settle()?;
        // The group goes on: a commit that takes in whatever is proposed, then a word from everybody.
        self.update(0)?;
        self.settle()?;
        for who in 0..NAMES.len() {
            self.say_something(who, 1)?;
        }
        self.settle()?;
        self.agree()?;
        let log = self.log()?;
        for member in &self.members {
            member.check_history(&log)?;
        }
        ensure!(nonce_ledger::repeated_pairs() == 0, "a nonce came up twice");
        // What the service refused was sent, too.
        let mut sealed = HashMap::new();
        for (name, mark) in self.service.scan(Space::Application, b"have/", 1_000_000)? {
            let mark: Mark = serde_json::from_slice(&mark)?;
            let rest = name.strip_prefix(b"have/").context("a mark")?;
            let (sender, number) = rest.split_at_checked(8).context("a mark")?;
            let sender = u64::from_be_bytes(sender.try_into()?);
            say(&sent(usize::try_from(sender)?, u64::from_be_bytes(number.try_into()?), &mark.key))?;
            let other = sealed.insert(mark.key, mark.digest.clone());
            let is_sealed = mark.key != [0; 32];
            ensure!(
                !is_sealed || other.is_none_or(|other| other == mark.digest),
                "a key sealed two messages"
            );
        }
        for member in &self.members {
            for (key, _) in member.store.scan(Space::Application, b"history/", 1_000_000)? {
                let position = key.strip_prefix(b"history/").context("a row of history")?;
                say(&format!("got {} {}", member.index, u64::from_be_bytes(position.try_into()?)))?;
            }
            member.store.verify()?;
        }
        Ok(())
    }

    fn log(&self) -> anyhow::Result<Vec<Entry>> {
        let rows = self.service.scan(Space::Application, b"log/", 1_000_000)?;
        rows.iter().map(|(_, value)| Entry::decode(value)).collect()
    }

    fn agree(&mut self) -> anyhow::Result<()> {
        let mut seen: BTreeMap<Epoch, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for group in self.members.iter_mut().filter_map(|member| member.group.as_mut()) {
            seen.entry(group.epoch()).or_default().insert(group.epoch_authenticator()?);
        }
        ensure!(seen.len() == 1 && seen.values().all(|views| views.len() == 1), "a fork: {:?}", seen.keys());
        Ok(())
    }
}

impl Member {
    /// A commit that was neither accepted nor waits in the outbox will never be.
    fn give_up_pending(&mut self) -> anyhow::Result<()> {
        let Some(group) = &mut self.group else { return Ok(()) };
        let waits = !self.store.scan(Space::Application, b"outbox/", 1)?.is_empty();
        if group.pending_commit()?.is_some() && !waits {
            group.discard_pending()?;
        }
        Ok(())
    }

    fn receive(&mut self, entries: &[(u64, Entry)]) -> anyhow::Result<()> {
        let index = self.index;
        let Some(group) = &mut self.group else { return Ok(()) };
        let messages: Vec<&[u8]> = entries.iter().map(|(_, entry)| entry.message.as_slice()).collect();
        let joined = number_row(&self.store, b"joined")?;
        let received = group.receive_all_with(&messages, NOW, |place, received, rows| {
            let Some((position, entry)) = entries.get(place) else { return Ok(()) };
            rows.put(b"cursor", position.saturating_add(1).to_be_bytes().to_vec())?;
            let word = match received {
                Ok(Received::Message { plaintext, .. }) => plaintext.clone(),
                Ok(Received::OwnEcho) if entry.sender == index => b"own".to_vec(),
                Ok(_) => b"control".to_vec(),
                Err(MlsError::WrongEpoch { .. }) if entry.epoch < joined => b"before my time".to_vec(),
                Err(error) => error.code().as_str().as_bytes().to_vec(),
            };
            let key = numbered("history/", *position);
            if rows.get(&key)?.is_some() {
                return Err(StoreError::Internal("a position of the log came twice"));
            }
            rows.put(&key, word)
        })?;
        let is_out = !group.is_member();
        if is_out {
            self.group = None;
        }
        for ((position, entry), received) in entries.iter().zip(received) {
            match received {
                Ok(_) => {}
                // After it was removed it reads on until it looks, and is told so.
                Err(MlsError::Removed) if is_out => {}
                Err(MlsError::WrongEpoch { .. }) if entry.epoch < joined => {}
                Err(error) => {
                    bail!("{} was refused what {} sent at {position}: {error}", index, entry.sender)
                }
            }
            say(&format!("got {index} {position}"))?;
        }
        Ok(())
    }

    /// Joins by the first Welcome that fits; what came before is not for this member.
    fn join(&mut self, entries: &[(u64, Entry)]) -> anyhow::Result<()> {
        for (position, entry) in entries {
            let cursor = position.saturating_add(1).to_be_bytes().to_vec();
            if let Some(welcome) = &entry.welcome {
                let joined = self.device.join_with(welcome, None, NOW, |_, rows| {
                    rows.put(b"joined", entry.epoch.saturating_add(1).to_be_bytes().to_vec())?;
                    rows.put(b"cursor", cursor.clone())
                });
                match joined {
                    Ok(group) => {
                        self.group = Some(group);
                        return Ok(());
                    }
                    Err(MlsError::KeyPackageNotFound) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let mut step = Step::new();
            step.put(Space::Application, b"cursor", cursor)?;
            self.store.commit(step)?;
        }
        Ok(())
    }

    /// Every message in the log is in the history of each who was there, and never as refused.
    fn check_history(&self, log: &[Entry]) -> anyhow::Result<()> {
        let mut last = BTreeMap::new();
        for (key, word) in self.store.scan(Space::Application, b"history/", 1_000_000)? {
            let position = u64::from_be_bytes(key.strip_prefix(b"history/").context("a row")?.try_into()?);
            let entry = log.get(usize::try_from(position)?).context("a position of the log")?;
            ensure!(
                !word.starts_with(b"MLS_") || word == b"MLS_REMOVED",
                "{}: {word:?} at {position}",
                self.index
            );
            let is_own = entry.sender == self.index;
            let is_read =
                !matches!(word.as_slice(), b"own" | b"control" | b"before my time" | b"MLS_REMOVED");
            ensure!(!(is_own && is_read), "{} read its own message at {position}", self.index);
            if entry.kind == Kind::Message
                && last.insert(entry.sender, entry.number).is_some_and(|n| n >= entry.number)
            {
                bail!("messages of {} came out of order at {position}", entry.sender);
            }
        }
        Ok(())
    }
}
