//! A node: it checks and opens frames, follows transitions and reports. It decides nothing.
//!
//! No coordinator is enforced, as in the published package: whoever is in the group may prepare, execute and abort. A
//! frame that is refused changes nothing, whatever the registry says about how fatal it is.

use std::collections::VecDeque;
use std::sync::Arc;

use coterie_gbp::OpenError;
use coterie_gbp::protection::interop::{ClassKeys, Opener};
use coterie_gbp::protection::{Opened, Outgoing, Plaintext};
use coterie_types::{Epoch, GroupId, MemberId, RequestId, StreamClass, StreamId, Timestamp, TransitionId};
use coterie_wire::control::{Arguments, ControlMessage, Opcode};
use coterie_wire::{Codec, ErrorNumber, Flags, PayloadFormat};

use crate::error::CompatError;
use crate::event::{NodeEvent, NodeState};
use crate::limits::{GROUP_ID_LENGTH, MAX_EVENTS, PREVIOUS_EPOCH};
use crate::mls::MlsContext;

/// A frame and whom it is for; zero is everybody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboundFrame {
    /// Whom it is for. Not in the frame.
    pub target: MemberId,
    /// The frame.
    pub wire: Vec<u8>,
}

/// A control message that is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Control<'a> {
    /// Whom it is for.
    pub target: MemberId,
    /// What it asks for.
    pub opcode: Opcode,
    /// The transition that it is about.
    pub transition: TransitionId,
    /// Connects a request with its answer.
    pub request: RequestId,
    /// Its arguments, which are passed on unread.
    pub arguments: &'a [u8],
}

/// One member of a group, above its keys.
pub struct GroupNode {
    member: MemberId,
    group: GroupId,
    state: NodeState,
    epoch: Epoch,
    last: TransitionId,
    /// The transition under way, zero for none.
    pending: TransitionId,
    /// Who prepared it, as far as that is known.
    preparer: Option<MemberId>,
    opener: Option<(Opener, Arc<ClassKeys>)>,
    events: VecDeque<NodeEvent>,
}

impl GroupNode {
    /// A node that is not started.
    ///
    /// # Errors
    /// When the group id does not have 16 bytes, or the member's number is too high to have streams.
    pub fn new(member: MemberId, group: &[u8]) -> Result<Self, CompatError> {
        if group.len() != GROUP_ID_LENGTH {
            return Err(CompatError::Argument("a group id has 16 bytes"));
        }
        stream(StreamClass::Signal, member)?;
        let group = GroupId::new(group).map_err(|_| CompatError::Argument("a group id has 16 bytes"))?;
        let (epoch, last, pending) = (Epoch::new(0), TransitionId::default(), TransitionId::default());
        let (opener, events) = (None, VecDeque::new());
        let state = NodeState::Idle;
        Ok(Self { member, group, state, epoch, last, pending, preparer: None, opener, events })
    }

    /// Starts in `epoch`, waiting for the transition `expected` where that is not zero.
    ///
    /// # Errors
    /// When it was started before.
    pub fn start(&mut self, epoch: Epoch, expected: TransitionId, now: Timestamp) -> Result<(), CompatError> {
        if self.state != NodeState::Idle {
            return Err(CompatError::State("started already"));
        }
        for state in [NodeState::Connecting, NodeState::EstablishingGroup, NodeState::Active] {
            let from = std::mem::replace(&mut self.state, state);
            self.report(NodeEvent::StateChanged { from, to: state });
        }
        self.pending = expected;
        self.set_epoch(epoch, now);
        Ok(())
    }

    /// Puts the node into `epoch`, whatever it was in.
    pub fn set_epoch(&mut self, epoch: Epoch, now: Timestamp) {
        self.epoch = epoch;
        self.follow(now);
    }

    /// Goes on to the next epoch by a transition.
    ///
    /// # Errors
    /// When there is no next epoch.
    pub fn apply(&mut self, transition: TransitionId, now: Timestamp) -> Result<(), CompatError> {
        let next = self.epoch.number().checked_add(1).ok_or(CompatError::Argument("the last epoch"))?;
        (self.epoch, self.last) = (Epoch::new(next), transition);
        (self.pending, self.preparer) = (TransitionId::default(), None);
        self.follow(now);
        self.report(NodeEvent::EpochAdvanced { epoch: self.epoch, transition });
        Ok(())
    }

    fn follow(&mut self, now: Timestamp) {
        let Some((opener, _)) = &mut self.opener else { return };
        let followed = opener.transition(self.epoch, self.last, now, PREVIOUS_EPOCH);
        if followed.is_err() && opener.epoch() != self.epoch {
            // Put back by hand: what was seen there is not known any more.
            self.opener = None;
        }
    }

    /// Seals a control message.
    ///
    /// # Errors
    /// When the node was not started, or every receiver would refuse the transition that it is about.
    pub fn send_control(
        &mut self,
        mls: &mut MlsContext,
        order: Control<'_>,
    ) -> Result<OutboundFrame, CompatError> {
        self.check_order(order.opcode, order.transition)?;
        let Control { target, opcode, transition, request, arguments } = order;
        let message = ControlMessage::raw(self.member, request, transition, opcode, arguments)
            .map_err(|_| CompatError::Argument("the arguments are longer than a frame can be"))?;
        let plaintext = message.encode();
        let outgoing =
            self.outgoing(StreamClass::Control, opcode.flags(), Codec::Cbor, plaintext.as_slice().into())?;
        let wire = mls.seal(&self.group, self.place(), outgoing)?;
        match opcode {
            Opcode::Prepare => (self.pending, self.preparer) = (transition, Some(self.member)),
            Opcode::Abort => (self.pending, self.preparer) = (TransitionId::default(), None),
            _ => {}
        }
        Ok(OutboundFrame { target, wire })
    }

    /// A sender need not have the transition under way: whoever admits the first other member has prepared nothing.
    fn check_order(&self, opcode: Opcode, transition: TransitionId) -> Result<(), CompatError> {
        self.check_active()?;
        let of_transition =
            matches!(opcode, Opcode::Prepare | Opcode::Ready | Opcode::Execute | Opcode::Abort);
        let is_stale = transition <= self.last;
        let is_other = opcode != Opcode::Prepare && self.is_pending() && transition != self.pending;
        if of_transition && (is_stale || is_other) {
            return Err(CompatError::Transition(transition.number()));
        }
        Ok(())
    }

    /// Seals a payload of a client.
    pub(crate) fn send(
        &mut self,
        mls: &mut MlsContext,
        target: MemberId,
        (class, codec): (StreamClass, Codec),
        plaintext: Plaintext<'_>,
    ) -> Result<OutboundFrame, CompatError> {
        let outgoing = self.outgoing(class, hints(class), codec, plaintext)?;
        Ok(OutboundFrame { target, wire: mls.seal(&self.group, self.place(), outgoing)? })
    }

    /// The same into the front of `out`; answers the frame's length.
    pub(crate) fn send_into(
        &mut self,
        mls: &mut MlsContext,
        (class, codec): (StreamClass, Codec),
        plaintext: Plaintext<'_>,
        out: &mut [u8],
    ) -> Result<usize, CompatError> {
        let outgoing = self.outgoing(class, hints(class), codec, plaintext)?;
        mls.seal_into(&self.group, self.place(), outgoing, out)
    }

    fn outgoing<'a>(
        &self,
        class: StreamClass,
        flags: Flags,
        codec: Codec,
        plaintext: Plaintext<'a>,
    ) -> Result<Outgoing<'a>, CompatError> {
        self.check_active()?;
        let stream = stream(class, self.member)?;
        Ok(Outgoing { class, stream, flags, format: PayloadFormat::from(codec), plaintext })
    }

    /// What headers say of where it is.
    const fn place(&self) -> (Epoch, TransitionId) {
        (self.epoch, self.last)
    }

    pub(crate) fn check_active(&self) -> Result<(), CompatError> {
        if self.state == NodeState::Active { Ok(()) } else { Err(CompatError::State(self.state.name())) }
    }

    /// Takes a frame in and answers everything that has happened since the last time.
    pub fn receive(&mut self, mls: &MlsContext, wire: &[u8], now: Timestamp) -> Vec<NodeEvent> {
        self.receive_under((mls.keys(), mls.epoch()), wire, now)
    }

    /// The same, under these keys, which are of that epoch of the context.
    pub(crate) fn receive_under(
        &mut self,
        keys: (&Arc<ClassKeys>, Epoch),
        wire: &[u8],
        now: Timestamp,
    ) -> Vec<NodeEvent> {
        let mut room = vec![0; wire.len()];
        match self.open_under(keys, wire, &mut room, now) {
            Some(opened) => vec![payload(opened, &room)],
            None => self.drain(),
        }
    }

    /// Takes a frame in and opens it into the front of `room`, which is at least as long as the frame. Answers its payload
    /// where that is all that has happened since the last time; else everything waits for [`Self::drain`].
    pub fn receive_into(
        &mut self,
        mls: &MlsContext,
        wire: &[u8],
        room: &mut [u8],
        now: Timestamp,
    ) -> Option<Opened> {
        self.open_under((mls.keys(), mls.epoch()), wire, room, now)
    }

    fn open_under(
        &mut self,
        keys: (&Arc<ClassKeys>, Epoch),
        wire: &[u8],
        room: &mut [u8],
        now: Timestamp,
    ) -> Option<Opened> {
        match self.take(keys, wire, room, now) {
            Ok(Some(opened)) if self.events.is_empty() => return Some(opened),
            Ok(Some(opened)) => self.report(payload(opened, room)),
            Ok(None) => {}
            Err((number, reason)) => self.report(NodeEvent::Error { number, reason }),
        }
        None
    }

    /// The frame's payload, unless it was a control message, which is reported.
    fn take(
        &mut self,
        keys: (&Arc<ClassKeys>, Epoch),
        wire: &[u8],
        room: &mut [u8],
        now: Timestamp,
    ) -> Result<Option<Opened>, Refused> {
        let opened = self.opener(keys)?.open_into(wire, room, now).map_err(|error| refused(&error))?;
        if opened.class != StreamClass::Control {
            return Ok(Some(opened));
        }
        self.take_control(&opened, plaintext(&opened, room), now)?;
        Ok(None)
    }

    fn opener(&mut self, (keys, keyed): (&Arc<ClassKeys>, Epoch)) -> Result<&mut Opener, Refused> {
        let (opener, known) = match &mut self.opener {
            Some(held) => held,
            none => {
                let opener = Opener::new(self.group.clone(), self.epoch, self.last, Arc::clone(keys));
                let opener = opener.map_err(|error| (POLICY, error.to_string()))?;
                none.insert((opener, Arc::clone(keys)))
            }
        };
        // A joiner that waited had the keys of this epoch before the node was in it.
        if !Arc::ptr_eq(known, keys) || keyed == self.epoch {
            opener.rekey(Arc::clone(keys));
            *known = Arc::clone(keys);
        }
        Ok(opener)
    }

    fn take_control(&mut self, opened: &Opened, plaintext: &[u8], now: Timestamp) -> Result<(), Refused> {
        let message =
            ControlMessage::decode(plaintext).map_err(|error| (error.number(), error.to_string()))?;
        if !opened.is_from(message.sender) {
            return Err((POLICY, format!("a control message of {} on another's stream", message.sender)));
        }
        self.check_transition(&message)?;
        match message.opcode() {
            Opcode::Prepare => self.prepared(&message),
            Opcode::Execute => {
                self.apply(message.transition, now).map_err(|error| (POLICY, error.to_string()))?;
            }
            Opcode::Abort => (self.pending, self.preparer) = (TransitionId::default(), None),
            Opcode::Capabilities if claims(&message) => {
                self.report(NodeEvent::CoordinatorClaim { claimant: message.sender });
            }
            _ => {}
        }
        self.report(NodeEvent::Control(message));
        Ok(())
    }

    fn check_transition(&self, message: &ControlMessage) -> Result<(), Refused> {
        let transition = message.transition;
        let fits = match message.opcode() {
            Opcode::Prepare => transition > self.last && (!self.is_pending() || transition == self.pending),
            Opcode::Ready | Opcode::Execute | Opcode::Abort => {
                self.is_pending() && transition == self.pending
            }
            _ => true,
        };
        let wrong =
            || (ErrorNumber::GBP_TRANSITION_MISMATCH, format!("{transition} is not the one under way"));
        if fits { Ok(()) } else { Err(wrong()) }
    }

    /// Of two members that prepare one transition, the lower number counts.
    fn prepared(&mut self, message: &ControlMessage) {
        if self.preparer.is_none_or(|known| message.sender < known) {
            (self.pending, self.preparer) = (message.transition, Some(message.sender));
        }
    }

    fn is_pending(&self) -> bool {
        self.pending != TransitionId::default()
    }

    /// What has happened and was not told yet.
    pub fn drain(&mut self) -> Vec<NodeEvent> {
        self.events.drain(..).collect()
    }

    fn report(&mut self, event: NodeEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    /// Whose node it is.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    /// Its group.
    #[must_use]
    pub const fn group(&self) -> &GroupId {
        &self.group
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> NodeState {
        self.state
    }

    /// Its epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last transition that was applied.
    #[must_use]
    pub const fn last_transition(&self) -> TransitionId {
        self.last
    }
}

impl std::fmt::Debug for GroupNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupNode")
            .field("member", &self.member)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// What a refused frame is reported as.
type Refused = (ErrorNumber, String);

const POLICY: ErrorNumber = ErrorNumber::GBP_STREAM_POLICY_VIOLATION;

fn refused(error: &OpenError) -> Refused {
    (error.number(), error.to_string())
}

fn payload(opened: Opened, room: &[u8]) -> NodeEvent {
    let plaintext = plaintext(&opened, room).to_vec();
    NodeEvent::Payload { opened, plaintext }
}

fn plaintext<'a>(opened: &Opened, room: &'a [u8]) -> &'a [u8] {
    room.get(opened.plaintext.clone()).unwrap_or_default()
}

/// What the deployed clients say about their frames.
fn hints(class: StreamClass) -> Flags {
    if class == StreamClass::Audio { Flags::AUDIO } else { Flags::MESSAGE }
}

fn claims(message: &ControlMessage) -> bool {
    matches!(message.arguments(), Ok(Arguments::Capabilities(said)) if said.claims_coordinator())
}

fn stream(class: StreamClass, member: MemberId) -> Result<StreamId, CompatError> {
    StreamId::standard(class, member).ok_or(CompatError::Argument("a member's number is below 1,000,000"))
}
