//! What signals are across the boundary: objects without behaviour, and how they are read and written.

use std::collections::BTreeSet;

use coterie_gsp::{
    Answer, Authority, ConformanceClass, Finished, Order, Outgoing, Permissions, Received, RoleSpec, Verdict,
};
use coterie_types::{MemberId, RequestId};
use coterie_wire::payload::{Role, Signal, SignalMessage};
use napi_derive::napi;

use crate::arguments::{List, duration, invalid};
use crate::bytes::Uint8Array;
use crate::failure::NativeFailure;
use crate::gbp::{NativeErrorObject, class, class_name, codec, codec_name};

/// What a signal says, and about what.
#[napi(discriminant = "type", discriminant_case = "kebab-case")]
pub enum NativeSignal {
    /// The sender joins.
    Join,
    /// The sender leaves.
    Leave,
    /// A member gets a role.
    RoleChange {
        /// The member.
        target: u32,
        /// The role.
        role: u32,
    },
    /// A member is muted.
    Mute {
        /// The member.
        target: u32,
    },
    /// A member is no longer muted.
    Unmute {
        /// The member.
        target: u32,
    },
    /// The sender begins to publish.
    StreamStart {
        /// What it publishes.
        #[napi(ts_type = "'control' | 'audio' | 'text' | 'signal'")]
        stream_class: String,
    },
    /// The sender ends publishing.
    StreamStop {
        /// What it published.
        #[napi(ts_type = "'control' | 'audio' | 'text' | 'signal'")]
        stream_class: String,
    },
    /// The sender changes its codec.
    CodecUpdate {
        /// The codec.
        codec: u32,
    },
}

/// A signal and who gives it.
#[napi(object)]
pub struct NativeSignalMessage {
    /// What it is about.
    pub signal: NativeSignal,
    /// Its number.
    pub request_id: u32,
    /// Who says to have sent it.
    pub sender: u32,
    /// The role that the sender says to act in.
    pub role_claim: u32,
    /// The arguments as they stand in the payload.
    pub arguments: Option<Uint8Array>,
}

/// Whose signals count.
#[napi(object, object_to_js = false)]
pub struct NativeAuthority {
    /// Whether roles are enforced.
    pub enforced: bool,
    /// What members without a role may do, as bits.
    pub unassigned: u32,
    /// The role that may change codecs without moderating.
    pub automatic_control: Option<u32>,
}

/// A signal that is to be given.
#[napi(object, object_to_js = false)]
pub struct NativeOrder {
    /// The signal.
    pub signal: NativeSignal,
    /// Names it among those of its sender.
    pub request_id: u32,
    /// The role that it is given in.
    pub role_claim: u32,
    /// Whose answers are waited for.
    #[napi(ts_type = "Array<number>")]
    pub awaited: List<u32>,
    /// How long they may take, in milliseconds.
    pub timeout: Option<f64>,
    /// Its arguments, where they are to hold more than the signal knows.
    pub arguments: Option<Uint8Array>,
    /// How it is encoded.
    pub codec: String,
}

/// A signal that is ready to be sealed.
#[napi(object, object_from_js = false)]
pub struct NativeOutgoingSignal {
    /// The signal.
    pub message: NativeSignalMessage,
    /// Its payload.
    pub payload: Uint8Array,
    /// The payload's codec.
    pub codec: String,
}

/// A signal that was received.
#[napi(object, object_from_js = false)]
pub struct NativeReceivedSignal {
    /// The signal.
    pub message: NativeSignalMessage,
    /// How it relates to what was received before.
    #[napi(ts_type = "'new' | 'duplicate' | 'conflicting'")]
    pub verdict: String,
    /// Whether it changed anything.
    pub changed: bool,
}

/// What came of a payload: a signal, or why it was refused and what may be answered.
#[napi(object, object_from_js = false)]
pub struct NativeSignalOutcome {
    /// The signal.
    pub received: Option<NativeReceivedSignal>,
    /// Why it was refused.
    pub refused: Option<NativeFailure>,
    /// What may be answered to that.
    pub answer: Option<NativeAnswer>,
}

/// A member's answer to a signal.
#[napi(object, object_from_js = false)]
pub struct NativeAnswer {
    /// Who gave the signal.
    pub to: u32,
    /// The request that is answered.
    pub request_id: u32,
    /// Why it was refused, if it was.
    pub refused: Option<NativeErrorObject>,
}

/// How a signal of ours ended.
#[napi(object, object_from_js = false)]
pub struct NativeFinished {
    /// The signal's request id.
    pub request_id: u32,
    /// The signal.
    pub signal: NativeSignal,
    /// Who refused it, and why.
    pub refused: Vec<NativeRefusal>,
    /// Who did not answer in time.
    pub silent: Vec<u32>,
}

/// That a member refused a signal.
#[napi(object, object_from_js = false)]
pub struct NativeRefusal {
    /// Who.
    pub member: u32,
    /// Why.
    pub error: NativeErrorObject,
}

/// A role.
#[napi(object)]
pub struct NativeRole {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What its holders may do, as bits.
    pub permissions: u32,
}

/// Who has a role.
#[napi(object, object_from_js = false)]
pub struct NativeAssignment {
    /// Who.
    pub member: u32,
    /// Which.
    pub role: u32,
}

/// What a member advertised.
#[napi(object, object_from_js = false)]
pub struct NativeAdvertisement {
    /// Who.
    pub member: u32,
    /// What.
    pub tokens: Vec<String>,
}

pub(crate) fn authority(given: &NativeAuthority) -> Authority {
    match given.enforced {
        false => Authority::Open,
        true => Authority::Enforced {
            unassigned: Permissions::new(given.unassigned),
            automatic_control: given.automatic_control.map(Role::new),
        },
    }
}

pub(crate) fn order(given: NativeOrder) -> Result<Order, NativeFailure> {
    let order = Order::new(signal(given.signal)?, RequestId::new(given.request_id));
    Ok(Order {
        role_claim: Role::new(given.role_claim),
        awaited: members(given.awaited)?,
        timeout: given.timeout.map_or(order.timeout, duration),
        arguments: given.arguments.map(Vec::from),
        codec: codec(&given.codec)?,
        ..order
    })
}

pub(super) fn members(list: List<u32>) -> Result<BTreeSet<MemberId>, NativeFailure> {
    Ok(list.try_into_vec(|member| Ok(MemberId::new(member)))?.into_iter().collect())
}

pub(super) fn conformance(name: &str) -> Result<ConformanceClass, NativeFailure> {
    match name {
        "A" => Ok(ConformanceClass::A),
        "B" => Ok(ConformanceClass::B),
        "C" => Ok(ConformanceClass::C),
        _ => Err(invalid("there is no such conformance class")),
    }
}

pub(super) fn conformance_name(class: ConformanceClass) -> String {
    match class {
        ConformanceClass::A => "A",
        ConformanceClass::B => "B",
        ConformanceClass::C => "C",
    }
    .to_owned()
}

pub(super) fn signal(given: NativeSignal) -> Result<Signal, NativeFailure> {
    Ok(match given {
        NativeSignal::Join => Signal::Join,
        NativeSignal::Leave => Signal::Leave,
        NativeSignal::RoleChange { target, role } => {
            Signal::RoleChange { target: MemberId::new(target), role: Role::new(role) }
        }
        NativeSignal::Mute { target } => Signal::Mute { target: MemberId::new(target) },
        NativeSignal::Unmute { target } => Signal::Unmute { target: MemberId::new(target) },
        NativeSignal::StreamStart { stream_class } => Signal::StreamStart { class: class(&stream_class)? },
        NativeSignal::StreamStop { stream_class } => Signal::StreamStop { class: class(&stream_class)? },
        NativeSignal::CodecUpdate { codec } => Signal::CodecUpdate { codec },
    })
}

impl From<Signal> for NativeSignal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Join => Self::Join,
            Signal::Leave => Self::Leave,
            Signal::RoleChange { target, role } => {
                Self::RoleChange { target: target.number(), role: role.number() }
            }
            Signal::Mute { target } => Self::Mute { target: target.number() },
            Signal::Unmute { target } => Self::Unmute { target: target.number() },
            Signal::StreamStart { class } => Self::StreamStart { stream_class: class_name(class).to_owned() },
            Signal::StreamStop { class } => Self::StreamStop { stream_class: class_name(class).to_owned() },
            Signal::CodecUpdate { codec } => Self::CodecUpdate { codec },
        }
    }
}

pub(crate) fn signal_message(message: SignalMessage, arguments: Vec<u8>) -> NativeSignalMessage {
    let SignalMessage { signal, request, sender, role_claim } = message;
    NativeSignalMessage {
        signal: signal.into(),
        request_id: request.number(),
        sender: sender.number(),
        role_claim: role_claim.number(),
        arguments: Some(arguments.into()),
    }
}

impl From<Outgoing> for NativeOutgoingSignal {
    fn from(outgoing: Outgoing) -> Self {
        let arguments = outgoing.arguments;
        Self {
            message: signal_message(outgoing.message, arguments),
            payload: outgoing.payload.into(),
            codec: codec_name(outgoing.codec),
        }
    }
}

impl From<Received> for NativeReceivedSignal {
    fn from(received: Received) -> Self {
        let verdict = match received.verdict {
            Verdict::New => "new",
            Verdict::Duplicate => "duplicate",
            Verdict::Conflicting => "conflicting",
        };
        Self {
            message: signal_message(received.message, received.arguments),
            verdict: verdict.to_owned(),
            changed: received.changed,
        }
    }
}

impl From<Answer> for NativeAnswer {
    fn from(answer: Answer) -> Self {
        Self {
            to: answer.to.number(),
            request_id: answer.request.number(),
            refused: answer.refused.map(NativeErrorObject::from),
        }
    }
}

impl From<Finished> for NativeFinished {
    fn from(finished: Finished) -> Self {
        let refusal = |(member, error): (MemberId, coterie_wire::ErrorObject)| NativeRefusal {
            member: member.number(),
            error: error.into(),
        };
        Self {
            request_id: finished.request.number(),
            signal: finished.signal.into(),
            refused: finished.refused.into_iter().map(refusal).collect(),
            silent: finished.silent.into_iter().map(MemberId::number).collect(),
        }
    }
}

pub(super) fn all_finished(all: Vec<Finished>) -> Vec<NativeFinished> {
    all.into_iter().map(NativeFinished::from).collect()
}

impl From<NativeRole> for RoleSpec {
    fn from(NativeRole { id, name, permissions }: NativeRole) -> Self {
        Self { id: Role::new(id), name, permissions: Permissions::new(permissions) }
    }
}

impl From<(MemberId, Role)> for NativeAssignment {
    fn from((member, role): (MemberId, Role)) -> Self {
        Self { member: member.number(), role: role.number() }
    }
}

impl From<(MemberId, &BTreeSet<String>)> for NativeAdvertisement {
    fn from((member, tokens): (MemberId, &BTreeSet<String>)) -> Self {
        Self { member: member.number(), tokens: tokens.iter().cloned().collect() }
    }
}

impl From<&RoleSpec> for NativeRole {
    fn from(role: &RoleSpec) -> Self {
        Self { id: role.id.number(), name: role.name.clone(), permissions: role.permissions.bits() }
    }
}
