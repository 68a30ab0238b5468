//! The signals of one group, as one member knows it.

use std::collections::{BTreeMap, BTreeSet};

use coterie_seen::{Origin, Seen};
use coterie_types::{Duration, Epoch, MemberId, RequestId, StreamClass, Timestamp};
use coterie_wire::payload::{Role, Signal, SignalMessage};
use coterie_wire::{Codec, ErrorObject, PayloadFormat};

use crate::capabilities::Negotiator;
use crate::error::{GiveError, Refusal, Refused};
use crate::limits::ANSWER_TIMEOUT;
use crate::request::{Answer, Finished, Requests, Waiting};
use crate::roles::{Permissions, Roles};
use crate::view::View;

/// Whose signals count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authority {
    /// Everybody's, as in the published stack. A change of role changes no role here.
    Open,
    /// Those of members whose role allows them, whatever role they claim.
    Enforced {
        /// What members without a role may do.
        unassigned: Permissions,
        /// The role that may change codecs without moderating.
        automatic_control: Option<Role>,
    },
}

impl Authority {
    /// Enforced, where members without a role send and nothing else.
    pub const MEMBERS_SEND: Self = Self::Enforced { unassigned: Permissions::SEND, automatic_control: None };
}

/// A payload from the signal stream, with what the frame layer knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The opened payload.
    pub payload: &'a [u8],
    /// Its codec, as the frame says.
    pub format: PayloadFormat,
    /// Who sent it.
    pub origin: Origin,
    /// The group's epoch.
    pub epoch: Epoch,
}

/// How a signal relates to what was received before in this epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It was never seen, and took effect.
    New,
    /// It was seen before, the same in all its fields.
    Duplicate,
    /// The sender gave another signal under this request id. That one stays.
    Conflicting,
}

/// A signal that was received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// The signal, with its arguments and all other fields.
    pub message: SignalMessage,
    /// The arguments as they stood in the payload, with whatever else they hold.
    pub arguments: Vec<u8>,
    /// Whether it is new.
    pub verdict: Verdict,
    /// Whether it changed who is in, muted, publishing or in which role.
    pub changed: bool,
}

/// A signal that is to be given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// The signal.
    pub signal: Signal,
    /// Names it among those of its sender; see [`SignalClient::fresh_request`].
    pub request: RequestId,
    /// The role that it is given in.
    pub role_claim: Role,
    /// Whose answers are waited for; nobody's, where members do not answer.
    pub awaited: BTreeSet<MemberId>,
    /// How long they may take.
    pub timeout: Duration,
    /// Its arguments, where they are to hold more than the signal knows.
    pub arguments: Option<Vec<u8>>,
    /// How it is encoded.
    pub codec: Codec,
}

/// A signal that is ready to be sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// The signal.
    pub message: SignalMessage,
    /// Its arguments, as the payload holds them.
    pub arguments: Vec<u8>,
    /// Its payload, for a frame of the signal stream.
    pub payload: Vec<u8>,
    /// The payload's codec.
    pub codec: Codec,
}

/// The signals of one group, as one member knows it.
#[derive(Clone, Debug)]
pub struct SignalClient {
    pub(crate) member: MemberId,
    pub(crate) authority: Authority,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) seen: Seen<RequestId, SignalMessage>,
    pub(crate) requests: Requests,
    pub(crate) view: View,
    pub(crate) roster: Option<BTreeSet<MemberId>>,
    pub(crate) roles: Roles,
    pub(crate) capabilities: Negotiator,
}

impl Received {
    /// What may be answered to its sender: that it was carried out, now or before; nothing where another signal was.
    #[must_use]
    pub fn answer(&self) -> Option<Answer> {
        let SignalMessage { sender, request, .. } = self.message;
        (self.verdict != Verdict::Conflicting).then(|| Answer::carried_out(sender, request))
    }
}

impl Order {
    /// A signal that nobody answers.
    #[must_use]
    pub const fn new(signal: Signal, request: RequestId) -> Self {
        let (role_claim, timeout, codec) = (Role::new(0), ANSWER_TIMEOUT, Codec::Cbor);
        Self { signal, request, role_claim, awaited: BTreeSet::new(), timeout, arguments: None, codec }
    }

    /// The same, waiting for the answers of these members.
    #[must_use]
    pub fn awaiting(self, members: impl IntoIterator<Item = MemberId>) -> Self {
        Self { awaited: members.into_iter().collect(), ..self }
    }
}

impl SignalClient {
    /// Nothing known yet.
    #[must_use]
    pub fn new(member: MemberId, authority: Authority) -> Self {
        Self {
            member,
            authority,
            epoch: None,
            seen: Seen::default(),
            requests: Requests::default(),
            view: View::default(),
            roster: None,
            roles: Roles::default(),
            capabilities: Negotiator::default(),
        }
    }

    /// Gives a signal: it takes effect here, and its payload is to be sealed.
    ///
    /// # Errors
    /// When the others would refuse it, its request id waits for answers already, or too many do.
    pub fn give(&mut self, order: Order, epoch: Epoch, now: Timestamp) -> Result<Outgoing, GiveError> {
        let Order { signal, request, role_claim, awaited, timeout, arguments, codec } = order;
        let message = SignalMessage { signal, request, sender: self.member, role_claim };
        let arguments = arguments.unwrap_or_else(|| signal.arguments());
        let payload = message.encode_with(codec, &arguments)?;
        self.authorize(self.member, signal)?;
        self.requests.may_begin(request, awaited.len())?;
        self.enter(epoch);
        self.requests
            .begin(request, Waiting { signal, awaited, refused: BTreeMap::new(), deadline: now + timeout });
        self.seen.insert(self.member, request, message);
        self.apply(&message);
        Ok(Outgoing { message, arguments, payload, codec })
    }

    /// Takes a payload in. Whatever is refused changes nothing and leaves its request id unused.
    ///
    /// # Errors
    /// When it is no signal or an unknown one, in somebody else's name, or its sender may not give it.
    pub fn receive(&mut self, incoming: &Incoming<'_>) -> Result<Received, Refused> {
        let (message, arguments) = SignalMessage::decode_with(incoming.format, incoming.payload)
            .map_err(|cause| Refused { request: None, cause: cause.into() })?;
        let request = Some((message.sender, message.request));
        let refused = |cause| Refused { request, cause };
        if let Some(sender) = incoming.origin.other_than(message.sender) {
            let cause = Refusal::WrongSender { claimed: message.sender, sender };
            return Err(Refused { request: None, cause });
        }
        let verdict = self.judge(&message, incoming.epoch);
        if verdict != Verdict::New {
            return Ok(Received { message, arguments, verdict, changed: false });
        }
        self.authorize(message.sender, message.signal).map_err(refused)?;
        self.enter(incoming.epoch);
        self.seen.insert(message.sender, message.request, message);
        let changed = self.apply(&message);
        Ok(Received { message, arguments, verdict, changed })
    }

    /// Takes a member's answer to a signal, from the control plane; how the signal ended, if that was the last answer.
    /// `from` is who sent the control message.
    pub fn handle_answer(
        &mut self,
        from: MemberId,
        request: RequestId,
        refused: Option<ErrorObject>,
    ) -> Option<Finished> {
        self.requests.answer(from, request, refused)
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.requests.poll_timeout()
    }

    /// Ends signals that were not answered in time. The others' silence is `GSP_REQUEST_TIMEOUT`.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Vec<Finished> {
        self.requests.handle_timeout(now)
    }

    /// Takes the group's members as they are now. Whoever left is forgotten, and no longer waited for.
    pub fn set_roster(&mut self, roster: BTreeSet<MemberId>) -> Vec<Finished> {
        self.view.retain(&roster);
        let known = |members: Vec<MemberId>| members.into_iter().filter(|member| !roster.contains(member));
        let assigned = self.roles.assignments().map(|(member, _)| member).collect();
        for member in known(assigned) {
            self.roles.forget(member);
        }
        let advertised = self.capabilities.iter().map(|(member, _)| member).collect();
        for member in known(advertised) {
            self.capabilities.forget(member);
        }
        let finished =
            known(self.requests.awaited()).flat_map(|member| self.requests.forget(member)).collect();
        self.roster = Some(roster);
        finished
    }

    /// Forgets what was received and in which epoch, as `reset` of the published clients does. Who is muted stays muted.
    pub fn reset(&mut self) {
        self.seen.clear();
        self.epoch = None;
    }

    /// A request id that no signal of ours has in this epoch: `random` itself, or the next one that is free. Deployed
    /// peers tell request ids apart without looking at who sent them, so that small numbers would collide.
    #[must_use]
    pub fn fresh_request(&self, random: u32) -> RequestId {
        let mut number = random;
        loop {
            let request = RequestId::new(number);
            let taken = self.requests.contains(request) || self.seen.contains(self.member, request);
            if number != 0 && !taken {
                return request;
            }
            number = number.wrapping_add(1);
        }
    }

    /// Whether a member may send on a class of streams: by its role, where roles are enforced, and unmuted for audio.
    #[must_use]
    pub fn may_send(&self, member: MemberId, class: StreamClass) -> bool {
        let unmuted = class != StreamClass::Audio || !self.view.is_muted(member);
        unmuted && self.permissions_of(member).is_none_or(|held| held.contains(Permissions::to_send(class)))
    }

    /// What signals have made of the group.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Who may do what.
    #[must_use]
    pub const fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The same, to define and give roles.
    pub const fn roles_mut(&mut self) -> &mut Roles {
        &mut self.roles
    }

    /// What members advertised.
    #[must_use]
    pub const fn capabilities(&self) -> &Negotiator {
        &self.capabilities
    }

    /// The same, to be fed with advertisements.
    pub const fn capabilities_mut(&mut self) -> &mut Negotiator {
        &mut self.capabilities
    }

    /// Whose signals these are.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    fn judge(&self, message: &SignalMessage, epoch: Epoch) -> Verdict {
        let current = self.epoch == Some(epoch);
        match self.seen.get(message.sender, message.request).filter(|_| current) {
            None => Verdict::New,
            Some(known) if known == message => Verdict::Duplicate,
            Some(_) => Verdict::Conflicting,
        }
    }

    fn enter(&mut self, epoch: Epoch) {
        if self.epoch != Some(epoch) {
            self.seen.clear();
            self.epoch = Some(epoch);
        }
    }

    /// What a member may do, where roles are enforced.
    fn permissions_of(&self, member: MemberId) -> Option<Permissions> {
        match self.authority {
            Authority::Open => None,
            Authority::Enforced { unassigned, .. } => {
                Some(self.roles.role_of(member).map_or(unassigned, |role| role.permissions))
            }
        }
    }

    /// The last thing that can be refused. The role that the sender claims is not looked at.
    fn authorize(&self, sender: MemberId, signal: Signal) -> Result<(), Refusal> {
        if !self.view.has_room_for(sender, signal) {
            return Err(Refusal::TooMany);
        }
        let Authority::Enforced { automatic_control, .. } = self.authority else { return Ok(()) };
        let held = self.permissions_of(sender).unwrap_or_default();
        let in_control = self.roles.role_of(sender).is_some_and(|role| Some(role.id) == automatic_control);
        let allowed = match signal {
            Signal::Join | Signal::Leave => true,
            Signal::RoleChange { .. } => held.contains(Permissions::ASSIGN_ROLES),
            Signal::Mute { target } | Signal::Unmute { target } => {
                target == sender || held.contains(Permissions::MUTE_OTHERS)
            }
            Signal::StreamStart { class } | Signal::StreamStop { class } => {
                held.contains(Permissions::to_send(class))
            }
            Signal::CodecUpdate { .. } => in_control || held.contains(Permissions::MUTE_OTHERS),
        };
        if !allowed || !held.contains(Permissions::SEND_SIGNAL) {
            return Err(Refusal::Unauthorized(sender));
        }
        self.fits(sender, signal)
    }

    /// Whether an authorised signal fits what the group is now.
    fn fits(&self, sender: MemberId, signal: Signal) -> Result<(), Refusal> {
        if let Signal::Mute { target } | Signal::Unmute { target } | Signal::RoleChange { target, .. } =
            signal
            && self.roster.as_ref().is_some_and(|roster| !roster.contains(&target))
        {
            return Err(Refusal::NotAMember(target));
        }
        match signal {
            Signal::RoleChange { target, role } => match self.roles.may_assign(target, role) {
                Err(crate::error::RoleError::Unknown(role)) => Err(Refusal::RoleUnknown(role)),
                Err(_) => Err(Refusal::TooMany),
                Ok(()) => Ok(()),
            },
            Signal::StreamStart { class: StreamClass::Audio } if self.view.is_muted(sender) => {
                Err(Refusal::Muted(sender))
            }
            _ => Ok(()),
        }
    }

    /// Nothing is left to refuse.
    fn apply(&mut self, message: &SignalMessage) -> bool {
        if let Signal::RoleChange { target, role } = message.signal
            && matches!(self.authority, Authority::Enforced { .. })
        {
            let before = self.roles.role_of(target).map(|role| role.id);
            return self.roles.assign(target, role).is_ok() && before != Some(role);
        }
        self.view.apply(message.sender, message.signal)
    }
}
