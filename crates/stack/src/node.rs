//! One member's whole stack over one group.

use std::collections::VecDeque;

use coterie_gap::Played;
use coterie_gbp::node::{Joiner, Roster};
use coterie_gbp::node::{Node, NodeState};
use coterie_gbp::protection::agreement;
use coterie_gsp::{Order, RoleSpec, SignalClient};
use coterie_gtp::{AttachmentKey, Cut, Draft, TextClient};
use coterie_mls::{Changes, Device, Group, GroupExtension, GroupOptions, HandshakeFraming, Suite, Together};
use coterie_types::{Epoch, GroupId, LeafIndex, MemberId, MessageId, RequestId, StreamClass, Timestamp};
use coterie_wire::payload::{Chunk, Role};
use coterie_wire::{Codec, Profile};

use crate::admission::Admission;
use crate::change::Pattern;
use crate::core::{Core, Own, Settings, Waiting};
use crate::error::StackError;
use crate::event::{Event, Parcel, ParcelKind};
use crate::limits::{MAX_EVENTS, MAX_FRAME_BYTES, MAX_FRAMES, MAX_TRANSIENT_EVENTS};
use crate::receive::{claimed, flags_of};
use crate::rows::{self, RowSpace};
use crate::step::{Made, Step};

/// How a group begins.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// How its frames are protected, for good.
    pub profile: Profile,
    /// The founder's number.
    pub member: MemberId,
    /// Its id: 16 bytes in the `interop` profile.
    pub id: GroupId,
    /// Its suite; the device's own, or in the `interop` profile the only one that deployed peers speak.
    pub suite: Option<Suite>,
}

/// A member of a group, which its coordinator orders.
///
/// Frames and wishes come in, with the time; parcels and events come out. What one call does is one transaction of the
/// device's store, and nothing of it leaves before it is durable.
pub struct GroupNode {
    device: Device,
    id: GroupId,
    /// None once this member is out.
    group: Option<Group>,
    core: Core,
    /// Whether memory is ahead of the store, after a step that failed.
    torn: bool,
    parcels: VecDeque<(Option<u64>, Parcel)>,
    parcel_bytes: usize,
    events: VecDeque<(Option<u64>, Event)>,
    missed: u64,
    /// Events that were handed out and are not consumed yet.
    handed: Vec<u64>,
}

/// One packet of audio to be sent.
#[derive(Clone, Debug)]
pub struct AudioOut {
    /// When and whose.
    pub packet: coterie_gap::Outgoing,
    /// To whom.
    pub target: MemberId,
    /// How it is encoded.
    pub codec: Codec,
}

/// Somebody in the group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its number.
    pub member: MemberId,
    /// Its place in the tree.
    pub leaf: LeafIndex,
    /// Whom its credential names.
    pub identity: Vec<u8>,
    /// The key that its messages are verified with.
    pub signature_key: Vec<u8>,
}

impl GroupNode {
    /// Begins a group, whose coordinator this member is.
    ///
    /// # Errors
    /// When an option does not fit the profile, or the store fails.
    pub fn create(
        device: &Device,
        options: CreateOptions,
        settings: Settings,
        now: Timestamp,
    ) -> Result<Self, StackError> {
        let CreateOptions { profile, member, id, suite } = options;
        let suite = suite.or((profile == Profile::Interop).then_some(Suite::X25519Aes128));
        let volatile = device.is_volatile();
        let mls = GroupOptions { id: Some(id), suite };
        let (group, (core, made)) = device.create_group_together(mls, now, |together| {
            if profile == Profile::Sealed {
                seal_for_good(together, now)?;
            }
            let roster = Roster::new([(member, together.own_leaf())])?;
            let node = Node::create(member, profile, together.epoch(), roster, now)?;
            begin(
                own(profile, member, next_number(member)),
                node,
                settings,
                together,
                (volatile, now),
                |_| {},
            )
        })?;
        Ok(Self::with(device, group, core, made))
    }

    /// Comes into a group. The caller says which profile it expects, so that nobody can talk it into another one.
    ///
    /// # Errors
    /// When the Welcome is refused, the admission does not fit the group, or the group has another profile. Then nothing
    /// has changed, and the key package is not used up.
    pub fn join(
        device: &Device,
        admission: &Admission,
        profile: Profile,
        settings: Settings,
        now: Timestamp,
    ) -> Result<Self, StackError> {
        if admission.profile != profile {
            return Err(coterie_gbp::ProfileError::Changed.into());
        }
        let volatile = device.is_volatile();
        let (group, (core, made)) = device.join_together(&admission.welcome, None, now, |together| {
            let node = admitted(admission, together, now)?;
            if profile == Profile::Sealed {
                together.set_handshake_framing(HandshakeFraming::Public)?;
            }
            let own = own(profile, admission.member, admission.next_member);
            let roles = |core: &mut Core| *core.signals.roles_mut() = admission.roles.clone();
            begin(own, node, settings, together, (volatile, now), roles)
        })?;
        Ok(Self::with(device, group, core, made))
    }

    /// Opens a group that this device is in, or was in until it was removed; none where it never was.
    ///
    /// # Errors
    /// When what is stored is damaged or of another version, or the store fails.
    pub fn open(
        device: &Device,
        id: &GroupId,
        settings: impl FnOnce(Profile) -> Settings,
        now: Timestamp,
    ) -> Result<Option<Self>, StackError> {
        let space = RowSpace::of(id);
        let mut group = device.open_group(id)?;
        let loaded = match &mut group {
            Some(group) => group.together(|together| load(space, settings, together, now))?,
            None => device.rows(|rows| Core::load(space, settings, rows, now))?,
        };
        let Some((core, waiting)) = loaded else { return Ok(None) };
        let mut node = Self::of(device, id.clone(), group, core);
        node.take_back(waiting);
        node.step(now, |step| step.carry_out())?;
        Ok(Some(node))
    }

    fn with(device: &Device, group: Group, core: Core, made: Made) -> Self {
        let id = group.id().clone();
        let mut node = Self::of(device, id, Some(group), core);
        node.publish(made);
        node
    }

    fn of(device: &Device, id: GroupId, group: Option<Group>, core: Core) -> Self {
        Self {
            device: device.clone(),
            id,
            group,
            core,
            torn: false,
            parcels: VecDeque::new(),
            parcel_bytes: 0,
            events: VecDeque::new(),
            missed: 0,
            handed: Vec::new(),
        }
    }

    /// Takes in a frame. What others sent wrongly is no error but an [`Event::Refused`].
    ///
    /// # Errors
    /// When too much waits already, this member is out, or the store fails. Then nothing was taken in, and the frame can be
    /// given again.
    pub fn receive(&mut self, frame: &[u8], now: Timestamp) -> Result<(), StackError> {
        if claimed(frame).is_some_and(|claimed| claimed.class == StreamClass::Audio) {
            self.check_room()?;
            let event = self.core.take_in_audio(frame, now)?;
            self.push_event(None, event);
            return Ok(());
        }
        self.step(now, |step| step.take_in(frame))
    }

    /// Adds the owners of key packages. They get the numbers that are answered, and each an admission once the commit has come
    /// into effect, which an [`Event::Joined`] says; or [`Event::NotAdmitted`] comes.
    ///
    /// # Errors
    /// When this member does not coordinate, something else is under way, or a key package does not fit.
    pub fn invite(
        &mut self,
        key_packages: &[Vec<u8>],
        pattern: Pattern,
        now: Timestamp,
    ) -> Result<Vec<MemberId>, StackError> {
        self.step(now, |step| step.invite(key_packages, pattern))
    }

    /// Removes members.
    ///
    /// # Errors
    /// When this member does not coordinate, something else is under way, or one of them is no other member.
    pub fn remove(&mut self, members: &[MemberId], now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| step.remove(members))
    }

    /// Renews this member's keys, and with them the group's.
    ///
    /// # Errors
    /// When this member does not coordinate, or something else is under way.
    pub fn update(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| step.update())
    }

    /// Asks to be removed. Whoever coordinates does it; a coordinator hands its role over first.
    ///
    /// # Errors
    /// When this member is alone, or prepares something.
    pub fn leave(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.leave(now)?;
            step.carry_out()
        })
    }

    /// Gives the coordinator's role to another member.
    ///
    /// # Errors
    /// When this member does not have it, or prepares something.
    pub fn hand_over(&mut self, heir: MemberId, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.hand_over(heir, now)?;
            step.carry_out()
        })
    }

    /// Claims the coordinator's role.
    ///
    /// # Errors
    /// When a coordinator with a lower number is heard.
    pub fn claim(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.claim(now)?;
            step.carry_out()
        })
    }

    /// Tells the others what this member can do.
    ///
    /// # Errors
    /// When the tokens break their limits.
    pub fn advertise(&mut self, tokens: &[String], now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            let me = step.core.own.me;
            step.core.node.advertise(tokens.iter().cloned())?;
            step.core.signals.capabilities_mut().advertise(me, tokens.iter().cloned())?;
            step.signals_changed = true;
            step.agree_on_catching_up();
            step.carry_out()
        })
    }

    /// Asks the others how they stand.
    ///
    /// # Errors
    /// When this member takes no part.
    pub fn resync(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.resync(now)?;
            step.carry_out()
        })
    }

    /// Takes back what this member prepares.
    ///
    /// # Errors
    /// When it prepares nothing.
    pub fn abort(&mut self, reason: Option<u64>, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.abort(reason)?;
            step.carry_out()
        })
    }

    /// Says something; answers its number.
    ///
    /// # Errors
    /// When this member takes no part, may not send text, or the message is too long.
    pub fn send_text(
        &mut self,
        target: MemberId,
        draft: Draft,
        now: Timestamp,
    ) -> Result<MessageId, StackError> {
        self.step(now, |step| step.send_text(target, draft))
    }

    /// Announces an attachment, whose pieces follow by [`Self::send_piece`].
    ///
    /// # Errors
    /// As [`Self::send_text`].
    pub fn send_manifest(
        &mut self,
        target: MemberId,
        cut: &Cut,
        now: Timestamp,
    ) -> Result<MessageId, StackError> {
        self.step(now, |step| step.send_manifest(target, cut))
    }

    /// Sends a piece of an attachment.
    ///
    /// # Errors
    /// As [`Self::send_text`].
    pub fn send_piece(
        &mut self,
        target: MemberId,
        piece: &Chunk,
        now: Timestamp,
    ) -> Result<MessageId, StackError> {
        self.step(now, |step| step.send_piece(target, piece))
    }

    /// The data of an attachment that is complete, compared with its digest.
    ///
    /// # Errors
    /// When it is not known or not complete, or not what was announced.
    pub fn attachment(&mut self, key: AttachmentKey, now: Timestamp) -> Result<Vec<u8>, StackError> {
        self.step(now, |step| step.read_attachment(key))
    }

    /// Forgets an attachment with all its pieces, complete or not.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_attachment(&mut self, key: AttachmentKey, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| step.forget_attachment(key))
    }

    /// Asks a member for messages that are missing here. `request` is a random number.
    ///
    /// # Errors
    /// When members do not all know how, or somebody is being asked already.
    pub fn catch_up(
        &mut self,
        member: MemberId,
        request: RequestId,
        now: Timestamp,
    ) -> Result<(), StackError> {
        self.step(now, |step| step.ask(member, request))
    }

    /// Gives a signal; answers its request id.
    ///
    /// # Errors
    /// When this member takes no part, or the others would refuse it.
    pub fn give(&mut self, target: MemberId, order: Order, now: Timestamp) -> Result<RequestId, StackError> {
        self.step(now, |step| step.give(target, order))
    }

    /// Defines a role here. Every member does so by itself; joiners are told.
    ///
    /// # Errors
    /// When its name is too long, or there are too many.
    pub fn define_role(&mut self, role: RoleSpec, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.signals.roles_mut().define(role)?;
            (step.signals_changed, step.core.touched) = (true, true);
            Ok(())
        })
    }

    /// Gives a member a role here, without a signal: how a group begins.
    ///
    /// # Errors
    /// When there is no such role.
    pub fn assign_role(&mut self, member: MemberId, role: Role, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.signals.roles_mut().assign(member, role)?;
            (step.signals_changed, step.core.touched) = (true, true);
            Ok(())
        })
    }

    /// Sends a packet of audio; false while this member is muted. Only the reservation of numbers, about once a minute of
    /// speech, waits for the store.
    ///
    /// # Errors
    /// When this member takes no part, may not send audio, or the frame is too long.
    pub fn send_audio(&mut self, audio: AudioOut, now: Timestamp) -> Result<bool, StackError> {
        self.check_room()?;
        self.reserve_for_audio(now)?;
        let core = &mut self.core;
        if !core.node.takes_part() {
            return Err(StackError::NotActive);
        }
        let (me, class) = (core.own.me, StreamClass::Audio);
        let muted = core.signals.view().is_muted(me);
        if !muted && !core.signals.may_send(me, class) {
            return Err(StackError::NotAllowed(class));
        }
        let Some(packet) = core.audio.packet(audio.packet, muted)? else { return Ok(false) };
        let plaintext = packet.encode(audio.codec)?;
        let stream = coterie_types::StreamId::standard(class, me);
        let stream = stream.ok_or(StackError::Internal("members of a roster have streams"))?;
        let (flags, format) = (flags_of(class), audio.codec.into());
        let frame = coterie_gbp::protection::Outgoing { class, stream, flags, format, plaintext: &plaintext };
        let bytes = core.protection.as_mut().ok_or(StackError::NotActive)?.seal_audio(frame)?;
        let kind = ParcelKind::Frame(class);
        self.push_parcel(None, Parcel { target: audio.target, kind, bytes });
        Ok(true)
    }

    fn reserve_for_audio(&mut self, now: Timestamp) -> Result<(), StackError> {
        let class = StreamClass::Audio;
        if !self.core.protection.as_ref().is_some_and(|protection| protection.wants_reservation(class)) {
            return Ok(());
        }
        self.step(now, |step| {
            let protection = step.core.protection.as_mut().ok_or(StackError::NotActive)?;
            protection.reserve(class, step.together, &step.core.space)
        })
    }

    /// Puts what is to be played now behind what `out` holds.
    pub fn play(&mut self, now: Timestamp, out: &mut Vec<Played>) {
        self.core.audio.play(now, out);
    }

    /// When [`Self::play`] has something, as far as is known.
    #[must_use]
    pub fn next_play(&self) -> Option<Timestamp> {
        self.core.audio.playout().poll_timeout()
    }

    /// Does what is due. Early calls do nothing.
    ///
    /// # Errors
    /// When too much waits already, or the store fails.
    pub fn wake(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.core.audio.handle_timeout(now);
        if let Some(protection) = &mut self.core.protection {
            protection.handle_timeout(now);
        }
        if self.group.is_none() || self.next_wake().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.step(now, |step| step.wake())
    }

    /// When [`Self::wake`] is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let core = &self.core;
        let due = [
            core.node.wake_at(),
            core.text.poll_timeout(),
            core.signals.poll_timeout(),
            core.audio.poll_timeout(),
            core.protection.as_ref().and_then(crate::protection::Protection::poll_timeout),
        ];
        due.into_iter().flatten().min().filter(|_| self.group.is_some())
    }

    /// The next thing to be carried to others. It counts as sent with the step after this call, or with [`Self::consume`]: a
    /// crash before sends it again.
    pub fn poll_parcel(&mut self) -> Option<Parcel> {
        let (place, parcel) = self.parcels.pop_front()?;
        self.parcel_bytes = self.parcel_bytes.saturating_sub(parcel.bytes.len());
        self.core.sent.extend(place);
        Some(parcel)
    }

    /// The next event. After a crash it comes again unless [`Self::consume`] was called.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.missed > 0 {
            return Some(Event::Missed(std::mem::take(&mut self.missed)));
        }
        let (place, event) = self.events.pop_front()?;
        self.handed.extend(place);
        Some(event)
    }

    /// Says that all events that were handed out are dealt with, and all parcels carried away.
    ///
    /// # Errors
    /// When the store fails; then they may come again after a restart.
    pub fn consume(&mut self) -> Result<(), StackError> {
        if self.handed.is_empty() && self.core.sent.is_empty() {
            return Ok(());
        }
        let space = &self.core.space;
        let key = |kind| move |place: &u64| space.key(kind, &place.to_be_bytes());
        let events = self.handed.iter().map(key(rows::EVENT));
        let mut keys = events.chain(self.core.sent.iter().map(key(rows::PARCEL)));
        self.device.rows(|rows| keys.try_for_each(|key| rows.delete(&key)).map_err(StackError::from))?;
        self.handed.clear();
        self.core.sent.clear();
        Ok(())
    }

    /// The group's name.
    #[must_use]
    pub const fn id(&self) -> &GroupId {
        &self.id
    }

    /// How frames are protected.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.core.own.profile
    }

    /// This member's number.
    #[must_use]
    pub const fn me(&self) -> MemberId {
        self.core.own.me
    }

    /// The control plane as this member sees it.
    #[must_use]
    pub const fn control(&self) -> &Node {
        &self.core.node
    }

    /// Where this member is.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.core.node.epoch()
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn state(&self) -> NodeState {
        self.core.node.state()
    }

    /// Everybody in the group; nobody once this member is out.
    ///
    /// # Errors
    /// When a credential cannot be read.
    pub fn members(&mut self) -> Result<Vec<Member>, StackError> {
        let Some(group) = &mut self.group else { return Ok(Vec::new()) };
        let numbered = |known: coterie_mls::Member| {
            let member = self.core.roster.at(known.leaf)?;
            let coterie_mls::Member { leaf, identity, signature_key, .. } = known;
            Some(Member { member, leaf, identity, signature_key })
        };
        Ok(group.members()?.into_iter().filter_map(numbered).collect())
    }

    /// A value that all members of this epoch share and nobody else can know: equal values prove equal views.
    ///
    /// # Errors
    /// Once this member is out.
    pub fn epoch_authenticator(&mut self) -> Result<Vec<u8>, StackError> {
        let group = self.group.as_mut().ok_or(StackError::NotActive)?;
        Ok(group.epoch_authenticator()?)
    }

    /// What is known of text.
    #[must_use]
    pub const fn text(&self) -> &TextClient {
        &self.core.text
    }

    /// What is known of signals, roles and capabilities.
    #[must_use]
    pub const fn signals(&self) -> &SignalClient {
        &self.core.signals
    }

    /// What waits to be played.
    #[must_use]
    pub fn playout(&self) -> &coterie_gap::Playout {
        self.core.audio.playout()
    }

    /// Runs one step. What it made is there once it is stored, and not before.
    fn step<T>(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&mut Step<'_, '_, '_>) -> Result<T, StackError>,
    ) -> Result<T, StackError> {
        self.check_room()?;
        self.mend(now)?;
        let volatile = self.device.is_volatile();
        let core = &mut self.core;
        let Some(group) = self.group.as_mut() else { return Err(StackError::NotActive) };
        core.touched = false;
        let done = group.together(|together| {
            let mut step = Step::new(core, together, volatile, now);
            let value = work(&mut step)?;
            Ok::<_, StackError>((value, step.finish()?))
        });
        match done {
            Ok((value, made)) => {
                self.publish(made);
                self.group = self.group.take().filter(Group::is_member);
                Ok(value)
            }
            Err(error) => {
                self.torn = self.core.touched;
                Err(error)
            }
        }
    }

    /// Goes back to what is stored, after a step that failed half way. A volatile group cannot, and ends.
    fn mend(&mut self, now: Timestamp) -> Result<(), StackError> {
        if !self.torn {
            return Ok(());
        }
        if self.device.is_volatile() {
            self.core.node.fail();
            return Ok(());
        }
        let (settings, space) = (self.core.settings.clone(), self.core.space.clone());
        let Some(group) = self.group.as_mut() else { return Err(StackError::NotActive) };
        let loaded = group.together(|together| load(space, |_| settings, together, now))?;
        let (core, waiting) = loaded.ok_or(StackError::BadState)?;
        self.core = core;
        self.take_back(waiting);
        self.torn = false;
        Ok(())
    }

    /// What is stored takes the place of what waits; events that were handed out are not handed out again.
    fn take_back(&mut self, waiting: Waiting) {
        self.events.retain(|(place, _)| place.is_none());
        self.parcels.clear();
        self.parcel_bytes = 0;
        let handed = std::mem::take(&mut self.handed);
        for (place, event) in waiting.events.into_iter().filter(|(place, _)| !handed.contains(place)) {
            self.events.push_back((Some(place), event));
        }
        self.handed = handed;
        for (place, parcel) in waiting.parcels {
            self.push_parcel(Some(place), parcel);
        }
    }

    fn publish(&mut self, made: Made) {
        for (place, event) in made.events {
            self.push_event(place, event);
        }
        for (place, parcel) in made.parcels {
            self.push_parcel(place, parcel);
        }
    }

    fn push_event(&mut self, place: Option<u64>, event: Event) {
        if !event.is_durable() && self.events.len() >= MAX_TRANSIENT_EVENTS {
            self.missed = self.missed.saturating_add(1);
        } else {
            self.events.push_back((place, event));
        }
    }

    fn push_parcel(&mut self, place: Option<u64>, parcel: Parcel) {
        self.parcel_bytes = self.parcel_bytes.saturating_add(parcel.bytes.len());
        self.parcels.push_back((place, parcel));
    }

    fn check_room(&self) -> Result<(), StackError> {
        if self.events.len() >= MAX_EVENTS {
            return Err(StackError::Busy("too many events"));
        }
        if self.parcels.len() >= MAX_FRAMES || self.parcel_bytes >= MAX_FRAME_BYTES {
            return Err(StackError::Busy("too many frames"));
        }
        Ok(())
    }
}

/// The group agrees on the `sealed` profile, and asks its members to know what that is. Its commits travel inside sealed
/// frames, so that they need no encryption of their own and can be looked at again after they gave way.
fn seal_for_good(together: &mut Together<'_, '_>, now: Timestamp) -> Result<(), StackError> {
    let profile = agreement::extension(Profile::Sealed).ok_or(StackError::Internal("it has one"))?;
    let extensions = [
        GroupExtension { extension_type: agreement::EXTENSION_TYPE, data: profile.to_vec() },
        GroupExtension::required_capabilities(&[agreement::EXTENSION_TYPE], &[], &[])?,
    ];
    together.set_handshake_framing(HandshakeFraming::Public)?;
    together.commit(Changes { extensions: Some(&extensions), ..Default::default() }, now)?;
    together.merge_pending()?;
    Ok(())
}

/// The node of a joiner, if what it was told fits the group that it has come into.
fn admitted(
    admission: &Admission,
    together: &mut Together<'_, '_>,
    now: Timestamp,
) -> Result<Node, StackError> {
    let extensions = together.extensions()?;
    let agreed = extensions.iter().find(|one| one.extension_type == agreement::EXTENSION_TYPE);
    agreement::check(admission.profile, agreed.map(|extension| extension.data.as_slice()))?;
    let leaves: Vec<LeafIndex> = together.members()?.iter().map(|member| member.leaf).collect();
    let roster = admission.roster(leaves.into_iter(), together.own_leaf())?;
    let engine = admission.epoch.number().saturating_add(admission.armed.into());
    let armed = admission.armed && admission.profile == Profile::Sealed;
    if engine != together.epoch().number() || armed {
        return Err(StackError::Admission);
    }
    let joiner = Joiner {
        me: admission.member,
        epoch: admission.epoch,
        transition: admission.transition,
        armed: admission.armed,
        roster,
        inviter: admission.inviter,
    };
    Ok(Node::join(joiner, admission.profile, now)?)
}

fn own(profile: Profile, me: MemberId, next_member: MemberId) -> Own {
    Own { profile, me, next_member, leaving: Default::default() }
}

fn next_number(member: MemberId) -> MemberId {
    MemberId::new(member.number().saturating_add(1))
}

/// The first step of a member.
fn begin(
    own: Own,
    node: Node,
    settings: Settings,
    together: &mut Together<'_, '_>,
    (volatile, now): (bool, Timestamp),
    also: impl FnOnce(&mut Core),
) -> Result<(Core, Made), StackError> {
    let mut core = Core::begin(own, node, settings, together)?;
    also(&mut core);
    let mut step = Step::new(&mut core, together, volatile, now);
    step.carry_out()?;
    step.signals_changed = true;
    let made = step.finish()?;
    Ok((core, made))
}

fn load(
    space: RowSpace,
    settings: impl FnOnce(Profile) -> Settings,
    together: &mut Together<'_, '_>,
    now: Timestamp,
) -> Result<Option<(Core, Waiting)>, StackError> {
    let loaded = Core::load(space, settings, &together.rows(), now)?;
    let Some((mut core, waiting)) = loaded else { return Ok(None) };
    core.protect(together)?;
    Ok(Some((core, waiting)))
}

impl std::fmt::Debug for GroupNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupNode")
            .field("id", &self.id)
            .field("me", &self.core.own.me)
            .field("epoch", &self.core.node.epoch())
            .finish_non_exhaustive()
    }
}
