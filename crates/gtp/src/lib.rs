//! Group text: messages, history, catching up and attachments.
//!
//! [`TextClient`] is what one member knows of one group's text. Payloads come in by [`TextClient::receive`] with what the
//! frame layer knows of them; messages go out by [`TextClient::send`] and its kin, to be sealed by that layer. What is
//! refused changes nothing, and every step answers the rows that it changed ([`RowChange`]), so that a store can take them
//! in the same transaction. [`History`], [`Watermark`], [`Attachments`] and [`Cut`] can be used alone.
//!
//! No I/O: the time and random numbers are arguments. Nothing here orders messages, retransmits or acknowledges: order is
//! the frame layer's and the delivery service's.

mod attachment;
mod catch_up;
mod client;
mod cut;
mod draft;
mod error;
mod fingerprint;
mod history;
pub mod limits;
mod receive;
mod row;
mod state;
mod watermark;

pub use coterie_seen::{Origin, StateError};

pub use attachment::{AttachmentKey, Attachments, Piece, Progress, TakenOut};
pub use catch_up::{Asked, CaughtUp, Replayed};
pub use client::{Expired, Scope, TextClient, TextOptions};
pub use cut::{Cut, IntegrityCheck, Label, digest_of, hasher};
pub use draft::{Draft, Outgoing};
pub use error::{AttachmentError, ReceiveError, SendError};
pub use history::{History, HistoryLimits, Kept, Pushed};
pub use receive::{Content, Incoming, Received, Verdict};
pub use row::RowChange;
pub use state::{Row, kept_key, kept_message};
pub use watermark::Watermark;
