//! A small world of members for the tests of this crate: their devices, their nodes, and what waits between them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "each test binary uses a part of it, and may panic"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use coterie_mls::{Device, DeviceOptions, KeyPackageOptions, Suite};
use coterie_stack::{Admission, CreateOptions, Event, GroupNode, Parcel, ParcelKind, Pattern, Settings};
use coterie_store::MemoryStore;
use coterie_testkit::{Clock, FaultyStore, Seed};
use coterie_types::{Duration, GroupId, MemberId, Timestamp};
use coterie_wire::Profile;

pub type Disk = FaultyStore<MemoryStore>;

/// One installation, with its disk.
pub struct Installation {
    pub disk: Arc<Disk>,
    pub device: Device,
    seed: Seed,
    name: String,
}

/// A member with what it was told.
pub struct Peer {
    pub installation: Installation,
    pub node: GroupNode,
    pub events: Vec<Event>,
}

pub struct World {
    pub profile: Profile,
    pub seed: Seed,
    pub clock: Clock,
    pub peers: BTreeMap<u32, Peer>,
    /// Who waits for an admission, by the number that it will get. Of several, one is admitted.
    pub joining: BTreeMap<u32, Vec<Installation>>,
    /// Those whose invitation failed: a disk that fails may have stored it all the same, under whatever number.
    pub perhaps_joining: Vec<Installation>,
    /// What was sent and not delivered: from whom, and what.
    pub wire: Vec<(u32, Parcel)>,
    /// Whether each member comes back from its disk before everything that it does.
    pub restless: bool,
    /// Whether members are asked whom they admit.
    pub asks: bool,
    /// Whether members' clocks differ, by up to two minutes.
    pub skewed: bool,
    made: u32,
    restarts: u64,
}

pub fn group() -> GroupId {
    GroupId::new(&[0xa0; 16]).unwrap()
}

pub fn member(number: u32) -> MemberId {
    MemberId::new(number)
}

/// A founder whose state ends with the process: there is nothing that it could go back to.
pub fn in_memory(profile: Profile) -> GroupNode {
    let options = DeviceOptions { identity: b"alice".to_vec(), suite: Suite::X25519Aes128 };
    let entropy = Arc::new(Seed::new(8).entropy(1));
    let device = Device::create(options, Arc::new(MemoryStore::new()), entropy).unwrap();
    let options = CreateOptions { profile, member: member(1), id: group(), suite: None };
    GroupNode::create(&device, options, Settings::of(profile), Clock::default().now()).unwrap()
}

impl Installation {
    pub fn new(seed: Seed, name: &str) -> Self {
        let disk = Arc::new(Disk::default());
        let options = DeviceOptions { identity: name.as_bytes().to_vec(), suite: Suite::X25519Aes128 };
        let stream = name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let device = Device::create(options, disk.clone(), Arc::new(seed.entropy(stream))).unwrap();
        Self { disk, device, seed, name: name.to_owned() }
    }

    /// What a new process finds.
    pub fn restart(&mut self, salt: u64) {
        self.disk.reopen();
        let entropy = Arc::new(self.seed.entropy(salt.wrapping_mul(0x9e37_79b9).wrapping_add(3)));
        self.device = Device::open(self.disk.clone(), entropy).unwrap().unwrap();
    }

    pub fn key_package(&self, now: Timestamp) -> Vec<u8> {
        let options = KeyPackageOptions { lifetime: Some(Duration::from_days(3_000)), ..Default::default() };
        self.device.key_package(options, now).unwrap()
    }
}

impl World {
    /// A founder alone.
    pub fn founded(profile: Profile, seed: Seed) -> Self {
        let clock = Clock::default();
        let installation = Installation::new(seed, "member 1");
        let options = CreateOptions { profile, member: member(1), id: group(), suite: None };
        let settings = Settings::of(profile);
        let node = GroupNode::create(&installation.device, options, settings, clock.now()).unwrap();
        let peer = Peer { installation, node, events: Vec::new() };
        Self {
            profile,
            seed,
            clock,
            peers: [(1, peer)].into(),
            joining: BTreeMap::new(),
            perhaps_joining: Vec::new(),
            wire: Vec::new(),
            restless: false,
            asks: false,
            skewed: false,
            made: 1,
            restarts: 0,
        }
    }

    /// So many members, all added by the first, one after the other.
    pub fn of(profile: Profile, seed: Seed, size: u32) -> Self {
        let mut world = Self::founded(profile, seed);
        for _ in 1..size {
            world.invite(1, 1, Pattern::Direct);
            world.settle();
        }
        world.peers.values_mut().for_each(|peer| peer.take_events());
        world.forget_events();
        world
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What a member's own clock shows.
    pub fn now_of(&self, number: u32) -> Timestamp {
        let skew = if self.skewed { u64::from(number) * 37_111 % 120_000 } else { 0 };
        self.now() + Duration::from_millis(skew)
    }

    pub fn installation(&mut self) -> Installation {
        self.made += 1;
        Installation::new(self.seed, &format!("member {}", self.made))
    }

    /// `by` invites new installations; they wait for their admissions.
    pub fn invite(&mut self, by: u32, count: usize, pattern: Pattern) -> Vec<u32> {
        let now = self.now();
        let joiners: Vec<Installation> = (0..count).map(|_| self.installation()).collect();
        let packages: Vec<Vec<u8>> = joiners.iter().map(|joiner| joiner.key_package(now)).collect();
        let numbers = self.node(by).invite(&packages, pattern, now).unwrap();
        assert_eq!(numbers.len(), count);
        let numbers: Vec<u32> = numbers.into_iter().map(MemberId::number).collect();
        for (number, joiner) in numbers.iter().zip(joiners) {
            self.joining.entry(*number).or_default().push(joiner);
        }
        numbers
    }

    pub fn node(&mut self, number: u32) -> &mut GroupNode {
        if self.restless {
            self.restart(number);
        }
        &mut self.peers.get_mut(&number).unwrap().node
    }

    /// A member's process ends, and another one opens what is stored.
    pub fn restart(&mut self, number: u32) {
        let peer = self.peers.get_mut(&number).unwrap();
        peer.take_events();
        peer.node.consume().unwrap();
        self.crash(number);
    }

    /// The same, before it said that it has dealt with what it was given: all of that comes again.
    pub fn crash(&mut self, number: u32) {
        let (profile, now, asks) = (self.profile, self.now_of(number), self.asks);
        let peer = self.peers.get_mut(&number).unwrap();
        let settings = |profile| Settings { asks, ..Settings::of(profile) };
        // A disk may fail once more while it is read. No process draws the same randomness as one before it: a commit whose
        // keys were used before is refused by everybody.
        let opened = (0..3).find_map(|_| {
            self.restarts += 1;
            peer.installation.restart(self.restarts);
            GroupNode::open(&peer.installation.device, &group(), settings, now).ok()
        });
        peer.node = opened.unwrap().unwrap();
        assert_eq!(peer.node.profile(), profile);
    }

    /// Takes everything that members have to send onto the wire.
    pub fn collect(&mut self) {
        for (number, peer) in &mut self.peers {
            self.wire.extend(std::iter::from_fn(|| peer.node.poll_parcel()).map(|parcel| (*number, parcel)));
            peer.take_events();
        }
    }

    /// Delivers everything in order, and what comes of it, until nothing waits.
    pub fn settle(&mut self) {
        loop {
            self.collect();
            if self.wire.is_empty() {
                return;
            }
            for (from, parcel) in std::mem::take(&mut self.wire) {
                self.deliver(from, &parcel);
            }
        }
    }

    pub fn deliver(&mut self, from: u32, parcel: &Parcel) {
        if parcel.kind == ParcelKind::Admission {
            return self.admit(parcel);
        }
        let others: Vec<u32> = self.peers.keys().copied().filter(|number| *number != from).collect();
        let to = |number: &u32| parcel.target == MemberId::EVERYBODY || parcel.target.number() == *number;
        for number in others.into_iter().filter(to) {
            let now = self.now_of(number);
            let _ = self.node(number).receive(&parcel.bytes, now);
        }
    }

    fn admit(&mut self, parcel: &Parcel) {
        let (number, profile) = (parcel.target.number(), self.profile);
        let now = self.now_of(number);
        let admission = Admission::decode(&parcel.bytes).unwrap();
        let mut refused = Vec::new();
        let settings = || Settings { asks: self.asks, ..Settings::of(profile) };
        let join = |device: &_| GroupNode::join(device, &admission, profile, settings(), now);
        for installation in self.joining.remove(&number).unwrap_or_default() {
            match join(&installation.device) {
                Ok(node) => return self.come(number, installation, node),
                Err(error) => refused.push(error),
            }
        }
        for index in 0..self.perhaps_joining.len() {
            if let Ok(node) = join(&self.perhaps_joining[index].device) {
                let installation = self.perhaps_joining.remove(index);
                return self.come(number, installation, node);
            }
        }
        assert!(refused.is_empty(), "{refused:?}");
    }

    fn come(&mut self, number: u32, installation: Installation, node: GroupNode) {
        self.peers.insert(number, Peer { installation, node, events: Vec::new() });
    }

    /// Lets time pass, with everybody woken when due and everything delivered.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now() + span;
        while self.now() < end {
            self.clock.advance(Duration::from_millis(500));
            let now = self.now();
            self.peers.values_mut().for_each(|peer| peer.node.wake(now).unwrap());
            self.settle();
        }
    }

    pub fn events(&mut self, number: u32) -> Vec<Event> {
        let peer = self.peers.get_mut(&number).unwrap();
        peer.take_events();
        std::mem::take(&mut peer.events)
    }

    pub fn forget_events(&mut self) {
        self.peers.values_mut().for_each(|peer| peer.events.clear());
    }

    /// Everybody is in one epoch with the same keys and the same roster.
    pub fn assert_agree(&mut self) {
        let mut views = Vec::new();
        for (number, peer) in &mut self.peers {
            let node = &mut peer.node;
            let members: Vec<u32> = node.members().unwrap().iter().map(|one| one.member.number()).collect();
            assert!(members.contains(number));
            views.push((node.epoch(), node.epoch_authenticator().unwrap(), members));
        }
        for view in &views {
            assert_eq!(view, &views[0]);
        }
    }
}

impl Peer {
    pub fn take_events(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.node.poll_event()));
    }
}
