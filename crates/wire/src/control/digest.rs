//! The state of a group as one member sees it, for comparison with another's.

use coterie_types::{Epoch, MemberId, TransitionId};

use crate::Malformed;
use crate::cbor::{Reader, Writer};
use crate::limits::{MAX_DIGEST, MAX_LOG};

/// Asks for a digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DigestRequest {
    /// The last transition that is known to whoever asks.
    pub since: TransitionId,
    /// The epoch that is known to it.
    pub epoch: Option<Epoch>,
}

/// A digest of a group's state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateDigest {
    /// The epoch.
    pub epoch: Epoch,
    /// The last transition applied.
    pub transition: TransitionId,
    /// SHA-256 of [`member_set`].
    pub member_set_hash: Vec<u8>,
    /// The last steps of the control plane, oldest first; at most [`MAX_LOG`].
    pub log: Vec<LogEntry>,
    /// The coordinator, where one is known.
    pub coordinator: Option<MemberId>,
    /// Whether older steps that were asked for are missing.
    pub truncated: Option<bool>,
}

/// A step of the control plane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogEntry {
    /// The transition that it was about.
    pub transition: TransitionId,
    /// The opcode's number. It may be one that a later version added.
    pub opcode: u16,
    /// Who said to have sent it.
    pub sender: MemberId,
    /// SHA-256 of its arguments.
    pub arguments_digest: Vec<u8>,
}

const REQUEST: &[&str] = &["since_tid", "since_epoch"];
const DIGEST: &[&str] = &[
    "epoch",
    "last_transition_id",
    "member_set_root_hash",
    "control_log_tail",
    "coordinator_id",
    "truncated",
];
const ENTRY: &[&str] = &["transition_id", "opcode", "sender_id", "args_digest"];

/// What is hashed to compare who belongs to the group: the members' numbers in ascending order, none twice.
#[must_use]
pub fn member_set(members: &std::collections::BTreeSet<MemberId>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.array(members.len());
    members.iter().for_each(|member| {
        writer.unsigned(member.number());
    });
    writer.finish()
}

impl DigestRequest {
    pub(super) fn write(self, writer: &mut Writer) {
        writer.map(if self.epoch.is_some() { 2 } else { 1 });
        writer.text("since_tid").unsigned(self.since.number());
        if let Some(epoch) = self.epoch {
            writer.text("since_epoch").unsigned(epoch.number());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mut since, mut epoch) = (0, None);
        reader.record(REQUEST, 1, |key, reader| {
            match key {
                "since_tid" => since = reader.unsigned()?,
                _ => epoch = Some(Epoch::new(reader.unsigned()?)),
            }
            Ok(())
        })?;
        Ok(Self { since: TransitionId::new(since), epoch })
    }
}

impl StateDigest {
    pub(super) fn write(&self, writer: &mut Writer) -> Result<(), Malformed> {
        let digests = self.log.iter().map(|entry| &entry.arguments_digest).chain([&self.member_set_hash]);
        if digests.into_iter().any(|digest| digest.len() > MAX_DIGEST) {
            return Err(Malformed::TooLong);
        }
        if self.log.len() > MAX_LOG {
            return Err(Malformed::TooMany);
        }
        let optional = [self.coordinator.is_some(), self.truncated.is_some()].into_iter().map(usize::from);
        writer.map(optional.chain([4]).sum());
        writer.text("epoch").unsigned(self.epoch.number());
        writer.text("last_transition_id").unsigned(self.transition.number());
        writer.text("member_set_root_hash").bytes(&self.member_set_hash);
        writer.text("control_log_tail").array(self.log.len());
        self.log.iter().for_each(|entry| entry.write(writer));
        if let Some(coordinator) = self.coordinator {
            writer.text("coordinator_id").unsigned(coordinator.number());
        }
        if let Some(truncated) = self.truncated {
            writer.text("truncated").boolean(truncated);
        }
        Ok(())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mut epoch, mut transition, mut member_set_hash, mut log) = (0, 0, Vec::new(), Vec::new());
        let (mut coordinator, mut truncated) = (None, None);
        reader.record(DIGEST, 4, |key, reader| {
            match key {
                "epoch" => epoch = reader.unsigned()?,
                "last_transition_id" => transition = reader.unsigned()?,
                "member_set_root_hash" => member_set_hash = reader.bytes_within(MAX_DIGEST)?.to_vec(),
                "control_log_tail" => {
                    for _ in 0..reader.array(MAX_LOG)? {
                        log.push(LogEntry::read(reader)?);
                    }
                }
                "coordinator_id" => coordinator = Some(MemberId::new(reader.unsigned()?)),
                _ => truncated = Some(reader.boolean()?),
            }
            Ok(())
        })?;
        let (epoch, transition) = (Epoch::new(epoch), TransitionId::new(transition));
        Ok(Self { epoch, transition, member_set_hash, log, coordinator, truncated })
    }
}

impl LogEntry {
    fn write(&self, writer: &mut Writer) {
        writer.map(ENTRY.len()).text("transition_id").unsigned(self.transition.number());
        writer.text("opcode").unsigned(self.opcode).text("sender_id").unsigned(self.sender.number());
        writer.text("args_digest").bytes(&self.arguments_digest);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mut transition, mut opcode, mut sender, mut arguments_digest) = (0, 0, 0, Vec::new());
        reader.record(ENTRY, ENTRY.len(), |key, reader| {
            match key {
                "transition_id" => transition = reader.unsigned()?,
                "opcode" => opcode = reader.unsigned()?,
                "sender_id" => sender = reader.unsigned()?,
                _ => arguments_digest = reader.bytes_within(MAX_DIGEST)?.to_vec(),
            }
            Ok(())
        })?;
        let (transition, sender) = (TransitionId::new(transition), MemberId::new(sender));
        Ok(Self { transition, opcode, sender, arguments_digest })
    }
}
