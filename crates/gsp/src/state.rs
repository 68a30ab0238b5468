//! Saved states: how they are written, and how they are read back.

use std::collections::{BTreeMap, BTreeSet};

use coterie_seen::StateError;
use coterie_types::{Epoch, MemberId, RequestId, Timestamp};
use coterie_wire::cbor::{Reader, Token, Writer};
use coterie_wire::limits::MAX_FEATURES;
use coterie_wire::payload::{Role, SignalMessage};
use coterie_wire::{Codec, ErrorObject, Malformed, PayloadFormat};

use crate::client::{Authority, SignalClient};
use crate::limits::{MAX_AWAITED, MAX_MEMBERS, MAX_ROLES, MAX_STATE, MAX_WAITING};
use crate::request::Waiting;
use crate::roles::{Permissions, RoleSpec};

/// The version of saved states.
const VERSION: u64 = 1;

/// The version, and ten parts.
const PARTS: usize = 11;

/// Null, as a simple value.
const NULL: u8 = 22;

impl SignalClient {
    /// Everything that is known: what was received in this epoch, who waits for answers, who is in, muted, publishing and
    /// in which role, and what members advertised.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(PARTS).unsigned(VERSION);
        match self.epoch {
            Some(epoch) => writer.unsigned(epoch.number()),
            None => writer.null(),
        };
        match &self.roster {
            Some(roster) => members(&mut writer, roster),
            None => {
                writer.null();
            }
        }
        self.write_view(&mut writer);
        self.write_roles(&mut writer);
        self.write_capabilities(&mut writer);
        self.write_received(&mut writer);
        self.write_waiting(&mut writer);
        writer.finish()
    }

    /// What [`Self::export`] wrote.
    ///
    /// # Errors
    /// When it is no such state, of another version, or contradicts itself.
    pub fn import(member: MemberId, authority: Authority, state: &[u8]) -> Result<Self, StateError> {
        if state.len() > MAX_STATE {
            return Err(Malformed::TooLong.into());
        }
        let mut client = Self::new(member, authority);
        let mut reader = Reader::new(state);
        reader.tuple(PARTS)?;
        let version = reader.unsigned()?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        client.epoch = match reader.token()? {
            Token::Unsigned(epoch) => Some(Epoch::new(epoch)),
            Token::Simple(NULL) => None,
            _ => return Err(Malformed::WrongType.into()),
        };
        let roster = reader.item()?;
        client.roster =
            (roster != [0xf6]).then(|| read_members(&mut Reader::new(roster), roster.len())).transpose()?;
        client.read_view(&mut reader)?;
        client.read_roles(&mut reader)?;
        client.read_capabilities(&mut reader)?;
        client.read_received(&mut reader)?;
        client.read_waiting(&mut reader)?;
        reader.finish()?;
        Ok(client)
    }

    fn write_view(&self, writer: &mut Writer) {
        members(writer, &self.view.members);
        members(writer, &self.view.muted);
        writer.array(self.view.publishing.len());
        for (member, classes) in &self.view.publishing {
            writer.array(2).unsigned(member.number()).array(classes.len());
            for class in classes {
                writer.unsigned(*class);
            }
        }
        writer.array(self.view.codecs.len());
        for (member, codec) in &self.view.codecs {
            writer.array(2).unsigned(member.number()).unsigned(*codec);
        }
    }

    fn read_view(&mut self, reader: &mut Reader<'_>) -> Result<(), StateError> {
        self.view.members = read_members(reader, MAX_MEMBERS)?;
        self.view.muted = read_members(reader, MAX_MEMBERS)?;
        for _ in 0..reader.array(MAX_MEMBERS)? {
            reader.tuple(2)?;
            let member = MemberId::new(reader.unsigned()?);
            let mut classes = BTreeSet::new();
            for _ in 0..reader.array(4)? {
                let class: u8 = reader.unsigned()?;
                ensure(class < 4 && classes.insert(class))?;
            }
            ensure(!classes.is_empty())?;
            ensure(ascending(&self.view.publishing, member))?;
            self.view.publishing.insert(member, classes);
        }
        for _ in 0..reader.array(MAX_MEMBERS)? {
            reader.tuple(2)?;
            let (member, codec) = (MemberId::new(reader.unsigned()?), reader.unsigned()?);
            ensure(ascending(&self.view.codecs, member))?;
            self.view.codecs.insert(member, codec);
        }
        Ok(())
    }

    fn write_roles(&self, writer: &mut Writer) {
        writer.array(2).array(self.roles.iter().count());
        for role in self.roles.iter() {
            writer.array(3).unsigned(role.id.number()).text(&role.name).unsigned(role.permissions.bits());
        }
        writer.array(self.roles.assignments().count());
        for (member, role) in self.roles.assignments() {
            writer.array(2).unsigned(member.number()).unsigned(role.number());
        }
    }

    fn read_roles(&mut self, reader: &mut Reader<'_>) -> Result<(), StateError> {
        reader.tuple(2)?;
        for _ in 0..reader.array(MAX_ROLES)? {
            reader.tuple(3)?;
            let (id, name) = (Role::new(reader.unsigned()?), reader.text()?.to_owned());
            ensure(self.roles.iter().next_back().is_none_or(|last| last.id < id))?;
            let role = RoleSpec { id, name, permissions: Permissions::new(reader.unsigned()?) };
            ensure(self.roles.define(role).is_ok())?;
        }
        for _ in 0..reader.array(MAX_MEMBERS)? {
            reader.tuple(2)?;
            let (member, role) = (MemberId::new(reader.unsigned()?), Role::new(reader.unsigned()?));
            ensure(self.roles.assignments().next_back().is_none_or(|(last, _)| last < member))?;
            ensure(self.roles.assign(member, role).is_ok())?;
        }
        Ok(())
    }

    fn write_capabilities(&self, writer: &mut Writer) {
        writer.array(self.capabilities.len());
        for (member, tokens) in self.capabilities.iter() {
            writer.array(2).unsigned(member.number()).array(tokens.len());
            for token in tokens {
                writer.text(token);
            }
        }
    }

    fn read_capabilities(&mut self, reader: &mut Reader<'_>) -> Result<(), StateError> {
        for _ in 0..reader.array(MAX_MEMBERS)? {
            reader.tuple(2)?;
            let member = MemberId::new(reader.unsigned()?);
            let count = reader.array(MAX_FEATURES)?;
            let tokens = (0..count).map(|_| reader.text().map(ToOwned::to_owned));
            let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
            ensure(tokens.is_sorted_by(|a, b| a < b) && self.capabilities.capabilities_of(member).is_none())?;
            self.capabilities.advertise(member, tokens)?;
        }
        Ok(())
    }

    fn write_received(&self, writer: &mut Writer) {
        writer.array(self.seen.len());
        for (_, _, place, message) in self.seen.iter() {
            writer.array(2).unsigned(place).bytes(&payload(message));
        }
    }

    fn read_received(&mut self, reader: &mut Reader<'_>) -> Result<(), StateError> {
        for _ in 0..reader.array(coterie_seen::CAPACITY)? {
            reader.tuple(2)?;
            let (place, message) = (reader.unsigned()?, read_payload(reader)?);
            ensure(self.seen.insert_at(place, message.sender, message.request, message))?;
        }
        Ok(())
    }

    fn write_waiting(&self, writer: &mut Writer) {
        writer.array(self.requests.iter().len());
        for (request, waiting) in self.requests.iter() {
            let Waiting { signal, awaited, refused, deadline } = waiting;
            let message =
                SignalMessage { signal: *signal, request, sender: self.member, role_claim: Role::new(0) };
            writer.array(4).bytes(&payload(&message)).unsigned(deadline.as_millis());
            members(writer, awaited);
            writer.array(refused.len());
            for (member, error) in refused {
                writer.array(2).unsigned(member.number()).bytes(&error.encode());
            }
        }
    }

    fn read_waiting(&mut self, reader: &mut Reader<'_>) -> Result<(), StateError> {
        for _ in 0..reader.array(MAX_WAITING)? {
            reader.tuple(4)?;
            let message = read_payload(reader)?;
            let deadline = Timestamp::from_millis(reader.unsigned()?);
            let awaited = read_members(reader, MAX_AWAITED)?;
            let mut refused = BTreeMap::new();
            for _ in 0..reader.array(MAX_AWAITED)? {
                reader.tuple(2)?;
                let member = MemberId::new(reader.unsigned()?);
                let error = ErrorObject::decode(reader.bytes()?)?;
                ensure(ascending(&refused, member))?;
                refused.insert(member, error);
            }
            let request: RequestId = message.request;
            ensure(message.sender == self.member && !awaited.is_empty())?;
            ensure(self.requests.may_begin(request, awaited.len()).is_ok())?;
            self.requests.begin(request, Waiting { signal: message.signal, awaited, refused, deadline });
        }
        Ok(())
    }
}

fn members(writer: &mut Writer, members: &BTreeSet<MemberId>) {
    writer.array(members.len());
    for member in members {
        writer.unsigned(member.number());
    }
}

fn read_members(reader: &mut Reader<'_>, most: usize) -> Result<BTreeSet<MemberId>, StateError> {
    let mut members = BTreeSet::new();
    for _ in 0..reader.array(most)? {
        let member = MemberId::new(reader.unsigned()?);
        ensure(members.last().is_none_or(|last| *last < member))?;
        members.insert(member);
    }
    Ok(members)
}

/// Every signal can be encoded: its limit is a frame's.
fn payload(message: &SignalMessage) -> Vec<u8> {
    message.encode(Codec::Cbor).unwrap_or_default()
}

fn read_payload(reader: &mut Reader<'_>) -> Result<SignalMessage, StateError> {
    let message = SignalMessage::decode(PayloadFormat::from(Codec::Cbor), reader.bytes()?);
    message.map_err(|_| StateError::Contradiction)
}

fn ensure(holds: bool) -> Result<(), StateError> {
    if holds { Ok(()) } else { Err(StateError::Contradiction) }
}

fn ascending<V>(map: &BTreeMap<MemberId, V>, member: MemberId) -> bool {
    map.last_key_value().is_none_or(|(last, _)| *last < member)
}
