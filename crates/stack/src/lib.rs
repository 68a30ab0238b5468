//! One member's whole Group Protocol Stack over one group: text, audio and signals in frames that are protected under the
//! group's keys, with a coordinator that orders its changes.
//!
//! [`GroupNode`] owns the group of the engine, the node of the control plane, both sides of the frames' protection and the
//! clients of text, audio and signals, and drives them with the caller's time. Frames and wishes come in; [`Parcel`]s for
//! others and [`Event`]s for the application come out. A call is one step: the ratchet, the node, numbers, what was received
//! and what is to be sent are stored in one transaction of the device's store, and nothing leaves before it is durable. What
//! a step could not store did not happen.
//!
//! A journey has one way through here: `receive` for what arrives, `send` and `change` for wishes, `carry` for what the
//! node makes of either, `step` for their end. `core` is what all of them change, `protection` seals and opens.
//!
//! No I/O of its own: who delivers frames, and when it is woken, is the caller's business.

mod admission;
mod asking;
mod audio;
mod carry;
mod change;
mod core;
mod error;
mod event;
mod inviting;
mod ledger;
pub mod limits;
mod node;
mod protection;
mod receive;
mod rows;
mod send;
mod step;

pub use admission::Admission;
pub use asking::Question;
pub use change::Pattern;
pub use core::Settings;
pub use coterie_gbp::node::NodeState;
pub use error::StackError;
pub use event::{AudioTaken, CoordinatorChange, Event, Parcel, ParcelKind, SignalGiven, Text};
pub use node::{AudioOut, CreateOptions, GroupNode, Member, QuickBatch};
