//! The one shape in which a failure crosses the boundary.

use std::any::Any;

use coterie_types::{Code, ErrorCode, LeafIndex, Retry};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

/// Why a call failed. The facade throws it as an error.
#[napi(object)]
pub struct NativeFailure {
    /// Always true: what tells a failure from a value.
    pub failed: bool,
    /// The stable code.
    pub code: String,
    /// What happened, in words.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// The leaf of the member who signed what was refused, where its signature was verified.
    pub offender: Option<u32>,
}

/// The value, or why there is none.
pub(crate) type Outcome<T> = Either<T, NativeFailure>;

impl NativeFailure {
    pub(crate) fn new(code: Code, message: String) -> Self {
        Self {
            failed: true,
            code: code.as_str().to_owned(),
            message,
            retryable: code.retry() == Retry::Later,
            offender: None,
        }
    }

    /// What a code means, where there is no more to say.
    pub(crate) fn of(code: Code) -> Self {
        Self::new(code, code.meaning().to_owned())
    }

    /// A panic of native code, which was caught at the boundary.
    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let said = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Self::new(Code::INTERNAL, format!("native code panicked: {said}"))
    }
}

impl<E: ErrorCode> From<E> for NativeFailure {
    fn from(error: E) -> Self {
        let offender = error.offender().map(LeafIndex::number);
        Self { offender, ..Self::new(error.code(), error.to_string()) }
    }
}

pub(crate) fn outcome<T, E: Into<NativeFailure>>(result: Result<T, E>) -> Outcome<T> {
    match result {
        Ok(value) => Either::A(value),
        Err(error) => Either::B(error.into()),
    }
}
