//! A sender, a network and a listener in simulated time: what is played, concealed and lost, and how late.
//!
//! Each scenario prints its figures and fails where they are worse than a listener should bear.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test may panic"
)]

use coterie_gap::{
    Inbound, InboundStatistics, Item, Outbound, Outgoing, Played, Playout, PlayoutStatistics, TrackId, Why,
};
use coterie_testkit::{Seed, T0};
use coterie_types::{Duration, Epoch, MemberId, Timestamp};
use coterie_wire::Codec;
use rand::RngExt;

const PACKET: u64 = 20;
const WAY: u64 = 40;
const SPEAKER: MemberId = MemberId::new(7);

/// What happens between a speaker and a listener.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    packets: u64,
    loss: u32,
    jitter: u64,
    duplicates: u32,
    /// How much faster the speaker's clock goes, in parts per million.
    drift: i64,
    first_number: u16,
    /// Every so many packets somebody joins.
    join_every: u64,
    /// How much earlier than the speaker the listener changes its epoch.
    listener_leads: u64,
    /// Every so many packets the speaker's process begins anew, with other numbers and timestamps.
    restart_every: u64,
    /// How far before its last number it begins at most.
    restart_reach: u16,
    /// Every so many packets the speaker says nothing for three seconds.
    pause_every: u64,
    /// Whether timestamps are the constant that deployed peers write.
    constant_timestamps: bool,
    /// From this packet on the way takes a second longer.
    detour_at: u64,
    seed: u64,
}

const QUIET: Scenario = Scenario {
    name: "nothing happens",
    packets: 6_000,
    loss: 0,
    jitter: 0,
    duplicates: 0,
    drift: 0,
    first_number: 0,
    join_every: 0,
    listener_leads: 0,
    restart_every: 0,
    restart_reach: u16::MAX,
    pause_every: 0,
    constant_timestamps: false,
    detour_at: 0,
    seed: 1,
};

/// What came of it.
#[derive(Default)]
struct Heard {
    /// Each packet that was played: which one, when, and for how long it was under way and waiting.
    packets: Vec<(u64, u64, u64)>,
    lost: u64,
    stretched: u64,
    silences: u64,
    sent: u64,
    dropped: u64,
    refused: u64,
    inbound: InboundStatistics,
    playout: PlayoutStatistics,
}

/// A packet under way: when it arrives, and its payload in bytes.
struct UnderWay {
    arrives: u64,
    payload: Vec<u8>,
}

fn every(number: u64, index: u64) -> bool {
    number != 0 && index != 0 && index.is_multiple_of(number)
}

impl Scenario {
    /// When packet `index` is recorded, in milliseconds by the listener's clock.
    fn recorded(&self, index: u64) -> u64 {
        let pauses = index.checked_div(self.pause_every).unwrap_or(0);
        let nominal = (index * PACKET + pauses * 3_000) as i64;
        (nominal - nominal * self.drift / 1_000_000) as u64
    }

    fn epoch_at(&self, index: u64) -> u64 {
        1 + index.checked_div(self.join_every).unwrap_or(0)
    }

    fn sent(&self, heard: &mut Heard) -> Vec<UnderWay> {
        let mut rng = Seed::quiet(self.seed).rng(1);
        let mut restarts = Seed::quiet(self.seed).rng(2);
        let (mut number, mut origin) = (self.first_number, 0_u64);
        let source = TrackId::own(SPEAKER, 0).unwrap().source;
        let mut outbound = Outbound::new(Epoch::new(1));
        outbound.resume(source, self.first_number).unwrap();
        let mut under_way = Vec::new();
        for index in 0..self.packets {
            outbound.advance(Epoch::new(self.epoch_at(index)));
            if every(self.restart_every, index) {
                let back = restarts.random_range(1..=self.restart_reach);
                outbound.resume(source, number.wrapping_sub(back)).unwrap();
                origin = restarts.random();
            }
            let pauses = index.checked_div(self.pause_every).unwrap_or(0);
            let samples = origin.wrapping_add(index * 960 + pauses * 144_000);
            let timestamp = if self.constant_timestamps { 960 } else { samples };
            let outgoing = Outgoing { source, timestamp, frame: index.to_be_bytes().to_vec() };
            let packet = outbound.packet(outgoing).unwrap().unwrap();
            number = packet.sequence;
            let payload = packet.encode(Codec::FlatBuffers).unwrap();
            heard.sent += 1;
            let detour = if self.detour_at != 0 && index >= self.detour_at { 1_000 } else { 0 };
            let copies = if rng.random_ratio(self.duplicates, 100) { 2 } else { 1 };
            if rng.random_ratio(self.loss, 100) {
                heard.dropped += 1;
                continue;
            }
            for _ in 0..copies {
                let jitter = rng.random_range(0..=self.jitter);
                let arrives = 1_000 + self.recorded(index) + WAY + jitter + detour;
                under_way.push(UnderWay { arrives, payload: payload.clone() });
            }
        }
        under_way.sort_by_key(|packet| packet.arrives);
        under_way
    }

    fn run(&self) -> Heard {
        let mut heard = Heard::default();
        let under_way = self.sent(&mut heard);
        let mut changes: Vec<(u64, u64)> = (0..self.packets)
            .filter(|index| every(self.join_every, *index))
            .map(|index| {
                ((1_000 + self.recorded(index)).saturating_sub(self.listener_leads), self.epoch_at(index))
            })
            .collect();
        changes.reverse();
        let (mut inbound, mut playout) = (Inbound::new(Epoch::new(1)), Playout::new());
        let mut out = Vec::new();
        let at = |moment: u64| T0 + Duration::from_millis(moment);
        for packet in under_way {
            self.play_until(packet.arrives, &mut playout, &mut out, &mut heard);
            while let Some((_, epoch)) = changes.pop_if(|(moment, _)| *moment <= packet.arrives) {
                inbound.advance(Epoch::new(epoch), at(packet.arrives));
            }
            let taken =
                inbound.receive(SPEAKER, Codec::FlatBuffers.into(), &packet.payload, at(packet.arrives));
            match taken {
                Ok(accepted) => playout.push(accepted, at(packet.arrives)).unwrap(),
                Err(_) => heard.refused += 1,
            }
        }
        let speaking = playout.statistics().next().unwrap().1;
        self.play_until(u64::MAX / 2, &mut playout, &mut out, &mut heard);
        let ended = playout.statistics().next().unwrap().1;
        (heard.inbound, heard.playout) = (
            inbound.statistics(),
            PlayoutStatistics { delay: speaking.delay, target: speaking.target, ..ended },
        );
        self.print(&heard);
        heard
    }

    fn play_until(&self, moment: u64, playout: &mut Playout, out: &mut Vec<Played>, heard: &mut Heard) {
        while let Some(due) = playout.poll_timeout().filter(|due| millis(*due) <= moment) {
            playout.play(due, out);
            assert!(!out.is_empty(), "a deadline that brings nothing would be asked for for ever");
            for played in out.drain(..) {
                match played.item {
                    Item::Packet(packet) => {
                        let index = u64::from_be_bytes(packet.frame.try_into().unwrap());
                        let delay = millis(due) - 1_000 - self.recorded(index);
                        heard.packets.push((index, millis(due), delay));
                    }
                    Item::Missing { samples, why } => {
                        assert_eq!(samples, 960);
                        *(if why == Why::Lost { &mut heard.lost } else { &mut heard.stretched }) += 1;
                    }
                    Item::Silent => heard.silences += 1,
                }
            }
        }
    }

    fn print(&self, heard: &Heard) {
        let Heard { lost, stretched, silences, sent, dropped, playout, inbound, .. } = heard;
        println!(
            "{:34} seed {} sent {sent} dropped {dropped} refused {} played {} concealed {lost} stretched {stretched} \
             left out {} late {} silences {silences} realigned {} reordered {} delay mean {} max {} ms, target {}",
            self.name,
            self.seed,
            heard.refused,
            heard.packets.len(),
            playout.left_out,
            playout.late,
            playout.realigned,
            inbound.reordered,
            heard.mean_delay(),
            heard.max_delay(),
            playout.target.as_millis(),
        );
    }
}

impl Heard {
    fn mean_delay(&self) -> u64 {
        self.packets.iter().map(|packet| packet.2).sum::<u64>() / self.packets.len().max(1) as u64
    }

    fn max_delay(&self) -> u64 {
        self.packets.iter().map(|packet| packet.2).max().unwrap_or(0)
    }

    /// Packets that arrived at least once and were not played.
    fn unheard(&self) -> u64 {
        self.sent - self.dropped - self.packets.len() as u64
    }

    fn is_in_order(&self) -> bool {
        self.disorder().is_none()
    }

    /// The first two packets that were played in another order than they were recorded in.
    fn disorder(&self) -> Option<&[(u64, u64, u64)]> {
        self.packets.windows(2).find(|two| two[0].0 >= two[1].0 || two[0].1 > two[1].1)
    }

    /// The longest time in which nothing was played.
    fn longest_gap(&self) -> u64 {
        self.packets.windows(2).map(|two| two[1].1 - two[0].1).max().unwrap_or(0)
    }

    /// What everybody may ask for, whatever the network does: order, nearly all of what arrived, and no more delay than
    /// the jitter explains.
    fn check(&self, scenario: &Scenario, unheard_percent: u64) {
        let name = scenario.name;
        assert_eq!(self.disorder(), None, "{name}: out of order or played twice");
        let unheard = self.unheard();
        assert!(
            unheard * 100 <= self.sent * unheard_percent,
            "{name}: {unheard} of {} were not heard",
            self.sent
        );
        let bearable = WAY + scenario.jitter + 60;
        assert!(self.mean_delay() <= bearable, "{name}: {} ms of delay", self.mean_delay());
        let steps = self.packets.len() as u64 + self.lost + self.stretched;
        assert!(self.playout.waiting == 0 && steps >= self.packets.len() as u64);
    }
}

fn millis(moment: Timestamp) -> u64 {
    moment.since(T0).as_millis()
}

fn seeds(base: u64) -> impl Iterator<Item = u64> {
    let seed = Seed::new(base).number();
    (0..4).map(move |offset| seed + offset)
}

#[test]
fn a_good_network_loses_nothing_and_waits_for_one_packet() {
    let heard = QUIET.run();
    assert_eq!((heard.packets.len(), heard.unheard()), (5_999, 1), "one gave way to a shorter delay");
    heard.check(&QUIET, 1);
    assert_eq!(heard.playout.target, Duration::from_millis(20));
    assert!(heard.packets.iter().skip(1_000).all(|packet| packet.2 <= WAY + 40), "{}", heard.max_delay());
}

#[test]
fn loss_is_concealed_step_by_step() {
    for seed in seeds(100) {
        for loss in [1, 5, 10, 20, 30] {
            let scenario = Scenario { name: "loss", loss, jitter: 20, seed, ..QUIET };
            let heard = scenario.run();
            heard.check(&scenario, 2);
            let accounted = heard.lost + heard.playout.left_out + heard.silences * 5;
            assert!(
                accounted + 100 >= heard.dropped,
                "{loss} %: {accounted} of {} gaps were told",
                heard.dropped
            );
        }
    }
}

#[test]
fn the_delay_follows_the_jitter_and_no_further() {
    for seed in seeds(200) {
        for jitter in [10, 50, 100, 200] {
            let scenario = Scenario { name: "jitter", jitter, duplicates: 5, loss: 2, seed, ..QUIET };
            let heard = scenario.run();
            heard.check(&scenario, 4);
            let target = heard.playout.target.as_millis();
            assert!(target + 10 >= jitter && target <= jitter + 20, "{jitter} ms: {target}");
        }
    }
}

#[test]
fn clocks_that_drift_apart_are_followed_for_hours() {
    for seed in seeds(300) {
        for drift in [200, -200] {
            let packets = 3 * 3_600 * 50;
            let scenario = Scenario { name: "drift, 3 hours", drift, packets, jitter: 30, seed, ..QUIET };
            let heard = scenario.run();
            heard.check(&scenario, 1);
            assert!(heard.silences == 1 && heard.max_delay() <= WAY + 150, "{}", heard.max_delay());
        }
    }
}

#[test]
fn numbers_wrap_in_mid_sentence_and_nobody_hears_it() {
    for seed in seeds(400) {
        let scenario =
            Scenario { name: "wrap", first_number: 64_000, packets: 140_000, jitter: 60, seed, ..QUIET };
        let heard = scenario.run();
        heard.check(&scenario, 1);
        assert!(heard.longest_gap() <= 300 && heard.inbound.stray == 0, "{}", heard.longest_gap());
    }
}

#[test]
fn speech_goes_on_while_somebody_joins_every_few_seconds() {
    for seed in seeds(500) {
        for constant_timestamps in [false, true] {
            for listener_leads in [0, 100, 1_000] {
                let scenario = Scenario {
                    name: if constant_timestamps { "joins, constant timestamps" } else { "joins" },
                    join_every: 137,
                    listener_leads,
                    constant_timestamps,
                    jitter: 60,
                    seed,
                    ..QUIET
                };
                let heard = scenario.run();
                heard.check(&scenario, if constant_timestamps { 3 } else { 1 });
                assert_eq!((heard.refused, heard.silences), (0, 1), "never fell silent but at the end");
                assert!(heard.longest_gap() <= 160, "{}", heard.longest_gap());
            }
        }
    }
}

#[test]
fn a_sender_that_begins_anew_is_heard_again_after_its_second_packet() {
    for seed in seeds(600) {
        for constant_timestamps in [false, true] {
            let scenario = Scenario {
                name: "restarts",
                restart_every: 250,
                jitter: 40,
                duplicates: 2,
                constant_timestamps,
                seed,
                ..QUIET
            };
            let heard = scenario.run();
            heard.check(&scenario, 4);
            // Without timestamps, one among the last numbers is followed after half a second only.
            let bearable = if constant_timestamps { 800 } else { 300 };
            assert!(heard.longest_gap() <= bearable, "{}", heard.longest_gap());
            assert!(heard.inbound.restarts >= 20, "{}", heard.inbound.restarts);
        }
    }
}

#[test]
fn timestamps_tell_at_once_that_a_sender_began_anew_among_its_last_numbers() {
    for seed in seeds(650) {
        for restart_reach in [20, 500] {
            let scenario = Scenario {
                name: "restarts among the last numbers",
                restart_every: 250,
                restart_reach,
                jitter: 40,
                loss: 5,
                duplicates: 2,
                seed,
                ..QUIET
            };
            let heard = scenario.run();
            heard.check(&scenario, 4);
            assert!(heard.longest_gap() <= 300, "{}", heard.longest_gap());
            assert!(heard.inbound.restarts >= 18, "{}", heard.inbound.restarts);
        }
    }
}

#[test]
fn every_sentence_after_a_silence_is_heard_from_its_beginning() {
    for seed in seeds(700) {
        for constant_timestamps in [false, true] {
            let scenario = Scenario {
                name: "silences",
                pause_every: 200,
                jitter: 40,
                constant_timestamps,
                drift: 200,
                seed,
                ..QUIET
            };
            let heard = scenario.run();
            heard.check(&scenario, 2);
            assert!(heard.silences >= 29);
            let unheard_beginnings = (1..29)
                .filter(|sentence| !heard.packets.iter().any(|packet| packet.0 / 2 == sentence * 100))
                .count();
            assert_eq!(unheard_beginnings, 0);
        }
    }
}

#[test]
fn a_way_that_becomes_a_second_longer_costs_a_moment_and_no_more() {
    for seed in seeds(800) {
        let scenario = Scenario { name: "detour", detour_at: 3_000, jitter: 20, seed, ..QUIET };
        let heard = scenario.run();
        assert!(heard.is_in_order() && heard.unheard() <= 20, "{}", heard.unheard());
        assert!(heard.longest_gap() <= 1_200, "{}", heard.longest_gap());
        let after: Vec<u64> =
            heard.packets.iter().filter(|packet| packet.0 > 5_000).map(|packet| packet.2).collect();
        assert!(after.iter().all(|delay| *delay <= WAY + 1_000 + 150), "{:?}", after.iter().max());
    }
}

#[test]
fn everything_at_once() {
    for seed in seeds(900) {
        let scenario = Scenario {
            name: "everything",
            packets: 30_000,
            loss: 10,
            jitter: 120,
            duplicates: 10,
            drift: -200,
            first_number: 65_000,
            join_every: 1_111,
            listener_leads: 200,
            pause_every: 901,
            restart_every: 1_777,
            seed,
            ..QUIET
        };
        let heard = scenario.run();
        heard.check(&scenario, 5);
    }
}
