//! Why bytes are not what they should be.

use coterie_types::{Code, ErrorCode};

/// Why bytes were refused before anybody looked at what they mean. Holds nothing of them, so it is safe to log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// They end inside an item, or announce more than there is.
    #[error("the input is cut off")]
    Truncated,
    /// Bytes follow the end, or lie between the parts.
    #[error("bytes are left over")]
    Trailing,
    /// The encoding's own rules are broken.
    #[error("the encoding is not well-formed")]
    NotWellFormed,
    /// A number, length or count could have been written in fewer bytes.
    #[error("a value is not in its shortest form")]
    NotShortest,
    /// A length is left open.
    #[error("a length is indefinite")]
    Indefinite,
    /// A value, or a key, is of another type than it must be.
    #[error("a value is of the wrong type")]
    WrongType,
    /// A number is outside of its field's range.
    #[error("a number is out of range")]
    OutOfRange,
    /// A key stands twice in one map.
    #[error("a key is there twice")]
    DuplicateKey,
    /// A key that must be there is not.
    #[error("the key `{0}` is missing")]
    MissingKey(&'static str),
    /// Nested deeper than the limit.
    #[error("nested deeper than {} levels", crate::limits::MAX_NESTING)]
    TooDeep,
    /// More items, pairs or fields than their limit.
    #[error("more items than the limit")]
    TooMany,
    /// Longer than the limit for this part.
    #[error("longer than the limit")]
    TooLong,
}

impl ErrorCode for Malformed {
    fn code(&self) -> Code {
        match self {
            Self::TooDeep | Self::TooMany | Self::TooLong => Code::WIRE_TOO_LARGE,
            _ => Code::WIRE_MALFORMED,
        }
    }
}
