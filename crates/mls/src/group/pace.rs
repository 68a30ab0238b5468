//! Which calls take so little time that another thread is not worth it.
//!
//! It says what the work is; whether a disk has to be waited for is the store's affair.

use super::{Changes, Group, State};
use crate::limits::{
    QUICK_ADDED, QUICK_ADDING_MEMBERS, QUICK_COMMIT_LENGTH, QUICK_LENGTH, QUICK_MEMBERS,
    QUICK_RECEIVING_MEMBERS,
};

/// What a group's suite and size say of the time its calls take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// None where every commit is slow.
    members: Option<usize>,
}

impl Pace {
    /// Where every commit is slow.
    pub const SLOW: Self = Self { members: None };

    /// Whether any commit is quick.
    #[must_use]
    pub fn is_small(self) -> bool {
        self.is_up_to(QUICK_MEMBERS)
    }

    /// Whether [`Group::commit`] is, where nothing else waits to be committed: what does more than to add members renews a
    /// path, whose keys are agreed on with everybody at worst.
    #[must_use]
    pub fn commits_quickly(self, changes: &Changes<'_>) -> bool {
        let most = if changes.only_add() { QUICK_ADDING_MEMBERS } else { QUICK_MEMBERS };
        changes.add.len() <= QUICK_ADDED && self.is_up_to(most)
    }

    /// Whether [`Group::merge_pending`] and [`Group::merge_staged`] are.
    #[must_use]
    pub fn merges_quickly(self) -> bool {
        self.is_up_to(QUICK_ADDING_MEMBERS)
    }

    /// Whether [`Group::receive`] is: so for short application messages in any group.
    #[must_use]
    pub fn receives_quickly(self, message: &[u8]) -> bool {
        let length = message.len();
        length <= QUICK_LENGTH && (self.is_small() || is_application_message(message))
            || length <= QUICK_COMMIT_LENGTH && self.is_up_to(QUICK_RECEIVING_MEMBERS)
    }

    fn is_up_to(self, most: usize) -> bool {
        self.members.is_some_and(|members| members <= most)
    }
}

impl Group {
    /// How long its calls take, as of this epoch.
    #[must_use]
    pub fn pace(&self) -> Pace {
        match &self.state {
            State::Member(live) if self.suite.is_quick() => {
                Pace { members: Some(live.mls.treesync().full_leaves().count()) }
            }
            State::Member(_) | State::Removed(_) | State::Torn(_) => Pace::SLOW,
        }
    }

    /// Whether proposals wait for a commit.
    #[must_use]
    pub fn has_proposals(&self) -> bool {
        match &self.state {
            State::Member(live) => live.mls.pending_proposals().next().is_some(),
            State::Removed(_) | State::Torn(_) => false,
        }
    }

    /// Whether [`Self::encrypt`] is quick, in a group of any size.
    #[must_use]
    pub const fn encrypts_quickly(length: usize) -> bool {
        length <= QUICK_LENGTH
    }
}

/// Reads as much of a message's head as tells application data from the rest (RFC 9420 sections 6 and 6.3):
/// version, wire format, group id, epoch, content type. Decides nothing but where the work is done.
fn is_application_message(message: &[u8]) -> bool {
    const VERSION_AND_PRIVATE_MESSAGE: [u8; 4] = [0, 1, 0, 2];
    const EPOCH_LENGTH: usize = 8;
    const APPLICATION: u8 = 1;
    let Some(rest) = message.strip_prefix(&VERSION_AND_PRIVATE_MESSAGE) else { return false };
    // A length below 64 takes one byte, one below 16,384 two.
    let (length, rest) = match rest {
        [length @ 0..=63, rest @ ..] => (usize::from(*length), rest),
        [high @ 64..=127, low, rest @ ..] => (usize::from(u16::from_be_bytes([high & 0x3f, *low])), rest),
        _ => return false,
    };
    rest.get(length.saturating_add(EPOCH_LENGTH)) == Some(&APPLICATION)
}
