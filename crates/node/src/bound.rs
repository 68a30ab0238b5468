//! Functions that carry their native object: what is called for every media frame.
//!
//! A method of a class finds its object by the receiver, which costs more than sealing a small frame does. Such a function
//! has it at hand, reads arrays where they lie, and answers with a number.
//!
//! Memory is lent for the length of a call in which no JavaScript runs: nothing here reads a property or calls back, so
//! nothing can be detached meanwhile. What others can change at any time, because it is shared between threads, is refused.

use std::ffi::c_void;
use std::ptr::null_mut;

use coterie_types::Code;
use napi::bindgen_prelude::{ToNapiValue, Unknown};
use napi::{Env, check_status, sys};

use crate::answer::guarded;
use crate::arguments::invalid;
use crate::bytes::MAX_BYTES;
use crate::failure::NativeFailure;

/// More than any such function has.
const MAX_ARGUMENTS: usize = 10;

/// Texts of no more units have room made for them that they may not need.
const SHORT_TEXT: usize = 32 * 1_024;

/// More bytes no unit of a text takes in UTF-8.
const UNIT: usize = 3;

/// What such a function does.
pub(crate) type Call<T> = fn(&T, &Arguments) -> Result<f64, NativeFailure>;

struct Bound<T> {
    object: T,
    call: Call<T>,
}

/// A function of JavaScript that does `call` on `object`, which lives as long as the function.
#[allow(unsafe_code, reason = "napi-rs has no such functions")]
pub(crate) fn bound<'env, T: 'static>(
    env: &'env Env,
    object: T,
    call: Call<T>,
) -> napi::Result<Unknown<'env>> {
    let data = Box::into_raw(Box::new(Bound { object, call })).cast::<c_void>();
    let mut function = null_mut();
    // SAFETY: `env` lives. `data` is given to the function and freed by its finalizer, or here where that was not set.
    unsafe {
        let created =
            sys::napi_create_function(env.raw(), null_mut(), 0, Some(enter::<T>), data, &raw mut function);
        let status = match created {
            sys::Status::napi_ok => sys::napi_add_finalizer(
                env.raw(),
                function,
                data,
                Some(drop_bound::<T>),
                null_mut(),
                null_mut(),
            ),
            failed => failed,
        };
        if status != sys::Status::napi_ok {
            drop(Box::from_raw(data.cast::<Bound<T>>()));
        }
        check_status!(status)?;
        Ok(Unknown::from_raw_unchecked(env.raw(), function))
    }
}

#[allow(unsafe_code, reason = "called by the engine")]
unsafe extern "C" fn drop_bound<T>(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: `data` is the box that `bound` gave away, and the function that used it is gone.
    drop(unsafe { Box::from_raw(data.cast::<Bound<T>>()) });
}

#[allow(unsafe_code, reason = "called by the engine")]
unsafe extern "C" fn enter<T>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut arguments = Arguments { env, values: [null_mut(); MAX_ARGUMENTS], count: MAX_ARGUMENTS };
    let mut data = null_mut();
    // SAFETY: `env` and `info` are of the live call; `data` is the box that `bound` gave away, which lives as long as the
    // function that is being called; whatever is made is made in `env`.
    unsafe {
        let status = sys::napi_get_cb_info(
            env,
            info,
            &raw mut arguments.count,
            arguments.values.as_mut_ptr(),
            null_mut(),
            &raw mut data,
        );
        if status != sys::Status::napi_ok || data.is_null() {
            return null_mut();
        }
        let bound = &*data.cast::<Bound<T>>();
        match guarded(|| (bound.call)(&bound.object, &arguments)) {
            Ok(number) => f64::to_napi_value(env, number),
            Err(failure) => NativeFailure::to_napi_value(env, failure),
        }
        .unwrap_or(null_mut())
    }
}

/// What a function was called with.
pub(crate) struct Arguments {
    env: sys::napi_env,
    values: [sys::napi_value; MAX_ARGUMENTS],
    count: usize,
}

impl Arguments {
    /// An array of numbers.
    pub(crate) fn array<E: Element>(
        &self,
        index: usize,
        name: &'static str,
    ) -> Result<Lent<E>, NativeFailure> {
        let value = self.value(index).ok_or_else(|| wrong::<E>(name))?;
        self.lent(value).ok_or_else(|| wrong::<E>(name))
    }

    /// An array of numbers that may be left out.
    pub(crate) fn optional_array<E: Element>(
        &self,
        index: usize,
        name: &'static str,
    ) -> Result<Option<Lent<E>>, NativeFailure> {
        match self.value(index) {
            Some(value) if !self.is_undefined(value) => {
                self.lent(value).map(Some).ok_or_else(|| wrong::<E>(name))
            }
            _ => Ok(None),
        }
    }

    /// A number.
    #[allow(unsafe_code, reason = "napi-rs reads numbers through its own types only")]
    pub(crate) fn number(&self, index: usize, name: &'static str) -> Result<f64, NativeFailure> {
        let value = self.value(index).ok_or_else(|| invalid(&format!("{name} must be a number")))?;
        let mut number = 0.0;
        // SAFETY: both are of the live call, and nothing else is read.
        let status = unsafe { sys::napi_get_value_double(self.env, value, &raw mut number) };
        if status == sys::Status::napi_ok {
            Ok(number)
        } else {
            Err(invalid(&format!("{name} must be a number")))
        }
    }

    /// A number that is whole; what is not, or does not fit, becomes the next that is.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float saturates"
    )]
    pub(crate) fn whole(&self, index: usize, name: &'static str) -> Result<u32, NativeFailure> {
        Ok(self.number(index, name)? as u32)
    }

    /// A number of 64 bits without a sign.
    #[allow(unsafe_code, reason = "napi-rs reads numbers into a list of words")]
    pub(crate) fn wide(&self, index: usize, name: &'static str) -> Result<u64, NativeFailure> {
        let (mut number, mut is_exact) = (0, false);
        let status = match self.value(index) {
            // SAFETY: both are of the live call, and nothing else is read.
            Some(value) => unsafe {
                sys::napi_get_value_bigint_uint64(self.env, value, &raw mut number, &raw mut is_exact)
            },
            None => sys::Status::napi_invalid_arg,
        };
        let is_right = status == sys::Status::napi_ok && is_exact;
        if is_right {
            Ok(number)
        } else {
            Err(invalid(&format!("{name} must be a bigint from 0 to 2^64 - 1")))
        }
    }

    /// A text as UTF-8. What that cannot hold comes as U+FFFD: the facade has refused it.
    pub(crate) fn utf8(&self, index: usize, name: &'static str) -> Result<Vec<u8>, NativeFailure> {
        let wrong = || invalid(&format!("{name} must be a string"));
        let value = self.value(index).ok_or_else(wrong)?;
        let units = self.text_units(value).ok_or_else(wrong)?;
        // Counting bytes takes longer than writing them: only for what is long is room exact.
        let length = if units <= SHORT_TEXT {
            units.saturating_mul(UNIT)
        } else {
            self.text_length(value).ok_or_else(wrong)?
        };
        if length > MAX_BYTES {
            return Err(NativeFailure::of(Code::WIRE_TOO_LARGE));
        }
        let mut bytes = Vec::with_capacity(length.saturating_add(1));
        self.read_text(value, &mut bytes).ok_or_else(wrong)?;
        Ok(bytes)
    }

    /// As many whole characters as `bytes` have room for, before a zero.
    #[allow(unsafe_code, reason = "napi-rs reads strings twice, and into memory that it clears first")]
    fn read_text(&self, value: sys::napi_value, bytes: &mut Vec<u8>) -> Option<()> {
        let mut length = 0;
        // SAFETY: both are of the live call, and no more is written than there is room. What is counted was written.
        unsafe {
            let (start, room) = (bytes.as_mut_ptr().cast(), bytes.capacity());
            let status = sys::napi_get_value_string_utf8(self.env, value, start, room, &raw mut length);
            if status != sys::Status::napi_ok || length > room {
                return None;
            }
            bytes.set_len(length);
        }
        Some(())
    }

    /// How many units of 16 bits a text has.
    #[allow(unsafe_code, reason = "napi-rs asks for lengths through its own types only")]
    fn text_units(&self, value: sys::napi_value) -> Option<usize> {
        let mut length = 0;
        // SAFETY: both are of the live call; nothing is written but the length.
        let status =
            unsafe { sys::napi_get_value_string_utf16(self.env, value, null_mut(), 0, &raw mut length) };
        (status == sys::Status::napi_ok).then_some(length)
    }

    /// How many bytes it has.
    #[allow(unsafe_code, reason = "napi-rs asks for lengths through its own types only")]
    fn text_length(&self, value: sys::napi_value) -> Option<usize> {
        let mut length = 0;
        // SAFETY: both are of the live call; nothing is written but the length.
        let status =
            unsafe { sys::napi_get_value_string_utf8(self.env, value, null_mut(), 0, &raw mut length) };
        (status == sys::Status::napi_ok).then_some(length)
    }

    fn value(&self, index: usize) -> Option<sys::napi_value> {
        self.values.get(..self.count.min(MAX_ARGUMENTS))?.get(index).copied()
    }

    #[allow(unsafe_code, reason = "napi-rs asks for types through its own types only")]
    fn is_undefined(&self, value: sys::napi_value) -> bool {
        let mut kind = sys::ValueType::napi_null;
        // SAFETY: both are of the live call.
        let status = unsafe { sys::napi_typeof(self.env, value, &raw mut kind) };
        status == sys::Status::napi_ok && kind == sys::ValueType::napi_undefined
    }

    /// The memory of a typed array that is nobody else's.
    #[allow(unsafe_code, reason = "napi-rs reads arrays through its own types only, and takes shared ones")]
    fn lent<E: Element>(&self, value: sys::napi_value) -> Option<Lent<E>> {
        let (mut kind, mut length, mut is_own) = (0, 0, false);
        let (mut start, mut buffer) = (null_mut(), null_mut());
        // SAFETY: both are of the live call; the places are written or the call fails.
        let status = unsafe {
            match sys::napi_get_typedarray_info(
                self.env,
                value,
                &raw mut kind,
                &raw mut length,
                &raw mut start,
                &raw mut buffer,
                null_mut(),
            ) {
                sys::Status::napi_ok => sys::napi_is_arraybuffer(self.env, buffer, &raw mut is_own),
                failed => failed,
            }
        };
        let is_right = status == sys::Status::napi_ok && is_own && kind == E::KIND && length <= MAX_BYTES;
        is_right.then(|| Lent { start: start.cast(), length: if start.is_null() { 0 } else { length } })
    }
}

/// Lengths and counts are far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "memory has fewer than 2^53 bytes")]
pub(crate) fn exact(number: usize) -> f64 {
    number as f64
}

fn wrong<E: Element>(name: &str) -> NativeFailure {
    let said = format!("{name} must be a {} that is not shared between threads", E::NAME);
    NativeFailure::new(Code::INVALID_ARGUMENT, said)
}

/// What typed arrays hold.
pub(crate) trait Element: Copy {
    /// As the engine numbers them.
    const KIND: i32;
    /// The array's class.
    const NAME: &'static str;
}

impl Element for u8 {
    const KIND: i32 = sys::TypedarrayType::uint8_array;
    const NAME: &'static str = "Uint8Array";
}

impl Element for u32 {
    const KIND: i32 = sys::TypedarrayType::uint32_array;
    const NAME: &'static str = "Uint32Array";
}

impl Element for i32 {
    const KIND: i32 = sys::TypedarrayType::int32_array;
    const NAME: &'static str = "Int32Array";
}

impl Element for u64 {
    const KIND: i32 = sys::TypedarrayType::biguint64_array;
    const NAME: &'static str = "BigUint64Array";
}

/// An array of JavaScript's. Several may lie in the same memory, so references to it are made for one use at a time.
#[derive(Clone, Copy)]
pub(crate) struct Lent<E> {
    start: *mut E,
    length: usize,
}

impl<E: Element> Lent<E> {
    /// One that is empty.
    pub(crate) const fn none() -> Self {
        Self { start: null_mut(), length: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// A copy of what it holds.
    pub(crate) fn to_vec(self) -> Vec<E> {
        self.slice().to_vec()
    }

    /// Writes one element; nothing where there is no such place.
    #[allow(unsafe_code, reason = "memory that several arrays may share is written through pointers only")]
    pub(crate) fn put(self, index: usize, value: E) {
        if index < self.length {
            // SAFETY: within the array, which nobody else uses during the call, and aligned as typed arrays are.
            unsafe { self.start.add(index).write(value) }
        }
    }

    /// For reading, while nothing writes.
    #[allow(unsafe_code, reason = "the memory is the engine's")]
    fn slice<'call>(self) -> &'call [E] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: the engine gave start and length of memory that stays where it is until JavaScript runs again. The
        // callers below make no other reference to it that could write.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    fn end(self) -> usize {
        self.start.addr().saturating_add(self.length.saturating_mul(size_of::<E>()))
    }

    fn meets<O: Element>(self, other: Lent<O>) -> bool {
        self.length > 0
            && other.length > 0
            && self.start.addr() < other.end()
            && other.start.addr() < self.end()
    }
}

/// Runs `work` on two inputs and room for what comes of them. An input that lies in that room is copied first.
#[allow(unsafe_code, reason = "the memory is the engine's")]
pub(crate) fn with_room<R>(
    first: Lent<u8>,
    second: Lent<u8>,
    out: Lent<u8>,
    work: impl FnOnce(&[u8], &[u8], &mut [u8]) -> R,
) -> R {
    let copy = |input: Lent<u8>| input.meets(out).then(|| input.to_vec());
    let (first_copy, second_copy) = (copy(first), copy(second));
    let room: &mut [u8] = if out.length == 0 {
        &mut []
    } else {
        // SAFETY: as in `slice`; neither input below lies in it.
        unsafe { std::slice::from_raw_parts_mut(out.start, out.length) }
    };
    let first = first_copy.as_deref().unwrap_or_else(|| first.slice());
    let second = second_copy.as_deref().unwrap_or_else(|| second.slice());
    work(first, second, room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: &mut [u8], from: usize, to: usize) -> Lent<u8> {
        let part = &mut bytes[from..to];
        Lent { start: part.as_mut_ptr(), length: part.len() }
    }

    #[test]
    fn inputs_that_lie_in_the_room_are_read_as_they_were() {
        let mut memory: Vec<u8> = (0..8).collect();
        let (first, second) = (part(&mut memory, 0, 4), part(&mut memory, 6, 8));
        let out = part(&mut memory, 2, 7);
        with_room(first, second, out, |first, second, room| {
            room.fill(9);
            assert_eq!((first, second), (&[0, 1, 2, 3][..], &[6, 7][..]));
        });
        assert_eq!(memory, [0, 1, 9, 9, 9, 9, 9, 7]);
    }

    #[test]
    fn neighbours_do_not_meet_and_nothing_meets_what_is_empty() {
        let mut memory = [0_u8; 8];
        let (left, right) = (part(&mut memory, 0, 4), part(&mut memory, 4, 8));
        assert!(!left.meets(right) && !left.meets(Lent::<u8>::none()));
        assert!(left.meets(part(&mut memory, 3, 5)) && !left.meets(part(&mut memory, 2, 2)));
    }

    #[test]
    fn nothing_is_written_beyond_the_end() {
        let mut memory = [1_u8; 4];
        let part = part(&mut memory, 0, 3);
        (0..8).for_each(|index| part.put(index, 7));
        assert_eq!((part.to_vec(), memory), (vec![7; 3], [7, 7, 7, 1]));
    }
}
