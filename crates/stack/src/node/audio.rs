//! What a member can send of audio, and what it hears.

use coterie_gap::Played;
use coterie_types::{MemberId, StreamClass, StreamId, Timestamp};
use coterie_wire::Codec;

use super::GroupNode;
use crate::error::StackError;
use crate::event::{Parcel, ParcelKind};
use crate::receive::flags_of;

/// One packet of audio to be sent.
#[derive(Clone, Debug)]
pub struct AudioOut {
    /// When and whose.
    pub packet: coterie_gap::Outgoing,
    /// To whom.
    pub target: MemberId,
    /// How it is encoded.
    pub codec: Codec,
}

impl GroupNode {
    /// Sends a packet of audio; false while this member is muted. Only the reservation of numbers, about once a minute of
    /// speech, waits for the store.
    ///
    /// # Errors
    /// When this member takes no part, may not send audio, or the frame is too long.
    pub fn send_audio(&mut self, audio: AudioOut, now: Timestamp) -> Result<bool, StackError> {
        self.check_room()?;
        self.reserve_for_audio(now)?;
        let core = &mut self.core;
        if !core.node.takes_part() {
            return Err(StackError::NotActive);
        }
        let (me, class) = (core.own.me, StreamClass::Audio);
        let muted = core.signals.view().is_muted(me);
        if !muted && !core.signals.may_send(me, class) {
            return Err(StackError::NotAllowed(class));
        }
        let Some(packet) = core.audio.packet(audio.packet, muted)? else { return Ok(false) };
        let plaintext = packet.encode(audio.codec)?;
        let stream = StreamId::standard(class, me);
        let stream = stream.ok_or(StackError::Internal("members of a roster have streams"))?;
        let (flags, format) = (flags_of(class), audio.codec.into());
        let frame = coterie_gbp::protection::Outgoing {
            class,
            stream,
            flags,
            format,
            plaintext: plaintext.as_slice().into(),
        };
        let bytes = core.protection.as_mut().ok_or(StackError::NotActive)?.seal_audio(frame)?;
        let kind = ParcelKind::Frame(class);
        self.push_parcel(None, Parcel { target: audio.target, kind, bytes });
        Ok(true)
    }

    fn reserve_for_audio(&mut self, now: Timestamp) -> Result<(), StackError> {
        let class = StreamClass::Audio;
        if !self.core.protection.as_ref().is_some_and(|protection| protection.wants_reservation(class)) {
            return Ok(());
        }
        self.step(now, |step| {
            let protection = step.core.protection.as_mut().ok_or(StackError::NotActive)?;
            protection.reserve(class, step.together, &step.core.space)
        })
    }

    /// Puts what is to be played now behind what `out` holds.
    pub fn play(&mut self, now: Timestamp, out: &mut Vec<Played>) {
        self.core.audio.play(now, out);
    }

    /// When [`Self::play`] has something, as far as is known.
    #[must_use]
    pub fn next_play(&self) -> Option<Timestamp> {
        self.core.audio.playout().poll_timeout()
    }
}
