//! The links that carry frames: the only crate that opens sockets.
//!
//! Three of them, with one face ([`Link`]): the published stack's length-prefixed TCP ([`tcp`]) and QUIC ([`published`]),
//! byte for byte, and QUIC of our own ([`quic`]), in which the stream classes do not block each other. A link moves
//! frames whole and in the order of their class, or says why not; it neither reads nor keeps them, and whoever is at
//! the other end is named by a certificate at most. Everything that a peer can make grow has its bound in [`limits`].

mod blob;
mod classes;
mod endpoint;
mod error;
pub mod limits;
mod link;
mod listener;
pub mod published;
pub mod quic;
mod route;
pub mod tcp;
mod tls;

pub use error::LinkError;
pub use link::{Link, Received};
pub use listener::Listener;
pub use route::{Route, connect};
pub use tls::{Identity, Trust};
