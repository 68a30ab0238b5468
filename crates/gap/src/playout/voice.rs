//! One source: what waits of it, and its steps.
//!
//! While it speaks there is a step for each packet's length, without a pause: a packet, or word that it is missing. When
//! nothing has come for some steps it is silent. Its next packet then starts it anew with the delay that is wanted by
//! now, whatever its numbers and timestamps say, so that nothing can keep it silent. What was recorded before something
//! that was played is never played after it, wherever its timestamp would put it.

use std::collections::VecDeque;

use super::delay::Delay;
use super::timeline::{Mark, Order, Place, Timeline};
use super::{Item, Packet, PlayoutStatistics, Why, milliseconds};
use crate::clock::{Ticks, ticks};
use crate::inbound::Accepted;
use crate::limits::{LENGTHEN_EVERY, MAX_AHEAD, MAX_MISSING, MAX_STALL, MAX_WAITING, SHORTEN_EVERY};

#[derive(Debug)]
pub(super) struct Voice {
    timeline: Timeline,
    delay: Delay,
    /// By position.
    waiting: VecDeque<Waiting>,
    bytes: usize,
    speaking: Option<Speaking>,
    /// Up to where it was played or concealed; what belongs before that is late.
    passed: Option<Ticks>,
    /// The furthest that was played or has given way.
    gone: Option<Order>,
    counts: PlayoutStatistics,
}

#[derive(Debug)]
struct Waiting {
    position: Ticks,
    order: Order,
    arrived: Ticks,
    packet: Packet,
}

/// Where a source that speaks has got to.
#[derive(Clone, Copy, Debug)]
struct Speaking {
    /// The position of the next step, and when it is due.
    position: Ticks,
    due: Ticks,
    /// Steps in a row without a packet.
    missing: u32,
    /// Steps since the delay was changed.
    unchanged: u32,
    /// Whether there was a step. Until then, an earlier packet may still come.
    begun: bool,
}

impl Default for Voice {
    fn default() -> Self {
        Self {
            timeline: Timeline::default(),
            delay: Delay::default(),
            waiting: VecDeque::with_capacity(MAX_WAITING.saturating_add(1)),
            bytes: 0,
            speaking: None,
            passed: None,
            gone: None,
            counts: PlayoutStatistics::default(),
        }
    }
}

impl Voice {
    /// Lets a packet wait for its time, if that has not passed.
    pub(super) fn push(&mut self, accepted: Accepted, now: Ticks) {
        let Accepted { epoch, index, count, payload, .. } = accepted;
        let mark = Mark { epoch, count, index, timestamp: payload.timestamp };
        let Some(position) = self.place(mark, now) else {
            self.counts.late = self.counts.late.saturating_add(1);
            return;
        };
        self.delay.observe(now.saturating_sub(position), now);
        self.timeline.note(mark, position);
        if self.is_over(mark.order(), position) {
            self.counts.late = self.counts.late.saturating_add(1);
            return;
        }
        let (sequence, timestamp, frame) = (payload.sequence, payload.timestamp, payload.frame);
        let packet = Packet { epoch, sequence, timestamp, frame, waited: coterie_types::Duration::default() };
        self.speaking.take_if(|speaking| !speaking.begun);
        self.insert(Waiting { position, order: mark.order(), arrived: now, packet });
        self.start(now);
    }

    /// Tells `step` what to do, as long as something is due.
    pub(super) fn play(&mut self, now: Ticks, mut step: impl FnMut(Item)) {
        while let Some(mut speaking) = self.speaking.filter(|speaking| speaking.due <= now) {
            if now.saturating_sub(speaking.due) > ticks(MAX_STALL) {
                speaking.due = now;
            }
            let item = self.step(&mut speaking, now);
            if item != Item::Silent {
                self.passed = Some(speaking.position);
            }
            self.speaking = (item != Item::Silent || !self.waiting.is_empty()).then_some(speaking);
            step(item);
        }
    }

    /// When [`Self::play`] has something to do.
    pub(super) fn due(&self) -> Option<Ticks> {
        self.speaking.map(|speaking| speaking.due)
    }

    pub(super) fn next_frame(&self) -> Option<&[u8]> {
        self.waiting.front().map(|waiting| waiting.packet.frame.as_slice())
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn statistics(&self) -> PlayoutStatistics {
        let delay = self.speaking.map_or(0, |speaking| {
            let offset = speaking.due.saturating_sub(speaking.position);
            offset.saturating_sub(self.delay.base().unwrap_or_default())
        });
        PlayoutStatistics {
            waiting: self.waiting.len(),
            target: milliseconds(self.delay.target()),
            delay: milliseconds(delay),
            ..self.counts
        }
    }

    /// Where a packet belongs. What is silent may start anywhere, and what lies far ahead is a jump: both are put where
    /// they can be played.
    fn place(&mut self, mark: Mark, now: Ticks) -> Option<Ticks> {
        let Some(base) = self.delay.base() else { return Some(now) };
        let position = match self.timeline.place(mark)? {
            Place::At(position) => position,
            Place::From(earliest) => self.nearest(earliest, now, base),
        };
        if !self.timeline.is_furthest(mark) {
            return Some(position);
        }
        let transit = now.saturating_sub(position).saturating_sub(base);
        let ahead = transit < ticks(MAX_AHEAD).saturating_neg();
        let behind = self.is_silent() && transit > self.delay.target();
        if !ahead && !behind {
            return Some(position);
        }
        self.counts.realigned = self.counts.realigned.saturating_add(1);
        Some(self.aligned(now, base))
    }

    /// Where a packet belongs of which nothing is known but that it came now: behind all others, as late as usual.
    fn aligned(&self, now: Ticks, base: Ticks) -> Ticks {
        let usual = self.delay.target().checked_div(2).unwrap_or_default();
        let position = now.saturating_sub(base).saturating_sub(usual);
        let behind = self.waiting.back().map(|last| last.position.saturating_add(self.timeline.packet()));
        position.max(behind.or(self.passed).unwrap_or(position))
    }

    /// The place behind `earliest`, in whole packets, that a packet most likely has that came now.
    fn nearest(&self, earliest: Ticks, now: Ticks, base: Ticks) -> Ticks {
        let usual = self.delay.target().checked_div(2).unwrap_or_default();
        let likely = now.saturating_sub(base).saturating_sub(usual);
        let missed = likely.saturating_sub(earliest).saturating_add(self.half()).max(0);
        let packet = self.timeline.packet();
        let beyond = missed.checked_rem(packet).unwrap_or_default();
        earliest.saturating_add(missed.saturating_sub(beyond))
    }

    fn is_silent(&self) -> bool {
        self.speaking.is_none() && self.waiting.is_empty()
    }

    /// Whether the turn of a packet is over.
    fn is_over(&self, order: Order, position: Ticks) -> bool {
        self.gone.is_some_and(|gone| order <= gone)
            || self.passed.is_some_and(|passed| position < passed.saturating_sub(self.half()))
    }

    fn half(&self) -> Ticks {
        self.timeline.packet().checked_div(2).unwrap_or_default()
    }

    fn insert(&mut self, new: Waiting) {
        let half = self.half();
        let before = self.waiting.iter().rposition(|waiting| waiting.position <= new.position);
        let place = before.map_or(0, |before| before.saturating_add(1));
        let is_free = |other: &Waiting| {
            other.position.saturating_sub(new.position).saturating_abs() >= half
                && other.order.cmp(&new.order) == other.position.cmp(&new.position)
        };
        let before = before.and_then(|before| self.waiting.get(before));
        if ![before, self.waiting.get(place)].into_iter().flatten().all(is_free) {
            self.counts.displaced = self.counts.displaced.saturating_add(1);
            return;
        }
        self.bytes = self.bytes.saturating_add(new.packet.frame.capacity());
        self.waiting.insert(place, new);
        if self.waiting.len() > MAX_WAITING {
            self.counts.displaced = self.counts.displaced.saturating_add(1);
            self.take();
        }
    }

    fn take(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(waiting.packet.frame.capacity());
        self.gone = Some(waiting.order);
        Some(waiting)
    }

    /// Begins to speak with the first packet that waits.
    fn start(&mut self, now: Ticks) {
        let Some(first) = self.waiting.front().filter(|_| self.speaking.is_none()) else { return };
        let due = first.position.saturating_add(self.delay.wanted()).max(now);
        self.speaking =
            Some(Speaking { position: first.position, due, missing: 0, unchanged: 0, begun: false });
    }

    fn step(&mut self, speaking: &mut Speaking, now: Ticks) -> Item {
        let packet = self.timeline.packet();
        speaking.begun = true;
        speaking.unchanged = speaking.unchanged.saturating_add(1);
        self.shorten(speaking, packet);
        if self.should_lengthen(speaking, packet) {
            speaking.unchanged = 0;
            speaking.due = speaking.due.saturating_add(packet);
            self.counts.stretched = self.counts.stretched.saturating_add(1);
            return missing(packet, Why::Delay);
        }
        if self.is_here(speaking, packet)
            && let Some(waiting) = self.take()
        {
            return self.packet(speaking, waiting, packet, now);
        }
        speaking.missing = speaking.missing.saturating_add(1);
        if speaking.missing > MAX_MISSING {
            return self.silence(speaking);
        }
        speaking.position = speaking.position.saturating_add(packet);
        speaking.due = speaking.due.saturating_add(packet);
        self.counts.lost = self.counts.lost.saturating_add(1);
        missing(packet, Why::Lost)
    }

    fn packet(&mut self, speaking: &mut Speaking, waiting: Waiting, packet: Ticks, now: Ticks) -> Item {
        speaking.position = waiting.position.saturating_add(packet);
        speaking.due = speaking.due.saturating_add(packet);
        speaking.missing = 0;
        self.counts.played = self.counts.played.saturating_add(1);
        let waited = milliseconds(now.saturating_sub(waiting.arrived));
        Item::Packet(Packet { waited, ..waiting.packet })
    }

    /// Nothing has come for long. What waits further on is started when it is due.
    fn silence(&mut self, speaking: &mut Speaking) -> Item {
        if let Some(first) = self.waiting.front() {
            let wanted = first.position.saturating_add(self.delay.wanted());
            let due = wanted.max(speaking.due);
            *speaking = Speaking { position: first.position, due, missing: 0, unchanged: 0, begun: false };
        }
        Item::Silent
    }

    /// Leaves out a step that is missing anyway, or now and then a packet, while the delay is longer than wanted.
    fn shorten(&mut self, speaking: &mut Speaking, packet: Ticks) {
        let tolerated = packet.saturating_add(self.half());
        while self.surplus(speaking) >= tolerated && !self.waiting.is_empty() {
            if !self.is_here(speaking, packet) {
                self.counts.lost = self.counts.lost.saturating_add(1);
            } else if speaking.unchanged >= SHORTEN_EVERY && self.waiting.len() > 1 {
                self.take();
                self.counts.left_out = self.counts.left_out.saturating_add(1);
            } else {
                return;
            }
            speaking.unchanged = 0;
            speaking.position = speaking.position.saturating_add(packet);
        }
    }

    fn should_lengthen(&self, speaking: &Speaking, packet: Ticks) -> bool {
        let is_short = self.surplus(speaking) < 0;
        is_short
            && (speaking.unchanged >= LENGTHEN_EVERY || !self.is_here(speaking, packet))
            && speaking.missing == 0
    }

    /// How much longer than wanted the delay is.
    fn surplus(&self, speaking: &Speaking) -> Ticks {
        speaking.due.saturating_sub(speaking.position).saturating_sub(self.delay.wanted())
    }

    /// Whether the first packet that waits is that of this step.
    fn is_here(&self, speaking: &Speaking, packet: Ticks) -> bool {
        let end = speaking.position.saturating_add(packet.checked_div(2).unwrap_or_default());
        self.waiting.front().is_some_and(|first| first.position < end)
    }
}

fn missing(packet: Ticks, why: Why) -> Item {
    Item::Missing { samples: u32::try_from(packet).unwrap_or_default(), why }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use coterie_types::{Epoch, MemberId};
    use coterie_wire::payload::{AudioPayload, MediaSource};
    use proptest::prelude::*;

    use super::*;
    use crate::inbound::Arrival;
    use crate::track::TrackId;

    fn accepted(epoch: u64, count: u64, index: i64, timestamp: u64) -> Accepted {
        let source = MediaSource::new(1);
        let frame = [epoch.to_be_bytes(), count.to_be_bytes(), index.to_be_bytes()].concat();
        let payload = AudioPayload { source, sequence: 0, timestamp, key_phase: 0, frame };
        let track = TrackId { member: MemberId::new(1), source };
        Accepted { track, epoch: Epoch::new(epoch), arrival: Arrival::New, payload, index, count }
    }

    fn play(voice: &mut Voice, now: Ticks, played: &mut Vec<Vec<u8>>) {
        voice.play(now, |item| {
            if let Item::Packet(packet) = item {
                played.push(packet.frame);
            }
        });
    }

    fn timestamps() -> impl Strategy<Value = u64> {
        prop_oneof![0..200_000_u64, Just(960), any::<u64>(), (1_u64 << 32) - 9_000..(1 << 32)]
    }

    proptest! {
        #[test]
        fn whatever_comes_is_played_forward(
            packets in prop::collection::vec(
                (0..3_u64, 0..3_u64, 0..60_i64, timestamps(), 0..40_i64), 1..400,
            ),
        ) {
            let (mut voice, mut now, mut played) = (Voice::default(), 0, Vec::new());
            for (epoch, count, index, timestamp, later) in packets {
                now += later * 48;
                voice.push(accepted(epoch, count, index, timestamp), now);
                play(&mut voice, now, &mut played);
            }
            while let Some(due) = voice.due() {
                play(&mut voice, due, &mut played);
            }
            prop_assert!(!played.is_empty() && played.is_sorted_by(|one, next| one < next), "{played:?}");
        }
    }
}
