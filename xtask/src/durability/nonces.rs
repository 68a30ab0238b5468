//! `cargo xtask nonces`: no key seals twice, whatever becomes of the store.
//!
//! One process does it all, so that its ledger sees every seal: a member seals, closes, opens and seals on; now and
//! then a backup of one of four kinds is put back, and a second process tries to take the store meanwhile.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use coterie_crypto::nonce_ledger::{self, Fingerprint};
use coterie_types::{Code, ErrorCode};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::pair::{self, Victim, Witness};
use super::shim::{self, Folder};

/// Restarts between two tries of a second process.
const INTRUSIONS: u64 = 97;

/// Messages in one step.
const BATCH: u64 = 64;

/// What is put back.
#[derive(Clone, Copy, Debug)]
enum Backup {
    /// Database and key of the closed store, as the documentation says.
    Proper,
    /// Every file of the closed store, into a folder that was emptied.
    Folder,
    /// Database, log and key, copied while the store was open.
    Hot,
    /// Everything as it is, without the last transaction of the log.
    LostStep,
}

const BACKUPS: [Backup; 4] = [Backup::Proper, Backup::Folder, Backup::Hot, Backup::LostStep];

/// Seals over restarts and restores.
pub(super) fn run(seed: u64, seals: u64, restarts: u64, restores: u64) -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let (victim, witness) = pair::meet(folder.path())?;
    let each = seals.div_ceil(restarts.max(1));
    let mut scene = Scene {
        folder: folder.path(),
        witness,
        keys: HashSet::new(),
        rng: SmallRng::seed_from_u64(seed),
        intrusions: 0,
    };
    let mut victim = Some(victim);
    let every = restarts.checked_div(restores.max(1)).unwrap_or(1).max(1);
    let mut restored = 0_u64;
    for number in 0..restarts {
        let mut current = match victim.take() {
            Some(victim) => victim,
            None => Victim::open(scene.folder)?,
        };
        scene.seal(&mut current, each)?;
        if number.is_multiple_of(INTRUSIONS) {
            scene.intrude()?;
        }
        if number.is_multiple_of(every) && restored < restores {
            let kind =
                usize::try_from(restored)?.checked_rem(BACKUPS.len()).and_then(|kind| BACKUPS.get(kind));
            let kind = *kind.context("a kind of backup")?;
            scene.restore(current, kind).with_context(|| format!("{kind:?} at restart {number}"))?;
            restored = restored.saturating_add(1);
        }
    }
    ensure!(nonce_ledger::repeated_pairs() == 0, "a nonce came up twice");
    println!("{restarts} restarts, {restored} restored backups, {} second processes", scene.intrusions);
    println!("nonces: 0 repeats in {} seals", scene.keys.len());
    folder.remove()
}

struct Scene<'a> {
    folder: &'a Path,
    witness: Witness,
    /// What sealed everything that was handed out.
    keys: HashSet<Fingerprint>,
    rng: SmallRng,
    intrusions: u64,
}

impl Scene<'_> {
    fn seal(&mut self, victim: &mut Victim, count: u64) -> anyhow::Result<()> {
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            let texts: Vec<[u8; 8]> = (0..batch).map(|_| self.rng.random()).collect();
            for sealed in victim.group.encrypt_all(&texts, b"")? {
                self.note(&sealed)?;
            }
            left = left.saturating_sub(batch);
        }
        if self.rng.random_ratio(1, 4) {
            let commit = victim.update(&mut self.witness)?;
            self.note(&commit)?;
        }
        Ok(())
    }

    fn note(&mut self, sealed: &[u8]) -> anyhow::Result<()> {
        let seal = nonce_ledger::seal_of(sealed).context("sealed here")?;
        ensure!(self.keys.insert(seal.key), "a key sealed twice");
        Ok(())
    }

    /// A second process finds the store taken.
    fn intrude(&mut self) -> anyhow::Result<()> {
        let status = shim::life(self.folder, 0)?.arg("intrude").status()?;
        ensure!(status.success(), "a second process was let in");
        self.intrusions = self.intrusions.saturating_add(1);
        Ok(())
    }

    /// Goes on for a while after a backup was made, then puts it back: nothing may be sent until the member has
    /// joined anew.
    fn restore(&mut self, mut victim: Victim, kind: Backup) -> anyhow::Result<()> {
        let kept = match kind {
            Backup::Hot => {
                let kept = self.copy(&["", "-wal", ".key"])?;
                self.seal(&mut victim, 3)?;
                drop(victim);
                kept
            }
            Backup::LostStep => {
                self.seal(&mut victim, 3)?;
                let kept = self.copy(&["", "-wal", ".key"])?;
                drop(victim);
                without_last_transaction(kept)?
            }
            Backup::Proper | Backup::Folder => {
                drop(victim);
                let all: &[&str] =
                    if matches!(kind, Backup::Folder) { &["", ".key", ".mark"] } else { &["", ".key"] };
                let kept = self.copy(all)?;
                let mut victim = Victim::open(self.folder)?;
                self.seal(&mut victim, 3)?;
                kept
            }
        };
        if matches!(kind, Backup::Folder) {
            self.empty()?;
        }
        for (path, content) in kept {
            std::fs::write(path, content)?;
        }
        let mut victim = Victim::open(self.folder)?;
        match victim.group.encrypt(b"too early", b"") {
            Err(error) if error.code() == Code::MLS_RESTORED => {}
            Err(error) => return Err(error.into()),
            Ok(_) => bail!("the group sends from where it was"),
        }
        victim.rejoin(&mut self.witness)?;
        self.seal(&mut victim, 3)
    }

    fn copy(&self, suffixes: &[&str]) -> anyhow::Result<Vec<Kept>> {
        let path = |suffix: &&str| self.folder.join(format!("{}.db{suffix}", pair::name()));
        suffixes.iter().map(path).map(|path| Ok((path.clone(), std::fs::read(path)?))).collect()
    }

    fn empty(&self) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(self.folder)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

type Kept = (std::path::PathBuf, Vec<u8>);

/// Cuts the last transaction off a log: its last commit and what leads to it.
fn without_last_transaction(mut kept: Vec<Kept>) -> anyhow::Result<Vec<Kept>> {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4096;
    let (_, log) =
        kept.iter_mut().find(|(path, _)| path.to_string_lossy().ends_with("-wal")).context("a log")?;
    let frames = log.get(HEADER..).context("a log with frames")?.chunks_exact(FRAME);
    let commits: Vec<usize> = (1..)
        .zip(frames)
        .filter(|(_, frame)| frame.get(4..8).is_some_and(|size| size != [0; 4]))
        .map(|(number, _)| number)
        .collect();
    let before = commits.iter().rev().nth(1).copied().unwrap_or(0);
    log.truncate(HEADER.saturating_add(before.saturating_mul(FRAME)));
    Ok(kept)
}
