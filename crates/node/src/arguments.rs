//! Bytes and lists that JavaScript hands in, copied.
//!
//! Reading a list may run JavaScript: an element can be a getter, the list a proxy. So every element is copied before
//! the next is asked for, which could detach it, and memory grows with what is there, not with what `length` says.

use napi::bindgen_prelude::{Array, FromNapiValue};
use napi::{Error, Result, Status};

/// Above the core's limit for any message, which refuses what is longer than its own limits with a better reason.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// A list beyond this is several calls: what one call copies must not hold the event loop.
const MAX_LENGTH: u32 = 100_000;

/// Bytes, unless they are more than anything may hold.
pub(crate) fn copied(bytes: &[u8]) -> Result<Vec<u8>> {
    if bytes.len() > MAX_BYTES {
        let reason = format!("bytes may be {MAX_BYTES} at the most");
        return Err(Error::new(Status::InvalidArg, reason));
    }
    Ok(bytes.to_vec())
}

/// Byte arrays.
pub(crate) fn byte_arrays(array: &Array<'_>) -> Result<Vec<Vec<u8>>> {
    list(array, copied)
}

/// Whole numbers.
pub(crate) fn numbers(array: &Array<'_>) -> Result<Vec<u32>> {
    list(array, Ok)
}

fn list<E: FromNapiValue, T>(array: &Array<'_>, copy: impl Fn(E) -> Result<T>) -> Result<Vec<T>> {
    if array.len() > MAX_LENGTH {
        let reason = format!("a list may have {MAX_LENGTH} elements at the most");
        return Err(Error::new(Status::InvalidArg, reason));
    }
    (0..array.len()).filter_map(|index| array.get(index).transpose()).map(|element| copy(element?)).collect()
}
