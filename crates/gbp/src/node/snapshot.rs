//! A node as bytes, so that a restart goes on where it was.
//!
//! One version, one form: what is read back must be written to the very same bytes. Moments are kept as they are; those
//! that lie too far ahead, because the clock went back, are brought near.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use coterie_types::{Duration, Epoch, LeafIndex, MemberId, RequestId, Timestamp, TransitionId};
use coterie_wire::cbor::{Reader, Writer};
use coterie_wire::control::{Arguments, Capabilities, ControlMessage, LogEntry, Opcode};
use coterie_wire::limits::MAX_DIGEST;
use coterie_wire::{Malformed, Profile};

use super::ballot::Bid;
use super::facts::{Facts, Lock, Mention, Offer, Promise};
use super::limits::{COORDINATOR_GRACE, EXECUTE_TIMEOUT, HEARTBEAT, MAX_COMMIT, MAX_MEMBERS, PROBE_PAUSE};
use super::roster::{Hash, Roster};
use super::{Confirming, Drive, Joining, Node, NodeState, Order, Pending, Probe, Refusal, Shelved};

/// The version of the layout.
const VERSION: u8 = 2;

impl Node {
    /// The node as bytes. What it wanted done must have been taken out before: outputs are not part of it.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.unsigned(VERSION);
        self.write(&mut writer);
        writer.finish()
    }

    /// The node in `bytes`.
    ///
    /// # Errors
    /// When they are not exactly what [`Self::export`] of this version gives.
    pub fn restore(bytes: &[u8], now: Timestamp) -> Result<Self, Refusal> {
        let mut node = Self::decode(bytes).map_err(|_| Refusal::BadState)?;
        let belongs = node.roster.has(node.me) || node.active().is_err();
        if !belongs || node.export() != bytes {
            return Err(Refusal::BadState);
        }
        node.bring_near(now);
        node.order_again();
        Ok(node)
    }

    /// A commit that was not answered for may not have reached the engine.
    fn order_again(&mut self) {
        let Some(pending) = self.pending.as_ref().filter(|pending| pending.after.is_none()) else { return };
        let (transition, preparer, hash) = (pending.transition, pending.preparer, pending.hash);
        let commit = pending.commit.clone();
        self.order(Order::Stage { transition, preparer, hash, commit });
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.unsigned::<u8>()? != VERSION {
            return Err(Malformed::OutOfRange);
        }
        let node = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(node)
    }

    fn bring_near(&mut self, now: Timestamp) {
        let near = |moment: &mut Timestamp, span: Duration| *moment = (*moment).min(now + span);
        near(&mut self.heard, Duration::default());
        near(&mut self.heartbeat, HEARTBEAT);
        if let Some(pending) = &mut self.pending {
            near(&mut pending.deadline, EXECUTE_TIMEOUT);
            if let Some(drive) = &mut pending.drive {
                near(&mut drive.repeat, HEARTBEAT);
                drive.quorum_since.iter_mut().for_each(|since| near(since, Duration::default()));
            }
        }
        self.bid.iter_mut().for_each(|bid| near(&mut bid.repeat, HEARTBEAT));
        self.joining.iter_mut().for_each(|joining| near(&mut joining.deadline, EXECUTE_TIMEOUT));
        self.confirming.iter_mut().for_each(|confirming| near(&mut confirming.next, COORDINATOR_GRACE));
        self.probe.iter_mut().for_each(|probe| near(&mut probe.next, PROBE_PAUSE));
        self.answered.values_mut().for_each(|answered| near(answered, Duration::default()));
    }
}

/// What has a place in the layout.
trait Stored: Sized {
    fn write(&self, writer: &mut Writer);
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;
}

macro_rules! numbers {
    ($($name:ident: $inner:ty, $make:ident, $number:ident;)+) => {$(
        impl Stored for $name {
            fn write(&self, writer: &mut Writer) {
                writer.unsigned(self.$number());
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok(Self::$make(reader.unsigned::<$inner>()?))
            }
        }
    )+};
}

numbers! {
    MemberId: u32, new, number;
    TransitionId: u32, new, number;
    LeafIndex: u32, new, number;
    Epoch: u64, new, number;
    Timestamp: u64, from_millis, as_millis;
}

macro_rules! fields {
    ($name:ident { $($field:ident),+ } $($rest:ident)?) => {
        impl Stored for $name {
            fn write(&self, writer: &mut Writer) {
                $(self.$field.write(writer);)+
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok(Self { $($field: Stored::read(reader)?,)+ $($rest: Default::default())? })
            }
        }
    };
}

fields!(Node {
    me, profile, state, epoch, last, highest, roster, coordinator, led, heard, electing, heartbeat, pending, promised, bid, shelf,
    joining, facts, log, settled, confirming, probe, answered, departed, capabilities, requests
} outputs);
fields!(Pending { transition, preparer, hash, commit, first, own, after, armed, deadline, drive });
fields!(Bid { transition, repeat, outbid });
fields!(Drive { refused, outbid, repeat, quorum_since });
fields!(Shelved { hash, commit, after, armed, announced });
fields!(Joining { transition, inviter, deadline });
fields!(Confirming { transition, missing, next, rounds });
fields!(Probe { next, tries });
fields!(Facts { votes, executes, promises, offers, seen, rejected });
fields!(Mention { transition, hash, preparer, first });
fields!(Lock { rank, hash });
fields!(Promise { transition, to, lock });
fields!(Offer { transition, preparer, hash, commit, first, open });

impl Stored for u32 {
    fn write(&self, writer: &mut Writer) {
        writer.unsigned(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.unsigned()
    }
}

impl Stored for bool {
    fn write(&self, writer: &mut Writer) {
        writer.boolean(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.boolean()
    }
}

impl Stored for Profile {
    fn write(&self, writer: &mut Writer) {
        writer.boolean(*self == Self::Sealed);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(if reader.boolean()? { Self::Sealed } else { Self::Interop })
    }
}

impl Stored for NodeState {
    fn write(&self, writer: &mut Writer) {
        writer.unsigned(self.number());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number: u8 = reader.unsigned()?;
        Self::ALL.into_iter().find(|state| state.number() == number).ok_or(Malformed::OutOfRange)
    }
}

impl Stored for Hash {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.bytes()?.try_into().map_err(|_| Malformed::OutOfRange)
    }
}

impl Stored for Vec<u8> {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(reader.bytes_within(MAX_COMMIT)?.to_vec())
    }
}

impl Stored for LogEntry {
    fn write(&self, writer: &mut Writer) {
        self.transition.write(writer);
        writer.unsigned(self.opcode);
        self.sender.write(writer);
        writer.bytes(&self.arguments_digest);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            transition: Stored::read(reader)?,
            opcode: reader.unsigned()?,
            sender: Stored::read(reader)?,
            arguments_digest: reader.bytes_within(MAX_DIGEST)?.to_vec(),
        })
    }
}

/// As on the wire.
impl Stored for Capabilities {
    fn write(&self, writer: &mut Writer) {
        let (nobody, none, never) = (MemberId::default(), RequestId::default(), TransitionId::default());
        let message = ControlMessage::new(nobody, none, never, &Arguments::Capabilities(self.clone()));
        // What was read from the wire is within its limits.
        writer.bytes(message.as_ref().map(ControlMessage::raw_arguments).unwrap_or_default());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (nobody, none, never) = (MemberId::default(), RequestId::default(), TransitionId::default());
        let message = ControlMessage::raw(nobody, none, never, Opcode::Capabilities, reader.bytes()?)?;
        match message.arguments()? {
            Arguments::Capabilities(capabilities) => Ok(capabilities),
            _ => Err(Malformed::WrongType),
        }
    }
}

impl Stored for Roster {
    fn write(&self, writer: &mut Writer) {
        self.iter().collect::<Vec<_>>().write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(Vec::<(MemberId, LeafIndex)>::read(reader)?).map_err(|_| Malformed::OutOfRange)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn write(&self, writer: &mut Writer) {
        writer.array(usize::from(self.is_some()));
        self.iter().for_each(|value| value.write(writer));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.array(1)? == 0 { Ok(None) } else { Ok(Some(T::read(reader)?)) }
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
        self.1.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::read(reader)?, B::read(reader)?))
    }
}

impl<A: Stored, B: Stored, C: Stored> Stored for (A, B, C) {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
        self.1.write(writer);
        self.2.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::read(reader)?, B::read(reader)?, C::read(reader)?))
    }
}

fn write_all<'a, T: Stored + 'a>(items: impl ExactSizeIterator<Item = &'a T>, writer: &mut Writer) {
    writer.array(items.len());
    items.for_each(|item| item.write(writer));
}

fn read_all<T: Stored, C: FromIterator<T>>(reader: &mut Reader<'_>) -> Result<C, Malformed> {
    (0..reader.array(MAX_MEMBERS)?).map(|_| T::read(reader)).collect()
}

macro_rules! lists {
    ($($list:ident $(: $bound:ident)?;)+) => {$(
        impl<T: Stored $(+ $bound)?> Stored for $list<T> {
            fn write(&self, writer: &mut Writer) {
                write_all(self.iter(), writer);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                read_all(reader)
            }
        }
    )+};
}

lists! {
    VecDeque;
    BTreeSet: Ord;
}

macro_rules! vectors {
    ($($item:ty;)+) => {$(
        impl Stored for Vec<$item> {
            fn write(&self, writer: &mut Writer) {
                write_all(self.iter(), writer);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                read_all(reader)
            }
        }
    )+};
}

vectors! {
    Offer;
    (MemberId, LeafIndex);
}

impl<K: Stored + Ord, V: Stored> Stored for BTreeMap<K, V> {
    fn write(&self, writer: &mut Writer) {
        writer.array(self.len());
        self.iter().for_each(|(key, value)| {
            key.write(writer);
            value.write(writer);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        (0..reader.array(MAX_MEMBERS.saturating_add(super::limits::MAX_DEPARTED))?)
            .map(|_| Ok((K::read(reader)?, V::read(reader)?)))
            .collect()
    }
}
