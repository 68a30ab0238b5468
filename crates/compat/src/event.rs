//! What a node reports.

use coterie_types::{Epoch, MemberId, TransitionId};
use coterie_wire::ErrorNumber;
use coterie_wire::control::{ControlMessage, Opcode};

use coterie_gbp::protection::Opened;

/// Where a node is in its life, by the published numbers. Only some of them ever come about here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NodeState {
    /// Not started.
    Idle,
    /// Passed through when starting.
    Connecting,
    /// Passed through when starting.
    EstablishingGroup,
    /// Sends and takes frames.
    Active,
}

impl NodeState {
    /// Its published number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Idle => 0,
            Self::Connecting => 1,
            Self::EstablishingGroup => 2,
            Self::Active => 3,
        }
    }

    /// Its published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Connecting => "CONNECTING",
            Self::EstablishingGroup => "ESTABLISHING_GROUP",
            Self::Active => "ACTIVE",
        }
    }
}

/// Something that happened at a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NodeEvent {
    /// The node changed its state.
    StateChanged {
        /// The state before.
        from: NodeState,
        /// The state now.
        to: NodeState,
    },
    /// A payload for one of the clients.
    Payload {
        /// What is known of its frame.
        opened: Opened,
        /// The payload.
        plaintext: Vec<u8>,
    },
    /// A control message.
    Control(ControlMessage),
    /// A frame was refused. Nothing was changed.
    Error {
        /// The registered error.
        number: ErrorNumber,
        /// What happened, for people.
        reason: String,
    },
    /// The node is in another epoch.
    EpochAdvanced {
        /// The epoch.
        epoch: Epoch,
        /// The transition that led there.
        transition: TransitionId,
    },
    /// A member says that it coordinates.
    CoordinatorClaim {
        /// The member.
        claimant: MemberId,
    },
}

/// The published name of an opcode.
#[must_use]
pub const fn opcode_name(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::Prepare => "PREPARE_TRANSITION",
        Opcode::Ready => "READY_FOR_TRANSITION",
        Opcode::Execute => "EXECUTE_TRANSITION",
        Opcode::Abort => "ABORT_TRANSITION",
        Opcode::DigestRequest => "GROUP_STATE_DIGEST_REQUEST",
        Opcode::DigestResponse => "GROUP_STATE_DIGEST_RESPONSE",
        Opcode::ReportInvalidCommit => "REPORT_INVALID_COMMIT",
        Opcode::Capabilities => "CAPABILITIES_ADVERTISE",
        Opcode::Ack => "ACK",
        Opcode::Nack => "NACK",
    }
}
