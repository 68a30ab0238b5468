//! Audio of the Group Protocol Stack: what is sent, what is taken, and when it is played.
//!
//! [`Outbound`] numbers a member's packets. [`Inbound`] judges arriving ones: of a key phase that counts, new, behind,
//! or seen before. [`Playout`] holds what was taken until its time, adapts the delay to the network, and says where
//! something is missing, so that a decoder can conceal it. [`JitterBuffer`] is the plain one of the published bindings:
//! order without a clock.
//!
//! Pure machines: the time is an argument, nothing is sent or decoded here. Audio goes on through a change of epoch,
//! through a wrap of its numbers, through a restart of its sender and through any silence. What arrives has passed the
//! layers below, which let each frame through once; every member could have sent it as another in the `interop`
//! profile. Whatever a peer can make grow has a bound in [`limits`].

mod buffer;
mod clock;
mod error;
mod inbound;
pub mod limits;
mod numbering;
mod outbound;
mod phases;
mod playout;
pub mod serial;
mod track;

pub use buffer::{JitterBuffer, Pushed};
pub use error::{ReceiveError, SendError, SetupError};
pub use inbound::{Accepted, Arrival, Inbound, InboundStatistics};
pub use outbound::{Outbound, Outgoing};
pub use playout::{Item, Packet, Played, Playout, PlayoutStatistics, Why};
pub use track::TrackId;

/// Samples of audio a second. Timestamps count them, whatever the codec works at.
pub const SAMPLE_RATE: u32 = 48_000;

/// Samples in a packet of 20 ms, which is what the protocol recommends and what is assumed until a sender's timestamps
/// say otherwise.
pub const PACKET_SAMPLES: u32 = 960;
