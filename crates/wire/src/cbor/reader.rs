//! Reading items, each refused unless it is in its one form.

use std::collections::BTreeSet;

use minicbor::Decoder;

use super::Token;
use super::token::{FALSE, NULL, TRUE};
use crate::Malformed;
use crate::limits::{MAX_NESTING, MAX_PAIRS};

/// A place in the bytes of one item.
#[derive(Debug)]
pub struct Reader<'a>(Decoder<'a>);

/// What can name a value in a map.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Key<'a> {
    /// An unsigned integer.
    Unsigned(u64),
    /// The negative integer -1-n.
    Negative(u64),
    /// A text string.
    Text(&'a str),
    /// A byte string.
    Bytes(&'a [u8]),
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Decoder::new(bytes))
    }

    /// The next token.
    ///
    /// # Errors
    /// When it is cut off, not well-formed or not in its shortest form.
    pub fn token(&mut self) -> Result<Token<'a>, Malformed> {
        Token::read(&mut self.0)
    }

    /// An unsigned integer that fits `T`.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn unsigned<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        match self.token()? {
            Token::Unsigned(number) => T::try_from(number).map_err(|_| Malformed::OutOfRange),
            _ => Err(Malformed::WrongType),
        }
    }

    /// A byte string.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        match self.token()? {
            Token::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed::WrongType),
        }
    }

    /// A text string.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        match self.token()? {
            Token::Text(text) => Ok(text),
            _ => Err(Malformed::WrongType),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.token()? {
            Token::Simple(FALSE) => Ok(false),
            Token::Simple(TRUE) => Ok(true),
            _ => Err(Malformed::WrongType),
        }
    }

    /// A byte string of at most `most` bytes.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn bytes_within(&mut self, most: usize) -> Result<&'a [u8], Malformed> {
        let bytes = self.bytes()?;
        if bytes.len() > most { Err(Malformed::TooLong) } else { Ok(bytes) }
    }

    /// A byte string of at most `most` bytes, or null.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn optional_bytes(&mut self, most: usize) -> Result<Option<&'a [u8]>, Malformed> {
        match self.token()? {
            Token::Simple(NULL) => Ok(None),
            Token::Bytes(bytes) if bytes.len() > most => Err(Malformed::TooLong),
            Token::Bytes(bytes) => Ok(Some(bytes)),
            _ => Err(Malformed::WrongType),
        }
    }

    /// An unsigned number, or null.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn optional_unsigned(&mut self) -> Result<Option<u64>, Malformed> {
        match self.token()? {
            Token::Simple(NULL) => Ok(None),
            Token::Unsigned(number) => Ok(Some(number)),
            _ => Err(Malformed::WrongType),
        }
    }

    /// A text string of at most `most` bytes.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn text_within(&mut self, most: usize) -> Result<&'a str, Malformed> {
        let text = self.text()?;
        if text.len() > most { Err(Malformed::TooLong) } else { Ok(text) }
    }

    /// The bytes of one whole item of any kind.
    ///
    /// # Errors
    /// As [`Self::skip`].
    pub fn item(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.0.position();
        self.skip()?;
        self.0.input().get(start..self.0.position()).ok_or(Malformed::Truncated)
    }

    /// The beginning of an array of at most `most` items.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn array(&mut self, most: usize) -> Result<usize, Malformed> {
        let Token::Array(count) = self.token()? else { return Err(Malformed::WrongType) };
        let count = usize::try_from(count).map_err(|_| Malformed::TooMany)?;
        if count > most { Err(Malformed::TooMany) } else { Ok(count) }
    }

    /// The beginning of an array of exactly `count` items.
    ///
    /// # Errors
    /// When the next item is anything else.
    pub fn tuple(&mut self, count: usize) -> Result<(), Malformed> {
        if self.array(count)? == count { Ok(()) } else { Err(Malformed::WrongType) }
    }

    /// A map with text keys: `each` is called at the value of every pair with one of the `keys`, and reads it; other
    /// pairs are skipped. The first `required` of the keys must all be there.
    ///
    /// # Errors
    /// When the next item is anything else, a key is missing, or `each` refuses a value.
    pub fn record(
        &mut self,
        keys: &'static [&'static str],
        required: usize,
        mut each: impl FnMut(&'static str, &mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let (mut found, mut others) = (Found::new(keys), Vec::new());
        for _ in 0..self.pairs()? {
            let Key::Text(text) = Key::of(self.token()?)? else { return Err(Malformed::WrongType) };
            match found.take(text)? {
                Some(known) => each(known, self)?,
                None if others.contains(&text) => return Err(Malformed::DuplicateKey),
                None => {
                    others.push(text);
                    self.skip()?;
                }
            }
        }
        found.missing(required).map_or(Ok(()), |key| Err(Malformed::MissingKey(key)))
    }

    /// A map of at most [`MAX_PAIRS`] pairs: `each` is called at every value, and reads it.
    ///
    /// # Errors
    /// When the next item is anything else, a key is there twice, or `each` refuses a value.
    pub fn entries(
        &mut self,
        mut each: impl FnMut(Key<'a>, &mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let count = self.pairs()?;
        let mut seen = Vec::with_capacity(count);
        for _ in 0..count {
            let key = Key::of(self.token()?)?;
            if seen.contains(&key) {
                return Err(Malformed::DuplicateKey);
            }
            seen.push(key);
            each(key, self)?;
        }
        Ok(())
    }

    fn pairs(&mut self) -> Result<usize, Malformed> {
        let Token::Map(count) = self.token()? else { return Err(Malformed::WrongType) };
        let count = usize::try_from(count).map_err(|_| Malformed::TooMany)?;
        if count > MAX_PAIRS { Err(Malformed::TooMany) } else { Ok(count) }
    }

    /// Passes over one whole item.
    ///
    /// # Errors
    /// When it is not in the strict form, nested deeper than [`MAX_NESTING`], or has a larger map than
    /// [`MAX_PAIRS`].
    pub fn skip(&mut self) -> Result<(), Malformed> {
        let mut open: Vec<Open<'a>> = Vec::new();
        loop {
            let token = self.token()?;
            if let Some(parent) = open.last_mut() {
                parent.take(token)?;
            }
            if let Some(container) = Open::new(token)? {
                if open.len() >= MAX_NESTING {
                    return Err(Malformed::TooDeep);
                }
                open.push(container);
            }
            while open.last().is_some_and(|container| container.left == 0) {
                open.pop();
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.is_at_end() { Ok(()) } else { Err(Malformed::Trailing) }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.0.position() >= self.0.input().len()
    }
}

impl<'a> Key<'a> {
    fn of(token: Token<'a>) -> Result<Self, Malformed> {
        match token {
            Token::Unsigned(number) => Ok(Self::Unsigned(number)),
            Token::Negative(number) => Ok(Self::Negative(number)),
            Token::Text(text) => Ok(Self::Text(text)),
            Token::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            _ => Err(Malformed::WrongType),
        }
    }
}

/// Which of a record's keys were found. They mostly come in the order in which they are listed.
struct Found {
    keys: &'static [&'static str],
    found: [bool; MAX_PAIRS],
    next: usize,
}

impl Found {
    const fn new(keys: &'static [&'static str]) -> Self {
        Self { keys, found: [false; MAX_PAIRS], next: 0 }
    }

    /// The key that `text` is, if it is one of them.
    fn take(&mut self, text: &str) -> Result<Option<&'static str>, Malformed> {
        let is_next = self.keys.get(self.next).is_some_and(|key| *key == text);
        let place = if is_next { Some(self.next) } else { self.keys.iter().position(|key| *key == text) };
        let Some((place, found)) = place.and_then(|place| Some((place, self.found.get_mut(place)?))) else {
            return Ok(None);
        };
        if std::mem::replace(found, true) {
            return Err(Malformed::DuplicateKey);
        }
        self.next = place.saturating_add(1);
        Ok(self.keys.get(place).copied())
    }

    /// The first of the first `required` that was not found.
    fn missing(&self, required: usize) -> Option<&'static str> {
        let mut places = self.keys.iter().zip(&self.found).take(required);
        places.find(|(_, found)| !**found).map(|(key, _)| *key)
    }
}

/// A container whose items are being passed over.
struct Open<'a> {
    left: u64,
    /// The keys so far, where it is a map.
    keys: Option<BTreeSet<Key<'a>>>,
}

impl<'a> Open<'a> {
    fn new(token: Token<'a>) -> Result<Option<Self>, Malformed> {
        match token {
            Token::Array(count) => Ok(Some(Self { left: count, keys: None })),
            Token::Map(count) if count > MAX_PAIRS as u64 => Err(Malformed::TooMany),
            Token::Map(count) => {
                Ok(Some(Self { left: count.saturating_mul(2), keys: Some(BTreeSet::new()) }))
            }
            Token::Tag(_) => Ok(Some(Self { left: 1, keys: None })),
            _ => Ok(None),
        }
    }

    /// Counts an item that begins with `token`. In a map every other item, from the first on, is a key.
    fn take(&mut self, token: Token<'a>) -> Result<(), Malformed> {
        if let Some(keys) = self.keys.as_mut().filter(|_| self.left.is_multiple_of(2))
            && !keys.insert(Key::of(token)?)
        {
            return Err(Malformed::DuplicateKey);
        }
        self.left = self.left.saturating_sub(1);
        Ok(())
    }
}
