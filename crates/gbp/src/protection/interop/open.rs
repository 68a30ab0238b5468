//! The receiving side of one member.
//!
//! Windows belong to an epoch of the node, because its peers begin to number again there; what was opened belongs to
//! the keys that opened it. So a frame of ours that came under the next epoch's keys before the transition does not come
//! again after it, under whatever header.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use coterie_crypto::aead::TAG_LENGTH;
use coterie_types::{Duration, Epoch, GroupId, Timestamp, TransitionId};
use coterie_wire::{Frame, Header, Profile};

use super::keys::{ClassKeys, nonce};
use super::numbers::is_of_ours;
use crate::error::{OpenError, SetupError};
use crate::limits::{MAX_PREVIOUS_EPOCH, MAX_STREAMS};
use crate::protection::replay::{Streams, Tags};
use crate::protection::{Opened, screen};

/// Opens the frames of every member.
pub struct Opener {
    group: GroupId,
    transition: TransitionId,
    current: Receiving,
    previous: Option<(Receiving, Timestamp)>,
}

/// One epoch of the node.
struct Receiving {
    epoch: Epoch,
    streams: Streams,
    /// The keys under which its frames open; none between a transition and the keys that follow it.
    keys: Option<Held>,
    /// The keys with which the epoch began, once it has those of the next.
    first: Option<Held>,
}

/// The keys of one MLS epoch, and what they have opened.
struct Held {
    keys: Arc<ClassKeys>,
    opened: Tags,
}

impl Opener {
    /// The receiving side of a member of `group`. A joiner that waits for EXECUTE has the keys of the epoch after `epoch`
    /// already, and gives them again with that epoch.
    ///
    /// # Errors
    /// [`SetupError::Length`] unless the group id has 16 bytes.
    pub fn new(
        group: GroupId,
        epoch: Epoch,
        transition: TransitionId,
        keys: Arc<ClassKeys>,
    ) -> Result<Self, SetupError> {
        if group.as_bytes().len() != Header::INTEROP_GROUP {
            return Err(SetupError::Length("the group id"));
        }
        let current = Receiving::new(epoch, Some(Held::new(keys)));
        Ok(Self { group, transition, current, previous: None })
    }

    /// Goes on to the keys of another MLS epoch, before or after [`Self::transition`]. What was seen in this epoch of the
    /// node stays seen.
    pub fn rekey(&mut self, keys: Arc<ClassKeys>) {
        if self.current.keys.as_ref().is_some_and(|held| held.keys.is(&keys)) {
            return;
        }
        // A joiner that waited had them before the transition, and has no keys of the epoch that ended.
        let waited = |(ended, _): &mut (Receiving, Timestamp)| {
            ended.keys.as_ref().is_some_and(|held| held.keys.is(&keys))
        };
        let held = self.previous.take_if(waited).and_then(|(ended, _)| ended.keys);
        let displaced = self.current.keys.replace(held.unwrap_or_else(|| Held::new(keys)));
        let first = self.current.first.take();
        self.current.first = first.or(displaced);
    }

    /// Goes on to a later epoch of the node, which has no keys before [`Self::rekey`] unless that came first. Application
    /// frames of the epoch that ends are taken until `grace` has passed, but for no longer than
    /// [`MAX_PREVIOUS_EPOCH`]; any epoch before that is forgotten.
    ///
    /// # Errors
    /// [`SetupError::Epoch`] unless it is a later one; nothing was changed.
    pub fn transition(
        &mut self,
        epoch: Epoch,
        transition: TransitionId,
        now: Timestamp,
        grace: Duration,
    ) -> Result<(), SetupError> {
        if epoch <= self.current.epoch {
            return Err(SetupError::Epoch { current: self.current.epoch, named: epoch });
        }
        let mut ended = std::mem::replace(&mut self.current, Receiving::new(epoch, None));
        if let Some(first) = ended.first.take() {
            self.current.keys = ended.keys.replace(first);
        }
        self.transition = transition;
        let until = now + grace.min(MAX_PREVIOUS_EPOCH);
        // Kept without grace too: whether its keys are those of the epoch that begins is not known yet.
        self.previous = Some((ended, until));
        Ok(())
    }

    /// Goes on to a later epoch of MLS and of the node at once.
    ///
    /// # Errors
    /// As [`Self::transition`]; nothing was changed.
    pub fn advance(
        &mut self,
        epoch: Epoch,
        transition: TransitionId,
        keys: Arc<ClassKeys>,
        now: Timestamp,
        grace: Duration,
    ) -> Result<(), SetupError> {
        self.transition(epoch, transition, now, grace)?;
        self.rekey(keys);
        self.handle_timeout(now);
        Ok(())
    }

    /// Wipes the previous epoch's keys if their time is over.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.previous.take_if(|(_, until)| *until <= now);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.previous.as_ref().map(|(_, until)| *until)
    }

    /// Opens a frame into a new buffer that holds exactly the plaintext.
    ///
    /// # Errors
    /// Every [`OpenError`] but [`OpenError::BufferTooSmall`]; nothing was changed.
    pub fn open(&mut self, frame: &[u8], now: Timestamp) -> Result<(Opened, Vec<u8>), OpenError> {
        let screened = self.screen(frame, now)?;
        let mut plaintext = vec![0; screened.payload.len().saturating_sub(TAG_LENGTH)];
        let opened = self.open_screened(&screened, &mut plaintext, now)?;
        Ok((opened, plaintext))
    }

    /// Opens a frame into the front of `out`.
    ///
    /// # Errors
    /// Every [`OpenError`]; nothing was changed but what lies in `out`.
    pub fn open_into(&mut self, frame: &[u8], out: &mut [u8], now: Timestamp) -> Result<Opened, OpenError> {
        let screened = self.screen(frame, now)?;
        let needed = screened.payload.len().saturating_sub(TAG_LENGTH);
        if out.len() < needed {
            return Err(OpenError::BufferTooSmall { needed });
        }
        self.open_screened(&screened, out, now)
    }

    /// The epoch of the node.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.current.epoch
    }

    /// How many streams are remembered, over both epochs, and how many tags.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize) {
        let previous = self.previous.as_ref().map(|(previous, _)| previous);
        let epochs = [Some(&self.current), previous].into_iter().flatten();
        epochs.fold((0, 0), |(streams, tags), receiving| {
            let held = [&receiving.keys, &receiving.first].into_iter().flatten();
            let opened = held.map(|held| held.opened.remembered()).fold(tags, usize::saturating_add);
            (streams.saturating_add(receiving.streams.remembered()), opened)
        })
    }

    /// Everything that can be said without a key.
    fn screen<'a>(&self, frame: &'a [u8], now: Timestamp) -> Result<Frame<'a>, OpenError> {
        let envelope = screen::envelope(frame, Profile::Interop, &self.group)?;
        let receiving = self.receiving(envelope.epoch(), now)?;
        let is_late = receiving.epoch != self.current.epoch;
        let frame = screen::frame(envelope, self.transition, is_late, &receiving.streams)?;
        let held = receiving.keys.as_ref().ok_or(OpenError::NotAuthentic)?;
        if let Some(tag) = fingerprint(&frame) {
            held.opened.check(&frame.header, tag)?;
        }
        held.keys.check_owner(&frame.header)?;
        Ok(frame)
    }

    fn open_screened(
        &mut self,
        frame: &Frame<'_>,
        out: &mut [u8],
        now: Timestamp,
    ) -> Result<Opened, OpenError> {
        let receiving = self.receiving_mut(frame.header.epoch, now)?;
        let plaintext = receiving.open(frame, out)?;
        Ok(Opened::new(frame, None, plaintext))
    }

    fn receiving(&self, epoch: Epoch, now: Timestamp) -> Result<&Receiving, OpenError> {
        match &self.previous {
            _ if epoch == self.current.epoch => Ok(&self.current),
            Some((previous, until)) if now < *until && epoch == previous.epoch => Ok(previous),
            _ => Err(OpenError::Epoch(epoch)),
        }
    }

    fn receiving_mut(&mut self, epoch: Epoch, now: Timestamp) -> Result<&mut Receiving, OpenError> {
        match &mut self.previous {
            _ if epoch == self.current.epoch => Ok(&mut self.current),
            Some((previous, until)) if now < *until && epoch == previous.epoch => Ok(previous),
            _ => Err(OpenError::Epoch(epoch)),
        }
    }
}

impl Receiving {
    const fn new(epoch: Epoch, keys: Option<Held>) -> Self {
        Self { epoch, streams: Streams::new(MAX_STREAMS), keys, first: None }
    }

    /// Opens a frame that was screened, and remembers it.
    fn open(&mut self, frame: &Frame<'_>, out: &mut [u8]) -> Result<Range<usize>, OpenError> {
        let Header { class, stream, sequence, .. } = frame.header;
        let held = self.keys.as_mut().ok_or(OpenError::NotAuthentic)?;
        let length = held.keys.key(class)?.open_into(&nonce(sequence), &[], frame.payload, out)?;
        self.streams.has_room(class, stream)?;
        self.streams.record(class, stream, sequence);
        if let Some(tag) = fingerprint(frame) {
            held.opened.record(&frame.header, tag);
        }
        Ok(0..length)
    }
}

impl Held {
    fn new(keys: Arc<ClassKeys>) -> Self {
        Self { keys, opened: Tags::default() }
    }
}

/// A part of the tag, by which a sealed payload is known under a number of ours: nobody else seals under it. Peers that
/// count from 1 may well seal the same bytes under the same number, so there it says nothing.
fn fingerprint(frame: &Frame<'_>) -> Option<u64> {
    let tag = frame.payload.last_chunk().map(|end| u64::from_be_bytes(*end));
    tag.filter(|_| is_of_ours(frame.header.sequence))
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("group", &self.group)
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}
