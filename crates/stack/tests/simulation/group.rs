//! A group of the sealed profile, real keys and all, over a network that loses, doubles, delays, reorders, parts, alters and
//! replays, with processes that die between and within steps, disks that fail, and clocks that differ. Everything grows from one
//! seed. Afterwards all is well again, members ask each other for what they missed, and the group changes once more.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use coterie_gbp::node::NodeState;
use coterie_gtp::{AttachmentKey, Cut, Draft, Label};
use coterie_mls::KeyPackageOptions;
use coterie_stack::{Event, Parcel, ParcelKind, Pattern, StackError};
use coterie_testkit::{Fault, Seed};
use coterie_types::{Duration, Epoch, MemberId, RequestId, Timestamp};
use coterie_wire::Profile;
use coterie_wire::payload::AttachmentId;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use crate::support::{Installation, Peer, World, member};

/// Half seconds of trouble, and of calm after it.
const TROUBLE: u64 = 60;
const CALM: u64 = 160;

/// The largest group.
const MOST: usize = 20;

/// How the report of a seed begins that broke a promise, and did not only stall.
pub(crate) const UNSAFE: &str = "unsafe: ";

/// How likely each misfortune is.
struct Faults {
    loss: f64,
    double: f64,
    delay: f64,
    disk: f64,
    alter: f64,
    partitions: bool,
    /// Whether what reaches a member at one moment is handed over at once.
    together: bool,
}

/// What a seed showed.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) epochs: u64,
    pub(crate) texts: u64,
    /// Wishes, frames that were delivered or lost, wake-ups and restarts.
    pub(crate) operations: u64,
    /// A hash over everything that happened.
    pub(crate) trace: u64,
}

struct Run {
    world: World,
    rng: ChaCha20Rng,
    faults: Faults,
    /// When what arrives where: the moment, whose parcel, for whom.
    flying: Vec<(u64, u32, u32, Parcel)>,
    moment: u64,
    calm: bool,
    /// Who cannot reach whom.
    sides: BTreeMap<u32, bool>,
    /// Frames of before, for whoever replays them.
    heard_on_the_way: Vec<Parcel>,
    /// What was said by whom.
    said: BTreeMap<u32, BTreeSet<String>>,
    /// What each member has heard.
    heard: BTreeMap<u32, Vec<(u32, String)>>,
    /// In which epoch it was said, as far as its speaker had come.
    said_in: BTreeMap<(u32, String), Epoch>,
    /// In which epoch each member came in.
    came_in: BTreeMap<u32, Epoch>,
    /// What was perhaps not said: its step failed.
    unsaid: BTreeSet<(u32, String)>,
    attached: BTreeMap<AttachmentKey, Vec<u8>>,
    /// The secret of each epoch that anybody reached.
    epochs: BTreeMap<Epoch, Vec<u8>>,
    /// Who was a member from the beginning.
    founders: Vec<u32>,
    broken: Vec<String>,
    count: u64,
    operations: u64,
    trace: DefaultHasher,
}

/// Runs a seed.
pub(crate) fn run(number: u64) -> Result<Summary, String> {
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
    run.recover();
    run.catch_up();
    run.check()?;
    let before = run.epoch();
    run.change_once_more()?;
    run.check()?;
    let epochs = run.epoch().number();
    if run.epoch() <= before {
        return Err(format!("the group no longer moves: {before}, {}", run.outline()));
    }
    let Run { count: texts, operations, trace, .. } = run;
    Ok(Summary { epochs, texts, operations, trace: trace.finish() })
}

impl Run {
    fn new(number: u64) -> Self {
        let seed = Seed::quiet(number);
        let mut rng = seed.rng(77);
        let size = if rng.random_bool(0.05) { rng.random_range(9..=12) } else { rng.random_range(2..=6) };
        let mut world = World::of(Profile::Sealed, seed, size);
        let founders: Vec<u32> = world.peers.keys().copied().collect();
        world.skewed = true;
        let mut rate = |most: u32| f64::from(rng.random_range(0..=most)) / 100.0;
        let faults = Faults {
            loss: rate(30),
            double: rate(20),
            delay: rate(60),
            disk: rate(2),
            alter: rate(10),
            partitions: rate(100) < 0.5,
            together: seed.rng(78).random_bool(0.5),
        };
        Self {
            world,
            rng,
            faults,
            flying: Vec::new(),
            moment: 0,
            calm: false,
            sides: BTreeMap::new(),
            heard_on_the_way: Vec::new(),
            said: BTreeMap::new(),
            heard: BTreeMap::new(),
            said_in: BTreeMap::new(),
            came_in: BTreeMap::new(),
            unsaid: BTreeSet::new(),
            attached: BTreeMap::new(),
            epochs: BTreeMap::new(),
            founders,
            broken: Vec::new(),
            count: 0,
            operations: 0,
            trace: DefaultHasher::new(),
        }
    }

    fn one_of(&mut self) -> u32 {
        let all = self.numbers();
        all[self.rng.random_range(0..all.len())]
    }

    fn numbers(&self) -> Vec<u32> {
        self.world.peers.keys().copied().collect()
    }

    fn now_of(&self, number: u32) -> Timestamp {
        self.world.now_of(number)
    }

    fn note(&mut self, what: impl Hash) {
        self.operations += 1;
        (self.moment, what).hash(&mut self.trace);
    }

    /// Half a second.
    fn pass(&mut self) {
        self.moment += 1;
        self.world.clock.advance(Duration::from_millis(500));
        if !self.calm {
            self.act();
            self.part();
        }
        for number in self.numbers() {
            let now = self.now_of(number);
            self.note((0, number));
            let woken = self.world.node(number).wake(now);
            self.survive(number, woken.is_err());
        }
        // What is sent may be answered within the half second.
        for _ in 0..4 {
            self.send();
            self.arrive();
        }
    }

    fn part(&mut self) {
        if self.faults.partitions && self.moment.is_multiple_of(8) {
            self.sides.clear();
            if self.rng.random_bool(0.4) {
                for number in self.numbers() {
                    self.sides.insert(number, self.rng.random_bool(0.5));
                }
            }
        }
    }

    /// A step failed: the process ends and another one opens the group, or it goes on with what is stored.
    fn survive(&mut self, number: u32, failed: bool) {
        if failed && self.rng.random_bool(0.5) {
            self.listen();
            self.note((1, number));
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
                self.route(from, number, &parcel);
            }
        }
    }

    fn route(&mut self, from: u32, to: u32, parcel: &Parcel) {
        let parted = self.sides.get(&from) != self.sides.get(&to);
        let copies = 1 + u64::from(!self.calm && self.rng.random_bool(self.faults.double));
        for _ in 0..copies {
            let lost = !self.calm && (parted || self.rng.random_bool(self.faults.loss));
            let late = !self.calm && self.rng.random_bool(self.faults.delay);
            let delay = if late { self.rng.random_range(0..4) } else { 0 };
            self.note((2, from, to, lost, delay));
            if !lost {
                self.flying.push((self.moment + delay, from, to, parcel.clone()));
            }
        }
        if !self.calm && self.rng.random_bool(self.faults.alter) {
            self.harm(from, to, parcel);
        }
    }

    /// What stands between members alters a frame, or sends an old one again.
    fn harm(&mut self, from: u32, to: u32, parcel: &Parcel) {
        let mut hostile = parcel.clone();
        if self.rng.random_bool(0.5) && !self.heard_on_the_way.is_empty() {
            hostile = self.heard_on_the_way[self.rng.random_range(0..self.heard_on_the_way.len())].clone();
        }
        if self.rng.random_bool(0.6) {
            let at = self.rng.random_range(0..hostile.bytes.len());
            hostile.bytes[at] ^= 1 << self.rng.random_range(0..8);
        }
        self.flying.push((self.moment + self.rng.random_range(0..4), from, to, hostile));
        if self.heard_on_the_way.len() < 64 {
            self.heard_on_the_way.push(parcel.clone());
        }
    }

    fn arrive(&mut self) {
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
        if self.faults.together {
            due.sort_by_key(|(_, _, to, _)| *to);
        }
        for (_, from, to, parcel) in &due {
            self.note((3, from, to, parcel.bytes.len()));
        }
        let at_once = |one: &(u64, u32, u32, Parcel), next: &(u64, u32, u32, Parcel)| one.2 == next.2;
        for frames in due.chunk_by(at_once) {
            if self.faults.together {
                self.hand_over_all(frames[0].2, frames.iter().map(|(.., parcel)| &*parcel.bytes).collect());
            } else {
                frames.iter().for_each(|(_, _, to, parcel)| self.hand_over(*to, parcel));
            }
        }
    }

    fn perhaps_fail_disk(&mut self, of: u32) {
        if !self.calm && self.rng.random_bool(self.faults.disk) {
            let fault = Fault::ALL[self.rng.random_range(0..4)];
            self.world.peers[&of].installation.disk.fail_after(0, fault);
        }
    }

    /// Many in a call; the rest again, after one that was not taken in. That one comes again, or is lost.
    fn hand_over_all(&mut self, to: u32, frames: Vec<&[u8]>) {
        let mut rest = &*frames;
        while !rest.is_empty() && self.world.peers[&to].node.state() != NodeState::Closed {
            self.perhaps_fail_disk(to);
            let now = self.now_of(to);
            let taken = self.world.node(to).receive_all(rest, now);
            let failed = taken.is_err() && self.world.peers[&to].node.state() != NodeState::Closed;
            self.survive(to, failed);
            let lost = usize::from(self.rng.random_bool(0.5));
            rest = &rest[taken.unwrap_or(lost)..];
        }
    }

    fn hand_over(&mut self, to: u32, parcel: &Parcel) {
        self.perhaps_fail_disk(to);
        let now = self.now_of(to);
        let done = self.world.node(to).receive(&parcel.bytes, now);
        let failed = done.is_err() && self.world.peers[&to].node.state() != NodeState::Closed;
        self.survive(to, failed);
        if failed && self.rng.random_bool(0.5) {
            let _ = self.world.node(to).receive(&parcel.bytes, now);
        }
    }

    /// Takes all events: what was said, which epoch was reached, which attachment is whole.
    fn listen(&mut self) {
        for number in self.numbers() {
            let peer = self.world.peers.get_mut(&number).unwrap();
            self.came_in.entry(number).or_insert_with(|| peer.node.epoch());
            peer.take_events();
            for event in std::mem::take(&mut peer.events) {
                self.take_note(number, event);
            }
            let peer = self.world.peers.get_mut(&number).unwrap();
            if peer.node.consume().is_err() {
                peer.installation.disk.reopen();
                peer.node.consume().unwrap();
            }
        }
    }

    fn take_note(&mut self, number: u32, event: Event) {
        match event {
            Event::Text(text) if text.message.content_type == coterie_wire::payload::ContentType::Plain => {
                let said = String::from_utf8(text.message.content).unwrap();
                let sender = text.message.sender.number();
                if !self.said.get(&sender).is_some_and(|known| known.contains(&said)) {
                    self.broken
                        .push(format!("member {number} heard {said:?} of {sender}, who never said it"));
                }
                if self.said_in.get(&(sender, said.clone())) < self.came_in.get(&number) {
                    self.broken.push(format!("member {number} heard {said:?} of before it came in"));
                }
                self.note((4, number, sender, &said));
                self.heard.entry(number).or_default().push((sender, said));
            }
            Event::Epoch { epoch, .. } => {
                let node = &mut self.world.peers.get_mut(&number).unwrap().node;
                // A later step may have followed already.
                if let Some(secret) = node.epoch_authenticator().ok().filter(|_| node.epoch() == epoch)
                    && *self.epochs.entry(epoch).or_insert_with(|| secret.clone()) != secret
                {
                    self.broken.push(format!("member {number} has other keys than others at {epoch}"));
                }
            }
            Event::Attachment(key) => self.read(number, key),
            Event::Lost => self.broken.push(format!("member {number} is lost")),
            _ => {}
        }
    }

    fn read(&mut self, number: u32, key: AttachmentKey) {
        let now = self.now_of(number);
        // A disk may fail meanwhile.
        if let Ok(data) = self.world.node(number).attachment(key, now)
            && self.attached.get(&key) != Some(&data)
        {
            self.broken.push(format!("member {number} got another attachment than was sent"));
        }
    }

    fn act(&mut self) {
        for _ in 0..2 {
            let who = self.one_of();
            let now = self.now_of(who);
            let before = self.world.peers[&who].installation.disk.failed();
            let wish = self.rng.random_range(0..13_u32);
            self.note((5, who, wish));
            self.want(who, wish, now);
            let failed = self.world.peers[&who].installation.disk.failed() > before;
            self.survive(who, failed);
        }
    }

    fn want(&mut self, who: u32, wish: u32, now: Timestamp) {
        match wish {
            0..=4 => self.speak(who),
            5 => self.attach(who, now),
            6 => drop(self.world.node(who).update(now)),
            7 if self.rng.random_bool(0.3) => {
                let other = self.one_of();
                if !self.founders.contains(&other) {
                    drop(self.world.node(who).remove(&[member(other)], now));
                }
            }
            7 => drop(self.world.node(who).claim(now)),
            8 => self.invite(who, now),
            9 => {
                self.listen();
                self.world.restart(who);
            }
            10 => drop(self.world.node(who).resync(now)),
            11 => self.crash(who),
            _ => {
                let heir = member(self.one_of());
                drop(self.world.node(who).hand_over(heir, now));
            }
        }
    }

    fn invite(&mut self, who: u32, now: Timestamp) {
        if self.world.peers.len() < (self.founders.len() + 3).min(MOST) {
            let joiner = self.joiner(who);
            let package = joiner.key_package(self.world.now());
            match self.world.node(who).invite(&[package], Pattern::Direct, now) {
                Ok(numbers) => self.world.joining.entry(numbers[0].number()).or_default().push(joiner),
                Err(StackError::Mls(_)) => self.world.perhaps_joining.push(joiner),
                Err(_) => {}
            }
        }
    }

    /// Somebody new, or one who was in the group before, on the disk that it had then.
    fn joiner(&mut self, by: u32) -> Installation {
        let out = |(number, peer): &(&u32, &Peer)| **number != by && peer.node.state() == NodeState::Closed;
        let out = self.world.peers.iter().find(out).map(|(number, _)| *number);
        let Some(number) = out.filter(|_| self.rng.random_bool(0.7)) else {
            return self.world.installation();
        };
        self.listen();
        self.note((6, number));
        self.flying.retain(|(_, _, to, _)| *to != number);
        let mut installation = self.world.peers.remove(&number).unwrap().installation;
        // No process of its draws the same randomness: those that opened the group again were few.
        let salt = (1 << 32) + 2 * self.moment;
        installation.restart(salt);
        // A disk that was about to fail does so now.
        if installation.device.key_package(KeyPackageOptions::default(), self.world.now()).is_err() {
            installation.restart(salt + 1);
        }
        installation
    }

    /// What it was given and has not dealt with comes again, and what it sent is sent again.
    fn crash(&mut self, who: u32) {
        let peer = self.world.peers.get_mut(&who).unwrap();
        while peer.node.poll_event().is_some() {}
        let sent: Vec<Parcel> = std::iter::from_fn(|| peer.node.poll_parcel()).collect();
        self.world.wire.extend(sent.into_iter().map(|parcel| (who, parcel)));
        self.world.crash(who);
    }

    fn speak(&mut self, who: u32) {
        let now = self.now_of(who);
        self.count += 1;
        let said = format!("{who}: {}", self.count);
        // Said before it is known to be stored: a disk that fails may have stored it all the same.
        self.said.entry(who).or_default().insert(said.clone());
        let epoch = self.world.node(who).epoch();
        self.said_in.insert((who, said.clone()), epoch);
        if self.world.node(who).send_text(MemberId::EVERYBODY, Draft::text(&said), now).is_err() {
            self.unsaid.insert((who, said));
        }
    }

    fn attach(&mut self, who: u32, now: Timestamp) {
        self.count += 1;
        let data = vec![u8::try_from(self.count % 251).unwrap(); 700];
        let id = AttachmentId::new(self.count);
        let label = Label { filename: "plan.txt", mime_type: "text/plain" };
        let cut = Cut::of(id, label, &data, 256).unwrap();
        self.attached.insert((member(who), id), data.clone());
        let node = self.world.node(who);
        if node.send_manifest(MemberId::EVERYBODY, &cut, now).is_err() {
            return;
        }
        for index in 0..cut.manifest().chunks() {
            let range = cut.range(index).unwrap();
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            let piece = cut.piece(index, data[range].to_vec()).unwrap();
            drop(self.world.node(who).send_piece(MemberId::EVERYBODY, &piece, now));
        }
    }

    /// Everything is well again, and whoever was removed is out of it.
    fn recover(&mut self) {
        self.calm = true;
        self.sides.clear();
        for number in self.numbers() {
            self.listen();
            self.world.restart(number);
        }
        for _ in 0..CALM {
            self.pass();
        }
        self.listen();
        self.world.peers.retain(|_, peer| peer.node.state() != NodeState::Closed);
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
            let (now, request) = (self.now_of(from), RequestId::new(self.rng.random_range(1..u32::MAX)));
            let asked = self.world.node(from).catch_up(member(of), request, now);
            self.survive(from, self.world.peers[&from].installation.disk.failed() > 0 && asked.is_err());
            if asked.is_ok() {
                return;
            }
            self.pass();
        }
        self.broken.push(format!("member {from} cannot ask member {of}"));
    }

    fn epoch(&self) -> Epoch {
        self.world.peers.values().map(|peer| peer.node.epoch()).max().unwrap_or_default()
    }

    /// The group is not only whole, it moves.
    fn change_once_more(&mut self) -> Result<(), String> {
        let first = self.world.peers.values().next().map(|peer| peer.node.control().coordinator());
        let Some(leader) = first.flatten().map(MemberId::number) else {
            return Err("nobody is the coordinator".to_owned());
        };
        let now = self.now_of(leader);
        if !self.world.peers.contains_key(&leader) {
            return Err(format!("the coordinator {leader} is nowhere"));
        }
        self.world.node(leader).update(now).map_err(|error| format!("no change is possible: {error}"))?;
        for _ in 0..40 {
            self.pass();
        }
        self.listen();
        Ok(())
    }

    /// Where everybody stands.
    fn outline(&self) -> String {
        let one = |(number, peer): (&u32, &Peer)| {
            let node = peer.node.control();
            let stands = (node.state(), node.epoch(), node.coordinator(), node.pending_transition());
            format!("{number}: {stands:?} of {}", node.roster().count())
        };
        self.world.peers.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(broken) = self.broken.first() {
            return Err(format!("{UNSAFE}{broken}"));
        }
        let mut views = BTreeMap::new();
        for number in self.numbers() {
            let node = self.world.node(number);
            let view = (node.epoch(), node.epoch_authenticator().map_err(|error| error.to_string())?);
            views.insert(number, view);
        }
        let first = views.values().next().cloned();
        if let Some((number, view)) = views.iter().find(|(_, view)| Some(*view) != first.as_ref()) {
            let others = first.map(|view| view.0);
            return Err(format!("member {number} is at {}, others at {others:?}", view.0));
        }
        self.numbers().into_iter().try_for_each(|number| self.check_heard(number))
    }

    /// Everything once; and of the founders, everything.
    fn check_heard(&self, number: u32) -> Result<(), String> {
        let heard = self.heard.get(&number).cloned().unwrap_or_default();
        let once: BTreeSet<_> = heard.iter().collect();
        if once.len() != heard.len() {
            return Err(format!("{UNSAFE}member {number} heard something twice: {heard:?}"));
        }
        if !self.founders.contains(&number) {
            return Ok(());
        }
        for sender in self.founders.iter().filter(|sender| **sender != number) {
            let said = self.said.get(sender).into_iter().flatten().map(|said| (*sender, said.clone()));
            let mut missed = said.filter(|one| !once.contains(one) && !self.unsaid.contains(one));
            if let Some(missed) = missed.next() {
                return Err(format!("{UNSAFE}member {number} never heard {missed:?}"));
            }
        }
        Ok(())
    }
}
