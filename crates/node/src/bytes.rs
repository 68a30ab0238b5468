//! Bytes for JavaScript, copied into memory that JavaScript owns.
//!
//! napi-rs would hand over the native memory itself, as an external buffer. Hosts with a V8 memory cage refuse those,
//! a worker that is terminated leaks them, and below 64 KiB the copy is the quicker way.

use napi::bindgen_prelude::{ToNapiValue, TypeName, Uint8ArraySlice};
use napi::{Env, Result, ValueType, sys};

/// What becomes a `Uint8Array` with a buffer of its own.
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
