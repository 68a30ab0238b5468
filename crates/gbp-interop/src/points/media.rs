//! Media frames: the key schedule of 1.9, key ids, replays, epochs.

use anyhow::{Context as _, ensure};
use coterie_compat::{MediaEncryptor, MediaSession, MediaSuite};
use coterie_sframe::{DEFAULT_LABEL, Header, OpenError};
use coterie_testkit::Seed;
use coterie_types::LeafIndex;
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use serde_json::{Value, json};

use super::{Member, member, pair};
use crate::members::{Ours, Theirs, now};
use crate::package::{Package, bytes, to_bytes};

const SUITES: [MediaSuite; 2] = [MediaSuite::Aes128Gcm, MediaSuite::Aes256Gcm];
const LABELS: [&str; 2] = [DEFAULT_LABEL, "another label"];
const METADATA: &[u8] = b"metadata";

/// One epoch's session on either side.
struct Sessions<'a> {
    package: &'a Package,
    ours: MediaSession,
    theirs: Value,
    decryptor: Value,
}

impl<'a> Sessions<'a> {
    fn new(ours: &mut Ours, theirs: &Theirs<'a>, label: &str, suite: MediaSuite) -> anyhow::Result<Self> {
        let package = theirs.package;
        let number = u32::from(suite == MediaSuite::Aes256Gcm);
        let arguments = [theirs.mls.clone(), json!(label), json!(number)];
        let session = package.call(&json!("SFrameSession"), "create", &arguments)?;
        let decryptor = package.call(&session, "create_decryptor", &[])?;
        let ours = MediaSession::new(&mut ours.mls, label, suite)?;
        Ok(Self { package, ours, theirs: session, decryptor })
    }

    fn encryptors(&self, ours: &mut Ours, leaf: u32) -> anyhow::Result<(MediaEncryptor, Value)> {
        let here = self.ours.encryptor(&mut ours.mls, LeafIndex::new(leaf), None, None)?;
        Ok((here, self.package.call(&self.theirs, "create_encryptor", &[json!(leaf)])?))
    }

    fn seal_there(&self, encryptor: &Value, plaintext: &[u8], metadata: &[u8]) -> anyhow::Result<Vec<u8>> {
        to_bytes(&self.package.call(encryptor, "encrypt", &[bytes(plaintext), bytes(metadata)])?)
    }

    /// The plaintext and its leaf, or the name of what is wrong.
    fn open_there(&self, payload: &[u8], metadata: &[u8]) -> Result<(Vec<u8>, u64), &'static str> {
        let opened = self.package.call(&self.decryptor, "decrypt", &[bytes(payload), bytes(metadata)]);
        let opened = opened.map_err(|error| {
            let said = format!("{error:#}");
            let names =
                [("Replay", REPLAY), ("Decrypt", FORGED), ("UnknownKid", UNKNOWN), ("Header", HEADER)];
            names.iter().find(|(name, _)| said.contains(name)).map_or("?", |(_, word)| word)
        })?;
        let plaintext = opened.get(0).and_then(|plaintext| to_bytes(plaintext).ok());
        Ok((plaintext.ok_or("?")?, opened.get(1).and_then(Value::as_u64).ok_or("?")?))
    }

    fn open_here(&mut self, payload: &[u8], metadata: &[u8]) -> Result<(Vec<u8>, u64), &'static str> {
        let opened = self.ours.open(payload, metadata, now()).map_err(|error| match error {
            OpenError::Replay { .. } => REPLAY,
            OpenError::NotAuthentic => FORGED,
            OpenError::UnknownKeyId(_) => UNKNOWN,
            OpenError::Header => HEADER,
            _ => "?",
        })?;
        Ok((opened.plaintext, opened.sender.number().into()))
    }
}

const REPLAY: &str = "replay";
const FORGED: &str = "forged";
const UNKNOWN: &str = "unknown key id";
const HEADER: &str = "header";

/// Both seal as one leaf, which nobody else would do: whatever one makes otherwise shows.
pub(super) fn same_bytes(package: &Package) -> anyhow::Result<()> {
    let (mut ours, theirs) = pair(package, true)?;
    for suite in SUITES {
        for label in LABELS {
            let sessions = Sessions::new(&mut ours, &theirs, label, suite)?;
            for leaf in [0, 1, 7, 255, 65_535] {
                let (here, there) = sessions.encryptors(&mut ours, leaf)?;
                // Past every change of the header's length up to two bytes of counter.
                for count in 0..300_usize {
                    let plaintext = vec![9; count % 70];
                    let metadata = METADATA.get(..count % 9).unwrap_or_default();
                    let one = here.seal(&plaintext, metadata)?;
                    let other = sessions.seal_there(&there, &plaintext, metadata)?;
                    ensure!(one == other, "{suite:?} {label} leaf {leaf} frame {count}");
                }
            }
        }
    }
    Ok(())
}

pub(super) fn both_directions(package: &Package) -> anyhow::Result<()> {
    for ours_founds in [true, false] {
        let (mut ours, theirs) = pair(package, ours_founds)?;
        let (mine, yours) = if ours_founds { (0, 1) } else { (1, 0) };
        for suite in SUITES {
            let mut sessions = Sessions::new(&mut ours, &theirs, DEFAULT_LABEL, suite)?;
            let (here, _) = sessions.encryptors(&mut ours, mine)?;
            let (_, there) = sessions.encryptors(&mut ours, yours)?;
            for length in [0, 1, 16, 100, 1_200, 65_536] {
                for metadata in [&[][..], METADATA] {
                    let frame = vec![3; length];
                    let opened = sessions.open_there(&here.seal(&frame, metadata)?, metadata);
                    ensure!(opened == Ok((frame.clone(), mine.into())), "{length} bytes from here");
                    let sealed = sessions.seal_there(&there, &frame, metadata)?;
                    let opened = sessions.open_here(&sealed, metadata);
                    ensure!(opened == Ok((frame, yours.into())), "{length} bytes from there");
                }
            }
        }
    }
    Ok(())
}

pub(super) fn key_ids(package: &Package) -> anyhow::Result<()> {
    let (mut ours, theirs) = pair(package, true)?;
    let sessions = Sessions::new(&mut ours, &theirs, DEFAULT_LABEL, MediaSuite::Aes128Gcm)?;
    for leaf in [0_u32, 1, 255, 256, 65_535] {
        let (here, there) = sessions.encryptors(&mut ours, leaf)?;
        let (header, _) = Header::read(&here.seal(b"x", &[])?).context("a header")?;
        let expected = u64::from(leaf) << 16 | 1;
        ensure!(header.key_id.number() == expected, "{} here for leaf {leaf}", header.key_id);
        let kid = package.call(&there, "kid", &[])?;
        ensure!(kid == expected, "{kid} there for leaf {leaf}");
    }
    // Deployed peers take the leaf's low half, whose keys are another leaf's; ours refuses.
    let there = package.call(&sessions.theirs, "create_encryptor", &[json!(65_537)])?;
    ensure!(package.call(&there, "kid", &[])? == 0x1_0001, "65,537 has another key there");
    ensure!(sessions.encryptors(&mut ours, 65_536).is_err(), "ours takes the leaf 65,536");
    Ok(())
}

/// Frames of one sender come to both sides in one order: mixed, some twice, some altered, some far behind.
pub(super) fn replays(package: &Package) -> anyhow::Result<()> {
    let (mut ours, theirs) = pair(package, true)?;
    let mut random = Seed::new(9).rng(0);
    for ours_seals in [true, false] {
        let mut sessions = Sessions::new(&mut ours, &theirs, DEFAULT_LABEL, MediaSuite::Aes256Gcm)?;
        let (here, there) = sessions.encryptors(&mut ours, 2)?;
        let seal = |_| {
            if ours_seals {
                Ok(here.seal(b"frame", &[])?)
            } else {
                sessions.seal_there(&there, b"frame", &[])
            }
        };
        let frames: Vec<Vec<u8>> = (0..2_600).map(seal).collect::<anyhow::Result<_>>()?;
        let mut order = arrivals(&frames, &mut random);
        // The edges of the window: 1,023 behind the highest is late, 1,024 is too late.
        for index in [2_599, 2_599 - 1_023, 2_599 - 1_024, 2_599] {
            order.push(frames.get(index).context("a frame")?.clone());
        }
        let (mut taken, mut refused) = (0_usize, 0_usize);
        for (at, payload) in order.iter().enumerate() {
            let (one, other) = (sessions.open_here(payload, &[]), sessions.open_there(payload, &[]));
            ensure!(one == other, "arrival {at} is {one:?} here and {other:?} there");
            let count = if one.is_ok() { &mut taken } else { &mut refused };
            *count = count.saturating_add(1);
        }
        ensure!(taken > 500 && refused > 500, "{taken} taken and {refused} refused say little");
    }
    Ok(())
}

/// Every third frame or so, mixed up to a window wide; some again, some altered.
fn arrivals(frames: &[Vec<u8>], random: &mut impl rand::Rng) -> Vec<Vec<u8>> {
    let mut order = Vec::new();
    for (at, part) in frames.chunks(900).enumerate() {
        let mut part: Vec<Vec<u8>> = part.iter().filter(|_| random.random_ratio(1, 3)).cloned().collect();
        let mut altered: Vec<Vec<u8>> = part.iter().filter(|_| random.random_ratio(1, 4)).cloned().collect();
        for forged in &mut altered {
            let place = random.random_range(0..forged.len());
            if let Some(byte) = forged.get_mut(place) {
                *byte ^= 1 << random.random_range(0..8_u8);
            }
        }
        let again: Vec<Vec<u8>> = part.iter().filter(|_| random.random_ratio(1, 2)).cloned().collect();
        part.extend(altered);
        part.extend(again);
        // The last ones come in their order, so that the edges of the window are known.
        if at < 2 {
            part.shuffle(random);
        }
        order.extend(part);
    }
    order
}

pub(super) fn epochs(package: &Package) -> anyhow::Result<()> {
    for ours_commits in [true, false] {
        let (mut ours, mut theirs) = pair(package, ours_commits)?;
        let (suite, label) = (MediaSuite::Aes128Gcm, DEFAULT_LABEL);
        let mut before = Sessions::new(&mut ours, &theirs, label, suite)?;
        let (old_here, old_there) = before.encryptors(&mut ours, 0)?;
        let (old_here, old_there) =
            (old_here.seal(b"old", &[])?, before.seal_there(&old_there, b"old", &[])?);
        let invitee = member(package, ours_commits, "third")?.key_package()?;
        let (first, second): (&mut dyn Member, &mut dyn Member) =
            if ours_commits { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
        let (commit, _) = first.invite(&invitee)?;
        second.process(&commit)?;
        first.finalize()?;
        second.finalize()?;
        let mut after = Sessions::new(&mut ours, &theirs, label, suite)?;
        let (here, there) = after.encryptors(&mut ours, 0)?;
        let (here, there) = (here.seal(b"new", &[])?, after.seal_there(&there, b"new", &[])?);
        ensure!(here == there, "they do not agree on the new epoch's keys");
        for late in [&old_here, &old_there] {
            ensure!(after.open_here(late, &[]) == Err(UNKNOWN), "ours takes the old epoch's");
            ensure!(after.open_there(late, &[]) == Err(UNKNOWN), "theirs takes the old epoch's");
        }
        ensure!(
            before.open_here(&there, &[]) == Err(UNKNOWN) && before.open_there(&here, &[]) == Err(UNKNOWN)
        );
        ensure!(after.open_here(&there, &[]) == Ok((b"new".to_vec(), 0)), "ours refuses the new epoch's");
        ensure!(after.open_there(&here, &[]) == Ok((b"new".to_vec(), 0)), "theirs refuses the new epoch's");
    }
    Ok(())
}
