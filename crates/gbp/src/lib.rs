//! Frames of a group: how they are protected, and the node that sends and takes them.
//!
//! A pure core: time, keys and what MLS gives are arguments, and what has to be stored comes out as records.

mod error;
pub mod limits;
pub mod node;
pub mod protection;

pub use error::{MlsFailure, OpenError, ProfileError, SealError, SetupError};
