//! Audio across the boundary: numbering, judging and playing, and payloads by themselves.

use coterie_gap::{
    Accepted, Arrival, Inbound, Item, JitterBuffer, Outbound, Outgoing, Played, Playout, PlayoutStatistics,
    Pushed, TrackId, Why,
};
use coterie_types::{Epoch, MemberId};
use coterie_wire::payload::{AudioPayload, MediaSource};
use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

use crate::answer::guarded;
use crate::arguments::{duration, timestamp, unsigned, unsigned16};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::gbp::{NativeFormat, codec, format};
use crate::held::Held;
use crate::values::milliseconds;

/// A packet of audio.
#[napi(object)]
pub struct NativeAudioPayload {
    /// Its source.
    pub source: u32,
    /// Its number among the source's, modulo 2^16.
    pub sequence: u32,
    /// When it was recorded, in samples.
    pub timestamp: BigInt,
    /// The low bits of the epoch it was sent in.
    pub key_phase: u32,
    /// The audio.
    pub frame: Uint8Array,
}

/// One member's source of audio.
#[napi(object)]
pub struct NativeTrack {
    /// Who sends it.
    pub member: u32,
    /// Its source.
    pub source: u32,
}

/// A packet that was taken.
#[napi(object, object_from_js = false)]
pub struct NativeAccepted {
    /// Whose it is.
    pub track: NativeTrack,
    /// The epoch it was sent in.
    pub epoch: BigInt,
    /// What it is among the others.
    #[napi(ts_type = "'new' | 'reordered' | 'duplicate' | 'stray'")]
    pub arrival: String,
    /// The packet.
    pub packet: NativeAudioPayload,
    /// Whether there was no room for it among those that wait to be played.
    pub dropped: bool,
}

/// How many packets came, and what they were.
#[napi(object, object_from_js = false)]
pub struct NativeInboundStatistics {
    /// Ahead of all others.
    pub new: BigInt,
    /// Overtaken on the way.
    pub reordered: BigInt,
    /// Seen before.
    pub duplicate: BigInt,
    /// From elsewhere.
    pub stray: BigInt,
    /// Counts that began in the middle of an epoch.
    pub restarts: BigInt,
    /// Of all these, packets of an epoch that had ended.
    pub of_ended_epochs: BigInt,
}

/// One step of one source.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_from_js = false)]
pub enum NativePlayed {
    /// Decode this.
    Packet {
        /// Whose turn it is.
        track: NativeTrack,
        /// The epoch it was sent in.
        epoch: BigInt,
        /// Its number.
        sequence: u32,
        /// Its timestamp.
        timestamp: BigInt,
        /// The audio.
        frame: Uint8Array,
        /// For how long it has waited, in milliseconds.
        waited: f64,
    },
    /// Conceal so many samples.
    Missing {
        /// Whose turn it is.
        track: NativeTrack,
        /// How many.
        samples: u32,
        /// Why there is nothing.
        #[napi(ts_type = "'lost' | 'delay'")]
        why: String,
    },
    /// The source is silent until its next packet.
    Silent {
        /// Whose turn it is.
        track: NativeTrack,
    },
}

/// What was played of a source, and how.
#[napi(object, object_from_js = false)]
pub struct NativePlayoutStatistics {
    /// Which.
    pub track: NativeTrack,
    /// Packets that were played.
    pub played: BigInt,
    /// Steps that were concealed because nothing was there.
    pub lost: BigInt,
    /// Packets that came after their time.
    pub late: BigInt,
    /// Steps that were stretched.
    pub stretched: BigInt,
    /// Packets that were left out.
    pub left_out: BigInt,
    /// Packets that gave way.
    pub displaced: BigInt,
    /// Times that the source's place in time was found anew.
    pub realigned: BigInt,
    /// Packets that wait.
    pub waiting: u32,
    /// The delay that is aimed at, in milliseconds.
    pub target: f64,
    /// The delay that there is, in milliseconds.
    pub delay: f64,
}

/// The number that a source used last.
#[napi(object)]
pub struct NativeAudioCount {
    /// Which source.
    pub source: u32,
    /// The number.
    pub last: u32,
}

/// A packet that waits in a jitter buffer, or waited there.
#[napi(object, object_from_js = false)]
pub struct NativeBuffered {
    /// Its number.
    pub sequence: u32,
    /// Its audio.
    pub frame: Uint8Array,
}

/// What became of a packet that was pushed.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_from_js = false)]
pub enum NativeJitterPushed {
    /// It waits.
    Accepted,
    /// Its turn is over.
    Late,
    /// It waits, and another no longer does.
    Evicted {
        /// The number of the packet that gave way.
        sequence: u32,
        /// Its audio.
        frame: Uint8Array,
    },
}

/// The sending side of one member.
#[napi]
pub struct NativeOutbound {
    outbound: Held<Outbound>,
}

/// The receiving side of one member.
#[napi]
pub struct NativeInbound {
    inbound: Held<Inbound>,
}

/// Plays every source that is heard.
#[napi]
pub struct NativePlayout {
    playout: Held<Playout>,
}

/// Packets in order, without a clock.
#[napi]
pub struct NativeJitterBuffer {
    buffer: Held<JitterBuffer>,
}

#[napi]
impl NativeOutbound {
    /// A member that sends in an epoch.
    #[napi(catch_unwind, ts_return_type = "NativeOutbound | NativeFailure")]
    pub fn create(epoch: BigInt) -> Outcome<NativeOutbound> {
        outcome(guarded(|| Ok(Self { outbound: Held::new(Outbound::new(Epoch::new(unsigned(&epoch)?))) })))
    }

    /// Goes on to an epoch.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn advance(&self, epoch: BigInt) -> Outcome<()> {
        self.outbound.with(|outbound| {
            outbound.advance(Epoch::new(unsigned(&epoch)?));
            Ok(())
        })
    }

    /// The next packet of a source.
    #[napi(catch_unwind, ts_return_type = "NativeAudioPayload | null | NativeFailure")]
    pub fn packet(
        &self,
        source: u32,
        recorded: BigInt,
        frame: Uint8Array,
    ) -> Outcome<Option<NativeAudioPayload>> {
        self.outbound.with(|outbound| {
            let (source, timestamp) = (MediaSource::new(source), unsigned(&recorded)?);
            let packet = outbound.packet(Outgoing { source, timestamp, frame: frame.into() })?;
            Ok(packet.map(NativeAudioPayload::from))
        })
    }

    /// Begins or ends the member's own muting.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn set_muted(&self, muted: bool) -> Outcome<()> {
        self.outbound.with(|outbound| {
            outbound.set_muted(muted);
            Ok(())
        })
    }

    /// Whether the member has muted itself.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn is_muted(&self) -> Outcome<bool> {
        self.outbound.look(Outbound::is_muted)
    }

    /// The epoch that packets are made in.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure")]
    pub fn epoch(&self) -> Outcome<BigInt> {
        self.outbound.look(|outbound| outbound.epoch().number().into())
    }

    /// The number that each source used last.
    #[napi(catch_unwind, ts_return_type = "Array<NativeAudioCount> | NativeFailure")]
    pub fn counts(&self) -> Outcome<Vec<NativeAudioCount>> {
        let count = |(source, last): (MediaSource, u16)| NativeAudioCount {
            source: source.number(),
            last: last.into(),
        };
        self.outbound.look(|outbound| outbound.counts().map(count).collect())
    }

    /// Goes on behind a number of a source.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn resume(&self, source: u32, last: u32) -> Outcome<()> {
        self.outbound.with(|outbound| Ok(outbound.resume(MediaSource::new(source), unsigned16(last)?)?))
    }

    /// Lets go of everything.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.outbound.close();
    }
}

#[napi]
impl NativeInbound {
    /// A member that is in an epoch.
    #[napi(catch_unwind, ts_return_type = "NativeInbound | NativeFailure")]
    pub fn create(epoch: BigInt, overlap: Option<f64>) -> Outcome<NativeInbound> {
        outcome(guarded(|| {
            let epoch = Epoch::new(unsigned(&epoch)?);
            let inbound = match overlap {
                None => Inbound::new(epoch),
                Some(overlap) => Inbound::with_overlap(epoch, duration(overlap)),
            };
            Ok(Self { inbound: Held::new(inbound) })
        }))
    }

    /// Goes on to an epoch.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn advance(&self, epoch: BigInt, now: f64) -> Outcome<()> {
        self.inbound.with(|inbound| {
            inbound.advance(Epoch::new(unsigned(&epoch)?), timestamp(now));
            Ok(())
        })
    }

    /// Takes a packet that a member has sent, to be played as well where `playout` is given.
    #[napi(catch_unwind, ts_return_type = "NativeAccepted | NativeFailure")]
    pub fn accept(
        &self,
        member: u32,
        packet: NativeAudioPayload,
        now: f64,
        playout: Option<&NativePlayout>,
    ) -> Outcome<NativeAccepted> {
        self.inbound.with(|inbound| {
            let accepted = inbound.accept(MemberId::new(member), payload(packet)?, timestamp(now))?;
            Ok(queued(accepted, now, playout))
        })
    }

    /// The same of a payload.
    #[napi(catch_unwind, ts_return_type = "NativeAccepted | NativeFailure")]
    pub fn receive(
        &self,
        member: u32,
        bytes: Uint8Array,
        given: NativeFormat,
        now: f64,
        playout: Option<&NativePlayout>,
    ) -> Outcome<NativeAccepted> {
        self.inbound.with(|inbound| {
            let accepted = inbound.receive(MemberId::new(member), format(&given)?, &bytes, timestamp(now))?;
            Ok(queued(accepted, now, playout))
        })
    }

    /// Forgets a member who has left.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn forget(&self, member: u32) -> Outcome<()> {
        self.inbound.with(|inbound| {
            inbound.forget(MemberId::new(member));
            Ok(())
        })
    }

    /// Forgets every source's numbers.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn reset(&self) -> Outcome<()> {
        self.inbound.with(|inbound| {
            inbound.reset();
            Ok(())
        })
    }

    /// Forgets ended epochs whose time is over.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn handle_timeout(&self, now: f64) -> Outcome<()> {
        self.inbound.with(|inbound| {
            inbound.handle_timeout(timestamp(now));
            Ok(())
        })
    }

    /// When `handle_timeout` wants to be called.
    #[napi(catch_unwind, ts_return_type = "number | null | NativeFailure")]
    pub fn poll_timeout(&self) -> Outcome<Option<f64>> {
        self.inbound.look(|inbound| inbound.poll_timeout().map(milliseconds))
    }

    /// The present epoch.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure")]
    pub fn epoch(&self) -> Outcome<BigInt> {
        self.inbound.look(|inbound| inbound.epoch().number().into())
    }

    /// How many sources are remembered.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn sources(&self) -> Outcome<u32> {
        self.inbound.look(|inbound| u32::try_from(inbound.sources()).unwrap_or(u32::MAX))
    }

    /// What has come so far.
    #[napi(catch_unwind, ts_return_type = "NativeInboundStatistics | NativeFailure")]
    pub fn statistics(&self) -> Outcome<NativeInboundStatistics> {
        self.inbound.look(|inbound| {
            let statistics = inbound.statistics();
            NativeInboundStatistics {
                new: statistics.new.into(),
                reordered: statistics.reordered.into(),
                duplicate: statistics.duplicate.into(),
                stray: statistics.stray.into(),
                restarts: statistics.restarts.into(),
                of_ended_epochs: statistics.of_ended_epochs.into(),
            }
        })
    }

    /// Lets go of everything.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.inbound.close();
    }
}

#[napi]
impl NativePlayout {
    /// Nobody speaks yet.
    #[napi(catch_unwind, constructor)]
    #[allow(clippy::new_without_default, reason = "only JavaScript makes one")]
    pub fn new() -> Self {
        Self { playout: Held::new(Playout::new()) }
    }

    /// What is due, for each source in its order.
    #[napi(catch_unwind, ts_return_type = "Array<NativePlayed> | NativeFailure")]
    pub fn play(&self, now: f64) -> Outcome<Vec<NativePlayed>> {
        self.playout.with(|playout| {
            let mut steps = Vec::new();
            playout.play(timestamp(now), &mut steps);
            Ok(steps.into_iter().map(NativePlayed::from).collect())
        })
    }

    /// When `play` wants to be called.
    #[napi(catch_unwind, ts_return_type = "number | null | NativeFailure")]
    pub fn poll_timeout(&self) -> Outcome<Option<f64>> {
        self.playout.look(|playout| playout.poll_timeout().map(milliseconds))
    }

    /// The audio that a source plays next, if it has come.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | null | NativeFailure")]
    pub fn next_packet(&self, given: NativeTrack) -> Outcome<Option<Uint8Array>> {
        self.playout.look(|playout| playout.next_packet(track(&given)).map(Uint8Array::from))
    }

    /// Mutes a member here, or ends that.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn set_muted(&self, member: u32, muted: bool) -> Outcome<()> {
        self.playout.with(|playout| Ok(playout.set_muted(MemberId::new(member), muted)?))
    }

    /// Whether a member is muted here.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn is_muted(&self, member: u32) -> Outcome<bool> {
        self.playout.look(|playout| playout.is_muted(MemberId::new(member)))
    }

    /// Forgets a member who has left.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn forget(&self, member: u32) -> Outcome<()> {
        self.playout.with(|playout| {
            playout.forget(MemberId::new(member));
            Ok(())
        })
    }

    /// Forgets sources that were silent for long.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn forget_idle(&self, now: f64) -> Outcome<()> {
        self.playout.with(|playout| {
            playout.forget_idle(timestamp(now));
            Ok(())
        })
    }

    /// What was played of each source.
    #[napi(catch_unwind, ts_return_type = "Array<NativePlayoutStatistics> | NativeFailure")]
    pub fn statistics(&self) -> Outcome<Vec<NativePlayoutStatistics>> {
        self.playout.look(|playout| playout.statistics().map(NativePlayoutStatistics::from).collect())
    }

    /// How many bytes of audio wait.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn waiting_bytes(&self) -> Outcome<u32> {
        self.playout.look(|playout| u32::try_from(playout.waiting_bytes()).unwrap_or(u32::MAX))
    }

    /// Lets go of everything.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.playout.close();
    }
}

#[napi]
impl NativeJitterBuffer {
    /// A buffer for so many packets of each source.
    #[napi(catch_unwind, ts_return_type = "NativeJitterBuffer | NativeFailure")]
    pub fn create(capacity: u32) -> Outcome<NativeJitterBuffer> {
        outcome(guarded(|| {
            let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
            Ok(Self { buffer: Held::new(JitterBuffer::new(capacity)?) })
        }))
    }

    /// Takes a packet.
    #[napi(catch_unwind, ts_return_type = "NativeJitterPushed | NativeFailure")]
    pub fn push(
        &self,
        source: u32,
        sequence: u32,
        frame: Uint8Array,
        now: f64,
    ) -> Outcome<NativeJitterPushed> {
        self.buffer.with(|buffer| {
            let (source, sequence) = (MediaSource::new(source), unsigned16(sequence)?);
            Ok(buffer.push(source, sequence, frame.into(), timestamp(now))?.into())
        })
    }

    /// The next packet of a source, if it is the one whose turn it is.
    #[napi(catch_unwind, ts_return_type = "NativeBuffered | null | NativeFailure")]
    pub fn pop_in_order(&self, source: u32) -> Outcome<Option<NativeBuffered>> {
        self.buffer.with(|buffer| Ok(buffer.pop_in_order(MediaSource::new(source)).map(NativeBuffered::from)))
    }

    /// The next packet of a source, whatever is missing before it.
    #[napi(catch_unwind, ts_return_type = "NativeBuffered | null | NativeFailure")]
    pub fn pop_force(&self, source: u32) -> Outcome<Option<NativeBuffered>> {
        self.buffer.with(|buffer| Ok(buffer.pop_force(MediaSource::new(source)).map(NativeBuffered::from)))
    }

    /// How many packets of a source wait.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn length_for(&self, source: u32) -> Outcome<u32> {
        let source = MediaSource::new(source);
        self.buffer.look(|buffer| u32::try_from(buffer.length_for(source)).unwrap_or(u32::MAX))
    }

    /// Forgets every source.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn clear(&self) -> Outcome<()> {
        self.buffer.with(|buffer| {
            buffer.clear();
            Ok(())
        })
    }

    /// Lets go of everything.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.buffer.close();
    }
}

/// The payload of a packet.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_encode_audio(packet: NativeAudioPayload, codec_name: String) -> Outcome<Uint8Array> {
    outcome(guarded(|| Ok(payload(packet)?.encode(codec(&codec_name)?)?.into())))
}

/// The packet in a payload.
#[napi(catch_unwind, ts_return_type = "NativeAudioPayload | NativeFailure")]
pub fn native_decode_audio(bytes: Uint8Array, given: NativeFormat) -> Outcome<NativeAudioPayload> {
    outcome(guarded(|| Ok(AudioPayload::decode(format(&given)?, &bytes)?.into())))
}

/// The source that a member sends as its `index`th.
#[napi(catch_unwind)]
pub fn native_own_source(member: u32, index: u32) -> Option<u32> {
    TrackId::own(MemberId::new(member), index).map(|track| track.source.number())
}

/// What was taken goes on to be played; what finds no room there was taken all the same.
fn queued(accepted: Accepted, now: f64, playout: Option<&NativePlayout>) -> NativeAccepted {
    let native = NativeAccepted::from(accepted.clone());
    let push =
        |playout: &NativePlayout| playout.playout.with(|playout| Ok(playout.push(accepted, timestamp(now))?));
    NativeAccepted {
        dropped: playout.map(push).is_some_and(|pushed| matches!(pushed, Either::B(_))),
        ..native
    }
}

fn payload(packet: NativeAudioPayload) -> Result<AudioPayload, NativeFailure> {
    Ok(AudioPayload {
        source: MediaSource::new(packet.source),
        sequence: unsigned16(packet.sequence)?,
        timestamp: unsigned(&packet.timestamp)?,
        key_phase: packet.key_phase,
        frame: packet.frame.into(),
    })
}

fn track(given: &NativeTrack) -> TrackId {
    TrackId { member: MemberId::new(given.member), source: MediaSource::new(given.source) }
}

impl From<TrackId> for NativeTrack {
    fn from(TrackId { member, source }: TrackId) -> Self {
        Self { member: member.number(), source: source.number() }
    }
}

impl From<AudioPayload> for NativeAudioPayload {
    fn from(packet: AudioPayload) -> Self {
        Self {
            source: packet.source.number(),
            sequence: packet.sequence.into(),
            timestamp: packet.timestamp.into(),
            key_phase: packet.key_phase,
            frame: packet.frame.into(),
        }
    }
}

pub(crate) const fn arrival_name(arrival: Arrival) -> &'static str {
    match arrival {
        Arrival::New => "new",
        Arrival::Reordered => "reordered",
        Arrival::Duplicate => "duplicate",
        Arrival::Stray => "stray",
    }
}

impl From<Accepted> for NativeAccepted {
    fn from(accepted: Accepted) -> Self {
        Self {
            track: accepted.track.into(),
            epoch: accepted.epoch.number().into(),
            arrival: arrival_name(accepted.arrival).to_owned(),
            packet: accepted.payload.into(),
            dropped: false,
        }
    }
}

impl From<Played> for NativePlayed {
    fn from(Played { track, item }: Played) -> Self {
        let track = NativeTrack::from(track);
        match item {
            Item::Packet(packet) => Self::Packet {
                track,
                epoch: packet.epoch.number().into(),
                sequence: packet.sequence.into(),
                timestamp: packet.timestamp.into(),
                frame: packet.frame.into(),
                waited: span(packet.waited),
            },
            Item::Missing { samples, why } => {
                let why = match why {
                    Why::Lost => "lost",
                    Why::Delay => "delay",
                };
                Self::Missing { track, samples, why: why.to_owned() }
            }
            Item::Silent => Self::Silent { track },
        }
    }
}

impl From<(TrackId, PlayoutStatistics)> for NativePlayoutStatistics {
    fn from((track, statistics): (TrackId, PlayoutStatistics)) -> Self {
        Self {
            track: track.into(),
            played: statistics.played.into(),
            lost: statistics.lost.into(),
            late: statistics.late.into(),
            stretched: statistics.stretched.into(),
            left_out: statistics.left_out.into(),
            displaced: statistics.displaced.into(),
            realigned: statistics.realigned.into(),
            waiting: u32::try_from(statistics.waiting).unwrap_or(u32::MAX),
            target: span(statistics.target),
            delay: span(statistics.delay),
        }
    }
}

impl From<(u16, Vec<u8>)> for NativeBuffered {
    fn from((sequence, frame): (u16, Vec<u8>)) -> Self {
        Self { sequence: sequence.into(), frame: frame.into() }
    }
}

impl From<Pushed> for NativeJitterPushed {
    fn from(pushed: Pushed) -> Self {
        match pushed {
            Pushed::Accepted => Self::Accepted,
            Pushed::Late => Self::Late,
            Pushed::Evicted { sequence, frame } => {
                Self::Evicted { sequence: sequence.into(), frame: frame.into() }
            }
        }
    }
}

/// A span in milliseconds.
fn span(duration: coterie_types::Duration) -> f64 {
    milliseconds(coterie_types::Timestamp::from_millis(duration.as_millis()))
}
