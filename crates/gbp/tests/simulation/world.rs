//! A group of up to twenty nodes over a network that loses, doubles, delays, reorders and parts, with crashes, restarts and
//! clocks that differ. Everything grows from one seed.
//!
//! The engine is a model: an epoch's keys are a chain of hashes over the commits, so that two nodes can read each other
//! exactly if they merged the same ones. A step is stored as a whole; what it sends may be lost with the process.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::hash::{DefaultHasher, Hash, Hasher};

use coterie_gbp::node::{
    Event, Joiner, Node, NodeState, Order, Outgoing, Output, Proposal, RelayLog, Roster,
};
use coterie_testkit::{Seed, T0};
use coterie_types::{Duration, Epoch, LeafIndex, MemberId, RequestId, Timestamp, TransitionId};
use coterie_wire::cbor::Writer;
use coterie_wire::control::{Arguments, ControlMessage, Opcode};
use coterie_wire::{ErrorNumber, ErrorObject, Profile};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

/// The largest group.
const MOST: u32 = 20;
/// How long everything goes wrong, and how long everything is well again afterwards.
const TROUBLE: u64 = 60_000;
const CALM: u64 = 90_000;
const AFTERWARDS: u64 = 25_000;

/// How the report of a seed begins that broke a promise, and did not only stall.
pub(crate) const UNSAFE: &str = "unsafe: ";

type Chain = u64;

fn chain(before: Chain, commit: &[u8]) -> Chain {
    let mut hasher = DefaultHasher::new();
    (before, commit).hash(&mut hasher);
    hasher.finish()
}

/// The model of the engine.
#[derive(Clone)]
struct Engine {
    epoch: u64,
    chain: Chain,
    staged: Option<Vec<u8>>,
    pending: Option<Vec<u8>>,
}

impl Engine {
    /// Who belongs to the group after `commit`, if it is one for this epoch.
    fn stage(&mut self, commit: &[u8]) -> Option<Roster> {
        let words: Vec<u64> =
            commit.chunks(8).map(|word| word.try_into().map_or(0, u64::from_be_bytes)).collect();
        let [epoch, chain, _author, _nonce, members @ ..] = words.as_slice() else { return None };
        if (*epoch, *chain) != (self.epoch, self.chain) {
            return None;
        }
        self.staged = Some(commit.to_vec());
        Some(roster(members.iter().map(|member| u32::try_from(*member).unwrap())))
    }

    fn merge(&mut self, commit: &[u8], own: bool) -> Result<(), String> {
        let held = if own { &self.pending } else { &self.staged };
        if held.as_deref() != Some(commit) {
            return Err(format!("a commit is merged that is not held (own: {own})"));
        }
        self.chain = chain(self.chain, commit);
        self.epoch += 1;
        (self.staged, self.pending) = (None, None);
        Ok(())
    }

    fn commit(&self, author: u32, nonce: u64, members: &BTreeSet<u32>) -> Vec<u8> {
        let head = [self.epoch, self.chain, u64::from(author), nonce];
        head.into_iter()
            .chain(members.iter().map(|member| u64::from(*member)))
            .flat_map(u64::to_be_bytes)
            .collect()
    }
}

fn roster(members: impl IntoIterator<Item = u32>) -> Roster {
    Roster::new(members.into_iter().map(|number| (MemberId::new(number), LeafIndex::new(number)))).unwrap()
}

struct Frame {
    sender: u32,
    header: u64,
    key: (u64, Chain),
    message: ControlMessage,
}

struct Peer {
    node: Option<Node>,
    stored: Vec<u8>,
    relay: RelayLog,
    engine: Engine,
    seen: BTreeSet<u64>,
    skew: u64,
    leaving: BTreeSet<u32>,
    /// Whether it wants to leave itself. Then it removes nobody: of two that part, each may remove the other.
    leaves: bool,
    woken_at: Option<u64>,
}

enum Happening {
    Frame(u64, u32),
    Staged(u32, [u8; 32], Option<Roster>),
    Wake(u32),
    Restart(u32),
    Join(u32, Box<Joiner>, Engine),
    Act,
    Part,
}

impl Happening {
    /// What tells it from others at its moment.
    const fn outline(&self) -> (u8, u64, u32) {
        match self {
            Self::Frame(id, to) => (0, *id, *to),
            Self::Staged(who, ..) => (1, 0, *who),
            Self::Wake(who) => (2, 0, *who),
            Self::Restart(who) => (3, 0, *who),
            Self::Join(who, ..) => (4, 0, *who),
            Self::Act => (5, 0, 0),
            Self::Part => (6, 0, 0),
        }
    }
}

/// What a run may do.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    loss: f64,
    double: f64,
    delay: u64,
    crash: f64,
    hostile: Option<u32>,
    partitions: bool,
}

/// The world of one seed.
pub(crate) struct World {
    rng: ChaCha20Rng,
    now: u64,
    order: u64,
    peers: BTreeMap<u32, Peer>,
    happenings: BTreeMap<(u64, u64), Happening>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    frames: Vec<Frame>,
    faults: Faults,
    sides: BTreeMap<u32, bool>,
    /// Which chain ended each epoch.
    ended: BTreeMap<u64, Chain>,
    joiners: BTreeMap<(u32, u64), Vec<(Joiner, Engine)>>,
    next_member: u32,
    calm: bool,
    broken: Vec<String>,
    aborts: bool,
    /// Who does not come back.
    away: BTreeSet<u32>,
    operations: u64,
    /// Everything that happened, in its order.
    trace: DefaultHasher,
}

/// What a seed showed.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Epochs that came.
    pub(crate) epochs: u64,
    /// Frames that were sent.
    pub(crate) frames: usize,
    /// Frames that arrived, answers of engines, wishes, wake-ups and restarts.
    pub(crate) operations: u64,
    /// Whether no majority was left, so that only what must never happen was looked for.
    pub(crate) stranded: bool,
    /// A hash over everything that happened.
    pub(crate) trace: u64,
}

/// What is printed of a seed that failed, and how to see it again.
pub(crate) fn report(number: u64, some_stay_away: bool, why: &str) -> String {
    let away = if some_stay_away { " --away" } else { "" };
    format!("seed {number}: {why}\n  cargo xtask sim --start {number} --count 1{away}")
}

/// Runs a seed. With `some_stay_away`, fewer than half of the members do not come back from the trouble.
pub(crate) fn run(seed: Seed, some_stay_away: bool) -> Result<Summary, String> {
    let mut world = World::new(seed);
    world.until(TROUBLE);
    if some_stay_away {
        world.send_away(&mut seed.rng(2));
    }
    world.recover();
    world.until(TROUBLE + CALM);
    let Some(before) = world.judge("after recovery")? else { return Ok(world.summary(0)) };
    world.propose_somewhere();
    world.until(TROUBLE + CALM + AFTERWARDS);
    let Some(after) = world.judge("afterwards")? else { return Ok(world.summary(0)) };
    if after <= before {
        let leader = world.leader().and_then(|who| world.peers[&who].node.as_ref());
        return Err(format!("the group no longer moves: epoch {before}, {leader:?}"));
    }
    Ok(world.summary(after))
}

impl World {
    fn new(seed: Seed) -> Self {
        let mut rng = seed.rng(1);
        let hostile = rng.random_bool(0.25);
        let size: u32 = rng.random_range(1..=9);
        let faults = Faults {
            loss: f64::from(rng.random_range(0..30_u32)) / 100.0,
            double: f64::from(rng.random_range(0..20_u32)) / 100.0,
            delay: rng.random_range(5..900),
            crash: if rng.random_bool(0.6) { 0.002 } else { 0.0 },
            hostile: (hostile && size > 2).then(|| rng.random_range(1..=size)),
            partitions: rng.random_bool(0.6),
        };
        let mut world = Self {
            rng,
            now: 0,
            order: 0,
            peers: BTreeMap::new(),
            happenings: BTreeMap::new(),
            queue: BinaryHeap::new(),
            frames: Vec::new(),
            faults,
            sides: BTreeMap::new(),
            ended: BTreeMap::new(),
            joiners: BTreeMap::new(),
            next_member: size + 1,
            calm: false,
            broken: Vec::new(),
            aborts: false,
            away: BTreeSet::new(),
            operations: 0,
            trace: DefaultHasher::new(),
        };
        let engine = Engine { epoch: 1, chain: 7, staged: None, pending: None };
        for me in 1..=size {
            let joiner = Joiner {
                me: MemberId::new(me),
                epoch: Epoch::new(1),
                transition: TransitionId::default(),
                armed: false,
                roster: roster(1..=size),
                inviter: Some(MemberId::new(1)),
            };
            world.join(me, joiner, engine.clone());
        }
        world.at(100, Happening::Act);
        world.at(3_000, Happening::Part);
        world
    }

    fn at(&mut self, delay: u64, happening: Happening) {
        let key = (self.now + delay, self.order);
        self.order += 1;
        self.happenings.insert(key, happening);
        self.queue.push(Reverse(key));
    }

    fn until(&mut self, end: u64) {
        while let Some(Reverse(key)) = self.queue.peek().copied() {
            if key.0 > end || !self.broken.is_empty() {
                break;
            }
            self.queue.pop();
            self.now = key.0;
            let Some(happening) = self.happenings.remove(&key) else { continue };
            self.operations += 1;
            (key, happening.outline()).hash(&mut self.trace);
            self.happen(happening);
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Frame(id, to) => self.deliver(id, to),
            Happening::Staged(who, hash, after) => {
                self.step(who, |node, now| drop(node.handle_staged(hash, after, now)));
            }
            Happening::Wake(who) => {
                if let Some(peer) = self.peers.get_mut(&who) {
                    peer.woken_at = None;
                }
                self.step(who, |node, now| node.handle_timeout(now));
            }
            Happening::Restart(who) => self.restart(who),
            Happening::Join(who, joiner, engine) => self.join(who, *joiner, engine),
            Happening::Act => self.act(),
            Happening::Part => self.part(),
        }
    }

    fn join(&mut self, who: u32, joiner: Joiner, engine: Engine) {
        if self.peers.contains_key(&who) {
            return;
        }
        let skew = self.rng.random_range(0..120_000);
        let now = T0 + Duration::from_millis(self.now + skew);
        let node = Node::join(joiner, Profile::Sealed, now).unwrap();
        let peer = Peer {
            node: Some(node),
            stored: Vec::new(),
            relay: RelayLog::default(),
            engine,
            seen: BTreeSet::new(),
            skew,
            leaving: BTreeSet::new(),
            leaves: false,
            woken_at: None,
        };
        self.peers.insert(who, peer);
        self.step(who, |_, _| {});
    }

    fn clock(&self, who: u32) -> Timestamp {
        T0 + Duration::from_millis(self.now + self.peers[&who].skew)
    }

    /// One step of a node: stored as a whole, whatever becomes of what it sends.
    fn step(&mut self, who: u32, work: impl FnOnce(&mut Node, Timestamp)) {
        self.step_on(who, None, |node, now| {
            work(node, now);
            false
        });
    }

    /// The same, on the frame of this number: if `work` accepts it, it is kept.
    fn step_on(&mut self, who: u32, on: Option<u64>, work: impl FnOnce(&mut Node, Timestamp) -> bool) {
        if !self.peers.contains_key(&who) {
            return;
        }
        let now = self.clock(who);
        let crashes = !self.calm && self.rng.random_bool(self.faults.crash);
        let Some(Peer { node: Some(node), relay, .. }) = self.peers.get_mut(&who) else { return };
        let accepted = work(node, now);
        if let Some(id) = on.filter(|_| accepted) {
            let frame = &self.frames[usize::try_from(id).unwrap()];
            relay.keep(
                MemberId::new(frame.sender),
                &frame.message,
                frame.key.0 != frame.header,
                &id.to_be_bytes(),
            );
        }
        let mut outputs = Vec::new();
        while let Some(output) = node.poll_output() {
            outputs.push(output);
        }
        for output in outputs {
            self.carry_out(who, output, crashes);
        }
        if crashes {
            self.crash(who);
        } else {
            self.wind(who);
        }
        self.agree(who);
    }

    fn wind(&mut self, who: u32) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&who) else { return };
        let Some(at) = peer.node.as_ref().and_then(Node::wake_at) else { return };
        let at = at.since(T0).as_millis().saturating_sub(peer.skew).max(now + 1);
        if peer.woken_at.is_none_or(|woken| at < woken) {
            peer.woken_at = Some(at);
            self.at(at - now, Happening::Wake(who));
        }
    }

    /// The node's epoch and the engine's are one, but for a joiner that waits.
    fn agree(&mut self, who: u32) {
        let peer = &self.peers[&who];
        let Some(node) = &peer.node else { return };
        let taking_part = matches!(node.state(), NodeState::Active | NodeState::Resyncing);
        let waits = node.epoch().number() + 1 == peer.engine.epoch && node.pending_transition().is_some();
        if taking_part && node.epoch().number() != peer.engine.epoch && !waits {
            let (node, engine) = (node.epoch(), peer.engine.epoch);
            self.broken.push(format!("member {who}: the node is at {node}, the engine at {engine}"));
        }
    }

    fn carry_out(&mut self, who: u32, output: Output, crashes: bool) {
        match output {
            Output::Send(outgoing) => self.send(who, outgoing, crashes),
            Output::Order(order) => self.order(who, order, crashes),
            Output::Relay { transition, target } => {
                let frames = self.peers[&who].relay.frames(transition);
                for frame in frames.into_iter().filter(|_| !crashes) {
                    self.route(who, u64::from_be_bytes(frame.try_into().unwrap()), target.number());
                }
            }
            Output::Settled(transition) => {
                drop(self.peers.get_mut(&who).unwrap().relay.settle(transition));
            }
            Output::Event(event) => self.event(who, event),
        }
    }

    fn send(&mut self, who: u32, outgoing: Outgoing, crashes: bool) {
        let peer = self.peers.get_mut(&who).unwrap();
        let Outgoing { target, header_epoch, key_epoch, message } = outgoing;
        if key_epoch.number() != peer.engine.epoch {
            let at = peer.engine.epoch;
            self.broken.push(format!("member {who} seals for {key_epoch}, its engine is at {at}"));
            return;
        }
        let id = self.frames.len() as u64;
        let ahead = key_epoch != header_epoch;
        peer.relay.keep(MemberId::new(who), &message, ahead, &id.to_be_bytes());
        let key = (peer.engine.epoch, peer.engine.chain);
        self.frames.push(Frame { sender: who, header: header_epoch.number(), key, message });
        if !crashes {
            self.route(who, id, target.number());
        }
    }

    fn route(&mut self, from: u32, frame: u64, target: u32) {
        let everybody: Vec<u32> = self.peers.keys().copied().collect();
        let to = everybody.into_iter().filter(|peer| *peer != from && (target == 0 || target == *peer));
        for peer in to.collect::<Vec<_>>() {
            let parted = self.sides.get(&from) != self.sides.get(&peer);
            let copies = 1 + u32::from(!self.calm && self.rng.random_bool(self.faults.double));
            for _ in 0..copies {
                let lost = !self.calm && (parted || self.rng.random_bool(self.faults.loss));
                let longest = if self.calm { 50 } else { self.faults.delay };
                let delay = self.rng.random_range(1..=longest);
                if !lost {
                    self.at(delay, Happening::Frame(frame, peer));
                }
            }
        }
    }

    fn order(&mut self, who: u32, order: Order, crashes: bool) {
        let engine = &mut self.peers.get_mut(&who).unwrap().engine;
        match order {
            Order::Stage { hash, commit, .. } => {
                let after = engine.stage(&commit);
                let delay = self.rng.random_range(0..200);
                if !crashes {
                    self.at(delay, Happening::Staged(who, hash, after));
                }
            }
            Order::Merge { commit, own, .. } => {
                let epoch = engine.epoch;
                if let Err(why) = engine.merge(&commit, own) {
                    self.broken.push(format!("member {who}: {why}"));
                    return;
                }
                let chain = engine.chain;
                if *self.ended.entry(epoch).or_insert(chain) != chain {
                    self.broken
                        .push(format!("member {who} ended epoch {epoch} by another commit than others"));
                }
            }
            Order::Discard { own: true, .. } => engine.pending = None,
            Order::Discard { own: false, .. } => engine.staged = None,
        }
    }

    fn event(&mut self, who: u32, event: Event) {
        match event {
            Event::Admitted(_) => {
                let chain = self.peers[&who].engine.chain;
                for (joiner, engine) in self.joiners.remove(&(who, chain)).unwrap_or_default() {
                    let last = self.peers[&who].node.as_ref().unwrap().last_transition();
                    let joiner = Joiner { transition: last, ..joiner };
                    self.at(20, Happening::Join(joiner.me.number(), Box::new(joiner), engine));
                }
            }
            Event::Leaving(member) => {
                self.peers.get_mut(&who).unwrap().leaving.insert(member.number());
            }
            Event::Lost if self.faults.hostile.is_none() && !self.aborts => {
                self.broken.push(format!("member {who} is lost"));
            }
            _ => {}
        }
    }

    fn deliver(&mut self, id: u64, to: u32) {
        let frame = &self.frames[usize::try_from(id).unwrap()];
        let (sender, header, key) = (MemberId::new(frame.sender), Epoch::new(frame.header), frame.key);
        let message = frame.message.clone();
        let Some(peer) = self.peers.get_mut(&to).filter(|peer| peer.node.is_some()) else { return };
        if key != (peer.engine.epoch, peer.engine.chain) {
            let differs = peer.node.as_ref().is_some_and(|node| node.epoch() != header);
            if differs {
                self.step(to, |node, now| drop(node.handle_foreign_epoch(sender, header, now)));
            }
            return;
        }
        if !peer.seen.insert(id) {
            return;
        }
        let mut moved = false;
        let strict = self.rng.random_bool(0.02);
        self.step_on(to, Some(id), |node, now| {
            let before = strict.then(|| node.export());
            let accepted = node.handle_control(sender, header, &message, now).is_ok();
            moved = !accepted && before.is_some_and(|before| before != node.export());
            accepted
        });
        if moved {
            self.broken.push(format!("member {to}: a refused {:?} changed the state", message.opcode()));
        }
    }

    fn crash(&mut self, who: u32) {
        let peer = self.peers.get_mut(&who).unwrap();
        if let Some(node) = peer.node.take() {
            peer.stored = node.export();
            peer.woken_at = None;
            let delay = self.rng.random_range(500..25_000);
            self.at(delay, Happening::Restart(who));
        }
    }

    fn restart(&mut self, who: u32) {
        let now = self.clock(who);
        let away = self.away.contains(&who);
        let peer = self.peers.get_mut(&who).unwrap();
        if peer.node.is_none() && !away {
            peer.node = Some(Node::restore(&peer.stored, now).unwrap());
            self.step(who, |_, _| {});
        }
    }

    /// A minority of whoever belongs to the group stops for good. It is small enough that a joiner whose Welcome they still
    /// have makes no majority of it.
    fn send_away(&mut self, rng: &mut ChaCha20Rng) {
        let nodes = self.peers.values().filter_map(|peer| peer.node.as_ref());
        let Some(top) = nodes.max_by_key(|node| node.epoch()) else { return };
        let mut members: Vec<u32> = top.roster().members().map(MemberId::number).collect();
        for _ in 0..members.len().saturating_sub(2) / 2 {
            let index = rng.random_range(0..members.len());
            self.away.insert(members.swap_remove(index));
        }
        for who in &self.away {
            if let Some(peer) = self.peers.get_mut(who) {
                peer.node = None;
            }
        }
    }

    fn recover(&mut self) {
        self.calm = true;
        self.sides.clear();
        let all: Vec<u32> = self.peers.keys().copied().collect();
        all.into_iter().for_each(|who| self.restart(who));
    }

    fn part(&mut self) {
        self.sides.clear();
        if self.faults.partitions && !self.calm && self.rng.random_bool(0.5) {
            for who in self.peers.keys() {
                self.sides.insert(*who, self.rng.random_bool(0.5));
            }
        }
        let delay = self.rng.random_range(2_000..20_000);
        self.at(delay, Happening::Part);
    }

    fn act(&mut self) {
        let delay = self.rng.random_range(100..2_500);
        self.at(delay, Happening::Act);
        if self.calm {
            return;
        }
        let who: Vec<u32> = self.peers.keys().copied().collect();
        let who = who[self.rng.random_range(0..who.len())];
        match self.rng.random_range(0..20_u32) {
            0..=11 => self.propose_somewhere(),
            12 => self.step(who, |node, now| drop(node.claim(now))),
            13 => self.step(who, |node, now| drop(node.resync(now))),
            14 => {
                let mut leaves = false;
                self.step(who, |node, now| leaves = node.leave(now).is_ok());
                self.peers.get_mut(&who).unwrap().leaves |= leaves;
            }
            15 => {
                let heir = MemberId::new(who);
                if let Some(leader) = self.leader() {
                    self.step(leader, |node, now| drop(node.hand_over(heir, now)));
                }
            }
            16 => self.step(who, |node, _| drop(node.advertise(["gbp/class-a".to_owned()]))),
            _ => self.harm(),
        }
    }

    fn leader(&mut self) -> Option<u32> {
        if self.calm {
            let nodes =
                self.peers.values().filter(|peer| self.is_real(peer)).filter_map(|peer| peer.node.as_ref());
            let active = nodes.filter(|node| node.state() == NodeState::Active);
            return active.max_by_key(|node| node.epoch())?.coordinator().map(MemberId::number);
        }
        let leads = |peer: &Peer| {
            peer.node.as_ref().is_some_and(|node| node.leads() && node.state() != NodeState::Closed)
        };
        let leaders: Vec<u32> =
            self.peers.iter().filter(|(_, peer)| leads(peer)).map(|(who, _)| *who).collect();
        (!leaders.is_empty()).then(|| leaders[self.rng.random_range(0..leaders.len())])
    }

    /// A coordinator changes something: updates itself, adds or removes.
    fn propose_somewhere(&mut self) {
        let Some(who) = self.leader() else { return };
        let mut clear = false;
        self.step(who, |node, _| clear = node.clear_for_proposal().is_ok());
        let Some(peer) = self.peers.get(&who).filter(|peer| clear && peer.node.is_some()) else { return };
        let mut members: BTreeSet<u32> =
            peer.node.as_ref().unwrap().roster().members().map(MemberId::number).collect();
        let leaving: Vec<u32> = peer.leaving.iter().copied().filter(|member| *member != who).collect();
        members.retain(|member| peer.leaves || !leaving.contains(member));
        let mut joins = None;
        match self.rng.random_range(0..10_u32) {
            0..=2 if self.next_member <= MOST => {
                joins = Some(self.next_member);
                members.insert(self.next_member);
                self.next_member += 1;
            }
            3 if members.len() > 2 => {
                let other = members.iter().copied().rfind(|member| *member != who);
                members.retain(|member| Some(*member) != other);
            }
            _ => {}
        }
        let nonce = self.rng.random();
        let engine = &mut self.peers.get_mut(&who).unwrap().engine;
        let commit = engine.commit(who, nonce, &members);
        engine.pending = Some(commit.clone());
        let (epoch, after) = (engine.epoch, chain(engine.chain, &commit));
        let joined = Engine { epoch: epoch + 1, chain: after, staged: None, pending: None };
        let armed = joins.filter(|_| self.rng.random_bool(0.4));
        let proposal = Proposal {
            commit,
            after: roster(members.iter().copied()),
            armed: armed.into_iter().map(MemberId::new).collect(),
        };
        if let Some(me) = joins {
            let joiner = Joiner {
                me: MemberId::new(me),
                epoch: Epoch::new(epoch + u64::from(armed.is_none())),
                transition: TransitionId::default(),
                armed: armed.is_some(),
                roster: roster(members.iter().copied()),
                inviter: Some(MemberId::new(who)),
            };
            self.joiners.insert((who, after), vec![(joiner, joined)]);
        }
        let mut transition = None;
        self.step(who, |node, now| transition = node.propose(proposal, now).ok());
        // A joiner that waits has its Welcome before the transition is executed.
        if let (Some(_), Some(transition)) = (armed, transition)
            && let Some(waiting) = self.joiners.remove(&(who, after))
        {
            for (joiner, engine) in waiting {
                let joiner = Joiner { transition, ..joiner };
                self.at(30, Happening::Join(joiner.me.number(), Box::new(joiner), engine));
            }
        }
    }

    /// What a member may do that means harm, short of voting for two commits.
    fn harm(&mut self) {
        let Some(who) = self.faults.hostile else { return };
        for _ in 0..self.rng.random_range(1..20) {
            let Some(node) = self.peers.get(&who).and_then(|peer| peer.node.as_ref()) else { return };
            let engine = &self.peers[&who].engine;
            if node.epoch().number() != engine.epoch || node.state() == NodeState::Closed {
                return;
            }
            let (last, under_way) = (node.last_transition().number(), node.pending_transition());
            let drives = node.leads();
            let transition = match self.rng.random_range(0..4_u32) {
                0 => under_way.map_or(last, TransitionId::number),
                1 => last,
                2 => last.saturating_add(self.rng.random_range(0..4)),
                _ => self.rng.random(),
            };
            let hash: [u8; 32] = self.rng.random();
            let head =
                [&[0xa2, 0x6b][..], b"commit_hash", &[0x58, 0x20], &hash, &[0x6b], b"preparer_id"].concat();
            let named = [head, vec![self.rng.random_range(0..20)]].concat();
            let garbage = Writer::default()
                .map(2)
                .text("commit")
                .bytes(&hash)
                .text("first")
                .boolean(self.rng.random())
                .finish();
            let near = last.saturating_add(self.rng.random_range(1..20));
            let promise = Writer::default()
                .map(4)
                .text("promised_to")
                .unsigned(self.rng.random_range(0..20_u32))
                .text("locked_commit")
                .bytes(&hash)
                .text("locked_number")
                .unsigned(near)
                .text("locked_preparer")
                .unsigned(self.rng.random_range(0..20_u32))
                .finish();
            let busy = ErrorObject::registered(ErrorNumber::GBP_TRANSITION_IN_PROGRESS);
            let busy = Arguments::Nack(RequestId::default(), busy);
            let busy =
                ControlMessage::new(MemberId::new(who), RequestId::default(), TransitionId::new(near), &busy);
            let (opcode, arguments) = match self.rng.random_range(0..12_u32) {
                0 => (Opcode::Prepare, garbage),
                8 => (Opcode::Prepare, hash.to_vec()),
                // It asks to be followed, promises with a lock on what nobody has, and claims to be promised to another.
                9 => (Opcode::Prepare, vec![0xa0]),
                10 => (Opcode::Ready, promise),
                11 => (Opcode::Nack, busy.unwrap().raw_arguments().to_vec()),
                1 => (Opcode::Ready, named),
                2 => (Opcode::Execute, named),
                3 if !drives => (Opcode::Abort, Vec::new()),
                4 => (
                    Opcode::DigestRequest,
                    vec![0xa1, 0x69, b's', b'i', b'n', b'c', b'e', b'_', b't', b'i', b'd', 0],
                ),
                5 => (Opcode::Capabilities, vec![0xa1, 0x00, 0xf5]),
                6 => (Opcode::Execute, Vec::new()),
                _ => (Opcode::Nack, hash.to_vec()),
            };
            // A number that its own node will not use, not even when others went on from it: else it would only stall itself.
            let transition = if arguments == [0xa0] || opcode == Opcode::Nack {
                near
            } else if opcode == Opcode::Prepare {
                last.saturating_add(9_000 + transition % 9_000) / 1_000 * 1_000
            } else {
                transition
            };
            let (me, request) = (MemberId::new(who), RequestId::new(self.rng.random()));
            let message =
                ControlMessage::raw(me, request, TransitionId::new(transition), opcode, &arguments).unwrap();
            let (header, key) = (engine.epoch, (engine.epoch, engine.chain));
            let id = self.frames.len() as u64;
            self.frames.push(Frame { sender: who, header, key, message });
            self.route(who, id, 0);
        }
    }

    /// Whether a commit that came into effect led it where it is: some wait with the Welcome of one that did not.
    fn is_real(&self, peer: &Peer) -> bool {
        peer.engine.epoch == 1 || self.ended.get(&(peer.engine.epoch - 1)) == Some(&peer.engine.chain)
    }

    /// Whether more than half of everybody's epoch is there and can still speak in it. Where some stay away that may not be so:
    /// Welcomes stay with inviters, and whoever a commit removed leads nobody on that missed it.
    fn has_majority(&self) -> bool {
        let speaks = |member: &MemberId| {
            let peer = self.peers.get(&member.number()).filter(|peer| self.is_real(peer));
            peer.and_then(|peer| peer.node.as_ref()).is_some_and(|node| node.state() != NodeState::Closed)
        };
        let nodes =
            self.peers.values().filter(|peer| self.is_real(peer)).filter_map(|peer| peer.node.as_ref());
        let mut active = nodes.filter(|node| node.state() == NodeState::Active).peekable();
        active.peek().is_some()
            && active.all(|node| node.roster().members().filter(speaks).count() * 2 > node.roster().count())
    }

    /// The epoch that everybody came to; none where a majority stays away, and only nothing may have broken.
    fn judge(&self, when: &str) -> Result<Option<u64>, String> {
        let checked = self.check(when);
        match self.away.is_empty() || self.has_majority() || !self.broken.is_empty() {
            true => checked.map(Some),
            false => Ok(None),
        }
    }

    fn summary(&self, epochs: u64) -> Summary {
        let (frames, operations, trace) = (self.frames.len(), self.operations, self.trace.finish());
        Summary { epochs, frames, operations, stranded: epochs == 0, trace }
    }

    /// Everybody who belongs to the group is in the same epoch, by the same commits, and knows the same coordinator.
    fn check(&self, when: &str) -> Result<u64, String> {
        if let Some(broken) = self.broken.first() {
            return Err(format!("{UNSAFE}{broken}"));
        }
        let nodes = || {
            self.peers
                .iter()
                .filter(|(_, peer)| self.is_real(peer))
                .filter_map(|(who, peer)| Some((who, peer, peer.node.as_ref()?)))
        };
        let Some((_, first, top)) = nodes()
            .filter(|(_, _, node)| node.state() == NodeState::Active)
            .max_by_key(|(_, _, node)| node.epoch())
        else {
            return Ok(0);
        };
        let lost = |member: &MemberId| {
            let joins = !self.away.is_empty() && !self.peers.contains_key(&member.number());
            joins || self.away.contains(&member.number())
        };
        for member in top.roster().members().filter(|member| !lost(member)) {
            let Some((_, peer, node)) = nodes().find(|(who, ..)| **who == member.number()) else {
                return Err(format!("{when}: {member} belongs to the group and is nowhere"));
            };
            let stands = (node.epoch(), node.state(), peer.engine.chain, node.coordinator());
            let should = (top.epoch(), NodeState::Active, first.engine.chain, top.coordinator());
            if stands != should {
                return Err(format!("{when}: {member} stands at {stands:?} and not at {should:?}: {node:?}"));
            }
            if node.roster() != top.roster() {
                return Err(format!("{when}: {member} knows another roster"));
            }
        }
        if !top.coordinator().is_some_and(|coordinator| top.roster().has(coordinator)) {
            return Err(format!("{when}: nobody is the coordinator"));
        }
        Ok(top.epoch().number())
    }
}
