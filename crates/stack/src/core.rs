//! What one member knows of one group, and how it comes back from the store.

use coterie_crypto::content_key::ContentKey;
use coterie_gbp::node::{Hash, Node, RelayLog, Roster};
use coterie_gbp::protection::Members;
use coterie_gsp::{Authority, SignalClient};
use coterie_gtp::{RowChange, TextClient, TextOptions};
use coterie_mls::{CommitSummary, Rows, Together};
use coterie_types::{Epoch, LeafIndex, MemberId, Timestamp};
use coterie_wire::cbor::{Reader, Writer};
use coterie_wire::{Malformed, Profile};

use std::collections::{BTreeMap, BTreeSet};

use crate::asking::Asking;
use crate::audio::Audio;
use crate::error::StackError;
use crate::event::{Event, Parcel};
use crate::inviting::Inviting;
use crate::ledger;
use crate::protection::{Protection, Stand};
use crate::rows::{self, RowSpace, place_in};

/// The version of the row that all others stand beside.
const VERSION: u8 = 1;

/// What the application may choose. It chooses it again whenever it opens the group.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is kept of text, and how.
    pub text: TextOptions,
    /// Whose signals count.
    pub authority: Authority,
    /// Whether the application says of every commit whom it admits, before this member is ready for it: [`crate::Question`].
    pub asks: bool,
}

impl Settings {
    /// What suits the profile: in `sealed` every member is one of ours, in `interop` they may be deployed peers.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        match profile {
            Profile::Sealed => Self {
                text: TextOptions { resync: true, ..TextOptions::default() },
                authority: Authority::MEMBERS_SEND,
                asks: false,
            },
            Profile::Interop => Self {
                text: TextOptions { scope: coterie_gtp::Scope::Epoch, ..TextOptions::default() },
                authority: Authority::Open,
                asks: false,
            },
        }
    }
}

/// Everything but the engine.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) own: Own,
    pub(crate) space: RowSpace,
    pub(crate) settings: Settings,
    pub(crate) node: Node,
    pub(crate) relay: RelayLog,
    /// None once this member is out.
    pub(crate) protection: Option<Protection>,
    pub(crate) text: TextClient,
    pub(crate) signals: SignalClient,
    pub(crate) audio: Audio,
    /// The roster of the node's epoch, to be compared with the next one.
    pub(crate) roster: Roster,
    pub(crate) inviting: Option<Inviting>,
    /// What the application has not answered yet.
    pub(crate) asking: Option<Asking>,
    /// The staged commit that it was asked about before this was loaded.
    pub(crate) asked_before: Option<Hash>,
    pub(crate) places: Places,
    /// The node as it is stored.
    pub(crate) stored_node: Vec<u8>,
    /// What is done with, and whose rows can go.
    pub(crate) done: Done,
    /// Whether memory is ahead of the store.
    pub(crate) touched: bool,
}

/// What this member is in the group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Own {
    pub(crate) profile: Profile,
    pub(crate) me: MemberId,
    pub(crate) next_member: MemberId,
    /// Who asked to be removed.
    pub(crate) leaving: BTreeSet<MemberId>,
}

/// Where the next rows stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    pub(crate) event: u64,
    pub(crate) parcel: u64,
}

/// Where the rows stand of what is dealt with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    pub(crate) events: Vec<u64>,
    pub(crate) parcels: Vec<u64>,
}

impl Done {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.parcels.is_empty()
    }

    /// Removes the rows, and keeps what must outlive them.
    pub(crate) fn remove(
        &self,
        space: &RowSpace,
        places: Places,
        rows: &mut Rows<'_, '_>,
    ) -> Result<(), StackError> {
        let key = |kind| move |place: &u64| space.key(kind, &place.to_be_bytes());
        let events = self.events.iter().map(key(rows::EVENT));
        let mut keys = events.chain(self.parcels.iter().map(key(rows::PARCEL)));
        keys.try_for_each(|key| rows.delete(&key))?;
        if self.events.is_empty() {
            return Ok(());
        }
        // A node of a former time in the group says so too, and knows of fewer.
        let next = places.event.max(next_event(space, rows)?.unwrap_or_default());
        Ok(rows.put(&space.key(rows::NEXT_EVENT, &[]), next.to_be_bytes().to_vec())?)
    }
}

/// The place behind all events that ever had one, where any was dealt with.
fn next_event(space: &RowSpace, rows: &Rows<'_, '_>) -> Result<Option<u64>, StackError> {
    rows.get(&space.key(rows::NEXT_EVENT, &[]))?.map(|row| place_in(&row)).transpose()
}

/// What waited when the process ended.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) events: Vec<(u64, Event)>,
    pub(crate) parcels: Vec<(u64, Parcel)>,
}

impl Own {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.unsigned(VERSION).boolean(self.profile == Profile::Sealed);
        writer.unsigned(self.me.number()).unsigned(self.next_member.number()).array(self.leaving.len());
        for member in &self.leaving {
            writer.unsigned(member.number());
        }
        writer.finish()
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.unsigned::<u8>()? != VERSION {
            return Err(Malformed::OutOfRange);
        }
        let profile = if reader.boolean()? { Profile::Sealed } else { Profile::Interop };
        let (me, next_member) = (MemberId::new(reader.unsigned()?), MemberId::new(reader.unsigned()?));
        let count = reader.array(coterie_gbp::node::limits::MAX_MEMBERS)?;
        let leaving = (0..count).map(|_| Ok(MemberId::new(reader.unsigned()?)));
        let leaving = leaving.collect::<Result<_, Malformed>>()?;
        reader.finish()?;
        Ok(Self { profile, me, next_member, leaving })
    }
}

impl Core {
    /// A member that has just come in, for the first time or after it was out. What waited for the application then still does.
    pub(crate) fn begin(
        own: Own,
        node: Node,
        settings: Settings,
        together: &mut Together<'_, '_>,
        volatile: bool,
    ) -> Result<(Self, Waiting, Vec<RowChange>), StackError> {
        let space = RowSpace::of(&together.id()?);
        // All that is read of the rows before a restart is contents that are not in memory.
        let in_memory = settings.text.history.is_none_or(|history| history.in_memory);
        let is_stored = !(volatile && in_memory);
        let options = settings.text.clone();
        let (text, changes) = text_of(&own, node.epoch(), &space, options, (&mut *together, is_stored))?;
        let text = if is_stored { text } else { text.without_rows() };
        let (waiting, places) = left_over(&space, together)?;
        let signals = SignalClient::new(own.me, settings.authority);
        let mut core = Self::with(own, space, settings, node, text, signals);
        core.places = places;
        core.protect(together)?;
        let roster: BTreeSet<MemberId> = core.roster.members().collect();
        core.signals.set_roster(roster);
        let key = core.space.key(rows::OWN, &[]);
        let row = core.own.write();
        together.rows().put(&key, row)?;
        Ok((core, waiting, changes))
    }

    fn with(
        own: Own,
        space: RowSpace,
        settings: Settings,
        node: Node,
        mut text: TextClient,
        signals: SignalClient,
    ) -> Self {
        text.set_epoch(node.epoch());
        Self {
            own,
            space,
            settings,
            relay: RelayLog::default(),
            protection: None,
            text,
            signals,
            audio: Audio::new(node.epoch()),
            roster: node.roster().clone(),
            node,
            inviting: None,
            asking: None,
            asked_before: None,
            places: Places::default(),
            stored_node: Vec::new(),
            done: Done::default(),
            touched: false,
        }
    }

    /// What the rows hold; none where there are none of this group. It has no keys yet.
    pub(crate) fn load(
        space: RowSpace,
        settings: impl FnOnce(Profile) -> Settings,
        rows: &Rows<'_, '_>,
        now: Timestamp,
    ) -> Result<Option<(Self, Waiting)>, StackError> {
        let Some(own) = rows.get(&space.key(rows::OWN, &[]))? else { return Ok(None) };
        let own = Own::read(&own).map_err(|_| StackError::BadState)?;
        let settings = settings(own.profile);
        let node_row = rows.get(&space.key(rows::NODE, &[]))?.ok_or(StackError::BadState)?;
        let node = Node::restore(&node_row, now)?;
        let text = space.all(rows::TEXT, rows)?;
        let text = TextClient::restore(own.me, settings.text.clone(), text);
        let (text, _) = text.map_err(|_| StackError::BadState)?;
        let signals = match rows.get(&space.key(rows::SIGNALS, &[]))? {
            None => SignalClient::new(own.me, settings.authority),
            Some(row) => {
                SignalClient::import(own.me, settings.authority, &row).map_err(|_| StackError::BadState)?
            }
        };
        let relay = RelayLog::restore(space.all(rows::RELAY, rows)?)?;
        let inviting = rows.get(&space.key(rows::INVITING, &[]))?;
        let (waiting, places) = Waiting::load(&space, rows)?;
        let mut core = Self::with(own, space, settings, node, text, signals);
        core.relay = relay;
        core.inviting =
            inviting.map(|row| Inviting::read(&row)).transpose().map_err(|_| StackError::BadState)?;
        let asked = rows.get(&core.space.key(rows::ASKING, &[]))?;
        core.asked_before = asked.map(|row| row.try_into()).transpose().map_err(|_| StackError::BadState)?;
        core.places = places;
        core.stored_node = node_row;
        core.follow_mutes();
        Ok(Some((core, waiting)))
    }

    /// Sets up the keys of the engine's epoch, and takes late frames of those before.
    pub(crate) fn protect(&mut self, together: &mut Together<'_, '_>) -> Result<(), StackError> {
        let Own { profile, me, .. } = self.own;
        let (epoch, transition) = (self.node.epoch(), self.node.last_transition());
        let stand = Stand { me, epoch, transition, roster: &self.roster };
        let mut protection = Protection::new(profile, stand, together, &self.space)?;
        for (key, value) in self.space.all(rows::PAST, &together.rows())? {
            let (members, until) = read_past(&value).map_err(|_| StackError::BadState)?;
            protection.recall(Epoch::new(place_in(&key)?), members, until);
        }
        self.protection = Some(protection);
        if together.is_restored() {
            self.node.fail();
        }
        Ok(())
    }

    /// Who belongs to the group after a commit. Joiners are numbered in their order, by everybody alike; a number is never
    /// given twice.
    pub(crate) fn roster_after(&self, summary: &CommitSummary) -> Result<Roster, StackError> {
        let gone: BTreeSet<LeafIndex> = summary.removed.iter().map(|member| member.leaf).collect();
        let stay = self.node.roster().iter().filter(|(_, leaf)| !gone.contains(leaf));
        let numbers = (self.own.next_member.number()..MemberId::STREAM_LIMIT).map(MemberId::new);
        let joined = numbers.zip(summary.added.iter().map(|member| member.leaf));
        let after = Roster::new(stay.chain(joined))?;
        let whole = self.node.roster().count().saturating_sub(gone.len()).saturating_add(summary.added.len());
        if after.count() == whole { Ok(after) } else { Err(StackError::Admission) }
    }
}

/// The text of a member that has just come in, and the rows that it begins with: the key of what it remembers is there before it
/// remembers anything. Whoever was in the group before has its history still, where one is stored.
fn text_of(
    own: &Own,
    epoch: Epoch,
    space: &RowSpace,
    options: TextOptions,
    (together, is_stored): (&mut Together<'_, '_>, bool),
) -> Result<(TextClient, Vec<RowChange>), StackError> {
    let key =
        ContentKey::new(together.random()?).map_err(|_| StackError::Internal("a key has its length"))?;
    let rows = together.rows();
    let before = if is_stored { rows.get(&space.key(rows::OWN, &[]))? } else { None };
    let Some(before) = before else {
        let text = TextClient::new(own.me, options);
        let text = text.ok_or(StackError::InvalidArgument("the limits of the history are out of range"))?;
        let text = text.keyed(key);
        let changes = text.rows().into_iter().map(|(key, value)| RowChange::Put(key, value)).collect();
        return Ok((text, changes));
    };
    let before = Own::read(&before).map_err(|_| StackError::BadState)?;
    let text = TextClient::restore(before.me, options, space.all(rows::TEXT, &rows)?);
    let (text, mut changes) = text.map_err(|_| StackError::BadState)?;
    let (text, of_coming) = text.come_back(own.me, epoch, key);
    changes.extend(of_coming);
    Ok((text, changes))
}

/// Events that waited when this member was in the group before. The rest of that time is over, and its rows go: what was to be
/// carried to others, transitions and epochs, an invitation, a question. Whoever holds the node of that time still may say that
/// it has dealt with rows of it, so none of their places is given again.
fn left_over(space: &RowSpace, together: &mut Together<'_, '_>) -> Result<(Waiting, Places), StackError> {
    let mut rows = together.rows();
    let (mut waiting, places) = Waiting::load(space, &rows)?;
    waiting.parcels.clear();
    for kind in [rows::PARCEL, rows::RELAY, rows::PAST, rows::INVITING, rows::ASKING] {
        rows.delete_prefix(&space.key(kind, &[]))?;
    }
    Ok((waiting, places))
}

impl Waiting {
    /// And the places of what comes next.
    fn load(space: &RowSpace, rows: &Rows<'_, '_>) -> Result<(Self, Places), StackError> {
        let mut waiting = Self::default();
        for (key, value) in space.all(rows::EVENT, rows)? {
            let event = ledger::read_event(&value).map_err(|_| StackError::BadState)?;
            waiting.events.push((place_in(&key)?, event));
        }
        for (key, value) in space.all(rows::PARCEL, rows)? {
            let parcel = ledger::read_parcel(&value).map_err(|_| StackError::BadState)?;
            waiting.parcels.push((place_in(&key)?, parcel));
        }
        let places = waiting.places(next_event(space, rows)?);
        Ok((waiting, places))
    }

    /// Places of events are their ids, so none comes again. Those of parcels may: nobody keeps them over a restart.
    fn places(&self, next_event: Option<u64>) -> Places {
        let next = |last: Option<u64>| last.map_or(0, |last| last.saturating_add(1));
        let behind = next(self.events.last().map(|(place, _)| *place));
        Places {
            event: next_event.unwrap_or_default().max(behind),
            parcel: next(self.parcels.last().map(|(place, _)| *place)),
        }
    }
}

/// An epoch that ended, for late frames.
pub(crate) fn write_past(roster: &Roster, until: Timestamp) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.unsigned(until.as_millis()).array(roster.count());
    for (member, leaf) in roster.iter() {
        writer.unsigned(member.number()).unsigned(leaf.number());
    }
    writer.finish()
}

fn read_past(bytes: &[u8]) -> Result<(Members, Timestamp), Malformed> {
    let mut reader = Reader::new(bytes);
    let until = Timestamp::from_millis(reader.unsigned()?);
    let mut members = BTreeMap::new();
    for _ in 0..reader.array(coterie_gbp::node::limits::MAX_MEMBERS)? {
        let member = MemberId::new(reader.unsigned()?);
        members.insert(LeafIndex::new(reader.unsigned()?), member);
    }
    reader.finish()?;
    let members = Members::new(members).map_err(|_| Malformed::OutOfRange)?;
    Ok((members, until))
}
