//! The Node-API binding: conversions, nothing else.
//!
//! None of this is public API. Names and field order mirror the Rust types; the facade in `ts/` is what people
//! use. No protocol decision, default or retry lives here.
//!
//! A fallible call answers with its value or with a [`failure::NativeFailure`], never with an exception. What the
//! core calls quick is done at once; the rest is done on another thread and answered by a promise, in the order
//! of the calls on one object.

mod answer;
mod arguments;
mod bound;
mod bytes;
mod changes;
mod compat;
mod device;
mod extension;
mod failure;
// Nothing of it is exported from a test build, where napi-rs registers nothing.
#[cfg(all(feature = "fault-injection", not(test)))]
mod fault;
mod feed;
mod gap;
mod gbp;
mod group;
mod gsp;
mod gtp;
mod held;
mod identity;
#[cfg(all(feature = "interop", not(test)))]
mod interop;
mod inventory;
mod life;
mod link;
mod outside;
mod promise;
mod roster;
mod serial;
mod sframe;
mod stack;
mod values;

use napi_derive::napi;

// Functions of their own: reachable, or a test build would take them for unused.
pub use compat::{NativeRawFrame, compat_encode_frame, compat_lookup_error};
pub use gap::{native_decode_audio, native_encode_audio, native_own_source};
pub use gbp::{
    NativeErrorObject, NativeFrame, NativeFrameHeader, NativeRegisteredError, native_decode_error,
    native_decode_frame, native_encode_error, native_encode_frame, native_error_registry,
    native_frame_authenticated_data, native_standard_stream,
};
pub use gsp::{native_class_tokens, native_decode_signal, native_encode_signal, native_tokens};
pub use gtp::{
    native_decode_chunk, native_decode_manifest, native_decode_text, native_encode_chunk,
    native_encode_manifest, native_encode_text, native_kept_key, native_kept_message,
};
pub use link::native_generate_link_identity;
pub use outside::{NativeGroupInfo, NativeMessageHead, native_group_info, native_message_head};
pub use sframe::sframe_refusals;
pub use stack::{NativeAdmission, NativeSeat, native_make_admission, native_read_admission};

/// The version of the native code, which must equal the facade's.
#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Does nothing: what crossing the boundary costs by itself.
#[napi]
pub fn noop() {}
