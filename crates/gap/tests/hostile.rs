//! What no peer can do: grow the memory, stop another's voice, or move anything by what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

use coterie_gap::limits::{
    KEY_OVERLAP, MAX_FRAME, MAX_MUTED, MAX_SOURCES, MAX_SOURCES_PER_MEMBER, MAX_WAITING, MAX_WAITING_BYTES,
};
use coterie_gap::{Arrival, Inbound, Item, Playout, ReceiveError, SetupError};
use coterie_testkit::{Seed, T0};
use coterie_types::{Code, Duration, Epoch, ErrorCode, MemberId, Timestamp};
use coterie_wire::payload::{AudioPayload, MediaSource};
use coterie_wire::{Codec, ErrorNumber};
use rand::{Rng, RngExt};

fn packet(source: u32, sequence: u16, timestamp: u64, bytes: usize) -> AudioPayload {
    let frame = vec![sequence as u8; bytes];
    AudioPayload { source: MediaSource::new(source), sequence, timestamp, key_phase: 1, frame }
}

struct Listener {
    inbound: Inbound,
    playout: Playout,
    out: Vec<coterie_gap::Played>,
}

impl Listener {
    fn new() -> Self {
        Self { inbound: Inbound::new(Epoch::new(1)), playout: Playout::new(), out: Vec::new() }
    }

    fn hear(&mut self, member: u32, payload: AudioPayload, now: Timestamp) -> Result<Arrival, ReceiveError> {
        let accepted = self.inbound.accept(MemberId::new(member), payload, now)?;
        let arrival = accepted.arrival;
        self.playout.push(accepted, now)?;
        Ok(arrival)
    }

    /// Which of `member`'s packets were played.
    fn play(&mut self, member: u32, now: Timestamp) -> usize {
        self.out.clear();
        self.playout.play(now, &mut self.out);
        let is_theirs = |played: &&coterie_gap::Played| {
            played.track.member == MemberId::new(member) && matches!(played.item, Item::Packet(_))
        };
        self.out.iter().filter(is_theirs).count()
    }

    fn check_bounds(&self) {
        assert!(self.inbound.sources() <= MAX_SOURCES && self.playout.statistics().count() <= MAX_SOURCES);
        assert!(self.playout.waiting_bytes() <= MAX_WAITING_BYTES);
        assert!(self.playout.statistics().all(|(_, statistics)| statistics.waiting <= MAX_WAITING));
    }
}

/// Numbers from the ends of what can be said.
fn extreme(rng: &mut impl Rng) -> u64 {
    let near = rng.random_range(0..3);
    match rng.random_range(0..5) {
        0 => near,
        1 => u64::MAX - near,
        2 => (1 << 32) - 1 + near,
        3 => (1 << 63) - 1 + near,
        _ => rng.random(),
    }
}

#[test]
fn senders_of_nonsense_stay_within_bounds_and_do_not_disturb_an_honest_one() {
    let mut rng = Seed::new(1).rng(0);
    let mut listener = Listener::new();
    let (mut heard, mut now) = (0, T0);
    for step in 0_u16..20_000 {
        now = now + Duration::from_millis(20);
        listener.hear(1, packet(1, step, u64::from(step) * 960, 80), now).unwrap();
        for _ in 0..4 {
            let member = rng.random_range(2..40);
            let nonsense = packet(
                rng.random(),
                extreme(&mut rng) as u16,
                extreme(&mut rng),
                rng.random_range(0..=MAX_FRAME),
            );
            let _ = listener.hear(member, nonsense, now);
        }
        heard += listener.play(1, now);
        listener.check_bounds();
    }
    println!("honest packets heard: {heard} of 20000; sources {}", listener.inbound.sources());
    assert!(heard >= 19_980, "{heard}");
}

#[test]
fn one_sender_that_jumps_about_is_heard_again_as_soon_as_it_makes_sense() {
    let mut rng = Seed::new(2).rng(0);
    for round in 0..200 {
        let mut listener = Listener::new();
        let mut now = T0;
        for _ in 0..rng.random_range(1..300) {
            now = now + Duration::from_millis(rng.random_range(0..60));
            let _ = listener.hear(1, packet(1, extreme(&mut rng) as u16, extreme(&mut rng), 10), now);
            listener.play(1, now);
        }
        let (number, timestamp) = (extreme(&mut rng) as u16, extreme(&mut rng));
        let mut heard = 0;
        for step in 0..200 {
            now = now + Duration::from_millis(20);
            let next =
                packet(1, number.wrapping_add(step), timestamp.wrapping_add(u64::from(step) * 960), 10);
            listener.hear(1, next, now).unwrap();
            heard += listener.play(1, now);
        }
        assert!(heard >= 120, "round {round}: {heard} of 200 from number {number}, timestamp {timestamp}");
        listener.check_bounds();
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut listener = Listener::new();
    listener.hear(1, packet(1, 1, 960, 10), T0).unwrap();
    let before = format!("{:?} {:?}", listener.inbound, listener.playout);
    let later = T0 + Duration::from_secs(1);
    let phase = |key_phase| AudioPayload { key_phase, ..packet(1, 2, 1_920, 10) };
    for (refused, code, number) in [
        (packet(1, 2, 0, MAX_FRAME + 1), Code::WIRE_TOO_LARGE, ErrorNumber::GAP_DECODE_FAILED),
        (phase(0), Code::GAP_KEY_PHASE_UNKNOWN, ErrorNumber::GAP_KEY_PHASE_UNKNOWN),
        (phase(2), Code::GAP_KEY_PHASE_UNKNOWN, ErrorNumber::GAP_KEY_PHASE_UNKNOWN),
        (phase(u32::MAX), Code::GAP_KEY_PHASE_UNKNOWN, ErrorNumber::GAP_KEY_PHASE_UNKNOWN),
    ] {
        let refusal = listener.hear(1, refused, later).unwrap_err();
        assert_eq!((refusal.code(), refusal.number()), (code, Some(number)));
    }
    for garbage in [&b""[..], b"\xff\xff", b"\xa0", &[0; 64]] {
        for codec in Codec::ALL {
            let refusal = listener.inbound.receive(MemberId::new(1), codec.into(), garbage, later);
            if codec != Codec::Protobuf {
                assert_eq!(refusal.unwrap_err().number(), Some(ErrorNumber::GAP_DECODE_FAILED));
            }
        }
    }
    assert_eq!(format!("{:?} {:?}", listener.inbound, listener.playout), before);
}

#[test]
fn a_member_with_too_many_sources_is_refused_and_others_are_not() {
    let mut listener = Listener::new();
    for source in 0..MAX_SOURCES_PER_MEMBER as u32 {
        listener.hear(1, packet(source, 1, 0, 10), T0).unwrap();
    }
    let before = format!("{:?}", listener.inbound);
    let refusal = listener.hear(1, packet(1_000, 1, 0, 10), T0).unwrap_err();
    assert_eq!(
        (refusal.code(), refusal.number()),
        (Code::GAP_TOO_MANY_SOURCES, Some(ErrorNumber::GAP_BAD_SOURCE_ID))
    );
    assert_eq!(format!("{:?}", listener.inbound), before);
    listener.hear(2, packet(1_000, 1, 0, 10), T0).unwrap();
}

#[test]
fn waiting_audio_has_a_bound_in_bytes() {
    let mut listener = Listener::new();
    let mut refused = 0;
    for member in 1..20 {
        for number in 0..100 {
            let result =
                listener.hear(member, packet(member, number, u64::from(number) * 960, MAX_FRAME), T0);
            if let Err(refusal) = result {
                assert_eq!((refusal.code(), refusal.number()), (Code::GAP_BUFFER_FULL, None));
                refused += 1;
            }
            listener.check_bounds();
        }
    }
    assert!(refused > 0);
    for second in 1..10 {
        listener.play(1, T0 + Duration::from_secs(second));
    }
    (1..20).for_each(|member| listener.playout.forget(MemberId::new(member)));
    assert_eq!(listener.playout.waiting_bytes(), 0);
}

#[test]
fn a_clock_that_jumps_does_not_end_what_is_heard() {
    let jumps = [
        Timestamp::from_millis(0),
        T0,
        Timestamp::from_millis(u64::MAX - 100_000),
        T0 + Duration::from_days(1),
        T0,
    ];
    let mut listener = Listener::new();
    let mut number = 0_u16;
    for jump in jumps {
        let mut heard = 0;
        for step in 0..200 {
            let now = jump + Duration::from_millis(step * 20);
            listener.hear(1, packet(1, number, u64::from(number) * 960, 10), now).unwrap();
            number += 1;
            heard += listener.play(1, now);
        }
        assert!(heard >= 170, "{heard} after {jump:?}");
    }
}

#[test]
fn a_player_that_stalls_gets_a_bounded_share_and_goes_on() {
    let mut listener = Listener::new();
    for number in 0..100_u16 {
        listener
            .hear(
                1,
                packet(1, number, u64::from(number) * 960, 10),
                T0 + Duration::from_millis(u64::from(number) * 20),
            )
            .unwrap();
    }
    assert!(listener.play(1, T0 + Duration::from_secs(2)) <= 11);
    let mut heard = 0;
    for step in 1..200 {
        heard += listener.play(1, T0 + Duration::from_millis(2_000 + step * 20));
    }
    assert!(heard >= 80, "{heard}");
}

#[test]
fn who_is_muted_is_silent_at_once_and_until_that_ends() {
    let (mut listener, member, later) = (Listener::new(), MemberId::new(1), T0 + Duration::from_secs(1));
    listener.hear(1, packet(1, 1, 0, 10), T0).unwrap();
    listener.hear(2, packet(2, 1, 0, 10), T0).unwrap();
    listener.playout.set_muted(member, true).unwrap();
    assert!(listener.playout.is_muted(member));
    assert_eq!(listener.hear(1, packet(1, 2, 960, 10), T0), Ok(Arrival::New));
    assert_eq!((listener.play(1, later), listener.playout.statistics().count()), (0, 1));
    assert!(listener.out.iter().any(|played| played.track.member == MemberId::new(2)));
    listener.playout.set_muted(member, false).unwrap();
    listener.hear(1, packet(1, 3, 1_920, 10), later).unwrap();
    assert_eq!(listener.play(1, later + Duration::from_secs(1)), 1);
}

#[test]
fn who_can_be_muted_has_a_bound_and_who_leaves_makes_room() {
    let mut playout = Playout::new();
    (0..MAX_MUTED as u32).for_each(|member| playout.set_muted(MemberId::new(member), true).unwrap());
    playout.set_muted(MemberId::new(0), true).unwrap();
    assert_eq!(playout.set_muted(MemberId::new(u32::MAX), true), Err(SetupError::TooManyMuted));
    playout.forget(MemberId::new(0));
    playout.set_muted(MemberId::new(u32::MAX), true).unwrap();
}

#[test]
fn a_key_phase_expires() {
    let mut listener = Listener::new();
    assert_eq!(listener.hear(1, packet(1, 1, 0, 10), T0), Ok(Arrival::New));
    listener.inbound.advance(Epoch::new(2), T0);
    let end = T0 + KEY_OVERLAP;
    assert_eq!(listener.hear(1, packet(1, 2, 0, 10), end), Err(ReceiveError::PhaseExpired(1)));
    assert_eq!(listener.hear(1, packet(1, 1, 0, 10), T0), Ok(Arrival::Duplicate));
}
