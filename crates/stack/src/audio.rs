//! Audio of one member: what it sends, and what it hears. It lives in memory only: audio that was missed is past.

use coterie_gap::{Accepted, Inbound, Outbound, Outgoing, Played, Playout, ReceiveError, SendError};
use coterie_types::{Epoch, MemberId, Timestamp};
use coterie_wire::PayloadFormat;
use coterie_wire::payload::AudioPayload;

/// Both directions of audio.
pub(crate) struct Audio {
    outbound: Outbound,
    inbound: Inbound,
    playout: Playout,
}

impl Audio {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { outbound: Outbound::new(epoch), inbound: Inbound::new(epoch), playout: Playout::new() }
    }

    pub(crate) fn advance(&mut self, epoch: Epoch, now: Timestamp) {
        self.outbound.advance(epoch);
        self.inbound.advance(epoch, now);
    }

    pub(crate) fn forget(&mut self, member: MemberId) {
        self.inbound.forget(member);
        self.playout.forget(member);
    }

    /// The next packet; none while this member is muted.
    pub(crate) fn packet(
        &mut self,
        outgoing: Outgoing,
        muted: bool,
    ) -> Result<Option<AudioPayload>, SendError> {
        self.outbound.set_muted(muted);
        self.outbound.packet(outgoing)
    }

    /// Takes a packet and lets it wait for its time.
    pub(crate) fn receive(
        &mut self,
        member: MemberId,
        format: PayloadFormat,
        plaintext: &[u8],
        now: Timestamp,
    ) -> Result<Accepted, ReceiveError> {
        let accepted = self.inbound.receive(member, format, plaintext, now)?;
        self.playout.push(accepted.clone(), now)?;
        Ok(accepted)
    }

    pub(crate) fn play(&mut self, now: Timestamp, out: &mut Vec<Played>) {
        self.playout.play(now, out);
    }

    pub(crate) fn playout(&self) -> &Playout {
        &self.playout
    }

    pub(crate) fn playout_mut(&mut self) -> &mut Playout {
        &mut self.playout
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        self.inbound.handle_timeout(now);
        self.playout.forget_idle(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.inbound.poll_timeout()
    }
}

impl std::fmt::Debug for Audio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Audio { .. }")
    }
}
