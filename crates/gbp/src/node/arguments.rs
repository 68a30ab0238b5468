//! What PREPARE, READY and EXECUTE carry in the sealed profile. In `interop` PREPARE is the bare commit and the others are empty.

use coterie_types::{MemberId, TransitionId};
use coterie_wire::Malformed;
use coterie_wire::cbor::{Reader, Writer};

use super::facts::{Lock, Promise};
use super::roster::Hash;

/// The keys of PREPARE. Without a commit it asks for promises.
const PREPARE: &[&str] = &["commit", "first"];

/// The keys of READY and EXECUTE: a commit and who announced it, or whom the sender promised to follow and what it is locked to.
const READY: &[&str] =
    &["commit_hash", "preparer_id", "promised_to", "locked_commit", "locked_number", "locked_preparer"];

/// What PREPARE says.
pub(super) enum Preparation {
    /// Who follows me?
    Bid,
    /// Be ready for this commit.
    Commit {
        commit: Vec<u8>,
        /// Whether nobody was asked before: only the first member of the roster may, once.
        first: bool,
    },
}

/// What READY says.
pub(super) enum Readiness {
    /// Ready for a commit that this member announced.
    Vote(Hash, MemberId),
    /// Ready for whatever this member announces under the message's number.
    Promise(MemberId, Option<Lock>),
}

impl Preparation {
    pub(super) fn bid() -> Vec<u8> {
        Writer::default().map(0).finish()
    }

    pub(super) fn of(commit: &[u8], first: bool) -> Vec<u8> {
        Writer::default()
            .map(PREPARE.len())
            .text("commit")
            .bytes(commit)
            .text("first")
            .boolean(first)
            .finish()
    }

    pub(super) fn read(arguments: &[u8]) -> Result<Self, Malformed> {
        let (mut reader, mut commit, mut first) = (Reader::new(arguments), None, false);
        reader.record(PREPARE, 0, |key, reader| {
            match key {
                "commit" => commit = Some(reader.bytes()?.to_vec()),
                _ => first = reader.boolean()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(commit.map_or(Self::Bid, |commit| Self::Commit { commit, first }))
    }
}

impl Readiness {
    pub(super) fn vote(hash: Hash, preparer: MemberId) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.map(2).text("commit_hash").bytes(&hash).text("preparer_id").unsigned(preparer.number());
        writer.finish()
    }

    pub(super) fn promise(promise: &Promise) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.map(if promise.lock.is_some() { 4 } else { 1 });
        writer.text("promised_to").unsigned(promise.to.number());
        if let Some(Lock { rank: (number, preparer), hash }) = &promise.lock {
            writer.text("locked_commit").bytes(hash).text("locked_number").unsigned(number.number());
            writer.text("locked_preparer").unsigned(preparer.number());
        }
        writer.finish()
    }

    pub(super) fn read(arguments: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(arguments);
        let (mut hash, mut preparer, mut to) = (None, None, None);
        let (mut locked, mut number, mut by) = (None, None, None);
        let read_hash = |reader: &mut Reader<'_>| -> Result<Hash, Malformed> {
            reader.bytes()?.try_into().map_err(|_| Malformed::OutOfRange)
        };
        reader.record(READY, 0, |key, reader| {
            match key {
                "commit_hash" => hash = Some(read_hash(reader)?),
                "preparer_id" => preparer = Some(MemberId::new(reader.unsigned()?)),
                "promised_to" => to = Some(MemberId::new(reader.unsigned()?)),
                "locked_commit" => locked = Some(read_hash(reader)?),
                "locked_number" => number = Some(TransitionId::new(reader.unsigned()?)),
                _ => by = Some(MemberId::new(reader.unsigned()?)),
            }
            Ok(())
        })?;
        reader.finish()?;
        let lock = match (locked, number, by) {
            (Some(hash), Some(number), Some(by)) => Some(Lock { rank: (number, by), hash }),
            (None, None, None) => None,
            _ => return Err(Malformed::MissingKey("locked_commit")),
        };
        match (hash, preparer, to) {
            (Some(hash), Some(preparer), None) if lock.is_none() => Ok(Self::Vote(hash, preparer)),
            (None, None, Some(to)) => Ok(Self::Promise(to, lock)),
            (None, ..) => Err(Malformed::MissingKey("commit_hash")),
            _ => Err(Malformed::MissingKey("preparer_id")),
        }
    }
}
