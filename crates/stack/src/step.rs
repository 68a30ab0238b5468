//! One step of a member: everything that one call does, stored together or not at all.
//!
//! A step holds the engine and all that stands on it. What it wants to send or tell waits in it until its end, when the rows of
//! all that changed are written; only then, once the engine has committed them, does anything leave.

use coterie_gbp::protection::{Outgoing, Plaintext};
use coterie_mls::Together;
use coterie_types::{MemberId, StreamClass, StreamId, Timestamp};
use coterie_wire::{Codec, Flags};

use crate::core::Core;
use crate::error::StackError;
use crate::event::{Event, Parcel, ParcelKind};
use crate::inviting::Inviting;
use crate::ledger;
use crate::rows;

/// A step under way.
pub(crate) struct Step<'s, 'a, 'b> {
    pub(crate) core: &'s mut Core,
    pub(crate) together: &'s mut Together<'a, 'b>,
    pub(crate) now: Timestamp,
    /// Whether everything ends with the process, so that nothing that only a restart reads is written.
    pub(crate) volatile: bool,
    parcels: Vec<Parcel>,
    events: Vec<Event>,
    /// The invitation of the epoch that ended in this step.
    pub(crate) ended_inviting: Option<Inviting>,
    pub(crate) signals_changed: bool,
    pub(crate) inviting_changed: bool,
    pub(crate) own_changed: bool,
    pub(crate) asking_changed: bool,
}

/// What came of a step.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) parcels: Vec<(Option<u64>, Parcel)>,
    pub(crate) events: Vec<(Option<u64>, Event)>,
}

impl<'s, 'a, 'b> Step<'s, 'a, 'b> {
    pub(crate) fn new(
        core: &'s mut Core,
        together: &'s mut Together<'a, 'b>,
        volatile: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            core,
            together,
            now,
            volatile,
            parcels: Vec::new(),
            events: Vec::new(),
            ended_inviting: None,
            signals_changed: false,
            inviting_changed: false,
            own_changed: false,
            asking_changed: false,
        }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(crate) fn hand_out(&mut self, target: MemberId, kind: ParcelKind, bytes: Vec<u8>) {
        self.parcels.push(Parcel { target, kind, bytes });
    }

    /// Seals a payload on this member's stream of a class and sends it.
    pub(crate) fn send(
        &mut self,
        (target, class): (MemberId, StreamClass),
        flags: Flags,
        codec: Codec,
        plaintext: Plaintext<'_>,
    ) -> Result<(), StackError> {
        let frame = self.seal(class, flags, codec, plaintext)?;
        self.hand_out(target, ParcelKind::Frame(class), frame);
        Ok(())
    }

    pub(crate) fn seal(
        &mut self,
        class: StreamClass,
        flags: Flags,
        codec: Codec,
        plaintext: Plaintext<'_>,
    ) -> Result<Vec<u8>, StackError> {
        let stream = StreamId::standard(class, self.core.own.me);
        let stream = stream.ok_or(StackError::Internal("members of a roster have streams"))?;
        let frame = Outgoing { class, stream, flags, format: codec.into(), plaintext };
        self.core.touched = true;
        let protection = self.core.protection.as_mut().ok_or(StackError::NotActive)?;
        protection.seal(frame, self.now, self.together, &self.core.space)
    }

    /// What the step has made so far, to be given to [`Self::take_back`].
    pub(crate) fn made(&self) -> (usize, usize) {
        (self.events.len(), self.parcels.len())
    }

    /// Takes back what the step has made since.
    pub(crate) fn take_back(&mut self, (events, parcels): (usize, usize)) {
        self.events.truncate(events);
        self.parcels.truncate(parcels);
    }

    pub(crate) fn put(&mut self, kind: rows::Kind, rest: &[u8], value: Vec<u8>) -> Result<(), StackError> {
        let key = self.core.space.key(kind, rest);
        Ok(self.together.rows().put(&key, value)?)
    }

    pub(crate) fn delete(&mut self, kind: rows::Kind, rest: &[u8]) -> Result<(), StackError> {
        let key = self.core.space.key(kind, rest);
        Ok(self.together.rows().delete(&key)?)
    }

    pub(crate) fn delete_all(&mut self, kind: rows::Kind, prefix: &[u8]) -> Result<(), StackError> {
        let key = self.core.space.key(kind, prefix);
        Ok(self.together.rows().delete_prefix(&key)?)
    }

    /// What follows from whatever was done, once that is complete.
    pub(crate) fn follow_up(&mut self) -> Result<(), StackError> {
        self.remove_those_who_leave()?;
        if let Some(ended) = self.ended_inviting.take() {
            self.tell(Event::NotAdmitted(ended.joiners));
        }
        Ok(())
    }

    /// Writes whatever changed. Nothing of the step is to be done behind this.
    pub(crate) fn finish(mut self) -> Result<Made, StackError> {
        self.follow_up()?;
        if !self.volatile {
            self.write_states()?;
        }
        self.write_made()
    }

    fn write_states(&mut self) -> Result<(), StackError> {
        let node = self.core.node.export();
        if node != self.core.stored_node {
            self.put(rows::NODE, &[], node.clone())?;
            self.core.stored_node = node;
        }
        if self.signals_changed {
            let signals = self.core.signals.export();
            self.put(rows::SIGNALS, &[], signals)?;
        }
        if self.own_changed {
            let own = self.core.own.write();
            self.put(rows::OWN, &[], own)?;
        }
        match (self.inviting_changed, self.core.inviting.as_ref().map(Inviting::write)) {
            (true, Some(row)) => self.put(rows::INVITING, &[], row)?,
            (true, None) => self.delete(rows::INVITING, &[])?,
            (false, _) => {}
        }
        match (self.asking_changed, &self.core.asking) {
            (true, Some(asking)) => {
                let commit = asking.question.commit.to_vec();
                self.put(rows::ASKING, &[], commit)?;
            }
            (true, None) => self.delete(rows::ASKING, &[])?,
            (false, _) => {}
        }
        let Core { done, space, places, .. } = &*self.core;
        done.remove(space, *places, &mut self.together.rows())?;
        Ok(())
    }

    fn write_made(mut self) -> Result<Made, StackError> {
        let mut made = Made::default();
        for event in std::mem::take(&mut self.events) {
            let place = self.put_event(&event)?;
            made.events.push((place, event));
        }
        for parcel in std::mem::take(&mut self.parcels) {
            let place = if self.volatile { None } else { Some(self.put_parcel(&parcel)?) };
            made.parcels.push((place, parcel));
        }
        Ok(made)
    }

    /// Its place, where it is durable. One that has no stored form is told without.
    fn put_event(&mut self, event: &Event) -> Result<Option<u64>, StackError> {
        let row = if self.volatile { None } else { ledger::write_event(event) };
        if row.is_none() && !(self.volatile && event.is_durable()) {
            return Ok(None);
        }
        let place = self.core.places.event;
        self.core.places.event = place.saturating_add(1);
        if let Some(row) = row {
            self.put(rows::EVENT, &place.to_be_bytes(), row)?;
        }
        Ok(Some(place))
    }

    fn put_parcel(&mut self, parcel: &Parcel) -> Result<u64, StackError> {
        let place = self.core.places.parcel;
        self.core.places.parcel = place.saturating_add(1);
        self.put(rows::PARCEL, &place.to_be_bytes(), ledger::write_parcel(parcel))?;
        Ok(place)
    }
}
