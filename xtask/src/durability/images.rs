//! `cargo xtask images` and `cargo xtask acknowledgements`: what a history wrote and when it answered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use coterie_crypto::entropy::OsEntropy;
use coterie_crypto::nonce_ledger;
use coterie_mls::{Device, MlsError};
use coterie_store::{Space, SqlStore, Store};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::disk::{Call, Disk, Kind};
use super::life::{NAMES, number_row, numbered, open_store};
use super::shim::{Folder, Shim, in_parallel, lines};

/// Images of one recorded history. Each history is another.
const PER_HISTORY: u64 = 250;

/// Actions of a recorded history.
const ACTIONS: &str = "60";

/// The files that a store may consist of, behind its name.
const SUFFIXES: [&str; 6] = ["", "-wal", ".key", ".key.new", ".mark", ".new"];

/// Builds `count` images and opens each.
pub(super) fn run(seed: u64, count: u64) -> anyhow::Result<()> {
    let Some(shim) = Shim::build()? else { return Ok(()) };
    let histories: Vec<(u64, u64)> = (0..count.div_ceil(PER_HISTORY))
        .map(|number| {
            let images = count.saturating_sub(number.saturating_mul(PER_HISTORY)).min(PER_HISTORY);
            (seed.wrapping_mul(1_000_003).wrapping_add(number), images)
        })
        .collect();
    let totals = in_parallel(histories, |(seed, images)| {
        history(&shim, seed, images).with_context(|| format!("history {seed}"))
    })?;
    let acknowledged: u64 = totals.iter().sum();
    println!("{acknowledged} acknowledged steps looked for, none lost");
    println!("images: {count}/{count} opened");
    Ok(())
}

fn record(
    shim: &Shim,
    folder: &Path,
    seed: u64,
    part: &[&str],
    with_data: bool,
) -> anyhow::Result<Vec<Call>> {
    let trace = folder.with_extension("trace");
    let mut command = shim.life(folder, seed)?;
    command.args(part).env("COTERIE_SHIM_TRACE", &trace);
    if with_data {
        command.env("COTERIE_SHIM_DATA", "1");
    }
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the recorded history failed by itself");
    let calls = Call::parse_all(&std::fs::read(&trace)?)?;
    std::fs::remove_file(&trace)?;
    ensure!(calls.iter().any(|call| call.kind == Kind::Sync), "the shim recorded no sync");
    Ok(calls)
}

/// Records one history and tries images of it. Answers how many acknowledged steps they were to hold.
fn history(shim: &Shim, seed: u64, images: u64) -> anyhow::Result<u64> {
    let folder = Folder::new()?;
    let calls = record(shim, folder.path(), seed, &["act", "--actions", ACTIONS], true)?;
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut moments: Vec<usize> = (0..images).map(|_| rng.random_range(0..=calls.len())).collect();
    moments.sort_unstable();
    let (mut disk, mut at, mut said, mut looked_for) = (Disk::default(), 0, Vec::new(), 0_u64);
    for moment in moments {
        for call in calls.get(at..moment).unwrap_or_default() {
            disk.apply(call)?;
            said.extend(lines(&call.data).into_iter().filter(|_| call.kind == Kind::Said));
        }
        at = moment;
        // The store that the last call was about; often enough another one.
        let touched = calls.get(moment.saturating_sub(1)).and_then(|call| call.name.split('.').next());
        let other = NAMES.get(rng.random_range(0..NAMES.len())).copied().unwrap_or_default();
        let name = touched.filter(|name| NAMES.contains(name) && rng.random_ratio(4, 5)).unwrap_or(other);
        let image = disk.image(&mut rng);
        lay_out(folder.path(), name, &image)?;
        let held = check(folder.path(), name, &said).with_context(|| format!("{name} at call {moment}"))?;
        looked_for = looked_for.saturating_add(held);
    }
    folder.remove()?;
    Ok(looked_for)
}

/// Puts an image of one store into the place of its files. The mark stays the file that it is: the image is not a
/// copy but what became of it.
fn lay_out(folder: &Path, name: &str, image: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    let _ = std::fs::remove_file(folder.join(format!("{name}.db-shm")));
    for suffix in SUFFIXES {
        let file = format!("{name}.db{suffix}");
        match image.get(&file) {
            Some(content) => std::fs::write(folder.join(&file), content)?,
            None if suffix == ".mark" => std::fs::write(folder.join(&file), b"")?,
            None => drop(std::fs::remove_file(folder.join(&file))),
        }
    }
    Ok(())
}

/// Opens an image and looks for all that was acknowledged; what it seals next, it seals with a fresh key.
fn check(folder: &Path, name: &str, said: &[String]) -> anyhow::Result<u64> {
    let index = NAMES.iter().position(|known| *known == name).context("a name")?;
    let store = open_store(folder, name)?;
    let acknowledged = acknowledged(said, index)?;
    ensure!(store.restorations() == 0, "a power failure was taken for a restored backup");
    for wanted in &acknowledged {
        wanted.check(&store)?;
    }
    let used: BTreeSet<&str> =
        said.iter().filter_map(|line| line.strip_prefix("sent ")?.split(' ').nth(2)).collect();
    let shared: Arc<dyn Store> = Arc::clone(&store) as _;
    if let Some(device) = Device::open(shared, Arc::new(OsEntropy))? {
        for id in device.groups()? {
            let mut group = device.open_group(&id)?.context("a listed group opens")?;
            match group.encrypt(b"after the failure", b"") {
                Ok(sealed) => {
                    let key = nonce_ledger::seal_of(&sealed).context("sealed here")?.key;
                    let key: String = key.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                    ensure!(!used.contains(key.as_str()), "a key that was used seals again");
                }
                Err(MlsError::ProposalsPending) => {}
                Err(error) => return Err(error.into()),
            }
        }
    } else {
        ensure!(acknowledged.is_empty(), "the device is gone");
    }
    Ok(u64::try_from(acknowledged.len())?)
}

/// Something a member was told is stored.
enum Wanted {
    /// Its outbox got beyond this number.
    Sent(u64),
    /// It has this position of the log in its history.
    Got(u64),
}

impl Wanted {
    fn check(&self, store: &SqlStore) -> anyhow::Result<()> {
        let is_there = match self {
            Self::Sent(number) => number_row(store, b"next")? > *number,
            Self::Got(position) => store.get(Space::Application, &numbered("history/", *position))?.is_some(),
        };
        ensure!(is_there, "acknowledged and lost");
        Ok(())
    }
}

fn acknowledged(said: &[String], index: usize) -> anyhow::Result<Vec<Wanted>> {
    let mut all = Vec::new();
    for line in said {
        let mut words = line.split(' ');
        let (what, who, number) = (words.next(), words.next(), words.next());
        if who != Some(index.to_string().as_str()) {
            continue;
        }
        let number = number.context("a number")?.parse()?;
        match what {
            Some("sent") => all.push(Wanted::Sent(number)),
            Some("got") => all.push(Wanted::Got(number)),
            _ => {}
        }
    }
    Ok(all)
}

/// Looks through a history for an answer that came before the sync of what it answers for.
pub(super) fn acknowledgements(seed: u64, count: u64) -> anyhow::Result<()> {
    let Some(shim) = Shim::build()? else { return Ok(()) };
    let folder = Folder::new()?;
    let calls = record(&shim, folder.path(), seed, &["talk", "--count", &count.to_string()], false)?;
    let (answers, early) = judge(&calls);
    println!("acknowledgements: {early} of {answers} before the sync");
    ensure!(early == 0 && answers >= count, "an acknowledgement came too early, or too few came");
    folder.remove()
}

/// How many answers there were, and how many came while something they answer for was not synced, or although nothing
/// was.
fn judge(calls: &[Call]) -> (u64, u64) {
    let mut unsynced: BTreeSet<&str> = BTreeSet::new();
    let mut synced: BTreeSet<&str> = BTreeSet::new();
    let (mut answers, mut early) = (0_u64, 0_u64);
    for call in calls {
        let log = call.name.strip_suffix(".db-wal");
        match (call.kind, log) {
            (Kind::Write, Some(store)) => {
                unsynced.insert(store);
            }
            (Kind::Sync, Some(store)) => {
                unsynced.remove(store);
                synced.insert(store);
            }
            (Kind::Said, _) => {
                for line in lines(&call.data) {
                    let who = line.split(' ').nth(1).and_then(|who| NAMES.get(who.parse::<usize>().ok()?));
                    let Some(store) = who.copied().filter(|_| line.starts_with("sent ")) else { continue };
                    answers = answers.saturating_add(1);
                    let holds = synced.remove(store) && !unsynced.contains(store);
                    early = early.saturating_add(u64::from(!holds));
                }
            }
            _ => {}
        }
    }
    (answers, early)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_before_its_sync_and_one_without_any_is_found() {
        let call = |kind, name: &str, data: &[u8]| {
            let head = [&[kind as u8, 1], &(name.len() as u16).to_ne_bytes()[..]].concat();
            let tail = [&(data.len() as u32).to_ne_bytes()[..], &[0; 8], name.as_bytes(), data].concat();
            Call::parse_all(&[head, tail].concat()).unwrap().remove(0)
        };
        let (write, sync) = (call(Kind::Write, "bob.db-wal", b"x"), call(Kind::Sync, "bob.db-wal", b""));
        let said = call(Kind::Said, "", b"ok sent 1 0 ab .\n");
        assert_eq!(judge(&[write.clone(), sync.clone(), said.clone()]), (1, 0));
        assert_eq!(judge(&[write.clone(), said.clone(), sync.clone()]), (1, 1));
        assert_eq!(judge(&[write.clone(), sync.clone(), write, said.clone()]), (1, 1));
        assert_eq!(judge(std::slice::from_ref(&said)), (1, 1));
        assert_eq!(judge(&[sync, said.clone(), said]), (2, 1));
    }
}
