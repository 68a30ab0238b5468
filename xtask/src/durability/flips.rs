//! `cargo xtask flips`: files that are not what was written.
//!
//! Whatever is altered, opening and reading answer what was stored, or a code. Where the alteration looks like a step
//! that was never finished, the store must say that it went back, and the group must not send.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use coterie_mls::Received;
use coterie_store::{Space, Step, Store};
use coterie_types::Code;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::pair::{self, Victim};
use super::scenarios::code;
use super::shim::{Folder, in_parallel};

const SECTOR: usize = 512;
const PAGE: usize = 4096;
const ROWS: u8 = 40;
const WORDS: &[u8] = b"what the witness said";

/// The files that are altered, with how often of ten.
const TARGETS: [(&str, u32); 4] = [(".db", 4), (".db-wal", 4), (".db.key", 1), (".db.mark", 1)];

type Files = BTreeMap<&'static str, Vec<u8>>;

/// Alters files `count` times.
pub(super) fn run(seed: u64, count: u64) -> anyhow::Result<()> {
    let halves = vec![(seed, count.div_ceil(2)), (seed.wrapping_add(1 << 32), count / 2)];
    let totals = in_parallel(halves, |(seed, count)| half(seed, count))?;
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for (outcome, number) in totals.into_iter().flatten() {
        let total = all.entry(outcome).or_default();
        *total = total.saturating_add(number);
    }
    println!("{all:?}");
    println!("flips: {count}/{count} detected or harmless, 0 wrong plaintexts");
    Ok(())
}

fn half(seed: u64, count: u64) -> anyhow::Result<BTreeMap<String, u64>> {
    let folder = Folder::new()?;
    let (mut victim, mut witness) = pair::meet(folder.path())?;
    fill(&victim)?;
    victim.group.encrypt(b"a ratchet under way", b"")?;
    let sealed = witness.group.encrypt(WORDS, b"")?;
    // As the process would leave them if it ended now: the mark is the same file in every image.
    let files = read(folder.path())?;
    drop(victim);
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for number in 0..count {
        let mut altered = files.clone();
        let what = alter(&mut altered, &mut rng);
        lay_out(folder.path(), &altered)?;
        let outcome = judge(folder.path(), &sealed)
            .with_context(|| format!("number {number} of seed {seed}: {what}"))?;
        let total = outcomes.entry(outcome).or_default();
        *total = total.saturating_add(1);
    }
    folder.remove()?;
    Ok(outcomes)
}

fn fill(victim: &Victim) -> anyhow::Result<()> {
    for number in 0..ROWS {
        let mut step = Step::new();
        step.put(Space::Application, &[number], row(number))?;
        victim.store.commit(step)?;
        if number == ROWS / 2 {
            victim.store.checkpoint()?;
        }
    }
    Ok(())
}

fn row(number: u8) -> Vec<u8> {
    vec![number; usize::from(number).saturating_mul(97)]
}

fn read(folder: &Path) -> anyhow::Result<Files> {
    TARGETS
        .iter()
        .map(|(suffix, _)| Ok((*suffix, std::fs::read(folder.join(format!("{}{suffix}", pair::name())))?)))
        .collect()
}

fn lay_out(folder: &Path, files: &Files) -> anyhow::Result<()> {
    for suffix in ["-shm", ".key.new", ".new"] {
        let _ = std::fs::remove_file(folder.join(format!("{}.db{suffix}", pair::name())));
    }
    for (suffix, content) in files {
        std::fs::write(folder.join(format!("{}{suffix}", pair::name())), content)?;
    }
    Ok(())
}

/// Alters one file, and says how.
fn alter(files: &mut Files, rng: &mut SmallRng) -> String {
    let mut choice = rng.random_range(0..10);
    let target = TARGETS.iter().find(|(_, share)| {
        let found = choice < *share;
        choice = choice.saturating_sub(*share);
        found
    });
    let Some((suffix, content)) = target.and_then(|(suffix, _)| Some((suffix, files.get_mut(suffix)?)))
    else {
        return "nothing".to_owned();
    };
    let at = rng.random_range(0..content.len());
    let how = match rng.random_range(0..20) {
        0..15 => {
            flip(content, at, 1 << rng.random_range(0..8));
            "a bit"
        }
        15 => {
            content.truncate(at);
            "a cut"
        }
        16 => {
            blank(content, at, SECTOR);
            "a sector of zeros"
        }
        17 => {
            blank(content, at, PAGE);
            "a page of zeros"
        }
        18 => {
            for at in at..at.saturating_add(SECTOR) {
                flip(content, at, rng.random());
            }
            "a sector of noise"
        }
        _ => {
            content.extend((0..rng.random_range(1..9_000)).map(|_| rng.random::<u8>()));
            "more at the end"
        }
    };
    format!("{how} at {at} of {suffix}")
}

fn flip(content: &mut [u8], at: usize, mask: u8) {
    if let Some(byte) = content.get_mut(at) {
        *byte ^= mask;
    }
}

fn blank(content: &mut [u8], at: usize, unit: usize) {
    let start = at.checked_div(unit).unwrap_or(0).saturating_mul(unit);
    content.iter_mut().skip(start).take(unit).for_each(|byte| *byte = 0);
}

/// What came of it, in a word; an error where it was neither detected nor harmless.
fn judge(folder: &Path, sealed: &[u8]) -> anyhow::Result<String> {
    let mut victim = match Victim::open(folder) {
        Ok(victim) => victim,
        Err(error) => return named(&error, "refused"),
    };
    let restored = victim.store.restorations() > 0;
    let mut refused = None;
    for number in 0..ROWS {
        match victim.store.get(Space::Application, &[number]) {
            Ok(Some(found)) => ensure!(found == row(number), "another row was read"),
            Ok(None) => ensure!(restored, "row {number} is gone and nobody says so"),
            Err(error) => refused = Some(named(&error.into(), "unreadable")?),
        }
    }
    match victim.group.receive(sealed, pair::NOW) {
        Ok(Received::Message { plaintext, .. }) => ensure!(plaintext == WORDS, "a wrong plaintext"),
        Ok(other) => anyhow::bail!("a message became {other:?}"),
        Err(error) => refused = Some(named(&error.into(), "unreadable")?),
    }
    match victim.group.encrypt(b"next", b"") {
        Ok(_) => ensure!(!restored, "a store that went back lets its group send"),
        Err(error) if restored => drop(named(&error.into(), "")?),
        Err(error) => refused = Some(named(&error.into(), "unwritable")?),
    }
    Ok(refused.unwrap_or_else(|| if restored { "went back and said so" } else { "harmless" }.to_owned()))
}

/// Names a refusal by its code, which must be one that fits.
fn named(error: &anyhow::Error, what: &str) -> anyhow::Result<String> {
    let code = code(error).with_context(|| format!("an error without a code: {error:#}"))?;
    let known = [Code::STORE_DAMAGED, Code::STORE_WRONG_KEY, Code::STORE_NEWER, Code::MLS_RESTORED];
    ensure!(known.contains(&code), "{code}: {error:#}");
    Ok(format!("{what} {code}"))
}
