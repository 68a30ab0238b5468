//! What a step tells the application, and what it wants carried away.

use coterie_gap::Arrival;
use coterie_gbp::node::NodeState;
use coterie_gsp::Finished;
use coterie_gtp::AttachmentKey;
use coterie_types::{Code, Epoch, MemberId, RequestId, StreamClass, TransitionId};
use coterie_wire::control::Opcode;
use coterie_wire::payload::{MediaSource, SignalMessage, TextMessage};
use coterie_wire::{Codec, ErrorNumber};

/// Something to be carried to others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parcel {
    /// Whom it is for; [`MemberId::EVERYBODY`] for all others.
    pub target: MemberId,
    /// What it is.
    pub kind: ParcelKind,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a parcel is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ParcelKind {
    /// A frame of this class.
    Frame(StreamClass),
    /// An [`crate::Admission`], for a joiner who has no other frame before it.
    Admission,
}

/// Something that happened. Those that [`Event::is_durable`] says so of are stored in the step that they happened in, and come
/// again after a restart until they are consumed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A member said something.
    Text(Text),
    /// A member gave a signal.
    Signal(SignalGiven),
    /// All pieces of an attachment are here.
    Attachment(AttachmentKey),
    /// Somebody is a member from now on.
    Joined {
        /// Its number.
        member: MemberId,
        /// Whom its credential names.
        identity: Vec<u8>,
    },
    /// Somebody is no member any more.
    Left(MemberId),
    /// A new epoch began.
    Epoch {
        /// Which.
        epoch: Epoch,
        /// By which transition.
        transition: TransitionId,
    },
    /// This member was removed. Nothing follows.
    Removed,
    /// The group went where this member cannot follow; it has to be invited again. Nothing follows.
    Lost,
    /// How a signal of this member ended.
    SignalEnded(Finished),
    /// A piece of an attachment came.
    AttachmentProgress {
        /// Which attachment.
        attachment: AttachmentKey,
        /// Pieces that are here.
        received: u32,
        /// Pieces of the whole.
        total: u32,
    },
    /// A packet of audio was taken.
    Audio(AudioTaken),
    /// A message or signal came that was seen before.
    Duplicate {
        /// What it is.
        class: StreamClass,
        /// Whose.
        member: MemberId,
        /// Its number among the sender's.
        number: u64,
        /// Whether the sender used the number for something else before. That one stays.
        conflicting: bool,
    },
    /// The node moved on.
    State {
        /// From here.
        from: NodeState,
        /// To here.
        to: NodeState,
    },
    /// A control message was accepted.
    Control {
        /// Whose.
        member: MemberId,
        /// What it asks for.
        opcode: Opcode,
        /// The transition that it is about.
        transition: TransitionId,
        /// What connects it with its answer.
        request: RequestId,
        /// Its arguments, as they came.
        arguments: Vec<u8>,
    },
    /// Who coordinates.
    Coordinator(CoordinatorChange),
    /// A transition ended without effect.
    Aborted {
        /// Which.
        transition: TransitionId,
        /// Why, where its coordinator says.
        reason: Option<u64>,
    },
    /// The members that a commit of this member was to add are not in: another commit came first.
    NotAdmitted(Vec<MemberId>),
    /// A member wants to leave.
    Leaving(MemberId),
    /// A member said what it can do.
    Capabilities(MemberId),
    /// A page of what was missing here came; its messages are [`Event::Text`]s of their own.
    CaughtUp {
        /// From whom.
        member: MemberId,
        /// Whether more follows.
        more: bool,
    },
    /// A member did not answer when it was asked for what is missing.
    NotCaughtUp(MemberId),
    /// An attachment's pieces stayed away, and it was given up.
    AttachmentExpired(AttachmentKey),
    /// Something of the protocol's registry went wrong, by nobody's certain fault.
    Trouble {
        /// What.
        number: ErrorNumber,
        /// Which transition it is about.
        transition: TransitionId,
        /// Whom it is about, if anybody.
        member: Option<MemberId>,
    },
    /// What came in was refused, and changed nothing but that it will not be taken again.
    Refused {
        /// Why.
        code: Code,
        /// Under which number the protocol knows it.
        number: Option<ErrorNumber>,
        /// On whose stream it came. Nobody has proved that it was that member.
        claimed: Option<MemberId>,
        /// Who signed it, where that signature was verified. Where it is refused for what was not received here, or by the
        /// application, that is no proof of a lie.
        offender: Option<MemberId>,
    },
    /// So many events that may be dropped were.
    Missed(u64),
}

/// A text message that is new here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Text {
    /// The message. Its sender is who sent the frame, unless it was passed on.
    pub message: TextMessage,
    /// The epoch it came in.
    pub epoch: Epoch,
    /// How it was encoded.
    pub codec: Codec,
    /// Who passed it on, where that is not its sender: then it is that member's word.
    pub relayed_by: Option<MemberId>,
}

/// A signal that is new here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignalGiven {
    /// The signal. Its sender is who sent the frame.
    pub message: SignalMessage,
    /// Its arguments as they stood in the payload.
    pub arguments: Vec<u8>,
    /// Whether it changed who is in, muted, publishing or in which role.
    pub changed: bool,
    /// How it was encoded.
    pub codec: Codec,
}

/// A packet of audio, which waits now to be played ([`crate::GroupNode::play`]).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AudioTaken {
    /// Who speaks.
    pub member: MemberId,
    /// Which of its sources.
    pub source: MediaSource,
    /// What it is among the others.
    pub arrival: Arrival,
    /// Its number.
    pub sequence: u16,
    /// When it was recorded, in samples.
    pub timestamp: u64,
    /// The audio.
    pub frame: Vec<u8>,
    /// How the packet was encoded.
    pub codec: Codec,
}

/// What is known anew of the coordinator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CoordinatorChange {
    /// Nothing was heard of it for too long.
    Silent,
    /// This member is it.
    Became,
    /// A member claimed the role.
    Claimed {
        /// Who.
        member: MemberId,
        /// Whether it is the coordinator now, as seen from here.
        accepted: bool,
    },
}

impl Event {
    /// Whether it must not be lost.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::Signal(_)
                | Self::Attachment(_)
                | Self::Joined { .. }
                | Self::Left(_)
                | Self::Epoch { .. }
                | Self::Removed
                | Self::Lost
        )
    }
}
