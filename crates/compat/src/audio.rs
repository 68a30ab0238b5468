//! Audio as the published client sends and takes it.

use std::collections::BTreeMap;

use coterie_gap::{Arrival, Inbound, ReceiveError};
use coterie_types::{Epoch, MemberId, StreamClass, Timestamp};
use coterie_wire::payload::{AudioPayload, MediaSource};
use coterie_wire::{Codec, PayloadFormat};

use crate::error::CompatError;
use crate::limits::MAX_SOURCES;
use crate::mls::MlsContext;
use crate::node::{GroupNode, OutboundFrame};

/// Numbers and takes audio.
#[derive(Debug, Default)]
pub struct AudioClient {
    /// The number that each source used last, in an epoch.
    sent: Option<(Epoch, BTreeMap<MediaSource, u16>)>,
    inbound: Option<Inbound>,
}

/// How a packet stands to those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AudioStatus {
    /// Ahead of all others of its source.
    New,
    /// Overtaken on the way, or seen before.
    Late,
}

/// A packet that was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeardAudio {
    /// How it stands to others.
    pub status: AudioStatus,
    /// The packet.
    pub payload: AudioPayload,
}

impl AudioClient {
    /// Seals a packet.
    ///
    /// # Errors
    /// When it is too long, there are too many sources, or the node does not send. No number was used.
    pub fn send(
        &mut self,
        (node, mls): (&mut GroupNode, &mut MlsContext),
        target: MemberId,
        (source, timestamp): (MediaSource, u64),
        frame: &[u8],
        codec: Codec,
    ) -> Result<OutboundFrame, CompatError> {
        let sent = match &mut self.sent {
            Some((epoch, sent)) if *epoch == node.epoch() => sent,
            other => &mut other.insert((node.epoch(), BTreeMap::new())).1,
        };
        if sent.len() >= MAX_SOURCES && !sent.contains_key(&source) {
            return Err(CompatError::Argument("too many media sources"));
        }
        let sequence = sent.get(&source).copied().unwrap_or(0).wrapping_add(1);
        let key_phase = phase(node.epoch());
        let payload = AudioPayload { source, sequence, timestamp, key_phase, frame: frame.to_vec() };
        let outbound =
            node.send(mls, target, (StreamClass::Audio, codec), payload.encode(codec)?.as_slice().into())?;
        sent.insert(source, sequence);
        Ok(outbound)
    }

    /// Takes a payload. Whoever sent it is not known here, so that sources count for the whole group.
    ///
    /// # Errors
    /// When it is none, or of an epoch that is not heard; nothing was changed.
    pub fn accept(
        &mut self,
        payload: &[u8],
        epoch: Epoch,
        format: PayloadFormat,
        now: Timestamp,
    ) -> Result<HeardAudio, ReceiveError> {
        let mut packet = AudioPayload::decode(format, payload)?;
        let inbound = self.inbound.get_or_insert_with(|| Inbound::new(epoch));
        inbound.advance(epoch, now);
        // Only judged here and not kept, so that a frame may be as long as a frame of the base layer carries.
        let frame = std::mem::take(&mut packet.frame);
        let mut accepted = inbound.accept(MemberId::EVERYBODY, packet, now)?;
        accepted.payload.frame = frame;
        let status = if accepted.arrival == Arrival::New { AudioStatus::New } else { AudioStatus::Late };
        Ok(HeardAudio { status, payload: accepted.payload })
    }

    /// Forgets what was sent and taken.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The low half of an epoch's number.
#[allow(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn phase(epoch: Epoch) -> u32 {
    epoch.number() as u32
}
