//! CBOR in exactly one form: what is accepted is what our own encoder would have written.
//!
//! Integers, lengths and floats in their shortest form, definite lengths, no key twice, nothing after the item.
//! [`Reader`] refuses everything else, however deeply it lies; lengths and counts are compared with the bytes that are
//! left before anything is allocated, and nesting is a list of bounded length, not the call stack.
//!
//! The order of a map's keys is not part of the form: the protocol writes them in the order of its tables, readers
//! take any.

pub(crate) mod head;
mod reader;
mod token;
mod writer;

pub use reader::{Key, Reader};
pub use token::Token;
pub use writer::Writer;

use crate::Malformed;

/// Whether `bytes` are one item in the strict form, whatever it says.
///
/// # Errors
/// Why they are not.
pub fn check(bytes: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    reader.skip()?;
    reader.finish()
}
