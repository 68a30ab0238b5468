//! A disk that loses power: what a recorded sequence of calls may leave.
//!
//! Until a file was synced, any part of what was written to it since may be missing, in pieces of a sector. Names are
//! kept in the order in which they were made, as journals do; syncing a file keeps its name as well, syncing the folder
//! every one.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use rand::RngExt;
use rand::rngs::SmallRng;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// One recorded call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) name: String,
    offset: u64,
    length: usize,
    pub(super) data: Vec<u8>,
}

/// What it did, by the number that the shim writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Write = 1,
    Cut,
    Sync,
    Create,
    Unlink,
    Rename,
    SyncFolder,
    Said,
}

impl Call {
    /// Reads a whole trace.
    pub(super) fn parse_all(mut bytes: &[u8]) -> anyhow::Result<Vec<Self>> {
        let mut calls = Vec::new();
        while !bytes.is_empty() {
            calls.push(Self::parse(&mut bytes)?);
        }
        Ok(calls)
    }

    fn parse(bytes: &mut &[u8]) -> anyhow::Result<Self> {
        let [kind, has_data] = take(bytes)?;
        let name_length = usize::from(u16::from_ne_bytes(take(bytes)?));
        let length = usize::try_from(u32::from_ne_bytes(take(bytes)?))?;
        let offset = u64::from_ne_bytes(take(bytes)?);
        let name = String::from_utf8(take_slice(bytes, name_length)?.to_vec())?;
        let data = if has_data == 1 { take_slice(bytes, length)?.to_vec() } else { Vec::new() };
        let kinds = [
            Kind::Write,
            Kind::Cut,
            Kind::Sync,
            Kind::Create,
            Kind::Unlink,
            Kind::Rename,
            Kind::SyncFolder,
            Kind::Said,
        ];
        let kind = kinds.into_iter().find(|known| *known as u8 == kind).context("a known kind of call")?;
        Ok(Self { kind, name, offset, length, data })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> anyhow::Result<[u8; N]> {
    Ok(take_slice(bytes, N)?.try_into()?)
}

fn take_slice<'a>(bytes: &mut &'a [u8], length: usize) -> anyhow::Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length).context("a whole trace")?;
    *bytes = rest;
    Ok(taken)
}

/// A file, whatever it is called.
#[derive(Clone, Default)]
struct File {
    durable: Vec<u8>,
    /// Writes and cuts since the last sync.
    pending: Vec<Change>,
    /// How many names had been made when this one was.
    names: usize,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

#[derive(Clone)]
enum Naming {
    Link(String, usize),
    Unlink(String),
    Rename(String, String),
}

/// A folder of files while calls change it.
#[derive(Clone, Default)]
pub(super) struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    naming: Vec<Naming>,
    /// How many of `naming` are certain to be kept.
    kept: usize,
}

impl Disk {
    /// Makes one more call.
    pub(super) fn apply(&mut self, call: &Call) -> anyhow::Result<()> {
        match call.kind {
            Kind::Create => {
                self.files.push(File { names: self.naming.len().saturating_add(1), ..File::default() });
                let file = self.files.len().saturating_sub(1);
                self.rename(Naming::Link(call.name.clone(), file));
            }
            Kind::Unlink => self.rename(Naming::Unlink(call.name.clone())),
            Kind::Rename => {
                let to = String::from_utf8(call.data.clone())?;
                self.rename(Naming::Rename(call.name.clone(), to));
            }
            Kind::Write => {
                ensure!(call.length == call.data.len(), "a trace with data");
                let change = Change::Write(usize::try_from(call.offset)?, call.data.clone());
                self.file(&call.name)?.pending.push(change);
            }
            Kind::Cut => {
                let length = usize::try_from(call.offset)?;
                self.file(&call.name)?.pending.push(Change::Cut(length));
            }
            Kind::Sync => {
                let file = self.file(&call.name)?;
                let pending = std::mem::take(&mut file.pending);
                pending.iter().for_each(|change| change.apply(&mut file.durable));
                let names = file.names;
                self.kept = self.kept.max(names);
            }
            Kind::SyncFolder => self.kept = self.naming.len(),
            Kind::Said => {}
        }
        Ok(())
    }

    /// What may be found after the power failed now.
    pub(super) fn image(&self, rng: &mut SmallRng) -> BTreeMap<String, Vec<u8>> {
        let names = rng.random_range(self.kept..=self.naming.len());
        let mut found = BTreeMap::new();
        for naming in self.naming.iter().take(names) {
            naming.apply(&mut found);
        }
        found
            .into_iter()
            .filter_map(|(name, file)| Some((name, self.files.get(file)?.after_loss(rng))))
            .collect()
    }

    fn rename(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.naming.push(naming);
    }

    fn file(&mut self, name: &str) -> anyhow::Result<&mut File> {
        let file = self.names.get(name).with_context(|| format!("{name} was made"))?;
        match self.files.get_mut(*file) {
            Some(file) => Ok(file),
            None => bail!("{name} has no file"),
        }
    }
}

impl File {
    /// The content with some of what is pending: all of it, none, the first part, single calls or single sectors.
    fn after_loss(&self, rng: &mut SmallRng) -> Vec<u8> {
        let mut content = self.durable.clone();
        let (way, first) = (rng.random_range(0..5), rng.random_range(0..=self.pending.len()));
        for (number, change) in self.pending.iter().enumerate() {
            match way {
                0 => change.apply(&mut content),
                1 => {}
                2 if number < first => change.apply(&mut content),
                2 => {}
                3 if rng.random() => change.apply(&mut content),
                3 => {}
                _ => {
                    change.sectors().iter().filter(|_| rng.random()).for_each(|part| part.apply(&mut content))
                }
            }
        }
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Cut(length) => content.resize(*length, 0),
            Self::Write(offset, data) => {
                let end = offset.saturating_add(data.len());
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(*offset..end) {
                    place.copy_from_slice(data);
                }
            }
        }
    }

    /// The same in pieces that end where sectors end.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write(offset, data) = self else { return vec![self.clone()] };
        let (mut at, mut rest, mut pieces) = (*offset, data.as_slice(), Vec::new());
        while !rest.is_empty() {
            let room = SECTOR.saturating_sub(at.checked_rem(SECTOR).unwrap_or(0));
            let (piece, later) = rest.split_at(room.min(rest.len()));
            pieces.push(Self::Write(at, piece.to_vec()));
            (at, rest) = (at.saturating_add(piece.len()), later);
        }
        pieces
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Unlink(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn call(kind: Kind, name: &str, offset: u64, data: &[u8]) -> Call {
        Call { kind, name: name.to_owned(), offset, length: data.len(), data: data.to_vec() }
    }

    #[test]
    fn what_was_synced_stays_and_what_was_not_may_go_in_any_part() {
        let mut disk = Disk::default();
        let mut rng = SmallRng::seed_from_u64(1);
        let later: Vec<u8> = vec![2; 2 * SECTOR];
        for call in [
            call(Kind::Create, "a", 0, b""),
            call(Kind::Write, "a", 0, &[1; 3 * SECTOR]),
            call(Kind::Sync, "a", 0, b""),
            call(Kind::Write, "a", 100, &later),
            call(Kind::Create, "b", 0, b""),
        ] {
            disk.apply(&call).unwrap();
        }
        let images: Vec<_> = (0..400).map(|_| disk.image(&mut rng)).collect();
        assert!(images.iter().all(|image| image["a"].len() == 3 * SECTOR && image["a"][..100] == [1; 100]));
        let torn = |image: &BTreeMap<String, Vec<u8>>| image["a"][100] != image["a"][SECTOR];
        assert!(images.iter().any(torn) && !images.iter().all(torn));
        assert!(images.iter().any(|image| image.contains_key("b")));
        assert!(!images.iter().all(|image| image.contains_key("b")));
        disk.apply(&call(Kind::Rename, "a", 0, b"c")).unwrap();
        disk.apply(&call(Kind::SyncFolder, ".", 0, b"")).unwrap();
        assert!((0..50).all(|_| disk.image(&mut rng).keys().eq(["b", "c"])));
    }
}
