//! Bytes that cross the boundary, copied both ways.
//!
//! Outwards napi-rs would hand over the native memory itself, as an external buffer. Hosts with a V8 memory cage refuse
//! those, a worker that is terminated leaks them, and below 64 KiB the copy is the quicker way.
//!
//! Inwards it would lend JavaScript's memory, which the getter of the next argument or field can detach. So bytes are
//! copied as soon as they are read.

use napi::bindgen_prelude::{FromNapiValue, ToNapiValue, TypeName, Uint8ArraySlice};
use napi::{Env, Error, Result, Status, ValueType, check_status, sys};

/// Above the core's limit for any message, which refuses what is longer than its own limits with a better reason.
pub(crate) const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What comes from a `Uint8Array`, and becomes one with a buffer of its own.
pub struct Uint8Array(Vec<u8>);

impl From<Vec<u8>> for Uint8Array {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Uint8Array {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Uint8Array> for Vec<u8> {
    fn from(bytes: Uint8Array) -> Self {
        bytes.0
    }
}

impl std::ops::Deref for Uint8Array {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl TypeName for Uint8Array {
    fn type_name() -> &'static str {
        "Uint8Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

#[allow(unsafe_code, reason = "the trait's method is unsafe: it trusts the environment that napi-rs passes")]
impl ToNapiValue for Uint8Array {
    unsafe fn to_napi_value(env: sys::napi_env, bytes: Self) -> Result<sys::napi_value> {
        let slice = Uint8ArraySlice::copy_from(&Env::from_raw(env), bytes.0)?;
        // SAFETY: `env` is the live environment that this call was made in, and `slice` was made in it.
        unsafe { ToNapiValue::to_napi_value(env, slice) }
    }
}

/// Bytes that become a string of one character for each: without memory outside JavaScript's heap, for what the facade
/// reads once.
pub struct Latin1String(Vec<u8>);

impl From<Vec<u8>> for Latin1String {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl TypeName for Latin1String {
    fn type_name() -> &'static str {
        "string"
    }

    fn value_type() -> ValueType {
        ValueType::String
    }
}

#[allow(unsafe_code, reason = "napi-rs makes such strings through a library for character sets only")]
impl ToNapiValue for Latin1String {
    unsafe fn to_napi_value(env: sys::napi_env, Self(bytes): Self) -> Result<sys::napi_value> {
        let length = isize::try_from(bytes.len()).map_err(|_| Error::from_status(Status::InvalidArg))?;
        let mut value = std::ptr::null_mut();
        // SAFETY: `env` is the live environment that this call was made in, `bytes` lives until it returns, and `value` is
        // written or the call fails.
        check_status!(unsafe {
            sys::napi_create_string_latin1(env, bytes.as_ptr().cast(), length, &raw mut value)
        })?;
        Ok(value)
    }
}

#[allow(unsafe_code, reason = "the trait's method is unsafe: it trusts the value that napi-rs passes")]
impl FromNapiValue for Uint8Array {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: both come from the live call; no JavaScript runs before the slice is copied.
        let lent: &[u8] = unsafe { FromNapiValue::from_napi_value(env, value)? };
        if lent.len() > MAX_BYTES {
            let reason = format!("bytes may be {MAX_BYTES} at the most");
            return Err(Error::new(Status::InvalidArg, reason));
        }
        Ok(Self(lent.to_vec()))
    }
}
