//! What names a group, a moment of its history and a place in it.

use std::fmt;

use crate::{Code, ErrorCode};

/// The name of a group, chosen by whoever creates it and equal at every member.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GroupId(Box<[u8]>);

/// Why bytes are not a group id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GroupIdError {
    /// No bytes at all: every empty id would be the same group.
    Empty,
    /// Longer than [`GroupId::MAX_LENGTH`].
    TooLong,
}

impl GroupId {
    /// 32 random bytes already make a collision impossible; 255 leaves room for structured names and keeps
    /// an id short enough to be an index key.
    pub const MAX_LENGTH: usize = 255;

    /// Takes `bytes` as an id.
    ///
    /// # Errors
    /// When there are none, or more than [`Self::MAX_LENGTH`].
    pub fn new(bytes: &[u8]) -> Result<Self, GroupIdError> {
        match bytes.len() {
            0 => Err(GroupIdError::Empty),
            1..=Self::MAX_LENGTH => Ok(Self(bytes.into())),
            _ => Err(GroupIdError::TooLong),
        }
    }

    /// The bytes as they stand on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupId({self})")
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for GroupIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a group id has at least one byte"),
            Self::TooLong => write!(f, "a group id has at most {} bytes", GroupId::MAX_LENGTH),
        }
    }
}

impl std::error::Error for GroupIdError {}

impl ErrorCode for GroupIdError {
    fn code(&self) -> Code {
        Code::INVALID_ARGUMENT
    }
}

/// How many commits a group has seen. Every member of one epoch holds the same keys.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.0)
    }
}

/// A member's place in the group's tree. It is the member's for as long as it stays, and may be another's
/// afterwards.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LeafIndex(u32);

impl LeafIndex {
    /// The leaf with this number, counted from the left.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leaf {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_id_has_between_one_and_255_bytes() {
        assert_eq!(GroupId::new(&[]), Err(GroupIdError::Empty));
        assert!(GroupId::new(&[7]).is_ok());
        assert!(GroupId::new(&[7; GroupId::MAX_LENGTH]).is_ok());
        assert_eq!(GroupId::new(&[7; GroupId::MAX_LENGTH + 1]), Err(GroupIdError::TooLong));
    }

    #[test]
    fn a_group_id_prints_as_hex() {
        assert_eq!(GroupId::new(&[0, 0xab]).unwrap().to_string(), "00ab");
    }
}
