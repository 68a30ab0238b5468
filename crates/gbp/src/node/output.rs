//! What a node wants done, in the order in which it must be done.

use coterie_types::{Epoch, MemberId, TransitionId};
use coterie_wire::ErrorNumber;
use coterie_wire::control::ControlMessage;

use super::roster::{Hash, Roster};

/// One thing to do. All that one call gave is done, and stored with the node's state, in one step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Seal and send this.
    Send(Outgoing),
    /// Work for the engine.
    Order(Order),
    /// Send the kept frames of this transition, as they are, to this member.
    Relay {
        /// Whose frames.
        transition: TransitionId,
        /// To whom.
        target: MemberId,
    },
    /// The epoch ended by this transition: of its kept frames only those of the transition are needed on.
    Settled(TransitionId),
    /// For the application.
    Event(Event),
}

/// A control message on its way out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// To whom; [`MemberId::EVERYBODY`] to all.
    pub target: MemberId,
    /// What the frame's header says.
    pub header_epoch: Epoch,
    /// Under whose keys it is sealed. It differs from the header only for a joiner that waits for EXECUTE.
    pub key_epoch: Epoch,
    /// What is said.
    pub message: ControlMessage,
}

/// Work for the engine. A commit that was discarded may be ordered again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// Verify this commit and answer by [`super::Node::handle_staged`]; merge nothing.
    Stage {
        /// The transition that it is for.
        transition: TransitionId,
        /// Who announced it.
        preparer: MemberId,
        /// SHA-256 of the commit, to be given back with the answer.
        hash: Hash,
        /// The commit.
        commit: Vec<u8>,
    },
    /// Merge this commit, which was staged here or is this member's own. Everything before it in the outputs is sealed
    /// with the keys of the epoch that ends.
    Merge {
        /// The transition that it is for.
        transition: TransitionId,
        /// The commit.
        commit: Vec<u8>,
        /// Whether it is this member's own pending commit.
        own: bool,
    },
    /// Forget the staged or pending commit of this transition.
    Discard {
        /// The transition that it was for.
        transition: TransitionId,
        /// Whether it is this member's own pending commit.
        own: bool,
    },
}

/// Where a node is in its life. The numbers are those of the published bindings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NodeState {
    /// Made, and not started.
    Idle,
    /// On the way in.
    Connecting,
    /// On the way in.
    EstablishingGroup,
    /// A member.
    Active,
    /// A member that wants to know whether it missed something.
    Resyncing,
    /// The group and this node do not fit together any more.
    Failed,
    /// No member any more.
    Closed,
}

impl NodeState {
    /// Every state, in the order of their numbers, which count from zero.
    pub const ALL: [Self; 7] = [
        Self::Idle,
        Self::Connecting,
        Self::EstablishingGroup,
        Self::Active,
        Self::Resyncing,
        Self::Failed,
        Self::Closed,
    ];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Idle => 0,
            Self::Connecting => 1,
            Self::EstablishingGroup => 2,
            Self::Active => 3,
            Self::Resyncing => 4,
            Self::Failed => 5,
            Self::Closed => 6,
        }
    }
}

/// Something that the application may want to know.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The node moved on.
    StateChanged {
        /// From here.
        from: NodeState,
        /// To here.
        to: NodeState,
    },
    /// A new epoch began.
    EpochAdvanced {
        /// Which.
        epoch: Epoch,
        /// By which transition.
        transition: TransitionId,
        /// Who belongs to it.
        roster: Roster,
    },
    /// An epoch that this member's own commit began is reached: whoever it added may have its Welcome now.
    Admitted(TransitionId),
    /// A transition ended without effect.
    Aborted {
        /// Which.
        transition: TransitionId,
        /// Why, where the coordinator says.
        reason: Option<u64>,
    },
    /// Something of the protocol's registry went wrong, by nobody's certain fault.
    Trouble {
        /// What.
        number: ErrorNumber,
        /// Which transition it is about.
        transition: TransitionId,
        /// Whom it is about, if anybody.
        member: Option<MemberId>,
    },
    /// Nothing was heard of the coordinator.
    ElectionNeeded,
    /// This member claimed the coordinator's role.
    BecameCoordinator,
    /// A member claimed it.
    CoordinatorClaim {
        /// Who.
        claimant: MemberId,
        /// Whether it is the coordinator now, as this node sees it.
        accepted: bool,
    },
    /// A member said what it can do.
    Capabilities(MemberId),
    /// A member wants to leave. The coordinator's application removes it.
    Leaving(MemberId),
    /// This member was removed.
    Removed,
    /// The group went where this member cannot follow; it has to be invited again.
    Lost,
}
