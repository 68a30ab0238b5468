//! Why the control plane refused something. A refusal changes nothing.

use coterie_types::{Code, Epoch, ErrorCode, MemberId, TransitionId};
use coterie_wire::{ErrorNumber, Malformed};

/// Why a message, an answer of the engine or a wish was refused. The node is as it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody of this number belongs to the group.
    #[error("{0} does not belong to the group")]
    NotAMember(MemberId),
    /// The message names another sender than the one that sent it.
    #[error("the message says that {claimed} sent it, but it came from {sender}")]
    NotItsOwn {
        /// Who sent it.
        sender: MemberId,
        /// Whom it names.
        claimed: MemberId,
    },
    /// Only whoever prepared a transition, or is the coordinator, may say this.
    #[error("{0} may not order this")]
    NotCoordinator(MemberId),
    /// The message is for another epoch.
    #[error("the message is for {got}, the node is at {at}")]
    WrongEpoch {
        /// Where the node is.
        at: Epoch,
        /// What the message says.
        got: Epoch,
    },
    /// The message is about a transition that is not the one under way, is over, or is too far ahead.
    #[error("the message is about {0}")]
    WrongTransition(TransitionId),
    /// One sender announced two commits for one transition.
    #[error("another commit was announced for {0}")]
    AnotherCommit(TransitionId),
    /// Another transition is under way.
    #[error("{0} is under way")]
    InProgress(TransitionId),
    /// The node has left the group or has failed.
    #[error("the node takes no part in the group")]
    NotActive,
    /// The arguments are not what their opcode asks for.
    #[error("the arguments are malformed: {0}")]
    Malformed(#[from] Malformed),
    /// A commit or a group is above its limit.
    #[error("a commit or a group is above its limit")]
    TooLarge,
    /// The member was answered a moment ago.
    #[error("{0} asks too often")]
    TooOften(MemberId),
    /// Every number of a transition or a request was used.
    #[error("no transition numbers are left")]
    Exhausted,
    /// The stored state is of another version, damaged, or not a node's.
    #[error("the stored state is not one of this version")]
    BadState,
}

impl Refusal {
    /// The number under which the protocol knows it, for error objects and events.
    #[must_use]
    pub const fn number(&self) -> ErrorNumber {
        match self {
            Self::WrongEpoch { .. } => ErrorNumber::GBP_EPOCH_MISMATCH,
            Self::WrongTransition(_) | Self::NotActive | Self::Exhausted => {
                ErrorNumber::GBP_TRANSITION_MISMATCH
            }
            Self::InProgress(_) => ErrorNumber::GBP_TRANSITION_IN_PROGRESS,
            Self::AnotherCommit(_) => ErrorNumber::GBP_COMMIT_INVALID,
            _ => ErrorNumber::GBP_STREAM_POLICY_VIOLATION,
        }
    }
}

impl ErrorCode for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotAMember(_) => Code::GBP_NOT_A_MEMBER,
            Self::NotCoordinator(_) => Code::GBP_NOT_COORDINATOR,
            Self::NotActive => Code::GBP_NOT_ACTIVE,
            Self::Exhausted => Code::GBP_TRANSITIONS_EXHAUSTED,
            Self::BadState => Code::GBP_STATE_INVALID,
            Self::TooLarge => Code::GBP_TOO_LARGE,
            Self::Malformed(cause) => cause.code(),
            _ => self.number().code(),
        }
    }
}
