//! The objects of the published Group Protocol Stack package over this engine, in the `interop` profile.
//!
//! For users who come from there: an MLS context that is also the only group of its device, a node that checks and
//! reports and decides nothing, one client for each payload. What the published package leaves to its user is left to
//! them here too; what it does wrong with numbers, counters and refused input is done as the rest of the stack does it.
//!
//! Pure like the other cores: the time is an argument, and everything that outlives a call is in the context, whose
//! whole state can be exported. Who coordinates, and who may signal what, is for those who use the engine itself.

mod audio;
mod error;
mod event;
mod frame;
pub mod limits;
mod mls;
mod node;
mod numbers;
#[cfg(test)]
mod recorded;
mod sframe;
mod signal;
mod state;
mod text;

pub use coterie_gbp::protection::Opened;

pub use audio::{AudioClient, AudioStatus, HeardAudio};
pub use error::CompatError;
pub use event::{NodeEvent, NodeState, opcode_name};
pub use frame::{RawFrame, lookup_error};
pub use mls::{MessageKind, MlsContext};
pub use node::{Control, GroupNode, OutboundFrame};
pub use sframe::{MediaEncryptor, MediaSession, MediaSuite, OpenedMedia};
pub use signal::{HeardSignal, SignalClient, SignalOrder, signal_name};
pub use text::{HeardText, TextClient};
