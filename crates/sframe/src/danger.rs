//! What weakens a guarantee, for those who know why they want it.

use crate::suite::{Dialect, Protection, Suite};

/// Any suite, those with short tags included.
///
/// A tag of 80, 64 or 32 bits saves a few bytes a frame and can be guessed: a receiver stops after
/// [`crate::limits::MAX_FORGERIES`] failures in an epoch, so that anybody who can send it bytes can silence it until the
/// next one.
#[must_use]
pub const fn short_tags(suite: Suite, dialect: Dialect) -> Protection {
    Protection::unchecked(suite, dialect)
}
