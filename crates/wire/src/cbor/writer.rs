//! Writing items in the one form that [`Reader`](super::Reader) takes.

use minicbor::{Decoder, Encoder};

use super::Token;
use super::head::{BYTES, Head};
use super::token::{FALSE, NULL, TRUE, UNDEFINED};

/// An item under way. Counts are the caller's to keep.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A writer that has room for `capacity` bytes before it allocates again.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// An unsigned integer.
    pub fn unsigned(&mut self, number: impl Into<u64>) -> &mut Self {
        // A vector refuses no byte: here and below there is no error to look at.
        let _ = self.encoder().u64(number.into());
        self
    }

    /// A byte string.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.encoder().bytes(bytes);
        self
    }

    /// The beginning of a byte string; so many bytes follow.
    pub(crate) fn bytes_ahead(&mut self, length: u32) -> &mut Self {
        self.0.extend_from_slice(Head::new(BYTES, length).bytes());
        self
    }

    /// A text string.
    pub fn text(&mut self, text: &str) -> &mut Self {
        let _ = self.encoder().str(text);
        self
    }

    /// True or false.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.token(Token::Simple(if value { TRUE } else { FALSE }))
    }

    /// An unsigned number, or null.
    pub fn optional_unsigned(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.unsigned(number),
            None => self.null(),
        }
    }

    /// Nothing, where something is optional.
    pub fn null(&mut self) -> &mut Self {
        let _ = self.encoder().null();
        self
    }

    /// The beginning of an array; so many items follow.
    pub fn array(&mut self, count: usize) -> &mut Self {
        let _ = self.encoder().array(count as u64);
        self
    }

    /// The beginning of a map; so many pairs follow.
    pub fn map(&mut self, count: usize) -> &mut Self {
        let _ = self.encoder().map(count as u64);
        self
    }

    /// A floating-point number in the fewest bytes that keep its value.
    pub fn float(&mut self, value: f64) -> &mut Self {
        match (half(value), single(value)) {
            (Some(value), _) => {
                let _ = self.encoder().f16(value);
            }
            (None, Some(value)) => {
                let _ = self.encoder().f32(value);
            }
            (None, None) => {
                let _ = self.encoder().f64(value);
            }
        }
        self
    }

    /// Any token.
    pub fn token(&mut self, token: Token<'_>) -> &mut Self {
        let _ = match token {
            Token::Unsigned(number) => self.encoder().u64(number).map(drop),
            Token::Negative(number) => self.negative(number).map(drop),
            Token::Bytes(bytes) => self.encoder().bytes(bytes).map(drop),
            Token::Text(text) => self.encoder().str(text).map(drop),
            Token::Array(count) => self.encoder().array(count).map(drop),
            Token::Map(count) => self.encoder().map(count).map(drop),
            Token::Tag(number) => self.encoder().tag(minicbor::data::Tag::new(number)).map(drop),
            Token::Simple(FALSE | TRUE) => self.encoder().bool(token == Token::Simple(TRUE)).map(drop),
            Token::Simple(NULL) => self.encoder().null().map(drop),
            Token::Simple(UNDEFINED) => self.encoder().undefined().map(drop),
            Token::Simple(value) => self.encoder().simple(value).map(drop),
            Token::Float(value) => {
                self.float(value);
                Ok(())
            }
        };
        self
    }

    /// What was written.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    fn encoder(&mut self) -> Encoder<&mut Vec<u8>> {
        Encoder::new(&mut self.0)
    }

    fn negative(&mut self, number: u64) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        match minicbor::data::Int::try_from(!i128::from(number)) {
            Ok(value) => self.encoder().int(value).map(drop),
            // Every such number fits: the type holds -2^64 to 2^64-1.
            Err(_) => Ok(()),
        }
    }
}

/// The same number in 32 bits, if there is one.
fn single(value: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "what is lost shows in the comparison")]
    let narrow = value as f32;
    (f64::from(narrow).to_bits() == value.to_bits() || value.is_nan()).then_some(narrow)
}

/// The same number in 16 bits, if there is one. There is one Not-a-Number.
fn half(value: f64) -> Option<f32> {
    if value.is_nan() {
        return Some(f32::NAN);
    }
    let narrow = single(value)?;
    let mut bytes = [0; 3];
    Encoder::new(bytes.as_mut_slice()).f16(narrow).ok()?;
    (Decoder::new(&bytes).f16().ok()?.to_bits() == narrow.to_bits()).then_some(narrow)
}
