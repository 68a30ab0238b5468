//! Group signals: requests and their answers, roles, capabilities, and who is muted.
//!
//! [`SignalClient`] is what one member knows of one group's signals. Payloads come in by [`SignalClient::receive`] with
//! what the frame layer knows of them; signals go out by [`SignalClient::give`], to be sealed by that layer. Who may give
//! which is decided by who sent it and the roles of [`Roles`], never by the role that a signal claims. What is refused
//! changes nothing. [`Roles`] and [`Negotiator`] can be used alone.
//!
//! No I/O: the time and random numbers are arguments. Answers to signals travel on the control plane ([`Answer`]).

mod capabilities;
mod client;
mod error;
pub mod limits;
mod request;
mod roles;
mod state;
mod view;

pub use coterie_seen::{Origin, StateError};

pub use capabilities::{ConformanceClass, Negotiator};
pub use client::{Authority, Incoming, Order, Outgoing, Received, SignalClient, Verdict};
pub use error::{GiveError, Refusal, Refused, RoleError};
pub use request::{ANSWERS, Answer, Finished};
pub use roles::{Permissions, RoleSpec, Roles};
pub use view::View;
