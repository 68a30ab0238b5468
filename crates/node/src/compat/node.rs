//! Group nodes and their events.

use coterie_compat::{Control, GroupNode, NodeEvent, OutboundFrame, opcode_name};
use coterie_types::{Epoch, MemberId, RequestId, TransitionId};
use coterie_wire::control::Opcode;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use super::mls::NativeCompatMls;
use crate::answer::guarded;
use crate::arguments::{invalid, timestamp, unsigned};
use crate::bytes::Uint8Array;
use crate::failure::{Outcome, outcome};
use crate::held::Held;

/// One member of a group, above its keys.
#[napi]
pub struct NativeCompatNode {
    pub(super) node: Held<GroupNode>,
}

/// A frame and whom it is for.
#[napi(object, object_from_js = false)]
pub struct NativeCompatFrame {
    /// Whom it is for; zero is everybody.
    pub target: u32,
    /// The frame.
    pub wire: Uint8Array,
}

impl From<OutboundFrame> for NativeCompatFrame {
    fn from(frame: OutboundFrame) -> Self {
        Self { target: frame.target.number(), wire: frame.wire.into() }
    }
}

/// A control message that is to be sent.
#[napi(object, object_to_js = false)]
pub struct NativeCompatControl {
    /// Whom it is for.
    pub target: u32,
    /// What it asks for.
    pub opcode: u32,
    /// The transition that it is about.
    pub transition: u32,
    /// Connects a request with its answer.
    pub request: u32,
    /// Its arguments.
    pub args: Uint8Array,
}

/// Something that happened at a node: which fields are there depends on the kind.
#[derive(Default)]
#[napi(object, object_from_js = false)]
pub struct NativeCompatEvent {
    /// What it is.
    pub kind: String,
    /// The state before.
    pub from_state: Option<String>,
    /// The state now.
    pub to_state: Option<String>,
    /// The stream's class.
    pub stream_type: Option<u32>,
    /// The stream.
    pub stream_id: Option<u32>,
    /// The place in the stream.
    pub sequence_no: Option<u32>,
    /// Hints.
    pub flags: Option<u32>,
    /// The payload's codec.
    pub codec: Option<u32>,
    /// The payload.
    pub plaintext: Option<Uint8Array>,
    /// Who says to have sent a control message.
    pub sender: Option<u32>,
    /// Its opcode by name.
    pub opcode: Option<String>,
    /// Its opcode by number.
    pub opcode_code: Option<u32>,
    /// The transition.
    pub transition_id: Option<u32>,
    /// Connects a request with its answer.
    pub request_id: Option<u32>,
    /// The arguments.
    pub args: Option<Uint8Array>,
    /// A registered error.
    pub code: Option<u32>,
    /// Its class.
    pub class_code: Option<u32>,
    /// Whether the registry calls it retryable.
    pub retryable: Option<bool>,
    /// Whether the registry calls it fatal.
    pub fatal: Option<bool>,
    /// What happened, for people.
    pub reason: Option<String>,
    /// The epoch.
    pub epoch: Option<BigInt>,
    /// Who says to coordinate.
    pub claimant: Option<u32>,
}

impl From<NodeEvent> for NativeCompatEvent {
    fn from(event: NodeEvent) -> Self {
        match event {
            NodeEvent::StateChanged { from, to } => Self {
                kind: "state_changed".to_owned(),
                from_state: Some(from.name().to_owned()),
                to_state: Some(to.name().to_owned()),
                ..Self::default()
            },
            NodeEvent::Payload { opened, plaintext } => Self {
                kind: "payload_received".to_owned(),
                stream_type: Some(opened.class.number().into()),
                stream_id: Some(opened.stream.number()),
                sequence_no: Some(opened.sequence.number()),
                flags: Some(opened.flags.bits().into()),
                codec: Some(opened.format.number().into()),
                plaintext: Some(plaintext.into()),
                ..Self::default()
            },
            NodeEvent::Control(message) => Self {
                kind: "control".to_owned(),
                sender: Some(message.sender.number()),
                opcode: Some(opcode_name(message.opcode()).to_owned()),
                opcode_code: Some(message.opcode().number().into()),
                transition_id: Some(message.transition.number()),
                request_id: Some(message.request.number()),
                args: Some(message.raw_arguments().into()),
                ..Self::default()
            },
            NodeEvent::Error { number, reason } => Self {
                kind: "error".to_owned(),
                code: Some(number.number().into()),
                class_code: Some(number.traits().class.number().into()),
                retryable: Some(number.traits().retryable),
                fatal: Some(number.traits().fatal),
                reason: Some(reason),
                ..Self::default()
            },
            NodeEvent::EpochAdvanced { epoch, transition } => Self {
                kind: "epoch_advanced".to_owned(),
                epoch: Some(epoch.number().into()),
                transition_id: Some(transition.number()),
                ..Self::default()
            },
            NodeEvent::CoordinatorClaim { claimant } => Self {
                kind: "coordinator_claim".to_owned(),
                claimant: Some(claimant.number()),
                ..Self::default()
            },
        }
    }
}

#[napi]
impl NativeCompatNode {
    /// A node that is not started.
    #[napi(catch_unwind, ts_return_type = "NativeCompatNode | NativeFailure")]
    pub fn create(member: u32, group: Uint8Array) -> Outcome<NativeCompatNode> {
        outcome(guarded(|| {
            let node = GroupNode::new(MemberId::new(member), &group)?;
            Ok(Self { node: Held::new(node) })
        }))
    }

    /// Its state.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn state(&self) -> Outcome<u32> {
        self.node.look(|node| node.state().number())
    }

    /// Its epoch.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure")]
    pub fn epoch(&self) -> Outcome<BigInt> {
        self.node.look(|node| node.epoch().number().into())
    }

    /// The last transition that was applied.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn last_transition(&self) -> Outcome<u32> {
        self.node.look(|node| node.last_transition().number())
    }

    /// Starts it.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn start(&self, epoch: BigInt, expected: u32, now: f64) -> Outcome<()> {
        self.node.with(|node| {
            let epoch = Epoch::new(unsigned(&epoch)?);
            Ok(node.start(epoch, TransitionId::new(expected), timestamp(now))?)
        })
    }

    /// Puts it into an epoch.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn set_epoch(&self, epoch: BigInt, now: f64) -> Outcome<()> {
        self.node.with(|node| {
            node.set_epoch(Epoch::new(unsigned(&epoch)?), timestamp(now));
            Ok(())
        })
    }

    /// Goes on to the next epoch.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn apply(&self, transition: u32, now: f64) -> Outcome<()> {
        self.node.with(|node| Ok(node.apply(TransitionId::new(transition), timestamp(now))?))
    }

    /// Seals a control message.
    #[napi(catch_unwind, ts_return_type = "NativeCompatFrame | NativeFailure")]
    pub fn send_control(
        &self,
        mls: &NativeCompatMls,
        order: NativeCompatControl,
    ) -> Outcome<NativeCompatFrame> {
        self.node.with(|node| {
            let opcode = u16::try_from(order.opcode).ok().and_then(Opcode::from_number);
            let control = Control {
                target: MemberId::new(order.target),
                opcode: opcode.ok_or_else(|| invalid("the opcode must be from 1 to 10"))?,
                transition: TransitionId::new(order.transition),
                request: RequestId::new(order.request),
                arguments: &order.args,
            };
            mls.context.lend(|context| Ok(node.send_control(context, control)?.into()))
        })
    }

    /// What has happened and was not told yet.
    #[napi(catch_unwind, ts_return_type = "NativeCompatEvent[] | NativeFailure")]
    pub fn drain(&self) -> Outcome<Vec<NativeCompatEvent>> {
        self.node.with(|node| Ok(events(node.drain())))
    }

    /// Lets go of it.
    #[napi]
    pub fn close(&self) {
        self.node.close();
    }
}

fn events(events: Vec<NodeEvent>) -> Vec<NativeCompatEvent> {
    events.into_iter().map(NativeCompatEvent::from).collect()
}
