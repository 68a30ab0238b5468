//! Groups of the sealed profile over a network that loses, doubles, delays and reorders, with processes that die between and
//! within steps, and disks that fail. Everything grows from one seed. Afterwards, once all is well again and members have asked each
//! other for what they missed, everybody has heard everything exactly once.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use coterie_gbp::node::NodeState;
use coterie_gtp::Draft;
use coterie_stack::{Event, Parcel, ParcelKind, Pattern};
use coterie_testkit::{Fault, Seed};
use coterie_types::{Duration, MemberId, RequestId};
use coterie_wire::Profile;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use support::{World, member};

/// Seeds of every run of the tests.
const SEEDS: u64 = 50;

/// Half seconds of trouble, and of calm after it.
const TROUBLE: u64 = 60;
const CALM: u64 = 160;

struct Run {
    world: World,
    rng: ChaCha20Rng,
    /// When what arrives where: the moment, whose parcel, for whom.
    flying: Vec<(u64, u32, u32, Parcel)>,
    moment: u64,
    calm: bool,
    /// What was said by whom, and in the epoch of which everybody was a member.
    said: BTreeMap<u32, BTreeSet<String>>,
    /// What each member has heard.
    heard: BTreeMap<u32, Vec<(u32, String)>>,
    /// Who was a member from the beginning.
    founders: Vec<u32>,
    count: u64,
}

impl Run {
    fn new(number: u64) -> Self {
        let seed = Seed::quiet(number);
        let mut rng = seed.rng(77);
        let size = rng.random_range(2..=5);
        let world = World::of(Profile::Sealed, seed, size);
        let founders = world.peers.keys().copied().collect();
        Self {
            world,
            rng,
            flying: Vec::new(),
            moment: 0,
            calm: false,
            said: BTreeMap::new(),
            heard: BTreeMap::new(),
            founders,
            count: 0,
        }
    }

    fn one_of(&mut self) -> u32 {
        let all: Vec<u32> = self.world.peers.keys().copied().collect();
        all[self.rng.random_range(0..all.len())]
    }

    /// Half a second.
    fn pass(&mut self) {
        self.moment += 1;
        self.world.clock.advance(Duration::from_millis(500));
        if !self.calm {
            self.act();
        }
        let now = self.world.now();
        for number in self.numbers() {
            let woken = self.world.node(number).wake(now);
            self.survive(number, woken.is_err());
        }
        // What is sent may be answered within the half second.
        for _ in 0..4 {
            self.send();
            self.arrive();
        }
    }

    fn numbers(&self) -> Vec<u32> {
        self.world.peers.keys().copied().collect()
    }

    /// A step failed: the process ends and another one opens the group, or it goes on with what is stored.
    fn survive(&mut self, number: u32, failed: bool) {
        if failed && self.rng.random_bool(0.5) {
            self.listen();
            self.world.restart(number);
            self.listen();
        } else if failed {
            self.world.peers[&number].installation.disk.reopen();
        }
    }

    fn send(&mut self) {
        self.world.collect();
        self.listen();
        for (from, parcel) in std::mem::take(&mut self.world.wire) {
            if parcel.kind == ParcelKind::Admission {
                // It goes by another way, which does not lose it.
                self.world.deliver(from, &parcel);
                continue;
            }
            let to = |number: &u32| {
                *number != from && (parcel.target == MemberId::EVERYBODY || parcel.target.number() == *number)
            };
            for number in self.numbers().into_iter().filter(to) {
                let copies = 1 + u64::from(!self.calm && self.rng.random_bool(0.1));
                for _ in 0..copies {
                    let lost = !self.calm && self.rng.random_bool(0.15);
                    let delay =
                        if self.calm || self.rng.random_bool(0.5) { 0 } else { self.rng.random_range(0..4) };
                    if !lost {
                        self.flying.push((self.moment + delay, from, number, parcel.clone()));
                    }
                }
            }
        }
    }

    fn arrive(&mut self) {
        let now = self.world.now();
        let (mut due, later) = std::mem::take(&mut self.flying)
            .into_iter()
            .partition::<Vec<_>, _>(|(moment, ..)| *moment <= self.moment);
        self.flying = later;
        if !self.calm {
            for index in 0..due.len() {
                let other = self.rng.random_range(index..due.len());
                due.swap(index, other);
            }
        }
        for (_, _, to, parcel) in due {
            if !self.calm && self.rng.random_bool(0.01) {
                let fault = Fault::ALL[self.rng.random_range(0..4)];
                self.world.peers[&to].installation.disk.fail_after(0, fault);
            }
            let done = self.world.node(to).receive(&parcel.bytes, now);
            let failed = done.is_err() && self.world.peers[&to].node.state() != NodeState::Closed;
            self.survive(to, failed);
            if failed && self.rng.random_bool(0.5) {
                let _ = self.world.node(to).receive(&parcel.bytes, now);
            }
        }
    }

    fn listen(&mut self) {
        for (number, peer) in &mut self.world.peers {
            peer.take_events();
            for event in peer.events.drain(..) {
                if let Event::Text(text) = event {
                    let said = String::from_utf8(text.message.content).unwrap();
                    self.heard.entry(*number).or_default().push((text.message.sender.number(), said));
                }
            }
            if peer.node.consume().is_err() {
                peer.installation.disk.reopen();
                peer.node.consume().unwrap();
            }
        }
    }

    fn act(&mut self) {
        let (now, who) = (self.world.now(), self.one_of());
        let before = self.world.peers[&who].installation.disk.failed();
        self.want(who, now);
        let failed = self.world.peers[&who].installation.disk.failed() > before;
        self.survive(who, failed);
    }

    fn want(&mut self, who: u32, now: coterie_types::Timestamp) {
        match self.rng.random_range(0..12_u32) {
            0..=5 => self.speak(who),
            6 => drop(self.world.node(who).update(now)),
            8 if self.world.peers.len() < 8 => {
                let joiner = self.world.installation();
                let package = joiner.key_package(now);
                if let Ok(numbers) = self.world.node(who).invite(&[package], Pattern::Direct, now) {
                    self.world.joining.entry(numbers[0].number()).or_default().push(joiner);
                }
            }
            9 => {
                self.listen();
                self.world.restart(who);
            }
            11 => {
                // What it was given and has not dealt with comes again, and what it sent is sent again.
                let peer = self.world.peers.get_mut(&who).unwrap();
                while peer.node.poll_event().is_some() {}
                let sent: Vec<Parcel> = std::iter::from_fn(|| peer.node.poll_parcel()).collect();
                self.world.wire.extend(sent.into_iter().map(|parcel| (who, parcel)));
                self.world.crash(who);
            }
            7 if self.rng.random_bool(0.3) => {
                let other = self.one_of();
                if !self.founders.contains(&other) {
                    drop(self.world.node(who).remove(&[member(other)], now));
                }
            }
            7 => drop(self.world.node(who).claim(now)),
            10 => drop(self.world.node(who).resync(now)),
            _ => {}
        }
    }

    fn speak(&mut self, who: u32) {
        let now = self.world.now();
        self.count += 1;
        let said = format!("{who}: {}", self.count);
        if self.world.node(who).send_text(MemberId::EVERYBODY, Draft::text(&said), now).is_ok() {
            self.said.entry(who).or_default().insert(said);
        }
    }

    /// Everybody asks everybody for what is missing, as often as it takes.
    fn catch_up(&mut self) {
        let numbers = self.numbers();
        for (from, of) in numbers.iter().flat_map(|from| numbers.iter().map(move |of| (*from, *of))) {
            if from != of {
                self.ask(from, of);
                for _ in 0..3 {
                    self.pass();
                }
            }
        }
    }

    fn ask(&mut self, from: u32, of: u32) {
        for _ in 0..30 {
            let (now, request) = (self.world.now(), RequestId::new(self.rng.random_range(1..u32::MAX)));
            let asked = self.world.node(from).catch_up(member(of), request, now);
            self.survive(from, self.world.peers[&from].installation.disk.failed() > 0 && asked.is_err());
            if asked.is_ok() {
                return;
            }
            self.pass();
        }
        panic!("member {from} cannot ask member {of}");
    }

    /// Whoever was removed is out of it.
    fn forget_the_removed(&mut self) {
        self.listen();
        self.world.peers.retain(|_, peer| peer.node.state() != NodeState::Closed);
    }

    fn check(&mut self) -> Result<(), String> {
        let mut views = BTreeMap::new();
        for number in self.numbers() {
            let node = self.world.node(number);
            let view = (node.epoch(), node.epoch_authenticator().map_err(|error| error.to_string())?);
            views.insert(number, view);
        }
        let first = views.values().next().cloned();
        if let Some((number, view)) = views.iter().find(|(_, view)| Some(*view) != first.as_ref()) {
            return Err(format!(
                "member {number} is at {}, others at {:?}",
                view.0,
                first.map(|view| view.0)
            ));
        }
        for number in self.numbers() {
            let heard = self.heard.get(&number).cloned().unwrap_or_default();
            let once: BTreeSet<_> = heard.iter().collect();
            if once.len() != heard.len() {
                return Err(format!("member {number} heard something twice: {heard:?}"));
            }
            if !self.founders.contains(&number) {
                continue;
            }
            let others = |sender: &u32| *sender != number && self.founders.contains(sender);
            for (sender, said) in self.said.iter().filter(|(sender, _)| others(sender)) {
                if let Some(missed) = said.iter().find(|said| !once.contains(&(*sender, (*said).clone()))) {
                    return Err(format!("member {number} never heard {missed:?}"));
                }
            }
        }
        Ok(())
    }
}

fn run(number: u64) -> Result<(u64, usize), String> {
    let mut run = Run::new(number);
    // Whoever never heard a member cannot know that it missed its first word.
    for founder in run.founders.clone() {
        run.speak(founder);
    }
    run.world.settle();
    run.listen();
    while run.moment < TROUBLE {
        run.pass();
    }
    run.calm = true;
    for number in run.numbers() {
        run.listen();
        run.world.restart(number);
    }
    while run.moment < TROUBLE + CALM {
        run.pass();
    }
    run.forget_the_removed();
    run.catch_up();
    run.check()?;
    let one = run.one_of();
    Ok((run.world.node(one).epoch().number(), run.count as usize))
}

#[test]
fn nothing_is_lost_or_doubled_whatever_goes_wrong() {
    let (mut epochs, mut texts, mut failed) = (0, 0, Vec::new());
    let only = std::env::var("COTERIE_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds: Vec<u64> = only.map_or_else(|| (0..SEEDS).collect(), |seed| vec![seed]);
    for number in &seeds {
        match run(*number) {
            Ok((epoch, count)) => {
                epochs += epoch;
                texts += count;
            }
            Err(why) => failed.push(format!("seed {number}: {why} (COTERIE_SEED={number} repeats it)")),
        }
    }
    let held = seeds.len() - failed.len();
    println!("{epochs} epochs, {texts} texts; {held}/{} seeds held\n{}", seeds.len(), failed.join("\n"));
    assert!(failed.is_empty(), "{failed:#?}");
}
