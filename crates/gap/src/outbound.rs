//! What a member sends.
//!
//! Each source counts its packets from 1 in every epoch, as deployed peers expect; after 65,535 comes 0. While the
//! member is muted nothing is made and no number is used, so that its silence does not look like loss.

use std::collections::BTreeMap;

use coterie_types::Epoch;
use coterie_wire::payload::{AudioPayload, MediaSource};

use crate::error::SendError;
use crate::limits::{MAX_FRAME, MAX_OWN_SOURCES};
use crate::phases::phase_of;

/// The sending side of one member.
#[derive(Clone, Debug)]
pub struct Outbound {
    epoch: Epoch,
    /// The number that each source used last.
    last: BTreeMap<MediaSource, u16>,
    muted: bool,
}

/// Audio to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Whose it is; unique in the group, see [`crate::TrackId::own`].
    pub source: MediaSource,
    /// When it was recorded, in samples at 48 kHz. It goes on during silence.
    pub timestamp: u64,
    /// An Opus frame, or an SFrame payload around one.
    pub frame: Vec<u8>,
}

impl Outbound {
    /// A member that sends in `epoch`.
    #[must_use]
    pub const fn new(epoch: Epoch) -> Self {
        Self { epoch, last: BTreeMap::new(), muted: false }
    }

    /// Goes on to `epoch`, where all counts begin anew. Nothing happens when it is the present one.
    pub fn advance(&mut self, epoch: Epoch) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.last.clear();
        }
    }

    /// The next packet of a source; none while the member is muted.
    ///
    /// # Errors
    /// [`SendError`]; no number was used.
    pub fn packet(&mut self, outgoing: Outgoing) -> Result<Option<AudioPayload>, SendError> {
        let Outgoing { source, timestamp, frame } = outgoing;
        if frame.len() > MAX_FRAME {
            return Err(SendError::FrameTooLong(frame.len()));
        }
        self.screen(source)?;
        if self.muted {
            return Ok(None);
        }
        let last = self.last.entry(source).or_insert(0);
        *last = last.wrapping_add(1);
        Ok(Some(AudioPayload { source, sequence: *last, timestamp, key_phase: phase_of(self.epoch), frame }))
    }

    /// Begins or ends the member's own muting.
    pub const fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Whether the member has muted itself.
    #[must_use]
    pub const fn is_muted(&self) -> bool {
        self.muted
    }

    /// The epoch that packets are made in.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The number that each source used last in this epoch: what [`Self::resume`] takes after a restart.
    pub fn counts(&self) -> impl Iterator<Item = (MediaSource, u16)> {
        self.last.iter().map(|(source, last)| (*source, *last))
    }

    /// Goes on behind number `last` of a source, so that a restart in the middle of an epoch is not heard. Without it
    /// the count begins anew, and deployed peers take what follows for old.
    ///
    /// # Errors
    /// [`SendError::TooManySources`].
    pub fn resume(&mut self, source: MediaSource, last: u16) -> Result<(), SendError> {
        self.screen(source)?;
        self.last.insert(source, last);
        Ok(())
    }

    fn screen(&self, source: MediaSource) -> Result<(), SendError> {
        if self.last.len() >= MAX_OWN_SOURCES && !self.last.contains_key(&source) {
            return Err(SendError::TooManySources);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    fn outgoing(source: u32) -> Outgoing {
        Outgoing { source: MediaSource::new(source), timestamp: 960, frame: vec![1] }
    }

    fn next(outbound: &mut Outbound, source: u32) -> (u16, u32) {
        let packet = outbound.packet(outgoing(source)).unwrap().unwrap();
        (packet.sequence, packet.key_phase)
    }

    #[test]
    fn each_source_counts_from_one_in_every_epoch_and_goes_over_the_wrap() {
        let mut outbound = Outbound::new(Epoch::new((1 << 32) + 7));
        assert_eq!(
            [next(&mut outbound, 1), next(&mut outbound, 1), next(&mut outbound, 2)],
            [(1, 7), (2, 7), (1, 7)]
        );
        outbound.resume(MediaSource::new(1), 65_534).unwrap();
        assert_eq!([next(&mut outbound, 1), next(&mut outbound, 1)], [(65_535, 7), (0, 7)]);
        outbound.advance(Epoch::new((1 << 32) + 7));
        assert_eq!(next(&mut outbound, 1), (1, 7));
        outbound.advance(Epoch::new(9));
        assert_eq!(next(&mut outbound, 1), (1, 9));
    }

    #[test]
    fn a_muted_member_makes_no_packet_and_uses_no_number() {
        let mut outbound = Outbound::new(Epoch::new(1));
        outbound.set_muted(true);
        assert!(outbound.is_muted() && outbound.packet(outgoing(1)).unwrap().is_none());
        outbound.set_muted(false);
        assert_eq!(next(&mut outbound, 1), (1, 1));
    }

    #[test]
    fn what_is_refused_uses_no_number() {
        let mut outbound = Outbound::new(Epoch::new(1));
        let huge = Outgoing { frame: vec![0; MAX_FRAME + 1], ..outgoing(0) };
        assert_eq!(outbound.packet(huge), Err(SendError::FrameTooLong(MAX_FRAME + 1)));
        assert_eq!(outbound.counts().count(), 0);
        (0..MAX_OWN_SOURCES as u32).for_each(|source| assert_eq!(next(&mut outbound, source), (1, 1)));
        assert_eq!(outbound.packet(outgoing(99)), Err(SendError::TooManySources));
        assert_eq!(outbound.resume(MediaSource::new(99), 1), Err(SendError::TooManySources));
        assert_eq!(next(&mut outbound, 0), (2, 1));
    }
}
