//! The scripted scenarios: what one life does between two checks.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use coterie_crypto::entropy::OsEntropy;
use coterie_mls::{ExternalJoin, MlsError};
use coterie_store::{Rekey, Space, Step, Store, StoreError};
use coterie_types::{Code, ErrorCode};

use super::life::{Entry, GUEST, Kind, NAMES, NOW, World, keys, number_row, say};

/// Every scenario. The last is about opening and recovering: its faults begin with the process.
pub(super) const ALL: [&str; 12] = [
    "send", "receive", "commit", "merge", "race", "propose", "join", "remove", "forget", "external", "rekey",
    "open",
];

/// Whether the faults of a scenario begin with the process.
pub(super) fn is_from_start(scenario: &str) -> bool {
    scenario == "open"
}

/// Proves what the last life left, then plays a scenario between `arm` and `disarm`.
pub(super) fn play(folder: &Path, seed: u64, scenario: &str) -> anyhow::Result<()> {
    let mut world = World::open(folder, seed)?;
    world.check()?;
    say("checked")?;
    world.prepare(scenario)?;
    order(folder, "arm")?;
    world.play(scenario)?;
    order(folder, "disarm")
}

/// Plays a scenario while calls fail. Whatever fails must do so with a code of the store, and go well afterwards.
pub(super) fn suffer(folder: &Path, seed: u64, scenario: &str) -> anyhow::Result<()> {
    let mut world = None;
    let outcome = attempt(folder, seed, scenario, &mut world);
    order(folder, "disarm")?;
    match outcome {
        Ok(()) => say("clean")?,
        Err(error) => {
            let code = code(&error).with_context(|| format!("an error without a code: {error:#}"))?;
            // To SQLite a sector that cannot be read is a damaged file.
            let fitting = [Code::STORE_FULL, Code::STORE_IO, Code::STORE_BUSY, Code::STORE_DAMAGED];
            ensure!(fitting.contains(&code), "{code}: {error:#}");
            say(&format!("typed {code}"))?;
            // After a full disk or a lock the same objects go on; after an I/O error the store is opened again.
            if let Some(world) =
                world.as_mut().filter(|_| [Code::STORE_FULL, Code::STORE_BUSY].contains(&code))
            {
                world.check().context("on the same objects")?;
            }
        }
    }
    drop(world);
    let mut world = World::open(folder, seed).context("opened again")?;
    world.check().context("after opening again")?;
    world.prepare(scenario)?;
    world.play(scenario).context("the second time")?;
    world.check().context("at the end")
}

fn attempt(folder: &Path, seed: u64, scenario: &str, world: &mut Option<World>) -> anyhow::Result<()> {
    let world = world.insert(World::open(folder, seed)?);
    if is_from_start(scenario) {
        return world.check();
    }
    world.check()?;
    world.prepare(scenario)?;
    order(folder, "arm")?;
    world.play(scenario)
}

/// The stable code of whatever is at the bottom of `error`.
pub(super) fn code(error: &anyhow::Error) -> Option<Code> {
    error.chain().find_map(|cause| {
        let mls = cause.downcast_ref::<MlsError>().map(ErrorCode::code);
        mls.or_else(|| cause.downcast_ref::<StoreError>().map(ErrorCode::code))
    })
}

fn order(folder: &Path, name: &str) -> anyhow::Result<()> {
    std::fs::File::create(folder.join(name))?;
    Ok(())
}

impl World {
    /// What a scenario begins with.
    fn prepare(&mut self, scenario: &str) -> anyhow::Result<()> {
        match scenario {
            "receive" => {
                self.say_something(0, 3)?;
                self.say_something(2, 2)?;
                self.send_outbox(2)?;
                self.send_outbox(0)
            }
            "merge" => {
                self.update(0)?;
                self.send_outbox(0)
            }
            "join" => self.ensure_guest(false),
            "remove" | "forget" | "external" => self.ensure_guest(true),
            _ => Ok(()),
        }
    }

    fn play(&mut self, scenario: &str) -> anyhow::Result<()> {
        match scenario {
            "send" => {
                self.say_something(0, 1)?;
                self.say_something(1, 12)?;
                self.send_outbox(0)?;
                self.send_outbox(1)
            }
            "receive" => {
                self.catch_up(1, 1)?;
                self.catch_up(1, 1)?;
                self.catch_up(1, 64)
            }
            "commit" => {
                self.update(0)?;
                self.send_outbox(0)
            }
            "merge" => (0..GUEST).try_for_each(|who| self.catch_up(who, 1)),
            "race" => {
                self.update(0)?;
                self.update(1)?;
                self.send_outbox(1)?;
                self.send_outbox(0)?;
                (0..GUEST).try_for_each(|who| self.catch_up(who, 64))
            }
            "propose" => {
                self.propose(1)?;
                self.catch_up(0, 64)?;
                self.update(0)?;
                self.send_outbox(0)?;
                self.catch_up(1, 64)
            }
            "join" => {
                self.invite(GUEST)?;
                self.send_outbox(0)?;
                self.catch_up(0, 64)?;
                self.catch_up(GUEST, 64)
            }
            "remove" => {
                self.guest()?;
                self.send_outbox(0)?;
                self.catch_up(0, 64)?;
                self.catch_up(GUEST, 64)
            }
            "forget" => self.forget(GUEST),
            "external" => self.rejoin(),
            "rekey" => self.change_keys(),
            "open" => Ok(()),
            other => bail!("there is no scenario {other}"),
        }
    }

    fn ensure_guest(&mut self, wanted: bool) -> anyhow::Result<()> {
        for _ in 0..6 {
            let is_in = self.is_invited(GUEST)? && self.member(GUEST)?.group.is_some();
            let is_out = !self.is_invited(GUEST)? && self.member(GUEST)?.group.is_none();
            if if wanted { is_in } else { is_out } {
                return Ok(());
            }
            self.guest()?;
            self.settle()?;
        }
        bail!("the guest neither comes nor goes")
    }

    fn change_keys(&mut self) -> anyhow::Result<()> {
        let [first, second] = keys();
        let key = if self.flip() { first } else { second };
        self.member(0)?.store.rekey(&key, Rekey::Rewrap, &OsEntropy)?;
        let [first, second] = keys();
        let key = if self.flip() { first } else { second };
        Ok(self.member(1)?.store.rekey(&key, Rekey::Reencrypt, &OsEntropy)?)
    }

    fn forget(&mut self, who: usize) -> anyhow::Result<()> {
        let member = self.member(who)?;
        if let Some(group) = &member.group {
            let id = group.id().clone();
            member.device.forget_group(&id)?;
            member.group = None;
        }
        Ok(())
    }

    /// The guest comes back by a commit of its own. A row says so until the service has answered.
    fn rejoin(&mut self) -> anyhow::Result<()> {
        let host = self.member(0)?.group.as_mut().context("a group")?;
        let (info, epoch) = (host.group_info(true)?, host.epoch().number());
        let guest = self.member(GUEST)?;
        let number = number_row(&guest.store, b"next")?;
        let mut step = Step::new();
        step.put(Space::Application, b"next", number.saturating_add(1).to_be_bytes().to_vec())?;
        step.put(Space::Application, EXTERNAL, number.to_be_bytes().to_vec())?;
        guest.store.commit(step)?;
        let options = ExternalJoin { resync: true, ..ExternalJoin::default() };
        let (group, message) = guest.device.join_external(&info, options, NOW)?;
        guest.group = Some(group);
        // Such a commit is not sealed: there is no key to account for.
        let entry =
            Entry { sender: GUEST, number, epoch, kind: Kind::Commit, key: [0; 32], message, welcome: None };
        self.accept(&entry)?;
        self.finish_rejoin()
    }

    /// Goes on from where the service put the commit, or drops the group if it did not take it.
    pub(super) fn finish_rejoin(&mut self) -> anyhow::Result<()> {
        let guest = self.member(GUEST)?;
        let Some(row) = guest.store.get(Space::Application, EXTERNAL)? else { return Ok(()) };
        let number = u64::from_be_bytes(row.as_slice().try_into()?);
        let taken = self.mark_of(GUEST, number)?.filter(|mark| mark.fits);
        let mut step = Step::new();
        match taken {
            Some(mark) => {
                let after = mark.position.saturating_add(1).to_be_bytes().to_vec();
                step.put(Space::Application, b"cursor", after)?;
                step.put(Space::Application, b"joined", mark.epoch.saturating_add(1).to_be_bytes().to_vec())?;
            }
            None => self.forget(GUEST)?,
        }
        step.delete(Space::Application, EXTERNAL)?;
        Ok(self.member(GUEST)?.store.commit(step)?)
    }

    /// Talks and talks; nobody listens.
    pub(super) fn talk(&mut self, count: u64) -> anyhow::Result<()> {
        for number in 0..count {
            self.say_something(usize::try_from(number % 3)?, 1)?;
            if number % 50 == 0 {
                (0..NAMES.len()).try_for_each(|who| self.send_outbox(who))?;
            }
        }
        Ok(())
    }
}

/// The guest's row while it is coming back: the number of its commit.
const EXTERNAL: &[u8] = b"external";
