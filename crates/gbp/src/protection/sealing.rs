//! What both profiles' sealing sides share.

use coterie_crypto::counters::TakeError;
use coterie_types::StreamClass;

use crate::error::SealError;

/// Why no number was taken, in this layer's terms.
pub(super) const fn not_taken(class: StreamClass, error: TakeError) -> SealError {
    match error {
        TakeError::NotReserved => SealError::NotReserved(class),
        TakeError::Exhausted => SealError::Exhausted(class),
    }
}
