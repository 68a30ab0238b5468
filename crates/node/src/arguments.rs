//! Lists that JavaScript hands in, and numbers that are whole in Rust.
//!
//! Reading a list may run JavaScript: an element can be a getter, the list a proxy. So every element is copied before
//! the next is asked for, which could detach it, and memory grows with what is there, not with what `length` says.

use coterie_types::{Code, Duration, Timestamp};
use napi::bindgen_prelude::{Array, BigInt, FromNapiValue, ToNapiValue, TypeName};
use napi::{Error, Result, Status, ValueType, sys};

use crate::failure::NativeFailure;

/// A list beyond this is several calls: what one call copies must not hold the event loop.
const MAX_LENGTH: u32 = 100_000;

/// A list, copied as soon as it is read.
pub struct List<E>(Vec<E>);

impl<E> List<E> {
    /// Its elements as what the core takes.
    pub(crate) fn into_vec<T: From<E>>(self) -> Vec<T> {
        self.0.into_iter().map(T::from).collect()
    }

    /// The same where not every element will do.
    pub(crate) fn try_into_vec<T>(
        self,
        convert: impl Fn(E) -> std::result::Result<T, NativeFailure>,
    ) -> std::result::Result<Vec<T>, NativeFailure> {
        self.0.into_iter().map(convert).collect()
    }
}

impl<E, T: Into<E>> From<Vec<T>> for List<E> {
    fn from(items: Vec<T>) -> Self {
        Self(items.into_iter().map(T::into).collect())
    }
}

impl<E> TypeName for List<E> {
    fn type_name() -> &'static str {
        "Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

#[allow(unsafe_code, reason = "the trait's method is unsafe: it trusts the value that napi-rs passes")]
impl<E: FromNapiValue> FromNapiValue for List<E> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: both come from the live call.
        let array: Array<'_> = unsafe { FromNapiValue::from_napi_value(env, value)? };
        if array.len() > MAX_LENGTH {
            let reason = format!("a list may have {MAX_LENGTH} elements at the most");
            return Err(Error::new(Status::InvalidArg, reason));
        }
        let read = |index| array.get::<E>(index).transpose();
        Ok(Self((0..array.len()).filter_map(read).collect::<Result<_>>()?))
    }
}

#[allow(unsafe_code, reason = "the trait's method is unsafe: it trusts the environment that napi-rs passes")]
impl<E: ToNapiValue> ToNapiValue for List<E> {
    unsafe fn to_napi_value(env: sys::napi_env, list: Self) -> Result<sys::napi_value> {
        // SAFETY: `env` is the live environment that this call was made in.
        unsafe { ToNapiValue::to_napi_value(env, list.0) }
    }
}

/// A time that JavaScript gave. The facade has checked that it is a whole number of milliseconds after 1970.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from a float saturates")]
pub(crate) fn timestamp(milliseconds: f64) -> Timestamp {
    Timestamp::from_millis(milliseconds as u64)
}

/// A span of time that JavaScript gave, in milliseconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from a float saturates")]
pub(crate) fn duration(milliseconds: f64) -> Duration {
    Duration::from_millis(milliseconds as u64)
}

/// A number of 64 bits without a sign.
pub(crate) fn unsigned(number: &BigInt) -> std::result::Result<u64, NativeFailure> {
    match (number.sign_bit, number.words.as_slice()) {
        (_, []) => Ok(0),
        (false, [word]) => Ok(*word),
        _ => Err(invalid("the number must be from 0 to 2^64 - 1")),
    }
}

/// A number of 16 bits without a sign.
pub(crate) fn unsigned16(number: u32) -> std::result::Result<u16, NativeFailure> {
    u16::try_from(number).map_err(|_| invalid("the number must be from 0 to 65535"))
}

pub(crate) fn invalid(said: &str) -> NativeFailure {
    NativeFailure::new(Code::INVALID_ARGUMENT, said.to_owned())
}
