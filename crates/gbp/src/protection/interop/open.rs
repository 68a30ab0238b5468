//! The receiving side of one member.
//!
//! Refuses in the order that the protocol fixes, because it decides which error a doubly wrong frame gives: shape and
//! version, group, epoch, size and class, transition, number, and the tag last.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use coterie_crypto::aead::TAG_LENGTH;
use coterie_types::{Duration, Epoch, GroupId, StreamClass, Timestamp, TransitionId};
use coterie_wire::{Envelope, Frame, FrameError, Header, Profile};

use super::keys::{ClassKeys, nonce};
use super::numbers::is_of_ours;
use crate::error::{OpenError, SetupError};
use crate::limits::MAX_PREVIOUS_EPOCH;
use crate::protection::Opened;
use crate::protection::replay::Replay;

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
    keys: Arc<ClassKeys>,
    /// The keys with which the epoch began, once it has others.
    first_keys: Option<Arc<ClassKeys>>,
    replay: Replay,
}

impl Opener {
    /// The receiving side of a member of `group`.
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
        Ok(Self { group, transition, current: Receiving::new(epoch, keys), previous: None })
    }

    /// Goes on to the keys of another MLS epoch, before or after [`Self::transition`]. Numbers that were seen in this
    /// epoch of the node stay seen.
    pub fn rekey(&mut self, keys: Arc<ClassKeys>) {
        let current = &mut self.current;
        let displaced = std::mem::replace(&mut current.keys, keys);
        current.first_keys.get_or_insert(displaced);
    }

    /// Goes on to another epoch of the node. Application frames of the one that ends are taken until `grace` has passed,
    /// but for no longer than [`MAX_PREVIOUS_EPOCH`]; any epoch before that is forgotten.
    pub fn transition(&mut self, epoch: Epoch, transition: TransitionId, now: Timestamp, grace: Duration) {
        self.transition = transition;
        if epoch == self.current.epoch {
            return;
        }
        let next = Receiving::new(epoch, Arc::clone(&self.current.keys));
        let mut ended = std::mem::replace(&mut self.current, next);
        if let Some(keys) = ended.first_keys.take() {
            ended.keys = keys;
        }
        let until = now + grace.min(MAX_PREVIOUS_EPOCH);
        self.previous = (until > now).then_some((ended, until));
    }

    /// Goes on to another epoch of MLS and of the node at once.
    pub fn advance(
        &mut self,
        epoch: Epoch,
        transition: TransitionId,
        keys: Arc<ClassKeys>,
        now: Timestamp,
        grace: Duration,
    ) {
        self.transition(epoch, transition, now, grace);
        self.rekey(keys);
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
        let (streams, tags) = self.current.replay.remembered();
        let (more_streams, more_tags) =
            self.previous.as_ref().map_or((0, 0), |(previous, _)| previous.replay.remembered());
        (streams.saturating_add(more_streams), tags.saturating_add(more_tags))
    }

    /// Everything that can be said without a key, in its order.
    fn screen<'a>(&self, frame: &'a [u8], now: Timestamp) -> Result<Frame<'a>, OpenError> {
        let envelope = Envelope::decode(frame)?;
        if envelope.profile() != Profile::Interop {
            return Err(OpenError::Profile);
        }
        if !envelope.is_for(&self.group) {
            return Err(OpenError::UnknownGroup);
        }
        let receiving = self.receiving(envelope.epoch(), now)?;
        let misses = envelope.misses(self.transition);
        let frame = match envelope.into_frame() {
            Ok(frame) => frame,
            Err(FrameError::Sequence) if misses => return Err(OpenError::Transition(self.transition)),
            Err(error) => return Err(error.into()),
        };
        let is_late = receiving.epoch != self.current.epoch;
        if is_late && frame.header.class == StreamClass::Control {
            return Err(OpenError::Epoch(frame.header.epoch));
        }
        if misses {
            return Err(OpenError::Transition(self.transition));
        }
        receiving.replay.check(&frame.header)?;
        receiving.replay.check_tag(&frame.header, fingerprint(&frame))?;
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
        let Header { class, stream, sequence, .. } = frame.header;
        receiving.replay.has_room(class, stream)?;
        receiving.replay.record(class, stream, sequence);
        if let Some(tag) = fingerprint(frame) {
            receiving.replay.record_tag(class, (sequence.number(), tag));
        }
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
    fn new(epoch: Epoch, keys: Arc<ClassKeys>) -> Self {
        Self { epoch, keys, first_keys: None, replay: Replay::default() }
    }

    fn open(&self, frame: &Frame<'_>, out: &mut [u8]) -> Result<Range<usize>, OpenError> {
        let Header { class, sequence, .. } = frame.header;
        let length = self.keys.key(class)?.open_into(&nonce(sequence), &[], frame.payload, out)?;
        Ok(0..length)
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
