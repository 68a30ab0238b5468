//! Bytes to values and back, for the Group Protocol Stack.
//!
//! Three layers: [`cbor`] in exactly one form; frames, control messages and error objects, which are always CBOR;
//! and the payloads of text, audio and signals, each in three codecs with one value type. What decodes is well-formed:
//! every number is in its range, every length is the right one, every bound of [`limits`] holds.
//!
//! Knows nothing of keys, members, clocks or order: it cannot say whether a frame is authentic, new, or allowed. All
//! decoders are iterative, take no more memory than a small multiple of their input, and do not panic.

pub mod cbor;
mod codec;
pub mod control;
mod error_number;
mod error_object;
mod frame;
mod generated;
pub mod limits;
mod malformed;
pub mod payload;
mod template;

pub use codec::{Codec, PayloadFormat};
pub use error_number::{ErrorClass, ErrorNumber, ErrorTraits};
pub use error_object::{ErrorKind, ErrorObject};
pub use frame::{Envelope, Flags, Frame, FrameError, Header, Profile};
pub use malformed::Malformed;
pub use template::Template;
