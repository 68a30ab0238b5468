//! The published package's objects across the boundary. Every call is synchronous, as it is there.

mod client;
mod frames;
mod media;
mod mls;
mod node;

use coterie_compat::{RawFrame, lookup_error};
use napi::bindgen_prelude::{BigInt, Null};
use napi_derive::napi;

use crate::answer::guarded;
use crate::arguments::{invalid, unsigned, unsigned16};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};

/// A frame as it is to be written.
#[napi(object, object_to_js = false)]
pub struct NativeRawFrame {
    /// The protocol's version.
    pub version: u32,
    /// The group id.
    pub group: Uint8Array,
    /// The epoch.
    pub epoch: BigInt,
    /// The last transition.
    pub transition: u32,
    /// The stream's class.
    pub stream_type: u32,
    /// The stream.
    pub stream: u32,
    /// Flags.
    pub flags: u32,
    /// The number.
    pub sequence: u32,
    /// The payload.
    pub payload: Uint8Array,
}

/// Writes a frame without protecting its payload.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn compat_encode_frame(frame: NativeRawFrame) -> Outcome<Uint8Array> {
    outcome(guarded(|| {
        let raw = RawFrame {
            version: unsigned8(frame.version)?,
            group: &frame.group,
            epoch: unsigned(&frame.epoch)?,
            transition: frame.transition,
            class: unsigned8(frame.stream_type)?,
            stream: frame.stream,
            flags: unsigned16(frame.flags)?,
            sequence: frame.sequence,
            payload: &frame.payload,
        };
        Ok(Uint8Array::from(raw.encode()?))
    }))
}

/// The encoded error object of a registered number; null for any other.
#[napi(catch_unwind)]
pub fn compat_lookup_error(number: u32) -> napi::Either<Uint8Array, Null> {
    match u16::try_from(number).ok().and_then(lookup_error) {
        Some(object) => napi::Either::A(object.into()),
        None => napi::Either::B(Null),
    }
}

/// A number of 8 bits without a sign.
fn unsigned8(number: u32) -> Result<u8, NativeFailure> {
    u8::try_from(number).map_err(|_| invalid("the number must be from 0 to 255"))
}
