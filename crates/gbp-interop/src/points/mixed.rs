//! A group of `GroupNode`s of ours and nodes of theirs, with what is on its way between them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use coterie_crypto::entropy::OsEntropy;
use coterie_gtp::Draft;
use coterie_mls::{Device, DeviceOptions, KeyPackageOptions, Suite};
use coterie_stack::{Admission, CreateOptions, Event, GroupNode, ParcelKind, Pattern, Settings};
use coterie_store::MemoryStore;
use coterie_types::{Duration, GroupId, MemberId, Timestamp};
use coterie_wire::{Codec, Profile};

use super::Member;
use crate::members::{Theirs, now};
use crate::package::Package;

/// Long enough for a coordinator that waits for whoever is late, and shorter than any timeout.
pub(super) const A_WHILE: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(500);

/// Ours, with what it was told.
pub(super) struct Whole {
    pub(super) node: GroupNode,
    events: Vec<Event>,
}

/// Everybody, and what is on its way: from whom, to whom, what.
pub(super) struct Mixed<'a> {
    package: &'a Package,
    pub(super) now: Timestamp,
    ours: BTreeMap<u32, Whole>,
    pub(super) theirs: BTreeMap<u32, Theirs<'a>>,
    /// Who waits for an admission.
    joining: BTreeMap<u32, Joiner<'a>>,
    pub(super) wire: VecDeque<(u32, u32, Vec<u8>)>,
    said: u64,
}

enum Joiner<'a> {
    Ours(Device),
    Theirs(Theirs<'a>),
}

pub(super) fn device(name: &str) -> anyhow::Result<Device> {
    let options = DeviceOptions { identity: name.as_bytes().to_vec(), suite: Suite::X25519Aes128 };
    Ok(Device::create(options, Arc::new(MemoryStore::default()), Arc::new(OsEntropy))?)
}

impl<'a> Mixed<'a> {
    pub(super) fn new(package: &'a Package) -> Self {
        Self {
            package,
            now: now(),
            ours: BTreeMap::new(),
            theirs: BTreeMap::new(),
            joining: BTreeMap::new(),
            wire: VecDeque::new(),
            said: 0,
        }
    }

    pub(super) fn whole(&mut self, number: u32) -> anyhow::Result<&mut Whole> {
        self.ours.get_mut(&number).with_context(|| format!("{number} is none of ours"))
    }

    /// One of ours founds a group.
    pub(super) fn found(&mut self) -> anyhow::Result<()> {
        let device = device("one of ours")?;
        let (profile, id) = (Profile::Interop, GroupId::new(&[7; 16]).ok().context("an id")?);
        let options = CreateOptions { profile, member: MemberId::new(1), id, suite: None };
        let node = GroupNode::create(&device, options, Settings::of(profile), self.now)?;
        self.ours.insert(1, Whole { node, events: Vec::new() });
        Ok(())
    }

    /// The first of ours invites one of theirs or of ours, and everybody follows.
    pub(super) fn invite(&mut self, by: u32, ours: bool, pattern: Pattern) -> anyhow::Result<u32> {
        let (joiner, key_package) = self.joiner(ours)?;
        let now = self.now;
        let numbers = self.whole(by)?.node.invite(&[key_package], pattern, now)?;
        let number = numbers.first().context("a number")?.number();
        self.joining.insert(number, joiner);
        self.pass(A_WHILE)?;
        ensure!(!self.joining.contains_key(&number), "{number} was not admitted");
        Ok(number)
    }

    fn joiner(&self, ours: bool) -> anyhow::Result<(Joiner<'a>, Vec<u8>)> {
        Ok(if ours {
            let device = device("another of ours")?;
            let key_package = device.key_package(KeyPackageOptions::default(), self.now)?;
            (Joiner::Ours(device), key_package)
        } else {
            let mut theirs = Theirs::new(self.package, "one of theirs")?;
            let key_package = theirs.key_package()?;
            (Joiner::Theirs(theirs), key_package)
        })
    }

    fn admit(&mut self, number: u32, admission: &[u8]) -> anyhow::Result<()> {
        let joiner = self.joining.remove(&number).context("somebody waits for it")?;
        let admission = Admission::decode(admission)?;
        match joiner {
            Joiner::Ours(device) => self.admit_ours(device, &admission),
            Joiner::Theirs(mut theirs) => {
                theirs.join(&admission.welcome)?;
                // With its own calls it begins an epoch earlier and waits, or moves on at once.
                let transition = admission.transition.number();
                if admission.armed {
                    theirs.start(number, admission.epoch.number(), transition)?;
                } else {
                    theirs.start(number, admission.epoch.number().saturating_sub(1), 0)?;
                    theirs.apply(transition)?;
                }
                self.theirs.insert(number, theirs);
                Ok(())
            }
        }
    }

    pub(super) fn admit_ours(&mut self, device: Device, admission: &Admission) -> anyhow::Result<()> {
        let (profile, settings) = (Profile::Interop, Settings::of(Profile::Interop));
        let node = GroupNode::join(&device, admission, profile, settings, self.now)?;
        self.ours.insert(admission.member.number(), Whole { node, events: Vec::new() });
        Ok(())
    }

    /// Lets time pass for ours, with everything delivered.
    pub(super) fn pass(&mut self, span: Duration) -> anyhow::Result<()> {
        let end = self.now + span;
        self.settle()?;
        while self.now < end {
            self.now = self.now + STEP;
            let now = self.now;
            self.ours.values_mut().try_for_each(|whole| whole.node.wake(now))?;
            self.settle()?;
        }
        Ok(())
    }

    /// Delivers until nothing is on its way.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        self.collect()?;
        while let Some((from, to, frame)) = self.wire.pop_front() {
            let numbers: Vec<u32> = self.ours.keys().chain(self.theirs.keys()).copied().collect();
            for number in numbers.into_iter().filter(|number| *number != from && (to == 0 || to == *number)) {
                self.deliver(number, &frame)?;
            }
            self.collect()?;
        }
        Ok(())
    }

    fn deliver(&mut self, number: u32, frame: &[u8]) -> anyhow::Result<()> {
        if let Some(theirs) = self.theirs.get_mut(&number) {
            let (_, ready) = theirs.follow(frame)?;
            self.wire.extend(ready.map(|ready| (number, 0, ready)));
        } else if let Some(whole) = self.ours.get_mut(&number) {
            whole.node.receive(frame, self.now)?;
        }
        Ok(())
    }

    /// What ours have to send and to say.
    fn collect(&mut self) -> anyhow::Result<()> {
        let mut admissions = Vec::new();
        for (number, whole) in &mut self.ours {
            while let Some(parcel) = whole.node.poll_parcel() {
                match parcel.kind {
                    ParcelKind::Admission => admissions.push((parcel.target.number(), parcel.bytes)),
                    ParcelKind::Frame(_) => {
                        self.wire.push_back((*number, parcel.target.number(), parcel.bytes));
                    }
                }
            }
            whole.events.extend(std::iter::from_fn(|| whole.node.poll_event()));
        }
        admissions.iter().try_for_each(|(number, admission)| self.admit(*number, admission))
    }

    /// Everybody says something, and everybody else hears it.
    pub(super) fn talk(&mut self) -> anyhow::Result<()> {
        self.settle()?;
        self.ours.values_mut().for_each(|whole| whole.events.clear());
        let numbers: Vec<u32> = self.ours.keys().chain(self.theirs.keys()).copied().collect();
        for speaker in numbers.iter().copied() {
            self.said = self.said.saturating_add(1);
            let (text, now) = (format!("{speaker} speaks"), self.now);
            if let Some(theirs) = self.theirs.get_mut(&speaker) {
                let frame = theirs.say(self.said, &text, Codec::Cbor)?;
                self.wire.push_back((speaker, 0, frame));
                self.settle()?;
            } else {
                let draft = Draft::text(&text);
                self.whole(speaker)?.node.send_text(MemberId::EVERYBODY, draft, now)?;
                self.heard_there(&text)?;
            }
            for listener in self.ours.keys().copied().filter(|number| *number != speaker).collect::<Vec<_>>()
            {
                let events = std::mem::take(&mut self.whole(listener)?.events);
                let heard = |event: &Event| {
                    matches!(event, Event::Text(said)
                    if said.message.sender.number() == speaker && said.message.content == text.as_bytes())
                };
                ensure!(events.iter().any(heard), "{listener} does not hear {speaker}: {events:?}");
            }
        }
        Ok(())
    }

    /// What one of ours says now is heard by all of theirs.
    fn heard_there(&mut self, text: &str) -> anyhow::Result<()> {
        self.collect()?;
        let frames: Vec<_> = self.wire.drain(..).collect();
        for (from, to, frame) in frames {
            for (number, theirs) in &mut self.theirs {
                if to == 0 || to == *number {
                    let heard = theirs.receive(&frame)?;
                    let said =
                        |payload: &[u8]| payload.windows(text.len()).any(|part| part == text.as_bytes());
                    let one = heard.payloads.first().is_some_and(|(payload, ..)| said(payload));
                    ensure!(one, "{number} hears {heard:?} instead of {from}");
                }
            }
            for whole in self.ours.iter_mut().filter(|(number, _)| **number != from).map(|(_, whole)| whole) {
                whole.node.receive(&frame, self.now)?;
            }
        }
        self.collect()
    }

    /// One of theirs claims to coordinate.
    pub(super) fn claim(&mut self, number: u32) -> anyhow::Result<()> {
        let claim = self.theirs.get(&number).context("one of theirs")?.claim()?;
        self.wire.push_back((number, 0, claim));
        self.settle()
    }

    /// Everybody is in this epoch, by the engine and by the node.
    pub(super) fn agree(&mut self, epoch: u64) -> anyhow::Result<()> {
        for (number, whole) in &self.ours {
            ensure!(whole.node.epoch().number() == epoch, "{number} is in {}", whole.node.epoch());
        }
        for (number, theirs) in &mut self.theirs {
            let (mls, node, ..) = theirs.place()?;
            ensure!((mls, node) == (epoch, epoch), "{number} is in {mls} and {node}");
        }
        Ok(())
    }
}
