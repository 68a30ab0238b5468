//! The `interop` profile: frames of the published stack, byte for byte.
//!
//! All members of an epoch share one key for each class, a frame's nonce is its number alone, and its header is not
//! authenticated. What can be done about that without changing a byte is done here: [`numbers`](Place) that no two
//! members of ours ever share and that outlive the process, windows that only authentic frames move, sealed bytes
//! of ours that open once whatever header they come under (within the last 4,096 of a class and key), numbers of ours
//! that count on their owner's streams alone ([`ClassKeys::among`]), keys of the previous epoch for a bounded time.
//!
//! What cannot be done: any member can seal a frame on any stream, and whoever carries a frame can change its stream,
//! flags, transition and codec until it has arrived. Peers that count from 1 repeat nonces among themselves.

mod keys;
mod numbers;
mod open;
mod seal;

pub use keys::ClassKeys;
pub use numbers::Place;
pub use open::Opener;
pub use seal::Sealer;
#[cfg(feature = "vectors")]
pub use seal::seal_as;
