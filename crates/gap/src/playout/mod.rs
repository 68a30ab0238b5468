//! When each packet is played.
//!
//! Packets wait until their time: as recorded, plus the least delay of the network, plus what its jitter asks for. Each
//! source is played in steps of one packet; where a packet is missing the decoder is told to conceal it. The delay
//! follows the network by leaving a packet out or stretching one now and then; a silence changes it for nothing.
//!
//! `timeline` says when a packet was recorded, `delay` how long to wait, `voice` plays one source.

mod delay;
mod timeline;
mod voice;

use std::collections::BTreeSet;

use coterie_types::{Duration, Epoch, MemberId, Timestamp};

use crate::clock::{Clock, span};
use crate::error::{ReceiveError, SetupError};
use crate::inbound::{Accepted, Arrival};
use crate::limits::{MAX_MUTED, MAX_WAITING_BYTES, SOURCE_IDLE};
use crate::track::{TrackId, Tracks};
use voice::Voice;

/// Plays every source that is heard, from what one [`crate::Inbound`] has accepted.
#[derive(Debug, Default)]
pub struct Playout {
    voices: Tracks<Box<Voice>>,
    muted: BTreeSet<MemberId>,
    clock: Clock,
    waiting_bytes: usize,
}

/// What is to be played now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Played {
    /// Whose turn it is.
    pub track: TrackId,
    /// What to do.
    pub item: Item,
}

/// One step of one source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// Decode this.
    Packet(Packet),
    /// Conceal this many samples. If the packet behind the gap is here already ([`Playout::next_packet`]), its forward
    /// error correction may hold what is missing.
    Missing {
        /// How many samples to make up.
        samples: u32,
        /// Why there is nothing.
        why: Why,
    },
    /// The source is silent until its next packet. Nothing more is to be concealed.
    Silent,
}

/// Audio whose time has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet {
    /// The epoch it was sent in.
    pub epoch: Epoch,
    /// Its number.
    pub sequence: u16,
    /// Its timestamp, as it came.
    pub timestamp: u64,
    /// An Opus frame.
    pub frame: Vec<u8>,
    /// For how long it has waited here.
    pub waited: Duration,
}

/// Why there is nothing to play.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Why {
    /// A packet did not come in time.
    Lost,
    /// The delay grows: what comes next is not missing.
    Delay,
}

/// What was played of a source, and how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PlayoutStatistics {
    /// Packets that were played.
    pub played: u64,
    /// Steps that were concealed because nothing was there.
    pub lost: u64,
    /// Packets that came after their time.
    pub late: u64,
    /// Steps that were stretched to make the delay longer.
    pub stretched: u64,
    /// Packets that were left out to make the delay shorter.
    pub left_out: u64,
    /// Packets that gave way because too many waited, or two claimed one place.
    pub displaced: u64,
    /// Times that the source's place in time was found anew.
    pub realigned: u64,
    /// Packets that wait.
    pub waiting: usize,
    /// The delay above the network's least that is aimed at.
    pub target: Duration,
    /// The delay above the network's least that there is.
    pub delay: Duration,
}

impl Playout {
    /// Nobody speaks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a packet wait for its time. Duplicates, strays and packets of muted members are passed over.
    ///
    /// # Errors
    /// [`ReceiveError::TooManySources`] and [`ReceiveError::BufferFull`]; nothing was changed.
    pub fn push(&mut self, accepted: Accepted, now: Timestamp) -> Result<(), ReceiveError> {
        let is_in_order = matches!(accepted.arrival, Arrival::New | Arrival::Reordered);
        if !is_in_order || self.is_muted(accepted.track.member) {
            return Ok(());
        }
        let (track, time) = (accepted.track, self.clock.at(now));
        if !self.voices.has_room(track, time) {
            return Err(ReceiveError::TooManySources);
        }
        let bytes = self.waiting_bytes.saturating_add(accepted.payload.frame.capacity());
        if bytes > MAX_WAITING_BYTES {
            return Err(ReceiveError::BufferFull);
        }
        let time = self.clock.advance(now);
        let voice = self.voices.enter(track, time, Box::default).ok_or(ReceiveError::TooManySources)?;
        let before = voice.waiting_bytes();
        voice.push(accepted, time);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(before).saturating_add(voice.waiting_bytes());
        Ok(())
    }

    /// Puts what is due behind what `out` holds: for each source in its order, at most [`crate::limits::MAX_STALL`] of it.
    pub fn play(&mut self, now: Timestamp, out: &mut Vec<Played>) {
        let now = self.clock.advance(now);
        for (track, voice) in self.voices.iter_mut() {
            let before = voice.waiting_bytes();
            voice.play(now, |item| out.push(Played { track, item }));
            self.waiting_bytes =
                self.waiting_bytes.saturating_sub(before).saturating_add(voice.waiting_bytes());
        }
    }

    /// When [`Self::play`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let next = self.voices.iter().filter_map(|(_, voice)| voice.due()).min();
        next.map(|moment| self.clock.shows(moment))
    }

    /// The audio that a source plays next, if it has come.
    #[must_use]
    pub fn next_packet(&self, track: TrackId) -> Option<&[u8]> {
        self.voices.get(track)?.next_frame()
    }

    /// Mutes a member here, from this moment on: what waits is dropped, and what comes is not played. Or ends that.
    ///
    /// # Errors
    /// [`SetupError::TooManyMuted`]; nothing was changed.
    pub fn set_muted(&mut self, member: MemberId, muted: bool) -> Result<(), SetupError> {
        if !muted {
            self.muted.remove(&member);
            return Ok(());
        }
        if self.muted.len() >= MAX_MUTED && !self.is_muted(member) {
            return Err(SetupError::TooManyMuted);
        }
        self.muted.insert(member);
        self.drop_voices(member);
        Ok(())
    }

    /// Whether a member is muted here.
    #[must_use]
    pub fn is_muted(&self, member: MemberId) -> bool {
        self.muted.contains(&member)
    }

    /// Forgets a member who has left, with what waits.
    pub fn forget(&mut self, member: MemberId) {
        self.muted.remove(&member);
        self.drop_voices(member);
    }

    /// Forgets sources that were silent for long, and what was learned of their ways through the network.
    pub fn forget_idle(&mut self, now: Timestamp) {
        let now = self.clock.advance(now);
        let limit = crate::clock::ticks(SOURCE_IDLE);
        self.voices.retain(|voice, last| voice.due().is_some() || now.saturating_sub(last) < limit);
    }

    /// What was played of each source that is remembered.
    pub fn statistics(&self) -> impl Iterator<Item = (TrackId, PlayoutStatistics)> {
        self.voices.iter().map(|(track, voice)| (track, voice.statistics()))
    }

    /// How many bytes of audio wait.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn drop_voices(&mut self, member: MemberId) {
        self.voices.forget(member);
        self.waiting_bytes = self.voices.iter().map(|(_, voice)| voice.waiting_bytes()).sum();
    }
}

/// Samples as the caller's span.
fn milliseconds(ticks: crate::clock::Ticks) -> Duration {
    span(ticks.max(0))
}
