//! What a node tells, and what it wants carried away, across the boundary.

use coterie_gtp::AttachmentKey;
use coterie_stack::{AudioTaken, CoordinatorChange, Event, NodeState, Parcel, SignalGiven, Text};
use coterie_types::MemberId;
use coterie_wire::control::Opcode;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use super::packed::{self, Packed};
use crate::bytes::Uint8Array;
use crate::failure::NativeFailure;
use crate::gap::arrival_name;
use crate::gbp::{class_name, codec_name};
use crate::gsp::{NativeFinished, NativeSignalMessage, signal_message};
use crate::gtp::NativeTextMessage;

/// An event with its id.
type Told = (Option<u64>, Event);

/// Parcels that waited.
#[napi(object, object_from_js = false)]
pub struct NativeTakenParcels {
    /// In their order: a run of bytes.
    pub packed: Uint8Array,
    /// What is too long for the run.
    pub apart: Option<Vec<Uint8Array>>,
    /// Whether the member is out, so that no others will come but for those that wait.
    pub is_out: bool,
}

/// Events that waited.
#[napi(object, object_from_js = false)]
pub struct NativeTakenEvents {
    /// In their order, but for the texts.
    pub items: Vec<NativeTold>,
    /// The texts, and where the others stand among them: a run of bytes. None where there is no text.
    pub packed: Option<Uint8Array>,
    /// What is too long for the run.
    pub apart: Option<Vec<Uint8Array>>,
    /// Whether the member is out, so that no others will come but for those that wait.
    pub is_out: bool,
}

/// Something that happened, and its id where it must not be lost.
#[napi(object, object_from_js = false)]
pub struct NativeTold {
    /// Its id.
    pub id: Option<BigInt>,
    /// What it is.
    pub event: NativeNodeEvent,
}

/// Something that happened.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_from_js = false)]
pub enum NativeNodeEvent {
    /// A member said something.
    Text {
        /// What.
        message: NativeTextMessage,
        /// In which epoch.
        epoch: BigInt,
        /// How it was encoded.
        codec: String,
        /// Who passed it on.
        relayed_by: Option<u32>,
    },
    /// A member gave a signal.
    Signal {
        /// Which.
        message: NativeSignalMessage,
        /// Whether it changed anything.
        changed: bool,
        /// How it was encoded.
        codec: String,
    },
    /// An attachment is complete.
    Attachment {
        /// Whose.
        sender: u32,
        /// Which.
        attachment: BigInt,
    },
    /// Somebody is a member from now on.
    Joined {
        /// Its number.
        member: u32,
        /// Whom its credential names.
        identity: Uint8Array,
    },
    /// Somebody is no member any more.
    Left {
        /// Who.
        member: u32,
    },
    /// A new epoch began.
    Epoch {
        /// Which.
        epoch: BigInt,
        /// By which transition.
        transition_id: u32,
    },
    /// This member was removed.
    Removed,
    /// The group went where this member cannot follow.
    Lost,
    /// How a signal of this member ended.
    SignalEnded {
        /// How.
        finished: NativeFinished,
    },
    /// A piece of an attachment came.
    AttachmentProgress {
        /// Whose.
        sender: u32,
        /// Which.
        attachment: BigInt,
        /// Pieces that are here.
        received: u32,
        /// Pieces of the whole.
        total: u32,
    },
    /// A packet of audio was taken.
    Audio {
        /// Who speaks.
        member: u32,
        /// Which of its sources.
        source: u32,
        /// What it is among the others.
        #[napi(ts_type = "'new' | 'reordered' | 'duplicate' | 'stray'")]
        arrival: String,
        /// Its number.
        sequence: u32,
        /// When it was recorded, in samples.
        timestamp: BigInt,
        /// The audio.
        frame: Uint8Array,
        /// How it was encoded.
        codec: String,
    },
    /// Something came that was seen before.
    Duplicate {
        /// What it is.
        #[napi(ts_type = "'control' | 'audio' | 'text' | 'signal'")]
        stream_class: String,
        /// Whose.
        member: u32,
        /// Its number.
        number: BigInt,
        /// Whether the number stood for something else before.
        conflicting: bool,
    },
    /// The node moved on.
    State {
        /// From here.
        from: String,
        /// To here.
        to: String,
    },
    /// A control message was accepted.
    Control {
        /// Whose.
        member: u32,
        /// What it asks for.
        opcode: String,
        /// The transition that it is about.
        transition_id: u32,
        /// What connects it with its answer.
        request_id: u32,
        /// Its arguments.
        arguments: Uint8Array,
    },
    /// Who coordinates.
    Coordinator {
        /// What is new.
        change: String,
        /// Who.
        member: Option<u32>,
        /// Whether it is the coordinator now.
        accepted: Option<bool>,
    },
    /// A transition ended without effect.
    Aborted {
        /// Which.
        transition_id: u32,
        /// Why.
        reason: Option<BigInt>,
    },
    /// Those that were invited are not in.
    NotAdmitted {
        /// Who.
        members: Vec<u32>,
    },
    /// A member wants to leave.
    Leaving {
        /// Who.
        member: u32,
    },
    /// A member said what it can do.
    Capabilities {
        /// Who.
        member: u32,
    },
    /// A page of what was missing came.
    CaughtUp {
        /// From whom.
        member: u32,
        /// Whether more follows.
        more: bool,
    },
    /// A member did not answer.
    NotCaughtUp {
        /// Who.
        member: u32,
    },
    /// An attachment was given up.
    AttachmentExpired {
        /// Whose.
        sender: u32,
        /// Which.
        attachment: BigInt,
    },
    /// Something went wrong.
    Trouble {
        /// What, as the registry has it.
        number: u32,
        /// Which transition it is about.
        transition_id: u32,
        /// Whom it is about.
        member: Option<u32>,
    },
    /// What came in was refused.
    Refused {
        /// Why.
        failure: NativeFailure,
        /// The registry's number.
        number: Option<u32>,
        /// On whose stream it came.
        claimed: Option<u32>,
        /// Who signed it.
        offender: Option<u32>,
    },
    /// Events were dropped.
    Missed {
        /// How many.
        count: BigInt,
    },
}

const STATES: [(NodeState, &str); 7] = [
    (NodeState::Idle, "idle"),
    (NodeState::Connecting, "connecting"),
    (NodeState::EstablishingGroup, "establishing-group"),
    (NodeState::Active, "active"),
    (NodeState::Resyncing, "resyncing"),
    (NodeState::Failed, "failed"),
    (NodeState::Closed, "closed"),
];

pub(super) fn state_name(state: NodeState) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("", |(_, name)| name)
}

const fn opcode_name(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::Prepare => "prepare",
        Opcode::Ready => "ready",
        Opcode::Execute => "execute",
        Opcode::Abort => "abort",
        Opcode::DigestRequest => "digest-request",
        Opcode::DigestResponse => "digest-response",
        Opcode::ReportInvalidCommit => "report-invalid-commit",
        Opcode::Capabilities => "capabilities",
        Opcode::Ack => "ack",
        Opcode::Nack => "nack",
    }
}

impl From<(Vec<Parcel>, bool)> for NativeTakenParcels {
    fn from((parcels, is_out): (Vec<Parcel>, bool)) -> Self {
        let Packed { run, apart } = packed::parcels(parcels);
        Self { packed: run.into(), apart: arrays_of(apart), is_out }
    }
}

impl From<(Vec<Told>, bool)> for NativeTakenEvents {
    fn from((told, is_out): (Vec<Told>, bool)) -> Self {
        let (packed, others) = packed::events(told);
        let (run, apart) = packed.map(|Packed { run, apart }| (run, apart)).unzip();
        let others = others.into_iter();
        let others = others.map(|(id, told)| NativeTold { id: id.map(BigInt::from), event: event(told) });
        Self {
            items: others.collect(),
            packed: run.map(Uint8Array::from),
            apart: apart.and_then(arrays_of),
            is_out,
        }
    }
}

/// Most of the time there are none, and an empty list would take as long as all else.
fn arrays_of(all: Vec<Vec<u8>>) -> Option<Vec<Uint8Array>> {
    if all.is_empty() { None } else { Some(all.into_iter().map(Uint8Array::from).collect()) }
}

fn event(event: Event) -> NativeNodeEvent {
    use NativeNodeEvent as To;
    match event {
        Event::Text(text) => said(text),
        Event::Signal(SignalGiven { message, arguments, changed, codec }) => {
            To::Signal { message: signal_message(message, arguments), changed, codec: codec_name(codec) }
        }
        Event::Audio(audio) => heard(audio),
        Event::Attachment(key) => attachment(key, |sender, attachment| To::Attachment { sender, attachment }),
        Event::AttachmentExpired(key) => {
            attachment(key, |sender, attachment| To::AttachmentExpired { sender, attachment })
        }
        Event::AttachmentProgress { attachment: key, received, total } => {
            attachment(key, |sender, attachment| To::AttachmentProgress {
                sender,
                attachment,
                received,
                total,
            })
        }
        Event::Joined { member, identity } => {
            To::Joined { member: member.number(), identity: identity.into() }
        }
        Event::Left(member) => To::Left { member: member.number() },
        Event::Epoch { epoch, transition } => {
            To::Epoch { epoch: epoch.number().into(), transition_id: transition.number() }
        }
        Event::Removed => To::Removed,
        Event::Lost => To::Lost,
        Event::SignalEnded(finished) => To::SignalEnded { finished: finished.into() },
        Event::Duplicate { class, member, number, conflicting } => To::Duplicate {
            stream_class: class_name(class).to_owned(),
            member: member.number(),
            number: number.into(),
            conflicting,
        },
        Event::CaughtUp { member, more } => To::CaughtUp { member: member.number(), more },
        Event::NotCaughtUp(member) => To::NotCaughtUp { member: member.number() },
        Event::Missed(count) => To::Missed { count: count.into() },
        Event::Refused { code, number, claimed, offender } => To::Refused {
            failure: NativeFailure::of(code),
            number: number.map(|number| number.number().into()),
            claimed: claimed.map(MemberId::number),
            offender: offender.map(MemberId::number),
        },
        other => control(other),
    }
}

/// What happens on the control plane.
fn control(event: Event) -> NativeNodeEvent {
    use NativeNodeEvent as To;
    match event {
        Event::State { from, to } => {
            To::State { from: state_name(from).to_owned(), to: state_name(to).to_owned() }
        }
        Event::Control { member, opcode, transition, request, arguments } => To::Control {
            member: member.number(),
            opcode: opcode_name(opcode).to_owned(),
            transition_id: transition.number(),
            request_id: request.number(),
            arguments: arguments.into(),
        },
        Event::Coordinator(change) => coordinator(change),
        Event::Aborted { transition, reason } => {
            To::Aborted { transition_id: transition.number(), reason: reason.map(BigInt::from) }
        }
        Event::NotAdmitted(members) => {
            To::NotAdmitted { members: members.into_iter().map(MemberId::number).collect() }
        }
        Event::Leaving(member) => To::Leaving { member: member.number() },
        Event::Capabilities(member) => To::Capabilities { member: member.number() },
        Event::Trouble { number, transition, member } => To::Trouble {
            number: number.number().into(),
            transition_id: transition.number(),
            member: member.map(MemberId::number),
        },
        // What a later version may tell is an event that this one drops.
        _ => To::Missed { count: 1_u64.into() },
    }
}

fn said(Text { message, epoch, codec, relayed_by }: Text) -> NativeNodeEvent {
    NativeNodeEvent::Text {
        message: message.into(),
        epoch: epoch.number().into(),
        codec: codec_name(codec),
        relayed_by: relayed_by.map(MemberId::number),
    }
}

fn heard(audio: AudioTaken) -> NativeNodeEvent {
    NativeNodeEvent::Audio {
        member: audio.member.number(),
        source: audio.source.number(),
        arrival: arrival_name(audio.arrival).to_owned(),
        sequence: audio.sequence.into(),
        timestamp: audio.timestamp.into(),
        frame: audio.frame.into(),
        codec: codec_name(audio.codec),
    }
}

fn attachment(
    (sender, attachment): AttachmentKey,
    make: impl FnOnce(u32, BigInt) -> NativeNodeEvent,
) -> NativeNodeEvent {
    make(sender.number(), attachment.number().into())
}

fn coordinator(change: CoordinatorChange) -> NativeNodeEvent {
    let (change, member, accepted) = match change {
        CoordinatorChange::Silent => ("silent", None, None),
        CoordinatorChange::Became => ("became", None, None),
        CoordinatorChange::Claimed { member, accepted } => ("claimed", Some(member.number()), Some(accepted)),
    };
    NativeNodeEvent::Coordinator { change: change.to_owned(), member, accepted }
}
