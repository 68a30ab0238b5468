//! What arrives: of which epoch, and seen before or not.
//!
//! Each source has a count of its own in every epoch that is taken, so that an ended epoch's last packets and a new
//! one's first are told apart however they mix. The layers below let each frame through once; what is judged here is
//! order, so that a sender that begins anew is followed and not locked out.

use coterie_types::{Duration, Epoch, MemberId, Timestamp};
use coterie_wire::PayloadFormat;
use coterie_wire::payload::AudioPayload;

use crate::clock::Clock;
use crate::error::ReceiveError;
use crate::limits::{KEY_OVERLAP, MAX_FRAME};
use crate::numbering::{Judged, Label, Numbering};
use crate::phases::Phases;
use crate::track::{TrackId, Tracks};

/// The receiving side of one member, before anything waits to be played.
#[derive(Clone, Debug)]
pub struct Inbound {
    phases: Phases,
    tracks: Tracks<Vec<Count>>,
    /// How many counts have begun here, over all sources.
    begun: u64,
    clock: Clock,
    statistics: InboundStatistics,
}

/// The numbers of one source in one epoch.
#[derive(Clone, Debug)]
struct Count {
    epoch: Epoch,
    numbering: Numbering,
    /// Which of all counts it is. A later one of an epoch has a greater number.
    id: u64,
}

/// What a packet is among those that came before it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Arrival {
    /// Ahead of all others of its source: what deployed peers call new.
    New,
    /// Overtaken on the way, and seen for the first time. Deployed peers call this and what follows late.
    Reordered,
    /// Its number was seen before.
    Duplicate,
    /// From elsewhere: of a count that has ended, or of one that the next packet confirms. This one is not played.
    Stray,
}

/// A packet that was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Whose it is.
    pub track: TrackId,
    /// The epoch it was sent in.
    pub epoch: Epoch,
    /// What it is among the others.
    pub arrival: Arrival,
    /// The packet.
    pub payload: AudioPayload,
    /// Its number, extended so that it never wraps within one count.
    pub(crate) index: i64,
    /// Which count it belongs to. A later one of an epoch has a greater number.
    pub(crate) count: u64,
}

/// How many packets came, and what they were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct InboundStatistics {
    /// [`Arrival::New`].
    pub new: u64,
    /// [`Arrival::Reordered`].
    pub reordered: u64,
    /// [`Arrival::Duplicate`].
    pub duplicate: u64,
    /// [`Arrival::Stray`].
    pub stray: u64,
    /// Counts that began in the middle of an epoch: senders that began anew, or of whom nothing was heard for long.
    pub restarts: u64,
    /// Of all these, packets of an epoch that had ended.
    pub of_ended_epochs: u64,
}

impl Inbound {
    /// A member that is in `epoch`.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self::with_overlap(epoch, KEY_OVERLAP)
    }

    /// The same with another time for which ended epochs are taken, up to [`crate::limits::MAX_KEY_OVERLAP`]. It should
    /// not be longer than the layer below keeps their keys.
    #[must_use]
    pub fn with_overlap(epoch: Epoch, overlap: Duration) -> Self {
        Self {
            phases: Phases::new(epoch, overlap),
            tracks: Tracks::default(),
            begun: 0,
            clock: Clock::default(),
            statistics: InboundStatistics::default(),
        }
    }

    /// Goes on to `epoch`. Packets of the one that ends are taken for the overlap; nothing that is heard is interrupted.
    pub fn advance(&mut self, epoch: Epoch, now: Timestamp) {
        let now = self.clock.advance(now);
        if self.phases.advance(epoch, now) {
            self.forget_expired(now);
        }
    }

    /// Takes the packet in `plaintext`, which `member` has sent.
    ///
    /// # Errors
    /// [`ReceiveError`]; nothing was changed.
    pub fn receive(
        &mut self,
        member: MemberId,
        format: PayloadFormat,
        plaintext: &[u8],
        now: Timestamp,
    ) -> Result<Accepted, ReceiveError> {
        let payload = AudioPayload::decode(format, plaintext)?;
        self.accept(member, payload, now)
    }

    /// Takes a packet that `member` has sent.
    ///
    /// # Errors
    /// [`ReceiveError`]; nothing was changed.
    pub fn accept(
        &mut self,
        member: MemberId,
        payload: AudioPayload,
        now: Timestamp,
    ) -> Result<Accepted, ReceiveError> {
        self.accept_with(member, payload, now, |_, _| Ok(()))
    }

    /// Takes a packet whose audio has still to be opened: `open` does that, in the epoch that it is told, after all else
    /// was checked and before anything is remembered.
    ///
    /// # Errors
    /// [`ReceiveError`], or what `open` answers; nothing was changed.
    pub fn accept_with<E: From<ReceiveError>>(
        &mut self,
        member: MemberId,
        mut payload: AudioPayload,
        now: Timestamp,
        open: impl FnOnce(&mut AudioPayload, Epoch) -> Result<(), E>,
    ) -> Result<Accepted, E> {
        let track = TrackId { member, source: payload.source };
        let epoch = self.screen(track, &payload, now)?;
        open(&mut payload, epoch)?;
        let time = self.clock.advance(now);
        let counts = self.tracks.enter(track, time, Vec::new).ok_or(ReceiveError::TooManySources)?;
        let label = Label { number: payload.sequence, timestamp: payload.timestamp, arrived: time };
        let (judged, count) = record(counts, &mut self.begun, epoch, label);
        let (arrival, index) = described(judged);
        let ended = epoch != self.phases.current();
        self.statistics.note(arrival, matches!(judged, Judged::Anew(_)), ended);
        Ok(Accepted { track, epoch, arrival, payload, index, count })
    }

    /// Forgets a member who has left.
    pub fn forget(&mut self, member: MemberId) {
        self.tracks.forget(member);
    }

    /// Forgets every source's numbers. Ended epochs stay taken.
    pub fn reset(&mut self) {
        self.tracks.clear();
    }

    /// Forgets ended epochs whose time is over.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let now = self.clock.advance(now);
        self.phases.expire(now);
        self.forget_expired(now);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.phases.next_expiry().map(|moment| self.clock.shows(moment))
    }

    /// The present epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.phases.current()
    }

    /// How many sources are remembered.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.tracks.len()
    }

    /// What has come so far.
    #[must_use]
    pub const fn statistics(&self) -> InboundStatistics {
        self.statistics
    }

    fn screen(&self, track: TrackId, payload: &AudioPayload, now: Timestamp) -> Result<Epoch, ReceiveError> {
        if payload.frame.len() > MAX_FRAME {
            return Err(ReceiveError::FrameTooLong(payload.frame.len()));
        }
        let now = self.clock.at(now);
        let epoch = self.phases.epoch_of(payload.key_phase, now)?;
        if !self.tracks.has_room(track, now) {
            return Err(ReceiveError::TooManySources);
        }
        Ok(epoch)
    }

    fn forget_expired(&mut self, now: crate::clock::Ticks) {
        for (_, counts) in self.tracks.iter_mut() {
            counts.retain(|count| self.phases.holds(count.epoch, now));
        }
        self.tracks.retain(|counts, _| !counts.is_empty());
    }
}

/// A number goes into its epoch's count, of which there are never more than epochs are taken.
fn record(counts: &mut Vec<Count>, begun: &mut u64, epoch: Epoch, label: Label) -> (Judged, u64) {
    let next = begun.saturating_add(1);
    let Some(count) = counts.iter_mut().rev().find(|count| count.epoch == epoch) else {
        *begun = next;
        counts.push(Count { epoch, numbering: Numbering::new(label), id: next });
        return (Judged::Ahead(label.number.into()), next);
    };
    let judged = count.numbering.record(label);
    if matches!(judged, Judged::Anew(_)) {
        (*begun, count.id) = (next, next);
    }
    (judged, count.id)
}

fn described(judged: Judged) -> (Arrival, i64) {
    match judged {
        Judged::Ahead(index) | Judged::Anew(index) => (Arrival::New, index),
        Judged::Behind(index) => (Arrival::Reordered, index),
        Judged::Duplicate => (Arrival::Duplicate, 0),
        Judged::Stray | Judged::Straggler => (Arrival::Stray, 0),
    }
}

impl InboundStatistics {
    fn note(&mut self, arrival: Arrival, anew: bool, ended: bool) {
        let field = match arrival {
            Arrival::New => &mut self.new,
            Arrival::Reordered => &mut self.reordered,
            Arrival::Duplicate => &mut self.duplicate,
            Arrival::Stray => &mut self.stray,
        };
        *field = field.saturating_add(1);
        self.restarts = self.restarts.saturating_add(anew.into());
        self.of_ended_epochs = self.of_ended_epochs.saturating_add(ended.into());
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use coterie_wire::payload::MediaSource;

    use super::*;

    const T0: Timestamp = Timestamp::from_secs(1_000);

    fn packet(sequence: u16, key_phase: u32) -> AudioPayload {
        AudioPayload { source: MediaSource::new(1), sequence, timestamp: 0, key_phase, frame: vec![9] }
    }

    #[test]
    fn what_does_not_open_moves_nothing() {
        let mut inbound = Inbound::new(Epoch::new(1));
        let member = MemberId::new(1);
        let forged = inbound.accept_with(member, packet(500, 1), T0, |_, epoch| {
            assert_eq!(epoch, Epoch::new(1));
            Err(ReceiveError::BufferFull)
        });
        assert_eq!(forged, Err(ReceiveError::BufferFull));
        assert_eq!((inbound.sources(), inbound.statistics()), (0, InboundStatistics::default()));
        let opened: Result<_, ReceiveError> =
            inbound.accept_with(member, packet(500, 1), T0, |payload, _| {
                payload.frame = vec![1, 2];
                Ok(())
            });
        assert_eq!(
            opened.map(|accepted| (accepted.arrival, accepted.payload.frame)),
            Ok((Arrival::New, vec![1, 2]))
        );
    }

    #[test]
    fn two_members_with_one_source_number_do_not_disturb_each_other() {
        let mut inbound = Inbound::new(Epoch::new(1));
        for member in [1, 2].map(MemberId::new) {
            assert_eq!(inbound.accept(member, packet(7, 1), T0).unwrap().arrival, Arrival::New);
        }
        assert_eq!(inbound.accept(MemberId::new(1), packet(7, 1), T0).unwrap().arrival, Arrival::Duplicate);
        inbound.forget(MemberId::new(1));
        assert_eq!(inbound.sources(), 1);
    }

    #[test]
    fn numbers_of_an_ended_epoch_are_forgotten_with_it() {
        let mut inbound = Inbound::new(Epoch::new(1));
        let member = MemberId::new(1);
        inbound.accept(member, packet(1, 1), T0).unwrap();
        inbound.advance(Epoch::new(2), T0);
        assert_eq!(inbound.accept(member, packet(1, 1), T0).unwrap().arrival, Arrival::Duplicate);
        let expiry = inbound.poll_timeout().unwrap();
        assert_eq!(expiry, T0 + KEY_OVERLAP);
        inbound.handle_timeout(expiry);
        assert_eq!((inbound.sources(), inbound.poll_timeout()), (0, None));
        assert_eq!(inbound.accept(member, packet(2, 1), expiry), Err(ReceiveError::PhaseExpired(1)));
    }
}
