//! Words that every layer shares: ids, epochs, time and error codes.
//!
//! Values only. Nothing here does anything: no I/O, no cryptography, no protocol rule. A layer that needs
//! behaviour around one of these words keeps it to itself.

pub mod code;
mod group;
mod stream;
mod time;

pub use code::{Code, ErrorCode, Retry};
pub use group::{Epoch, GroupId, GroupIdError, LeafIndex};
pub use stream::{MemberId, MessageId, RequestId, Sequence, StreamClass, StreamId, TransitionId};
pub use time::{Duration, Timestamp};
