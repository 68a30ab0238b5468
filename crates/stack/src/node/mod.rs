//! One member's whole stack over one group.
//!
//! Here stands what every call goes through: its step, what came of it, and going back when it failed. [`begin`] is how a
//! member comes by its group, [`wishes`], [`say`] and [`audio`] are what it can want, [`batch`] is many of that in one step, [`views`]
//! what it knows.

mod audio;
mod batch;
mod begin;
mod say;
mod views;
mod wishes;

use std::collections::VecDeque;

use coterie_mls::{Device, Group, MlsError};
use coterie_types::{GroupId, StreamClass, Timestamp};

pub use audio::AudioOut;
pub use batch::QuickBatch;
pub use begin::CreateOptions;
pub use views::Member;

use crate::core::{Core, Done, Waiting};
use crate::error::StackError;
use crate::event::{Event, Parcel};
use crate::limits::{MAX_EVENTS, MAX_FRAME_BYTES, MAX_FRAMES, MAX_TRANSIENT_EVENTS};
use crate::receive::claimed;
use crate::step::{Made, Step};

/// A member of a group, which its coordinator orders.
///
/// Frames and wishes come in, with the time; parcels and events come out. What one call does is one transaction of the
/// device's store, and nothing of it leaves before it is durable.
pub struct GroupNode {
    device: Device,
    id: GroupId,
    /// None once this member is out.
    group: Option<Group>,
    core: Core,
    /// Whether memory is ahead of the store, after a step that failed.
    torn: bool,
    parcels: VecDeque<(Option<u64>, Parcel)>,
    parcel_bytes: usize,
    events: VecDeque<(Option<u64>, Event)>,
    missed: u64,
    /// Rows of events that were handed out and may not be dealt with yet.
    handed_events: Vec<u64>,
    /// Rows of parcels that were handed out and may not be carried away yet.
    handed_parcels: Vec<u64>,
}

impl GroupNode {
    fn with(device: &Device, group: Group, core: Core, (waiting, made): (Waiting, Made)) -> Self {
        let id = group.id().clone();
        let mut node = Self::of(device, id, Some(group), core);
        node.take_back(waiting);
        node.publish(made);
        node
    }

    fn of(device: &Device, id: GroupId, group: Option<Group>, core: Core) -> Self {
        Self {
            device: device.clone(),
            id,
            group,
            core,
            torn: false,
            parcels: VecDeque::new(),
            parcel_bytes: 0,
            events: VecDeque::new(),
            missed: 0,
            handed_events: Vec::new(),
            handed_parcels: Vec::new(),
        }
    }

    /// Takes in a frame. What others sent wrongly is no error but an [`Event::Refused`].
    ///
    /// # Errors
    /// When too much waits already, this member is out, or the store fails. Then nothing was taken in, and the frame can be
    /// given again.
    pub fn receive(&mut self, frame: &[u8], now: Timestamp) -> Result<(), StackError> {
        if Self::is_audio(frame) {
            self.check_room()?;
            let event = self.core.take_in_audio(frame, now)?;
            self.push_event(None, event);
            return Ok(());
        }
        self.step(now, |step| step.take_in(frame))
    }

    /// Whether taking in a frame is no step, because it says to be audio.
    #[must_use]
    pub fn is_audio(frame: &[u8]) -> bool {
        claimed(frame).is_some_and(|claimed| claimed.class == StreamClass::Audio)
    }

    /// Does what is due. Early calls do nothing.
    ///
    /// # Errors
    /// When too much waits already, or the store fails.
    pub fn wake(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.core.audio.handle_timeout(now);
        if let Some(protection) = &mut self.core.protection {
            protection.handle_timeout(now);
        }
        if self.group.is_none() || self.next_wake().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.step(now, |step| step.wake())
    }

    /// When [`Self::wake`] is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let core = &self.core;
        let due = [
            core.node.wake_at(),
            core.text.poll_timeout(),
            core.signals.poll_timeout(),
            core.audio.poll_timeout(),
            core.protection.as_ref().and_then(crate::protection::Protection::poll_timeout),
        ];
        due.into_iter().flatten().min().filter(|_| self.group.is_some())
    }

    /// Whether an event waits.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.missed > 0 || !self.events.is_empty()
    }

    /// Whether something waits to be carried to others.
    #[must_use]
    pub fn has_parcels(&self) -> bool {
        !self.parcels.is_empty()
    }

    /// The next thing to be carried to others. After a crash it comes again unless [`Self::parcels_carried`] was called.
    pub fn poll_parcel(&mut self) -> Option<Parcel> {
        let (place, parcel) = self.parcels.pop_front()?;
        self.parcel_bytes = self.parcel_bytes.saturating_sub(parcel.bytes.len());
        self.handed_parcels.extend(place);
        Some(parcel)
    }

    /// The next event. After a crash it comes again unless [`Self::events_dealt_with`] was called.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.poll_told().map(|(_, event)| event)
    }

    /// The same with its id, which those that [`Event::is_durable`] says so of have. Ids rise, and the same event has the same
    /// one when it comes again: whoever keeps the last one beside what it did about it does nothing twice.
    pub fn poll_told(&mut self) -> Option<(Option<u64>, Event)> {
        if self.missed > 0 {
            return Some((None, Event::Missed(std::mem::take(&mut self.missed))));
        }
        let (id, event) = self.events.pop_front()?;
        self.handed_events.extend(id);
        Some((id, event))
    }

    /// Says that all parcels that were handed out are carried away. Their rows go with the next step.
    pub fn parcels_carried(&mut self) {
        self.core.done.parcels.append(&mut self.handed_parcels);
    }

    /// Says that all events that were handed out are dealt with. Their rows go with the next step.
    pub fn events_dealt_with(&mut self) {
        self.core.done.events.append(&mut self.handed_events);
    }

    /// Says that the event of this id is dealt with, and all that were handed out before it. Their rows are gone when this
    /// answers.
    ///
    /// # Errors
    /// When the store fails; then they may come again after a restart.
    pub fn acknowledge(&mut self, id: u64) -> Result<(), StackError> {
        let (dealt_with, others) = self.handed_events.drain(..).partition(|handed| *handed <= id);
        self.handed_events = others;
        let mut dealt_with: Vec<u64> = dealt_with;
        self.core.done.events.append(&mut dealt_with);
        self.remove_rows()
    }

    /// Says both, and removes their rows now.
    ///
    /// # Errors
    /// When the store fails; then they may come again after a restart.
    pub fn consume(&mut self) -> Result<(), StackError> {
        self.parcels_carried();
        self.events_dealt_with();
        self.remove_rows()
    }

    /// Removes the rows of what is done with, which the next step would do as well.
    ///
    /// # Errors
    /// When the store fails; then they may come again after a restart.
    pub fn remove_rows(&mut self) -> Result<(), StackError> {
        let Core { done, space, places, .. } = &self.core;
        if done.is_empty() {
            return Ok(());
        }
        if !self.device.is_volatile() {
            self.device.rows(|rows| done.remove(space, *places, rows))?;
        }
        self.core.done = Done::default();
        Ok(())
    }

    /// Runs one step. What it made is there once it is stored, and not before.
    fn step<T>(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&mut Step<'_, '_, '_>) -> Result<T, StackError>,
    ) -> Result<T, StackError> {
        self.check_room()?;
        self.mend(now)?;
        let volatile = self.device.is_volatile();
        let core = &mut self.core;
        let Some(group) = self.group.as_mut() else { return Err(StackError::NotActive) };
        core.touched = false;
        let done = group.together(|together| {
            let mut step = Step::new(core, together, volatile, now);
            let value = work(&mut step)?;
            Ok::<_, StackError>((value, step.finish()?))
        });
        match done {
            Ok((value, made)) => {
                self.core.done = Done::default();
                self.publish(made);
                self.group = self.group.take().filter(Group::is_member);
                Ok(value)
            }
            Err(error) => {
                self.note_failure(&error);
                Err(error)
            }
        }
    }

    /// Takes note of whether memory is where the store is, after a failure.
    fn note_failure(&mut self, error: &StackError) {
        self.torn = self.core.touched || matches!(error, StackError::Mls(MlsError::Store(_)));
    }

    /// Goes back to what is stored, after a step that failed half way. A volatile group cannot, and ends.
    fn mend(&mut self, now: Timestamp) -> Result<(), StackError> {
        if !self.torn {
            return Ok(());
        }
        if self.device.is_volatile() {
            self.core.node.fail();
            return Ok(());
        }
        let (settings, space) = (self.core.settings.clone(), self.core.space.clone());
        let Some(group) = self.group.as_mut() else { return Err(StackError::NotActive) };
        let loaded = group.together(|together| begin::load(space, |_| settings, together, now))?;
        let (core, waiting) = loaded.ok_or(StackError::BadState)?;
        let done = std::mem::replace(&mut self.core, core).done;
        self.core.done = done;
        self.take_back(waiting);
        self.torn = false;
        Ok(())
    }

    /// What is stored takes the place of what waits; what was handed out is not handed out again.
    fn take_back(&mut self, waiting: Waiting) {
        let Waiting { mut events, mut parcels } = waiting;
        let done = &self.core.done;
        events.retain(|(place, _)| !self.handed_events.contains(place) && !done.events.contains(place));
        parcels.retain(|(place, _)| !self.handed_parcels.contains(place) && !done.parcels.contains(place));
        self.events.retain(|(place, _)| place.is_none());
        self.events.extend(events.into_iter().map(|(place, event)| (Some(place), event)));
        self.parcels.retain(|(place, _)| place.is_none());
        self.parcels.extend(parcels.into_iter().map(|(place, parcel)| (Some(place), parcel)));
        self.parcel_bytes = self.parcels.iter().map(|(_, parcel)| parcel.bytes.len()).sum();
    }

    fn publish(&mut self, made: Made) {
        for (place, event) in made.events {
            self.push_event(place, event);
        }
        for (place, parcel) in made.parcels {
            self.push_parcel(place, parcel);
        }
    }

    fn push_event(&mut self, place: Option<u64>, event: Event) {
        if !event.is_durable() && self.events.len() >= MAX_TRANSIENT_EVENTS {
            self.missed = self.missed.saturating_add(1);
        } else {
            self.events.push_back((place, event));
        }
    }

    fn push_parcel(&mut self, place: Option<u64>, parcel: Parcel) {
        self.parcel_bytes = self.parcel_bytes.saturating_add(parcel.bytes.len());
        self.parcels.push_back((place, parcel));
    }

    /// Refuses what would make more wait.
    fn check_room(&self) -> Result<(), StackError> {
        if self.events.len() >= MAX_EVENTS {
            return Err(StackError::Busy("too many events"));
        }
        if self.parcels.len() >= MAX_FRAMES || self.parcel_bytes >= MAX_FRAME_BYTES {
            return Err(StackError::Busy("too many frames"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for GroupNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupNode")
            .field("id", &self.id)
            .field("me", &self.core.own.me)
            .field("epoch", &self.core.node.epoch())
            .finish_non_exhaustive()
    }
}
